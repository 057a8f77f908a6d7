"""How numbers read: the only place where anything is rounded. Source: design/progress.md section 4, design/ui.md."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

NO_NUMBER = "–"


def percent(progress: Fraction | None) -> str:
    """Progress 0..1 as a whole per cent, half up.

    "100%" and "0%" are said of exactly 1 and 0 only; what would round to them otherwise is ">99%" and "<1%".
    """
    if progress is None:
        return NO_NUMBER
    whole = half_up(progress * 100)
    if whole >= 100 and progress < 1:
        return ">99%"
    if whole <= 0 and progress > 0:
        return "<1%"
    return f"{whole}%"


def raw_percent(raw: Fraction | None) -> str:
    """The unclamped number beside an outcome: "138%", "-33%: worse than the baseline"."""
    if raw is None or 0 <= raw <= 1:
        return percent(raw)
    whole = half_up(raw * 100)
    if raw > 1:
        return ">100%" if whole == 100 else f"{whole}%"
    return ("<0%" if whole == 0 else f"{whole}%") + ": worse than the baseline"


def points(delta: Fraction) -> str:
    """A difference in percentage points: at most two decimals, half up on the size, at least one ("4.0", "7.17")."""
    hundredths = half_up(abs(delta) * 10_000)
    digits = f"{hundredths // 100}.{hundredths % 100:02d}"
    short = digits[:-1] if digits.endswith("0") else digits
    return f"-{short}" if delta < 0 and hundredths else short


def signed_points(delta: Fraction) -> str:
    """A difference as read in a sentence: "+8 pp", "-27 pp", "0 pp"; below 1 pp with one decimal, "+<0.1 pp" at
    least.
    """
    if delta == 0:
        return "0 pp"
    sign = "-" if delta < 0 else "+"
    size = abs(delta) * 100
    if size >= 1:
        return f"{sign}{half_up(size)} pp"
    tenths = half_up(size * 10)
    if tenths == 0:
        return f"{sign}<0.1 pp"
    return f"{sign}1 pp" if tenths == 10 else f"{sign}0.{tenths} pp"


def rational(value: Fraction | None) -> str | None:
    """The exact value for programs: "8/15", "1", or None."""
    return None if value is None else str(value)


# A planning page writes the same few sizes hundreds of times.
@lru_cache(maxsize=4096)
def decimal(value: Fraction, places: int = 2) -> str:
    """A metric value for people: at most so many decimals, half up on the size, without idle zeros ("41.95", "22")."""
    scaled = half_up(abs(value) * 10**places)
    whole, part = divmod(scaled, 10**places)
    digits = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".") if places else str(whole)
    return f"-{digits}" if value < 0 and scaled else digits


def half_up(value: Fraction) -> int:
    """The nearest whole number; a half goes up."""
    return (value + Fraction(1, 2)).__floor__()
