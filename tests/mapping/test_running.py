"""The running values against the whole computation, and both against the slow oracle, over random histories."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.forest import Issue, parents_in_order
from mapping.issue_class import IssueClass
from mapping.progress import Options, SizeBy, Unestimated, work_progress
from mapping.recount import differences, rebuild
from mapping.running import (
    Change,
    add_link,
    place,
    remove_link,
    set_class,
    set_estimate,
    set_options,
    set_weight,
)
from mapping.scratch import effect_of_closing
from mapping.store import Link, Unit
from tests.mapping.dict_store import DictStore
from tests.mapping.oracle import Oracle

NAMES = list("abcdefgh")
KEY_RESULTS = ["K", "L"]

names = st.sampled_from(NAMES)
classes = st.sampled_from([*IssueClass, IssueClass.TODO, IssueClass.DOING, IssueClass.DONE])
estimates = st.sampled_from([None, None, Fraction(0), Fraction(1), Fraction(5, 2), Fraction(8)])
weights = st.sampled_from([Fraction(1), Fraction(1), Fraction(0), Fraction(3), Fraction(1, 3)])
levels = st.sampled_from([0, 0, 1, -1, -1])
options = st.builds(
    Options,
    size_by=st.sampled_from(SizeBy),
    kappa=st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(9, 10)]),
    sub_credit=st.booleans(),
    unestimated=st.sampled_from(Unestimated),
)
events = st.one_of(
    st.tuples(st.just("class"), names, classes),
    st.tuples(st.just("class"), names, classes),
    st.tuples(st.just("estimate"), names, estimates),
    st.tuples(st.just("place"), names, st.none() | names, levels),
    st.tuples(st.just("place"), names, st.none() | names, levels),
    st.tuples(st.just("link"), st.sampled_from(KEY_RESULTS), names, weights),
    st.tuples(st.just("link"), st.sampled_from(KEY_RESULTS), names, weights),
    st.tuples(st.just("unlink"), st.sampled_from(KEY_RESULTS), names),
    st.tuples(st.just("weight"), st.sampled_from(KEY_RESULTS), names, weights),
    st.tuples(st.just("options"), st.sampled_from(KEY_RESULTS), options),
)


def apply(store: DictStore, event: tuple[Any, ...]) -> list[Change]:
    match event:
        case ("class", issue, cls):
            return set_class(store, issue, cls)
        case ("estimate", issue, estimate):
            return set_estimate(store, issue, estimate)
        case ("place", issue, parent, level):
            return place(store, issue, parent, level)
        case ("link", key_result, issue, weight):
            if (key_result, issue) in store.links:
                return set_weight(store, key_result, issue, weight)
            return add_link(store, Link(key_result, issue, weight))
        case ("unlink", key_result, issue) if (key_result, issue) in store.links:
            return remove_link(store, key_result, issue)
        case ("weight", key_result, issue, weight) if (key_result, issue) in store.links:
            return set_weight(store, key_result, issue, weight)
        case ("options", key_result, new):
            return set_options(store, key_result, new)
    return []


def issues_of(store: DictStore) -> dict[Any, Issue]:
    return {id_: Issue(n.cls, n.estimate, n.named_parent, n.level) for id_, n in store.nodes.items()}


def check(store: DictStore) -> None:
    issues = issues_of(store)
    assert {id_: node.parent for id_, node in store.nodes.items()} == parents_in_order(
        {id_: node.named_parent for id_, node in store.nodes.items()}
    )
    for key_result in store.kept_options:
        links = [(link.issue, link.weight) for link in store.links_of(key_result)]
        of = store.options(key_result)
        whole = work_progress(issues, links, of)
        slow = Oracle(issues, links, of).answer()
        assert (whole.num, whole.den, whole.units, whole.flags) == (slow.num, slow.den, slow.units, slow.flags)
        running = store.sums(key_result).snapshot(of)
        assert (running.num, running.den, running.flags) == (whole.num, whole.den, whole.flags)
        assert (running.units, running.done_units) == (len(whole.units), whole.done_units)
        assert tuple(sorted(unit.issue for unit in store.units_of(key_result))) == whole.units
        assert differences(store, key_result) == []


@st.composite
def grown_stores(draw: st.DrawFn) -> DictStore:
    """A store with a whole tree of issues and some links, so that events meet something to move."""
    store = DictStore({k: draw(options) for k in KEY_RESULTS})
    busy = st.sampled_from([*IssueClass, *[IssueClass.TODO, IssueClass.DOING, IssueClass.DONE] * 3])
    for place_, name in enumerate(NAMES):
        parent = draw(st.sampled_from([None, *NAMES[:place_], *NAMES[max(0, place_ - 2) : place_]]))
        apply(store, ("place", name, parent, draw(levels)))
        apply(store, ("estimate", name, draw(estimates)))
        apply(store, ("class", name, draw(busy)))
    for k in KEY_RESULTS:
        for name in draw(st.sets(names, min_size=1, max_size=4)):
            apply(store, ("link", k, name, draw(weights)))
    return store


@given(grown_stores(), st.lists(events, max_size=12))
@settings(max_examples=250)
def test_running_values_equal_a_recompute_after_every_event(store: DictStore, history: list[Any]) -> None:
    check(store)
    for event in history:
        before = {k: store.sums(k).snapshot(store.options(k)) for k in KEY_RESULTS}
        changes = {change.key_result: change for change in apply(store, event)}
        for k in KEY_RESULTS:
            now = store.sums(k).snapshot(store.options(k))
            if k in changes:
                assert (changes[k].before, changes[k].after) == (before[k], now)
            else:
                assert now == before[k]
        check(store)


# ------------------------------------------------------------------ by hand


def counting_store() -> DictStore:
    return DictStore({"K": Options(), "L": Options(size_by=SizeBy.ESTIMATE, sub_credit=True)})


def progress_of(store: DictStore, key_result: str = "K") -> Fraction | None:
    return store.sums(key_result).snapshot(store.options(key_result)).progress


def test_children_that_arrive_before_their_parent_come_to_the_same() -> None:
    store = counting_store()
    add_link(store, Link("K", "E"))
    assert store.sums("K").snapshot(Options()).flags == ("link_broken",)
    place(store, "a", "E", 0)
    set_class(store, "a", IssueClass.DONE)
    assert progress_of(store) is None
    set_class(store, "E", IssueClass.TODO)
    assert progress_of(store) == 1
    check(store)


def test_a_restored_epic_gets_its_work_back() -> None:
    store = counting_store()
    add_link(store, Link("K", "E"))
    for name, cls in (("E", IssueClass.TODO), ("a", IssueClass.DONE), ("b", IssueClass.TODO)):
        place(store, name, None if name == "E" else "E", 0)
        set_class(store, name, cls)
    (gone,) = set_class(store, "E", IssueClass.GONE)
    assert (gone.before.progress, gone.after.progress) == (Fraction(1, 2), None)
    (back,) = set_class(store, "E", IssueClass.DONE)
    assert (back.before.progress, back.after.progress) == (None, Fraction(1, 2))
    check(store)


def test_a_circle_closed_and_broken_again_leaves_no_trace() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    for name, parent in (("b", "a"), ("c", "b"), ("d", "c")):
        place(store, name, parent, 0)
    for name in "abcd":
        set_class(store, name, IssueClass.TODO)
    set_class(store, "d", IssueClass.DONE)
    assert progress_of(store) == 1
    place(store, "a", "c", 0)
    assert [store.node(name).parent for name in "abcd"] == [None, None, None, "c"]
    assert progress_of(store) == 0
    check(store)
    place(store, "b", None, 0)
    assert [store.node(name).parent for name in "abcd"] == ["c", None, "b", "c"]
    check(store)
    place(store, "a", None, 0)
    place(store, "b", "a", 0)
    assert [store.node(name).parent for name in "abcd"] == [None, "a", "b", "c"]
    assert progress_of(store) == 1
    check(store)


def test_an_issue_may_hang_below_a_circle_that_it_is_not_on() -> None:
    store = counting_store()
    place(store, "a", "b", 0)
    place(store, "b", "a", 0)
    add_link(store, Link("K", "a"))
    for name in "abc":
        set_class(store, name, IssueClass.TODO)
    place(store, "c", "b", 0)
    place(store, "d", "c", 0)
    assert [store.node(name).parent for name in "abcd"] == [None, None, "b", "c"]
    check(store)
    place(store, "b", None, 0)
    assert [store.node(name).parent for name in "abcd"] == ["b", None, "b", "c"]
    check(store)


def test_an_issue_that_names_itself_as_parent_has_none() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    set_class(store, "a", IssueClass.DONE)
    assert [change.delta for change in place(store, "a", "a", 0)] == [0]
    assert store.node("a").parent is None
    set_class(store, "b", IssueClass.TODO)
    place(store, "b", "a", 0)
    check(store)


def test_one_event_answers_for_every_key_result_that_it_touches_and_no_other() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    add_link(store, Link("L", "a"))
    changes = set_class(store, "a", IssueClass.DONE)
    assert [(change.key_result, change.after.progress) for change in changes] == [("K", 1), ("L", 1)]
    assert set_class(store, "b", IssueClass.DONE) == []


def test_links_are_summed_one_by_one() -> None:
    store = counting_store()
    add_link(store, Link("K", "E", Fraction(2)))
    add_link(store, Link("K", "z", Fraction(5)))
    for name, parent, cls in (("E", None, "todo"), ("a", "E", "done"), ("b", "E", "todo"), ("z", None, "done")):
        place(store, name, parent, 0)
        set_class(store, name, IssueClass(cls))
    epic, single = store.links["K", "E"], store.links["K", "z"]
    assert (epic.done_units, epic.units, epic.num, epic.den) == (1, 2, 1, 2)
    assert (single.done_units, single.units) == (1, 1)
    assert store.sums("K").num == 2 * 1 + 5


def test_what_can_not_be_is_refused() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    with pytest.raises(ValueError, match="at most once"):
        add_link(store, Link("K", "a"))
    with pytest.raises(ValueError, match="weight"):
        add_link(store, Link("K", "b", Fraction(-1)))
    with pytest.raises(ValueError, match="weight"):
        set_weight(store, "K", "a", Fraction(-1))
    with pytest.raises(ValueError, match="estimate"):
        set_estimate(store, "a", Fraction(-1))
    with pytest.raises(KeyError):
        remove_link(store, "L", "a")
    with pytest.raises(KeyError):
        set_weight(store, "L", "a", Fraction(1))


def test_differences_name_what_does_not_agree() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    set_class(store, "a", IssueClass.DONE)
    store.sums("K").num += 1
    store.links["K", "a"].units = 7
    del store.units["K", "a"]
    found = differences(store, "K")
    assert [line.split(":")[0] for line in found] == ["link a units", "sums.num", "unit a"]
    rebuild(store, "K")
    assert differences(store, "K") == []


def test_a_rebuild_forgets_units_that_are_none() -> None:
    store = counting_store()
    add_link(store, Link("K", "a"))
    set_class(store, "a", IssueClass.DONE)
    store.save_unit(Unit("K", "ghost", "a", Fraction(1), Fraction(1)))
    rebuild(store, "K")
    assert set(store.units) == {("K", "a")}


# ------------------------------------------------------------------ cost


def wide_store(width: int) -> DictStore:
    """An epic with so many open stories, linked."""
    store = counting_store()
    add_link(store, Link("K", "E"))
    set_class(store, "E", IssueClass.TODO)
    for n in range(width):
        place(store, n, "E", 0)
        set_class(store, n, IssueClass.TODO)
    return store


def cost(store: DictStore, act: Callable[[DictStore], object]) -> int:
    store.asked = 0
    act(store)
    return store.asked


@pytest.mark.parametrize(
    "act",
    [
        lambda store: set_class(store, 3, IssueClass.DONE),
        lambda store: set_class(store, 3, IssueClass.GONE),
        lambda store: set_class(store, "E", IssueClass.DONE),
        lambda store: set_estimate(store, 3, Fraction(5)),
        lambda store: place(store, 3, None, 0),
        lambda store: place(store, 3, "E", -1),
        lambda store: (place(store, "new", "E", 0), set_class(store, "new", IssueClass.TODO)),
        lambda store: set_weight(store, "K", "E", Fraction(3)),
        lambda store: add_link(store, Link("K", 3)),
        lambda store: effect_of_closing(store, 3),
    ],
)
def test_the_cost_of_an_event_does_not_grow_with_the_key_result(act: Callable[[DictStore], object]) -> None:
    assert cost(wide_store(5), act) == cost(wide_store(50), act)
