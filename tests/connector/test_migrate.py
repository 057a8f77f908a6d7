"""Migrations give exactly the models' tables, on both databases, once, and without harm to what is there."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, insert, select, text

from connector import migrate
from connector.database import Database
from connector.doorbell import open_queue
from connector.models import Base, SprintIssue, Workspace
from connector.settings import Settings, load_settings

SPRINTS = [["7"], [], ["7", "8"]]


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


def migrated_to(settings: Settings, revision: str) -> Database:
    database = Database(settings.effective_database_url)
    with database.engine.connect() as connection, connection.begin():
        command.upgrade(migrate._config(connection), revision)
    return database


def test_sprints_that_issues_named_before_there_was_an_index_are_in_it(empty: Settings):
    database = migrated_to(empty, "0002")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with database.engine.begin() as connection:
        old = MetaData()
        old.reflect(connection, only=["workspace", "connection", "issue"])
        plain = {"workspace_id": "w", "connection_id": "c", "level": 0, "labels": []}
        plain |= {column.name: "" for column in old.tables["issue"].c if column.type.python_type is str
                  and not column.nullable and column.name not in plain}  # fmt: skip
        plain |= {column.name: 0 for column in old.tables["issue"].c if column.name.startswith("below_")}
        connection.execute(
            insert(old.tables["workspace"]).values(id="w", name="Acme", timezone="UTC", created_at=now, version=1)
        )
        connection.execute(
            insert(old.tables["connection"]).values(
                id="c", workspace_id="w", tracker="toy", tenant_key="t", site="s", display_site="", state="active",
                settings={}, installed_at=now, created_at=now, version=1,
            )
        )  # fmt: skip
        rows = [{**plain, "id": at, "external_id": str(at), "sprints": held} for at, held in enumerate(SPRINTS, 1)]
        connection.execute(insert(old.tables["issue"]), rows)
    database.close()
    migrate.upgrade(empty)
    database = Database(empty.effective_database_url)
    with database.reading() as session:
        found = session.execute(select(SprintIssue.issue_id, SprintIssue.sprint, SprintIssue.connection_id))
        assert sorted(map(tuple, found)) == [(1, "7", "c"), (3, "7", "c"), (3, "8", "c")]
    database.close()


def test_there_is_one_line_of_migrations():
    assert len(ScriptDirectory(str(migrate.MIGRATIONS)).get_heads()) == 1
