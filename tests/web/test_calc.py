"""`ladder calc`: cases in, results out, and nothing that a line can do to the lines after it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from web.calc import KINDS, answer, calc

ONE_DONE: dict[str, Any] = {
    "kr": {},
    "issues": {"a": {"cls": "done"}, "b": {"cls": "todo"}},
    "links": ["a", {"issue": "b", "weight": 2}],
}


def ask(kind: str, case: Any) -> dict[str, Any]:
    return answer(kind, json.dumps(case).encode())


def test_a_case_a_line_and_a_result_a_line(runner: CliRunner) -> None:
    lines = [json.dumps(ONE_DONE), "", "   ", "not json", json.dumps(ONE_DONE)]
    result = runner.invoke(calc, ["work"], input="\n".join(lines))
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.output.splitlines()]
    assert len(answers) == 3
    assert answers[0] == answers[2] == {
        "num": "1", "den": "3", "progress": "1/3", "display": "33%", "units": ["a", "b"], "flags": [],
    }  # fmt: skip
    assert list(answers[1]) == ["error"]


def test_an_unknown_kind_exits_2(runner: CliRunner) -> None:
    result = runner.invoke(calc, ["nonsense"], input="{}\n")
    assert result.exit_code == 2
    assert "nonsense" in result.output


def test_no_input_is_no_output(runner: CliRunner) -> None:
    result = runner.invoke(calc, ["work"], input="")
    assert (result.exit_code, result.output) == (0, "")


def test_numbers_are_exact_decimals() -> None:
    case = {"baseline": 0.1, "target": 0.3, "value": 0.2}
    assert ask("metric", case)["raw"] == "1/2"
    assert answer("metric", b'{"baseline": 0, "target": 1e3, "value": 1E-2}')["raw"] == "1/100000"
    assert answer("metric", b'{"baseline": 0, "target": 3, "value": 0.30000000000000000000000000000000001}')["raw"] == (
        "30000000000000000000000000000000001/300000000000000000000000000000000000"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "not JSON"),
        (b"[1]", "a case must be an object, not an array"),
        (b"null", "a case must be an object, not null"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"issues": {}}', "links is missing"),
        (b'{"links": []}', "issues is missing"),
        (b'{"issues": [], "links": []}', "issues must be an object, not an array"),
        (b'{"issues": {}, "links": {}}', "links must be an array, not an object"),
        (b'{"issues": {}, "links": [null]}', "an issue's id must be a string, not null"),
        (b'{"issues": {}, "links": [true]}', "an issue's id must be a string, not a boolean"),
        (b'{"issues": {}, "links": [{}]}', "issue of a link is missing"),
        (b'{"issues": {}, "links": [{"issue": "a", "weight": "1"}]}', "weight must be a number, not a string"),
        (b'{"issues": {}, "links": [{"issue": "a", "weight": -1}]}', "weight must not be negative"),
        (b'{"issues": {"a": 1}, "links": []}', "issue a must be an object, not a number"),
        (b'{"issues": {"a": {}}, "links": []}', "cls of issue a is missing"),
        (b'{"issues": {"a": {"cls": "Done"}}, "links": []}', "issue a: cls must be one of todo, doing, done"),
        (b'{"issues": {"a": {"cls": []}}, "links": []}', "issue a: cls must be one of"),
        (b'{"issues": {"a": {"cls": "done", "est": "5"}}, "links": []}', "issue a: est must be a number"),
        (b'{"issues": {"a": {"cls": "done", "est": true}}, "links": []}', "est must be a number, not a boolean"),
        (b'{"issues": {"a": {"cls": "done", "est": -5}}, "links": []}', "issue a: est must not be negative"),
        (b'{"issues": {"a": {"cls": "done", "level": 0.5}}, "links": []}', "issue a: level must be a whole number"),
        (b'{"issues": {"a": {"cls": "done", "parent": []}}, "links": []}', "issue a: an issue's id must be a string"),
        (b'{"kr": 5, "issues": {}, "links": []}', "kr must be an object, not a number"),
        (b'{"kr": {"kappa": 1}, "issues": {}, "links": []}', "kappa must be at least 0 and below 1"),
        (b'{"kr": {"kappa": "x"}, "issues": {}, "links": []}', "kappa must be a number"),
        (b'{"kr": {"size_by": "hours"}, "issues": {}, "links": []}', "size_by must be one of count, estimate"),
        (b'{"kr": {"unestimated": 1}, "issues": {}, "links": []}', "unestimated must be one of one, exclude"),
        (b'{"kr": {"sub_credit": 1}, "issues": {}, "links": []}', "sub_credit must be true or false, not a number"),
        (b'{"kr": {"kappa": NaN}, "issues": {}, "links": []}', "NaN is no number"),
        (b'{"kr": {"kappa": 1e999999999}, "issues": {}, "links": []}', "1e999999999 is out of range"),
        (b'{"kr": {"kappa": 1e-999999999}, "issues": {}, "links": []}', "1e-999999999 is out of range"),
        (b'{"kr": {"kappa": 1e99999999999999999999}, "issues": {}, "links": []}', "is out of range"),
        (b'{"kr": {"kappa": ' + b"1" * 5000 + b'}, "issues": {}, "links": []}', "is out of range"),
        (b'{"issues": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_can_not_be_read_says_what_is_wrong(line: bytes, said: str) -> None:
    answered = answer("work", line)
    assert list(answered) == ["error"]
    assert answered["error"].startswith(said) or said in answered["error"]


@pytest.mark.parametrize(
    ("kind", "case", "said"),
    [
        ("metric", {"target": 1}, "baseline is missing"),
        ("metric", {"baseline": None, "target": 1}, "baseline must be a number, not null"),
        ("maintain", {}, "values is missing"),
        ("maintain", {"values": ["1"]}, "a value must be a number"),
        ("checkpoints", {"baseline": 0, "target": 1, "value": 1, "points": [[1]]}, "a point must be an array of two"),
        ("checkpoints", {"baseline": 0, "target": 1, "value": 1, "points": [[2, 0.5]]}, "is not between"),
        ("rollup", {"krs": [[1, 1]], "aggregate": "max"}, "aggregate must be one of weighted, min"),
        ("rollup", {"krs": [[1, -1]]}, "weight must not be negative"),
        ("pace", {"progress": 1}, "elapsed is missing"),
        ("pace", {"progress": 1, "start": "2026-07-01", "end": "x", "date": "2026-07-01"}, "end must be a date"),
        ("pace", {"progress": 1, "date": "2026-07-01"}, "start is missing"),
        ("pace", {"start": "2026-07-02", "end": "2026-07-01", "date": "2026-07-01"}, "before it starts"),
        ("pace", {"start": 5, "end": "2026-07-01", "date": "2026-07-01"}, "start must be a date, not a number"),
        ("drift", {}, "aligned_share_by_week is missing"),
        ("drift", {"counts_by_week": [[1, 2, 3]]}, "a week's counts must be an array of two"),
        ("drift", {"counts_by_week": [[0.5, 1]]}, "counts must be whole numbers"),
        ("overlay", {"issues": {}, "links": []}, "sprint is missing"),
        ("overlay", {"issues": {}, "links": [], "sprint": [], "new": [["a"]]}, "a new issue must be an array of two"),
        ("overlay", {"items": [{"est": 1, "links": "none"}]}, "links must be one of"),
    ],
)
def test_every_kind_says_what_is_wrong(kind: str, case: Any, said: str) -> None:
    assert said in ask(kind, case)["error"]


def test_what_may_be_left_out_may_be_null_too() -> None:
    issue = {"cls": "done", "est": None, "parent": None, "level": None}
    sparse = {"issues": {"a": issue}, "links": [{"issue": "a", "weight": None}]}
    full = {**sparse, "kr": {"size_by": None, "kappa": None, "sub_credit": None, "unestimated": None}}
    assert ask("work", sparse) == ask("work", full) == ask("work", {**sparse, "kr": None})
    assert ask("work", sparse)["progress"] == "1"


def test_ids_may_be_whole_numbers() -> None:
    case = {"issues": {"10": {"cls": "done"}, "11": {"cls": "todo", "parent": 10}}, "links": [{"issue": 10}]}
    assert ask("work", case)["units"] == ["11"]


def test_text_of_any_kind_comes_back_as_it_was(runner: CliRunner) -> None:
    case = {"issues": {"\ud800 <b>": {"cls": "done"}}, "links": ["\ud800 <b>"]}
    result = runner.invoke(calc, ["work"], input=json.dumps(case) + "\n")
    assert json.loads(result.output)["units"] == ["\ud800 <b>"]


def test_of_two_links_the_last_counts() -> None:
    case = {**ONE_DONE, "links": [{"issue": "a", "weight": 9}, "b", "a"]}
    assert ask("work", case)["progress"] == "1/2"


def test_pace_reads_dates_and_a_second_opinion() -> None:
    case = {"progress": 0.5, "start": "2026-07-01", "end": "2026-09-30", "date": "2026-08-15"}
    assert ask("pace", case)["status"] == "green"
    values = [["2026-08-01", 0.5], ["2026-08-08", 0.5], ["2026-08-15", 0.5]]
    second = ask("pace", {**case, "values": values})
    assert (second["status"], second["projected"], second["rests_on"]) == ("yellow", "1/2", "last_28_days")


def test_elapsed_is_clamped() -> None:
    assert ask("pace", {"progress": 0.5, "elapsed": 1.5})["projected"] == "1/2"
    assert ask("pace", {"progress": 0.5, "elapsed": -1})["projected"] is None


def test_a_metric_worse_than_its_baseline_keeps_its_raw_number() -> None:
    answered = ask("metric", {"baseline": 8, "target": 5, "value": 9})
    assert (answered["raw"], answered["progress"], answered["display"]) == ("-1/3", "0", "0%")
    assert answered["raw_display"] == "-33%: worse than the baseline"


def test_an_overlay_without_a_number_has_no_gain() -> None:
    case = {"kr": {}, "issues": {}, "links": [], "sprint": ["n"], "new": [["n", None]]}
    answered = ask("overlay", case)
    assert answered == {
        "now": None, "after_adding_scope": "0", "if_all_sprint_work_finishes": "1", "gain": None, "gain_pp": None,
    }  # fmt: skip


def test_new_scope_may_be_missing() -> None:
    assert ask("overlay", {**ONE_DONE, "sprint": ["b"]})["gain_pp"] == "66.67"


def test_counts_decide_over_shares() -> None:
    case = {"aligned_share_by_week": [0.7] * 4 + [0.3] * 2}
    assert ask("drift", case)["result"]["first_week_after"] == 5
    few = {**case, "counts_by_week": [[2, 3], None, [2, 3], [2, 3], [1, 3], [1, 3]]}
    assert ask("drift", few) == {"result": None, "why": "too_little_work_to_tell"}


def test_every_kind_of_the_interface_is_there() -> None:
    assert list(KINDS) == ["work", "metric", "maintain", "checkpoints", "rollup", "pace", "drift", "overlay", "lint"]
