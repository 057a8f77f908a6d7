"""Elapsed time, pace, bands, and what is said about a key result."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from mapping.pace import Opinion, Pace, Verdict, band, elapsed, pace, second_opinion
from mapping.status import Facts, Rule, Shown, Word, at_risk, is_disputed, scope_growth, shown_status

F = Fraction
START, END = date(2026, 7, 1), date(2026, 9, 30)


def test_both_ends_belong_to_the_cycle_and_elapsed_is_clamped() -> None:
    assert elapsed(START, END, START) == F(1, 92)
    assert elapsed(START, END, START - timedelta(days=1)) == 0
    assert elapsed(START, END, START - timedelta(days=400)) == 0
    assert elapsed(START, END, END) == 1
    assert elapsed(START, END, END + timedelta(days=1)) == 1
    assert elapsed(START, START, START) == 1


def test_a_cycle_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        elapsed(END, START, START)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("0", "red"), ("0.3999999", "red"), ("0.4", "yellow"), ("0.6999999", "yellow"), ("0.7", "green"), ("1", "green")],
)
def test_a_boundary_belongs_to_the_better_side(value: str, verdict: str) -> None:
    assert band(F(value)) == verdict


@pytest.mark.parametrize(
    ("progress", "passed", "projected", "status"),
    [
        ("0.3", "0.5", "3/5", "yellow"),
        ("0.9", "0.5", "1", "green"),
        ("0", "0.5", "0", "red"),
        ("0.1", "0.14999", "10000/14999", "too_early"),
        ("0.105", "0.15", "7/10", "green"),
        (None, "0.1", None, "not_measured"),
        (None, "0", None, "not_measured"),
        ("0.5", "0", None, "too_early"),
        ("0", "0", None, "too_early"),
    ],
)
def test_pace(progress: str | None, passed: str, projected: str | None, status: str) -> None:
    judged = pace(None if progress is None else F(progress), F(passed))
    assert judged == Pace(None if projected is None else F(projected), Verdict(status))


# ------------------------------------------------------------------ second opinion

DAY = date(2026, 8, 15)  # half of the cycle has passed


def readings(*points: tuple[int, str]) -> list[tuple[date, Fraction]]:
    """(days before today, progress), oldest first."""
    return [(DAY - timedelta(days=ago), F(progress)) for ago, progress in points]


def opinion(*points: tuple[int, str], progress: str = "1/2") -> Pace:
    return second_opinion(pace(F(progress), elapsed(START, END, DAY)), readings(*points), END, DAY)


def test_a_standstill_in_the_last_weeks_is_worse_than_the_pace_since_the_start() -> None:
    judged = opinion((20, "1/2"), (10, "1/2"), (0, "1/2"))
    assert judged == Pace(F(1, 2), Verdict.YELLOW, Opinion.LAST_28_DAYS)


def test_a_fall_in_the_last_weeks_projects_below_where_it_stands() -> None:
    judged = opinion((20, "7/10"), (10, "6/10"), (0, "1/2"))
    assert judged == Pace(F(1, 2) - F(46, 100), Verdict.RED, Opinion.LAST_28_DAYS)


def test_a_projected_slope_is_clamped() -> None:
    assert opinion((20, "1"), (10, "3/4"), (0, "1/2")).projected == 0


def test_a_better_slope_changes_nothing() -> None:
    assert opinion((20, "0"), (10, "1/4"), (0, "1/2")).rests_on is Opinion.SINCE_START


def test_two_values_or_values_of_one_day_or_old_ones_are_no_second_opinion() -> None:
    first = pace(F(1, 2), elapsed(START, END, DAY))
    assert opinion((20, "1/2"), (0, "1/2")) == first
    assert opinion((0, "1/2"), (0, "1/2"), (0, "1/2")) == first
    assert opinion((28, "1/2"), (10, "1/2"), (0, "1/2")) == first
    assert opinion((27, "1/2"), (10, "1/2"), (0, "1/2")) != first
    assert opinion((20, "1/2"), (10, "1/2"), (-1, "1/2")) == first


def test_where_there_is_no_verdict_yet_there_is_no_second_one() -> None:
    early = pace(F(1, 10), F(1, 10))
    assert second_opinion(early, readings((3, "1"), (2, "0"), (1, "0")), END, DAY) == early
    unmeasured = pace(None, F(1, 2))
    assert second_opinion(unmeasured, readings((3, "1"), (2, "0"), (1, "0")), END, DAY) == unmeasured


def test_after_the_end_the_slope_leads_nowhere_further() -> None:
    late = END + timedelta(days=3)
    values = [(END - timedelta(days=n), F(1, 2)) for n in (9, 5)] + [(late, F(4, 10))]
    assert second_opinion(pace(F(1, 2), F(1)), values, END, late).projected == F(4, 10)


# ------------------------------------------------------------------ status


def test_silence_is_never_green() -> None:
    assert shown_status(Facts()) is Shown.PENDING
    assert shown_status(Facts(evidence=Verdict.GREEN)) is Shown.PENDING


@pytest.mark.parametrize("word", Word)
def test_the_drivers_word_is_shown_until_it_is_outdated(word: Word) -> None:
    assert shown_status(Facts(word=word)) == word
    assert shown_status(Facts(word=word, days_late=3)) == word
    assert shown_status(Facts(word=word, days_late=4)) is Shown.OUTDATED
    assert shown_status(Facts(word=word, days_late=4, closed=True)) is Shown.CLOSED


def test_a_check_in_that_never_came_is_outdated_too() -> None:
    assert shown_status(Facts(days_late=4)) is Shown.OUTDATED


def test_only_green_against_red_is_disputed() -> None:
    for word in (None, *Word):
        for evidence in Verdict:
            expected = word is Word.GREEN and evidence is Verdict.RED
            assert is_disputed(Facts(word=word, evidence=evidence)) is expected


def rules(**facts: Any) -> list[str]:
    return [reason.rule.value for reason in at_risk(Facts(**facts))]


def test_nothing_known_is_no_reason_to_worry() -> None:
    assert rules() == []


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"evidence": Verdict.RED}, Rule.PACE_RED),
        ({"days_late": 4}, Rule.OUTDATED),
        ({"missed_check_ins": 2}, Rule.MISSED_CHECK_INS),
        ({"work_in_sprints": False}, Rule.NO_LINKED_WORK),
        ({"scope_committed": F(4), "scope_now": F(5)}, Rule.SCOPE_GREW),
        ({"confidence_before": F(8, 10), "confidence_now": F(5, 10)}, Rule.CONFIDENCE_FELL),
        ({"work": F(8, 10), "outcome": F(19, 100)}, Rule.DONE_NOT_MOVING),
        ({"outcome": F(1, 10), "outcome_at_start": F(0)}, Rule.MOVING_WITHOUT_WORK),
        ({"has_driver": False}, Rule.NO_DRIVER),
        ({"word": Word.RED}, Rule.RED_WITHOUT_PLAN),
        ({"parent_edited_unconfirmed": True}, Rule.PARENT_EDITED),
        ({"target_edited": True}, Rule.TARGET_EDITED),
    ],
)
def test_each_reason_by_itself(facts: dict[str, Any], rule: Rule) -> None:
    assert rules(**facts) == [rule]
    assert all(reason.words for reason in at_risk(Facts(**facts)))
    assert rules(**facts, closed=True) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"evidence": Verdict.YELLOW},
        {"evidence": Verdict.TOO_EARLY},
        {"days_late": 3},
        {"missed_check_ins": 1},
        {"work_in_sprints": True},
        {"scope_committed": F(100), "scope_now": F(124)},
        {"scope_committed": F(0), "scope_now": F(5)},
        {"scope_committed": F(4)},
        {"confidence_before": F(8, 10), "confidence_now": F(51, 100)},
        {"confidence_before": F(8, 10)},
        {"confidence_before": F(1, 10), "confidence_now": F(9, 10)},
        {"work": F(79, 100), "outcome": F(0)},
        {"work": F(1), "outcome": F(2, 10)},
        {"work": F(1)},
        {"work": F(1, 10), "outcome": F(1, 10), "outcome_at_start": F(0)},
        {"outcome": F(1, 10), "outcome_at_start": F(1, 10)},
        {"outcome": F(1, 10)},
        {"word": Word.RED, "has_plan": True},
        {"word": Word.YELLOW},
    ],
)
def test_just_short_of_a_reason(facts: dict[str, Any]) -> None:
    assert rules(**facts) == []


def test_a_dispute_is_named_beside_the_pace() -> None:
    assert rules(word=Word.GREEN, evidence=Verdict.RED) == ["pace_red", "disputed"]


def test_reasons_say_their_numbers() -> None:
    facts = Facts(
        scope_committed=F(4), scope_now=F(6), days_late=9, missed_check_ins=3,
        confidence_before=F(9, 10), confidence_now=F(1, 2), work=F(9, 10), outcome=F(1, 10),
    )  # fmt: skip
    assert [reason.words for reason in at_risk(facts)] == [
        "check-in 9 days late",
        "3 check-ins missed",
        "scope +50 % since commitment",
        "confidence down 40 pp",
        "done, not moving: work 90%, outcome 10%",
    ]
    assert scope_growth(facts) == F(1, 2)
