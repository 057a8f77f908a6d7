"""Who links an issue: the truth table of people's links, exceptions and rules."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.verdict import NARROWNESS, Claim, Fate, decide

START = datetime(2026, 8, 3, tzinfo=UTC)


def claim(rule: str, key_result: str, kind: str = "label", age: int = 0) -> Claim:
    """`age`: the higher, the younger."""
    return Claim(rule, key_result, kind, START + timedelta(days=age))


def test_without_a_rule_there_is_nothing_to_link() -> None:
    assert decide([], {"a"}, {"b"}).winner is None


TABLE = [
    # claims, people's links, exceptions -> the rule that links, what becomes of each
    ([claim("r", "a")], [], [], "r", {"r": Fate.LINKED}),
    ([claim("r", "a")], ["a"], [], None, {"r": Fate.BY_HAND}),
    ([claim("r", "a")], ["b"], [], None, {"r": Fate.KEPT_AWAY}),
    ([claim("r", "a")], ["a", "b"], [], None, {"r": Fate.BY_HAND}),
    ([claim("r", "a")], [], ["a"], None, {"r": Fate.EXCEPTED}),
    ([claim("r", "a")], [], ["b"], "r", {"r": Fate.LINKED}),
    ([claim("r", "a")], ["b"], ["a"], None, {"r": Fate.KEPT_AWAY}),
    # two rules of one key result: one link, the other takes over
    ([claim("r", "a"), claim("s", "a", age=1)], [], [], "r", {"r": Fate.LINKED, "s": Fate.SECOND}),
    ([claim("r", "a"), claim("s", "a", "epic", 1)], [], [], "s", {"r": Fate.SECOND, "s": Fate.LINKED}),
    ([claim("r", "a"), claim("s", "a", age=1)], [], ["a"], None, {"r": Fate.EXCEPTED, "s": Fate.EXCEPTED}),
    # two rules of different key results: the narrower kind, then the older
    ([claim("r", "a"), claim("s", "b", age=1)], [], [], "r", {"r": Fate.LINKED, "s": Fate.LOST}),
    ([claim("r", "a", "query"), claim("s", "b", "label", 1)], [], [], "s", {"r": Fate.LOST, "s": Fate.LINKED}),
    ([claim("r", "a", "project"), claim("s", "b", "query", 1)], [], [], "s", {"r": Fate.LOST, "s": Fate.LINKED}),
    ([claim("r", "a", "label"), claim("s", "b", "epic", 1)], [], [], "s", {"r": Fate.LOST, "s": Fate.LINKED}),
    # an exception takes its rule out of the fight, a person ends it
    ([claim("r", "a"), claim("s", "b", age=1)], [], ["a"], "s", {"r": Fate.EXCEPTED, "s": Fate.LINKED}),
    ([claim("r", "a"), claim("s", "b", age=1)], ["b"], [], None, {"r": Fate.KEPT_AWAY, "s": Fate.BY_HAND}),
    ([claim("r", "a"), claim("s", "b", age=1)], ["a", "b"], [], None, {"r": Fate.BY_HAND, "s": Fate.BY_HAND}),
    ([claim("r", "a"), claim("s", "b", age=1)], ["c"], [], None, {"r": Fate.KEPT_AWAY, "s": Fate.KEPT_AWAY}),
    # three of them
    (
        [claim("r", "a", "project"), claim("s", "b", "query", 1), claim("t", "b", "project", 2)],
        [], [], "s", {"r": Fate.LOST, "s": Fate.LINKED, "t": Fate.SECOND},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("claims", "by_people", "excepted", "winner", "fates"), TABLE)
def test_the_same_facts_give_the_same_links_in_whatever_order_they_came(
    claims: list[Claim], by_people: list[str], excepted: list[str], winner: str | None, fates: dict[str, Fate]
) -> None:
    for order in itertools.permutations(claims):
        verdict = decide(order, by_people, excepted)
        assert (verdict.winner.rule_id if verdict.winner else None) == winner
        assert verdict.fates == fates


def test_two_rules_of_the_same_moment_are_told_apart_by_their_names() -> None:
    assert decide([claim("s", "b"), claim("r", "a")], (), ()).winner == claim("r", "a")


def test_every_kind_of_rule_has_its_place() -> None:
    assert sorted(NARROWNESS, key=lambda kind: NARROWNESS[kind]) == ["epic", "label", "query", "project"]
