"""The drift point: the week in which work and goals parted ways. Source: design/progress.md section 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import comb, isqrt
from typing import Final

from mapping.progress import ZERO

SIDE_AT_LEAST: Final = 2
"""Weeks on each side of the split."""
FALL_AT_LEAST: Final = Fraction(20, 100)
DEVIATIONS_AT_LEAST: Final = 2
CHANCE_AT_MOST: Final = Fraction(1, 100)
"""Chance of a false alarm in one look at counts. A quarter is looked at every week from the fourth on, and the looks
share their data: at this level at most 5 quarters in 100 raise an alarm without cause (measured: see the tests).
"""
ITEMS_AT_MOST: Final = 4_000
"""More items than these are scaled down before the chance is computed: by then there is evidence enough, and less
only errs towards silence.
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """Week numbers start at 1 and count weeks without work too; `before` and `after` are the two levels, 0..1."""

    first_week_after: int
    before: Fraction
    after: Fraction


class Silence(StrEnum):
    """Why no drift point is reported."""

    NO_FALL = "no_fall"
    TOO_LITTLE_WORK = "too_little_work_to_tell"


def drift_of_shares(shares: Sequence[Fraction | None]) -> Drift | None:
    """The drift point where only weekly aligned shares are known; a week without work is None and keeps its number.

    Two levels by least squares, the earliest of equally good splits; reported where the fall is at least 20 points
    and at least two pooled standard deviations.
    """
    worked = [(week, share) for week, share in enumerate(shares, start=1) if share is not None]
    n = len(worked)
    values = [share for _, share in worked]
    best: tuple[Fraction, int] | None = None
    for split in range(SIDE_AT_LEAST, n - SIDE_AT_LEAST + 1):
        error = _squares(values[:split]) + _squares(values[split:])
        if best is None or error < best[0]:
            best = error, split
    if best is None:
        return None
    error, split = best
    before, after = _mean(values[:split]), _mean(values[split:])
    fall = before - after
    if fall < FALL_AT_LEAST or fall**2 * (n - 2) < DEVIATIONS_AT_LEAST**2 * error:
        return None
    return Drift(worked[split][0], before, after)


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, ZERO) / len(values)


def _squares(values: Sequence[Fraction]) -> Fraction:
    """Sum of the squared distances from the mean."""
    mean = _mean(values)
    return sum(((value - mean) ** 2 for value in values), ZERO)


def drift_of_counts(weeks: Sequence[tuple[int, int]]) -> Drift | Silence:
    """The drift point where weekly counts (aligned, total) are known; a week without work keeps its number.

    The split is the one that makes the counts likeliest, among falls. It is reported where the fall is at least 20
    points and a likelihood ratio as large would hardly ever come from one constant share: given the weekly totals and
    the aligned items in all, every way of spreading them over the weeks is equally likely then, so that chance is
    counted, exactly.
    """
    for aligned, total in weeks:
        if not 0 <= aligned <= total:
            raise ValueError(f"{aligned} aligned items of {total}")
    factor = max(1, -(-sum(total for _, total in weeks) // ITEMS_AT_MOST))
    worked = [
        (week, aligned // factor, total // factor) for week, (aligned, total) in enumerate(weeks) if total >= factor
    ]
    scan = _Scan([(aligned, total) for _, aligned, total in worked])
    split = scan.best_split()
    if split is not None:
        first = worked[split][0]
        before, after = _share(weeks[:first]), _share(weeks[first:])
        if before - after >= FALL_AT_LEAST:
            return Drift(first + 1, before, after) if scan.chance() <= CHANCE_AT_MOST else Silence.TOO_LITTLE_WORK
    return Silence.NO_FALL if scan.can_tell() else Silence.TOO_LITTLE_WORK


def _share(weeks: Sequence[tuple[int, int]]) -> Fraction:
    return Fraction(sum(aligned for aligned, _ in weeks), sum(total for _, total in weeks))


class _Scan:
    """The likelihood ratio of two levels against one, over all splits of weekly (aligned, total) counts."""

    def __init__(self, counts: Sequence[tuple[int, int]]) -> None:
        self.counts = counts
        self.aligned = _running([aligned for aligned, _ in counts])
        self.total = _running([total for _, total in counts])
        self.splits = range(SIDE_AT_LEAST, len(counts) - SIDE_AT_LEAST + 1)

    def likelihood(self, split: int, first: int) -> tuple[int, int]:
        """Likelihood of two levels with `first` aligned items before the split, as (numerator, denominator).

        The likelihood of a single level is the same for every split, so it is left out of all comparisons.
        """
        n1, n2, k2 = self.total[split], self.total[-1] - self.total[split], self.aligned[-1] - first
        successes = first**first * (n1 - first) ** (n1 - first) * k2**k2 * (n2 - k2) ** (n2 - k2)
        return successes, n1**n1 * n2**n2

    def best_split(self) -> int | None:
        """The likeliest split among those where the share falls, the earliest of equals; None if it falls nowhere."""
        best: tuple[int, int, int] | None = None
        for split in self.splits:
            first, n1, items = self.aligned[split], self.total[split], self.total[-1]
            if first * (items - n1) <= (self.aligned[-1] - first) * n1:
                continue  # no fall
            numerator, denominator = self.likelihood(split, first)
            if best is None or numerator * best[1] > best[0] * denominator:
                best = numerator, denominator, split
        return None if best is None else best[2]

    def chance(self) -> Fraction:
        """Chance of a likelihood ratio at least as large as the observed one if the share never changed.

        Counts the ways to choose the aligned items that stay below the observed ratio at every split. Ways beyond eight
        standard deviations are not followed; leaving them out can only make the chance look larger.
        """
        split = self.best_split()
        if split is None:
            return Fraction(1)
        observed = self.likelihood(split, self.aligned[split])
        limits = {s: self._limit(s, observed) for s in self.splits}
        items, chosen = self.total[-1], self.aligned[-1]
        ways = {0: 1}
        for week, (_, total) in enumerate(self.counts, start=1):
            expected, slack = total * chosen // items, 4 * isqrt(total) + 4
            middle, width = self.total[week] * chosen // items, 4 * isqrt(items) + 4
            following: dict[int, int] = {}
            for aligned in range(max(0, expected - slack), min(total, expected + slack) + 1):
                choices = comb(total, aligned)
                for so_far, count in ways.items():
                    reached = so_far + aligned
                    if abs(reached - middle) <= width and reached < limits.get(week, items + 1):
                        following[reached] = following.get(reached, 0) + count * choices
            ways = following
        return 1 - Fraction(ways.get(chosen, 0), comb(items, chosen))

    def _limit(self, split: int, observed: tuple[int, int]) -> int:
        """The fewest aligned items before `split` that make a fall as likely as the observed one."""
        n1, items, chosen = self.total[split], self.total[-1], self.aligned[-1]
        low, high = n1 * chosen // items + 1, min(chosen, n1) + 1
        while low < high:
            middle = (low + high) // 2
            numerator, denominator = self.likelihood(split, middle)
            if numerator * observed[1] >= observed[0] * denominator:
                high = middle
            else:
                low = middle + 1
        return low

    def can_tell(self) -> bool:
        """Whether the steepest fall that these totals allow would be rare enough to be reported."""
        items, chosen = self.total[-1], self.aligned[-1]
        for split in self.splits:
            n1 = self.total[split]
            first = min(n1, chosen)
            if Fraction(comb(n1, first) * comb(items - n1, chosen - first), comb(items, chosen)) <= CHANCE_AT_MOST:
                return True
        return False


def _running(counts: Sequence[int]) -> list[int]:
    """Sums of the first 0, 1, 2, ... counts."""
    sums = [0]
    for count in counts:
        sums.append(sums[-1] + count)
    return sums
