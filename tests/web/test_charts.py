"""The geometry of a key result's chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from web.charts import LABEL_GAP, Drawing, Marker, Reading, draw, thin_out

START, END = date(2026, 7, 1), date(2026, 9, 30)
SHARES = st.one_of(st.none(), st.fractions(0, 1))


def readings(*shares: tuple[str | None, str | None]) -> list[Reading]:
    return [
        Reading(START + timedelta(days=day), *(None if one is None else Fraction(one) for one in pair), "o", "w")
        for day, pair in enumerate(shares)
    ]


def chart(rows: list[Reading], markers: Sequence[Marker] = (), today: date = START, width: int = 920) -> Drawing:
    return draw(rows, markers, starts_on=START, ends_on=END, today=today, width=width)


def test_an_even_pace_is_the_diagonal_of_the_plot() -> None:
    days = (END - START).days + 1
    even = [Reading(START + timedelta(days=day), Fraction(day + 1, days), None) for day in range(days)]
    drawn = chart(even, today=END)
    assert drawn.outcome_dot == (drawn.box.right, drawn.box.top)


def test_nothing_known_is_a_gap_and_not_zero() -> None:
    drawn = chart(readings(("0", None), (None, None), ("1/2", None), ("1/2", None)))
    assert drawn.outcome.count("M") == 2
    assert drawn.work == ""
    assert drawn.work_dot is None
    assert drawn.work_label is None


def test_between_two_values_there_is_a_step_and_no_slope() -> None:
    assert re.fullmatch(
        r"M[\d.]+ [\d.]+(H[\d.]+(V[\d.]+)?)*", chart(readings(("0", "0"), ("1/2", "0"), ("1", "0"))).outcome
    )


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    drawn = chart(readings(("1/2", "1/2")))
    assert drawn.outcome_label is not None
    assert drawn.work_label is not None
    assert abs(drawn.outcome_label.y - drawn.work_label.y) >= LABEL_GAP


def test_today_is_drawn_only_within_the_cycle() -> None:
    assert chart([], today=START).today is not None
    assert chart([], today=START - timedelta(days=1)).today is None
    assert chart([], today=END + timedelta(days=1)).today is None


def test_marks_of_one_kind_on_one_day_are_one_glyph_with_all_words() -> None:
    markers = [
        Marker(START, "scope", "2 added"),
        Marker(START, "scope", "1 dropped"),
        Marker(START, "check_in", "said"),
    ]
    drawn = chart([], markers)
    assert [(one.kind, one.words) for one in drawn.glyphs] == [("check_in", "said"), ("scope", "2 added; 1 dropped")]


def test_what_lies_outside_the_cycle_is_left_out() -> None:
    early = [Reading(START - timedelta(days=1), Fraction(1), Fraction(1))]
    drawn = chart(early, [Marker(END + timedelta(days=1), "scope", "late")])
    assert drawn.outcome == ""
    assert drawn.glyphs == []


def test_days_on_the_axis_have_room() -> None:
    for width in (360, 920):
        ticks = draw([], [], starts_on=date(2026, 9, 28), ends_on=date(2027, 9, 27), today=START, width=width).ticks
        assert all(after.x - before.x >= 48 for before, after in pairwise(ticks))


def test_a_cycle_of_one_day_can_be_drawn() -> None:
    drawn = draw(readings(("1", "0")), [], starts_on=START, ends_on=START, today=START)
    assert drawn.outcome_dot is not None


def test_the_table_keeps_changes_and_the_last_day() -> None:
    rows = readings(("0", None), ("0", None), ("1/2", None), ("1/2", None), ("1/2", None))
    assert [row.on.day for row in thin_out(rows)] == [1, 3, 5]
    assert thin_out([]) == []


@given(st.lists(st.tuples(SHARES, SHARES), max_size=92), st.sampled_from([360, 920]))
def test_every_point_lies_inside_the_plot(shares: list[tuple[Fraction | None, Fraction | None]], width: int) -> None:
    rows = [Reading(START + timedelta(days=day), *pair) for day, pair in enumerate(shares)]
    drawn = chart(rows, width=width)
    for path in (drawn.outcome, drawn.work):
        for x in re.findall(r"[MH]([\d.]+)", path):
            assert drawn.box.left <= float(x) <= drawn.box.right
        for y in re.findall(r"(?:V|M[\d.]+ )([\d.]+)", path):
            assert drawn.box.top <= float(y) <= drawn.box.bottom
