"""The doorbell and the clock: huey tells workers at once that something came in, and every minute that time passed.

It is never the only copy of anything: rings may be lost or doubled without harm, because workers look into inbox and
outbox every few seconds anyway.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey, crontab
from huey.registry import Message
from huey.serializer import Serializer

from connector.database import make_private
from connector.settings import BadSettings, Settings
from connector.telemetry import logger

# Rings closer together than this are one ring.
COALESCE_SECONDS = 0.02
# A queue that nobody reads must not grow: beyond this many unread rings there is no point in another one.
UNREAD_RINGS = 3
# How often a queue in an SQLite file is looked at; the others block until something comes.
POLL_SECONDS = 0.1


class JsonSerializer(Serializer):  # type: ignore[misc]  # huey publishes no types
    """Tasks as JSON. huey's default is pickle: whoever could write to the queue could then run code in the worker."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return Message(*json.loads(data))


def open_queue(settings: Settings) -> Huey:
    """Return huey on the configured queue: a file beside an SQLite database, the same PostgreSQL, or Redis.

    Raises BadSettings, or the driver's error when the queue cannot be reached.
    """
    url = settings.queue_url or settings.effective_database_url
    options: dict[str, Any] = {"results": False, "serializer": JsonSerializer()}
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        # Its own file, and no fsync: a ring is worth nothing after a crash, and must not wait for the inbox's commits.
        path = url.removeprefix("sqlite:///")
        path = path if settings.queue_url else f"{path}.queue"
        make_private(Path(unquote(path)))
        return SqliteHuey("ladder", filename=unquote(path), fsync=False, **options)
    if parts.scheme.startswith("postgres"):
        return PostgresHuey("ladder", dsn=f"postgresql://{url.split('://', 1)[1]}", **options)
    try:
        return RedisHuey("ladder", url=url, **options)
    except Exception as error:
        if type(error).__name__ != "ConfigurationError":
            raise
        raise BadSettings("LADDER_QUEUE_URL: the Python package redis is not installed") from error


class Doorbell:
    """Rung by whoever stored something, answered by a worker, in this process or in another one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rung = threading.Event()
        self._stopped = threading.Event()
        self._answer: Callable[[], None] | None = None
        self._ringer: threading.Thread | None = None
        self._attendant: threading.Thread | None = None
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Say that something came in. Returns at once and never raises; many rings in a row are one."""
        if self._answer is not None:
            self._answer()
            return
        self._rung.set()
        if self._ringer is None or not self._ringer.is_alive():
            with self._lock:
                if self._ringer is None or not self._ringer.is_alive():
                    self._ringer = threading.Thread(target=self._pass_on, name="doorbell", daemon=True)
                    self._ringer.start()

    def attend(self, answer: Callable[[], None], every_minute: Callable[[], None]) -> None:
        """Call `answer` when it rings anywhere and `every_minute` by the clock, from threads of its own."""
        self._answer = answer
        self._attendant = threading.Thread(
            target=self._run_consumer, args=(answer, every_minute), name="doorbell-attendant", daemon=True
        )
        self._attendant.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop passing rings on and answering them."""
        self._stopped.set()
        self._rung.set()
        for thread in (self._ringer, self._attendant):
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout)

    def _pass_on(self) -> None:
        queue: Huey | None = None
        ring_elsewhere = _nothing
        while not self._stopped.is_set():
            self._rung.wait()
            self._rung.clear()
            if self._stopped.is_set():
                break
            try:
                if queue is None:
                    queue = open_queue(self._settings)
                    ring_elsewhere = _tasks(queue, answer=_nothing, every_minute=_nothing)
                if queue.pending_count() < UNREAD_RINGS:
                    ring_elsewhere()
            except Exception as error:  # noqa: BLE001 - a lost ring only costs the seconds until the next sweep
                logger.warning("doorbell_unreachable", error=type(error).__name__)
                queue = None
                self._stopped.wait(1.0)
            self._stopped.wait(COALESCE_SECONDS)
        if queue is not None:
            queue.storage.close()

    def _run_consumer(self, answer: Callable[[], None], every_minute: Callable[[], None]) -> None:
        while not self._stopped.is_set():
            try:
                queue = open_queue(self._settings)
            except Exception as error:  # noqa: BLE001 - workers sweep without it; it is tried again
                logger.warning("doorbell_unreachable", error=type(error).__name__)
                self._stopped.wait(5.0)
                continue
            _tasks(queue, answer=answer, every_minute=every_minute)
            # Run by the thread that waits for rings, which on PostgreSQL has a connection of its own.
            queue.on_shutdown(name="close")(queue.storage.close)
            # Its parts are started here one by one: Consumer.start() would take over the process's signals.
            consumer = queue.create_consumer(workers=1, initial_delay=POLL_SECONDS, max_delay=POLL_SECONDS)
            consumer.scheduler.start()
            for _, thread in consumer.worker_threads:
                thread.start()
            while not self._stopped.wait(10.0):
                consumer.check_worker_health()
            consumer.stop(graceful=True)
            queue.storage.close()


def _tasks(queue: Huey, *, answer: Callable[[], None], every_minute: Callable[[], None]) -> Callable[[], Any]:
    """Register both tasks on a queue; returns the one that rings."""

    # Both ends must know a task by one name, which huey makes of its function's module and name.
    def run_ring() -> None:
        answer()

    def run_minute() -> None:
        every_minute()

    ring: Callable[[], Any] = queue.task(name="ring")(run_ring)
    queue.periodic_task(crontab(), name="every_minute")(run_minute)
    return ring


def _nothing() -> None:
    """Stand for a task that is only sent from here, never run."""
