"""Empty tables for a test's database, made without working them out again: most tests begin with a fresh file."""

from __future__ import annotations

import sqlite3
from functools import cache

from sqlalchemy import create_engine, inspect

from connector.database import Database
from connector.models import Base


def make_tables(database: Database) -> None:
    """Give an empty database all tables, as `Base.metadata.create_all` does; one that has tables stays as it is.

    On SQLite the statements are those that a first database was made with, run in one transaction: working them out,
    and asking for each table whether it is there, takes longer than most tests.
    """
    if not database.is_sqlite:
        if not inspect(database.engine).get_table_names():
            Base.metadata.create_all(database.engine)
        return
    connection = database.engine.raw_connection()
    try:
        file = connection.driver_connection
        assert isinstance(file, sqlite3.Connection)
        if not file.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            file.executescript(f"BEGIN; {_statements()} COMMIT;")
    finally:
        connection.close()


@cache
def _statements() -> str:
    """Return what SQLite remembers of the statements that make every table and index of the models."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
        statements = "".join(f"{statement};" for (statement,) in made)
    engine.dispose()
    return statements
