"""Outcomes of every kind of key result, and their roll-up."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mapping.metric import (
    Aggregate,
    CheckpointError,
    Maintained,
    Why,
    checkpoints,
    claimed_value,
    issue_count,
    maintain,
    metric,
    milestone,
    query_value,
)
from mapping.rollup import Kind, Mean, roll_up, stands_for

F = Fraction


# ------------------------------------------------------------------ metric rule


@pytest.mark.parametrize(
    ("value", "raw", "progress"),
    [("6.5", "1/2", "1/2"), ("9", "-1/3", "0"), ("4", "4/3", "1"), ("5", "1", "1"), ("8", "0", "0")],
)
def test_a_falling_metric(value: str, raw: str, progress: str) -> None:
    outcome = metric(F(8), F(5), F(value))
    assert (outcome.raw, outcome.progress, outcome.why) == (F(raw), F(progress), None)


def test_a_rising_metric_across_zero() -> None:
    assert metric(F(-30), F(30), F(0)).progress == F(1, 2)


def test_no_value_is_not_measured_and_says_so_first() -> None:
    assert metric(F(1), F(2), None).why is Why.NOT_MEASURED
    assert metric(F(1), F(1), None).why is Why.NOT_MEASURED


def test_old_data_of_no_width_has_no_progress() -> None:
    for value in (F(0), F(1), F(2)):
        outcome = metric(F(1), F(1), value)
        assert (outcome.raw, outcome.progress, outcome.why) == (None, None, Why.ZERO_WIDTH_INVALID)


# ------------------------------------------------------------------ checkpoints

BENT = [(F(50), F(4, 10)), (F(80), F(7, 10))]


@pytest.mark.parametrize(
    ("value", "progress"),
    [("0", "0"), ("25", "1/5"), ("50", "2/5"), ("60", "1/2"), ("80", "7/10"), ("90", "17/20"), ("100", "1"),
     ("-5", "0"), ("120", "1")],
)  # fmt: skip
def test_checkpoints_bend_the_line(value: str, progress: str) -> None:
    assert checkpoints(F(0), F(100), F(value), BENT).progress == F(progress)
    assert checkpoints(F(0), F(100), F(value), BENT[::-1]).progress == F(progress)


def test_checkpoints_of_a_falling_metric_are_taken_in_its_direction() -> None:
    points = [(F(20), F(9, 10)), (F(50), F(4, 10))]
    assert checkpoints(F(100), F(0), F(75), points).progress == F(1, 5)
    assert checkpoints(F(100), F(0), F(35), points).progress == F(13, 20)
    assert checkpoints(F(100), F(0), F(10), points).progress == F(19, 20)


def test_without_checkpoints_the_line_is_straight() -> None:
    assert checkpoints(F(0), F(4), F(1), []).progress == F(1, 4)


def test_checkpoints_need_a_value_and_a_width() -> None:
    assert checkpoints(F(0), F(4), None, BENT).why is Why.NOT_MEASURED
    assert checkpoints(F(4), F(4), F(1), BENT).why is Why.ZERO_WIDTH_INVALID


def test_the_raw_number_beside_checkpoints_stays_straight() -> None:
    assert checkpoints(F(0), F(100), F(150), BENT).raw == F(3, 2)


@pytest.mark.parametrize(
    "points",
    [[("101", "1/2")], [("-1", "1/2")], [("50", "11/10")], [("50", "-1/10")], [("50", "1/2"), ("50", "1/3")],
     [("0", "1/10")], [("100", "9/10")]],
)  # fmt: skip
def test_checkpoints_that_can_not_be_are_refused(points: list[tuple[str, str]]) -> None:
    with pytest.raises(CheckpointError) as refused:
        checkpoints(F(0), F(100), F(1), [(F(value), F(progress)) for value, progress in points])
    assert refused.value.reason == "checkpoint_invalid"


def test_the_ends_may_be_said_and_a_checkpoint_twice() -> None:
    points = [(F(0), F(0)), (F(50), F(1, 4)), (F(50), F(1, 4)), (F(100), F(1))]
    assert checkpoints(F(0), F(100), F(25), points).progress == F(1, 8)


# ------------------------------------------------------------------ other kinds


def test_both_ends_belong_to_a_band() -> None:
    assert maintain(F(1), F(2), [F(1), F(2)]).average == 1
    assert maintain(F(1), F(2), [F(9, 10), F(21, 10)]).average == 0


def test_an_open_end_lets_everything_in() -> None:
    assert maintain(None, F(2), [F(-99), F(3)]).average == F(1, 2)
    assert maintain(F(2), None, [F(99), F(1)]).average == F(1, 2)
    assert maintain(None, None, [F(99)]).average == 1


def test_periods_without_a_value_do_not_count() -> None:
    held = maintain(F(1), F(2), [F(1), None, F(3), F(2), None])
    assert held == Maintained(F(2, 3), F(1), F(0))
    assert maintain(F(1), F(2), [F(1), F(3), None]).latest == 0
    assert maintain(F(1), F(2), [F(1), F(2)]).minimum == 1


def test_nothing_measured_is_no_number() -> None:
    assert maintain(F(1), F(2), []) == maintain(F(1), F(2), [None, None]) == Maintained(None, None, None)


def test_milestones_weigh() -> None:
    assert milestone([(F(3), True), (F(1), False)]) == F(3, 4)
    assert milestone([(F(1), False)]) == 0
    assert milestone([]) is None
    assert milestone([(F(0), True)]) is None


def test_counted_issues_have_a_fixed_target() -> None:
    assert issue_count(F(0), F(20), 14).progress == F(7, 10)
    assert issue_count(F(10), F(20), 5).progress == F(1, 2)
    assert issue_count(F(0), F(4), 6).raw == F(3, 2)


def test_queries_become_values() -> None:
    matches = [F(1), F(4), None]
    assert query_value(Aggregate.COUNT, matches) == 3
    assert query_value(Aggregate.SUM, matches) == 5
    assert query_value(Aggregate.AVERAGE, matches) == F(5, 2)


def test_an_empty_query_counts_and_sums_to_zero_and_has_no_average() -> None:
    assert [query_value(aggregate, []) for aggregate in Aggregate] == [0, 0, None]
    assert query_value(Aggregate.AVERAGE, [None]) is None


def test_only_finished_links_claim() -> None:
    assert claimed_value(F(22), [(F(3), True), (F(5), False), (F(-1, 2), True)]) == F(49, 2)
    assert claimed_value(F(22), []) == 22


# ------------------------------------------------------------------ roll-up


def test_a_roll_up_is_a_weighted_mean_with_coverage() -> None:
    rolled = roll_up([(F(1), F(3)), (F(0), F(1)), (None, F(9)), (F(1, 2), F(0))])
    assert (rolled.progress, rolled.coverage) == (F(3, 4), "3 of 4 measured")


def test_where_all_measured_weigh_nothing_they_count_equally() -> None:
    assert roll_up([(F(1), F(0)), (F(0), F(0)), (None, F(5))]).progress == F(1, 2)


def test_the_minimum_is_over_the_measured_ones_whatever_they_weigh() -> None:
    assert roll_up([(F(1), F(9)), (F(1, 10), F(0)), (None, F(1))], Mean.MIN).progress == F(1, 10)


@pytest.mark.parametrize("mean", Mean)
def test_nothing_measured_rolls_up_to_no_number(mean: Mean) -> None:
    rolled = roll_up([(None, F(1)), (None, F(2))], mean)
    assert (rolled.progress, rolled.coverage) == (None, "0 of 2 measured")
    assert roll_up([], mean).coverage == "0 of 0 measured"


def test_the_kind_decides_which_number_stands_for_a_key_result() -> None:
    for kind in Kind:
        expected = F(1, 4) if kind is Kind.ISSUE_RATIO else F(3, 4)
        assert stands_for(kind, outcome=F(3, 4), work=F(1, 4)) == expected
        assert kind.counts_output == (kind in {Kind.ISSUE_RATIO, Kind.ISSUE_COUNT})
    assert stands_for(Kind.METRIC, outcome=None, work=F(1)) is None
