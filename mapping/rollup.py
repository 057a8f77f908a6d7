"""From key results to their objective. Source: design/progress.md sections 1 and 4.

No arithmetic from child objectives to parents: alignment is not arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mapping.progress import ZERO, ratio


class Kind(StrEnum):
    """Decides which of its numbers stands for a key result."""

    METRIC = "metric"
    MAINTAIN = "maintain"
    MILESTONE = "milestone"
    ISSUE_RATIO = "issue_ratio"
    ISSUE_COUNT = "issue_count"
    QUERY_METRIC = "query_metric"
    ISSUE_DELTA = "issue_delta"

    @property
    def counts_output(self) -> bool:
        """Carries the badge "output": it says how much was done, not what came of it."""
        return self in {Kind.ISSUE_RATIO, Kind.ISSUE_COUNT}


def stands_for(kind: Kind, *, outcome: Fraction | None, work: Fraction | None) -> Fraction | None:
    """The number that roll-ups use: work for `issue_ratio`, the outcome for every other kind, never both.

    What an `issue_delta` merely claims is not measured, so it is not passed as outcome.
    """
    return work if kind is Kind.ISSUE_RATIO else outcome


class Mean(StrEnum):
    WEIGHTED = "weighted"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Rollup:
    """Progress 0..1 over the key results that have a value, or None; and how many those are."""

    progress: Fraction | None
    measured: int
    of: int

    @property
    def coverage(self) -> str:
        return f"{self.measured} of {self.of} measured"


def roll_up(key_results: Iterable[tuple[Fraction | None, Fraction]], mean: Mean = Mean.WEIGHTED) -> Rollup:
    """Rolls up (progress, weight >= 0) of each key result. Where all that is measured weighs 0, it counts equally."""
    listed = list(key_results)
    measured = [(progress, weight) for progress, weight in listed if progress is not None]
    if not measured:
        return Rollup(None, 0, len(listed))
    if mean is Mean.MIN:
        return Rollup(min(progress for progress, _ in measured), len(measured), len(listed))
    weighted = ratio(
        sum((progress * weight for progress, weight in measured), ZERO), sum((weight for _, weight in measured), ZERO)
    )
    equal = sum((progress for progress, _ in measured), ZERO) / len(measured)
    return Rollup(equal if weighted is None else weighted, len(measured), len(listed))
