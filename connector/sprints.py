"""Sprints and cycles as their tracker reports them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from connector.goal_marks import OPEN_SPRINTS, look_at_sprint
from connector.models import Connection, Issue, Sprint, SprintIssue
from connector.outbox import enqueue
from connector.tracker import SprintChanged

# `Connection.settings`: true where sprints can carry a link to our planning page.
LINKED_SPRINTS = "linked_sprints"
# The subject of the errand `sprint_link` that asks which sprints there are.
EVERY_SPRINT = ""


def apply_sprint(session: Session, connection: Connection, event: SprintChanged) -> str:
    """Make a sprint look as reported, unless we know something newer; a deleted one keeps its row, as a tombstone."""
    sprint = session.scalars(
        select(Sprint).where(Sprint.connection_id == connection.id, Sprint.external_id == event.external_id)
    ).one_or_none()
    if sprint is None:
        sprint = Sprint(
            workspace_id=connection.workspace_id, connection_id=connection.id, external_id=event.external_id
        )
        session.add(sprint)
    elif sprint.watermark is not None and event.happened_at < sprint.watermark:
        return "late"
    opens = event.state in OPEN_SPRINTS and sprint.state not in OPEN_SPRINTS
    sprint.name, sprint.state = event.name or sprint.name, event.state
    sprint.board = event.board or sprint.board
    sprint.board_name = event.board_name[:200] or sprint.board_name
    sprint.starts_at = event.starts_at or sprint.starts_at
    sprint.ends_at = event.ends_at or sprint.ends_at
    sprint.watermark = event.happened_at
    session.flush()
    if opens:
        look_at_sprint(session, connection, sprint.external_id, event.happened_at)
    if sprint.shown_link is None and sprint.state in ("active", "future") and connection.settings.get(LINKED_SPRINTS):
        enqueue(session, connection.id, "sprint_link", sprint.external_id)
    return "applied"


def follow_sprints(session: Session, issue: Issue, before: Collection[str]) -> None:
    """Keep the index over an issue's sprints, after they changed from `before`."""
    left = set(before) - set(issue.sprints)
    if left:
        session.execute(delete(SprintIssue).where(SprintIssue.issue_id == issue.id, SprintIssue.sprint.in_(left)))
    for sprint in sorted(set(issue.sprints) - set(before)):
        session.add(SprintIssue(issue_id=issue.id, sprint=sprint, connection_id=issue.connection_id))
    session.flush()
