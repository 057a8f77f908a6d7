"""The outbox: what must still be done at a tracker. Asked for in a transaction, done after it, as often as it takes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from connector.database import Database
from connector.models import Connection, OutboxEntry, utcnow
from connector.tracker import TrackerUnavailable

# How long an errand may take before another worker may start it again; some read many pages.
LEASE = timedelta(seconds=60)
LEASES = {
    "fetch_subtree": timedelta(minutes=10),
    "reconcile": timedelta(minutes=30),
    "reread": timedelta(minutes=30),
    "goal_marks": timedelta(minutes=3),
    "measure": timedelta(minutes=5),
    "rules": timedelta(minutes=5),
    # A run keeps renewing it, see connector.rules.running.
    "run_rule": timedelta(minutes=2),
    "read_sprint": timedelta(minutes=10),
}
# An errand is given up, visibly, after this many tries or this long.
TRIES = 10
PATIENCE = timedelta(days=3)
# Half a minute, then four times as long each time, at most 16 hours: ten tries fill the three days.
FIRST_BACK_OFF = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(hours=16)
# How many errands one statement asks for: nine values each, of the 32,766 that SQLite takes.
BATCH = 500
# While a tracker does not answer, it is asked again after half the time that it has been silent, within these bounds.
SHORTEST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
# Errands that failed because the tracker was away are not kept waiting for their own back-off once it is back.
REVIVE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Errand:
    """One leased errand and the connection that it is for (detached rows)."""

    entry: OutboxEntry
    connection: Connection


def enqueue(
    session: Session,
    connection_id: str,
    kind: str,
    subject: str,
    detail: dict[str, Any] | None = None,
    delay: float = 0,
    *,
    now: datetime | None = None,
) -> None:
    """Ask for an errand, in the caller's transaction, at the earliest in `delay` seconds.

    Asking again while it waits changes nothing but its `detail`: errands read what they need when they run. Asking
    again while it is being done makes it run once more; asking for a done or buried one makes it wait again.
    """
    enqueue_many(session, connection_id, kind, [subject], detail, delay, now=now)


def enqueue_many(
    session: Session,
    connection_id: str,
    kind: str,
    subjects: Iterable[str],
    detail: dict[str, Any] | None = None,
    delay: float = 0,
    *,
    now: datetime | None = None,
) -> None:
    """The same for many subjects, by one statement for each few hundred."""
    now = now or utcnow()
    row = {
        "connection_id": connection_id,
        "kind": kind,
        "detail": detail or {},
        "generation": 1,
        "created_at": now,
        "state": "waiting",
        "due_at": now + timedelta(seconds=delay),
        "attempts": 0,
    }
    # In one order everywhere, so that two transactions never wait for each other's rows.
    ordered = sorted(set(subjects))
    for start in range(0, len(ordered), BATCH):
        rows = [{**row, "subject": subject} for subject in ordered[start : start + BATCH]]
        _ask_for(session, rows, keep_detail=detail is None)


def _ask_for(session: Session, rows: Sequence[dict[str, Any]], *, keep_detail: bool) -> None:
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(OutboxEntry).values(rows)
    waiting = OutboxEntry.state == "waiting"
    asked = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["connection_id", "kind", "subject"],
            set_={
                "generation": OutboxEntry.generation + 1,
                "detail": OutboxEntry.detail if keep_detail else asked.detail,
                "created_at": case((waiting, OutboxEntry.created_at), else_=asked.created_at),
                # A row under way or backing off (attempts > 0) keeps its time; the earlier of two wishes wins
                # otherwise, so that asking again and again cannot put it off for ever.
                "due_at": case(
                    (waiting & or_(OutboxEntry.attempts > 0, OutboxEntry.due_at < asked.due_at), OutboxEntry.due_at),
                    else_=asked.due_at,
                ),
                "attempts": case((waiting, OutboxEntry.attempts), else_=0),
                "trouble": case((waiting, OutboxEntry.trouble), else_=None),
                "state": "waiting",
            },
        )
    )


def replay(
    session: Session, connection_id: str, entry_ids: Sequence[int] | None = None, *, now: datetime | None = None
) -> int:
    """Make buried errands of a connection (all of them, or these) wait again; returns how many."""
    now = now or utcnow()
    chosen = update(OutboxEntry).where(OutboxEntry.connection_id == connection_id, OutboxEntry.state == "buried")
    if entry_ids is not None:
        chosen = chosen.where(OutboxEntry.id.in_(entry_ids))
    changed = session.execute(chosen.values(state="waiting", due_at=now, created_at=now, attempts=0, trouble=None))
    return int(changed.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result is a CursorResult


def backlog(session: Session) -> dict[str, int]:
    """Return how many errands are waiting and how many are buried."""
    counted = select(OutboxEntry.state, func.count().label("number")).group_by(OutboxEntry.state)
    rows = session.execute(counted.where(OutboxEntry.state != "done"))
    return {"waiting": 0, "buried": 0, **{row.state: row.number for row in rows}}


class Outbox:
    """Leases errands to workers and records how they went. Handlers run between the two, outside any transaction."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def claim(self, limit: int = 10, lease: timedelta | None = None) -> list[Errand]:
        """Lease due errands of active connections that are not paused; `lease` overrides what the kind allows."""
        now = self._clock()
        due = (
            select(OutboxEntry.id)
            .join(Connection, Connection.id == OutboxEntry.connection_id)
            .where(OutboxEntry.state == "waiting", OutboxEntry.due_at <= now)
            .where(Connection.state == "active")
            .where(or_(Connection.paused_until.is_(None), Connection.paused_until <= now))
        )
        with self._database.reading() as session:
            if session.execute(due.limit(1)).first() is None:
                return []
        with self._database.writing() as session:
            locked = due.order_by(OutboxEntry.due_at, OutboxEntry.id).limit(limit)
            ids = session.scalars(locked.with_for_update(skip_locked=True, of=OutboxEntry)).all()
            if not ids:
                return []
            until = lease or LEASE
            leases = case(
                *((OutboxEntry.kind == kind, now + (lease or longer)) for kind, longer in LEASES.items()),
                else_=now + until,
            )
            leased = session.scalars(
                update(OutboxEntry)
                .where(OutboxEntry.id.in_(ids))
                .values(due_at=leases, attempts=OutboxEntry.attempts + 1)
                .returning(OutboxEntry)
            ).all()
            connections = {
                one.id: one
                for one in session.scalars(
                    select(Connection).where(Connection.id.in_({entry.connection_id for entry in leased}))
                )
            }
            errands = [Errand(entry, connections[entry.connection_id]) for entry in leased]
        return sorted(errands, key=lambda errand: errand.entry.id)

    def is_open(self, connection_id: str) -> bool:
        """Tell whether anything may be sent to this connection right now."""
        now = self._clock()
        with self._database.reading() as session:
            chosen = select(Connection.id).where(Connection.id == connection_id, Connection.state == "active")
            chosen = chosen.where(or_(Connection.paused_until.is_(None), Connection.paused_until <= now))
            return session.execute(chosen).first() is not None

    def release(self, errand: Errand) -> None:
        """Give an errand back untried."""
        self._return(errand, due_at=self._clock(), attempts=errand.entry.attempts - 1)

    def succeed(self, errand: Errand) -> None:
        """Record that it is done, unless it was asked for again meanwhile; the tracker evidently answers."""
        now = self._clock()
        entry, connection = errand.entry, errand.connection
        with self._database.writing() as session:
            closed = session.execute(
                update(OutboxEntry)
                .where(OutboxEntry.id == entry.id, OutboxEntry.generation == entry.generation)
                .values(state="done", due_at=now, attempts=0, trouble=None)
            )
            if not closed.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result is a CursorResult
                session.execute(
                    update(OutboxEntry)
                    .where(OutboxEntry.id == entry.id, OutboxEntry.state == "waiting")
                    .values(due_at=now, attempts=0, trouble=None)
                )
            if connection.offline_since is not None:
                self._back_online(session, connection.id, now)

    def postpone(self, errand: Errand, error: TrackerUnavailable) -> bool:
        """Record that the tracker was not available, and leave it alone for a while. True if the errand was buried.

        Being told to wait is no failure of the errand, so it does not use up a try; silence does.
        """
        now = self._clock()
        entry = errand.entry
        told = timedelta(seconds=error.retry_after) if error.retry_after else None
        with self._database.writing() as session:
            connection = session.get_one(Connection, errand.connection.id, with_for_update=True)
            if told is None:
                connection.offline_since = connection.offline_since or now
                silent = now - connection.offline_since
                pause = min(max(silent / 2, SHORTEST_PAUSE), LONGEST_PAUSE)
            else:
                pause = told
            connection.trouble = str(error)[:1000]
            if told is None or error.whole_connection:
                connection.paused_until = max(now + pause, connection.paused_until or now)
        if told is not None:
            self._return(errand, due_at=now + told, attempts=entry.attempts - 1, trouble=f"{error.reason}: {error}")
            return False
        return self.fail(errand, f"{error.reason}: {error}")

    def fail(self, errand: Errand, trouble: str) -> bool:
        """Record a failed try: later again, or buried after the last one. True if buried."""
        entry, now = errand.entry, self._clock()
        if entry.attempts >= TRIES or now - entry.created_at >= PATIENCE:
            self.bury(errand, trouble)
            return True
        wait = min(FIRST_BACK_OFF * 4 ** (entry.attempts - 1), LONGEST_BACK_OFF)
        # Jitter, so that errands that failed together do not return together.
        wait *= random.uniform(0.8, 1.2)  # noqa: S311 - spreading load needs no cryptographic randomness
        self._return(errand, due_at=now + wait, attempts=entry.attempts, trouble=trouble)
        return False

    def bury(self, errand: Errand, trouble: str) -> None:
        """Give an errand up, visibly and replayably."""
        with self._database.writing() as session:
            session.execute(
                update(OutboxEntry)
                .where(OutboxEntry.id == errand.entry.id, OutboxEntry.state == "waiting")
                .values(state="buried", due_at=self._clock(), trouble=trouble[:1000])
            )

    def clean_up(self, older_than: timedelta = timedelta(days=7)) -> int:
        """Forget errands done long ago, and those of uninstalled connections; returns how many."""
        uninstalled = exists().where(Connection.id == OutboxEntry.connection_id, Connection.state == "uninstalled")
        old = OutboxEntry.due_at < self._clock() - older_than
        with self._database.writing() as session:
            gone = session.execute(delete(OutboxEntry).where(old, or_(OutboxEntry.state == "done", uninstalled)))
            return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result is a CursorResult

    def _return(self, errand: Errand, *, due_at: datetime, attempts: int, trouble: str | None = None) -> None:
        values: dict[str, Any] = {"due_at": due_at, "attempts": max(attempts, 0)}
        if trouble is not None:
            values["trouble"] = trouble[:1000]
        with self._database.writing() as session:
            session.execute(
                update(OutboxEntry)
                .where(OutboxEntry.id == errand.entry.id, OutboxEntry.state == "waiting")
                .values(values)
            )

    @staticmethod
    def _back_online(session: Session, connection_id: str, now: datetime) -> None:
        connection = session.get_one(Connection, connection_id, with_for_update=True)
        since, connection.offline_since = connection.offline_since, None
        connection.paused_until = connection.trouble = None
        # A short silence may have been about one issue only: reviving that one would take the site offline again.
        if since is None or now - since < REVIVE_AFTER:
            return
        away = OutboxEntry.trouble.startswith(f"{TrackerUnavailable.reason}:")
        session.execute(
            update(OutboxEntry)
            .where(OutboxEntry.connection_id == connection_id, OutboxEntry.state.in_(("waiting", "buried")), away)
            .values(state="waiting", due_at=now, attempts=0, created_at=now)
        )
