"""What must hold of every number, over random trees, links and options."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mapping.forest import Issue
from mapping.issue_class import COUNTABLE, OPEN, IssueClass
from mapping.progress import ONE, Options, SizeBy, Unestimated, work_progress

NAMES = list("abcdefghij")
names = st.sampled_from(NAMES)
issues_ = st.dictionaries(
    names,
    st.builds(
        Issue,
        cls=st.sampled_from([*IssueClass, *OPEN, IssueClass.DONE]),
        estimate=st.sampled_from([None, Fraction(0), Fraction(1), Fraction(13, 2)]),
        parent=st.none() | names,
        level=st.sampled_from([-1, 0, 1]),
    ),
    min_size=4,
)
links_ = st.lists(st.tuples(names, st.sampled_from([Fraction(0), ONE, Fraction(5, 3)])), max_size=8)
options_ = st.builds(
    Options,
    size_by=st.sampled_from(SizeBy),
    kappa=st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(99, 100)]),
    sub_credit=st.booleans(),
    unestimated=st.sampled_from(Unestimated),
)


@given(issues_, links_, options_)
def test_progress_lies_between_zero_and_one_or_is_no_number(issues: Any, links: Any, options: Options) -> None:
    work = work_progress(issues, links, options)
    assert work.progress is None or 0 <= work.progress <= 1
    assert 0 <= work.num <= work.den
    assert len(set(work.units)) == len(work.units) >= work.done_units
    if work.progress is not None and options.size_by is SizeBy.COUNT and all(weight for _, weight in links):
        assert (work.progress == 1) == (work.done_units == len(work.units))


@given(issues_, links_, options_, st.randoms(use_true_random=False))
def test_order_and_repeated_links_are_irrelevant(issues: Any, links: Any, options: Options, random: Any) -> None:
    unique = list(dict(links).items())
    expected = work_progress(issues, unique, options)
    shuffled_links, shuffled_issues = list(unique), list(issues.items())
    random.shuffle(shuffled_links)
    random.shuffle(shuffled_issues)
    assert work_progress(dict(shuffled_issues), shuffled_links, options) == expected
    assert work_progress(issues, unique + unique, options) == expected
    assert work_progress(issues, links, options) == expected


@given(issues_, links_, options_)
def test_finishing_never_lowers(issues: Any, links: Any, options: Options) -> None:
    before = work_progress(issues, links, options)
    for name in [name for name, issue in issues.items() if issue.cls in OPEN]:
        after = work_progress({**issues, name: replace(issues[name], cls=IssueClass.DONE)}, links, options)
        assert (before.progress is None) == (after.progress is None)
        assert before.progress is None or after.progress is None or after.progress >= before.progress
        assert after.units == before.units


@given(issues_, links_, options_, st.sampled_from(sorted(OPEN)))
def test_reopening_never_raises(issues: Any, links: Any, options: Options, cls: IssueClass) -> None:
    before = work_progress(issues, links, options)
    for name in [name for name, issue in issues.items() if issue.cls is IssueClass.DONE]:
        after = work_progress({**issues, name: replace(issues[name], cls=cls)}, links, options)
        assert (before.progress is None) == (after.progress is None)
        assert before.progress is None or after.progress is None or after.progress <= before.progress


@given(issues_, links_, options_, st.sampled_from([None, Fraction(0), Fraction(3)]))
def test_linking_open_work_never_raises(issues: Any, links: Any, options: Options, estimate: Fraction | None) -> None:
    before = work_progress(issues, links, options)
    added = {**issues, "new": Issue(IssueClass.TODO, estimate)}
    after = work_progress(added, [*links, ("new", ONE)], options)
    if "all_zero_estimates" in before.flags and "all_zero_estimates" not in after.flags:
        return  # the measure itself changed: the zeros weigh nothing beside the newcomer
    assert before.progress is None or after.progress is None or after.progress <= before.progress


@given(issues_, links_, options_, st.sampled_from([IssueClass.DROPPED, IssueClass.GONE]))
def test_losing_a_unit_that_stands_alone_takes_just_its_size(
    issues: Any, links: Any, options: Options, cls: IssueClass
) -> None:
    before = work_progress(issues, links, options)
    parents = {issue.parent for issue in issues.values()}
    for name in [name for name in before.units if issues[name].parent is None and name not in parents]:
        after = work_progress({**issues, name: replace(issues[name], cls=cls)}, links, options)
        assert set(before.units) - set(after.units) == {name}
        if "all_zero_estimates" in {*before.flags, *after.flags}:
            continue  # sizes are measured differently with and without it
        size = issues[name].estimate if options.size_by is SizeBy.ESTIMATE else ONE
        assert after.den == before.den - dict(links)[name] * (ONE if size is None else size)


@given(issues_, links_, options_)
def test_every_unit_is_countable_and_no_unit_stands_below_another(issues: Any, links: Any, options: Options) -> None:
    units = set(work_progress(issues, links, options).units)
    for unit in units:
        assert issues[unit].cls in COUNTABLE
        seen: set[Any] = {unit}
        above = issues[unit].parent
        while above in issues and above not in seen and issues[above].cls not in {IssueClass.GONE, IssueClass.UNKNOWN}:
            if above in units:
                # Only a circle of parents can make that so, and its members have none.
                assert _on_circle(issues, unit) or _on_circle(issues, above)
                break
            seen.add(above)
            above = issues[above].parent


def _on_circle(issues: Any, start: Any) -> bool:
    here, steps = issues[start].parent, 0
    while here in issues and steps <= len(issues):
        if here == start:
            return True
        here, steps = issues[here].parent, steps + 1
    return False
