"""The drift point, from shares and from counts."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from mapping.drift import Drift, Silence, drift_of_counts, drift_of_shares

F = Fraction


def shares(text: str) -> list[Fraction | None]:
    return [None if part == "-" else F(part) for part in text.split()]


def test_the_worked_example_is_known_after_week_six() -> None:
    series = shares(".70 .68 .72 .66 .31 .28")
    assert drift_of_shares(series[:5]) is None
    assert drift_of_shares(series) == Drift(5, F(69, 100), F(59, 200))


def test_a_week_without_work_is_left_out_and_keeps_its_number() -> None:
    assert drift_of_shares(shares(".70 - .68 .72 .66 - .31 .28")) == Drift(7, F(69, 100), F(59, 200))


def test_a_rise_is_no_drift() -> None:
    assert drift_of_shares(shares(".3 .3 .3 .7 .7 .7")) is None


def test_each_side_needs_two_weeks() -> None:
    assert drift_of_shares(shares(".7 .7 .1")) is None
    assert drift_of_shares(shares(".7 .7 .1 .1")) == Drift(3, F(7, 10), F(1, 10))
    assert drift_of_shares(shares(".7 .7 .7 .7 .7 .1")) is None
    assert drift_of_shares([]) is None


def test_a_fall_of_exactly_twenty_points_is_reported_and_less_is_not() -> None:
    assert drift_of_shares(shares(".6 .6 .4 .4")) == Drift(3, F(6, 10), F(4, 10))
    assert drift_of_shares(shares(".6 .6 .401 .401")) is None


def test_a_fall_of_exactly_two_deviations_is_reported_and_less_is_not() -> None:
    # Means .7 and .2; squares 2 * .15**2 + 2 * .2**2 = .125, over n - 2 = 2: one deviation is .25, half of the fall.
    assert drift_of_shares(shares(".85 .55 .4 0")) == Drift(3, F(7, 10), F(2, 10))
    assert drift_of_shares(shares(".8501 .5499 .4 0")) is None


def test_the_earliest_of_equally_good_splits_wins() -> None:
    assert drift_of_shares(shares("1 1 .5 0 0")) == Drift(3, F(1), F(1, 6))


# ------------------------------------------------------------------ counts


def test_many_items_are_strong_evidence_and_a_few_are_not() -> None:
    strong, weak = [(14, 20)] * 4 + [(6, 20)] * 2, [(2, 3)] * 4 + [(1, 3)] * 2
    assert drift_of_counts(strong) == Drift(5, F(7, 10), F(3, 10))
    assert drift_of_counts(weak) is Silence.TOO_LITTLE_WORK


def test_levels_are_pooled_over_items_not_over_weeks() -> None:
    found = drift_of_counts([(90, 100), (5, 10), (1, 50), (1, 50), (2, 50)])
    assert found == Drift(3, F(95, 110), F(4, 150))


def test_a_week_without_work_has_no_share_but_a_number() -> None:
    assert drift_of_counts([(14, 20), (0, 0), (14, 20), (14, 20), (0, 0), (2, 20), (3, 20)]) == Drift(
        6, F(7, 10), F(5, 40)
    )


def test_a_small_fall_is_no_drift_however_sure() -> None:
    assert drift_of_counts([(600, 1000)] * 3 + [(450, 1000)] * 3) is Silence.NO_FALL


def test_a_rise_or_a_level_is_no_fall() -> None:
    assert drift_of_counts([(5, 20)] * 3 + [(15, 20)] * 3) is Silence.NO_FALL
    assert drift_of_counts([(10, 20)] * 6) is Silence.NO_FALL
    assert drift_of_counts([(20, 20)] * 6) is Silence.TOO_LITTLE_WORK


@pytest.mark.parametrize("weeks", [[], [(1, 2)], [(5, 5), (0, 5), (0, 5)], [(0, 0)] * 9, [(1, 1)] * 3 + [(0, 1)] * 2])
def test_too_little_to_tell(weeks: list[tuple[int, int]]) -> None:
    assert drift_of_counts(weeks) is Silence.TOO_LITTLE_WORK


@pytest.mark.parametrize("week", [(3, 2), (-1, 2)])
def test_counts_that_can_not_be_are_refused(week: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="aligned items"):
        drift_of_counts([week])


def test_any_number_of_items_is_answered() -> None:
    many = [(7 * 10**30, 10**31)] * 3 + [(1, 1)] + [(3 * 10**30, 10**31)] * 3
    found = drift_of_counts(many)
    assert isinstance(found, Drift)
    assert found.first_week_after == 5


def test_the_chance_is_counted_exactly() -> None:
    # Two weeks of two, then two of two: of the 70 ways to spread 4 aligned items over 8, one is as steep.
    from mapping.drift import _Scan

    assert _Scan([(2, 2), (2, 2), (0, 2), (0, 2)]).chance() == F(1, 70)
    # 3 of 4 before, 1 of 4 after: 16 ways, and the one that is steeper.
    assert _Scan([(2, 2), (1, 2), (1, 2), (0, 2)]).chance() == F(17, 70)


def quarter(rng: random.Random, weekly: int, share: float, later: float | None = None) -> list[tuple[int, int]]:
    totals = [max(0, round(rng.gauss(weekly, weekly**0.5))) for _ in range(13)]
    levels = [share if later is None or week < 6 else later for week in range(13)]
    return [
        (sum(rng.random() < level for _ in range(total)), total) for total, level in zip(totals, levels, strict=True)
    ]


@pytest.mark.parametrize(("weekly", "share"), [(8, 0.3), (12, 0.5), (20, 0.7)])
def test_a_quarter_watched_week_by_week_raises_at_most_five_false_alarms_in_a_hundred(
    weekly: int, share: float
) -> None:
    rng = random.Random(20261121)
    quarters = [quarter(rng, weekly, share) for _ in range(300)]
    alarms = sum(any(isinstance(drift_of_counts(q[:n]), Drift) for n in range(4, 14)) for q in quarters)
    assert alarms <= 15


def test_a_real_fall_is_found_within_a_week_or_so_of_where_it_was() -> None:
    rng = random.Random(20261121)
    found = [drift_of_counts(quarter(rng, 15, 0.7, 0.3)) for _ in range(100)]
    near = sum(isinstance(drift, Drift) and abs(drift.first_week_after - 7) <= 1 for drift in found)
    assert near >= 90
