"""Linking from inside a tracker by labels: added links, removed unlinks, and what people made by hand stays."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from connector.goals import CreateKeyResult, create_key_result, delete_key_result, edit_key_result
from connector.label_links import LONGEST_NAME, names_of_labels
from connector.models import Connection, KeyResult, LedgerEntry, Link, OutboxEntry
from connector.tracker import Capabilities
from tests.connector.conftest import Organisation
from tests.connector.errand_runs import run


@pytest.fixture
def labelled(org: Organisation) -> Organisation:
    """The organisation on a tracker that offers a label per key result, with the labels offered."""
    org.tracker.capabilities = Capabilities(goal_labels=True)
    with org.core.database.writing() as session:
        session.add(OutboxEntry(connection_id="c", kind="sync_goal_labels", subject="labels"))
    run(org, "sync_goal_labels")
    return org


def links(org: Organisation) -> list[tuple[str, str]]:
    with org.core.database.reading() as session:
        rows = session.execute(select(Link.key_result_id, Link.source).order_by(Link.key_result_id))
        return [(row.key_result_id, row.source) for row in rows]


def causes(org: Organisation) -> list[tuple[str, str]]:
    with org.core.database.reading() as session:
        rows = session.execute(select(LedgerEntry.cause, LedgerEntry.actor).order_by(LedgerEntry.id))
        return [(row.cause, row.actor) for row in rows]


def test_adding_a_label_links_and_removing_it_unlinks(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1)
    labelled.tell("1", "todo", at=2, labels=["label-ratio", "bug"])
    assert links(labelled) == [("ratio", "label")]
    assert labelled.progress() == "0"

    labelled.tell("1", "todo", at=3, labels=["bug"])

    assert links(labelled) == []
    assert causes(labelled) == [("scope_added", "toy-user"), ("scope_removed", "toy-user")]
    assert labelled.differences() == []


def test_an_issue_that_is_born_with_the_label_is_linked_and_read_below(labelled: Organisation) -> None:
    labelled.tell("1", "done", at=1, labels=["label-ratio"])
    assert labelled.progress() == "1"
    with labelled.core.database.reading() as session:
        waiting = session.scalars(select(OutboxEntry.subject).where(OutboxEntry.kind == "fetch_subtree")).all()
    assert waiting == ["1"]


def test_one_label_in_place_of_another_moves_the_link(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1, labels=["label-ratio"])
    labelled.tell("1", "todo", at=2, labels=["label-points"])
    assert links(labelled) == [("points", "label")]


def test_a_link_made_by_hand_is_never_taken_away_by_a_label(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1)
    labelled.link("1")
    labelled.tell("1", "todo", at=2, labels=["label-ratio"])
    assert links(labelled) == [("ratio", "manual")]

    labelled.tell("1", "todo", at=3)

    assert links(labelled) == [("ratio", "manual")]


def test_a_late_report_of_a_label_changes_nothing(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=3)
    assert labelled.tell("1", "todo", at=2, labels=["label-ratio"]) == "late"
    assert links(labelled) == []


def test_a_label_that_came_and_went_unheard_is_followed_by_the_state_alone(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1, labels=["label-ratio"])
    # The delivery that took it off was lost; the next one shows it without.
    labelled.tell("1", "done", at=9)
    assert links(labelled) == []


def test_a_label_on_a_closed_key_result_links_nothing(labelled: Organisation) -> None:
    with labelled.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"
    labelled.tell("1", "todo", at=1, labels=["label-ratio"])
    assert links(labelled) == []


def test_labels_of_other_people_mean_nothing(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1, labels=["bug", "ratio"])
    assert links(labelled) == []


def test_a_deleted_label_leaves_its_links_where_they_are(labelled: Organisation) -> None:
    labelled.tell("1", "todo", at=1, labels=["label-ratio"])
    with labelled.core.database.writing() as session:
        row = session.get_one(Connection, "c")
        row.settings = {**row.settings, "goal_labels": {"group": "okr", "labels": {"label-new": "ratio"}}}
    labelled.tell("1", "todo", at=2)
    assert links(labelled) == [("ratio", "label")]


def test_open_key_results_of_open_cycles_are_offered_by_distinct_short_names(labelled: Organisation) -> None:
    with labelled.core.database.writing() as session:
        session.get_one(KeyResult, "points").title = "ship  the Audit"
        session.get_one(KeyResult, "metric").title = "x" * 200
    with labelled.core.database.reading() as session:
        names = names_of_labels(session, "w")
    assert sorted(names) == ["metric", "points", "ratio"]
    assert {names["points"], names["ratio"]} in ({"ship the Audit", "Ship the audit (2)"},
                                                 {"ship the Audit (2)", "Ship the audit"})  # fmt: skip
    assert len(names["metric"]) == LONGEST_NAME


def test_making_renaming_and_closing_a_key_result_has_the_labels_looked_at(labelled: Organisation) -> None:
    def offered() -> dict[str, str]:
        assert run(labelled, "sync_goal_labels") == ["labels"]
        with labelled.core.database.reading() as session:
            return dict(session.get_one(Connection, "c").settings["goal_labels"]["names"])

    now = labelled.core.clock()
    with labelled.core.database.writing() as session:
        made = create_key_result(session, "w", CreateKeyResult("o", "One more", ("p",)), actor="Ada", now=now).id
    assert offered()[made] == "One more"
    with labelled.core.database.writing() as session:
        edit_key_result(session, "w", made, {"title": "Another"}, actor="Ada", now=now)
    assert offered()[made] == "Another"
    with labelled.core.database.writing() as session:
        edit_key_result(session, "w", made, {"state": "closed"}, actor="Ada", now=now)
    assert made not in offered()
    with labelled.core.database.writing() as session:
        edit_key_result(session, "w", made, {"state": "open"}, actor="Ada", now=now)
    with labelled.core.database.writing() as session:
        delete_key_result(session, "w", made)
    assert made not in offered()


def test_a_tracker_without_labels_is_never_asked_for_them(org: Organisation) -> None:
    with org.core.database.writing() as session:
        session.add(OutboxEntry(connection_id="c", kind="sync_goal_labels", subject="labels"))
    run(org, "sync_goal_labels")
    with org.core.database.reading() as session:
        assert "goal_labels" not in session.get_one(Connection, "c").settings
