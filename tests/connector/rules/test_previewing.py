"""Trying a rule out: the preview says what the rule then does."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connector.models import Link, RuleMatch
from connector.rules.editing import RuleDraft
from connector.rules.previewing import Preview, preview_rule
from connector.rules.verdict import Fate
from tests.connector.rules.stage import Stage


def preview(stage: Stage, kind: str, text: str, key_result: str = "ratio", **more) -> Preview:
    return preview_rule(stage.core, "w", key_result, RuleDraft("c", kind, text, **more))


def test_the_number_is_what_it_will_be_and_nothing_is_kept(stage: Stage) -> None:
    stage.tracker.site = {
        str(number): {"id": str(number), "at": 1, "cls": "done" if number % 4 == 0 else "todo", "labels": ["sso"]}
        for number in range(120)
    }
    stage.tell("x", "done", at=1)
    stage.link_by_hand("x", "ratio")

    seen = preview(stage, "label", "sso", weight=Fraction(1, 2))

    assert (seen.number, seen.exact, seen.linked, len(seen.first)) == (120, True, 120, 20)
    assert seen.now is not None
    assert seen.then is not None
    assert (seen.now.progress, seen.then.progress) == (1, Fraction(16, 61))
    with stage.core.database.reading() as session:
        assert session.query(RuleMatch).all() == []
        assert len(session.query(Link).all()) == 1

    stage.make("label", "sso", weight=Fraction(1, 2))

    assert stage.progress() == "16/61"


def test_what_stands_in_the_way_is_named(stage: Stage) -> None:
    for issue in "123456":
        stage.tell(issue, "todo", at=1, labels=["sso"], team="red" if issue in "56" else "blue")
    stage.make("query", "team=red", "points")
    stage.link_by_hand("1", "ratio")
    stage.link_by_hand("2", "points")
    stage.make("epic", "TOY-3", "metric")

    seen = preview(stage, "label", "sso")

    assert (seen.number, seen.linked, seen.by_hand) == (6, 3, 1)
    assert [(one.rule, one.key_result, one.issues) for one in seen.lost_to] == [
        ("", "Points", 1),
        ("epic TOY-3", "Activation", 1),
    ]
    assert [(one.rule, one.key_result, one.issues) for one in seen.taken_from] == [("query team=red", "Points", 2)]
    assert [fate for _, fate in seen.first] == [Fate.LINKED] * 3 + [Fate.BY_HAND, Fate.KEPT_AWAY, Fate.LOST]


def test_links_of_another_rule_of_the_key_result_are_no_gain(stage: Stage) -> None:
    stage.tell("1", "done", at=1, labels=["a", "b"])
    stage.make("label", "a")
    seen = preview(stage, "label", "b")
    assert (seen.number, seen.linked, seen.second) == (1, 0, 1)
    assert seen.now == seen.then

    narrower = preview(stage, "epic", "TOY-1")
    assert narrower.linked == 1
    assert narrower.now == narrower.then, "handed on, not added"


def test_above_the_bound_it_says_how_many_and_no_number(stage: Stage) -> None:
    stage.tracker.site = {
        str(number): {"id": str(number), "at": 1, "cls": "todo", "labels": ["sso"]} for number in range(300)
    }
    seen = preview(stage, "label", "sso", at_most=100)
    assert (seen.number, seen.exact, seen.over_bound) == (300, True, True)
    assert (seen.now, seen.then, seen.linked) == (None, None, 0)


def test_an_epic_is_counted_with_what_hangs_below_it(stage: Stage) -> None:
    stage.tracker.site = {
        "E": {"id": "E", "cls": "todo", "level": 1, "at": 1},
        "a": {"id": "a", "cls": "done", "parent": "E", "at": 1},
        "b": {"id": "b", "cls": "todo", "parent": "E", "at": 1},
    }
    seen = preview(stage, "epic", "TOY-E")
    assert seen.now is not None
    assert seen.then is not None
    assert (seen.now.progress, seen.then.progress) == (None, Fraction(1, 2))


@pytest.mark.parametrize("nothing", ["nobody"])
def test_a_rule_that_matches_nothing_yet_may_be_kept(stage: Stage, nothing: str) -> None:
    seen = preview(stage, "label", nothing)
    assert (seen.number, seen.first) == (0, [])
    stage.make("label", nothing)
    stage.tell("1", "todo", at=1, labels=[nothing])
    assert stage.links() == {("1", "ratio", "rule")}
