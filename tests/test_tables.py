"""What tests begin with is what it claims to be: all tables, and nothing in them."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from connector.core import build_core
from connector.database import Database
from connector.models import Base, InboxEntry
from connector.settings import load_settings
from tests.postgres import OTHERS, PostgresServer, furnish, rows
from tests.tables import make_tables
from tests.toy_tracker import ToyTracker


def schema(database: Database) -> list[tuple[str, ...]]:
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"))
        return [tuple(row) for row in found]


def test_tables_made_at_once_are_those_of_the_models(tmp_path: Path) -> None:
    ours, theirs = (Database(f"sqlite:///{tmp_path / name}") for name in ("ours.db", "theirs.db"))
    make_tables(ours)
    Base.metadata.create_all(theirs.engine)
    assert schema(ours) == schema(theirs) != []
    make_tables(ours)
    assert schema(ours) == schema(theirs), "what has tables stays as it is"
    ours.close()
    theirs.close()


def used(address: str) -> list[int]:
    """Deliver something to a Ladder on this database; return the numbers of all deliveries that it then has."""
    settings = load_settings(env_file=None, database_url=address, secret_keys=Fernet.generate_key().decode())
    core = build_core(settings, trackers={"toy": ToyTracker})
    furnish(core)
    core.inbox.accept("c", "k1", "issue", b"{}")
    numbers = [entry.id for entry in rows(core, InboxEntry)]
    core.close()
    return numbers


def gone(address: str) -> bool:
    """Say whether nobody is connected any more: the server takes a moment to notice."""
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(OTHERS).fetchone() == (0,)


@pytest.fixture
def server(postgres: PostgresServer) -> PostgresServer:
    """The running server, with databases of its own to lend."""
    return PostgresServer(postgres.server, shape=postgres.shape)


def test_a_lent_database_is_empty_again_for_the_next_one(server: PostgresServer) -> None:
    for _ in range(2):
        with server.lent() as address:
            assert used(address) == [1]
        while not gone(address):
            time.sleep(0.01)
    with server.lent() as again:
        assert again == address


def test_a_database_with_another_table_is_not_lent_again(server: PostgresServer) -> None:
    with server.lent() as first, psycopg.connect(first, autocommit=True) as connection:
        connection.execute("CREATE TABLE left_behind (id int)")
    with server.lent() as second:
        assert second != first


def test_a_database_in_which_somebody_is_still_at_work_is_not_lent_again(server: PostgresServer) -> None:
    with server.lent() as first:
        late = psycopg.connect(first)
    with late, server.lent() as second:
        assert second != first
    late.close()
