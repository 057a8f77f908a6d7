"""A key result's timeline in the words of its chart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from connector.models import KeyResult, Workspace
from connector.timeline import timeline
from connector.wording import CAUSE_WORDS
from mapping import display
from web.charts import Drawing, Marker, MarkerKind, Reading, draw, thin_out

KINDS: dict[str, MarkerKind] = {"scope": "scope", "target": "target", "check_in": "check_in"}


class Chart:
    """The drawing in two sizes, and the same readings for the table and the pointer."""

    def __init__(self, readings: Sequence[Reading], markers: Sequence[Marker], cycle: Any, today: date) -> None:
        def sized(width: int, height: int) -> Drawing:
            return draw(
                readings,
                markers,
                starts_on=cycle.starts_on,
                ends_on=cycle.ends_on,
                today=today,
                width=width,
                height=height,
            )

        self.wide = sized(920, 300)
        self.narrow = sized(360, 260)
        self.table = thin_out(readings)
        self.starts_on: date = cycle.starts_on
        self.last_day = max(len(readings) - 1, 0)
        self.days = (cycle.ends_on - cycle.starts_on).days + 1


def read_chart(session: Session, workspace: Workspace, key_result: KeyResult, today: date) -> Chart:
    """Draw a key result's timeline up to today."""
    told = timeline(session, workspace, key_result, today)
    readings = [
        Reading(day.on, day.outcome, day.work, display.percent(day.outcome), display.percent(day.work))
        for day in told.days
    ]
    markers = [Marker(one.on, KINDS[one.kind], _words(one.kind, one.causes)) for one in told.happenings]
    return Chart(readings, markers, key_result.objective.cycle, today)


def _words(kind: str, causes: dict[str, int]) -> str:
    if kind == "check_in":
        return "check-in"
    return ", ".join(
        f"{number} {CAUSE_WORDS.get(cause, cause)}" if kind == "scope" else CAUSE_WORDS.get(cause, cause)
        for cause, number in causes.items()
    )
