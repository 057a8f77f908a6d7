"""From a delivery to a number: what moves, under which cause, and what does not move."""

import itertools
import json
from fractions import Fraction

import pytest
from sqlalchemy import select

from connector.errands import HANDLERS
from connector.ledger import read_ledger, state_at
from connector.links import set_weight, unlink
from connector.models import Connection, Issue, LedgerEntry, OutboxEntry
from connector.tracker import BadDelivery
from tests.connector.conftest import NOW, Organisation
from tests.shared_refs import refs


def rows(org: Organisation, key_result: str = "ratio") -> list[LedgerEntry]:
    with org.core.database.reading() as session:
        return list(reversed(read_ledger(session, "w", key_result)))


def story(org: Organisation, key_result: str = "ratio") -> list[tuple[str, str | None, str | None]]:
    """The ledger as (cause, after, delta), oldest first."""
    return [
        (row.cause, *(None if n is None else str(n) for n in (row.after, row.delta)))
        for row in rows(org, key_result)
        if row.number == "work"
    ]


def run_errands(org: Organisation) -> None:
    with org.core.database.reading() as session:
        waiting = session.scalars(select(OutboxEntry).where(OutboxEntry.state == "waiting")).all()
        connection = session.get_one(Connection, "c")
    for entry in waiting:
        HANDLERS[entry.kind](org.core, connection, entry)


def test_a_first_link_claims_no_delta(org):
    org.tell("1", "done", at=1)
    org.tell("2", "todo", at=2)

    org.link("1")
    org.link("2")

    assert story(org) == [("scope_added", "1", None), ("scope_added", "1/2", "-1/2")]


def test_a_closed_ticket_moves_its_key_result_and_says_so(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue)

    assert org.tell("1", "done", at=2) == "handled"

    assert org.progress() == "1/2"
    last = rows(org)[-1]
    assert (last.cause, last.delta, last.actor) == ("completed", Fraction(1, 2), "toy-user")
    assert (last.happened_at - NOW).total_seconds() == 2


def test_every_way_back_and_forth_has_its_own_cause(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue)
    for at, cls in enumerate(["doing", "todo", "doing", "done", "doing", "dropped", "todo", "dropped", "done"], 2):
        org.tell("1", cls, at=at)

    assert [cause for cause, _, _ in story(org)[2:]] == [
        "started",
        "started",
        "completed",
        "reopened",
        "dropped",
        "reopened",
        "dropped",
        "completed",
    ]
    assert org.differences() == []


def test_a_repeated_delivery_changes_nothing(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    org.tell("1", "done", at=2)
    before = story(org)

    assert org.tell("1", "done", at=2) == "repeated"
    assert story(org) == before


def test_an_older_delivery_that_arrives_late_changes_nothing(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    org.tell("1", "done", at=5)

    assert org.tell("1", "doing", at=3) == "late"
    assert org.progress() == "1"


def test_two_different_reports_of_the_same_moment_are_settled_by_reading_again(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    org.tell("1", "doing", at=2)

    assert org.tell("1", "done", at=2) == "asked_again"
    run_errands(org)

    assert org.progress() == "1"
    assert org.differences() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_deliveries_in_any_order_end_in_the_same_state(org, order):
    said = [
        ("E", {"cls": "todo", "level": 1, "at": 1}),
        ("a", {"cls": "todo", "parent": "E", "at": 2}),
        ("a", {"cls": "done", "parent": "E", "at": 3}),
        ("b", {"cls": "todo", "parent": "E", "at": 4}),
    ]
    org.link("E")
    for index in order:
        issue, state = said[index]
        org.tell(issue, state["cls"], **{name: value for name, value in state.items() if name != "cls"})

    assert org.progress() == "1/2"
    assert org.differences() == []
    deltas = [row.delta for row in rows(org) if row.delta is not None]
    first = next(row.after for row in rows(org) if row.before is None and row.after is not None)
    assert first + sum(deltas) == Fraction(1, 2)


def test_a_child_heard_of_before_its_parent_counts_once_the_parent_is_known(org):
    org.tell("a", "done", at=2, parent="E")
    org.link("E")
    assert org.card().work.flags == ("link_broken",)

    org.tell("E", "todo", at=1, level=1)

    assert org.progress() == "1"
    assert org.card().work.flags == ()


def test_an_unknown_parent_is_asked_for(org):
    org.tell("a", "done", at=2, parent="E")

    with org.core.database.reading() as session:
        asked = session.scalars(select(OutboxEntry)).all()
    assert [(entry.kind, entry.subject) for entry in asked] == [("fetch_issue", "E")]


def test_a_moved_issue_keeps_its_link_and_its_history(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    with org.core.database.writing() as session:
        session.scalars(select(Issue)).one().key = "OLD-1"

    org.tell("1", "done", at=2)

    with org.core.database.reading() as session:
        assert [issue.key for issue in session.scalars(select(Issue))] == ["TOY-1"]
    assert org.progress() == "1"


def test_a_new_parent_moves_the_scope_from_one_key_result_to_another(org):
    org.tell("E", "todo", at=1, level=1)
    org.tell("F", "todo", at=1, level=1)
    for issue, parent in [("a", "E"), ("b", "E"), ("c", "F")]:
        org.tell(issue, "done" if issue == "a" else "todo", at=1, parent=parent)
    org.link("E", "ratio")
    org.link("F", "points")

    org.tell("a", "done", at=2, parent="F")

    assert (org.progress("ratio"), org.progress("points")) == ("0", "1/2")
    assert story(org, "ratio")[-1] == ("scope_removed", "0", "-1/2")
    assert story(org, "points")[-1] == ("scope_added", "1/2", "1/2")


def test_a_deleted_issue_leaves_both_sides_and_breaks_its_link(org):
    for issue, cls in [("1", "done"), ("2", "todo")]:
        org.tell(issue, cls, at=1)
        org.link(issue)

    org.tell("2", at=2, gone=True)

    assert org.progress() == "1"
    assert org.card().work.flags == ("link_broken",)
    assert story(org)[-1] == ("deleted", "1", "1/2")
    assert org.tell("2", "done", at=1) == "late", "news from before the deletion cannot bring it back"
    assert org.differences() == []


def test_an_estimate_moves_only_key_results_that_go_by_estimates(org):
    for issue, cls in [("1", "done"), ("2", "todo")]:
        org.tell(issue, cls, at=1, points=3)
        org.link(issue, "ratio")
        org.link(issue, "points")

    org.tell("2", "todo", at=2, points=9)

    assert (org.progress("ratio"), org.progress("points")) == ("1/2", "1/4")
    assert story(org, "points")[-1] == ("resized", "1/4", "-1/4")
    assert rows(org, "points")[-1].detail == {"from": "3", "to": "9"}
    assert len(story(org, "ratio")) == 2


def test_several_changes_in_one_delivery_are_several_rows(org):
    org.tell("1", "done", at=1, points=3)
    org.tell("2", "todo", at=1, points=3)
    org.link("1", "points")
    org.link("2", "points")

    org.tell("2", "done", at=2, points=9)

    assert story(org, "points")[-2:] == [("resized", "1/4", "-1/4"), ("completed", "1", "3/4")]


def test_unlinking_the_last_open_issue_is_not_called_delivery(org):
    org.tell("1", "done", at=1)
    org.tell("2", "todo", at=1)
    org.link("1")
    link = org.link("2")

    with org.core.database.writing() as session:
        unlink(session, "w", link, actor="ada", now=org.core.clock())

    assert story(org)[-1] == ("scope_removed", "1", "1/2")
    assert org.differences() == []


def test_a_weight_is_changed_under_its_own_cause(org):
    org.tell("1", "done", at=1)
    org.tell("2", "todo", at=1)
    link = org.link("1")
    org.link("2")

    with org.core.database.writing() as session:
        set_weight(session, "w", link, Fraction(3), actor="ada", now=org.core.clock())

    assert story(org)[-1] == ("reweighted", "3/4", "1/4")
    assert org.differences() == []


def test_the_state_at_a_past_moment_is_a_fold_by_the_trackers_own_times(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=-100)
        org.link(issue)
    now = org.core.clock()
    org.tell("1", "done", at=60)
    org.tell("2", "done", at=120)

    def at(seconds: int) -> str | None:
        with org.core.database.reading() as session:
            moment = NOW.fromtimestamp(NOW.timestamp() + seconds, NOW.tzinfo)
            progress = state_at(session, "w", "ratio", moment).work
            return None if progress is None else str(progress)

    assert (at(-200), at(59), at(60), at(119), at(120)) == (None, "0", "1/2", "1/2", "1")
    assert now > NOW


@pytest.mark.parametrize(
    ("kind", "outcome"), [("noise", "ignored:noise"), ("sticker_added", "unsupported:sticker_added")]
)
def test_what_moves_nothing_is_named(org, kind, outcome):
    assert org.tell("1", "todo", at=1, kind=kind) == outcome


def test_a_body_without_sense_is_refused_with_a_reason(org):
    with pytest.raises(BadDelivery):
        org.deliver({"at": 1, "cls": "todo"}, "x")


def test_a_delivery_that_does_not_say_enough_has_the_issue_read_again(org):
    org.tracker.site["1"] = {"id": "1", "cls": "done", "at": 1}
    org.link("1")

    assert org.tell("1", at=2) == "asked_again"
    run_errands(org)

    assert org.progress() == "1"


def test_what_cannot_be_read_keeps_its_last_known_class_and_is_marked_stale(org):
    org.tell("1", "done", at=1)
    org.link("1")
    del org.tracker.site["1"]
    org.tell("1", at=2)

    run_errands(org)

    with org.core.database.reading() as session:
        issue = session.scalars(select(Issue)).one()
        assert (issue.cls, issue.stale_reason) == ("done", "no issue 1")
    assert org.progress() == "1"


def test_an_uninstalled_connection_moves_nothing(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    with org.core.database.writing() as session:
        session.get_one(Connection, "c").state = "uninstalled"

    assert org.tell("1", "done", at=2) == "ignored:uninstalled"
    assert org.progress() == "0"


def load_stories() -> list:
    try:
        return json.loads(refs("vectors", "spec_ledger.json").read_text())
    except pytest.skip.Exception:
        return []


@pytest.mark.parametrize("case", load_stories(), ids=lambda case: case["id"])
def test_the_specifications_ledger_stories_come_out_row_by_row(org, case):
    key_result = "points" if case["kr"].get("size_by") == "estimate" else "ratio"
    states = {name: dict(issue) for name, issue in case["issues"].items()}
    links = {}

    def tell(name: str, at: int) -> None:
        state = states[name]
        org.tell(name, state["cls"], at=at, points=state["est"], parent=state["parent"], level=state["level"])

    for name in states:
        tell(name, 1)
    for link in case["links"]:
        links[link["issue"]] = org.link(link["issue"], key_result)
    assert org.progress(key_result) == case["start"]

    for at, row in enumerate(case["ledger"], 2):
        event = row["event"]
        name = event["issue"]
        match event["do"]:
            case "set":
                states[name]["cls"] = event["cls"]
                tell(name, at)
            case "estimate":
                states[name]["est"] = event["est"]
                tell(name, at)
            case "link":
                states[name] = {"cls": event["cls"], "est": None, "parent": None, "level": 0}
                tell(name, at)
                links[name] = org.link(name, key_result)
            case "unlink":
                with org.core.database.writing() as session:
                    unlink(session, "w", links[name], actor="ada", now=org.core.clock())
        assert story(org, key_result)[-1] == (event["cause"], row["progress"], row["delta"])
        assert org.card(key_result).work.display == row["display"]

    claimed = [Fraction(delta) for _, _, delta in story(org, key_result)[len(case["links"]) :] if delta]
    assert sum(claimed) == Fraction(case["sum_of_deltas"])
    assert org.differences() == []
