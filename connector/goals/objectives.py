"""Objectives: what a team wants in a cycle, and what it ladders into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Invalid
from connector.goal_marks import look_at_key_results
from connector.goals import scope
from connector.label_links import offer_labels
from connector.ledger import pass_label_on, show_anew
from connector.models import Cycle, KeyResult, Objective, Person, Team, utcnow
from connector.turns import take_turn

STATES = ("open", "closed")
EDITABLE = frozenset({"title", "cycle_id", "team_id", "owner_id", "co_owner_ids", "parent_id", "state"})


@dataclass(frozen=True, slots=True)
class CreateObjective:
    """An outcome wanted by a team in a cycle. Several people may own it together: one owner, any co-owners."""

    title: str
    cycle_id: str
    team_id: str
    owner_id: str | None = None
    co_owner_ids: tuple[str, ...] = ()
    parent_id: str | None = None
    state: str = "open"


def create_objective(session: Session, workspace_id: str, command: CreateObjective) -> Objective:
    """Make an objective. Raises Invalid (empty, unknown_...) or Conflict (cycle_closed)."""
    title = scope.clean_line(command.title, "title", scope.LONGEST_TITLE)
    cycle = scope.find_named(session, Cycle, workspace_id, command.cycle_id, "cycle_id")
    scope.require_open_cycle(cycle)
    team = scope.find_named(session, Team, workspace_id, command.team_id, "team_id")
    parent = _parent(session, workspace_id, command.parent_id)
    objective = Objective(
        workspace_id=workspace_id,
        title=title,
        cycle=cycle,
        team=team,
        owner=_person(session, workspace_id, command.owner_id),
        co_owners=_people(session, workspace_id, command.co_owner_ids, command.owner_id),
        parent=parent,
        state=scope.choose(command.state, STATES, "state"),
    )
    session.add(objective)
    session.flush()
    return objective


def edit_objective(
    session: Session,
    workspace_id: str,
    objective_id: str,
    changes: Mapping[str, Any],
    *,
    expected_version: scope.Versions = None,
    now: datetime | None = None,
) -> Objective:
    """Change an objective; moving it to another cycle takes its key results along.

    Raises NotFound, LostUpdate, Invalid (parent_circle, ...), Conflict (cycle_closed, objective_closed).
    """
    scope.refuse_unknown(changes, EDITABLE)
    take_turn(session, workspace_id)
    objective = scope.find(session, Objective, workspace_id, objective_id, lock=True)
    scope.check_version(objective, expected_version)
    scope.require_open_cycle(objective.cycle)
    state = scope.choose(changes.get("state", objective.state), STATES, "state")
    if objective.state == "closed" and state == "closed" and set(changes) - {"state"}:
        raise Conflict("The objective is closed. Open it again to change it.", "objective_closed")
    title = scope.clean_line(changes.get("title", objective.title), "title", scope.LONGEST_TITLE)
    cycle = scope.find_named(session, Cycle, workspace_id, changes.get("cycle_id", objective.cycle_id), "cycle_id")
    scope.require_open_cycle(cycle)
    team = scope.find_named(session, Team, workspace_id, changes.get("team_id", objective.team_id), "team_id")
    parent = _parent(session, workspace_id, changes.get("parent_id", objective.parent_id))
    _refuse_circle(objective, parent)
    owner_id = changes.get("owner_id", objective.owner_id)
    co_owner_ids = changes.get("co_owner_ids", [person.id for person in objective.co_owners])
    owner = _person(session, workspace_id, owner_id)
    co_owners = _people(session, workspace_id, co_owner_ids, owner_id)
    looked, called = (objective.state, objective.cycle_id), objective.title
    objective.title, objective.state = title, state
    objective.cycle, objective.team, objective.parent, objective.owner = cycle, team, parent, owner
    objective.co_owners = co_owners
    scope.touch(objective)
    session.flush()
    offer_labels(session, workspace_id)
    if (*looked, called) != (state, cycle.id, title):
        look_at_key_results(session, workspace_id, [row.id for row in objective.key_results], now or utcnow())
    if looked != (state, cycle.id):
        for key_result in sorted(objective.key_results, key=lambda row: row.id):
            show_anew(session, key_result, now or utcnow())
    elif called != title:
        # Cards name the objective.
        for key_result in sorted(objective.key_results, key=lambda row: row.id):
            pass_label_on(session, key_result)
    return objective


def delete_objective(
    session: Session, workspace_id: str, objective_id: str, *, expected_version: scope.Versions = None
) -> None:
    """Remove an objective that never held anything. Raises NotFound, LostUpdate, Conflict (in_use)."""
    objective = scope.find(session, Objective, workspace_id, objective_id, lock=True)
    scope.check_version(objective, expected_version)
    scope.require_open_cycle(objective.cycle)
    held = session.scalar(select(func.count()).where(KeyResult.objective_id == objective_id)) or 0
    children = session.scalar(select(func.count()).where(Objective.parent_id == objective_id)) or 0
    if held or children:
        raise Conflict(
            f"The objective holds {held} key result(s), and {children} objective(s) ladder into it. Close it instead.",
            "in_use",
        )
    session.delete(objective)
    session.flush()


def _parent(session: Session, workspace_id: str, parent_id: str | None) -> Objective | None:
    return None if parent_id is None else scope.find_named(session, Objective, workspace_id, parent_id, "parent_id")


def _refuse_circle(objective: Objective, parent: Objective | None) -> None:
    above, seen = parent, set[str]()
    while above is not None and above.id not in seen:
        if above.id == objective.id:
            raise Invalid("parent_circle", "An objective cannot ladder into itself.", "parent_id")
        seen.add(above.id)
        above = above.parent


def _person(session: Session, workspace_id: str, person_id: str | None) -> Person | None:
    return None if person_id is None else scope.find_named(session, Person, workspace_id, person_id, "owner_id")


def _people(session: Session, workspace_id: str, ids: Sequence[str], owner_id: str | None) -> list[Person]:
    return [
        scope.find_named(session, Person, workspace_id, person_id, "co_owner_ids")
        for person_id in dict.fromkeys(ids)
        if person_id != owner_id
    ]
