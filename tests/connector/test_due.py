"""Issues that wait for an errand, on SQLite and on PostgreSQL: marked, looked at, settled, put back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from connector.due import put_back, put_due, put_due_where, settle, take_due, waiting
from connector.goal_marks import KIND, begin, marks_of, show_marks
from connector.models import Connection, Issue, OutboxEntry
from connector.settings import Settings
from connector.tracker import Capabilities, GoalMark
from tests.connector.conftest import NOW, Organisation


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    """Settings on either database, in place of those on SQLite alone."""
    return either_settings


@pytest.fixture
def three(org: Organisation) -> Organisation:
    """Three issues, numbered from 1."""
    for name in ("a", "b", "c"):
        org.tell(name, "todo", at=1)
    return org


def test_what_waits_longest_comes_first_and_waits_until_it_is_settled(three: Organisation) -> None:
    with three.core.database.writing() as session:
        put_due(session, "x", [3], NOW)
        put_due(session, "x", [1, 2], NOW + timedelta(seconds=1))
        put_due(session, "y", [1], NOW)
    with three.core.database.writing() as session:
        first = waiting(session, "x", "c", 2)
        assert list(first) == [3, 1]
        settle(session, "x", first)
        assert list(waiting(session, "x", "c", 9)) == [2]
        assert list(waiting(session, "y", "c", 9)) == [1]
        assert waiting(session, "x", "another", 9) == {}
        settle(session, "x", {})


def test_what_is_marked_again_meanwhile_is_not_settled(three: Organisation) -> None:
    with three.core.database.writing() as session:
        put_due(session, "x", [1, 2], NOW)
        seen = waiting(session, "x", "c", 9)
        put_due(session, "x", [2], NOW + timedelta(microseconds=1))
        settle(session, "x", seen)
        assert list(waiting(session, "x", "c", 9)) == [2]


def test_what_is_put_back_lets_others_go_first(three: Organisation) -> None:
    with three.core.database.writing() as session:
        put_due(session, "x", [1, 2, 3], NOW)
        put_back(session, "x", [1], NOW + timedelta(seconds=1))
        assert list(waiting(session, "x", "c", 9)) == [2, 3, 1]


def test_what_is_taken_waits_no_more_and_asks_for_one_errand(three: Organisation) -> None:
    with three.core.database.writing() as session:
        put_due_where(session, "x", select(Issue.id), NOW)
        put_due_where(session, "x", select(Issue.id), NOW)
        assert list(take_due(session, "x", "c", 2)) == [1, 2]
        assert list(waiting(session, "x", "c", 9)) == [3]
        errands = session.scalars(select(OutboxEntry).where(OutboxEntry.kind == "x")).all()
        assert [(one.connection_id, one.subject) for one in errands] == [("c", "")]


def test_marks_follow_the_chain_of_ancestors(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    org.tracker.capabilities = Capabilities(goal_marks=True)
    told: dict[str, GoalMark] = {}
    monkeypatch.setattr(org.tracker, "show_goals", lambda _connection, marks: told.update(marks), raising=False)
    with org.core.database.writing() as session:
        begin(session, session.get_one(Connection, "c"), org.core.clock())
    org.tell("1", "todo", at=1, level=1)
    org.tell("2", "todo", at=1, parent="1")
    org.link("1")
    org.tell("3", "todo", at=2, parent="2")
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
        assert len(waiting(session, KIND, "c", 9)) == 3
        assert {one.mark for one in marks_of(session, [1, 2, 3])} == {
            GoalMark("aligned", ("Win trust",), ("Ship the audit",))
        }
    assert show_marks(org.core, connection) == 3
    assert set(told) == {"1", "2", "3"}
    org.tell("2", "todo", at=3)
    assert show_marks(org.core, connection) == 2
    assert told["3"] == GoalMark("unaligned")
