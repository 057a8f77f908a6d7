"""Errands at a tracker: labels are shown once, stale issues kept, queries measured."""

from fractions import Fraction

from sqlalchemy import select

from connector.errands import HANDLERS
from connector.links import unlink
from connector.models import Connection, KeyResult, OutboxEntry
from connector.tracker import PanelLabel, TrackerRefused


def run(org, kind):
    """Do every waiting errand of a kind once; returns their subjects."""
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
        entries = session.scalars(select(OutboxEntry).where(OutboxEntry.kind == kind, OutboxEntry.state == "waiting"))
        entries = entries.all()
    for entry in entries:
        HANDLERS[kind](org.core, connection, entry)
        with org.core.database.writing() as session:
            session.get_one(OutboxEntry, entry.id).state = "done"
    return [entry.subject for entry in entries]


def say(org, key_result, word):
    with org.core.database.writing() as session:
        row = session.get_one(KeyResult, key_result)
        row.status, row.last_check_in_at, row.plan = word, org.core.clock(), "a plan"


def test_linking_an_issue_puts_its_label_up_and_unlinking_takes_it_away(org):
    org.tell("1", "todo", at=1)
    say(org, "ratio", "yellow")
    link = org.link("1")

    run(org, "show_label")
    assert org.tracker.labels == {"1": PanelLabel("at risk", "moved")}

    with org.core.database.writing() as session:
        unlink(session, "w", link, actor="ada", now=org.core.clock())
    run(org, "show_label")
    assert org.tracker.labels == {"1": None}


def test_a_label_that_is_right_already_is_not_sent_again(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    run(org, "show_label")
    org.tracker.labels.clear()
    with org.core.database.writing() as session:
        session.scalars(select(OutboxEntry).where(OutboxEntry.kind == "show_label")).one().state = "waiting"

    run(org, "show_label")

    assert org.tracker.labels == {}


def test_a_new_word_of_the_driver_reaches_every_linked_issue(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue)
    run(org, "show_label")
    say(org, "ratio", "red")

    run(org, "refresh_labels")
    run(org, "show_label")

    assert set(org.tracker.labels.values()) == {PanelLabel("off track", "removed")}


def test_what_appears_below_a_linked_epic_gets_a_label_too(org):
    org.tell("E", "todo", at=1, level=1)
    org.link("E")
    run(org, "show_label")

    org.tell("a", "todo", at=2, parent="E")
    run(org, "show_label")

    assert set(org.tracker.labels) == {"E", "a"}


def test_a_new_word_of_the_driver_reaches_labels_below_a_linked_epic(org):
    org.tell("E", "todo", at=1, level=1)
    org.link("E")
    org.tell("a", "todo", at=2, parent="E")
    run(org, "show_label")
    say(org, "ratio", "red")

    run(org, "refresh_labels")
    run(org, "show_label")

    assert org.tracker.labels["a"] == PanelLabel("off track", "removed")


def test_a_query_is_measured_and_a_failing_one_keeps_the_last_value_and_says_so(org, monkeypatch):
    org.tell("1", "done", at=1)
    with org.core.database.writing() as session:
        query = {"connection_id": "c", "text": "done", "aggregate": "count"}
        session.add(KeyResult(id="q1", workspace_id="w", objective_id="o", title="Q", kind="query_metric",
                              driver_id="p",
                              baseline=Fraction(0), target=Fraction(4), settings={"query": query}))  # fmt: skip
        session.flush()
        session.add(OutboxEntry(connection_id="c", kind="measure", subject="q1"))
    run(org, "measure")
    assert org.card("q1").outcome.progress == Fraction(1, 4)

    def fails(*_):
        raise TrackerRefused("the query names a field that does not exist")

    monkeypatch.setattr(org.tracker, "measure", fails)
    with org.core.database.writing() as session:
        session.scalars(select(OutboxEntry).where(OutboxEntry.kind == "measure")).one().state = "waiting"
    run(org, "measure")

    outcome = org.card("q1").outcome
    assert (outcome.progress, outcome.trouble) == (Fraction(1, 4), "the query names a field that does not exist")
    with org.core.database.reading() as session:
        assert session.get_one(KeyResult, "q1").version == 1, "nobody's edit is turned down for it"


def test_what_people_set_by_hand_survives_a_discovery(org):
    with org.core.database.writing() as session:
        row = session.get_one(Connection, "c")
        row.settings = {"estimate_field": "mine", "set_by_hand": ["estimate_field"]}
        session.add(OutboxEntry(connection_id="c", kind="discover", subject="site"))

    run(org, "discover")

    with org.core.database.reading() as session:
        assert session.get_one(Connection, "c").settings["estimate_field"] == "mine"
