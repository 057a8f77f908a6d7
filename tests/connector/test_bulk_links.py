"""Many links at once: the same numbers as one by one, each with its row, and no refusal takes others along."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from sqlalchemy import func, select

from connector.bulk_links import declare_many, let_count, link_many, reweigh_many, unlink_many
from connector.links import LinkRefused, declare_business_as_usual, link_issue, set_weight, unlink
from connector.models import (
    BusinessAsUsual,
    Connection,
    Issue,
    IssueDue,
    KeyResult,
    LedgerEntry,
    Link,
    LinkRule,
    OutboxEntry,
    RuleException,
    RuleMatch,
)
from connector.settings import Settings
from tests.connector.conftest import Organisation
from tests.connector.statements import counted

CLASSES = ("todo", "doing", "done", "dropped")


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    """Every test here runs on both databases."""
    return either_settings


def ids(org: Organisation) -> dict[str, int]:
    with org.core.database.reading() as session:
        return {row.external_id: row.id for row in session.execute(select(Issue.external_id, Issue.id))}


def link_all(org: Organisation, *issues: str, key_result: str = "ratio", **more):
    known = ids(org)
    with org.core.database.writing() as session:
        pairs = [(known[issue], key_result) for issue in issues]
        return link_many(session, "w", pairs, actor="ada", now=org.core.clock(), **more)


def links_of(org: Organisation) -> list[Link]:
    with org.core.database.reading() as session:
        return list(session.scalars(select(Link).order_by(Link.issue_id, Link.key_result_id)))


def ledger(org: Organisation, number: str = "work") -> list[LedgerEntry]:
    with org.core.database.reading() as session:
        rows = select(LedgerEntry).where(LedgerEntry.number == number).order_by(LedgerEntry.id)
        return list(session.scalars(rows))


def test_every_issue_gets_its_own_ledger_row_and_the_deltas_sum(org: Organisation) -> None:
    for number, cls in enumerate(["done", "todo", "todo", "done", "doing"]):
        org.tell(str(number), cls, at=number)

    outcome = link_all(org, "4", "3", "2", "1", "0")

    assert len(outcome.linked) == 5
    assert org.progress() == "2/5"
    rows = ledger(org)
    assert [row.cause for row in rows] == ["scope_added"] * 5
    assert [row.issue_id for row in rows] == sorted(row.issue_id for row in rows), "in one order everywhere"
    assert rows[0].delta is None, "a first link claims no delta"
    assert rows[0].after + sum((row.delta for row in rows[1:]), Fraction(0)) == Fraction(2, 5)
    assert org.differences() == []


def test_what_cannot_be_linked_is_refused_by_itself(org: Organisation) -> None:
    for issue in "1234":
        org.tell(issue, "todo", at=1)
    org.tell("2", at=2, gone=True)
    org.link("3")
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "metric").state = "closed"
    known = ids(org)
    pairs = [(known[issue], "ratio") for issue in "123"] + [(known["4"], "metric"), (known["4"], "nowhere")]

    with org.core.database.writing() as session:
        outcome = link_many(session, "w", [*pairs, (999, "ratio")], actor="ada", now=org.core.clock())

    assert [(one.issue_id, one.reason) for one in outcome.refused] == [
        (known["2"], "issue_gone"),
        (known["3"], "already_linked"),
        (known["4"], "key_result_closed"),
        (known["4"], "unknown_key_result"),
        (999, "unknown_issue"),
    ]
    assert len(outcome.linked) == 1
    assert org.card().work.units == 2


def test_another_workspaces_issues_and_key_results_are_unknown(org: Organisation) -> None:
    org.tell("1", "todo", at=1)

    with org.core.database.writing() as session:
        outcome = link_many(session, "other", [(ids(org)["1"], "ratio")], actor="eve", now=org.core.clock())

    assert [one.reason for one in outcome.refused] == ["unknown_key_result"]
    assert links_of(org) == []


def test_a_weight_that_makes_no_sense_stops_all_of_it(org: Organisation) -> None:
    org.tell("1", "todo", at=1)
    with pytest.raises(LinkRefused, match="A weight is"):
        link_all(org, "1", weight=Fraction(-1))
    assert links_of(org) == []


def test_linking_withdraws_declarations_and_a_declared_issue_with_a_link_is_refused(org: Organisation) -> None:
    for issue in "123":
        org.tell(issue, "todo", at=1)
    known = ids(org)
    with org.core.database.writing() as session:
        declared = declare_many(session, "w", known.values(), "support", actor="ada", now=org.core.clock())
    assert declared.declared == sorted(known.values())

    link_all(org, "1", "2")

    with org.core.database.writing() as session:
        assert session.scalars(select(BusinessAsUsual.issue_id)).all() == [known["3"]]
        again = declare_many(session, "w", [*known.values(), 999], "other", actor="ada", now=org.core.clock())
        assert again.declared == [known["3"]]
        assert [(one.issue_id, one.reason) for one in again.refused] == [
            (known["1"], "linked"),
            (known["2"], "linked"),
            (999, "unknown_issue"),
        ]
        declare_many(session, "w", known.values(), None, actor="ada", now=org.core.clock())
        assert session.scalars(select(BusinessAsUsual)).all() == []
        with pytest.raises(LinkRefused, match="Choose one of"):
            declare_many(session, "w", known.values(), "fun", actor="ada", now=org.core.clock())


def test_a_link_that_was_refused_before_is_made_anew(org: Organisation) -> None:
    org.tell("1", "todo", at=1)
    known = ids(org)
    with org.core.database.writing() as session:
        session.add(Link(workspace_id="w", key_result_id="ratio", issue_id=known["1"], state="refused", refusal="no"))

    assert len(link_all(org, "1").linked) == 1
    assert [(link.state, link.refusal) for link in links_of(org)] == [("active", None)]


def test_what_is_taken_away_can_be_made_again_from_the_answer(org: Organisation) -> None:
    for issue in "12":
        org.tell(issue, "done", at=1)
    made = link_all(org, "1", "2", weight=Fraction(3, 2))

    with org.core.database.writing() as session:
        taken = unlink_many(session, "w", [*made.linked, "gone"], actor="ada", now=org.core.clock())

    assert links_of(org) == []
    assert org.progress() is None
    assert [(one.key_result_id, one.weight, one.source) for one in taken] == [("ratio", Fraction(3, 2), "manual")] * 2
    assert [row.cause for row in ledger(org)] == ["scope_added"] * 2 + ["scope_removed"] * 2
    assert org.differences() == []


def test_an_outcome_that_counts_issues_moves_once_for_all_of_them(org: Organisation) -> None:
    with org.core.database.writing() as session:
        row = session.get_one(KeyResult, "metric")
        row.kind, row.baseline, row.target = "issue_count", Fraction(0), Fraction(10)
    for issue in "1234":
        org.tell(issue, "done", at=1)

    link_all(org, "1", "2", "3", key_result="metric")
    link_all(org, "4", key_result="metric")

    first, second = ledger(org, "outcome")
    assert (first.after, first.issue_id) == (Fraction(3, 10), None)
    assert (second.after, second.issue_id) == (Fraction(4, 10), ids(org)["4"])


def test_other_weights_are_entered_for_each_link_that_moves_a_number(org: Organisation) -> None:
    for issue, cls in {"1": "done", "2": "todo", "3": "todo"}.items():
        org.tell(issue, cls, at=1)
    link_all(org, "1", "2", "3")

    with org.core.database.writing() as session:
        chosen = session.scalars(select(Link).order_by(Link.issue_id).limit(2)).all()
        reweigh_many(session, "w", chosen, Fraction(2), actor="ada", now=org.core.clock())

    assert org.progress() == "2/5"
    assert [row.cause for row in ledger(org)[3:]] == ["reweighted", "reweighted"]
    assert [row.detail for row in ledger(org)[3:]] == [{"from": "1", "to": "2"}] * 2
    assert org.differences() == []


@pytest.mark.parametrize("seed", range(4))
def test_many_at_once_come_to_what_one_by_one_comes_to(org: Organisation, seed: int) -> None:
    dice = random.Random(seed)
    parents: dict[str, str | None] = {}
    for number in range(24):
        name = str(number)
        parents[name] = dice.choice([None, *parents]) if parents else None
        org.tell(name, dice.choice(CLASSES), at=number, parent=parents[name], level=dice.choice([-1, 0, 1]),
                 points=dice.choice([None, 0, 1, 5]))  # fmt: skip
    for round_ in range(3):
        link_all(org, *dice.sample(list(parents), 8), key_result="ratio")
        link_all(org, *dice.sample(list(parents), 8), key_result="points", weight=Fraction(1, 2))
        assert org.differences() == []
        with org.core.database.writing() as session:
            chosen = dice.sample([link.id for link in session.scalars(select(Link).order_by(Link.id))], 7)
            unlink_many(session, "w", chosen, actor="ada", now=org.core.clock())
        assert org.differences() == [], f"after taking away in round {round_}"
    for key_result in ("ratio", "points"):
        rows = [row for row in ledger(org) if row.key_result_id == key_result]
        folded = [sum(getattr(row, f"{what}_after") - getattr(row, f"{what}_before") for row in rows)
                  for what in ("numerator", "denominator")]  # fmt: skip
        work = org.card(key_result).work
        assert folded == [work.numerator, work.denominator]


def test_hundreds_of_links_cost_a_few_statements(org: Organisation) -> None:
    for number in range(60):
        org.tell(f"e{number}", "todo", at=1, level=1)
        org.tell(f"s{number}", "done", at=1, parent=f"e{number}")

    def cost(issues: list[str]) -> int:
        with counted(org.core.database.engine) as sent:
            assert len(link_all(org, *issues).linked) == len(issues)
        return len(sent)

    few, many = cost(["e0", "e1"]), cost([f"e{number}" for number in range(2, 60)])

    assert many <= few + 2, "the cost must not grow with the number of issues"
    assert few < 40
    with counted(org.core.database.engine) as sent, org.core.database.writing() as session:
        everything = session.scalars(select(Link.id)).all()
        assert len(unlink_many(session, "w", everything, actor="ada", now=org.core.clock())) == 60
    assert len(sent) < 40
    assert org.differences() == []


# -- towards rules


@pytest.fixture
def ruled(org: Organisation) -> Organisation:
    """Issue 1 is linked to `ratio` by a rule `r`, which matches 2 as well."""
    for issue in "12":
        org.tell(issue, "todo", at=1)
    known = ids(org)
    with org.core.database.writing() as session:
        session.add(
            LinkRule(id="r", workspace_id="w", key_result_id="ratio", connection_id="c", kind="label", text="x")
        )
        session.flush()
        session.add_all(RuleMatch(rule_id="r", issue_id=known[issue]) for issue in "12")
    link_all(org, "1", source="rule", rule_id="r")
    return org


def excepted(org: Organisation) -> list[tuple[str, int, str]]:
    with org.core.database.reading() as session:
        rows = session.scalars(select(RuleException).order_by(RuleException.issue_id))
        return [(row.key_result_id, row.issue_id, row.made_by) for row in rows]


def due(org: Organisation) -> list[int]:
    with org.core.database.writing() as session:
        found = session.scalars(select(IssueDue.issue_id).where(IssueDue.kind == "rules").order_by(IssueDue.issue_id))
        return list(found)


def test_a_rules_link_names_its_rule_and_asks_no_rule_again(ruled: Organisation) -> None:
    assert [(link.source, link.rule_id) for link in links_of(ruled)] == [("rule", "r")]
    assert [row.detail for row in ledger(ruled)] == [{"rule_id": "r"}]
    assert due(ruled) == []


def test_who_links_what_a_rule_has_linked_takes_the_link_over(ruled: Organisation) -> None:
    outcome = link_all(ruled, "1", weight=Fraction(2))

    assert outcome.refused == []
    assert [(link.source, link.rule_id, link.weight) for link in links_of(ruled)] == [("manual", None, Fraction(2))]
    assert [one.reason for one in link_all(ruled, "1", source="rule", rule_id="r").refused] == ["already_linked"]
    assert ruled.differences() == []


def test_weighing_a_rules_link_by_hand_makes_it_ones_own(ruled: Organisation) -> None:
    with ruled.core.database.writing() as session:
        set_weight(session, "w", links_of(ruled)[0].id, Fraction(3), actor="ada", now=ruled.core.clock())

    assert [(link.source, link.rule_id) for link in links_of(ruled)] == [("manual", None)]


def test_what_a_person_takes_away_is_excepted_from_rules_until_a_person_links_it(ruled: Organisation) -> None:
    with ruled.core.database.writing() as session:
        unlink(session, "w", links_of(ruled)[0].id, actor="ada", now=ruled.core.clock())
    issue = ids(ruled)["1"]
    assert excepted(ruled) == [("ratio", issue, "ada")]
    assert due(ruled) == [issue], "a rule of another key result may have its turn now"

    ruled.link("1")

    assert excepted(ruled) == []


def test_a_persons_own_link_that_a_rule_matches_too_is_excepted_when_taken_away(ruled: Organisation) -> None:
    made = link_all(ruled, "2").linked

    with ruled.core.database.writing() as session:
        unlink_many(session, "w", made, actor="ada", now=ruled.core.clock())

    assert excepted(ruled) == [("ratio", ids(ruled)["2"], "ada")]


def test_what_a_rule_takes_away_is_no_exception(ruled: Organisation) -> None:
    with ruled.core.database.writing() as session:
        unlink_many(session, "w", [links_of(ruled)[0].id], actor="rule", now=ruled.core.clock(), by_rule=True)

    assert excepted(ruled) == []
    assert due(ruled) == []


def test_one_link_is_the_same_thing_with_one_issue(org: Organisation) -> None:
    org.tell("1", "done", at=1)
    with org.core.database.writing() as session:
        issue = session.scalars(select(Issue)).one()
        declare_business_as_usual(session, "w", issue, "support", actor="ada", now=org.core.clock())
        waiting = link_issue(session, "w", "ratio", issue, actor="ada", now=org.core.clock(), waiting=True)
        assert session.scalars(select(func.count()).select_from(BusinessAsUsual)).one() == 0
        let_count(session, "w", [waiting], actor="ada", now=org.core.clock())
    assert org.progress() == "1"
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
        shown = select(OutboxEntry.subject).where(OutboxEntry.kind == "show_label")
        assert session.scalars(shown.where(OutboxEntry.connection_id == connection.id)).all() == ["1"]
    assert org.differences() == []
