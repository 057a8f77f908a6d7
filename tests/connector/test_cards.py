"""Cards: shown on link, changed only when what they say changes, taken away when they no longer belong, repaired."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from connector.goals import RecordCheckIn, record_check_in
from connector.links import unlink
from connector.models import Connection, Issue, KeyResult, ShownCard
from connector.reconcile import reconcile
from connector.tracker import Capabilities, IssueUnreadable, TrackerUnavailable
from tests.connector.conftest import Organisation
from tests.connector.errand_runs import run


@pytest.fixture
def carded(org: Organisation) -> Organisation:
    """The organisation on a tracker that shows cards, and no labels on a panel."""
    org.tracker.capabilities = Capabilities(cards=True)
    return org


def refresh(org: Organisation) -> None:
    run(org, "refresh_labels", "show_label")


def subtitles(org: Organisation) -> dict[str, str]:
    return {issue: card.subtitle for issue, card in org.tracker.cards.values()}


def test_linking_shows_a_card_that_says_what_the_key_result_is_and_how_it_stands(carded: Organisation) -> None:
    carded.tell("1", "done", at=1)
    carded.tell("2", "todo", at=1)
    for issue in ("1", "2"):
        carded.link(issue)
    refresh(carded)

    issue, card = carded.tracker.cards["card-1-ratio"]
    assert issue == "1"
    assert card.title == "KR Ship the audit"
    assert card.subtitle == "50% · check-in overdue"
    assert card.attributes["objective"] == "Win trust"
    assert card.attributes["driver"] == "Ada"
    assert card.attributes["progress"] == "work 50%"
    assert card.url.endswith("/issues/toy/c/1?key_result=ratio")


def test_a_key_result_without_a_number_says_why(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1", "metric")
    refresh(carded)
    assert subtitles(carded) == {"1": "not measured yet · check-in overdue"}


def test_closing_one_issue_changes_the_cards_of_all_the_others_once(carded: Organisation) -> None:
    for issue in ("1", "2", "3"):
        carded.tell(issue, "todo", at=1)
        carded.link(issue)
    refresh(carded)
    carded.tracker.calls.clear()

    carded.tell("1", "done", at=2)
    refresh(carded)
    refresh(carded)

    assert set(subtitles(carded).values()) == {"33% · check-in overdue"}
    assert carded.tracker.calls == ["update"] * 3


def test_a_change_that_nobody_can_see_writes_nothing(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1")
    refresh(carded)
    carded.tracker.calls.clear()

    carded.tell("1", "doing", at=2)
    refresh(carded)

    assert carded.tracker.calls == []


def test_the_drivers_word_and_another_driver_reach_the_card(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1")
    refresh(carded)
    with carded.core.database.writing() as session:
        command = RecordCheckIn(status="yellow", changed="A supplier is late.")
        record_check_in(session, "w", "ratio", command, actor="Ada", now=carded.core.clock())
    refresh(carded)
    assert subtitles(carded) == {"1": "0% · at risk"}


def test_unlinking_takes_the_card_away(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    link = carded.link("1")
    refresh(carded)
    with carded.core.database.writing() as session:
        unlink(session, "w", link, actor="ada", now=carded.core.clock())
    refresh(carded)
    assert carded.tracker.cards == {}
    with carded.core.database.reading() as session:
        assert session.scalars(select(ShownCard)).all() == []


def test_what_hangs_below_a_linked_issue_loses_its_card_with_the_link(carded: Organisation) -> None:
    carded.tell("E", "todo", at=1, level=1)
    link = carded.link("E")
    carded.tell("a", "todo", at=2, parent="E")
    carded.tell("b", "todo", at=2, parent="E")
    refresh(carded)
    assert set(subtitles(carded)) == {"E", "a", "b"}

    # As before in every word: 0 of 2, then none; only the scope is gone.
    with carded.core.database.writing() as session:
        unlink(session, "w", link, actor="ada", now=carded.core.clock())
    refresh(carded)

    assert carded.tracker.cards == {}


def test_an_issue_that_moves_below_another_goal_gets_the_other_card(carded: Organisation) -> None:
    carded.tell("E", "todo", at=1, level=1)
    carded.tell("F", "todo", at=1, level=1)
    carded.link("E")
    carded.link("F", "points")
    carded.tell("a", "todo", at=2, parent="E")
    refresh(carded)
    assert "card-a-ratio" in carded.tracker.cards

    carded.tell("a", "todo", at=3, parent="F")
    refresh(carded)

    assert "card-a-ratio" not in carded.tracker.cards
    assert "card-a-points" in carded.tracker.cards


def test_a_tracker_that_fails_in_the_middle_keeps_what_was_shown(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1")
    carded.tracker.down = TrackerUnavailable("down")
    with pytest.raises(TrackerUnavailable):
        run(carded, "show_label")
    carded.tracker.down = None
    with carded.core.database.reading() as session:
        assert session.scalars(select(ShownCard)).all() == []


def test_an_issue_that_can_no_longer_be_reached_is_marked_stale(
    carded: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1")

    def withdrawn(*_: object) -> str:
        raise IssueUnreadable("the team was closed to us")

    monkeypatch.setattr(carded.tracker, "show_card", withdrawn)
    run(carded, "show_label")
    with carded.core.database.reading() as session:
        assert session.scalars(select(Issue.stale_reason)).one() == "the team was closed to us"


def test_reconciling_writes_old_cards_anew_and_makes_missing_ones(carded: Organisation) -> None:
    for issue in ("1", "2"):
        carded.tell(issue, "todo", at=1)
        carded.link(issue)
    refresh(carded)
    with carded.core.database.writing() as session:
        first = session.get_one(Issue, 1).id
        session.get_one(ShownCard, (first, "ratio")).shown_at -= timedelta(days=2)
        session.delete(session.get_one(ShownCard, (2, "ratio")))
    carded.tracker.cards.clear()
    carded.tracker.calls.clear()

    reconcile(carded.core, "c")
    run(carded, "show_label")

    assert carded.tracker.calls == ["create", "create"]
    assert set(subtitles(carded)) == {"1", "2"}


def test_cards_from_before_an_installation_are_made_again(carded: Organisation) -> None:
    carded.tell("1", "todo", at=1)
    carded.link("1")
    refresh(carded)
    with carded.core.database.writing() as session:
        session.get_one(Connection, "c").installed_at = carded.core.clock()
    carded.tracker.cards.clear()
    carded.tracker.calls.clear()

    reconcile(carded.core, "c")
    run(carded, "show_label")

    assert carded.tracker.calls == ["create"]


def test_a_long_title_is_cut_for_the_card(carded: Organisation) -> None:
    with carded.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").title = "Word " * 60
    carded.tell("1", "todo", at=1)
    carded.link("1")
    refresh(carded)
    ((_, card),) = carded.tracker.cards.values()
    assert len(card.title) <= 123
    assert card.title.endswith("…")


def test_a_tracker_without_cards_is_never_asked_for_one(org: Organisation) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    refresh(org)
    assert org.tracker.cards == {}
