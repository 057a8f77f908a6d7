"""Bring a database to the tables of this version, and tell whether it has them."""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from connector.database import Database
from connector.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that nobody else uses in this database: several processes starting at once must not migrate at once.
ADVISORY_LOCK = 7_265_230_001


def upgrade(settings: Settings) -> None:
    """Run the migrations that the configured database still lacks, all in one transaction."""
    database = Database(settings.effective_database_url)
    try:
        upgrade_database(database)
    finally:
        database.close()


def upgrade_database(database: Database) -> None:
    """Run the migrations that this database still lacks, all in one transaction."""
    if is_current(database):
        return
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # Altering a table on SQLite rebuilds it, and dropping the old one would delete all that refers to it.
            _sqlite_foreign_keys(connection, on=False)
            connection = connection.execution_options(ladder_immediate=True)
        try:
            with connection.begin():
                if not database.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
                command.upgrade(_config(connection), "head")
        finally:
            if database.is_sqlite:
                _sqlite_foreign_keys(connection, on=True)


def is_current(database: Database) -> bool:
    """Tell whether the database has exactly the tables of this version; raises SQLAlchemy's errors if unreachable."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_heads() == (head(),)


@functools.cache
def head() -> str:
    """Return the newest migration's revision."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _sqlite_foreign_keys(connection: Connection, *, on: bool) -> None:
    # SQLite ignores this pragma inside a transaction, and SQLAlchemy would begin one.
    connection.connection.cursor().execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
