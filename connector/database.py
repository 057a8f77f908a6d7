"""The one way to the database, shared by web, worker and command line."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """An engine with two doors: `reading()` and `writing()`.

    On SQLite a writer takes the write lock at once (BEGIN IMMEDIATE): a transaction that starts by reading and then
    writes would otherwise fail when somebody else wrote in between. Threads of one process queue on a lock of our own,
    which is fair and instant, instead of SQLite's sleep-and-retry; other processes wait on the busy time-out.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._write_lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session whose changes are thrown away at the end."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that commits at the end, or rolls back if the block raises."""
        if not self.is_sqlite:
            with self._sessions.begin() as session:
                yield session
            return
        with self._write_lock, self._sessions() as session:
            session.connection(execution_options={"ladder_immediate": True})
            with session.begin() if not session.in_transaction() else _committing(session):
                yield session

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """Give a Core connection in a committed transaction, for bulk inserts such as the inbox."""
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._write_lock, self.engine.connect() as connection:
            connection = connection.execution_options(ladder_immediate=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Return every pooled connection."""
        self.engine.dispose()


def make_private(file: Path) -> None:
    """Make an SQLite file that only its owner can read, if there is none yet; what SQLite keeps beside it follows.

    SQLite itself leaves it to the umask, which on most machines lets every account read people's names and goals.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def _committing(session: Session) -> Iterator[None]:
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    session.commit()


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_private(Path(path))
    engine = create_engine(
        url,
        hide_parameters=True,  # errors quote bound values, among them sealed secrets and people's words
        connect_args={"timeout": 30, "check_same_thread": False},
        pool_size=20,
        max_overflow=40,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we emit BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("ladder_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=20, max_overflow=40)
