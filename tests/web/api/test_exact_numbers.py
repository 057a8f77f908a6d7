"""Metric values in and out, without ever passing through a float."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.api.conftest import Program
from web.api.fields import exact_json


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("0.1", 0.1),
        ('"0.1"', 0.1),
        ("-7", -7),
        ("1e3", 1000),
        ("2.50", 2.5),
        ('"1/3"', "1/3"),
        ('"-3/4"', -0.75),
        ("123456789012345.6", "123456789012345.6"),
        ("0.12345678901234567", "0.12345678901234567"),
        ("100000000000000001", "100000000000000001"),
    ],
)
def test_a_number_comes_back_exactly(program: Program, sent: str, answered: Any) -> None:
    draft = json.dumps(program.draft(baseline=999)).replace('"target": 35', f'"target": {sent}')
    headers = {"Authorization": f"Bearer {program.token}", "Content-Type": "application/json"}
    made = program.client.post("/api/v1/key-results", data=draft, headers=headers)
    assert made.status_code == 201, made.text
    assert json.loads(made.text)["target"] == answered


@pytest.mark.parametrize(
    "sent",
    [
        "1e400",
        "-1e400",
        "1e-400",
        "1e18",
        '"1e3"',
        '"1/0"',
        '"٣"',
        '"NaN"',
        '" 1"',
        '"0x10"',
        "true",
        "[1]",
        '"1,5"',
        '""',
    ],
)
def test_what_is_no_reasonable_number_is_refused(program: Program, sent: str) -> None:
    draft = json.dumps(program.draft()).replace('"target": 35', f'"target": {sent}')
    headers = {"Authorization": f"Bearer {program.token}", "Content-Type": "application/json"}
    answer = program.client.post("/api/v1/key-results", data=draft, headers=headers)
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"].startswith("target")


def test_decimals_that_floats_get_wrong_give_the_exact_progress(program: Program) -> None:
    made = program.key_result(baseline=0.1, target=0.3, value=0.2)
    assert made["outcome"]["progress"] == "1/2"


@given(st.fractions(min_value=-(10**18), max_value=10**18, max_denominator=10**9))
def test_whatever_is_answered_reads_back_as_the_same_number(number: Fraction) -> None:
    text = json.dumps(exact_json(number))
    read = json.loads(text, parse_float=Fraction, parse_int=Fraction)
    assert Fraction(read) == number


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_ordinary_values_are_answered_as_json_numbers(number: Any) -> None:
    answered = exact_json(Fraction(number))
    assert isinstance(answered, int | float)
    assert Fraction(repr(answered)) == Fraction(number)
