"""Pages, cursors, and requests that are sent twice."""

from __future__ import annotations

import base64
import json
import threading

import pytest

from connector.core import Core
from connector.idempotency import forget_old
from tests.web.api.conftest import Clock, Program


def read_all(program: Program, path: str, limit: int) -> list[str]:
    """Follow the cursors to the end and return the ids."""
    seen, cursor = [], None
    while True:
        page = program.get(f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return seen


def test_pages_follow_each_other_without_gap_or_repetition(program: Program, clock: Clock) -> None:
    made = []
    for number in range(7):
        # Two at a time share a moment, so that the id has to decide between them.
        clock.forward(seconds=number % 2)
        made.append(program.team()["id"])
    assert sorted(read_all(program, "/teams", 3)) == sorted(made)
    assert read_all(program, "/teams", 1) == read_all(program, "/teams", 200)


def test_a_page_that_is_just_full_is_the_last_one(program: Program) -> None:
    for _ in range(2):
        program.team()
    assert program.get("/teams?limit=2")["next_cursor"] is None


def test_what_is_made_meanwhile_does_not_shift_the_pages(program: Program) -> None:
    first, second = program.team(), program.team()
    page = program.get("/teams?limit=1")
    program.team()
    rest = program.get(f"/teams?limit=1&cursor={page['next_cursor']}")
    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [first["id"], second["id"]]


def test_the_ledger_pages_newest_first(program: Program) -> None:
    key_result = program.key_result(baseline=0, target=100)
    for value in range(5):
        program.post(f"/key-results/{key_result['id']}/check-ins", {"value": value})
    ids = read_all(program, f"/key-results/{key_result['id']}/ledger", 2)
    assert len(ids) == 5
    assert ids == sorted(ids, key=int, reverse=True)
    assert len(set(read_all(program, f"/key-results/{key_result['id']}/check-ins", 2))) == 5


def sealed(mark: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(mark).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        sealed([]),
        sealed(["yesterday", "x"]),
        sealed(["2026-01-01T00:00:00", "x"]),
        sealed(["2026-01-01T00:00:00+00:00", 7]),
        sealed({"a": 1}),
        sealed(["2026-01-01T00:00:00+00:00", "\0"]),
        sealed(["2026-01-01T00:00:00+00:00", "\ud800"]),
        sealed(["0001-01-01T00:00:00+23:59", "x"]),
        sealed(["9999-12-31T23:59:59-23:59", "x"]),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(program: Program, cursor: str) -> None:
    status, reason = program.refused("GET", f"/teams?cursor={cursor}")
    assert status == 422
    assert reason in ("bad_cursor", "invalid")


@pytest.mark.parametrize("number", [True, -1, 2**63, "1", None])
def test_a_ledger_cursor_holds_a_row_number(program: Program, number: object) -> None:
    path = f"/key-results/{program.key_result()['id']}/ledger?cursor={sealed([number])}"
    assert program.refused("GET", path) == (422, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "many", ""])
def test_a_limit_out_of_range_is_refused(program: Program, limit: str) -> None:
    assert program.refused("GET", f"/teams?limit={limit}") == (422, "invalid")


def test_the_same_request_under_the_same_key_is_done_once(program: Program) -> None:
    first = program.call("POST", "/teams", {"name": "Atlas"}, {"Idempotency-Key": "k1"})
    # The same meaning in other words, as a retry through another library may send it.
    second = program.client.post(
        "/api/v1/teams",
        data='{ "name" : "Atlas" }',
        headers={
            "Authorization": f"Bearer {program.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": "k1",
        },
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.text == second.text
    for header in ("Location", "ETag"):
        assert first.headers[header] == second.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(program.get("/teams")["items"]) == 1


def test_another_request_under_the_same_key_is_refused(program: Program) -> None:
    key = {"Idempotency-Key": "k1"}
    program.post("/teams", {"name": "Atlas"}, **key)
    assert program.refused("POST", "/teams", {"name": "Orion"}, **key) == (422, "idempotency_key_reused")
    assert program.refused("POST", "/people", {"name": "Atlas"}, **key) == (422, "idempotency_key_reused")


def test_keys_of_two_workspaces_have_nothing_to_do_with_each_other(program: Program, stranger: Program) -> None:
    key = {"Idempotency-Key": "k1"}
    ours = program.post("/teams", {"name": "Atlas"}, **key)
    assert stranger.post("/teams", {"name": "Orion"}, **key)["id"] != ours["id"]


def test_a_refused_request_may_be_tried_again_under_its_key(program: Program) -> None:
    key, team = {"Idempotency-Key": "k1"}, program.team(name="Atlas")
    assert program.refused("POST", "/teams", {"name": "Atlas"}, **key) == (409, "name_taken")
    program.call("DELETE", f"/teams/{team['id']}")
    assert program.post("/teams", {"name": "Atlas"}, **key)["id"] != team["id"]


@pytest.mark.parametrize("key", ["", "with space", "é", "x" * 201])
def test_a_key_that_is_no_key_is_refused(program: Program, key: str) -> None:
    assert program.refused("POST", "/teams", {"name": "Atlas"}, **{"Idempotency-Key": key}) == (
        422,
        "bad_idempotency_key",
    )


def test_an_answer_is_remembered_for_a_day(program: Program, core: Core, clock: Clock) -> None:
    key, team = {"Idempotency-Key": "k1"}, program.post("/teams", {"name": "Atlas"}, **{"Idempotency-Key": "k1"})
    clock.forward(hours=23)
    assert program.post("/teams", {"name": "Atlas"}, **key) == team
    clock.forward(hours=2)
    assert program.post("/teams", {"name": "Orion"}, **key)["id"] != team["id"]
    clock.forward(hours=25)
    with core.database.writing() as session:
        assert forget_old(session, clock()) == 1


def test_the_same_request_twice_at_once_is_done_once(program: Program) -> None:
    answers: list[tuple[int, str]] = []

    def send() -> None:
        client = program.client.application.test_client()
        headers = {"Authorization": f"Bearer {program.token}", "Idempotency-Key": "k1"}
        answer = client.post("/api/v1/teams", json={"name": "Atlas"}, headers=headers)
        answers.append((answer.status_code, answer.text))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert len(program.get("/teams")["items"]) == 1
