"""The inbox: what a tracker delivered, on disk before we answer, and leased to workers until it took effect."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from connector.columns import UtcDateTime
from connector.database import Database
from connector.group_commit import GroupCommit, NotCommitted, Ticket
from connector.models import InboxEntry
from connector.telemetry import APPLIED, DELIVERIES, LAG

# How long a worker may take over what it claimed before others may claim it again. One that takes longer does no
# harm: an entry takes effect in one transaction only (see `take`).
LEASE = timedelta(seconds=15)
# A delivery that keeps failing for reasons of our own is set aside after so many tries (about an hour and a half).
TRIES = 8

# Written out, not built for each batch: this is what accepting spends its time on.
SQLITE_INSERT = (
    f"INSERT INTO {InboxEntry.__tablename__} "
    "(connection_id, delivery_key, kind, body, received_at, due_at, state, attempts) VALUES"
)
SQLITE_ROW = "(?, ?, ?, ?, ?, ?, 'waiting', 0)"
IF_NEW = "ON CONFLICT (connection_id, delivery_key) DO NOTHING"


class InboxUnavailable(Exception):
    """The delivery could not be made durable; the sender must send it again (503)."""

    reason = "inbox_unavailable"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as it came, ready to be stored."""

    connection_id: str
    delivery_key: str
    kind: str
    body: bytes
    received_at: datetime


class Later:
    """The delivery that was accepted inside `answering_later`, if one was."""

    def __init__(self, done: Callable[[Ticket[Delivery]], None]) -> None:
        self.done = done
        self.ticket: Ticket[Delivery] | None = None


_later: ContextVar[Later | None] = ContextVar("ladder_answering_later", default=None)


@contextmanager
def answering_later(done: Callable[[Ticket[Delivery]], None]) -> Iterator[Later]:
    """Let `accept` return before its delivery is on disk, for a server that holds the answer back until it is.

    `done` is called from another thread once that is decided; only then, and only if the ticket's `error` is None, may
    the sender be told 2xx. A thread per waiting request would cost more than all the rest of accepting.
    """
    later = Later(done)
    token = _later.set(later)
    try:
        yield later
    finally:
        _later.reset(token)


class Inbox:
    """Accepts deliveries and leases them to workers.

    On SQLite, requests that arrive together share one commit (`GroupCommit`); PostgreSQL groups commits by itself.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._group = GroupCommit(self._accept_batch) if database.is_sqlite else None
        to_database = UtcDateTime().dialect_impl(database.engine.dialect).bind_processor(database.engine.dialect)
        self._moment: Callable[[datetime], Any] = to_database or (lambda moment: moment)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after new deliveries, once for those stored together; it must not wait, nor raise."""
        self._listeners.append(listener)

    def accept(self, connection_id: str, delivery_key: str, kind: str, body: bytes) -> bool:
        """Store a delivery; it is on disk when this returns. True if it is new, False if we had it already.

        Raises InboxUnavailable.
        """
        delivery = Delivery(
            connection_id=connection_id,
            delivery_key=_storable_key(delivery_key),
            kind=_storable(kind)[:64],
            body=body,
            received_at=self._clock(),
        )
        try:
            if self._group is None:
                new = self._store(delivery)
                self._accepted(1, int(new))
                return new
            if (later := _later.get()) is None:
                return self._group.submit(delivery)
            later.ticket = self._group.enqueue(delivery, later.done)
            return True
        except (NotCommitted, SQLAlchemyError) as error:
            DELIVERIES.labels("unavailable").inc()
            raise InboxUnavailable(type(error).__name__) from error

    @property
    def can_defer(self) -> bool:
        """Tell whether `answering_later` works here: it needs commits that are made by another thread."""
        return self._group is not None

    def claim(self, limit: int = 20, lease: timedelta = LEASE) -> list[InboxEntry]:
        """Lease due entries, oldest first; they fall due again by themselves if the caller dies.

        Entries that were claimed before are handed out one at a time: if one of them is what killed its worker, it
        must not keep taking the others down with it.
        """
        now = self._clock()
        due = select(InboxEntry.id).where(InboxEntry.state == "waiting", InboxEntry.due_at <= now)
        with self._database.reading() as session:
            if session.execute(due.limit(1)).first() is None:
                return []
        with self._database.writing() as session:
            due = due.order_by(InboxEntry.id).with_for_update(skip_locked=True)
            ids = session.scalars(due.where(InboxEntry.attempts == 0).limit(limit)).all()
            ids = ids or session.scalars(due.where(InboxEntry.attempts > 0).limit(1)).all()
            if not ids:
                return []
            leased = session.scalars(
                update(InboxEntry)
                .where(InboxEntry.id.in_(ids))
                .values(due_at=now + lease, attempts=InboxEntry.attempts + 1)
                .returning(InboxEntry)
            ).all()
            return sorted(leased, key=lambda entry: entry.id)

    def release(self, entries: Sequence[InboxEntry]) -> None:
        """Give claimed entries back untouched, without counting the claim as a try."""
        with self._database.writing() as session:
            session.execute(
                update(InboxEntry)
                .where(InboxEntry.id.in_([entry.id for entry in entries]), InboxEntry.state == "waiting")
                .values(due_at=self._clock(), attempts=InboxEntry.attempts - 1)
            )

    def retry_later(self, entry: InboxEntry, reason: str) -> bool:
        """Put a failed entry off, longer with each try; after the last one it is set aside. True if set aside."""
        if entry.attempts >= TRIES:
            self.set_aside(entry, f"failed:{reason}")
            return True
        now = self._clock()
        with self._database.writing() as session:
            session.execute(
                update(InboxEntry)
                .where(InboxEntry.id == entry.id, InboxEntry.state == "waiting")
                .values(due_at=now + timedelta(seconds=4 ** (entry.attempts - 1)), outcome=f"retry:{reason}"[:200])
            )
        return False

    def set_aside(self, entry: InboxEntry, reason: str) -> None:
        """Keep an entry as failed, with its reason: it is shown, and can be replayed."""
        now = self._clock()
        with self._database.writing() as session:
            session.execute(
                update(InboxEntry)
                .where(InboxEntry.id == entry.id, InboxEntry.state == "waiting")
                .values(state="failed", outcome=_storable(reason)[:200], finished_at=now)
            )
        APPLIED.labels("failed").inc()

    def replay(self, session: Session, connection_id: str, entry_ids: Sequence[int] | None = None) -> int:
        """Make failed entries of a connection (all of them, or these) wait again; returns how many."""
        chosen = update(InboxEntry).where(InboxEntry.connection_id == connection_id, InboxEntry.state == "failed")
        if entry_ids is not None:
            chosen = chosen.where(InboxEntry.id.in_(entry_ids))
        changed = session.execute(
            chosen.values(state="waiting", due_at=self._clock(), attempts=0, outcome=None, finished_at=None)
        )
        return int(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result is a CursorResult

    def clean_up(self, older_than: timedelta = timedelta(days=7)) -> int:
        """Forget entries that took effect long ago, but not before their sender's last retry; returns how many."""
        with self._database.writing() as session:
            gone = session.execute(
                delete(InboxEntry).where(
                    InboxEntry.state == "done", InboxEntry.finished_at < self._clock() - older_than
                )
            )
            return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result is a CursorResult

    def backlog(self, session: Session) -> dict[str, int]:
        """Return how many entries are waiting and how many failed."""
        counted = select(InboxEntry.state, func.count().label("number")).group_by(InboxEntry.state)
        rows = session.execute(counted.where(InboxEntry.state != "done"))
        return {"waiting": 0, "failed": 0, **{row.state: row.number for row in rows}}

    def close(self) -> None:
        """Commit what is still waiting for its shared commit."""
        if self._group:
            self._group.close()

    def _store(self, delivery: Delivery) -> bool:
        with self._database.write_connection() as connection:
            stored = connection.execute(
                postgresql_insert(InboxEntry)
                .values(
                    connection_id=delivery.connection_id,
                    delivery_key=delivery.delivery_key,
                    kind=delivery.kind,
                    body=delivery.body,
                    received_at=delivery.received_at,
                    state="waiting",
                    due_at=delivery.received_at,
                    attempts=0,
                )
                .on_conflict_do_nothing()
                .returning(InboxEntry.id)
            )
            return stored.first() is not None

    def _accept_batch(self, deliveries: Sequence[Delivery]) -> list[bool | Exception]:
        answers = self._store_batch(deliveries)
        stored = [one for one in answers if isinstance(one, bool)]
        self._accepted(len(stored), sum(stored))
        return answers

    def _accepted(self, stored: int, new: int) -> None:
        DELIVERIES.labels("new").inc(new)
        DELIVERIES.labels("repeated").inc(stored - new)
        if new:
            for listener in self._listeners:
                listener()

    def _store_batch(self, deliveries: Sequence[Delivery]) -> list[bool | Exception]:
        """Store all in one statement; only if that brings something up (a repeated delivery) go one by one.

        Every call into SQLite lets go of the interpreter lock, and waits for it again behind the very requests that
        wait for this commit, so the calls are kept few.
        """
        with self._database.write_connection() as connection:
            cursor = connection.connection.cursor()
            rows = [self._row(one) for one in deliveries]
            values = ", ".join([SQLITE_ROW] * len(rows))
            try:
                cursor.execute(f"{SQLITE_INSERT} {values} {IF_NEW}", list(chain.from_iterable(rows)))
                if cursor.rowcount == len(rows):
                    return [True] * len(rows)
            except sqlite3.IntegrityError:  # one's connection was removed; nothing of the statement took effect
                pass
            else:
                # Which of them were new? Take them back and see.
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN IMMEDIATE")
            return [self._store_row(cursor, row) for row in rows]

    @staticmethod
    def _store_row(cursor: Any, row: tuple[Any, ...]) -> bool | Exception:
        try:
            cursor.execute(f"{SQLITE_INSERT} {SQLITE_ROW} {IF_NEW}", row)
        except sqlite3.IntegrityError as error:
            return error
        return bool(cursor.rowcount > 0)

    def _row(self, one: Delivery) -> tuple[Any, ...]:
        moment = self._moment(one.received_at)
        return (one.connection_id, one.delivery_key, one.kind, one.body, moment, moment)


def take(session: Session, entry: InboxEntry) -> bool:
    """Hold an entry for the rest of the transaction; False if it took effect meanwhile.

    A worker that overran its lease may still be at it: on PostgreSQL the second one waits here for the first.
    """
    held = select(InboxEntry.id).where(InboxEntry.id == entry.id, InboxEntry.state == "waiting").with_for_update()
    return session.execute(held).first() is not None


def finish(session: Session, entry: InboxEntry, outcome: str, now: datetime) -> None:
    """Mark an entry as done in the transaction in which it takes effect."""
    session.execute(
        update(InboxEntry)
        .where(InboxEntry.id == entry.id)
        .values(state="done", outcome=_storable(outcome)[:200], finished_at=now)
    )


def count_finished(entry: InboxEntry, outcome: str, now: datetime) -> None:
    """Count an entry whose effect is committed."""
    APPLIED.labels(outcome.split(":", 1)[0]).inc()
    LAG.observe(max(0.0, (now - entry.received_at).total_seconds()))


def _storable(text: str) -> str:
    """Return text that both databases can hold: hostile JSON brings NUL characters and lone surrogates."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


def _storable_key(key: str) -> str:
    key = _storable(key)
    return key if len(key) <= 200 else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
