"""Rules beside people and beside each other: who has the link, who takes over, and what the loser says."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connector.issue_panel import read_panel
from connector.models import Connection, Link
from connector.rules.editing import let_rules_link_again
from connector.rules.telling import view_exceptions, view_rules
from connector.rules.verdict import Fate
from connector.settings import Settings
from tests.connector.rules.stage import Stage


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    """Every test here runs on both databases."""
    return either_settings


def views(stage: Stage, key_result: str = "ratio"):
    with stage.core.database.reading() as session:
        return view_rules(session, "w", key_result)


def test_a_persons_link_to_the_same_key_result_stays_theirs(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["sso"])
    stage.link_by_hand("1", "ratio", Fraction(5))
    stage.make("label", "sso")

    stage.tell("1", "todo", at=2)

    assert stage.links() == {("1", "ratio", "manual")}


def test_a_persons_link_elsewhere_keeps_rules_away_until_it_is_gone(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["sso"])
    stage.link_by_hand("1", "points")
    stage.make("label", "sso")
    assert stage.links() == {("1", "points", "manual")}
    (view,) = views(stage)
    assert (view.matches, view.links, view.missing) == (1, 0, 1)
    assert [(one.issue.key, one.fate, one.rival.key_result) for one in view.unlinked] == [
        ("TOY-1", Fate.KEPT_AWAY, "Points")
    ]

    stage.unlink_by_hand("1", "points")
    stage.run()

    assert stage.links() == {("1", "ratio", "rule")}


def test_linking_by_hand_elsewhere_takes_an_issue_from_its_rule(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.make("label", "sso")

    stage.link_by_hand("1", "points")
    stage.run()

    assert stage.links() == {("1", "points", "manual")}
    assert stage.ledger()[-1] == ("scope_removed", "rule: label sso")


def test_who_wants_an_issue_in_two_key_results_links_it_by_hand_to_both(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.make("label", "sso")
    stage.link_by_hand("1", "ratio")
    stage.link_by_hand("1", "points")
    stage.run()
    assert stage.links() == {("1", "ratio", "manual"), ("1", "points", "manual")}


def test_what_a_person_took_away_is_not_linked_again_until_they_allow_it(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    rule = stage.make("label", "sso")

    stage.unlink_by_hand("1", "ratio")
    stage.run()
    stage.tell("1", "done", at=2, labels=["sso", "more"])
    stage.run_again(rule)

    assert stage.links() == set()
    assert [view.by_fate for view in views(stage)] == [{Fate.EXCEPTED: 1}]
    with stage.core.database.writing() as session:
        assert [(one.issue.key, one.exception.made_by) for one in view_exceptions(session, "w", "ratio")] == [
            ("TOY-1", "ada")
        ]
        let_rules_link_again(session, "w", "ratio", [stage.id_of("1")], now=stage.now)
    assert stage.links() == {("1", "ratio", "rule")}


def test_of_two_rules_the_narrower_kind_wins_whichever_came_first(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"], team="red")
    stage.make("query", "team=red", "points")
    assert stage.links() == {("1", "points", "rule")}

    label = stage.make("label", "sso", "ratio")

    assert stage.owners() == {"1": label}
    assert stage.links() == {("1", "ratio", "rule")}
    (loser,) = views(stage, "points")
    assert [(one.rule, one.key_result, one.issues) for one in loser.lost_to] == [("label sso", "Ship the audit", 1)]
    assert not loser.under_way
    assert stage.differences() == []


def test_of_two_rules_of_the_same_kind_the_older_wins_and_the_other_takes_over(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["b", "a"])
    first = stage.make("label", "a", "ratio")
    second = stage.make("label", "b", "points")
    assert stage.owners() == {"1": first}

    stage.tell("1", "done", at=2, labels=["b"])

    assert stage.owners() == {"1": second}
    assert stage.links() == {("1", "points", "rule")}
    assert stage.ledger()[-2:] == [("scope_removed", "rule: label a"), ("scope_added", "rule: label b")]


def test_two_rules_of_one_key_result_share_one_link_that_is_handed_on_without_a_ledger_row(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["a", "b"])
    first, second = stage.make("label", "a"), stage.make("label", "b")
    assert stage.owners() == {"1": first}
    assert [view.by_fate for view in views(stage)] == [{}, {Fate.SECOND: 1}]

    stage.tell("1", "done", at=2, labels=["b"])

    assert stage.owners() == {"1": second}
    assert [cause for cause, _ in stage.ledger()] == ["scope_added"]


def test_a_link_that_is_handed_on_gets_the_weight_of_its_new_rule(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["a", "b"])
    stage.tell("2", "todo", at=1, labels=["a"])
    stage.make("label", "a")
    stage.make("label", "b", weight=Fraction(3))

    stage.tell("1", "done", at=2, labels=["b"])

    assert stage.progress() == "3/4"
    assert stage.ledger()[-1] == ("reweighted", "rule: label b")
    with stage.core.database.reading() as session:
        assert sorted(link.weight for link in session.query(Link)) == [1, 3]
    assert stage.differences() == []


def test_a_rule_that_links_all_it_matches_has_nothing_to_explain(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.make("label", "sso")
    (view,) = views(stage)
    assert (view.name, view.matches, view.links, view.missing, view.under_way) == ("label sso", 1, 1, 0, False)


def test_an_issues_panel_says_which_rule_linked_it_and_looks_anew_when_another_takes_over(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["a", "b"])
    stage.make("label", "a")
    stage.make("label", "b")

    def panel() -> tuple[str | None, str]:
        with stage.core.database.reading() as session:
            read = read_panel(session, session.get_one(Connection, "c"), "1", stage.now)
            return read.entries[0].rule, read.revision

    first, before = panel()
    stage.tell("1", "done", at=2, labels=["b"])
    second, after = panel()

    assert (first, second) == ("label a", "label b")
    assert before != after
