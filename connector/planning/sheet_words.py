"""How the planning sheet says shares, gains, sizes, and when a sprint runs."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from connector.planning.plan import PlannedSprint
from connector.wording import MINUS, NO_BREAK, day, decimal, percent
from mapping import display

ARROW = f"{NO_BREAK}→{NO_BREAK}"
STATE_WORDS = {"future": "not started", "active": "running", "closed": "closed", "deleted": "deleted"}


def place(share: Fraction | None) -> str:
    """A share as a coordinate between 0 and 100, for drawing only."""
    return display.decimal((share or Fraction(0)) * 100, 3)


def percent_of(share: Fraction | None) -> str:
    """A share for reading: "40 %", or the en dash."""
    return percent(display.percent(share))


def exact_points(delta: Fraction) -> str:
    """A gain for reading, finer than a whole point: "+7.2 pp", "−1.67 pp", "0 pp"."""
    if delta == 0:
        return f"0{NO_BREAK}pp"
    shown = display.points(delta)
    return f"{shown.replace('-', MINUS) if delta < 0 else '+' + shown}{NO_BREAK}pp"


def size_words(size: Fraction, unit: str) -> str:
    """Say a size: "8 pt"; "8 issues" where nothing has an estimate."""
    word = unit or ("issue" if size == 1 else "issues")
    return f"{decimal(size)}{NO_BREAK}{word}"


def days_of(sprint: PlannedSprint, now: datetime, zone: str) -> str:
    """Say when a sprint runs, in the workspace's zone: "3 Aug – 14 Aug"."""
    if sprint.starts_at is None and sprint.ends_at is None:
        return "no dates yet"
    if sprint.starts_at is None or sprint.ends_at is None:
        known = sprint.starts_at or sprint.ends_at
        word = "from" if sprint.starts_at else "until"
        return f"{word} {day(known, now, zone)}" if known else ""
    return f"{day(sprint.starts_at, now, zone)}{NO_BREAK}–{NO_BREAK}{day(sprint.ends_at, now, zone)}"


def state_words(sprint: PlannedSprint, now: datetime, zone: str) -> str:
    """Say where in its life a sprint stands: "running, 5 days left"."""
    word = STATE_WORDS.get(sprint.state, sprint.state)
    if sprint.state != "active" or sprint.ends_at is None:
        return word
    here = ZoneInfo(zone)
    left = (sprint.ends_at.astimezone(here).date() - now.astimezone(here).date()).days
    if left < 0:
        return f"{word}, {-left}{NO_BREAK}day{'s' if left != -1 else ''} over"
    return f"{word}, {left}{NO_BREAK}day{'s' if left != 1 else ''} left" if left else f"{word}, ends today"
