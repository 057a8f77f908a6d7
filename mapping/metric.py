"""Outcome progress: has the number moved from baseline to target? Source: design/progress.md sections 1 and 4.

One function for every kind of key result whose progress is not simply its work. Values in, exact progress out, and the
reason wherever there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mapping.progress import ONE, ZERO, ratio


class Why(StrEnum):
    """Why there is no number."""

    NOT_MEASURED = "not_measured"
    ZERO_WIDTH_INVALID = "zero_width_invalid"


class Aggregate(StrEnum):
    """What a query's matches are turned into."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`progress` is 0..1; `raw` is the same before it was clamped; both None with a reason in `why`."""

    raw: Fraction | None
    progress: Fraction | None
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Maintained:
    """The three readings of a band that is to be held; None where nothing was measured."""

    average: Fraction | None
    latest: Fraction | None
    minimum: Fraction | None


class CheckpointError(ValueError):
    reason = "checkpoint_invalid"


def clamp(value: Fraction) -> Fraction:
    return min(ONE, max(ZERO, value))


def metric(baseline: Fraction, target: Fraction, value: Fraction | None) -> Outcome:
    """The metric rule, the same for rising and falling metrics.

    `baseline` = `target` is refused at entry; in old data it has no progress.
    """
    if value is None:
        return Outcome(None, None, Why.NOT_MEASURED)
    if baseline == target:
        return Outcome(None, None, Why.ZERO_WIDTH_INVALID)
    raw = (value - baseline) / (target - baseline)
    return Outcome(raw, clamp(raw))


def checkpoints(
    baseline: Fraction, target: Fraction, value: Fraction | None, points: Iterable[tuple[Fraction, Fraction]]
) -> Outcome:
    """The metric rule bent through checkpoints (value, progress): linear from each to the next.

    They are put in the order of travel and stand between (baseline, 0) and (target, 1); outside, progress is clamped.
    `raw` stays the straight one. Raises CheckpointError for a checkpoint that stands elsewhere, says more than 0..1,
    or contradicts another.
    """
    straight = metric(baseline, target, value)
    if straight.raw is None:
        return straight
    at = {ZERO: ZERO, ONE: ONE}
    for point, progress in points:
        travelled = (point - baseline) / (target - baseline)
        if not 0 <= travelled <= 1:
            raise CheckpointError(f"the checkpoint at {point} is not between {baseline} and {target}")
        if not 0 <= progress <= 1:
            raise CheckpointError(f"the progress {progress} at {point} is not between 0 and 1")
        if at.setdefault(travelled, progress) != progress:
            raise CheckpointError(f"two different progresses at {point}")
    here = clamp(straight.raw)
    before = max(travelled for travelled in at if travelled <= here)
    after = min(travelled for travelled in at if travelled >= here)
    if before == after:
        return Outcome(straight.raw, at[before])
    share = (here - before) / (after - before)
    return Outcome(straight.raw, at[before] + share * (at[after] - at[before]))


def maintain(lowest: Fraction | None, highest: Fraction | None, values: Sequence[Fraction | None]) -> Maintained:
    """How well a band was held, over the values of the check-in periods in order; None is a period without a value.

    Both ends belong to the band; an end that is None is open.
    """
    inside = [
        (lowest is None or lowest <= value) and (highest is None or value <= highest)
        for value in values
        if value is not None
    ]
    if not inside:
        return Maintained(None, None, None)
    return Maintained(Fraction(sum(inside), len(inside)), Fraction(inside[-1]), Fraction(all(inside)))


def milestone(milestones: Iterable[tuple[Fraction, bool]]) -> Fraction | None:
    """Weight of the finished milestones / weight of all, from (weight, finished); None without any weight."""
    listed = list(milestones)
    finished = sum((weight for weight, is_finished in listed if is_finished), ZERO)
    return ratio(finished, sum((weight for weight, _ in listed), ZERO))


def issue_count(baseline: Fraction, target: Fraction, finished_units: int) -> Outcome:
    """A fixed target in finished issues: what is added to the scope does not lower it."""
    return metric(baseline, target, baseline + finished_units)


def query_value(aggregate: Aggregate, matches: Sequence[Fraction | None]) -> Fraction | None:
    """The value of a query from one entry per match: its number, or None where the field is empty.

    An empty field is counted but neither summed nor averaged. No number to average is no value; an empty sum is 0.
    """
    numbers = [match for match in matches if match is not None]
    if aggregate is Aggregate.COUNT:
        return Fraction(len(matches))
    total = sum(numbers, ZERO)
    if aggregate is Aggregate.SUM:
        return total
    return ratio(total, Fraction(len(numbers)))


def claimed_value(baseline: Fraction, declared: Iterable[tuple[Fraction, bool]]) -> Fraction:
    """Baseline plus the changes that finished links declare, from (change, whole work of the link finished).

    A claim and no measurement: it is shown as claimed beside the outcome and never stands in for it.
    """
    return baseline + sum((change for change, finished in declared if finished), ZERO)
