"""Milestones: the weighed steps of a key result of kind `milestone`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Invalid, NotFound
from connector.goals import scope
from connector.goals.effects import recorded
from connector.models import KeyResult, Milestone
from connector.turns import take_turn

EDITABLE = frozenset({"title", "weight", "finished"})


@dataclass(frozen=True, slots=True)
class AddMilestone:
    """One more step; finished from the start when it was done before anybody wrote it down."""

    title: str
    weight: Fraction = Fraction(1)
    finished: bool = False


def add_milestone(
    session: Session, workspace_id: str, key_result_id: str, command: AddMilestone, *, actor: str, now: datetime
) -> Milestone:
    """Add a step. Raises NotFound, Invalid (empty, bad_weight), Conflict (not_for_this_kind, ..._closed)."""
    key_result = _open_key_result(session, workspace_id, key_result_id)
    milestone = Milestone(
        workspace_id=workspace_id,
        key_result_id=key_result.id,
        title=scope.clean_line(command.title, "title", scope.LONGEST_TITLE),
        weight=_clean_weight(command.weight),
        finished_at=now if command.finished else None,
    )
    with recorded(session, key_result, "scope_added", actor=actor, now=now, detail=_naming(milestone)):
        session.add(milestone)
    return milestone


def edit_milestone(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    milestone_id: str,
    changes: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    expected_version: scope.Versions = None,
) -> Milestone:
    """Rename, reweigh, finish or reopen a step; each change of the number has its own cause in the ledger.

    Raises NotFound, LostUpdate, Invalid, Conflict.
    """
    scope.refuse_unknown(changes, EDITABLE)
    key_result = _open_key_result(session, workspace_id, key_result_id)
    milestone = find_milestone(session, workspace_id, key_result_id, milestone_id)
    scope.check_version(milestone, expected_version)
    milestone.title = scope.clean_line(changes.get("title", milestone.title), "title", scope.LONGEST_TITLE)
    weight = _clean_weight(changes.get("weight", milestone.weight))
    if weight != milestone.weight:
        with recorded(session, key_result, "reweighted", actor=actor, now=now, detail=_naming(milestone)):
            milestone.weight = weight
    finished = changes.get("finished", milestone.finished_at is not None)
    if finished != (milestone.finished_at is not None):
        cause = "completed" if finished else "reopened"
        with recorded(session, key_result, cause, actor=actor, now=now, detail=_naming(milestone)):
            milestone.finished_at = now if finished else None
    scope.touch(milestone)
    session.flush()
    return milestone


def remove_milestone(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    milestone_id: str,
    *,
    actor: str,
    now: datetime,
    expected_version: scope.Versions = None,
) -> None:
    """Take a step away; the ledger says so. Raises NotFound, LostUpdate, Conflict."""
    key_result = _open_key_result(session, workspace_id, key_result_id)
    milestone = find_milestone(session, workspace_id, key_result_id, milestone_id)
    scope.check_version(milestone, expected_version)
    with recorded(session, key_result, "scope_removed", actor=actor, now=now, detail=_naming(milestone)):
        session.delete(milestone)


def find_milestone(session: Session, workspace_id: str, key_result_id: str, milestone_id: str) -> Milestone:
    """Return one step of a key result; raises NotFound."""
    milestone = session.scalars(
        select(Milestone).where(
            Milestone.id == milestone_id,
            Milestone.key_result_id == key_result_id,
            Milestone.workspace_id == workspace_id,
        )
    ).one_or_none()
    if milestone is None:
        raise NotFound("There is no such milestone.")
    return milestone


def _open_key_result(session: Session, workspace_id: str, key_result_id: str) -> KeyResult:
    take_turn(session, workspace_id)
    key_result = scope.find(session, KeyResult, workspace_id, key_result_id, lock=True)
    scope.require_open(key_result)
    if key_result.kind != "milestone":
        raise Conflict("Only a key result of kind milestone has milestones.", "not_for_this_kind")
    return key_result


def _clean_weight(weight: Fraction) -> Fraction:
    if weight < 0:
        raise Invalid("bad_weight", "A weight cannot be negative.", "weight")
    return weight


def _naming(milestone: Milestone) -> dict[str, Any]:
    return {"milestone": milestone.title}
