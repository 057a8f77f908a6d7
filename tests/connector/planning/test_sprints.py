"""Reading sprints from their trackers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from connector.models import Connection, Issue, OutboxEntry, Sprint, SprintIssue
from connector.outbox import enqueue
from connector.planning.held_work import planned_sprints
from connector.planning.sprints import (
    look_again,
    planned_issue_ids,
    refresh_sprint,
    sprint_by_external_id,
    sprints_of_board,
)
from connector.tracker import SnapshotPage, SprintChanged, TrackerUnavailable
from connector.worker import Worker
from tests.connector.conftest import NOW, AbleToy, Organisation

BOARD = "3"


@pytest.fixture
def planning(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> Organisation:
    """The toy with sprints: what its site says of each issue's `sprints`, and one sprint, 7, on board 3."""

    def sprints(self: AbleToy, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        self.issues()
        told = SprintChanged("7", "Sprint 7", "active", NOW, NOW, NOW + timedelta(days=14), BOARD)
        return [told] if board in (None, BOARD) else []

    def sprint_issues(self: AbleToy, connection: Connection, sprint: str) -> Iterator[SnapshotPage]:
        for said in self.issues():
            if sprint in said.get("sprints", ()):
                yield SnapshotPage([self.snapshot(said)])

    monkeypatch.setattr(AbleToy, "sprints", sprints)
    monkeypatch.setattr(AbleToy, "sprint_issues", sprint_issues)
    monkeypatch.setattr(org.tracker, "capabilities", replace(org.tracker.capabilities, sprints=True), raising=False)
    return org


def connection(org: Organisation) -> Connection:
    with org.core.database.reading() as session:
        return session.get_one(Connection, "c")


def held(org: Organisation) -> list[str]:
    with org.core.database.reading() as session:
        return sorted(session.scalars(select(Issue.key).join(SprintIssue, SprintIssue.issue_id == Issue.id)))


def put(org: Organisation, issue: str, *sprints: str, at: int = 1, **more: object) -> None:
    """Make the site say something that was not delivered."""
    org.tracker.site[issue] = {"id": issue, "cls": "todo", "at": NOW.timestamp() + at, "sprints": sprints, **more}


def test_a_board_tells_its_sprints_and_they_are_kept(planning: Organisation):
    found = sprints_of_board(planning.core, connection(planning), BOARD)
    assert [(one.name, one.board, one.state) for one in found] == [("Sprint 7", BOARD, "active")]
    assert sprints_of_board(planning.core, connection(planning), "4") == []


def test_a_sprint_that_its_board_lists_no_more_is_closed(planning: Organisation):
    with planning.core.database.writing() as session:
        session.add(Sprint(workspace_id="w", connection_id="c", external_id="6", state="active", board=BOARD))
        session.add(Sprint(workspace_id="w", connection_id="c", external_id="5", state="active", board="4"))
    sprints_of_board(planning.core, connection(planning), BOARD)
    with planning.core.database.reading() as session:
        rows = session.execute(select(Sprint.external_id, Sprint.state))
        states = {row.external_id: row.state for row in rows}
    assert states == {"5": "active", "6": "closed", "7": "active"}


def test_while_the_tracker_does_not_answer_known_sprints_have_to_do(planning: Organisation):
    sprints_of_board(planning.core, connection(planning), BOARD)
    planning.tracker.down = TrackerUnavailable("gone fishing")
    assert [one.name for one in sprints_of_board(planning.core, connection(planning), BOARD)] == ["Sprint 7"]


def test_a_sprint_never_heard_of_is_asked_for_once(planning: Organisation):
    core, site = planning.core, connection(planning)
    assert sprint_by_external_id(core, site, "99") is None
    known = sprint_by_external_id(core, site, "7")
    assert known is not None
    planning.tracker.down = TrackerUnavailable("gone fishing")
    assert sprint_by_external_id(core, site, "7") == known
    with pytest.raises(TrackerUnavailable):
        sprint_by_external_id(core, site, "99")


def test_reading_a_sprint_finds_what_was_never_delivered(planning: Organisation):
    sprints_of_board(planning.core, connection(planning), BOARD)
    put(planning, "1", "7")
    put(planning, "2", "8")
    assert refresh_sprint(planning.core, connection(planning), "7") == 1
    assert held(planning) == ["TOY-1"]
    with planning.core.database.reading() as session:
        assert session.scalars(select(Sprint.read_at)).one() is not None


def test_what_left_the_sprint_unheard_is_read_again_and_so_are_blockers_never_heard_of(planning: Organisation):
    sprints_of_board(planning.core, connection(planning), BOARD)
    planning.tell("1", "todo", at=1, sprints=["7"])
    put(planning, "1", at=5)
    put(planning, "2", "7", blocked_by=["9"])
    put(planning, "9")
    refresh_sprint(planning.core, connection(planning), "7")
    while Worker(planning.core).run_once():
        pass
    assert held(planning) == ["TOY-2"]
    with planning.core.database.reading() as session:
        assert session.scalars(select(Issue.key).where(Issue.external_id == "9")).one() == "TOY-9"


def test_a_sprint_that_nobody_read_lately_is_read_again_in_the_background(planning: Organisation):
    core = planning.core
    sprints_of_board(core, connection(planning), BOARD)
    with core.database.reading() as session:
        sprint = planned_sprints(session, "w", [session.scalars(select(Sprint.id)).one()])[0]

    def asked() -> list[str]:
        with core.database.reading() as session:
            return list(
                session.scalars(
                    select(OutboxEntry.subject).where(OutboxEntry.kind == "read_sprint", OutboxEntry.state == "waiting")
                )
            )

    look_again(core, [replace(sprint, read_at=core.clock())])
    assert asked() == []
    look_again(core, [sprint])
    assert asked() == ["7"]


def test_the_issues_of_a_sprint_are_named_by_connection_to_ask_for_rights(planning: Organisation):
    sprints_of_board(planning.core, connection(planning), BOARD)
    planning.tell("1", "todo", at=1, sprints=["7"])
    planning.tell("2", "todo", at=2, sprints=["8"])
    with planning.core.database.reading() as session:
        sprint = session.scalars(select(Sprint.id)).one()
        issue = session.scalars(select(Issue.id).where(Issue.external_id == "1")).one()
        assert planned_issue_ids(session, "w", [sprint]) == {"c": {"1": issue}}
        assert planned_issue_ids(session, "elsewhere", [sprint]) == {}


def test_running_sprints_are_read_as_soon_as_they_are_known(planning: Organisation):
    put(planning, "1", "7")
    with planning.core.database.writing() as session:
        enqueue(session, "c", "list_sprints", "", now=planning.core.clock())
    while Worker(planning.core).run_once():
        pass
    assert held(planning) == ["TOY-1"]
