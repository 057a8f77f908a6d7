"""Is it fast enough? The time that has passed, where the pace leads, what to call that.

Source: design/progress.md section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from mapping.metric import clamp
from mapping.progress import ONE, ZERO

YELLOW_FROM: Final = Fraction(4, 10)
GREEN_FROM: Final = Fraction(7, 10)
TOO_EARLY_BEFORE: Final = Fraction(15, 100)
"""Share of the cycle in which there is no verdict yet."""
SLOPE_WINDOW: Final = timedelta(days=28)
SLOPE_NEEDS: Final = 3
"""Values in the window from which on the slope is worth a second opinion."""


class Verdict(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    TOO_EARLY = "too_early"
    NOT_MEASURED = "not_measured"


class Opinion(StrEnum):
    """Which of the two readings a pace rests on."""

    SINCE_START = "since_start"
    LAST_28_DAYS = "last_28_days"


@dataclass(frozen=True, slots=True)
class Pace:
    """`projected` is where the cycle ends at this pace, 0..1, or None."""

    projected: Fraction | None
    status: Verdict
    rests_on: Opinion = Opinion.SINCE_START


def band(value: Fraction) -> Verdict:
    """Red, yellow or green of an unrounded value; a boundary belongs to the better side."""
    if value >= GREEN_FROM:
        return Verdict.GREEN
    return Verdict.YELLOW if value >= YELLOW_FROM else Verdict.RED


def elapsed(starts_on: date, ends_on: date, day: date) -> Fraction:
    """Share of the cycle that has passed at the end of `day`, 0..1; both ends belong to the cycle."""
    if ends_on < starts_on:
        raise ValueError(f"the cycle ends on {ends_on}, before it starts on {starts_on}")
    return clamp(Fraction((day - starts_on).days + 1, (ends_on - starts_on).days + 1))


def pace(progress: Fraction | None, passed: Fraction) -> Pace:
    """Where the pace since the start leads. `passed`: share of the cycle, 0..1."""
    if progress is None:
        return Pace(None, Verdict.NOT_MEASURED)
    projected = None if passed == 0 else min(ONE, progress / passed)
    if projected is None or passed < TOO_EARLY_BEFORE:
        return Pace(projected, Verdict.TOO_EARLY)
    return Pace(projected, band(projected))


def second_opinion(first: Pace, readings: Sequence[tuple[date, Fraction]], ends_on: date, day: date) -> Pace:
    """The worse of `first` and where the slope of the last 28 days leads, from (day, progress) in order.

    The slope is the least-squares line through the readings of the window, carried on from the last reading to the end.
    Nothing is added where there is no verdict yet, or fewer than three readings, or all on one day.
    """
    if first.projected is None or first.status is Verdict.TOO_EARLY:
        return first
    recent = [(at, progress) for at, progress in readings if day - SLOPE_WINDOW < at <= day]
    if len(recent) < SLOPE_NEEDS:
        return first
    slope = _slope(recent)
    if slope is None:
        return first
    last_day, last = recent[-1]
    projected = clamp(last + slope * max(0, (ends_on - last_day).days))
    if projected >= first.projected:
        return first
    return Pace(projected, band(projected), Opinion.LAST_28_DAYS)


def _slope(readings: Sequence[tuple[date, Fraction]]) -> Fraction | None:
    """Change a day of the least-squares line; None if all readings fall on one day."""
    n = len(readings)
    days = [Fraction((at - readings[0][0]).days) for at, _ in readings]
    mean_day = sum(days, ZERO) / n
    mean = sum((progress for _, progress in readings), ZERO) / n
    spread = sum(((d - mean_day) ** 2 for d in days), ZERO)
    if spread == 0:
        return None
    return sum(((d - mean_day) * (p - mean) for d, (_, p) in zip(days, readings, strict=True)), ZERO) / spread
