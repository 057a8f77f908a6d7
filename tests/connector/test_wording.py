"""Numbers, moments and causes in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from connector import wording
from mapping.ledger import Cause
from mapping.metric import Why
from mapping.status import Shown

NOW = datetime(2026, 8, 3, 12, 5, tzinfo=UTC)


def plain(words: str) -> str:
    return words.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("shown", "words"), [("46%", "46 %"), (">99%", ">99 %"), ("–", "–"), (None, "–"), ("-33%: worse", "−33 %: worse")]
)
def test_percentages_read_with_a_space_and_a_real_minus(shown: str | None, words: str) -> None:
    assert plain(wording.percent(shown)) == words


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (Fraction(8, 100), "+8 pp"),
        (Fraction(-27, 100), "−27 pp"),
        (Fraction(0), "0 pp"),
        (Fraction(1, 250), "+0.4 pp"),
        (None, "–"),
    ],
)
def test_changes_are_signed_percentage_points(delta: Fraction | None, words: str) -> None:
    assert plain(wording.points(delta)) == words


def test_values_carry_their_unit_and_group_their_thousands() -> None:
    assert plain(wording.measured(Fraction(28), "%")) == "28 %"
    assert plain(wording.measured(Fraction("-1250.5"), "EUR")) == "−1,250.5 EUR"
    assert wording.measured(None, "EUR") == "–"
    assert wording.decimal(Fraction(1, 3)) == "0.33"


def test_a_score_has_two_decimals() -> None:
    assert [wording.score(Fraction(number, 100)) for number in (82, 80, 100, 0)] == ["0.82", "0.80", "1.00", "0.00"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "just now"), (60, "1 min ago"), (3000, "50 min ago"), (7200, "2 h ago"), (3 * 86400, "3 days ago")],
)
def test_moments_are_relative_at_first(seconds: int, words: str) -> None:
    assert wording.ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_days_and_times_are_those_of_the_workspace() -> None:
    late = datetime(2026, 7, 20, 23, 30, tzinfo=UTC)
    assert wording.ago(late, NOW, "Europe/Berlin") == "21 Jul"
    assert wording.day(datetime(2025, 12, 31, 23, 30, tzinfo=UTC), NOW, "UTC") == "31 Dec 2025"
    assert wording.clock(NOW - timedelta(minutes=3), NOW, "Europe/Berlin") == "14:02"
    assert wording.clock(NOW - timedelta(days=1), NOW, "Europe/Berlin") == "yesterday 14:05"
    assert wording.absolute(NOW, "Europe/Berlin") == "3 August 2026, 14:05 CEST"


def test_every_cause_status_and_missing_number_has_words() -> None:
    assert {cause.value for cause in Cause} <= set(wording.CAUSE_WORDS)
    assert {status.value for status in Shown} <= set(wording.STATUS_WORDS)
    assert {why.value for why in Why} <= set(wording.REASON_WORDS)
