import threading
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError, StatementError

from connector.database import Database
from connector.doorbell import open_queue
from connector.models import Base, CheckIn, Workspace
from connector.settings import load_settings


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def test_sqlite_keeps_what_was_committed_through_a_power_cut(database):
    with database.reading() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_nobody_else_on_the_machine_can_read_the_database_or_the_queue(database, tmp_path):
    with database.writing() as session:
        session.add(Workspace(name="Acme"))
    settings = load_settings(env_file=None, database_url=database.url)
    open_queue(settings).storage.close()
    files = [file for file in tmp_path.iterdir() if file.name.startswith("test.db")]
    assert {"test.db", "test.db-wal", "test.db.queue"} <= {file.name for file in files}
    assert {file.name: oct(file.stat().st_mode & 0o077) for file in files} == {file.name: "0o0" for file in files}


def test_a_writer_that_raises_leaves_nothing_behind(database):
    def fail():
        with database.writing() as session:
            session.add(Workspace(name="Acme"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    with database.reading() as session:
        assert session.scalars(select(Workspace)).all() == []


def test_reading_never_commits(database):
    with database.reading() as session:
        session.add(Workspace(name="Acme"))
        session.flush()

    with database.reading() as session:
        assert session.scalars(select(Workspace)).all() == []


def test_two_writers_that_read_first_both_succeed(database):
    with database.writing() as session:
        session.add(Workspace(id="w", name="0"))
    errors = []

    def count_up():
        try:
            for _ in range(20):
                with database.writing() as session:
                    workspace = session.get_one(Workspace, "w")
                    workspace.name = str(int(workspace.name) + 1)
        except SQLAlchemyError as error:
            errors.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert errors == []
    with database.reading() as session:
        assert session.get_one(Workspace, "w").name == "80"


def test_a_third_stays_a_third(database):
    with database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
    with database.reading() as session:
        assert session.scalar(select(CheckIn.value)) is None
        assert CheckIn.__table__.c.value.type.process_bind_param(Fraction(1, 3), session.bind.dialect) == "1/3"
        assert CheckIn.__table__.c.value.type.process_result_value("1/3", session.bind.dialect) == Fraction(1, 3)


def test_moments_come_back_in_utc_and_naive_ones_are_refused(database):
    moment = datetime(2026, 8, 3, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    with database.writing() as session:
        session.add(Workspace(id="w", name="Acme", created_at=moment))

    with database.reading() as session:
        assert session.get_one(Workspace, "w").created_at == datetime(2026, 8, 3, 10, 0, tzinfo=UTC)
    naive = datetime(2026, 8, 3)  # noqa: DTZ001 -- naive on purpose
    with pytest.raises(StatementError), database.writing() as session:
        session.add(Workspace(name="Beta", created_at=naive))


def test_an_error_does_not_quote_the_values_that_were_bound(database):
    with pytest.raises(StatementError) as failed, database.writing() as session:
        session.execute(text("INSERT INTO workspace (id) VALUES (:secret)"), {"secret": "hunter2"})

    assert "hunter2" not in str(failed.value)
