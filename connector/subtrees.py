"""What hangs below linked issues: asked for when many are linked at once, since it may never have been heard of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.models import Issue
from connector.outbox import enqueue_many


def ask_for_subtrees(session: Session, issue_ids: Collection[int], now: datetime) -> None:
    """Have what hangs below epics among these issues read soon, by the errand `fetch_subtree`."""
    above = select(Issue.connection_id, Issue.external_id).where(Issue.id.in_(sorted(issue_ids)), Issue.level > 0)
    by_connection: dict[str, list[str]] = {}
    for row in session.execute(above.order_by(Issue.connection_id, Issue.external_id)):
        by_connection.setdefault(row.connection_id, []).append(row.external_id)
    for connection_id, epics in by_connection.items():
        enqueue_many(session, connection_id, "fetch_subtree", epics, now=now)
