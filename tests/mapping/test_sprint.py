"""What finishing a sprint will do, read off the running values."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.ledger import apply_issue
from mapping.overlay import overlay
from mapping.progress import ONE, Options, SizeBy
from mapping.running import add_link
from mapping.scratch import Scratch
from mapping.sprint import Finished, claimed_gain, finish, newly_complete, whole_of
from mapping.store import Link, Node, Store
from tests.mapping.dict_store import DictStore
from tests.mapping.test_properties import issues_, links_, names, options_

F = Fraction
C = IssueClass


def running_store(issues: dict[Any, Issue], links: list[tuple[Any, Fraction]], options: Options) -> DictStore:
    store = DictStore({"K": options})
    for id_, issue in issues.items():
        apply_issue(store, id_, issue)
    for id_, weight in dict(links).items():
        add_link(store, Link("K", id_, weight))
    return store


def finished(kept: DictStore, sprint: Any, seen: Store | None = None) -> Finished:
    """Finish a sprint on what a reader of a database would have: its issues, their ancestors, and units among these."""
    store = seen if seen is not None else kept
    nodes: dict[Any, Node] = {}
    for start in sprint:
        here: Any = start
        while here is not None and here not in nodes:
            nodes[here] = store.node(here)
            here = nodes[here].parent
    units = {unit.issue: unit for unit in store.units_of("K") if unit.issue in nodes}
    weights = {("K", link.issue): link.weight for link in store.links_of("K")}
    sums, options = {"K": store.sums("K")}, {"K": store.options("K")}
    return finish(nodes, units.values(), weights, sums, options, sprint)["K"]


@given(issues_, links_, options_, st.sets(names))
def test_finishing_equals_the_overlay_counted_from_nothing(issues: Any, links: Any, options: Options, sprint: Any):
    expected = overlay(issues, dict(links).items(), options, sprint).if_all_sprint_work_finishes
    store = running_store(issues, links, options)
    assert finished(store, sprint).snapshot.progress == expected


@given(issues_, links_, options_, st.sets(names), st.sets(st.sampled_from("abcdefghij")))
def test_with_links_tried_out_it_equals_the_overlay_with_new_scope(
    issues: Any, links: Any, options: Options, sprint: Any, new: Any
):
    tried = [(id_, issues[id_].estimate) for id_ in sorted(new) if id_ in issues and id_ not in dict(links)]
    expected = overlay(issues, dict(links).items(), options, sprint, tried)
    store = running_store(issues, links, options)
    scratch = Scratch(store)
    for id_, _ in tried:
        add_link(scratch, Link("K", id_, ONE))
    assert scratch.sums("K").snapshot(options).progress == expected.after_adding_scope
    assert finished(store, sprint, scratch).snapshot.progress == expected.if_all_sprint_work_finishes


def test_finishing_leaves_the_running_values_alone():
    store = running_store({"a": Issue(C.TODO)}, [("a", ONE)], Options())
    assert finished(store, {"a"}).snapshot.progress == 1
    assert store.sums("K").num == 0


def test_a_link_is_complete_once_nothing_under_it_is_left_open():
    issues = {"e": Issue(C.TODO, level=1), "s": Issue(C.DONE, parent="e"), "t": Issue(C.TODO, parent="e")}
    store = running_store(issues, [("e", ONE)], Options())
    assert newly_complete(store.links_of("K"), finished(store, {"t"})) == ["e"]
    assert newly_complete(store.links_of("K"), finished(store, set())) == []


def test_declared_changes_add_up_along_the_way_to_the_target():
    assert claimed_gain(F(8), F(5), [F(-1), F("-0.5")]) == F(1, 2)
    assert claimed_gain(F(8), F(5), [F(1)]) == F(-1, 3)
    assert claimed_gain(F(8), F(5), []) is None
    assert claimed_gain(None, F(5), [F(1)]) is None
    assert claimed_gain(F(5), F(5), [F(1)]) is None


def whole(issues: dict[Any, Issue], sprint: str) -> dict[Any, Any]:
    store = running_store(issues, [], Options(size_by=SizeBy.ESTIMATE))
    return whole_of(store.nodes, sprint.split())


def test_a_sub_task_listed_beside_its_story_is_a_part_of_it():
    issues = {"s": Issue(C.TODO, F(3)), "t": Issue(C.TODO, parent="s", level=-1)}
    assert whole(issues, "s t") == {"s": None, "t": "s"}
    assert whole(issues, "t") == {"t": None}


def test_an_epic_listed_beside_its_stories_weighs_nothing_itself():
    issues = {"e": Issue(C.TODO, level=1), "s": Issue(C.TODO, parent="e"), "t": Issue(C.DROPPED, parent="e")}
    assert whole(issues, "e s t") == {"e": "e", "s": None, "t": None}
    assert whole(issues, "e") == {"e": None}


def test_an_epic_that_carries_the_only_estimate_is_one_piece_with_its_stories():
    issues = {"e": Issue(C.TODO, F(8), level=1), "s": Issue(C.TODO, parent="e")}
    assert whole(issues, "e s") == {"e": None, "s": "e"}


def test_an_open_sub_task_of_a_cancelled_story_is_work_of_its_own():
    issues = {"s": Issue(C.DROPPED), "t": Issue(C.TODO, parent="s", level=-1)}
    assert whole(issues, "s t") == {"s": "s", "t": None}


def test_what_is_gone_is_no_work_and_hides_nobody():
    issues = {"s": Issue(C.GONE), "t": Issue(C.TODO, parent="s", level=-1)}
    assert whole(issues, "s t") == {"t": None}
