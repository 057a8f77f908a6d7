"""The panel's words."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from connector.issue_panel import EffectOfClosing
from connector.models import Issue, KeyResult, LedgerEntry
from jira_app.panel_view import cause_row, change_words, effect_words, range_of, safe_address, where_of
from mapping import display

NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)


def key_result(**more: Any) -> KeyResult:
    return KeyResult(**{"title": "Activation rate", "kind": "metric", "unit": "%", "settings": {}} | more)


def card(work: Fraction | None, outcome: Fraction | None = None) -> Any:
    return SimpleNamespace(
        work=SimpleNamespace(progress=work, display=display.percent(work)),
        outcome=SimpleNamespace(progress=outcome, display=display.percent(outcome)),
    )


def plain(words: str) -> str:
    return words.replace("\u00a0", " ")


def row(**more: Any) -> LedgerEntry:
    zero, one, two = Fraction(0), Fraction(1), Fraction(2)
    return LedgerEntry(
        **{
            "key_result_id": "k",
            "number": "work",
            "cause": "completed",
            "numerator_before": zero,
            "denominator_before": two,
            "numerator_after": one,
            "denominator_after": two,
            "before": zero,
            "after": Fraction(1, 2),
            "delta": Fraction(1, 2),
            "happened_at": NOW,
            "learned_at": NOW,
        }
        | more
    )


def test_a_key_result_says_from_where_to_where() -> None:
    assert plain(range_of(key_result(baseline=Fraction(22), target=Fraction(35)))) == "22 % → 35 %"


def test_a_title_that_says_so_already_is_not_repeated() -> None:
    told = key_result(title="Activation rate from 22 % to 35 %", baseline=Fraction(22), target=Fraction(35))
    assert range_of(told) == ""


@pytest.mark.parametrize(
    ("band", "words"),
    [(["99.5", None], "at least 99.5 %"), ([None, "3"], "at most 3 %"), (["1/2", "3"], "within 0.5 to 3 %")],
)
def test_a_band_is_said_with_its_open_end(band: list[str | None], words: str) -> None:
    assert plain(range_of(key_result(kind="maintain", settings={"band": band}))) == words


def test_an_action_says_what_it_did_to_the_numbers() -> None:
    assert plain(change_words(card(Fraction(2, 5)), card(Fraction(38, 100)))) == "Work 40 % → 38 %."
    assert plain(change_words(card(None), card(Fraction(0)))) == "Work is now 0 %."
    assert plain(change_words(card(Fraction(1, 2)), card(None))) == "Work 50 % → –: nothing counted any more."
    assert plain(change_words(card(Fraction(1, 2)), card(Fraction(1, 2)))) == "Work stays at 50 %."
    assert plain(change_words(card(Fraction(500, 1000)), card(Fraction(501, 1000)))) == "Work +0.1 pp, still 50 %."


def test_an_outcome_that_follows_from_work_is_told_only_if_it_moved() -> None:
    before, after = card(Fraction(1, 4), Fraction(1, 10)), card(Fraction(1, 2), Fraction(1, 5))
    assert plain(change_words(before, after)) == "Work 25 % → 50 %. Outcome 10 % → 20 %."


def test_closing_is_told_in_points_or_in_words() -> None:
    assert plain(effect_words(EffectOfClosing(Fraction(2, 25), "work +8 pp"))) == "Closing this ticket: work +8 pp"
    assert effect_words(EffectOfClosing(None, "nothing by itself")) == "Closing this ticket: nothing by itself"
    assert effect_words(EffectOfClosing(None, "")) == ""


def test_a_rise_because_work_was_taken_out_does_not_look_like_delivery() -> None:
    done = cause_row(row())
    left = cause_row(
        row(cause="scope_removed", numerator_before=Fraction(1), denominator_after=Fraction(1), after=Fraction(1))
    )

    assert (done.words, done.delivered) == ("done", True)
    assert (left.words, left.delivered) == ("last open issue unlinked", False)


def test_a_first_number_claims_no_delta() -> None:
    first = cause_row(row(cause="scope_added", before=None, delta=None, after=Fraction(1, 2)))
    assert (first.delta, plain(first.after_words)) == (None, "now 50 %")


def test_only_web_addresses_become_links() -> None:
    assert safe_address("https://acme.atlassian.net/browse/ATL-1") == "https://acme.atlassian.net/browse/ATL-1"
    assert safe_address("javascript:alert(1)") == ""
    assert safe_address("data:text/html,x") == ""
    assert safe_address("http://[") == ""
    assert cause_row(row(issue=Issue(key="A-1", title="x", url="javascript:alert(1)"))).issue_url == ""


def test_whose_an_objective_is() -> None:
    assert where_of("Acme", "company") == "company"
    assert plain(where_of("Atlas", "team")) == "team Atlas"
