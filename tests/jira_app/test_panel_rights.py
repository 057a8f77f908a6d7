"""Rights while Jira answers, while it does not, and when it says no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.models import Connection
from connector.tracker import IssueUnreadable, TrackerUnavailable
from jira_app.panel_rights import SILENT_FOR, STALE_FOR, Rights, RightsBook

SITE = Connection(id="c", workspace_id="w", tracker="jira", tenant_key="t", site="https://acme.atlassian.net")


@dataclass
class Jira:
    """Answers what it is told to, or raises it."""

    answer: Any = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    def may(self, _connection: Connection, account_id: str, _external_id: str, action: str) -> bool:
        self.asked.append((account_id, action))
        if isinstance(self.answer, Exception):
            raise self.answer
        return bool(self.answer)


@dataclass
class Desk:
    """A book of rights with its tracker and its clock."""

    jira: Jira = field(default_factory=Jira)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.book = RightsBook(self.jira, ticks=lambda: self.now)  # type: ignore[arg-type]  # asks nothing else

    def read(self, account: str = "ada", **more: bool) -> Rights:
        return self.book.read(SITE, account, "10001", **more)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_jiras_word_is_taken(desk: Desk) -> None:
    assert desk.read() == Rights("ada", True, True)
    desk.jira.answer = False
    assert desk.read("eve") == Rights("eve", False, False)


def test_who_may_not_view_is_not_asked_about_editing(desk: Desk) -> None:
    desk.jira.answer = False
    desk.read()
    assert desk.jira.asked == [("ada", "view")]


def test_who_is_not_signed_in_changes_nothing_and_is_not_asked_about(desk: Desk) -> None:
    assert desk.read("") == Rights("", None, False)
    assert desk.jira.asked == []


def test_an_issue_that_jira_hides_may_not_be_viewed(desk: Desk) -> None:
    desk.jira.answer = IssueUnreadable("404")
    assert desk.read().may_view is False


def test_the_last_word_holds_while_jira_is_away_but_not_for_ever(desk: Desk) -> None:
    desk.read()
    desk.jira.answer = TrackerUnavailable("down")
    desk.now = STALE_FOR - 1
    assert desk.read() == Rights("ada", True, True)
    desk.now = STALE_FOR + SILENT_FOR
    assert desk.read() == Rights("ada", None, None)


def test_a_right_taken_away_before_jira_went_away_stays_taken(desk: Desk) -> None:
    desk.read()
    desk.jira.answer = False
    desk.read()
    desk.jira.answer = TrackerUnavailable("down")
    assert desk.read().may_view is False


def test_jira_is_left_alone_after_it_did_not_answer_unless_somebody_waits(desk: Desk) -> None:
    desk.jira.answer = TrackerUnavailable("down")
    desk.read()
    asked = len(desk.jira.asked)
    desk.read()
    assert len(desk.jira.asked) == asked
    desk.read(insist=True)
    assert len(desk.jira.asked) > asked
    desk.jira.answer = True
    desk.now = SILENT_FOR + 1
    assert desk.read() == Rights("ada", True, True)
