"""The issue panel's reading: what it says, and that saying it costs the same for one link as for many."""

from fractions import Fraction

import pytest
from sqlalchemy import select

from connector.issue_panel import panel_revision, read_panel
from connector.models import Connection, Issue, KeyResult, Milestone, Objective
from connector.panel_label import label_of_issue
from tests.connector.statements import counted


def panel(org, issue="1"):
    with org.core.database.reading() as session:
        return read_panel(session, session.get_one(Connection, "c"), issue, org.core.clock())


def revision(org, issue="1"):
    with org.core.database.reading() as session:
        return panel_revision(session, session.get_one(Connection, "c"), issue, org.core.clock())


def test_an_issue_nobody_heard_of_has_an_empty_panel(org):
    assert (panel(org).issue, panel(org).state, panel(org).entries) == (None, "unlinked", ())


def test_the_chain_goes_from_the_own_objective_up_to_the_companys(org):
    org.tell("1", "todo", at=1)
    org.link("1")

    chain = panel(org).entries[0].chain

    assert [(link.title, link.team, link.level) for link in chain] == [
        ("Win trust", "Atlas", "team"),
        ("Win regulated markets", "Acme", "company"),
    ]


@pytest.mark.parametrize(
    ("others_done", "words", "delta"), [(0, "output +25 pp", Fraction(1, 4)), (3, "output +25 pp", Fraction(1, 4))]
)
def test_it_says_what_closing_this_ticket_will_do(org, others_done, words, delta):
    for n in range(1, 5):
        org.tell(str(n), "done" if 1 < n <= others_done + 1 else "todo", at=1)
        org.link(str(n))

    effect = panel(org).entries[0].effect

    assert (effect.words, effect.delta) == (words, delta)


def test_a_container_says_that_only_what_is_below_it_counts(org):
    org.tell("E", "todo", at=1, level=1)
    org.tell("a", "todo", at=1, parent="E")
    org.link("E")

    assert "below it" in panel(org, "E").entries[0].effect.words


def test_a_finished_ticket_promises_nothing_more(org):
    org.tell("1", "done", at=1)
    org.link("1")

    assert panel(org).entries[0].effect.words == ""


def test_a_child_shows_what_its_epic_ladders_into_and_names_the_epic(org):
    org.tell("E", "todo", at=1, level=1)
    org.tell("a", "todo", at=1, parent="E")
    org.tell("b", "done", at=1, parent="E")
    org.link("E")

    entry = panel(org, "a").entries[0]

    assert (entry.inherited_from, entry.effect.words) == ("TOY-E", "output +50 pp")


def test_a_deleted_epic_passes_nothing_down(org):
    org.tell("E", "todo", at=1, level=1)
    org.tell("a", "todo", at=1, parent="E")
    org.link("E")

    org.tell("E", at=2, gone=True)

    assert panel(org, "a").entries == []


def test_the_panel_costs_at_most_eight_statements_whatever_the_number_of_links(org):
    org.tell("E", "todo", at=1, level=1)
    org.tell("1", "todo", at=1, parent="E")
    with org.core.database.writing() as session:
        kinds = ["metric", "maintain", "milestone", "issue_ratio", "issue_count", "query_metric", "issue_delta"]
        for n in range(35):
            kind = kinds[n % 7]
            session.add(
                KeyResult(id=f"k{n}", workspace_id="w", objective_id="o", title=f"K{n}", kind=kind, driver_id="p",
                          baseline=Fraction(0), target=Fraction(10), settings={"band": ["1", "2"]})
            )  # fmt: skip
        session.flush()
        session.add(Milestone(workspace_id="w", key_result_id="k2", title="First"))
    org.link("E", "k0")
    with counted(org.core.database.engine) as few:
        assert len(panel(org).entries) == 1
    for n in range(1, 35):
        org.link("1" if n % 2 else "E", f"k{n}", declared_change=Fraction(1))

    with counted(org.core.database.engine) as many:
        assert len(panel(org).entries) == 35

    assert len(few) <= 1 + 8, few  # one of them reads the connection, which the verifier of the token has already
    assert len(many) <= 1 + 8, many


def test_the_revision_stays_while_nothing_changes_and_polling_costs_three_statements(org):
    org.tell("1", "todo", at=1)
    org.link("1")

    assert revision(org) == revision(org) == panel(org).revision
    with counted(org.core.database.engine) as sent:
        revision(org)
    assert len(sent) <= 1 + 3


@pytest.mark.parametrize("what", ["other issue closed", "title", "objective", "weight", "measured", "offline"])
def test_whatever_the_panel_shows_changes_its_revision(org, what):
    from connector.goals.check_ins import RecordCheckIn, record_check_in
    from connector.links import set_weight

    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
    link = org.link("1")
    org.link("2")
    org.link("1", "metric")
    before = revision(org)

    with org.core.database.writing() as session:
        now = org.core.clock()
        match what:
            case "title":
                session.scalars(select(Issue).where(Issue.external_id == "1")).one().content_hash = "other"
            case "objective":
                row = session.get_one(Objective, "top")
                row.title, row.version = "Win it all", row.version + 1
            case "weight":
                set_weight(session, "w", link, Fraction(2), actor="ada", now=now)
            case "measured":
                record_check_in(session, "w", "metric", RecordCheckIn(value=Fraction(28)), actor="ada", now=now)
            case "offline":
                session.get_one(Connection, "c").offline_since = now
    if what == "other issue closed":
        org.tell("2", "done", at=2)

    assert revision(org) != before


def test_the_label_tells_of_the_key_result_that_most_needs_a_look(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    org.link("1", "metric")
    with org.core.database.writing() as session:
        for name, word in [("ratio", "yellow"), ("metric", "red")]:
            row = session.get_one(KeyResult, name)
            row.status, row.last_check_in_at, row.plan = word, org.core.clock(), "swap scope"

    with org.core.database.reading() as session:
        label = label_of_issue(session, session.scalars(select(Issue)).one(), org.core.clock())

    assert (label.text, label.tone) == ("off track", "removed")
