"""Linking issues through the API: known and unknown ones, with the tracker there or away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.core import Core
from connector.errands import HANDLERS
from connector.models import Connection, OutboxEntry
from connector.tracker import TrackerUnavailable
from tests.toy_tracker import ToyTracker
from tests.web.api.conftest import START, Clock, Program

AT = START.timestamp()


@pytest.fixture(autouse=True)
def _site(toy: ToyTracker, connection: Connection) -> None:
    """An epic with three stories, one of them done, and a single task."""
    toy.site = {
        "100": {"id": 100, "cls": "doing", "at": AT, "level": 1},
        "101": {"id": 101, "cls": "done", "at": AT, "parent": 100},
        "102": {"id": 102, "cls": "doing", "at": AT, "parent": 100},
        "103": {"id": 103, "cls": "todo", "at": AT, "parent": 100},
        "200": {"id": 200, "cls": "done", "at": AT},
    }


@pytest.fixture
def path(program: Program) -> str:
    """The address of a key result's links."""
    return f"/key-results/{program.key_result()['id']}/links"


def work(program: Program, path: str) -> Any:
    return program.get(path.removesuffix("/links"))["work"]


def test_an_issue_never_heard_of_is_read_and_linked_by_its_key(program: Program, path: str) -> None:
    link = program.post(path, {"key": "TOY-100"})
    assert {name: link[name] for name in ("tracker", "external_id", "key", "url", "title", "class", "weight")} == {
        "tracker": "toy",
        "external_id": "100",
        "key": "TOY-100",
        "url": "https://toy.example/TOY-100",
        "title": "Toy issue 100",
        "class": "doing",
        "weight": 1,
    }
    assert (link["source"], link["state"], link["waiting_since"]) == ("manual", "active", None)
    assert work(program, path) | {"flags": []} == {
        "progress": "1/3",
        "numerator": "1",
        "denominator": "3",
        "display": "33%",
        "units": 3,
        "done_units": 1,
        "flags": [],
    }


def test_a_link_leaves_one_ledger_row_however_much_hangs_below(program: Program, path: str) -> None:
    program.post(path, {"external_id": "100"})
    rows = program.get(path.replace("/links", "/ledger"))["items"]
    assert [(row["cause"], row["before"], row["after"], row["delta"]) for row in rows] == [
        ("scope_added", None, "1/3", None)
    ]
    assert rows[0]["issue"]["key"] == "TOY-100"
    assert rows[0]["actor"] == "token tests"


def test_weights_are_exact_and_can_be_changed(program: Program, path: str) -> None:
    program.post(path, {"external_id": "101"})
    link = program.post(path, {"external_id": "103", "weight": "0.5"})
    assert (link["weight"], work(program, path)["progress"]) == (0.5, "2/3")
    changed = program.patch(f"{path}/{link['id']}", {"weight": 3}, version=link["version"])
    assert (changed["weight"], work(program, path)["progress"]) == (3, "1/4")
    assert program.get(path.replace("/links", "/ledger"))["items"][0]["cause"] == "reweighted"
    stale = program.refused("PATCH", f"{path}/{link['id']}", {"weight": 1}, **{"If-Match": '"1"'})
    assert stale == (412, "lost_update")


def test_unlinking_is_named_as_that(program: Program, path: str) -> None:
    program.post(path, {"external_id": "200"})
    link = program.post(path, {"external_id": "103"})
    assert program.call("DELETE", f"{path}/{link['id']}").status_code == 204
    row = program.get(path.replace("/links", "/ledger"))["items"][0]
    assert (row["cause"], row["before"], row["after"], row["delta"]) == ("scope_removed", "1/2", "1", "1/2")
    assert program.refused("GET", f"{path}/{link['id']}") == (404, "not_found")
    assert [item["key"] for item in program.get(path)["items"]] == ["TOY-200"]


def test_the_same_issue_is_linked_once(program: Program, path: str) -> None:
    program.post(path, {"external_id": "200"})
    assert program.refused("POST", path, {"key": "TOY-200"}) == (409, "already_linked")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 422, "name_one_issue"),
        ({"key": "TOY-1", "external_id": "1"}, 422, "name_one_issue"),
        ({"key": "TOY-999"}, 422, "issue_unreadable"),
        ({"key": "TOY-200", "weight": -1}, 422, "bad_weight"),
        ({"key": "TOY-200", "weight": 1001}, 422, "bad_weight"),
        ({"key": "../TOY"}, 422, "invalid"),
        ({"key": "TOY-200", "tracker": "jira"}, 422, "unknown_connection"),
        ({"key": "TOY-200", "connection_id": "00000000-0000-4000-8000-000000000000"}, 422, "unknown_connection"),
    ],
)
def test_a_link_that_cannot_be_made_is_refused(
    program: Program, path: str, body: dict[str, Any], status: int, reason: str
) -> None:
    assert program.refused("POST", path, body) == (status, reason)
    assert program.get(path)["items"] == []


def test_with_several_connections_one_must_be_named(program: Program, path: str, core: Core) -> None:
    with core.database.writing() as session:
        other = Connection(
            workspace_id=program.workspace_id, tracker="toy", tenant_key="toy-2", site="https://other.example"
        )
        session.add(other)
    assert program.refused("POST", path, {"key": "TOY-200"}) == (422, "which_connection")
    assert program.post(path, {"key": "TOY-200", "connection_id": other.id})["connection_id"] == other.id


def test_with_the_tracker_away_the_link_is_made_and_says_that_it_waits(
    program: Program, path: str, toy: ToyTracker, core: Core, clock: Clock
) -> None:
    toy.down = TrackerUnavailable("the site does not answer")
    link = program.post(path, {"external_id": "200"})
    assert (link["state"], link["waiting_since"]) == ("waiting", "2026-08-03T12:00:00Z")
    assert work(program, path)["progress"] is None
    toy.down = None
    with core.database.reading() as session:
        entry = session.query(OutboxEntry).filter_by(kind="confirm_link").one()
        connection = session.query(Connection).one()
    assert entry.subject == link["id"]
    HANDLERS["confirm_link"](core, connection, entry)
    assert program.get(f"{path}/{link['id']}")["state"] == "active"
    assert work(program, path)["progress"] == "1"


def test_with_the_tracker_away_a_key_never_met_cannot_be_looked_up(
    program: Program, path: str, toy: ToyTracker
) -> None:
    toy.down = TrackerUnavailable("the site does not answer")
    assert program.refused("POST", path, {"key": "TOY-200"}) == (503, "tracker_unavailable")


def test_a_link_sent_twice_under_one_key_is_made_once(program: Program, path: str) -> None:
    headers = {"Idempotency-Key": "link-1"}
    first = program.call("POST", path, {"key": "TOY-200"}, headers)
    second = program.call("POST", path, {"key": "TOY-200"}, headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert json.loads(first.text) == json.loads(second.text)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert program.refused("POST", path, {"key": "TOY-101"}, **headers) == (422, "idempotency_key_reused")


def test_a_link_belongs_to_its_key_result(program: Program, path: str, stranger: Program) -> None:
    link = program.post(path, {"external_id": "200"})
    other = f"/key-results/{program.key_result()['id']}/links/{link['id']}"
    for method, body in (("GET", None), ("PATCH", {"weight": 2}), ("DELETE", None)):
        assert program.refused(method, other, body) == (404, "not_found")
        assert stranger.refused(method, f"{path}/{link['id']}", body) == (404, "not_found")


def test_declared_changes_claim_until_somebody_measures(program: Program) -> None:
    made = program.key_result(kind="issue_delta", baseline=20, target=40)
    path = f"/key-results/{made['id']}"
    program.post(f"{path}/links", {"external_id": "200", "declared_change": 5})
    claimed = program.get(path)["outcome"]
    assert (claimed["progress"], claimed["claimed"]) == ("1/4", True)
    program.post(f"{path}/check-ins", {"value": 22})
    measured = program.get(path)["outcome"]
    assert (measured["progress"], measured["claimed"]) == ("1/10", False)
