"""The titles by which trackers' searches can be asked: those of the goals that are alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.models import Cycle, KeyResult, Objective


@dataclass(frozen=True, slots=True)
class GoalTitles:
    """Titles in alphabetical order, each once."""

    objectives: Sequence[str] = ()
    key_results: Sequence[str] = ()


def live_titles(session: Session, workspace_id: str, limit: int) -> GoalTitles:
    """Return the titles of open objectives and key results of open cycles, at most `limit` of each; two statements."""
    objectives = (
        select(Objective.title)
        .join(Objective.cycle)
        .where(Objective.workspace_id == workspace_id, Objective.state == "open", Cycle.state == "open")
    )
    key_results = (
        select(KeyResult.title)
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
    )
    return GoalTitles(
        session.scalars(objectives.distinct().order_by(Objective.title).limit(limit)).all(),
        session.scalars(key_results.distinct().order_by(KeyResult.title).limit(limit)).all(),
    )
