"""Where numbers are rounded for people."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mapping.display import decimal, half_up, percent, points, rational, raw_percent, signed_points

F = Fraction


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (None, "–"),
        (F(0), "0%"),
        (F(1), "100%"),
        (F(1, 1000), "<1%"),
        (F(49, 10_000), "<1%"),
        (F(5, 1000), "1%"),
        (F(1, 3), "33%"),
        (F(995, 1000), ">99%"),
        (F(9949, 10_000), "99%"),
        (F(992, 1000), "99%"),
        (F(999_999, 1_000_000), ">99%"),
        (F(125, 1000), "13%"),
        (F(124_999, 1_000_000), "12%"),
        (F(1, 8) + F(1, 100), "14%"),
    ],
)
def test_progress_in_whole_per_cent(progress: Fraction | None, shown: str) -> None:
    assert percent(progress) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, "–"),
        (F(-1, 3), "-33%: worse than the baseline"),
        (F(-1, 1000), "<0%: worse than the baseline"),
        (F(138, 100), "138%"),
        (F(1001, 1000), ">100%"),
        (F(4, 3), "133%"),
        (F(1), "100%"),
        (F(0), "0%"),
        (F(999, 1000), ">99%"),
    ],
)
def test_raw_numbers_are_not_clamped(raw: Fraction | None, shown: str) -> None:
    assert raw_percent(raw) == shown


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (F(1, 25), "4.0"),
        (F(38, 530), "7.17"),
        (F(0), "0.0"),
        (F(1, 200), "0.5"),
        (F(71, 1000), "7.1"),
        (F(12_345, 1_000_000), "1.23"),
        (F(12_350, 1_000_000), "1.24"),
        (F(1), "100.0"),
        (F(-1, 25), "-4.0"),
        (F(-1, 1_000_000), "0.0"),
        (F(-12_350, 1_000_000), "-1.24"),
        (F(1, 10_000), "0.01"),
        (F(1, 20_000), "0.01"),
        (F(1, 20_001), "0.0"),
    ],
)
def test_percentage_points_keep_one_or_two_decimals(delta: Fraction, shown: str) -> None:
    assert points(delta) == shown


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (F(0), "0 pp"),
        (F(8, 100), "+8 pp"),
        (F(-27, 100), "-27 pp"),
        (F(-4, 15), "-27 pp"),
        (F(4, 1000), "+0.4 pp"),
        (F(-4, 1000), "-0.4 pp"),
        (F(99, 10_000), "+1 pp"),
        (F(96, 10_000), "+1 pp"),
        (F(94, 10_000), "+0.9 pp"),
        (F(1, 100_000), "+<0.1 pp"),
        (F(-1, 100_000), "-<0.1 pp"),
        (F(1, 100), "+1 pp"),
        (F(15, 1000), "+2 pp"),
        (F(1, 2), "+50 pp"),
    ],
)
def test_a_movement_never_reads_as_nothing(delta: Fraction, shown: str) -> None:
    assert signed_points(delta) == shown


def test_rationals_for_programs() -> None:
    assert [rational(value) for value in (None, F(8, 15), F(1), F(-1, 3))] == [None, "8/15", "1", "-1/3"]


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        (F(22), 2, "22"),
        (F(4195, 100), 2, "41.95"),
        (F(1, 3), 2, "0.33"),
        (F(-5, 2), 2, "-2.5"),
        (F(-1, 1000), 2, "0"),
        (F(2, 3), 0, "1"),
        (F(100), 2, "100"),
        (F(1, 100), 2, "0.01"),
    ],
)
def test_metric_values(value: Fraction, places: int, shown: str) -> None:
    assert decimal(value, places) == shown


def test_metric_values_have_two_decimals_at_most_unless_told_otherwise() -> None:
    assert decimal(F(1, 3)) == "0.33"


def test_a_half_goes_up() -> None:
    assert [half_up(F(n, 2)) for n in (-3, -1, 1, 3)] == [-1, 0, 1, 2]
