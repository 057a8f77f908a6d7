"""Work progress: how much of the work linked to a key result is finished.

This is design/progress.md section 3, sentence by sentence, over a whole case at once. The running values that an
event moves (mapping/running.py) must always equal what this file computes from nothing. Exact rationals throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mapping.forest import Below, Forest, Issue, IssueId
from mapping.issue_class import ABSENT, COUNTABLE, IssueClass

ZERO = Fraction(0)
ONE = Fraction(1)


class SizeBy(StrEnum):
    COUNT = "count"
    ESTIMATE = "estimate"


class Unestimated(StrEnum):
    """What an issue without an estimate weighs where sizes are estimates: one, or it is left out."""

    ONE = "one"
    EXCLUDE = "exclude"


class Flag(StrEnum):
    ALL_ZERO_ESTIMATES = "all_zero_estimates"
    CONTAINER_DONE_OPEN_CHILDREN = "container_done_open_children"
    CONTAINER_DROPPED_OPEN_CHILDREN = "container_dropped_open_children"
    LINK_BROKEN = "link_broken"
    UNESTIMATED_UNITS = "unestimated_units"


@dataclass(frozen=True, slots=True)
class Options:
    """How a key result counts its work. `kappa` is the credit of started work, 0 <= kappa < 1."""

    size_by: SizeBy = SizeBy.COUNT
    kappa: Fraction = ZERO
    sub_credit: bool = False
    unestimated: Unestimated = Unestimated.ONE

    def __post_init__(self) -> None:
        if not 0 <= self.kappa < 1:
            raise ValueError(f"kappa must be at least 0 and below 1, not {self.kappa}")


@dataclass(frozen=True, slots=True)
class Work:
    """Work progress of one key result: `num` / `den`, or None where nothing is linked ("no linked work")."""

    num: Fraction
    den: Fraction
    units: tuple[IssueId, ...]
    """The issues that count, each once, in alphabetical order."""
    done_units: int
    flags: tuple[str, ...]

    @property
    def progress(self) -> Fraction | None:
        return ratio(self.num, self.den)


def ratio(num: Fraction, den: Fraction) -> Fraction | None:
    """A denominator of 0 is no linked work: neither 0 nor 100 per cent, but no number at all."""
    return None if den == 0 else num / den


def is_unit(cls: IssueClass, has_estimate: bool, below: Below, options: Options) -> bool:
    """Whether an issue is counted as one piece; every other issue is a container and counts nothing itself."""
    if cls not in COUNTABLE:
        return False
    without_countable_child = below.countable_children == 0
    only_sub_tasks = below.countable_standard_children == 0
    sized_as_a_whole = options.size_by is SizeBy.ESTIMATE and has_estimate and below.estimated == 0
    return without_countable_child or only_sub_tasks or sized_as_a_whole


def size_of(estimate: Fraction | None, options: Options) -> Fraction | None:
    """The size of a unit; None where it is left out for want of an estimate. An explicit 0 weighs nothing."""
    if options.size_by is SizeBy.COUNT:
        return ONE
    if estimate is None:
        return None if options.unestimated is Unestimated.EXCLUDE else ONE
    return estimate


def credit_of(cls: IssueClass, below: Below, options: Options) -> Fraction:
    """The finished share of a unit, 0..1, and never 1 while the unit itself is open."""
    if cls is IssueClass.DONE:
        return ONE
    started = options.kappa if cls is IssueClass.DOING else ZERO
    if not options.sub_credit:
        return started
    # Closing the unit itself is the last part, hence the + 1.
    return max(started, Fraction(below.parts_done, below.parts + 1))


def flag_of_container(cls: IssueClass, below: Below) -> Flag | None:
    """A container that is closed while work below it is open says so."""
    if below.open == 0:
        return None
    if cls is IssueClass.DONE:
        return Flag.CONTAINER_DONE_OPEN_CHILDREN
    if cls is IssueClass.DROPPED:
        return Flag.CONTAINER_DROPPED_OPEN_CHILDREN
    return None


def work_progress(
    issues: Mapping[IssueId, Issue], links: Iterable[tuple[IssueId, Fraction]], options: Options = Options()
) -> Work:
    """Work progress from nothing but the issues and the links (issue, weight >= 0) of one key result.

    Of two links to the same issue the last counts; a link to an issue that is gone, unknown or not among the issues
    is broken.
    """
    forest = Forest(issues)
    weights = dict(links)
    flags: set[Flag] = set()
    reached: dict[IssueId, Fraction] = {}
    for id_, weight in weights.items():
        if id_ not in issues or issues[id_].cls in ABSENT:
            flags.add(Flag.LINK_BROKEN)
        else:
            descend(forest, id_, weight, weights, options, reached, flags)

    num = den = num_by_count = den_by_count = ZERO
    units: list[IssueId] = []
    done_units = 0
    all_zero = True
    for id_ in not_absorbed(forest, reached):
        issue, weight = issues[id_], reached[id_]
        if options.size_by is SizeBy.ESTIMATE and issue.estimate is None:
            flags.add(Flag.UNESTIMATED_UNITS)
        size = size_of(issue.estimate, options)
        if size is None:
            continue  # left out of both sums and of the list; what it absorbed was already absorbed above
        credit = credit_of(issue.cls, forest.below[id_], options)
        units.append(id_)
        done_units += issue.cls is IssueClass.DONE
        all_zero = all_zero and size == 0
        num += weight * size * credit
        den += weight * size
        num_by_count += weight * credit
        den_by_count += weight
    if units and all_zero:
        flags.add(Flag.ALL_ZERO_ESTIMATES)
        num, den = num_by_count, den_by_count
    return Work(num, den, tuple(sorted(units, key=str)), done_units, tuple(sorted(flags)))


def descend(
    forest: Forest,
    linked: IssueId,
    weight: Fraction,
    weights: Mapping[IssueId, Fraction],
    options: Options,
    reached: dict[IssueId, Fraction],
    flags: set[Flag],
) -> None:
    """From one linked issue down to its units, through containers, past nothing that is gone.

    A child with a link of its own is left to that link, so its own weight beats the inherited one and no path is
    walked twice.
    """
    waiting = [linked]
    while waiting:
        id_ = waiting.pop()
        issue, below = forest.issues[id_], forest.below[id_]
        if is_unit(issue.cls, issue.estimate is not None, below, options):
            reached[id_] = weight
            continue
        flag = flag_of_container(issue.cls, below)
        if flag is not None:
            flags.add(flag)
        waiting.extend(
            child for child in forest.children[id_] if child not in weights and forest.issues[child].cls not in ABSENT
        )


def not_absorbed(forest: Forest, reached: Mapping[IssueId, Fraction]) -> list[IssueId]:
    """The reached units that have no other reached unit among their ancestors; a gone issue ends the chain of
    ancestors.
    """
    counted: list[IssueId] = []
    covered: dict[IssueId, bool] = {}  # whether the issue or one of its ancestors is a reached unit
    for id_ in forest.from_the_top():
        parent = forest.parent[id_]
        under_a_unit = parent is not None and covered[parent]
        if id_ in reached and not under_a_unit:
            counted.append(id_)
        covered[id_] = forest.issues[id_].cls not in ABSENT and (under_a_unit or id_ in reached)
    return counted
