"""How numbers, moments, statuses and causes are put into words, alike in panels, pages and labels.

Rounding is `mapping.display`'s; this sets its numbers for reading, with real minus signs and spaces that don't break.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from mapping import display

NO_BREAK = "\u00a0"
NOTHING = "\u2013"
MINUS = "\u2212"

STATUS_WORDS = {
    "green": "on track",
    "yellow": "at risk",
    "red": "off track",
    "outdated": "check-in overdue",
    "pending": "no check-in yet",
    "closed": "closed",
}
EVIDENCE_WORDS = {
    "green": "green",
    "yellow": "yellow",
    "red": "red",
    "not_measured": "not measured",
    "too_early": "too early to tell",
}
REASON_WORDS = {
    "not_measured": "not measured yet",
    "zero_width_invalid": "baseline and target are the same",
    "no_target": "no baseline or target yet",
    "no_milestones": "no milestones yet",
    "no_linked_work": "no linked work",
}
CAUSE_WORDS = {
    "completed": "done",
    "reopened": "reopened",
    "started": "started",
    "scope_added": "added",
    "scope_removed": "taken out",
    "dropped": "dropped",
    "deleted": "deleted",
    "resized": "re-estimated",
    "reweighted": "weight changed",
    "measured": "measured",
    "corrected": "measurement corrected",
    "target_edited": "target edited",
    "baseline_edited": "baseline edited",
    "rule_changed": "counting rule changed",
}
CATEGORY_WORDS = {
    "support": "support",
    "maintenance": "maintenance",
    "security": "security",
    "other": "other work",
}


def percent(shown: str | None) -> str:
    """Set a percentage from `mapping.display` for reading: "46%" as "46 %", "-33%" with a real minus."""
    return (shown or NOTHING).replace("%", f"{NO_BREAK}%").replace("-", MINUS, 1)


def decimal(value: Fraction | int | None, places: int = 2) -> str:
    """Write a number with at most `places` decimals and its thousands apart: "1,250.5"."""
    if value is None:
        return NOTHING
    whole, point, rest = display.decimal(Fraction(value), places).partition(".")
    sign, digits = (MINUS, whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{rest}"


def measured(value: Fraction | int | None, unit: str = "", places: int = 2) -> str:
    """Write a metric's value with its unit: "28 %", "1,250 EUR"; the en dash when there is none."""
    if value is None:
        return NOTHING
    return decimal(value, places) + (f"{NO_BREAK}{unit}" if unit else "")


def points(delta: Fraction | int | None) -> str:
    """Write a change of a share (1 is everything) in percentage points: "+8 pp", "−27 pp", "+0.4 pp", "0 pp"."""
    if delta is None:
        return NOTHING
    return display.signed_points(Fraction(delta)).replace("-", MINUS).replace(" ", NO_BREAK)


def score(value: Fraction | None) -> str:
    """Write a score or a pace between 0 and 1 with two decimals: "0.82", "0.80"."""
    if value is None:
        return NOTHING
    whole, _, rest = display.decimal(value, 2).partition(".")
    return f"{whole}.{rest:0<2}"


def reason(code: str | None, otherwise: str = "not measured yet") -> str:
    """Say why a number is missing."""
    return REASON_WORDS.get(code, code.replace("_", " ")) if code else otherwise


def ago(moment: datetime, now: datetime, zone: str = "UTC") -> str:
    """Say how long ago a moment was; from a week on, the day itself in the workspace's zone."""
    seconds = int((now - moment).total_seconds())
    if seconds < 45:
        return "just now"
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h ago"
    if seconds < 7 * 86400:
        return f"{round(seconds / 86400)} days ago"
    return day(moment, now, zone)


def day(moment: datetime | date, now: datetime, zone: str = "UTC") -> str:
    """Write a day as "3 Aug", with its year when that is another one."""
    local = moment.astimezone(ZoneInfo(zone)).date() if isinstance(moment, datetime) else moment
    text = f"{local.day} {local:%b}"
    return text if local.year == now.astimezone(ZoneInfo(zone)).year else f"{text} {local.year}"


def clock(moment: datetime, now: datetime, zone: str = "UTC") -> str:
    """Write a moment as people say it: "14:02", "yesterday 14:02", "3 Aug 14:02"."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    time = f"{local:%H:%M}"
    if local.date() == today:
        return time
    if local.date() == today - timedelta(days=1):
        return f"yesterday {time}"
    return f"{day(moment, now, zone)} {time}"


def absolute(moment: datetime, zone: str = "UTC") -> str:
    """Write a moment in full, for the title of a relative one: "3 August 2026, 14:02 CEST"."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%B %Y, %H:%M %Z}"


# Every template gets these under the same names; whoever builds an app or a blueprint installs them.
FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "decimal": decimal,
    "measured": measured,
    "points": points,
    "score": score,
    "reason": reason,
    "ago": ago,
    "day": day,
    "clock": clock,
    "absolute": absolute,
    "status_words": lambda code: STATUS_WORDS.get(code, str(code).replace("_", " ")),
    "evidence_words": lambda code: EVIDENCE_WORDS.get(code, str(code).replace("_", " ")),
    "cause_words": lambda code: CAUSE_WORDS.get(code, str(code).replace("_", " ")),
    "category_words": lambda code: CATEGORY_WORDS.get(code, str(code).replace("_", " ")),
}
