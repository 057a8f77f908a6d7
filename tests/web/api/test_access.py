"""Who gets in: only a live token, and only into its own workspace."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from connector import tokens
from connector.core import Core
from connector.models import ApiToken
from tests.web.api.conftest import Clock, Program


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer wrong", "Bearer two words", "Bearer \x00"]
)
def test_nobody_gets_in_without_a_valid_token(program: Program, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answer = program.client.get("/api/v1/cycles", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"


def test_the_scheme_is_read_in_any_case(program: Program) -> None:
    headers = {"Authorization": f"bearer {program.token}"}
    assert program.client.get("/api/v1/cycles", headers=headers).status_code == 200


def test_a_revoked_token_opens_nothing(program: Program, core: Core, clock: Clock) -> None:
    with core.database.writing() as session:
        token = session.scalars(select(ApiToken)).one()
        tokens.revoke_token(session, program.workspace_id, token.id, now=clock())
    assert program.refused("GET", "/cycles") == (401, "not_authenticated")


def test_the_token_itself_is_nowhere_in_the_database(program: Program, core: Core) -> None:
    with core.database.reading() as session:
        token = session.scalars(select(ApiToken)).one()
    assert program.token not in (token.token_hash, token.name)
    assert token.token_hash == tokens.hash_of(program.token)


def test_the_last_use_is_noted_but_not_with_every_request(program: Program, core: Core, clock: Clock) -> None:
    def last_used() -> object:
        with core.database.reading() as session:
            return session.scalars(select(ApiToken.last_used_at)).one()

    program.get("/cycles")
    first = last_used()
    assert first == clock()
    clock.forward(minutes=5)
    program.get("/cycles")
    assert last_used() == first
    clock.forward(minutes=6)
    program.get("/cycles")
    assert last_used() == clock()


def test_another_workspaces_things_are_not_found(program: Program, stranger: Program) -> None:
    key_result = program.key_result()
    objective, cycle = program.get("/objectives")["items"][0], program.get("/cycles")["items"][0]
    team, person = program.get("/teams")["items"][0], program.get("/people")["items"][0]
    paths = [
        f"/key-results/{key_result['id']}",
        f"/objectives/{objective['id']}",
        f"/cycles/{cycle['id']}",
        f"/teams/{team['id']}",
        f"/people/{person['id']}",
    ]
    for path in paths:
        assert stranger.refused("GET", path) == (404, "not_found")
        assert stranger.refused("PATCH", path, {}) == (404, "not_found")
        assert stranger.refused("DELETE", path) == (404, "not_found")
    for below in ("links", "ledger", "check-ins", "milestones"):
        assert stranger.refused("GET", f"{paths[0]}/{below}") == (404, "not_found")
    for path in ("/cycles", "/teams", "/people", "/objectives", "/key-results", "/connections"):
        assert stranger.get(path)["items"] == []


def test_another_workspaces_ids_cannot_be_named_in_a_body(program: Program, stranger: Program) -> None:
    draft = program.draft()
    assert stranger.refused("POST", "/key-results", draft) == (422, "unknown_objective")
    body = {**draft, "objective_id": stranger.objective()["id"]}
    assert stranger.refused("POST", "/key-results", body) == (422, "unknown_person")


def test_too_many_requests_are_told_when_to_come_back(program: Program) -> None:
    program.client.application.config["API_RATE"] = "2 per minute"
    program.get("/cycles")
    program.get("/cycles")
    answer = program.call("GET", "/cycles")
    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_one_tokens_flood_does_not_slow_another_one_down(program: Program, stranger: Program) -> None:
    program.client.application.config["API_RATE"] = "1 per minute"
    program.get("/cycles")
    assert program.call("GET", "/cycles").status_code == 429
    stranger.get("/cycles")


def test_a_tracker_or_page_is_never_limited_by_the_api(program: Program, client: FlaskClient) -> None:
    program.client.application.config["API_RATE"] = "1 per minute"
    assert [client.get("/healthz").status_code for _ in range(5)] == [200] * 5
