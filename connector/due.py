"""Issues that wait for an errand which takes many at once: marked in the transaction that made it necessary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from connector.models import Connection, Issue, IssueDue
from connector.outbox import enqueue

# Seconds. Events come in bursts; what they make necessary is done once, for all of them together.
TOGETHER = 2.0
# How many ids one IN (...) may carry; see connector.store.
CHUNK = 5_000


def put_due(session: Session, kind: str, issue_ids: Iterable[int], now: datetime, *, delay: float = TOGETHER) -> None:
    """Have the errand `kind` of each issue's connection look at these issues, at the earliest in `delay` seconds."""
    for chunk in _chunks(sorted(set(issue_ids))):
        put_due_where(session, kind, select(Issue.id).where(Issue.id.in_(chunk)), now, delay=delay)


def put_due_where(session: Session, kind: str, issues: Select[int], now: datetime, *, delay: float = TOGETHER) -> None:
    """The same for whatever issues a query gives (their ids), by two statements and one for each connection."""
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    wanted: ColumnElement[bool] = Issue.id.in_(issues)
    rows = select(Issue.id, literal(kind), Issue.connection_id, literal(now, IssueDue.since.type)).where(wanted)
    session.execute(
        insert(IssueDue)
        .from_select(["issue_id", "kind", "connection_id", "since"], rows.order_by(Issue.id))
        # By the later time `settle` sees that there is news which whoever looks now may not have read.
        .on_conflict_do_update(index_elements=["issue_id", "kind"], set_={"since": literal(now, IssueDue.since.type)})
    )
    live = select(Connection.id).where(Connection.state == "active")
    connections = session.scalars(select(Issue.connection_id).where(wanted, Issue.connection_id.in_(live)).distinct())
    for connection_id in sorted(connections):
        enqueue(session, connection_id, kind, "", delay=delay, now=now)


def take_due(session: Session, kind: str, connection_id: str, limit: int) -> Sequence[int]:
    """Take some of the issues that wait, the longest waiting first; they wait no more.

    What is done with them is read afterwards, so that a change arriving meanwhile marks them again.
    """
    chosen = (
        select(IssueDue.issue_id)
        .where(IssueDue.connection_id == connection_id, IssueDue.kind == kind)
        .order_by(IssueDue.since, IssueDue.issue_id)
        .limit(limit)
    )
    ids = list(session.scalars(chosen))
    session.execute(delete(IssueDue).where(IssueDue.kind == kind, IssueDue.issue_id.in_(ids)))
    return ids


def waiting(session: Session, kind: str, connection_id: str, limit: int) -> dict[int, datetime]:
    """Return some of the issues that wait, the longest waiting first, and since when; they wait on until settled.

    For what is done at a tracker: whoever is killed halfway leaves them waiting.
    """
    rows = session.execute(
        select(IssueDue.issue_id, IssueDue.since)
        .where(IssueDue.connection_id == connection_id, IssueDue.kind == kind)
        .order_by(IssueDue.since, IssueDue.issue_id)
        .limit(limit)
    )
    return {row.issue_id: row.since for row in rows}


def settle(session: Session, kind: str, done: Mapping[int, datetime]) -> None:
    """Let issues wait no more, but for those that were marked again since `waiting` told of them."""
    if done:
        seen = tuple_(IssueDue.issue_id, IssueDue.since).in_(sorted(done.items()))
        session.execute(delete(IssueDue).where(IssueDue.kind == kind, seen))


def put_back(session: Session, kind: str, issue_ids: Iterable[int], now: datetime) -> None:
    """Let issues wait at the end of the queue, so that what stops one of them does not stop the others."""
    chosen = update(IssueDue).where(IssueDue.kind == kind, IssueDue.issue_id.in_(sorted(issue_ids)))
    session.execute(chosen.values(since=now))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
