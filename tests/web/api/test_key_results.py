"""Key results through the API: definition, the one driver, edits and what they leave in the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from connector.core import Core
from connector.models import OutboxEntry
from tests.web.api.conftest import Clock, Program


def causes(program: Program, key_result: Any) -> list[tuple[str, Any, Any]]:
    """Return (cause, before, after) of the outcome's ledger rows, oldest first."""
    rows = program.get(f"/key-results/{key_result['id']}/ledger?number=outcome")["items"]
    return [(row["cause"], row["before"], row["after"]) for row in reversed(rows)]


def test_a_key_result_shows_both_numbers_and_why_one_is_missing(program: Program) -> None:
    made = program.key_result(value=28, due_on="2026-09-15")
    assert made["kind"] == "metric"
    assert (made["baseline"], made["target"], made["value"]) == (22, 35, 28)
    assert made["outcome"] == {
        "progress": "6/13",
        "raw": "6/13",
        "display": "46%",
        "raw_display": "46%",
        "why": None,
        "claimed": False,
        "trouble": None,
    }
    assert made["work"] == {
        "progress": None,
        "numerator": None,
        "denominator": None,
        "display": "–",
        "units": 0,
        "done_units": 0,
        "flags": [],
    }
    assert made["stands_by"] == "outcome"
    assert made["status"] == "pending"
    assert made["pace"]["elapsed"] == "17/46"
    assert made["options"] == {
        "size_by": "count",
        "started_credit": 0,
        "unestimated": "one",
        "sub_task_credit": False,
    }


def test_without_a_value_the_outcome_says_that_it_was_not_measured(program: Program) -> None:
    outcome = program.key_result()["outcome"]
    assert (outcome["progress"], outcome["display"], outcome["why"]) == (None, "–", "not_measured")


def test_worse_than_the_baseline_is_zero_with_the_raw_value_beside_it(program: Program) -> None:
    outcome = program.key_result(baseline=8, target=5, value=9)["outcome"]
    assert (outcome["progress"], outcome["raw"], outcome["display"]) == ("0", "-1/3", "0%")


@pytest.mark.parametrize("driver", [None, [], "", "  ", [""]])
def test_nobody_as_driver_blocks_creation(program: Program, driver: Any) -> None:
    assert program.refused("POST", "/key-results", program.draft(driver_id=driver)) == (422, "no_named_driver")


def test_a_missing_driver_blocks_creation(program: Program) -> None:
    draft = program.draft()
    del draft["driver_id"]
    assert program.refused("POST", "/key-results", draft) == (422, "no_named_driver")


def test_two_drivers_block_creation(program: Program) -> None:
    drivers = [program.person()["id"], program.person()["id"]]
    assert program.refused("POST", "/key-results", program.draft(driver_id=drivers)) == (422, "more_than_one_driver")


def test_the_same_person_named_twice_is_one_driver(program: Program) -> None:
    ann = program.person()["id"]
    assert program.key_result(driver_id=[ann, ann])["driver_id"] == ann


def test_a_team_as_driver_blocks_creation(program: Program) -> None:
    for driver in (program.team()["id"], "team:platform"):
        draft = program.draft(driver_id=driver)
        assert program.refused("POST", "/key-results", draft) == (422, "driver_must_be_a_person")


def test_a_driver_can_be_changed_to_another_person_but_not_to_none(program: Program) -> None:
    made, bob = program.key_result(), program.person()
    path = f"/key-results/{made['id']}"
    assert program.patch(path, {"driver_id": bob["id"]})["driver_id"] == bob["id"]
    assert program.refused("PATCH", path, {"driver_id": None}) == (422, "no_named_driver")


def test_baseline_equal_to_target_is_refused(program: Program) -> None:
    assert program.refused("POST", "/key-results", program.draft(baseline=35, target="35.0")) == (422, "zero_width")
    made = program.key_result()
    assert program.refused("PATCH", f"/key-results/{made['id']}", {"baseline": 35}) == (422, "zero_width")


def test_all_faults_are_told_at_once(program: Program) -> None:
    answer = program.call("POST", "/key-results", program.draft(driver_id=None, baseline=1, target=1, weight=-1))
    reasons = [error["reason"] for error in answer.get_json(force=True)["errors"]]
    assert reasons == ["no_named_driver", "zero_width", "bad_weight"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "maintain"}, "no_band"),
        ({"kind": "maintain", "band": [None, None]}, "no_band"),
        ({"kind": "maintain", "band": [2, 1]}, "band_out_of_order"),
        ({"kind": "metric", "band": [1, 2]}, "not_for_this_kind"),
        ({"kind": "issue_count", "target": None}, "no_target"),
        ({"kind": "issue_count", "value": 3}, "value_is_derived"),
        ({"kind": "issue_ratio", "value": 3}, "value_is_derived"),
        ({"kind": "milestone", "value": 3}, "value_is_derived"),
        ({"kind": "query_metric"}, "no_query"),
        ({"kind": "issue_ratio", "checkpoints": [[1, 0.5]]}, "not_for_this_kind"),
        ({"checkpoints": [[1, 0.5]], "target": None}, "no_from_to"),
        ({"checkpoints": [[36, 0.5]]}, "checkpoints_out_of_order"),
        ({"checkpoints": [[22, 0.5]]}, "checkpoints_out_of_order"),
        ({"checkpoints": [[30, 0.5], [25, 0.6]]}, "checkpoints_out_of_order"),
        ({"checkpoints": [[25, 0.6], [30, 0.5]]}, "checkpoints_out_of_order"),
        ({"checkpoints": [[25, 1.5]]}, "checkpoints_out_of_order"),
        ({"options": {"started_credit": 1}}, "out_of_range"),
        ({"options": {"started_credit": -0.1}}, "out_of_range"),
        ({"options": {"size_by": "hours"}}, "invalid"),
        ({"kind": "wish"}, "invalid"),
    ],
)
def test_each_kind_is_told_what_it_needs_and_nothing_else(
    program: Program, fields: dict[str, Any], reason: str
) -> None:
    assert program.refused("POST", "/key-results", program.draft(**fields)) == (422, reason)


def test_checkpoints_bend_the_line_in_the_direction_of_travel(program: Program) -> None:
    made = program.key_result(baseline=8, target=5, value=7, checkpoints=[["7", "1/5"], ["6", "1/2"]])
    assert made["outcome"]["progress"] == "1/5"
    assert made["checkpoints"] == [[7, 0.2], [6, 0.5]]


def test_a_maintained_metric_counts_the_weeks_inside_its_band(program: Program, clock: Clock) -> None:
    made = program.key_result(kind="maintain", baseline=None, target=None, band=[99.9, None])
    path = f"/key-results/{made['id']}"
    for value in (99.95, 99.5, 99.9):
        program.post(f"{path}/check-ins", {"value": value})
        clock.forward(days=7)
    read = program.get(path)
    assert (read["outcome"]["progress"], read["maintain_by"], read["band"]) == ("2/3", "average", [99.9, None])
    assert program.patch(path, {"maintain_by": "minimum"})["outcome"]["progress"] == "0"
    assert program.patch(path, {"maintain_by": "latest"})["outcome"]["progress"] == "1"
    assert causes(program, made)[-2:] == [("rule_changed", "2/3", "0"), ("rule_changed", "0", "1")]


def test_a_count_of_issues_starts_at_none_finished(program: Program) -> None:
    made = program.key_result(kind="issue_count", baseline=None, target=20)
    assert (made["baseline"], made["value"], made["outcome"]["progress"]) == (0, 0, "0")
    assert made["badge"] == "output"


def test_a_query_is_asked_as_soon_as_it_is_entered(program: Program, connection: Any, core: Core) -> None:
    query = {"connection_id": connection.id, "text": "done", "aggregate": "count", "field": None}
    made = program.key_result(kind="query_metric", query=query)
    assert made["query"] == query
    with core.database.reading() as session:
        asked = session.query(OutboxEntry.kind, OutboxEntry.subject).filter_by(kind="measure").all()
    assert [tuple(row) for row in asked] == [("measure", made["id"])]


def test_a_query_needs_a_connection_of_this_workspace(program: Program, stranger: Program, connection: Any) -> None:
    query = {"connection_id": connection.id, "text": "done"}
    draft = stranger.draft(kind="query_metric", query=query)
    assert stranger.refused("POST", "/key-results", draft) == (422, "unknown_connection")


def test_editing_the_target_leaves_a_row_of_its_own_cause(program: Program) -> None:
    made = program.key_result(baseline=0, target=10, value=5)
    changed = program.patch(f"/key-results/{made['id']}", {"target": 20}, version=1)
    assert (changed["outcome"]["progress"], changed["version"]) == ("1/4", 2)
    assert causes(program, made) == [("measured", None, "1/2"), ("target_edited", "1/2", "1/4")]
    row = program.get(f"/key-results/{made['id']}/ledger")["items"][0]
    assert (row["detail"]["from"], row["detail"]["to"], row["delta"]) == ("10", "20", "-1/4")


def test_baseline_and_target_edited_together_leave_two_rows(program: Program) -> None:
    made = program.key_result(baseline=0, target=10, value=5)
    program.patch(f"/key-results/{made['id']}", {"baseline": 4, "target": 6})
    assert causes(program, made)[1:] == [("baseline_edited", "1/2", "1/6"), ("target_edited", "1/6", "1/2")]


def test_a_new_baseline_where_the_target_was_never_passes_through_no_number(program: Program) -> None:
    made = program.key_result(baseline=0, target=10, value=15)
    program.patch(f"/key-results/{made['id']}", {"baseline": 10, "target": 20})
    assert causes(program, made)[1:] == [("target_edited", "1", "3/4"), ("baseline_edited", "3/4", "1/2")]


def test_a_value_in_an_edit_is_a_measurement(program: Program) -> None:
    made = program.key_result(baseline=0, target=10)
    changed = program.patch(f"/key-results/{made['id']}", {"value": "7.5"})
    assert (changed["value"], changed["outcome"]["progress"]) == (7.5, "3/4")
    assert causes(program, made) == [("measured", None, "3/4")]
    assert [one["value"] for one in program.get(f"/key-results/{made['id']}/check-ins")["items"]] == [7.5]


def test_an_edit_of_words_leaves_no_row(program: Program) -> None:
    made = program.key_result(value=30)
    program.patch(f"/key-results/{made['id']}", {"title": "Activation", "unit": "percent", "due_on": "2026-09-01"})
    assert len(causes(program, made)) == 1


def test_the_kind_is_fixed_once_there_is_history(program: Program) -> None:
    fresh, measured = program.key_result(), program.key_result(value=30)
    changed = program.patch(f"/key-results/{fresh['id']}", {"kind": "issue_ratio"})
    assert (changed["kind"], changed["stands_by"], changed["badge"]) == ("issue_ratio", "work", "output")
    path = f"/key-results/{measured['id']}"
    assert program.refused("PATCH", path, {"kind": "issue_ratio"}) == (409, "has_history")


def test_a_closed_key_result_stays_as_it_is_until_it_is_opened(program: Program) -> None:
    path = f"/key-results/{program.key_result()['id']}"
    assert program.patch(path, {"state": "closed"})["status"] == "closed"
    closed = (409, "key_result_closed")
    assert program.refused("PATCH", path, {"target": 40}) == closed
    assert program.refused("POST", f"{path}/check-ins", {"value": 1}) == closed
    assert program.refused("DELETE", path) == closed
    assert program.patch(path, {"state": "open", "target": 40})["target"] == 40


def test_only_a_key_result_without_history_is_removed(program: Program) -> None:
    fresh, measured = program.key_result(), program.key_result(value=30)
    assert program.call("DELETE", f"/key-results/{fresh['id']}").status_code == 204
    assert program.refused("DELETE", f"/key-results/{measured['id']}") == (409, "has_history")


def test_shown_numbers_cannot_be_written(program: Program) -> None:
    path = f"/key-results/{program.key_result()['id']}"
    for field in ("work", "outcome", "status", "confidence", "pace", "id"):
        assert program.refused("PATCH", path, {field: 1}) == (422, "invalid")


def test_fields_answer_what_the_title_leaves_out(program: Program) -> None:
    made = program.key_result(title="Activation rate", due_on="2026-09-30")
    assert made["findings"] == []
    bare = program.key_result(title="Update the dashboard", baseline=None, target=None)
    reasons = {finding["reason"] for finding in bare["findings"]}
    assert reasons == {"task_not_outcome", "no_from_to", "no_date"}
    late = program.key_result(due_on="2027-03-31")
    assert [finding["reason"] for finding in late["findings"]] == ["date_outside_cycle"]


def test_key_results_are_found_by_what_they_belong_to(program: Program) -> None:
    first, second = program.key_result(), program.key_result(kind="issue_ratio")
    objective = program.get(f"/objectives/{second['objective_id']}")
    for query in (
        f"objective_id={second['objective_id']}",
        f"driver_id={second['driver_id']}",
        f"cycle_id={objective['cycle_id']}",
        f"team_id={objective['team_id']}",
        "kind=issue_ratio",
    ):
        assert [item["id"] for item in program.get(f"/key-results?{query}")["items"]] == [second["id"]], query
    assert len(program.get("/key-results?state=open")["items"]) == 2
    assert first["id"] in {item["id"] for item in program.get("/key-results")["items"]}
