"""Cycles: one calendar for the whole organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Invalid
from connector.goal_marks import look_at_key_results
from connector.goals import scope
from connector.label_links import offer_labels
from connector.ledger import show_anew
from connector.models import Cycle, KeyResult, Objective, utcnow
from connector.turns import take_turn

STATES = ("open", "closed")
EDITABLE = frozenset({"name", "starts_on", "ends_on", "state"})
LONGEST_NAME = 120
# Days of twenty years. Charts have a point for each day, so an endless cycle would keep the machine busy with one page.
LONGEST_CYCLE = 20 * 366
# Beyond these years the day before or after, or the same moment in another zone, may not exist.
YEARS = (1900, 9000)


@dataclass(frozen=True, slots=True)
class CreateCycle:
    """A stretch of the calendar; both days belong to it."""

    name: str
    starts_on: date
    ends_on: date
    state: str = "open"


def create_cycle(session: Session, workspace_id: str, command: CreateCycle) -> Cycle:
    """Make a cycle. Raises Invalid (empty, dates_out_of_order, dates_out_of_range) or Conflict (name_taken)."""
    name = scope.clean_line(command.name, "name", LONGEST_NAME)
    _check_days(command.starts_on, command.ends_on)
    scope.choose(command.state, STATES, "state")
    scope.require_free_name(session, Cycle, workspace_id, name)
    cycle = Cycle(
        workspace_id=workspace_id,
        name=name,
        starts_on=command.starts_on,
        ends_on=command.ends_on,
        state=command.state,
    )
    session.add(cycle)
    session.flush()
    return cycle


def edit_cycle(
    session: Session,
    workspace_id: str,
    cycle_id: str,
    changes: Mapping[str, Any],
    *,
    expected_version: scope.Versions = None,
    now: datetime | None = None,
) -> Cycle:
    """Change name, days or state. A closed cycle can only be opened again, in an edit of that alone or with others.

    Raises NotFound, LostUpdate, Invalid, Conflict (cycle_closed, name_taken).
    """
    scope.refuse_unknown(changes, EDITABLE)
    take_turn(session, workspace_id)
    cycle = scope.find(session, Cycle, workspace_id, cycle_id, lock=True)
    scope.check_version(cycle, expected_version)
    state = scope.choose(changes.get("state", cycle.state), STATES, "state")
    if cycle.state == "closed" and state == "closed" and set(changes) - {"state"}:
        scope.require_open_cycle(cycle)
    name = scope.clean_line(changes.get("name", cycle.name), "name", LONGEST_NAME)
    if name.lower() != cycle.name.lower():
        scope.require_free_name(session, Cycle, workspace_id, name)
    starts_on, ends_on = changes.get("starts_on", cycle.starts_on), changes.get("ends_on", cycle.ends_on)
    _check_days(starts_on, ends_on)
    looked = (cycle.starts_on, cycle.ends_on, cycle.state)
    cycle.name, cycle.starts_on, cycle.ends_on, cycle.state = name, starts_on, ends_on, state
    scope.touch(cycle)
    session.flush()
    offer_labels(session, workspace_id)
    if looked != (starts_on, ends_on, state):
        # Pace and status of everything in the cycle follow from its days and from whether it is open.
        inside = select(KeyResult).join(KeyResult.objective).where(Objective.cycle_id == cycle.id)
        key_results = session.scalars(inside.order_by(KeyResult.id)).all()
        for key_result in key_results:
            show_anew(session, key_result, now or utcnow())
        if looked[-1] != state:
            look_at_key_results(session, workspace_id, [row.id for row in key_results], now or utcnow())
    return cycle


def delete_cycle(
    session: Session, workspace_id: str, cycle_id: str, *, expected_version: scope.Versions = None
) -> None:
    """Remove a cycle that holds nothing. Raises NotFound, LostUpdate, Conflict (in_use)."""
    cycle = scope.find(session, Cycle, workspace_id, cycle_id, lock=True)
    scope.check_version(cycle, expected_version)
    objectives = session.scalar(select(func.count()).where(Objective.cycle_id == cycle_id)) or 0
    if objectives:
        raise Conflict(f"{cycle.name} holds {objectives} objective(s). Close it instead.", "in_use")
    session.delete(cycle)
    session.flush()


def current_cycle(session: Session, workspace_id: str, today: date) -> Cycle | None:
    """Return the shortest open cycle around `today`, else the open one that starts next, else the latest one."""
    cycles = session.scalars(select(Cycle).where(Cycle.workspace_id == workspace_id)).all()
    around = [cycle for cycle in cycles if cycle.state == "open" and cycle.starts_on <= today <= cycle.ends_on]
    if around:
        return min(around, key=lambda cycle: (cycle.ends_on - cycle.starts_on, cycle.starts_on, cycle.id))
    coming = [cycle for cycle in cycles if cycle.state == "open" and cycle.starts_on > today]
    if coming:
        return min(coming, key=lambda cycle: (cycle.starts_on, cycle.id))
    return max(cycles, key=lambda cycle: (cycle.ends_on, cycle.id), default=None)


def _check_days(starts_on: date, ends_on: date) -> None:
    if ends_on < starts_on:
        raise Invalid("dates_out_of_order", "The last day must not come before the first.", "ends_on")
    if starts_on.year < YEARS[0] or ends_on.year > YEARS[1] or (ends_on - starts_on).days > LONGEST_CYCLE:
        raise Invalid("dates_out_of_range", "A cycle can last twenty years, between 1900 and 9000.", "ends_on")
