"""The running values against the whole computation, and both against the slow oracle, over random histories."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.forest import Issue, parents_in_order
from mapping.issue_class import IssueClass
from mapping.progress import Options, SizeBy, Unestimated, work_progress
from mapping.recount import differences
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
from mapping.store import Link
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


@given(st.lists(options, min_size=2, max_size=2), st.lists(events, max_size=40))
@settings(max_examples=400, deadline=None)
def test_running_values_equal_a_recompute_after_every_event(chosen: list[Options], history: list[Any]) -> None:
    store = DictStore(dict(zip(KEY_RESULTS, chosen, strict=True)))
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
