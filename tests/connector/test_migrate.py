"""Migrations give exactly the models' tables, on both databases, once, and without harm to what is there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from sqlalchemy import text

from connector import migrate
from connector.database import Database
from connector.doorbell import open_queue
from connector.models import Base, Workspace
from connector.settings import Settings, load_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings on a database without any table."""
    on_postgres = request.param == "postgresql"
    url = (
        request.getfixturevalue("postgres").database(template=None)
        if on_postgres
        else f"sqlite:///{tmp_path}/ladder.db"
    )
    return load_settings(env_file=None, database_url=url, secret_keys=Fernet.generate_key().decode())


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = compare_metadata(context, Base.metadata)
    return [one for one in found if "huey_" not in str(one) and "alembic_version" not in str(one)]


def test_migrations_give_exactly_the_tables_of_the_models(empty: Settings):
    database = Database(empty.effective_database_url)
    assert not migrate.is_current(database)
    migrate.upgrade(empty)
    assert migrate.is_current(database)
    assert differences(database) == []
    database.close()


def test_migrating_again_changes_nothing_and_keeps_the_data(empty: Settings):
    migrate.upgrade(empty)
    database = Database(empty.effective_database_url)
    with database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
    migrate.upgrade(empty)
    with database.reading() as session:
        assert session.get_one(Workspace, "w").name == "Acme"
    database.close()


def test_processes_that_start_together_migrate_once(empty: Settings):
    start, failures = threading.Barrier(3), []

    def upgrade() -> None:
        start.wait()
        try:
            migrate.upgrade(empty)
        except Exception as error:  # noqa: BLE001 - handed to the test, which shows it
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = Database(empty.effective_database_url)
    assert migrate.is_current(database)
    database.close()


def test_the_queue_beside_our_tables_is_none_of_their_business(empty: Settings):
    migrate.upgrade(empty)
    open_queue(empty).storage.close()
    database = Database(empty.effective_database_url)
    assert migrate.is_current(database)
    assert differences(database) == []
    database.close()


def test_foreign_keys_are_on_again_after_migrating_sqlite(settings: Settings):
    database = Database(settings.effective_database_url)
    migrate.upgrade_database(database)
    with database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_there_is_one_line_of_migrations():
    assert len(ScriptDirectory(str(migrate.MIGRATIONS)).get_heads()) == 1
