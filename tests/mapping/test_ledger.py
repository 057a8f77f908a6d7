"""The ledger: causes, one per step; deltas that sum exactly; a fold that does not mind the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.ledger import (
    Cause,
    Classed,
    Entry,
    Number,
    Placed,
    Resized,
    apply_issue,
    decompose,
    fold,
    place_reading,
)
from mapping.narration import in_words, summary
from mapping.progress import ONE, Options, SizeBy
from mapping.running import add_link, remove_link, set_class, set_options, set_weight
from mapping.store import Link
from tests.mapping.dict_store import DictStore

F = Fraction
C = IssueClass
START = datetime(2026, 7, 1, tzinfo=UTC)


def store_of(options: Options | None = None, **classes: str) -> DictStore:
    """A store with these issues, each linked to key result K."""
    store = DictStore({"K": options or Options()})
    for name, cls in classes.items():
        set_class(store, name, C(cls))
        add_link(store, Link("K", name))
    return store


def causes(store: DictStore, issue: str, after: Issue) -> list[Cause]:
    return [movement.cause for movement in apply_issue(store, issue, after)[0]]


# ------------------------------------------------------------------ steps and causes


def test_a_change_is_taken_apart_into_place_size_and_class() -> None:
    before = Issue(C.TODO, F(1), "p", 0)
    after = Issue(C.DONE, F(2), "q", 1)
    assert decompose(before, after) == [Placed("q", 1), Resized(F(2)), Classed(C.TODO, C.DONE)]
    assert decompose(before, before) == []
    assert decompose(before, Issue(C.TODO, F(1), "p", 1)) == [Placed("p", 1)]
    assert decompose(None, Issue(C.TODO)) == [Classed(C.UNKNOWN, C.TODO)]


def test_an_issue_that_vanishes_does_so_before_anything_else_moves() -> None:
    before, after = Issue(C.TODO, F(1), "p"), Issue(C.GONE, None, None)
    assert decompose(before, after) == [Classed(C.TODO, C.GONE), Placed(None, 0), Resized(None)]


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("todo", "done", Cause.COMPLETED),
        ("doing", "done", Cause.COMPLETED),
        ("dropped", "done", Cause.COMPLETED),
        ("done", "todo", Cause.REOPENED),
        ("done", "doing", Cause.REOPENED),
        ("dropped", "todo", Cause.REOPENED),
        ("dropped", "doing", Cause.REOPENED),
        ("todo", "doing", Cause.STARTED),
        ("todo", "dropped", Cause.DROPPED),
        ("doing", "dropped", Cause.DROPPED),
        ("done", "dropped", Cause.DROPPED),
        ("todo", "gone", Cause.DELETED),
        ("done", "gone", Cause.DELETED),
        ("gone", "todo", Cause.SCOPE_ADDED),
        ("gone", "done", Cause.SCOPE_ADDED),
        ("unknown", "doing", Cause.SCOPE_ADDED),
    ],
)
def test_causes_of_class_changes(before: str, after: str, cause: Cause) -> None:
    store = store_of(a=before, other="done")
    assert causes(store, "a", Issue(C(after))) == [cause]


def test_a_start_is_entered_though_it_earns_nothing_and_taking_it_back_only_if_it_earned() -> None:
    store = store_of(a="todo", b="done")
    (movement,), _ = apply_issue(store, "a", Issue(C.DOING))
    assert (movement.cause, movement.change.delta, movement.change.counted) == (Cause.STARTED, 0, True)
    assert causes(store, "a", Issue(C.TODO)) == []
    store = store_of(Options(kappa=F(1, 2)), a="todo", b="done")
    (movement,), _ = apply_issue(store, "a", Issue(C.DOING))
    assert (movement.cause, movement.change.delta) == (Cause.STARTED, F(1, 4))
    (movement,), _ = apply_issue(store, "a", Issue(C.TODO))
    assert (movement.cause, movement.change.delta) == (Cause.CORRECTED, F(-1, 4))


def test_starting_a_container_or_an_absorbed_part_is_not_entered() -> None:
    store = store_of(E="todo", b="done")
    apply_issue(store, "a", Issue(C.TODO, parent="E"))
    apply_issue(store, "t", Issue(C.TODO, parent="a", level=-1))
    assert causes(store, "E", Issue(C.DOING)) == []
    assert causes(store, "t", Issue(C.DOING, parent="a", level=-1)) == []
    assert causes(store, "a", Issue(C.DOING, parent="E")) == [Cause.STARTED]


def test_moving_under_a_linked_epic_adds_scope_and_moving_away_removes_it() -> None:
    store = store_of(E="todo")
    apply_issue(store, "a", Issue(C.TODO, parent="E"))
    apply_issue(store, "b", Issue(C.DONE))
    assert causes(store, "b", Issue(C.DONE, parent="E")) == [Cause.SCOPE_ADDED]
    assert causes(store, "b", Issue(C.DONE)) == [Cause.SCOPE_REMOVED]


def test_moving_to_a_link_of_another_weight_reweighs() -> None:
    store = store_of(E="todo", G="todo")
    for name, parent in (("a", "E"), ("b", "E"), ("c", "G"), ("d", "G")):
        apply_issue(store, name, Issue(C.DONE if name == "b" else C.TODO, parent=parent))
    set_weight(store, "K", "G", F(3))
    assert causes(store, "b", Issue(C.DONE, parent="G")) == [Cause.REWEIGHTED]
    assert causes(store, "b", Issue(C.DONE, parent="G")) == []


def test_a_new_estimate_is_a_resize_never_delivery() -> None:
    store = store_of(Options(size_by=SizeBy.ESTIMATE), a="done", b="todo")
    (movement,), _ = apply_issue(store, "a", Issue(C.DONE, F(9)))
    assert movement.cause is Cause.RESIZED
    assert movement.change.delta == F(9, 10) - F(1, 2)


def test_one_report_with_three_changes_makes_three_entries_that_sum() -> None:
    store = store_of(Options(size_by=SizeBy.ESTIMATE), E="todo", b="todo")
    apply_issue(store, "a", Issue(C.TODO))
    start = store.sums("K").snapshot(store.options("K")).progress
    movements, changes = apply_issue(store, "a", Issue(C.DONE, F(3), "E"))
    assert [movement.cause for movement in movements] == [Cause.RESIZED, Cause.COMPLETED]
    now = store.sums("K").snapshot(store.options("K")).progress
    assert start is not None
    assert now is not None
    assert sum(change.delta or 0 for change in changes) == now - start


def test_a_repeated_report_changes_nothing() -> None:
    store = store_of(a="todo")
    after = Issue(C.DONE, F(2), "p", 1)
    assert apply_issue(store, "a", after)[0]
    assert apply_issue(store, "a", after) == ([], [])


def test_a_first_link_claims_no_delta_and_the_last_one_gone_neither() -> None:
    store = DictStore({"K": Options()})
    set_class(store, "a", C.DONE)
    (first,) = add_link(store, Link("K", "a"))
    assert (first.before.progress, first.after.progress, first.delta) == (None, 1, None)
    (last,) = remove_link(store, "K", "a")
    assert (last.before.progress, last.after.progress, last.delta) == (1, None, None)


def test_another_way_of_counting_is_one_change() -> None:
    store = store_of(a="doing", b="todo")
    (change,) = set_options(store, "K", Options(kappa=F(1, 2)))
    assert change.delta == F(1, 4)
    assert set_options(store, "K", Options(kappa=F(1, 2))) == []


# ------------------------------------------------------------------ outcomes


def read(known: list[tuple[datetime, Fraction | None]], ledger: list[Entry], at: int, progress: str | None) -> None:
    """Enters a reading of day `at`, as it becomes known now."""
    moment, value = START + timedelta(days=at), None if progress is None else F(progress)
    ledger += [shift.entry("K", START) for shift in place_reading(known, moment, value)]
    known.append((moment, value))
    known.sort(key=lambda reading: reading[0])


def test_readings_in_order_are_one_row_each() -> None:
    known: list[Any] = []
    ledger: list[Entry] = []
    read(known, ledger, 1, "1/4")
    read(known, ledger, 8, "1/4")
    read(known, ledger, 15, "1/2")
    assert [(entry.before, entry.after, entry.delta) for entry in ledger] == [
        (None, F(1, 4), None),
        (F(1, 4), F(1, 2), F(1, 4)),
    ]
    assert ledger[0].number is Number.OUTCOME


def test_a_late_reading_holds_until_the_next_known_one_and_the_present_stays() -> None:
    known: list[Any] = []
    ledger: list[Entry] = []
    read(known, ledger, 1, "1/10")
    read(known, ledger, 20, "1/2")
    read(known, ledger, 10, "3/10")
    days = {1: F(1, 10), 9: F(1, 10), 10: F(3, 10), 19: F(3, 10), 20: F(1, 2), 30: F(1, 2)}
    assert {day: fold(ledger, START + timedelta(days=day)).progress for day in days} == days
    assert sum(entry.delta or 0 for entry in ledger) == F(1, 2) - F(1, 10)
    assert [entry.cause for entry in ledger[2:]] == [Cause.MEASURED, Cause.CORRECTED]


@given(st.permutations(range(6)), st.lists(st.none() | st.fractions(0, 1, max_denominator=5), min_size=6, max_size=6))
def test_readings_in_any_order_fold_to_the_same_past(order: list[int], values: list[Fraction | None]) -> None:
    known: list[Any] = []
    ledger: list[Entry] = []
    for day in order:
        read(known, ledger, day, None if values[day] is None else str(values[day]))
    for day in range(6):
        assert fold(ledger, START + timedelta(days=day)).progress == values[day]
    assert fold(ledger).progress == values[5]


# ------------------------------------------------------------------ sums and folds

steps = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.builds(
            Issue,
            cls=st.sampled_from(IssueClass),
            estimate=st.sampled_from([None, F(0), F(2)]),
            parent=st.none() | st.sampled_from("abcde"),
            level=st.sampled_from([-1, 0]),
        ),
    ),
    max_size=25,
)


def play(history: list[tuple[str, Issue]], options: Options) -> tuple[DictStore, list[Entry]]:
    """The history after linking a and b; one hour from event to event."""
    store = DictStore({"K": options})
    for name in "ab":
        add_link(store, Link("K", name, ONE))
    ledger: list[Entry] = []
    for hour, (issue, after) in enumerate(history):
        at = START + timedelta(hours=hour)
        ledger += [movement.entry(at, at) for movement in apply_issue(store, issue, after)[0]]
    return store, ledger


@given(steps, st.sampled_from([Options(), Options(size_by=SizeBy.ESTIMATE, sub_credit=True, kappa=F(1, 3))]))
def test_deltas_of_an_unbroken_stretch_sum_to_the_net_change(history: list[Any], options: Options) -> None:
    store, ledger = play(history, options)
    snapshot = store.sums("K").snapshot(options)
    assert (fold(ledger).num, fold(ledger).den) == (snapshot.num, snapshot.den)
    start = total = None
    for entry in ledger:
        if entry.delta is None or total is None:
            start, total = entry.after, F(0)
        else:
            total += entry.delta
    if start is not None and total is not None:
        assert snapshot.progress == start + total
    else:
        assert snapshot.progress is None


@given(steps, st.randoms(use_true_random=False))
def test_a_fold_gives_every_past_state_whatever_the_order_of_the_rows(history: list[Any], random: Any) -> None:
    _, ledger = play(history, Options())
    random.shuffle(ledger)
    for hours in range(0, len(history), 5):
        earlier, _ = play(history[: hours + 1], Options())
        snapshot = earlier.sums("K").snapshot(Options())
        folded = fold(ledger, START + timedelta(hours=hours))
        assert (folded.num, folded.den, folded.progress) == (snapshot.num, snapshot.den, snapshot.progress)


@given(steps, st.randoms(use_true_random=False))
def test_the_same_final_reports_converge_whatever_the_order_and_the_repeats(history: list[Any], random: Any) -> None:
    final = dict(history)
    straight, _ = play(list(final.items()), Options(sub_credit=True))
    shuffled = [*final.items(), *final.items()]
    random.shuffle(shuffled)
    other, _ = play([*history, *shuffled], Options(sub_credit=True))
    assert straight.sums("K").snapshot(Options()) == other.sums("K").snapshot(Options())
    assert straight.units == other.units
    same = {name: (node.parent, node.below) for name, node in straight.nodes.items()}
    assert {name: (node.parent, node.below) for name, node in other.nodes.items() if name in same} == same


# ------------------------------------------------------------------ words


def entry(cause: Cause, before: str, after: str, issue: str = "i") -> Entry:
    (n0, d0), (n1, d1) = (map(F, side.split("/")) for side in (before, after))
    return Entry("K", Number.WORK, cause, issue, n0, d0, n1, d1, START, START)


def test_an_entry_names_its_movement_and_its_cause() -> None:
    assert in_words(entry(Cause.COMPLETED, "4/12", "5/12")) == "+8 pp: 1 issue done"
    assert in_words(entry(Cause.SCOPE_REMOVED, "1/2", "1/1")) == "+50 pp: last open issue unlinked"
    assert in_words(entry(Cause.SCOPE_REMOVED, "1/4", "1/3")) == "+8 pp: 1 issue unlinked"
    assert in_words(entry(Cause.SCOPE_REMOVED, "2/2", "1/1")) == "0 pp: 1 issue unlinked"
    assert in_words(entry(Cause.DROPPED, "1/2", "1/1")) == "+50 pp: last open issue dropped"
    assert in_words(entry(Cause.COMPLETED, "1/2", "2/2")) == "+50 pp: 1 issue done"
    assert in_words(entry(Cause.SCOPE_ADDED, "0/0", "1/2")) == "now 50%: 1 issue added"
    assert in_words(entry(Cause.DELETED, "1/2", "0/0")) == "no number any more: 1 issue deleted"
    assert in_words(entry(Cause.STARTED, "1/2", "1/2")) == "0 pp: 1 issue started"


def test_entries_of_a_cause_are_told_together() -> None:
    added = [entry(Cause.SCOPE_ADDED, f"8/{n}", f"8/{n + 1}", f"n{n}") for n in range(10, 15)]
    done = [entry(Cause.COMPLETED, "8/15", "9/15", "a"), entry(Cause.REOPENED, "9/15", "8/15", "a")]
    assert summary([*added, *done]) == ["-27 pp: 5 issues added", "+7 pp: 1 issue done", "-7 pp: 1 issue reopened"]


def test_an_issue_that_moved_twice_is_one_issue() -> None:
    twice = [entry(Cause.COMPLETED, "1/4", "2/4", "a"), entry(Cause.COMPLETED, "1/4", "2/4", "a")]
    assert summary(twice) == ["+50 pp: 1 issue done"]


def test_a_first_number_is_told_by_itself() -> None:
    rows = [entry(Cause.SCOPE_ADDED, "0/0", "0/1", "a"), entry(Cause.SCOPE_ADDED, "0/1", "0/2", "b")]
    assert summary(rows) == ["now 0%: 1 issue added", "0 pp: 1 issue added"]


def test_every_cause_has_its_words() -> None:
    for cause in Cause:
        assert in_words(entry(cause, "1/2", "1/2")).startswith("0 pp: ")
