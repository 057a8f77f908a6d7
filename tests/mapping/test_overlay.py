"""What a sprint will do to the goals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapping.display import points
from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.overlay import Overlay, Side, SprintItem, alignment, in_words, overlay
from mapping.progress import ONE, Options, SizeBy
from mapping.rollup import Kind

F = Fraction
C = IssueClass
ESTIMATES = Options(size_by=SizeBy.ESTIMATE)
TWENTY_OF_FIFTY: dict[Any, Issue] = {
    "d": Issue(C.DONE, F(20)),
    "o1": Issue(C.TODO, F(2)),
    "o2": Issue(C.DOING, F(3)),
    "rest": Issue(C.TODO, F(25)),
}
LINKS: list[tuple[Any, Fraction]] = [(name, ONE) for name in TWENTY_OF_FIFTY]


def see(sprint: str, *new: tuple[str, str | None]) -> Overlay:
    added = [(name, None if estimate is None else F(estimate)) for name, estimate in new]
    return overlay(TWENTY_OF_FIFTY, LINKS, ESTIMATES, sprint.split(), added)


def test_two_of_fifty_points_are_four_percentage_points() -> None:
    seen = see("o1")
    assert (seen.now, seen.after_adding_scope, seen.if_all_sprint_work_finishes) == (F(2, 5), F(2, 5), F(11, 25))
    assert seen.gain is not None
    assert points(seen.gain) == "4.0"


def test_new_scope_lowers_first_and_what_of_it_is_in_the_sprint_finishes() -> None:
    seen = see("o1 n", ("n", "3"))
    assert (seen.after_adding_scope, seen.if_all_sprint_work_finishes) == (F(20, 53), F(25, 53))
    assert seen.gain is not None
    assert points(seen.gain) == "7.17"


def test_nothing_but_the_sprints_own_work_finishes() -> None:
    assert see("o1 o2", ("n", "3")).if_all_sprint_work_finishes == F(25, 53)
    assert see("", ("n", "3")).gain == F(20, 53) - F(2, 5)


def test_new_scope_without_an_estimate_weighs_one() -> None:
    assert see("", ("n", None)).after_adding_scope == F(20, 51)


def test_new_scope_that_is_known_keeps_its_class() -> None:
    issues = {**TWENTY_OF_FIFTY, "known": Issue(C.DONE, F(50))}
    seen = overlay(issues, LINKS, ESTIMATES, [], [("known", F(1))])
    assert seen.after_adding_scope == F(70, 100)


def test_dropped_work_of_the_sprint_does_not_finish() -> None:
    issues = {**TWENTY_OF_FIFTY, "o1": Issue(C.DROPPED, F(2))}
    assert overlay(issues, LINKS, ESTIMATES, ["o1"]).gain == 0


def test_an_epic_in_the_sprint_does_not_finish_its_children_nor_a_part_its_parent() -> None:
    issues: dict[Any, Issue] = {
        "E": Issue(C.TODO, level=1),
        "a": Issue(C.TODO, parent="E"),
        "s": Issue(C.TODO, parent="E"),
        "t": Issue(C.TODO, parent="s", level=-1),
    }
    links: list[tuple[Any, Fraction]] = [("E", ONE)]
    assert overlay(issues, links, Options(), ["E"]).gain == 0
    assert overlay(issues, links, Options(), ["t"]).gain == 0
    assert overlay(issues, links, Options(sub_credit=True), ["t"]).gain == F(1, 4)
    assert overlay(issues, links, Options(), ["a"]).gain == F(1, 2)


def test_an_issue_of_the_sprint_that_the_key_result_does_not_reach_changes_nothing() -> None:
    assert see("elsewhere").gain == 0


def test_first_scope_claims_no_gain() -> None:
    seen = overlay({}, [], Options(), ["n"], [("n", None)])
    assert (seen.now, seen.after_adding_scope, seen.if_all_sprint_work_finishes, seen.gain) == (None, 0, 1, None)


def test_links_may_come_as_an_iterator() -> None:
    assert overlay(TWENTY_OF_FIFTY, iter(LINKS), ESTIMATES, ["o1"]).gain == F(1, 25)


# ------------------------------------------------------------------ shares


sizes = st.sampled_from([None, F(0), F(1), F(5, 2), F(1, 3), F(13, 7)])


@given(st.lists(st.builds(SprintItem, sizes, st.lists(st.sampled_from("KLMNO"), max_size=4), st.sampled_from(Side))))
def test_shares_are_what_adding_rationals_one_by_one_gives(items: list[SprintItem]) -> None:
    seen = alignment(items)
    counted = [item for item in items if item.key_results or item.side is not Side.DROPPED]
    weights = [item.size if any(one.size for one in counted) else ONE for item in counted]
    by_side: dict[Any, Fraction] = {}
    for item, weight in zip(counted, weights, strict=True):
        side = "aligned" if item.key_results else item.side
        by_side[side] = by_side.get(side, F(0)) + weight
    assert seen.total == sum(weights)
    assert sum(seen.effort.values()) == by_side.get("aligned", 0)
    shares = seen.aligned, seen.declared_bau, seen.unaligned
    names = "aligned", Side.BUSINESS_AS_USUAL, Side.UNALIGNED
    assert shares == tuple(by_side.get(name, F(0)) / seen.total if counted else None for name in names)


def test_shares_sum_to_one_and_effort_to_what_is_aligned() -> None:
    items = [
        SprintItem(F(5), ["K"]),
        SprintItem(F(3), ["K", "L", "K"]),
        SprintItem(F(2)),
        SprintItem(None),
        SprintItem(F(8), side=Side.BUSINESS_AS_USUAL),
        SprintItem(F(5), side=Side.DROPPED),
    ]
    shares = alignment(items)
    assert (shares.total, shares.aligned, shares.declared_bau, shares.unaligned) == (19, F(8, 19), F(8, 19), F(3, 19))
    assert shares.effort == {"K": F(13, 2), "L": F(3, 2)}


def test_a_link_beats_a_declaration() -> None:
    shares = alignment([SprintItem(F(1), ["K"], Side.BUSINESS_AS_USUAL), SprintItem(F(1), ["K"], Side.DROPPED)])
    assert (shares.aligned, shares.total) == (1, 2)


def test_an_empty_sprint_has_no_shares() -> None:
    shares = alignment([SprintItem(F(5), side=Side.DROPPED)])
    assert (shares.total, shares.aligned, shares.declared_bau, shares.unaligned) == (0, None, None, None)


def test_a_sprint_of_zero_estimates_counts_them_equally() -> None:
    shares = alignment([SprintItem(F(0), ["K"]), SprintItem(F(0))])
    assert (shares.total, shares.aligned) == (2, F(1, 2))


# ------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("kind", "gain", "claimed", "words"),
    [
        (Kind.METRIC, F(1, 25), None, "work +4 pp; effect on the metric not declared"),
        (Kind.ISSUE_DELTA, F(1, 25), F(1, 10), "work +4 pp; claimed effect on the metric +10 pp"),
        (Kind.ISSUE_RATIO, F(1, 25), F(1, 10), "output +4 pp"),
        (Kind.ISSUE_COUNT, F(1, 25), F(1, 10), "output +4 pp; the count adds +10 pp"),
        (Kind.METRIC, None, None, "no linked work; effect on the metric not declared"),
    ],
)
def test_an_effect_on_the_metric_is_never_invented(
    kind: Kind, gain: Fraction | None, claimed: Fraction | None, words: str
) -> None:
    assert in_words(kind, gain, claimed) == words
