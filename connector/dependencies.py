"""Which issue must be done before which, as the trackers tell it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from connector.issues import ensure_issue
from connector.models import Connection, Dependency, Issue


def follow_dependencies(
    session: Session, connection: Connection, issue: Issue, blocked_by: Collection[str] | None
) -> None:
    """Make the issues (external ids) that block this one those that were told; None was not told anything."""
    if blocked_by is None:
        return
    known = {
        row.external_id: row.id
        for row in session.execute(
            select(Issue.external_id, Issue.id)
            .join(Dependency, Dependency.blocker_id == Issue.id)
            .where(Dependency.blocked_id == issue.id)
        )
    }
    over = [known[external_id] for external_id in known if external_id not in blocked_by]
    if over:
        session.execute(delete(Dependency).where(Dependency.blocked_id == issue.id, Dependency.blocker_id.in_(over)))
    for external_id in sorted(set(blocked_by) - set(known)):
        blocker = ensure_issue(session, connection, external_id)
        session.add(Dependency(blocked_id=issue.id, blocker_id=blocker.id))
    session.flush()
