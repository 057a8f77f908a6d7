"""The drift point: the week in which work and goals parted ways. Source: design/progress.md section 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from mapping.progress import ZERO

SIDE_AT_LEAST: Final = 2
"""Weeks on each side of the split."""
FALL_AT_LEAST: Final = Fraction(20, 100)
DEVIATIONS_AT_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Drift:
    """Week numbers start at 1 and count weeks without work too; `before` and `after` are the two levels, 0..1."""

    first_week_after: int
    before: Fraction
    after: Fraction


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
