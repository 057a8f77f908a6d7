"""POST /lint: a draft is judged, nothing is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.api.conftest import Program


def lint(program: Program, **body: Any) -> Any:
    answer = program.call("POST", "/lint", body)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_each_finding_cites_its_rule_and_says_how_to_fix_it(program: Program) -> None:
    judged = lint(program, kind="key_result", text="Launch the campaign")
    assert (judged["verdict"], judged["why"]) == ("fail", ["task_not_outcome", "no_from_to", "no_date"])
    first = judged["findings"][0]
    assert (first["reason"], first["subject"], first["evidence"]) == ("task_not_outcome", "key_result", [])
    assert "what will be different" in first["message"]
    assert first["rule"]


def test_a_good_draft_has_no_findings(program: Program) -> None:
    judged = lint(program, kind="objective", text="Become the support desk customers recommend this quarter")
    assert judged == {"verdict": "pass", "why": [], "findings": []}


def test_dates_are_judged_in_the_cycle_that_is_named(program: Program) -> None:
    cycle = program.cycle(starts_on="2027-01-01", ends_on="2027-03-31")
    text = "Activation rate from 22% to 35% by 2027-03-31"
    assert lint(program, kind="key_result", text=text)["why"] == ["date_outside_cycle"]
    assert lint(program, kind="key_result", text=text, cycle_id=cycle["id"])["why"] == []


def test_a_set_of_objectives_is_judged_by_its_level(program: Program) -> None:
    draft = {"level": "department", "horizon": "quarter", "objectives": 6}
    assert lint(program, kind="set", text=draft)["verdict"] == "fail"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "set", "text": "many"},
        {"kind": "set", "text": {"level": "galaxy", "objectives": 1}},
        {"kind": "set", "text": {"level": "team", "objectives": "some"}},
        {"kind": "audit", "text": {}},
        {"kind": "key_result", "text": {"title": 7}},
        {"kind": "key_result", "text": {"title": "x", "due_on": "soon"}},
        {"kind": "key_result", "text": {"title": "x", "baseline": "1/0"}},
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(program: Program, body: Any) -> None:
    assert program.refused("POST", "/lint", body) == (422, "bad_draft")


def test_an_unknown_cycle_is_named_as_that(program: Program) -> None:
    body = {"kind": "objective", "text": "Win", "cycle_id": "00000000-0000-4000-8000-000000000000"}
    assert program.refused("POST", "/lint", body) == (422, "unknown_cycle")
