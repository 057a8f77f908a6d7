"""Both numbers of a key result, day by day over its cycle, and what happened on the way: the stuff of its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.ledger import entry_of, fold_rows
from connector.models import CheckIn, KeyResult, Workspace
from mapping.ledger import Cause, Entry, Folded, Number, fold
from mapping.progress import ZERO

# Causes that change what is being measured against, not how far it got.
SCOPE = frozenset({Cause.SCOPE_ADDED, Cause.SCOPE_REMOVED, Cause.DROPPED, Cause.DELETED, Cause.RESIZED})
TARGET = frozenset({Cause.TARGET_EDITED, Cause.BASELINE_EDITED, Cause.RULE_CHANGED})


@dataclass(frozen=True, slots=True)
class Day:
    """Both numbers, 0..1 or null, at the end of one day in the workspace's zone."""

    on: date
    outcome: Fraction | None
    work: Fraction | None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a mark on one day. `kind`: scope, target, check_in; `causes` counts the ledger rows behind it."""

    on: date
    kind: str
    causes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One entry per day of the cycle up to today, and the marks."""

    days: Sequence[Day]
    happenings: Sequence[Happening]


def timeline(session: Session, workspace: Workspace, key_result: KeyResult, day: date) -> Timeline:
    """Fold the ledger day by day, by the tracker's own times; three statements."""
    zone = ZoneInfo(workspace.timezone)
    cycle = key_result.objective.cycle
    by_day: dict[date, list[Entry]] = {}
    for row in session.execute(fold_rows(workspace.id, key_result.id)):
        by_day.setdefault(row.happened_at.astimezone(zone).date(), []).append(entry_of(row))
    sums = dict.fromkeys(Number, Folded(ZERO, ZERO))
    for on in sorted(on for on in by_day if on < cycle.starts_on):
        sums = {number: _carry_on(sums[number], number, by_day[on]) for number in Number}
    days = []
    on = cycle.starts_on
    while on <= min(day, cycle.ends_on):
        if on in by_day:
            sums = {number: _carry_on(sums[number], number, by_day[on]) for number in Number}
        days.append(Day(on, outcome=sums[Number.OUTCOME].progress, work=sums[Number.WORK].progress))
        on += timedelta(days=1)
    checked = session.scalars(
        select(CheckIn.at).where(CheckIn.key_result_id == key_result.id, CheckIn.source == "person")
    ).all()
    return Timeline(days, _happenings(by_day, [at.astimezone(zone).date() for at in checked], cycle.starts_on))


def _carry_on(before: Folded, number: Number, entries: Sequence[Entry]) -> Folded:
    """Fold one day's entries onto what the days before came to."""
    of_number = [entry for entry in entries if entry.number is number]
    if not of_number:
        return before
    at = of_number[0].happened_at
    brought = Entry(None, number, Cause.RULE_CHANGED, None, ZERO, ZERO, before.num, before.den, at, at)
    return fold([brought, *of_number])


def _happenings(by_day: dict[date, list[Entry]], check_ins: Sequence[date], since: date) -> list[Happening]:
    found: dict[tuple[date, str], dict[str, int]] = {}
    for on, entries in by_day.items():
        for entry in entries:
            kind = "scope" if entry.cause in SCOPE else "target" if entry.cause in TARGET else None
            # The first link of all is no change of scope, it is where the number begins.
            if kind is None or on < since or (entry.number is Number.WORK and entry.before is None):
                continue
            causes = found.setdefault((on, kind), {})
            causes[entry.cause.value] = causes.get(entry.cause.value, 0) + 1
    for on in check_ins:
        causes = found.setdefault((on, "check_in"), {})
        causes["check_in"] = causes.get("check_in", 0) + 1
    return [Happening(on, kind, causes) for (on, kind), causes in sorted(found.items())]
