"""Making, changing, pausing and deleting rules."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connector.errors import Conflict, Invalid, LostUpdate, NotFound
from connector.models import KeyResult, LinkRule, OutboxEntry, Person
from connector.rules import running
from connector.rules.editing import (
    RuleChanges,
    RuleDraft,
    check_draft,
    delete_rule,
    edit_rule,
    may_change_rules,
    may_make_rules,
)
from connector.tracker import Capabilities
from tests.connector.rules.stage import Stage


def edit(stage: Stage, rule: str, **changes) -> LinkRule:
    with stage.core.database.writing() as session:
        return edit_rule(session, "w", rule, RuleChanges(**changes), now=stage.now)


def delete(stage: Stage, rule: str, *, keep_links: bool):
    with stage.core.database.writing() as session:
        return delete_rule(session, "w", rule, keep_links=keep_links, now=stage.now)


@pytest.fixture
def ruled(stage: Stage) -> Stage:
    """A rule over three issues, one of them done."""
    for issue, cls in {"1": "done", "2": "todo", "3": "todo"}.items():
        stage.tell(issue, cls, at=1, labels=["sso"])
    stage.rules["sso"] = stage.make("label", "sso")
    return stage


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (RuleDraft("c", "wish", "x"), "unknown_kind"),
        (RuleDraft("c", "label", "  "), "no_text"),
        (RuleDraft("c", "query", "x" * 10_001), "text_too_long"),
        (RuleDraft("c", "label", "x", weight=Fraction(-1)), "bad_weight"),
        (RuleDraft("c", "label", "x", at_most=0), "bad_bound"),
        (RuleDraft("c", "label", "x", at_most=20_001), "bad_bound"),
    ],
)
def test_a_rule_must_make_sense(draft: RuleDraft, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_draft(draft)
    assert refused.value.reason == reason


def test_what_the_tracker_does_not_understand_is_said_in_its_words(stage: Stage) -> None:
    with pytest.raises(Invalid, match="What is nonsense") as refused:
        stage.make("query", "nonsense")
    assert (refused.value.reason, refused.value.field) == ("query_refused", "text")


def test_a_tracker_is_only_asked_for_what_it_can_find(stage: Stage) -> None:
    stage.tracker.capabilities = Capabilities(rules=frozenset({"label"}))
    with pytest.raises(Invalid, match="it has: label"):
        stage.make("epic", "TOY-1")


def test_the_same_rule_twice_is_refused(ruled: Stage) -> None:
    with pytest.raises(Conflict) as refused:
        ruled.make("label", "sso")
    assert refused.value.reason == "rule_exists"
    ruled.make("label", "sso", "points")


def test_a_closed_key_result_gets_no_rule(stage: Stage) -> None:
    with stage.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"
    with pytest.raises(Conflict):
        stage.make("label", "sso")


def test_another_weight_is_given_to_every_link_of_the_rule(ruled: Stage) -> None:
    ruled.link_by_hand("3", "ratio")
    edit(ruled, ruled.rules["sso"], weight=Fraction(2))
    assert ruled.progress() == "2/5"
    assert ruled.ledger()[-1] == ("reweighted", "rule: label sso")
    assert ruled.differences() == []


def test_an_edit_of_what_somebody_else_changed_is_refused(ruled: Stage) -> None:
    edit(ruled, ruled.rules["sso"], at_most=500)
    with pytest.raises(LostUpdate), ruled.core.database.writing() as session:
        edit_rule(session, "w", ruled.rules["sso"], RuleChanges(at_most=3), expected=1, now=ruled.now)


def test_another_workspaces_rule_is_unknown(ruled: Stage) -> None:
    with pytest.raises(NotFound), ruled.core.database.writing() as session:
        edit_rule(session, "other", ruled.rules["sso"], RuleChanges(), now=ruled.now)


def test_a_paused_rule_keeps_its_links_and_learns_nothing_until_it_goes_on(ruled: Stage) -> None:
    edit(ruled, ruled.rules["sso"], state="paused")
    ruled.run()
    ruled.tell("1", "done", at=2)
    ruled.tell("4", "todo", at=2, labels=["sso"])
    ruled.run()
    assert {issue for issue, _, _ in ruled.links()} == {"1", "2", "3"}

    edit(ruled, ruled.rules["sso"], state="active")
    ruled.run()
    assert {issue for issue, _, _ in ruled.links()} == {"2", "3", "4"}


def test_a_rule_may_be_paused_without_its_links(ruled: Stage) -> None:
    edit(ruled, ruled.rules["sso"], state="paused", take_away=True)
    assert ruled.links() == set()
    ruled.run()
    edit(ruled, ruled.rules["sso"], state="active")
    ruled.run()
    assert len(ruled.links()) == 3


def test_a_deleted_rules_links_become_peoples_own(ruled: Stage) -> None:
    assert delete(ruled, ruled.rules["sso"], keep_links=True).kept == 3
    ruled.tell("1", "done", at=2)
    ruled.run()
    assert ruled.links() == {(issue, "ratio", "manual") for issue in "123"}
    assert ruled.progress() == "1/3"


def test_or_they_go_with_it_or_to_another_rule_that_matches(ruled: Stage) -> None:
    ruled.tell("2", "todo", at=2, labels=["sso", "other"])
    other = ruled.make("label", "other", "points")

    gone = delete(ruled, ruled.rules["sso"], keep_links=False)

    assert (gone.removed, gone.under_way) == (3, False)
    assert ruled.links() == {("2", "points", "rule")}
    assert ruled.owners() == {"2": other}
    assert ruled.differences() == []
    with ruled.core.database.reading() as session:
        assert session.get(LinkRule, ruled.rules["sso"]) is None


def test_many_links_go_in_the_background_and_the_rule_with_the_last(
    ruled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.rules.editing.CHUNK", 1)
    monkeypatch.setattr(running, "CHUNK", 1)

    gone = delete(ruled, ruled.rules["sso"], keep_links=False)

    assert gone.under_way
    assert len(ruled.links()) == 2
    assert ruled.rule(ruled.rules["sso"]).state == "ending"
    with pytest.raises(NotFound):
        edit(ruled, ruled.rules["sso"], weight=Fraction(2))
    ruled.run()
    assert ruled.links() == set()
    with ruled.core.database.reading() as session:
        assert session.get(LinkRule, ruled.rules["sso"]) is None
        assert session.query(OutboxEntry).filter_by(kind="run_rule", state="waiting").all() == []


def test_admins_make_rules_and_the_driver_changes_them(stage: Stage) -> None:
    with stage.core.database.reading() as session:
        key_result = session.get_one(KeyResult, "ratio")
    assert [may_make_rules(Person(id="p", role=role)) for role in ("admin", "member", "viewer")] == [True, False, False]
    assert may_change_rules(Person(id="x", role="admin"), key_result)
    assert may_change_rules(Person(id="p", role="member"), key_result)
    assert not may_change_rules(Person(id="x", role="member"), key_result)
    assert not may_change_rules(Person(id="p", role="viewer"), key_result)
