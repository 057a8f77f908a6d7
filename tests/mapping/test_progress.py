"""Work progress, sentence by sentence of progress.md section 3, and the examples of section 9."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from mapping.display import percent
from mapping.forest import Forest, Issue, parents_in_order
from mapping.issue_class import IssueClass
from mapping.ledger import apply_issue
from mapping.progress import Options, SizeBy, Unestimated, Work, credit_of, ratio, work_progress
from mapping.recount import differences
from mapping.running import add_link
from mapping.store import Link
from tests.mapping.dict_store import DictStore

F = Fraction
COUNTING = Options()
ESTIMATES = Options(size_by=SizeBy.ESTIMATE)
EXCLUDING = Options(size_by=SizeBy.ESTIMATE, unestimated=Unestimated.EXCLUDE)
SUB_CREDIT = Options(sub_credit=True)


def tree(**said: str) -> dict[Any, Issue]:
    """Issues from "class [<parent] [^level] [=estimate]": `tree(E="doing ^1", a="done <E =3")`."""
    issues: dict[Any, Issue] = {}
    for name, text in said.items():
        cls, *rest = text.split()
        by_sign = {part[0]: part[1:] for part in rest}
        estimate = F(by_sign["="]) if "=" in by_sign else None
        issues[name] = Issue(IssueClass(cls), estimate, by_sign.get("<"), int(by_sign.get("^", "0")))
    return issues


def count(issues: dict[Any, Issue], links: str | dict[str, str], options: Options = COUNTING) -> Work:
    """Work progress over links given as "a b" or {"a": weight}."""
    weights = links if isinstance(links, dict) else dict.fromkeys(links.split(), "1")
    listed = [(issue, F(weight)) for issue, weight in weights.items()]
    work = work_progress(issues, listed, options)
    assert running_count(list(issues.items()), listed, options, links_first=True) == work
    assert running_count(list(issues.items())[::-1], listed, options, links_first=False) == work
    return work


def running_count(
    issues: list[tuple[Any, Issue]], links: list[tuple[Any, Fraction]], options: Options, *, links_first: bool
) -> Work:
    """The same case, event by event on the running values."""
    store = DictStore({"K": options})
    if links_first:
        for issue, weight in links:
            add_link(store, Link("K", issue, weight))
    for issue, after in issues:
        apply_issue(store, issue, after)
    if not links_first:
        for issue, weight in links:
            add_link(store, Link("K", issue, weight))
    assert differences(store, "K") == []
    found = store.sums("K").snapshot(options)
    units = tuple(sorted((unit.issue for unit in store.units_of("K")), key=str))
    return Work(found.num, found.den, units, found.done_units, found.flags)


def shape(work: Work) -> tuple[str, str, str]:
    return f"{work.num}/{work.den}", " ".join(map(str, work.units)), " ".join(work.flags)


# ------------------------------------------------------------------ classes and the fraction


def test_dropped_work_leaves_both_sides() -> None:
    issues = tree(a="done", b="done", c="done", d="doing", e="doing", f="dropped", g="todo", h="todo", i="todo")
    issues |= tree(j="todo")
    work = count(issues, " ".join(issues))
    assert shape(work)[0] == "3/9"
    assert percent(work.progress) == "33%"
    assert work.done_units == 3


def test_nothing_linked_is_no_number() -> None:
    work = count(tree(a="done"), "")
    assert (work.num, work.den, work.progress, work.units, work.flags) == (0, 0, None, (), ())


def test_only_dropped_work_is_no_number() -> None:
    assert count(tree(a="dropped"), "a").progress is None


def test_one_done_and_one_dropped_is_all_done() -> None:
    assert count(tree(a="done", b="dropped"), "a b").progress == 1


def test_started_work_earns_nothing_by_default_and_kappa_where_it_is_set() -> None:
    issues = tree(a="doing", b="todo")
    assert count(issues, "a b").progress == 0
    assert count(issues, "a b", Options(kappa=F(1, 4))).progress == F(1, 8)


@pytest.mark.parametrize("kappa", [F(-1, 10), F(1), F(2)])
def test_kappa_outside_its_range_is_refused(kappa: Fraction) -> None:
    with pytest.raises(ValueError, match="kappa"):
        Options(kappa=kappa)


def test_kappa_may_be_zero() -> None:
    assert Options(kappa=F(0)).kappa == 0


def test_a_denominator_of_zero_is_no_number() -> None:
    assert ratio(F(0), F(0)) is None
    assert ratio(F(0), F(2)) == 0


# ------------------------------------------------------------------ links


def test_a_link_to_a_gone_an_unknown_or_a_missing_issue_is_broken() -> None:
    for cls in ("gone", "unknown"):
        assert shape(count(tree(a=cls, b="done"), "a b")) == ("1/1", "b", "link_broken")
    assert shape(count(tree(b="done"), "nowhere b")) == ("1/1", "b", "link_broken")


def test_a_link_to_a_dropped_issue_is_whole() -> None:
    assert count(tree(a="dropped"), "a").flags == ()


def test_weights_weigh() -> None:
    assert shape(count(tree(a="done", b="todo"), {"a": "3", "b": "1"}))[0] == "3/4"


def test_of_two_links_to_one_issue_the_last_counts() -> None:
    work = work_progress(tree(a="done", b="todo"), [("a", F(5)), ("b", F(1)), ("a", F(2))], Options())
    assert (work.num, work.den) == (2, 3)


def test_own_weight_beats_an_inherited_one() -> None:
    issues = tree(E="doing ^1", a="done <E", b="todo <E")
    assert shape(count(issues, {"E": "2", "a": "5"})) == ("5/7", "a b", "")
    assert shape(count(issues, {"a": "5", "E": "2"})) == ("5/7", "a b", "")


def test_the_nearest_weight_is_inherited() -> None:
    issues = tree(I="todo ^2", E="todo ^1 <I", a="done <E", F="todo ^1 <I", b="todo <F")
    assert shape(count(issues, {"I": "1", "E": "10"}))[0] == "10/11"


def test_a_weight_of_zero_lists_the_unit_and_weighs_nothing() -> None:
    assert shape(count(tree(a="done", b="todo"), {"a": "0", "b": "1"})) == ("0/1", "a b", "")


def test_only_weights_of_zero_are_no_number() -> None:
    work = count(tree(a="done", b="todo"), {"a": "0", "b": "0"})
    assert work.progress is None
    assert work.units == ("a", "b")


# ------------------------------------------------------------------ units and containers


def test_an_epic_and_one_of_its_children_linked_is_the_epic_alone() -> None:
    issues = tree(E="doing ^1", a="done <E", b="todo <E")
    assert shape(count(issues, "E a")) == shape(count(issues, "E")) == ("1/2", "a b", "")


def test_a_container_counts_nothing_whatever_its_own_status() -> None:
    for cls in ("todo", "doing", "done", "dropped"):
        assert shape(count(tree(E=f"{cls} ^1", a="done <E"), "E"))[:2] == ("1/1", "a")


def test_an_issue_with_only_dropped_or_gone_children_counts_itself() -> None:
    assert shape(count(tree(E="todo ^1", a="dropped <E", b="gone <E"), "E"))[:2] == ("0/1", "E")


def test_a_dropped_child_with_open_work_below_is_a_countable_child() -> None:
    issues = tree(E="done ^2", M="dropped ^1 <E", a="todo <M", b="done <M")
    assert shape(count(issues, "E")) == (
        "1/2",
        "a b",
        "container_done_open_children container_dropped_open_children",
    )


def test_a_dropped_issue_without_countable_child_counts_nothing() -> None:
    assert shape(count(tree(E="dropped ^1", a="dropped <E"), "E")) == ("0/0", "", "")


def test_an_issue_with_only_sub_tasks_is_a_unit() -> None:
    issues = tree(s="todo", t="done <s ^-1", u="done <s ^-1")
    assert shape(count(issues, "s")) == ("0/1", "s", "")


def test_an_issue_with_a_sub_task_and_a_standard_child_is_a_container() -> None:
    issues = tree(s="todo", t="done <s ^-1", u="todo <s ^0")
    assert shape(count(issues, "s")) == ("1/2", "t u", "")


def test_the_level_of_a_dropped_child_still_makes_a_container_if_work_hangs_below_it() -> None:
    issues = tree(s="todo", m="dropped <s ^0", t="done <m ^-1")
    assert shape(count(issues, "s"))[:2] == ("1/1", "t")
    issues = tree(s="todo", m="dropped <s ^-1", t="done <m ^0")
    assert shape(count(issues, "s"))[:2] == ("0/1", "s")


def test_a_dropped_story_hands_its_sub_tasks_on() -> None:
    issues = tree(s="dropped", t="done <s ^-1", u="todo <s ^-1")
    assert shape(count(issues, "s")) == ("1/2", "t u", "container_dropped_open_children")


def test_a_unit_that_is_done_with_open_sub_tasks_raises_no_flag() -> None:
    assert shape(count(tree(s="done", t="todo <s ^-1"), "s")) == ("1/1", "s", "")


def test_an_estimated_issue_with_unestimated_children_is_a_unit_only_where_sizes_are_estimates() -> None:
    issues = tree(P="doing =8", x="done <P", y="todo <P", q="done =2")
    assert shape(count(issues, "P q", ESTIMATES)) == ("2/10", "P q", "")
    assert shape(count(issues, "P q")) == ("2/3", "q x y", "")


def test_one_estimated_descendant_makes_it_a_container() -> None:
    issues = tree(P="doing =8", x="doing <P", y="todo <x =3", z="todo <P")
    assert shape(count(issues, "P", ESTIMATES)) == ("0/4", "y z", "unestimated_units")


def test_the_estimate_of_a_dropped_or_hidden_descendant_does_not_matter() -> None:
    issues = tree(P="done =8", x="done <P", y="dropped <P =3", g="gone <P =2", h="todo <g =2")
    assert shape(count(issues, "P", ESTIMATES)) == ("8/8", "P", "")


def test_an_explicit_zero_is_an_estimate() -> None:
    issues = tree(P="doing =8", x="done <P =0", b="done =1")
    assert shape(count(issues, "P b", ESTIMATES)) == ("1/1", "b x", "")
    issues = tree(P="doing =0", x="done <P", b="done =1")
    assert shape(count(issues, "P b", ESTIMATES)) == ("1/1", "P b", "")


def test_levels_three_deep() -> None:
    issues = tree(I="todo ^2", E="done ^1 <I", G="doing ^1 <I", a="done <G", b="todo <G", c="todo <G")
    assert shape(count(issues, "I")) == ("2/4", "E a b c", "")


# ------------------------------------------------------------------ absorbing


def test_a_unit_counts_once_however_many_paths_reach_it() -> None:
    issues = tree(I="todo ^2", E="todo ^1 <I", a="done <E", b="todo <E")
    assert shape(count(issues, "a E I b")) == ("1/2", "a b", "")


def test_a_linked_sub_task_of_a_counted_story_is_absorbed() -> None:
    issues = tree(s="todo", t="done <s ^-1")
    assert shape(count(issues, "s t")) == ("0/1", "s", "")
    assert shape(count(issues, "t")) == ("1/1", "t", "")


def test_a_linked_sub_task_is_absorbed_by_a_story_that_is_reached_through_its_epic() -> None:
    issues = tree(E="todo ^1", s="todo <E", t="done <s ^-1", r="todo <E")
    assert shape(count(issues, {"E": "1", "t": "9"})) == ("0/2", "r s", "")


def test_an_absorbed_unit_is_absorbed_across_any_distance() -> None:
    issues = tree(P="todo =5", m="todo <P", n="todo <m", z="done <n")
    assert shape(count(issues, "P z", ESTIMATES)) == ("0/5", "P", "")


def test_what_stands_below_a_gone_issue_is_not_absorbed() -> None:
    issues = tree(s="todo", g="gone <s ^-1", t="done <g ^-1")
    assert shape(count(issues, "s t")) == ("1/2", "s t", "")


def test_what_an_excluded_unit_absorbed_stays_absorbed() -> None:
    issues = tree(s="todo", t="done <s ^-1 =3", a="done =1")
    assert shape(count(issues, "s t a", EXCLUDING)) == ("1/1", "a", "unestimated_units")


def test_an_absorbed_container_with_a_link_of_its_own_still_raises_its_flag() -> None:
    issues = tree(P="todo =5", m="done <P", z="todo <m")
    assert shape(count(issues, "P m", ESTIMATES)) == ("0/5", "P", "container_done_open_children")
    assert shape(count(issues, "P", ESTIMATES)) == ("0/5", "P", "")


# ------------------------------------------------------------------ gone


def test_a_gone_epic_leaves_its_children_orphans() -> None:
    issues = tree(E="gone ^1", a="done <E", b="todo <E")
    assert shape(count(issues, "E")) == ("0/0", "", "link_broken")
    assert shape(count(issues, "E a")) == ("1/1", "a", "link_broken")


def test_a_gone_issue_hides_what_hangs_below_it() -> None:
    issues = tree(E="todo ^2", g="gone ^1 <E", a="done <g")
    assert shape(count(issues, "E")) == ("0/1", "E", "")


def test_a_child_of_a_gone_issue_with_a_link_of_its_own_counts() -> None:
    issues = tree(E="todo ^2", g="gone ^1 <E", a="done <g")
    assert shape(count(issues, "E a")) == ("1/2", "E a", "")


def test_an_unknown_issue_behaves_as_a_gone_one() -> None:
    issues = tree(E="todo ^2", g="unknown ^1 <E", a="done <g")
    assert shape(count(issues, "E")) == ("0/1", "E", "")


# ------------------------------------------------------------------ flags of containers


@pytest.mark.parametrize(("below", "raised"), [("todo", True), ("doing", True), ("done", False), ("dropped", False)])
def test_a_closed_container_is_flagged_for_open_work_only(below: str, raised: bool) -> None:
    for cls in ("done", "dropped"):
        issues = tree(E=f"{cls} ^1", a=f"{below} <E", b="done <E")
        expected = (f"container_{cls}_open_children",) if raised else ()
        assert count(issues, "E").flags == expected


def test_open_work_deep_below_a_closed_container_raises_its_flag_even_where_another_link_counts_it() -> None:
    issues = tree(I="done ^2", E="todo ^1 <I", a="todo <E")
    assert count(issues, "I E").flags == ("container_done_open_children",)


def test_open_work_inside_a_unit_below_raises_the_flag_of_the_container() -> None:
    issues = tree(E="done ^1", s="done <E", t="todo <s ^-1")
    assert shape(count(issues, "E")) == ("1/1", "s", "container_done_open_children")


def test_a_container_above_the_link_is_not_reached() -> None:
    assert count(tree(E="done ^1", a="todo <E"), "a").flags == ()


def test_hidden_open_work_raises_no_flag() -> None:
    assert count(tree(E="done ^2", b="done <E", g="gone <E", a="todo <g"), "E").flags == ()


# ------------------------------------------------------------------ sizes


def test_estimates_with_dropped_and_unestimated_work() -> None:
    issues = tree(a="done =5", b="doing =3", c="todo", d="dropped =8")
    assert shape(count(issues, "a b c d", ESTIMATES)) == ("5/9", "a b c", "unestimated_units")


def test_excluded_units_leave_sums_and_list() -> None:
    issues = tree(a="done =5", b="todo =3", c="done")
    assert shape(count(issues, "a b c", EXCLUDING)) == ("5/8", "a b", "unestimated_units")


def test_all_excluded_is_no_number() -> None:
    work = count(tree(a="done", b="todo"), "a b", EXCLUDING)
    assert (work.progress, work.units, work.flags) == (None, (), ("unestimated_units",))


def test_zero_estimates_weigh_nothing_beside_others() -> None:
    assert shape(count(tree(a="done =0", b="todo =2"), "a b", ESTIMATES)) == ("0/2", "a b", "")


def test_all_zero_estimates_count_equally_with_their_weights() -> None:
    issues = tree(a="done =0", b="todo =0")
    assert shape(count(issues, {"a": "3", "b": "1"}, ESTIMATES)) == ("3/4", "a b", "all_zero_estimates")


def test_all_zero_beside_excluded_ones_counts_only_the_zero_ones() -> None:
    issues = tree(a="done =0", b="todo =0", c="todo")
    assert shape(count(issues, "a b c", EXCLUDING)) == ("1/2", "a b", "all_zero_estimates unestimated_units")


def test_an_unestimated_unit_of_size_one_is_not_zero() -> None:
    assert shape(count(tree(a="done =0", b="todo"), "a b", ESTIMATES)) == ("0/1", "a b", "unestimated_units")


def test_a_zero_weight_is_not_a_zero_estimate() -> None:
    work = count(tree(a="done =5", b="todo =0"), {"a": "0", "b": "1"}, ESTIMATES)
    assert (work.progress, work.flags) == (None, ())


def test_count_mode_ignores_estimates() -> None:
    assert shape(count(tree(a="done =0", b="todo =100", c="todo"), "a b c")) == ("1/3", "a b c", "")


# ------------------------------------------------------------------ sub-task credit


def test_sub_task_credit_counts_closing_the_unit_as_the_last_part() -> None:
    issues = tree(s="doing", t="done <s ^-1", u="done <s ^-1", v="done <s ^-1", w="todo <s ^-1")
    assert count(issues, "s", SUB_CREDIT).progress == F(3, 5)


def test_all_sub_tasks_done_is_never_all_done() -> None:
    assert count(tree(s="doing", t="done <s ^-1"), "s", SUB_CREDIT).progress == F(1, 2)
    assert count(tree(s="done", t="todo <s ^-1"), "s", SUB_CREDIT).progress == 1


def test_kappa_and_parts_the_larger_counts_and_kappa_only_for_started_work() -> None:
    options = Options(sub_credit=True, kappa=F(2, 5))
    assert count(tree(s="doing", t="done <s ^-1", u="todo <s ^-1"), "s", options).progress == F(2, 5)
    assert count(tree(s="doing", t="done <s ^-1"), "s", options).progress == F(1, 2)
    assert count(tree(s="todo", t="done <s ^-1", u="todo <s ^-1"), "s", options).progress == F(1, 3)


def test_parts_are_the_lowest_countable_issues_below() -> None:
    issues = tree(s="todo", t="done <s ^-1", d="done <t ^-2", e="todo <t ^-2", x="dropped <s ^-1", f="done <x ^-2")
    assert count(issues, "s", SUB_CREDIT).progress == F(2, 4)


def test_parts_that_are_dropped_or_hidden_do_not_count() -> None:
    issues = tree(s="todo", t="done <s ^-1", d="dropped <s ^-1", g="gone <s ^-1", h="done <g ^-1")
    assert count(issues, "s", SUB_CREDIT).progress == F(1, 2)


def test_an_issue_without_parts_has_no_part_credit() -> None:
    assert count(tree(s="doing"), "s", SUB_CREDIT).progress == 0


def test_parts_of_an_estimated_unit_count_too() -> None:
    options = Options(size_by=SizeBy.ESTIMATE, sub_credit=True)
    issues = tree(P="doing =8", x="done <P", y="todo <P", z="todo <y")
    assert shape(count(issues, "P", options)) == ("8/3/8", "P", "")


def test_credit_of_a_done_unit_is_one_whatever_its_parts() -> None:
    forest = Forest(tree(s="done", t="todo <s ^-1"))
    assert credit_of(IssueClass.DONE, forest.below["s"], SUB_CREDIT) == 1


# ------------------------------------------------------------------ parents


def test_a_missing_parent_is_no_parent() -> None:
    assert shape(count(tree(a="done <nowhere", b="todo"), "a b"))[0] == "1/2"


def test_every_issue_on_a_circle_of_parents_has_no_parent() -> None:
    named = {"a": "b", "b": "c", "c": "a", "d": "a", "e": "e", "f": "d", "g": None, "h": "nowhere"}
    assert parents_in_order(named) == {
        "a": None, "b": None, "c": None, "d": "a", "e": None, "f": "d", "g": None, "h": None,
    }  # fmt: skip


def test_a_circle_neither_hangs_nor_depends_on_the_order() -> None:
    issues = tree(a="todo <b", b="done <a", d="done <a")
    turned = dict(reversed(list(issues.items())))
    assert shape(count(issues, "a b")) == shape(count(turned, "b a")) == ("2/2", "b d", "")


def test_an_issue_that_is_its_own_parent_counts_as_if_it_had_none() -> None:
    assert shape(count(tree(a="done <a"), "a")) == ("1/1", "a", "")


def test_a_chain_of_a_hundred_thousand_parents_is_only_data() -> None:
    n = 100_000
    issues: dict[Any, Issue] = {0: Issue(IssueClass.DONE, level=1)}
    issues |= {i: Issue(IssueClass.TODO, parent=i - 1) for i in range(1, n)}
    work = work_progress(issues, [(0, F(1)), (n // 2, F(1))], SUB_CREDIT)
    assert (work.num, work.den, work.units, work.flags) == (0, 1, (n - 1,), ("container_done_open_children",))


# ------------------------------------------------------------------ examples of section 9


def test_scope_that_grows_lowers_progress_and_the_committed_work_does_not_change() -> None:
    issues = tree(**{f"i{n}": "done" if n < 8 else "todo" for n in range(10)})
    committed = " ".join(issues)
    assert percent(count(issues, committed).progress) == "80%"
    issues |= tree(n1="todo", n2="todo", n3="todo", n4="todo", n5="todo")
    assert percent(count(issues, " ".join(issues)).progress) == "53%"
    assert percent(count(issues, committed).progress) == "80%"


def test_one_key_result_over_two_trackers() -> None:
    assert count(tree(jira="done", linear_1="doing", linear_2="todo"), "jira linear_1 linear_2").progress == F(1, 3)


def test_units_and_flags_are_listed_in_alphabetical_order() -> None:
    work = count(tree(b="gone", E="done ^1", i10="todo <E", i2="done <E", a="todo"), "b E a", ESTIMATES)
    assert work.units == ("a", "i10", "i2")
    assert work.flags == ("container_done_open_children", "link_broken", "unestimated_units")
