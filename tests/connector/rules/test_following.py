"""Rules keep themselves current: labels, projects and epics with each delivery, queries a moment later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.models import Connection, KeyResult, LinkRule
from connector.reconcile import reconcile
from connector.settings import Settings
from connector.tracker import TrackerRefused, TrackerUnavailable
from tests.connector.rules.stage import Stage


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    """Every test here runs on both databases."""
    return either_settings


def test_a_label_rule_links_what_has_the_label_and_what_gets_it(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.tell("2", "todo", at=1)
    rule = stage.make("label", "sso")
    assert stage.links() == {("1", "ratio", "rule")}

    stage.tell("2", "todo", at=2, labels=["sso", "bug"])
    stage.tell("3", "todo", at=2, labels=["sso"])

    assert stage.links() == {(issue, "ratio", "rule") for issue in "123"}
    assert set(stage.owners().values()) == {rule}
    assert stage.progress() == "1/3"
    assert stage.ledger() == [("scope_added", "rule: label sso")] * 3
    assert stage.differences() == []


def test_what_loses_the_label_is_unlinked_at_once_and_the_ledger_names_the_rule(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.make("label", "sso")

    stage.tell("1", "done", at=2)

    assert stage.links() == set()
    assert stage.ledger()[-1] == ("scope_removed", "rule: label sso")
    assert [kind for kind, _ in stage.tracker.asked] == ["find"], "judged by what the delivery says"
    assert stage.differences() == []


def test_a_deleted_issue_leaves_its_rule(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["sso"])
    stage.tell("2", "todo", at=1, labels=["sso"])
    rule = stage.make("label", "sso")

    stage.tell("1", at=2, gone=True)

    assert stage.matches(rule) == {"2"}
    assert stage.links() == {("2", "ratio", "rule")}
    assert [cause for cause, _ in stage.ledger()] == ["scope_added", "scope_added", "deleted"]
    assert stage.differences() == []


def test_a_project_rule_follows_issues_that_move(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, project="ATL")
    stage.tell("2", "todo", at=1, project="OPS")
    stage.make("project", "ATL")
    assert stage.links() == {("1", "ratio", "rule")}

    stage.tell("1", "todo", at=2, project="OPS")
    stage.tell("2", "todo", at=2, project="ATL")
    stage.run()

    assert stage.links() == {("2", "ratio", "rule")}


def test_an_epic_rule_links_the_epic_and_what_hangs_below_follows(stage: Stage) -> None:
    stage.tracker.site = {
        "E": {"id": "E", "cls": "todo", "level": 1, "at": 1},
        "a": {"id": "a", "cls": "done", "parent": "E", "at": 1},
        "b": {"id": "b", "cls": "todo", "parent": "E", "at": 1},
    }

    stage.make("epic", "TOY-E")

    assert stage.links() == {("E", "ratio", "rule")}
    assert stage.progress() == "1/2"
    assert stage.ledger() == [("scope_added", "rule: epic TOY-E")], "one row, not one for each child"
    stage.tell("c", "done", at=2, parent="E")
    assert stage.progress() == "2/3"


def test_a_query_rule_asks_the_tracker_about_what_changed(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, team="red")
    stage.make("query", "team=red")
    stage.tracker.asked.clear()

    for number in range(2, 30):
        stage.tell(str(number), "todo", at=2, team="red" if number % 2 else "blue")
    stage.tell("1", "todo", at=2, team="blue")
    assert stage.links() == {("1", "ratio", "rule")}, "only the tracker knows"
    stage.run()

    assert stage.links() == {(str(number), "ratio", "rule") for number in range(3, 30, 2)}
    assert stage.tracker.asked == [("matching", "team=red")], "one question about all of them"
    assert stage.differences() == []


def test_no_rule_costs_a_delivery_nothing_and_the_last_one_to_go_takes_the_mark_along(stage: Stage) -> None:
    from connector.rules.editing import delete_rule

    rule = stage.make("label", "sso")
    with stage.core.database.writing() as session:
        assert "rules_decided_by_snapshot" in session.get_one(Connection, "c").settings
        delete_rule(session, "w", rule, keep_links=False, now=stage.now)
        assert "rules_decided_by_snapshot" not in session.get_one(Connection, "c").settings


def test_a_label_that_the_tracker_finds_under_another_spelling_is_not_fought_over(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["SSO"])
    stage.tracker.matches = lambda said, query: query.text.lower() in [one.lower() for one in said.get("labels", ())]  # type: ignore[method-assign]  # a site that folds case
    stage.make("label", "sso")
    assert stage.links() == {("1", "ratio", "rule")}

    stage.tell("1", "doing", at=2, labels=["SSO"])
    stage.run()
    assert stage.links() == {("1", "ratio", "rule")}

    stage.tell("1", "doing", at=3, labels=[])
    stage.run()
    assert stage.links() == set()


# -- bounds and trouble


def test_a_rule_over_its_bound_keeps_what_it_has_and_says_so(stage: Stage) -> None:
    for number in range(5):
        stage.tell(str(number), "todo", at=1, labels=["sso"])

    rule = stage.make("label", "sso", at_most=3)

    assert stage.links() == set()
    assert stage.rule(rule).state == "failing"
    assert "It matches 5 issues, more than the 3 that it may link." in (stage.rule(rule).trouble or "")


def test_a_rule_that_grows_over_its_bound_stops_there(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["sso"])
    stage.tell("2", "todo", at=1, labels=["sso"])
    rule = stage.make("label", "sso", at_most=2)

    stage.tell("3", "todo", at=2, labels=["sso"])

    assert stage.links() == {("1", "ratio", "rule"), ("2", "ratio", "rule")}
    assert stage.rule(rule).state == "failing"
    assert "at least 3 issues" in (stage.rule(rule).trouble or "")
    stage.tell("1", "todo", at=3)
    assert ("1", "ratio", "rule") in stage.links(), "it keeps what it has"
    stage.tell("3", "todo", at=3)
    stage.run_again(rule)
    assert stage.rule(rule).state == "active"
    assert stage.links() == {("2", "ratio", "rule")}


def test_while_the_tracker_does_not_answer_the_links_stay_and_the_rule_says_since_when(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["sso"])
    rule = stage.make("label", "sso")
    ran_at = stage.rule(rule).ran_at
    stage.tracker.down = TrackerUnavailable("gone fishing")

    with pytest.raises(TrackerUnavailable):
        stage.run_again(rule)

    assert (stage.rule(rule).state, stage.rule(rule).ran_at) == ("failing", ran_at)
    assert "gone fishing" in (stage.rule(rule).trouble or "")
    assert stage.links() == {("1", "ratio", "rule")}
    stage.tracker.down = None
    stage.run_again(rule)
    assert (stage.rule(rule).state, stage.rule(rule).trouble) == ("active", None)


def test_a_query_that_the_tracker_refuses_fails_with_its_words_and_others_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.tell("1", "todo", at=1, team="red")
    broken, sound = stage.make("query", "team=red"), stage.make("query", "team=blue", "points")
    matching = stage.tracker.matching

    def refuse(connection, query, ids):
        if query.text == "team=red":
            raise TrackerRefused("The field team is gone")
        return matching(connection, query, ids)

    monkeypatch.setattr(stage.tracker, "matching", refuse)
    stage.tell("2", "todo", at=2, team="blue")
    stage.run()

    assert (stage.rule(broken).state, stage.rule(broken).trouble) == ("failing", "The field team is gone")
    assert stage.rule(sound).state == "active"
    assert stage.links() == {("1", "ratio", "rule"), ("2", "points", "rule")}


def test_issues_go_on_waiting_for_a_tracker_that_is_away(stage: Stage) -> None:
    stage.make("query", "team=red")
    stage.tell("1", "todo", at=2, team="red")
    stage.tracker.down = TrackerUnavailable("down")
    with pytest.raises(TrackerUnavailable):
        stage.run()
    stage.tracker.down = None
    with stage.core.database.writing() as session:
        from connector.outbox import enqueue

        enqueue(session, "c", "rules", "")
    stage.run()
    assert stage.links() == {("1", "ratio", "rule")}


def test_a_closed_key_result_keeps_its_rules_links_as_they_are(stage: Stage) -> None:
    stage.tell("1", "todo", at=1, labels=["sso"])
    rule = stage.make("label", "sso")
    with stage.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"

    stage.tell("1", "todo", at=2)
    stage.tell("2", "todo", at=2, labels=["sso"])
    stage.run_again(rule)

    assert stage.links() == {("1", "ratio", "rule")}


# -- with every reconcile


def test_a_reconcile_finds_what_no_delivery_told_of(stage: Stage) -> None:
    rule = stage.make("query", "team=red")
    stage.tracker.site["9"] = {"id": "9", "cls": "done", "at": 5, "team": "red"}
    with stage.core.database.writing() as session:
        row = session.get_one(LinkRule, rule)
        row.ran_at = stage.now - timedelta(minutes=15)

    reconcile(stage.core, "c")
    stage.run()

    assert stage.links() == {("9", "ratio", "rule")}


def test_a_rule_that_ran_a_moment_ago_or_is_paused_does_not_run_with_a_reconcile(stage: Stage) -> None:
    stage.make("query", "team=red")
    stage.tracker.asked.clear()
    reconcile(stage.core, "c")
    stage.run()
    assert stage.tracker.asked == []
