"""How well each connection keeps up: what waits, what was given up and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.models import Connection, InboxEntry, OutboxEntry

# Enough to see what goes wrong; the counts say how much.
FAILURES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """One delivery (box inbox) or errand (box outbox) that was given up; it can be replayed."""

    box: str
    id: str
    kind: str
    subject: str
    reason: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """A connection, how much waits in and out, how much was given up, and the latest of that."""

    connection: Connection
    inbox_waiting: int
    outbox_waiting: int
    given_up: int
    failures: Sequence[Failure]

    @property
    def backlog(self) -> int:
        """Everything that waits."""
        return self.inbox_waiting + self.outbox_waiting


def health_of(session: Session, connections: Sequence[Connection]) -> list[ConnectionHealth]:
    """Return the health of each connection in the same order; four statements, however many there are."""
    ids = [connection.id for connection in connections]
    inbox: dict[tuple[str, str], int] = defaultdict(int)
    outbox: dict[tuple[str, str], int] = defaultdict(int)
    for model, counts in ((InboxEntry, inbox), (OutboxEntry, outbox)):
        counted = select(model.connection_id, model.state, func.count()).where(
            model.connection_id.in_(ids), model.state != "done"
        )
        for connection_id, state, number in session.execute(counted.group_by(model.connection_id, model.state)):
            counts[connection_id, state] = number
    failures = _failures(session, ids)
    return [
        ConnectionHealth(
            connection=connection,
            inbox_waiting=inbox[connection.id, "waiting"],
            outbox_waiting=outbox[connection.id, "waiting"],
            given_up=inbox[connection.id, "failed"] + outbox[connection.id, "buried"],
            failures=failures[connection.id],
        )
        for connection in connections
    ]


def _failures(session: Session, ids: Sequence[str]) -> dict[str, list[Failure]]:
    found: dict[str, list[Failure]] = defaultdict(list)
    # Without the body: it may be a megabyte of somebody's text.
    deliveries = (
        select(
            InboxEntry.connection_id,
            InboxEntry.id,
            InboxEntry.kind,
            InboxEntry.delivery_key,
            InboxEntry.outcome,
            InboxEntry.attempts,
            InboxEntry.received_at,
        )
        .where(InboxEntry.connection_id.in_(ids), InboxEntry.state == "failed")
        .order_by(InboxEntry.id.desc())
        .limit(FAILURES_SHOWN)
    )
    for row in session.execute(deliveries):
        found[row.connection_id].append(
            Failure(
                box="inbox",
                id=str(row.id),
                kind=row.kind,
                subject=row.delivery_key,
                reason=row.outcome or "",
                attempts=row.attempts,
                at=row.received_at,
            )
        )
    errands = (
        select(OutboxEntry)
        .where(OutboxEntry.connection_id.in_(ids), OutboxEntry.state == "buried")
        .order_by(OutboxEntry.id.desc())
        .limit(FAILURES_SHOWN)
    )
    for entry in session.scalars(errands):
        found[entry.connection_id].append(
            Failure(
                box="outbox",
                id=str(entry.id),
                kind=entry.kind,
                subject=entry.subject,
                reason=entry.trouble or "",
                attempts=entry.attempts,
                at=entry.due_at,
            )
        )
    return found
