"""How the planning sheet says gains, sizes, and when a sprint runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from connector.planning.plan import PlannedSprint
from connector.planning.sheet_words import days_of, exact_points, percent_of, place, size_words, state_words

F = Fraction
NOW = datetime(2026, 8, 3, 22, 30, tzinfo=UTC)  # already the 4th in Berlin
ZONE = "Europe/Berlin"


def sprint(**more: Any) -> PlannedSprint:
    whole: dict[str, Any] = {
        "id": 1, "connection_id": "c", "tracker": "toy", "site": "", "external_id": "7", "name": "Sprint 7",
        "state": "active", "board": "3", "board_name": "", "starts_at": NOW, "ends_at": NOW + timedelta(days=14),
        "read_at": NOW, "offline_since": None,
    }  # fmt: skip
    return PlannedSprint(**{**whole, **more})


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("gain", "words"),
    [(F(9, 125), "+7.2 pp"), (F(1, 25), "+4.0 pp"), (F(-1, 60), "−1.67 pp"), (F(0), "0 pp"), (F(1), "+100.0 pp")],
)
def test_a_gain_is_said_finer_than_a_whole_point(gain: Fraction, words: str) -> None:
    assert plain(exact_points(gain)) == words


def test_shares_read_as_percentages_and_never_claim_all_or_nothing() -> None:
    assert [plain(percent_of(one)) for one in (F(2, 5), F(199, 200), F(1, 999), F(1), None)] == [
        "40 %", ">99 %", "<1 %", "100 %", "–",
    ]  # fmt: skip
    assert [place(one) for one in (F(1, 3), F(0), None)] == ["33.333", "0", "0"]


def test_sizes_are_points_or_else_issues() -> None:
    assert [plain(size_words(*one)) for one in ((F(8), "pt"), (F(1), ""), (F(5, 2), ""))] == [
        "8 pt", "1 issue", "2.5 issues",
    ]  # fmt: skip


def test_a_sprint_runs_by_the_workspace_s_own_days() -> None:
    assert plain(days_of(sprint(), NOW, ZONE)) == "4 Aug – 18 Aug"
    assert plain(days_of(sprint(), NOW, "UTC")) == "3 Aug – 17 Aug"
    assert days_of(sprint(starts_at=None, ends_at=None), NOW, ZONE) == "no dates yet"
    assert plain(days_of(sprint(ends_at=None), NOW, ZONE)) == "from 4 Aug"
    assert plain(days_of(sprint(starts_at=None), NOW, ZONE)) == "until 18 Aug"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "running, 14 days left"),
        ({"ends_at": NOW + timedelta(days=1)}, "running, 1 day left"),
        ({"ends_at": NOW}, "running, ends today"),
        ({"ends_at": NOW - timedelta(days=1)}, "running, 1 day over"),
        ({"ends_at": None}, "running"),
        ({"state": "future"}, "not started"),
        ({"state": "closed"}, "closed"),
    ],
)
def test_a_sprint_says_where_in_its_life_it_stands(changes: dict[str, Any], words: str) -> None:
    assert plain(state_words(sprint(**changes), NOW, ZONE)) == words
