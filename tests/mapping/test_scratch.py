"""What closing one issue will do, asked without doing it."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.ledger import apply_issue
from mapping.progress import Options, SizeBy, Unestimated, work_progress
from mapping.recount import rebuild
from mapping.running import add_link, place, remove_link, set_class, set_estimate, set_options, set_weight
from mapping.scratch import Scratch, Standing, effect_of_closing
from mapping.store import Link
from tests.mapping.dict_store import DictStore
from tests.mapping.test_running import KEY_RESULTS, NAMES, apply, check, events, grown_stores, issues_of

F = Fraction
C = IssueClass


def story_store(of: Options | None = None) -> DictStore:
    """An epic with a story of two sub-tasks and a plain story, the epic linked."""
    store = DictStore({"K": of or Options()})
    add_link(store, Link("K", "E"))
    apply_issue(store, "E", Issue(C.TODO, level=1))
    apply_issue(store, "s", Issue(C.DOING, parent="E"))
    apply_issue(store, "t", Issue(C.TODO, parent="s", level=-1))
    apply_issue(store, "u", Issue(C.DONE, parent="s", level=-1))
    apply_issue(store, "r", Issue(C.DONE, parent="E"))
    return store


def test_closing_a_unit_moves_the_key_result() -> None:
    effect = effect_of_closing(story_store(), "s")["K"]
    assert effect.standing is Standing.UNIT
    assert (effect.now.progress, effect.then.progress, effect.delta) == (F(1, 2), 1, F(1, 2))


def test_closing_a_container_changes_nothing_until_its_parts_close() -> None:
    effect = effect_of_closing(story_store(), "E")["K"]
    assert (effect.standing, effect.delta) == (Standing.CONTAINER, 0)


def test_closing_a_sub_task_helps_only_with_sub_task_credit() -> None:
    effect = effect_of_closing(story_store(), "t")["K"]
    assert (effect.standing, effect.delta) == (Standing.ABSORBED, 0)
    assert effect_of_closing(story_store(Options(sub_credit=True)), "t")["K"].delta == F(1, 6)


def test_a_done_issue_has_nothing_left_to_do() -> None:
    effect = effect_of_closing(story_store(), "r")["K"]
    assert (effect.standing, effect.delta) == (Standing.UNIT, 0)


def test_a_dropped_issue_does_not_count() -> None:
    store = story_store()
    set_class(store, "r", C.DROPPED)
    effect = effect_of_closing(store, "r")["K"]
    assert effect.standing is Standing.NOT_COUNTED
    assert effect.delta == F(1, 2)


def test_a_gone_issue_and_one_under_a_gone_epic_do_not_count() -> None:
    store = story_store()
    set_class(store, "E", C.GONE)
    assert effect_of_closing(store, "s") == {}
    assert effect_of_closing(store, "E")["K"].standing is Standing.NOT_COUNTED


def test_an_excluded_unit_does_not_count() -> None:
    store = story_store(Options(size_by=SizeBy.ESTIMATE, unestimated=Unestimated.EXCLUDE))
    assert effect_of_closing(store, "s")["K"].standing is Standing.NOT_COUNTED


def test_a_key_result_that_does_not_reach_the_issue_is_not_mentioned() -> None:
    store = story_store()
    assert effect_of_closing(store, "elsewhere") == {}
    remove_link(store, "K", "E")
    assert effect_of_closing(store, "s") == {}
    add_link(store, Link("K", "t"))
    assert effect_of_closing(store, "s") == {}


@given(grown_stores(), st.sampled_from(NAMES))
def test_the_effect_is_what_a_recompute_with_the_issue_done_says(store: DictStore, name: str) -> None:
    kept = copy.deepcopy((store.nodes, store.units, store.kept_sums, store.links))
    effects = effect_of_closing(store, name)
    before = issues_of(store)
    done = Issue(C.DONE, before[name].estimate, before[name].parent, before[name].level)
    for k in KEY_RESULTS:
        links = [(link.issue, link.weight) for link in store.links_of(k)]
        now = work_progress(before, links, store.options(k))
        then = work_progress({**before, name: done}, links, store.options(k))
        if k in effects:
            assert effects[k].now.progress == now.progress
            assert (effects[k].then.num, effects[k].then.den) == (then.num, then.den)
            assert effects[k].then.flags == then.flags
            assert (effects[k].standing is Standing.UNIT) == (name in now.units)
        else:
            assert then.progress == now.progress
    assert plain(kept) == plain((store.nodes, store.units, store.kept_sums, store.links))
    check(store)


def plain(value: Any) -> Any:
    """Records by their fields, for comparing what has no equality."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return {
        key: [getattr(part, field) for field in getattr(type(part), "__slots__", ())] for key, part in value.items()
    }


@given(grown_stores(), st.lists(events, max_size=12))
def test_operations_on_a_scratch_come_to_the_same_and_leave_the_store_alone(store: DictStore, then: Any) -> None:
    kept = copy.deepcopy((store.nodes, store.units, store.kept_sums, store.links))
    scratch, twin = Scratch(store), copy.deepcopy(store)
    for event in then:
        on_twin = apply(twin, event)
        on_scratch = replay(scratch, event)
        assert {change.key_result: change for change in on_scratch} == {change.key_result: change for change in on_twin}
    for k in KEY_RESULTS:
        assert {unit.issue: unit for unit in scratch.units_of(k)} == {unit.issue: unit for unit in twin.units_of(k)}
        assert rebuild(scratch, k) == twin.sums(k).snapshot(twin.options(k))
    assert plain(kept) == plain((store.nodes, store.units, store.kept_sums, store.links))


def replay(scratch: Scratch, event: Any) -> list[Any]:
    """The event on the scratch; whether a link is there already is told by the links of the scratch itself."""
    match event:
        case ("link", k, issue, weight):
            if any(link.key_result == k for link in scratch.links_on([issue])):
                return set_weight(scratch, k, issue, weight)
            return add_link(scratch, Link(k, issue, weight))
        case ("unlink", k, issue):
            there = any(link.key_result == k for link in scratch.links_on([issue]))
            return remove_link(scratch, k, issue) if there else []
        case ("weight", k, issue, weight):
            there = any(link.key_result == k for link in scratch.links_on([issue]))
            return set_weight(scratch, k, issue, weight) if there else []
        case ("class", issue, cls):
            return set_class(scratch, issue, cls)
        case ("place", issue, parent, level):
            return place(scratch, issue, parent, level)
        case ("options", k, new):
            return set_options(scratch, k, new)
        case ("estimate", issue, estimate):
            return set_estimate(scratch, issue, estimate)
    raise AssertionError(event)
