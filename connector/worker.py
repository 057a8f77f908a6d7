"""The worker: applies what the inbox holds and runs the outbox's errands, in threads beside the web or on its own.

Any number of workers may run at once on PostgreSQL. Killing one loses nothing: what it had claimed falls due again.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import or_, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from connector import inbox as inbox_module
from connector import outbox as outbox_module
from connector.apply import apply_entry
from connector.core import Core
from connector.doorbell import Doorbell
from connector.errands import HANDLERS
from connector.errands import Errand as Handler
from connector.idempotency import forget_old
from connector.models import Connection, InboxEntry, OutboxEntry
from connector.outbox import Errand, Outbox, enqueue
from connector.reconcile import INTERVAL, UnknownConnection, reconcile
from connector.telemetry import BACKLOG, ERRANDS, logger
from connector.tracker import BadDelivery, TrackerError, TrackerRefused, TrackerUnavailable

# Workers look into inbox and outbox this often (seconds), rung for or not.
INBOX_SWEEP = 2.0
OUTBOX_SWEEP = 0.5
# Several deliveries share a transaction, but on SQLite nobody else can write meanwhile, so it is kept this short.
TRANSACTION_SECONDS = 0.05
BREATH_SECONDS = 0.001
# At most twenty errands a second per connection and process: Jira allows a hundred calls, and errands make several.
PACE_SECONDS = 0.05
CLEAN_UP_EVERY = timedelta(hours=1)


def reconcile_connection(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Look for what was never delivered; as an errand, so that it waits while the tracker does not answer."""
    try:
        reconcile(core, connection.id)
    except UnknownConnection as error:
        raise TrackerRefused(f"no such connection: {error}") from error


class Worker:
    """Works inbox and outbox off: `run_once` in the calling thread, or `start` and `stop` with threads of its own."""

    def __init__(
        self,
        core: Core,
        *,
        doorbell: Doorbell | None = None,
        handlers: Mapping[str, Handler] | None = None,
        lease: timedelta | None = None,
        outbox_threads: int = 2,
    ) -> None:
        """`lease` replaces how long claimed rows are kept from other workers (tests want it short)."""
        self._core = core
        self._doorbell = doorbell
        self._handlers = {"reconcile": reconcile_connection, **(HANDLERS if handlers is None else handlers)}
        self._lease = lease
        self._outbox = Outbox(core.database, core.clock)
        self._outbox_threads = outbox_threads
        self._stopping = threading.Event()
        self._inbox_bell = threading.Event()
        self._outbox_bell = threading.Event()
        self._threads: list[threading.Thread] = []
        self._paced: dict[str, float] = {}
        self._pace_lock = threading.Lock()
        self._cleaned_at = core.clock()

    def run_once(self, limit: int = 100) -> int:
        """Work off what is due now, at most `limit` rows of each box; returns how many were worked off."""
        return self._work_inbox(limit) + self._work_outbox(limit)

    def start(self) -> None:
        """Start working in threads; returns at once."""
        names = ["inbox", *(f"outbox-{number}" for number in range(self._outbox_threads))]
        for name in names:
            target = self._run_inbox if name == "inbox" else self._run_outbox
            thread = threading.Thread(target=target, name=f"worker-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        if self._doorbell is not None:
            self._doorbell.attend(self.wake, self.every_minute)
        self._core.inbox.subscribe(self.wake)

    def wake(self) -> None:
        """Look into the inbox now; returns at once."""
        self._inbox_bell.set()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish what is being worked on, then stop; True if all threads ended in time (seconds)."""
        self._stopping.set()
        self._inbox_bell.set()
        self._outbox_bell.set()
        if self._doorbell is not None:
            self._doorbell.close()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def every_minute(self) -> None:
        """Ask for the reconciles that are due, forget what is old, and note the backlog."""
        now = self._core.clock()
        with self._core.database.writing() as session:
            overdue = or_(Connection.last_reconcile_at.is_(None), Connection.last_reconcile_at <= now - INTERVAL)
            for connection_id in session.scalars(
                select(Connection.id).where(Connection.state == "active", overdue).order_by(Connection.id)
            ).all():
                if not _asked_lately(session, connection_id, "reconcile", since=now - INTERVAL):
                    enqueue(session, connection_id, "reconcile", "", now=now)
        with self._core.database.reading() as session:
            for state, number in self._core.inbox.backlog(session).items():
                BACKLOG.labels("inbox", state).set(number)
            for state, number in outbox_module.backlog(session).items():
                BACKLOG.labels("outbox", state).set(number)
        if now - self._cleaned_at >= CLEAN_UP_EVERY:
            self._cleaned_at = now
            self.clean_up()

    def clean_up(self) -> None:
        """Forget what took effect long ago and answers kept for retried requests."""
        self._core.inbox.clean_up()
        self._outbox.clean_up()
        with self._core.database.writing() as session:
            forget_old(session, self._core.clock())

    def _run_inbox(self) -> None:
        self._run(self._inbox_bell, INBOX_SWEEP, lambda: self._work_inbox(20))

    def _run_outbox(self) -> None:
        self._run(self._outbox_bell, OUTBOX_SWEEP, lambda: self._work_outbox(5))

    def _run(self, bell: threading.Event, sweep: float, work: Callable[[], int]) -> None:
        while not self._stopping.is_set():
            try:
                worked = work()
            except SQLAlchemyError as error:
                # The database is away; what was claimed falls due again by itself.
                logger.warning("database_unavailable", error=type(error).__name__)
                self._stopping.wait(1.0)
                continue
            except Exception:  # noqa: BLE001 - a thread that ends here would stop all work; logged, then on
                logger.exception("worker_failed")
                self._stopping.wait(1.0)
                continue
            if not worked:
                bell.wait(sweep)
                bell.clear()

    def _work_inbox(self, limit: int) -> int:
        entries = self._core.inbox.claim(limit, self._lease or inbox_module.LEASE)
        # One connection a transaction: two workspaces' locks in one could meet another worker's in opposite order.
        for _, group in groupby(sorted(entries, key=lambda one: (one.connection_id, one.id)), _connection_of):
            waiting = list(group)
            while waiting:
                if self._stopping.is_set():
                    self._core.inbox.release(waiting)
                    break
                waiting = waiting[self._apply_some(waiting) :]
                # On SQLite whoever waits for the write lock, such as the inbox's next commit, must get a chance at it.
                self._stopping.wait(BREATH_SECONDS)
        if entries:
            self._outbox_bell.set()
        return len(entries)

    def _apply_some(self, entries: Sequence[InboxEntry]) -> int:
        """Apply entries in one transaction, each on its own savepoint, until time is up; returns how many it took."""
        core = self._core
        finished: list[tuple[InboxEntry, str]] = []
        failed: list[tuple[InboxEntry, Exception]] = []
        taken = 0
        current: InboxEntry | None = None
        try:
            with core.database.writing() as session:
                until = time.monotonic() + TRANSACTION_SECONDS
                for current in entries:
                    try:
                        with session.begin_nested():
                            if inbox_module.take(session, current):
                                outcome = apply_entry(core, session, current)
                                inbox_module.finish(session, current, outcome, core.clock())
                                finished.append((current, outcome))
                    except (OperationalError, InterfaceError):
                        raise
                    except Exception as error:  # noqa: BLE001 - one bad entry must not hold up the others; see below
                        failed.append((current, error))
                    taken += 1
                    if time.monotonic() > until:
                        break
                current = None
        except SQLAlchemyError as error:
            # Nothing of this transaction took effect. The entry that was being applied may be the cause, or the
            # database is away, in which case the next line says so again and all of them fall due by themselves.
            core.inbox.release([entry for entry in entries if entry is not current])
            if current is not None:
                core.inbox.retry_later(current, type(error).__name__)
            raise
        for entry, outcome in finished:
            inbox_module.count_finished(entry, outcome, core.clock())
            if outcome.startswith("unsupported:"):
                logger.warning("delivery_unsupported", connection=entry.connection_id, kind=entry.kind)
        for entry, problem in failed:
            self._put_off(entry, problem)
        return taken

    def _put_off(self, entry: InboxEntry, error: Exception) -> None:
        reason = str(getattr(error, "reason", type(error).__name__))
        if isinstance(error, BadDelivery):
            self._core.inbox.set_aside(entry, f"{reason}: {error}")
            logger.warning("delivery_bad", entry=entry.id, kind=entry.kind, reason=reason)
            return
        given_up = self._core.inbox.retry_later(entry, reason)
        logger.error("delivery_failed", entry=entry.id, kind=entry.kind, given_up=given_up, exc_info=error)

    def _work_outbox(self, limit: int) -> int:
        errands = self._outbox.claim(limit, self._lease)
        for errand in errands:
            if self._stopping.is_set() or not self._outbox.is_open(errand.connection.id):
                self._outbox.release(errand)
                continue
            self._pace(errand.connection.id)
            ERRANDS.labels(errand.entry.kind, self._run_errand(errand)).inc()
        return len(errands)

    def _run_errand(self, errand: Errand) -> str:
        """Run one errand and record how it went; returns that in a word."""
        handler = self._handlers.get(errand.entry.kind)
        if handler is None:
            self._outbox.bury(errand, "unknown_errand: this version knows no such errand")
            return "buried"
        try:
            handler(self._core, errand.connection, errand.entry)
        except TrackerUnavailable as error:
            logger.info(
                "tracker_unavailable", connection=errand.connection.id, kind=errand.entry.kind, error=str(error)
            )
            return "buried" if self._outbox.postpone(errand, error) else "postponed"
        except TrackerError as error:
            self._outbox.bury(errand, f"{error.reason}: {error}")
            return "buried"
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - counted as a try of this errand; the others go on
            logger.exception("errand_failed", entry=errand.entry.id, kind=errand.entry.kind)
            return "buried" if self._outbox.fail(errand, type(error).__name__) else "failed"
        self._outbox.succeed(errand)
        return "done"

    def _pace(self, connection_id: str) -> None:
        with self._pace_lock:
            now = time.monotonic()
            turn = max(now, self._paced.get(connection_id, 0.0))
            self._paced[connection_id] = turn + PACE_SECONDS
        if turn > now:
            self._stopping.wait(turn - now)


def run(core: Core, doorbell: Doorbell) -> None:
    """Work until the process is asked to stop (TERM or interrupt); finishes what it has begun."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    worker = Worker(core, doorbell=doorbell)
    worker.start()
    logger.info("worker_started")
    asked.wait()
    ended = worker.stop()
    logger.info("worker_stopped", gracefully=ended)


def _asked_lately(session: Session, connection_id: str, kind: str, since: datetime) -> bool:
    """Tell whether such an errand waits, or was ended, done or buried, since then."""
    chosen = select(OutboxEntry.id).where(OutboxEntry.connection_id == connection_id, OutboxEntry.kind == kind)
    lately = or_(OutboxEntry.state == "waiting", OutboxEntry.due_at > since)
    return session.execute(chosen.where(lately)).first() is not None


def _connection_of(entry: InboxEntry) -> str:
    return entry.connection_id
