"""Linking: what counts from when, what is refused with which reason, and what waits for a tracker that is away."""

from fractions import Fraction

import pytest
from sqlalchemy import select

from connector.errands import HANDLERS
from connector.ledger import read_ledger
from connector.linking import link_through_tracker
from connector.links import (
    LinkRefused,
    declare_business_as_usual,
    search_key_results,
    set_weight,
    unlink,
)
from connector.models import BusinessAsUsual, Connection, Issue, KeyResult, Link, OutboxEntry
from connector.tracker import TrackerUnavailable


def through_tracker(org, issue, **more):
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
    return link_through_tracker(org.core, "w", connection, "ratio", issue, actor="ada", **more)


def confirm(org):
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
        entry = session.scalars(select(OutboxEntry).where(OutboxEntry.kind == "confirm_link")).one()
    HANDLERS["confirm_link"](org.core, connection, entry)


def the_link(org) -> Link:
    with org.core.database.reading() as session:
        return session.scalars(select(Link)).one()


@pytest.fixture
def epic(org):
    """An epic with two children that Ladder has not heard of yet."""
    org.tracker.site = {
        "E": {"id": "E", "cls": "todo", "level": 1, "at": 1},
        "a": {"id": "a", "cls": "done", "parent": "E", "at": 1},
        "b": {"id": "b", "cls": "todo", "parent": "E", "at": 1},
    }
    return "E"


def test_an_epic_is_linked_with_all_its_children_in_one_ledger_row(org, epic):
    made = through_tracker(org, "TOY-E", account_id="ada")

    assert not made.waiting
    assert org.progress() == "1/2"
    with org.core.database.reading() as session:
        assert [row.cause for row in read_ledger(session, "w", "ratio")] == ["scope_added"]


def test_who_may_not_edit_the_issue_cannot_link_it(org, epic):
    with pytest.raises(LinkRefused) as refused:
        through_tracker(org, "E", account_id="stranger")

    assert refused.value.reason == "may_not_edit"
    with org.core.database.reading() as session:
        assert session.scalars(select(Link)).all() == []


def test_an_issue_that_cannot_be_read_cannot_be_linked(org):
    with pytest.raises(LinkRefused) as refused:
        through_tracker(org, "NOPE-1")

    assert refused.value.reason == "issue_unreadable"


def test_a_link_made_while_the_tracker_is_away_waits_and_counts_once_confirmed(org, epic):
    org.tracker.down = TrackerUnavailable("down for maintenance")

    made = through_tracker(org, "E", account_id="ada", identity=True)

    assert made.waiting
    assert org.progress() is None
    with pytest.raises(TrackerUnavailable):
        confirm(org)
    org.tracker.down = None
    confirm(org)
    assert (the_link(org).state, the_link(org).waiting_since, org.progress()) == ("active", None, "1/2")
    confirm(org)
    assert org.progress() == "1/2", "an errand done twice does no harm"
    assert org.differences() == []


def test_a_waiting_link_of_somebody_without_the_right_is_refused_and_says_why(org, epic):
    org.tracker.down = TrackerUnavailable("down")
    through_tracker(org, "E", account_id="stranger", identity=True)
    org.tracker.down = None

    confirm(org)

    assert the_link(org).state == "refused"
    assert "may not edit" in the_link(org).refusal
    assert org.progress() is None
    made = through_tracker(org, "E", account_id="ada")
    assert not made.waiting, "somebody who may can link it after all"


def test_an_unknown_key_cannot_wait_for_the_tracker(org):
    org.tracker.down = TrackerUnavailable("down")

    with pytest.raises(LinkRefused) as refused:
        through_tracker(org, "TOY-1", account_id="ada")

    assert refused.value.reason == "tracker_unavailable"


@pytest.mark.parametrize("weight", [Fraction(-1), Fraction(1001), Fraction(1, 3)])
def test_a_weight_must_make_sense(org, weight):
    org.tell("1", "todo", at=1)
    link = org.link("1")

    with pytest.raises(LinkRefused) as refused, org.core.database.writing() as session:
        set_weight(session, "w", link, weight, actor="ada", now=org.core.clock())

    assert refused.value.reason == "bad_weight"


def test_linking_twice_is_refused_and_changes_nothing(org):
    org.tell("1", "todo", at=1)
    org.link("1")

    with pytest.raises(LinkRefused) as refused:
        org.link("1")

    assert refused.value.reason == "already_linked"
    assert org.card().work.units == 1


def test_a_closed_key_result_takes_no_more_links(org):
    org.tell("1", "todo", at=1)
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"

    with pytest.raises(LinkRefused) as refused:
        org.link("1")

    assert refused.value.reason == "key_result_closed"


def test_a_deleted_issue_cannot_be_linked(org):
    org.tell("1", "todo", at=1)
    org.tell("1", at=2, gone=True)

    with pytest.raises(LinkRefused) as refused:
        org.link("1")

    assert refused.value.reason == "issue_gone"


def test_another_workspaces_link_is_unknown(org):
    org.tell("1", "todo", at=1)
    link = org.link("1")

    with pytest.raises(LinkRefused) as refused, org.core.database.writing() as session:
        unlink(session, "other", link, actor="eve", now=org.core.clock())

    assert refused.value.reason == "unknown_link"


def test_not_goal_work_is_declared_and_taken_back(org):
    org.tell("1", "todo", at=1)

    def declare(category):
        with org.core.database.writing() as session:
            issue = session.scalars(select(Issue)).one()
            declare_business_as_usual(session, "w", issue, category, actor="ada", now=org.core.clock())
        with org.core.database.reading() as session:
            return [row.category for row in session.scalars(select(BusinessAsUsual))]

    assert declare("support") == ["support"]
    assert declare("security") == ["security"]
    assert declare(None) == []


def test_linking_overrides_an_earlier_not_goal_work_but_not_the_other_way_round(org):
    org.tell("1", "todo", at=1)
    with org.core.database.writing() as session:
        issue = session.scalars(select(Issue)).one()
        declare_business_as_usual(session, "w", issue, "other", actor="ada", now=org.core.clock())

    org.link("1")

    with org.core.database.reading() as session:
        assert session.scalars(select(BusinessAsUsual)).all() == []
    with pytest.raises(LinkRefused) as refused, org.core.database.writing() as session:
        declare_business_as_usual(session, "w", issue, "other", actor="ada", now=org.core.clock())
    assert refused.value.reason == "linked"


def test_key_results_are_found_by_words_of_their_own_and_of_their_objective(org):
    def found(text):
        with org.core.database.reading() as session:
            return [row.id for row in search_key_results(session, "w", text)]

    assert found("audit") == ["ratio"]
    assert found("trust ACTIV") == ["metric"]
    assert found("100%") == []
    assert len(found("")) == 3
