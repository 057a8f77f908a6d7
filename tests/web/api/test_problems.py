"""Errors as problem details, and bodies that try to hurt."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from connector.core import Core
from tests.web.api.conftest import Program

CYCLE = '{"name": %s, "starts_on": "2026-01-01", "ends_on": "2026-03-31"}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": Infinity}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        ((CYCLE % '"a\\u0000b"').encode(), 422),
        ((CYCLE % '"a", "surprise": 1').encode(), 422),
        ((CYCLE % "7").encode(), 422),
        ((CYCLE % '""').encode(), 422),
        ((CYCLE % '"   "').encode(), 422),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_made(program: Program, body: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {program.token}", "Content-Type": "application/json"}
    answer = program.client.post("/api/v1/cycles", data=body, headers=headers)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert program.get("/cycles")["items"] == []


def test_a_huge_body_is_refused_before_it_is_read(program: Program) -> None:
    body = {"name": "x" * 2_000_000, "starts_on": "2026-01-01", "ends_on": "2026-03-31"}
    assert program.refused("POST", "/cycles", body) == (413, "body_too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_announced_as_json_is_refused(program: Program, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {program.token}", "Content-Type": media_type}
    answer = program.client.post("/api/v1/cycles", data=CYCLE % '"Q1"', headers=headers)
    assert answer.status_code == 415
    assert answer.get_json(force=True)["reason"] == "unsupported_media_type"


def test_an_address_that_does_not_exist_is_a_problem_too(program: Program) -> None:
    assert program.refused("GET", "/nothing") == (404, "not_found")
    assert program.refused("GET", "/cycles/not-a-uuid") == (404, "not_found")


def test_a_method_that_does_not_exist_names_those_that_do(program: Program) -> None:
    answer = program.call("DELETE", "/cycles")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.content_type == "application/problem+json"


def test_every_fault_of_a_body_is_named_with_its_field(program: Program) -> None:
    answer = program.call("POST", "/cycles", {"name": "", "starts_on": "2026-02-30", "ends_on": 5})
    fields = {error["field"] for error in answer.get_json(force=True)["errors"]}
    assert fields == {"name", "starts_on", "ends_on"}


def test_a_lost_database_is_503_and_everything_resumes(
    program: Program, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    with monkeypatch.context() as broken:
        broken.setattr(type(core.database), "reading", lambda _self: gone())
        answer = program.call("GET", "/cycles")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "refused" not in answer.text
    assert program.get("/cycles") == {"items": [], "next_cursor": None}


def test_an_error_of_ours_tells_nothing_about_our_insides(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("web.api.cycles.cut", broken)
    program.client.application.testing = False
    program.client.application.config["PROPAGATE_EXCEPTIONS"] = False
    answer = program.call("GET", "/cycles")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
