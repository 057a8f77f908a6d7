"""The tree of goals: order, depth, roll-ups, gaps, filters; and bad data that must not hang a page."""

from __future__ import annotations

from fractions import Fraction

from connector.goal_tree import DEEPEST, Row, objectives_of, plant, sift
from connector.models import Cycle, KeyResult, Objective
from connector.scorecard import scorecards
from tests.connector.conftest import NOW, Organisation


def rows_of(org: Organisation) -> list[Row]:
    with org.core.database.reading() as session:
        cycle = session.get_one(Cycle, "q")
        objectives = objectives_of(session, "w", cycle)
        held = [key_result for objective in objectives for key_result in objective.key_results]
        return plant(objectives, scorecards(session, "w", held, NOW.date()), "q")


def test_rows_come_in_reading_order_with_their_depth(org: Organisation) -> None:
    assert [(row.key, row.parent, row.depth) for row in rows_of(org)] == [
        ("top", "", 1),
        ("o", "top", 2),
        ("metric", "o", 3),
        ("points", "o", 3),
        ("ratio", "o", 3),
    ]


def test_an_objective_has_both_numbers_with_their_coverage(org: Organisation) -> None:
    org.tell("1", "done", at=0)
    org.tell("2", "todo", at=1)
    org.link("1")
    org.link("2")
    org.link("1", "metric")
    row = rows_of(org)[1]
    assert row.number is not None
    assert (row.number.progress, row.number.coverage) == (Fraction(1, 2), "1 of 3 measured")
    assert row.work is not None
    assert (row.work.progress, row.work.measured, row.work.total) == (Fraction(5, 6), 2, 3)  # weights 1 and 2


def test_statuses_are_counted_with_the_worst_first(org: Organisation) -> None:
    assert rows_of(org)[1].statuses == [("outdated", 3)]


def test_a_metric_without_from_and_to_is_a_gap(org: Organisation) -> None:
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "metric").target = None
    gaps = {row.key: row.gaps for row in rows_of(org)}
    assert gaps["metric"] == ["no from and to"]
    assert gaps["ratio"] == []


def test_a_circle_of_parents_is_cut_and_nothing_is_lost(org: Organisation) -> None:
    with org.core.database.writing() as session:
        session.get_one(Objective, "top").parent_id = "o"
    assert {row.key for row in rows_of(org)} == {"top", "o", "metric", "points", "ratio"}


def test_a_very_deep_chain_stays_readable(org: Organisation) -> None:
    with org.core.database.writing() as session:
        for depth in range(60):
            session.add(Objective(id=f"d{depth}", workspace_id="w", title=f"D{depth}", cycle_id="q", team_id="t",
                                  parent_id=f"d{depth - 1}" if depth else "o"))  # fmt: skip
            session.flush()
    rows = rows_of(org)
    assert len(rows) == 65
    assert max(row.depth for row in rows) == DEEPEST


def test_a_filter_keeps_what_the_found_ones_ladder_into(org: Organisation) -> None:
    rows = rows_of(org)
    assert [row.key for row in sift(rows, text="activation")] == ["top", "o", "metric"]
    assert [row.key for row in sift(rows, text="ADA points")] == ["top", "o", "points"]
    assert [row.key for row in sift(rows, status="gap")] == ["top", "o", "metric", "points", "ratio"]
    assert sift(rows, team_id="elsewhere") == []
    assert sift(rows) == rows


def test_the_filter_for_gaps_finds_what_is_marked_as_one(org: Organisation) -> None:
    with org.core.database.writing() as session:
        session.add(Objective(id="bare", workspace_id="w", title="Bare", cycle_id="q", team_id="t", parent_id="top"))
    found = {row.key: row.gaps for row in sift(rows_of(org), status="gap")}
    assert "no key results" in found["bare"]
