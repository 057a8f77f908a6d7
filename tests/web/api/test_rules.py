"""Rules through the API: previewed, made, changed, deleted; what people took away; and many links at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from connector.core import Core
from connector.errands import HANDLERS
from connector.models import Connection, Issue, Link, OutboxEntry
from connector.tracker import TrackerUnavailable
from tests.connector.conftest import AbleToy
from tests.web.api.conftest import START, Program

AT = START.timestamp()


@pytest.fixture
def toy() -> AbleToy:
    return AbleToy()


@pytest.fixture(autouse=True)
def _site(toy: AbleToy, connection: Connection) -> None:
    """Forty issues, a quarter of them done, half of them labelled; and an epic with two stories."""
    toy.site = {
        str(number): {
            "id": number,
            "cls": "done" if number % 4 == 0 else "todo",
            "at": AT,
            "labels": ["sso"] if number <= 20 else [],
            "team": "red",
        }
        for number in range(1, 41)
    }
    toy.site["100"] = {"id": 100, "cls": "todo", "at": AT, "level": 1}
    toy.site["101"] = {"id": 101, "cls": "done", "at": AT, "parent": 100}
    toy.site["102"] = {"id": 102, "cls": "todo", "at": AT, "parent": 100}


@pytest.fixture
def path(program: Program) -> str:
    """The address of a key result."""
    return f"/key-results/{program.key_result()['id']}"


def settle(core: Core) -> None:
    """Do what waits for rules."""
    while True:
        with core.database.writing() as session:
            kinds = OutboxEntry.kind.in_(("run_rule", "rules", "fetch_subtree"))
            entry = session.scalars(select(OutboxEntry).where(kinds, OutboxEntry.state == "waiting").limit(1)).first()
            if entry is None:
                return
            entry.state = "done"
            connection = session.get_one(Connection, entry.connection_id)
        HANDLERS[entry.kind](core, connection, entry)


def answered(program: Program, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = program.call(method, path, body, headers)
    assert answer.status_code < 300, answer.text
    return json.loads(answer.text) if answer.text.strip() else None


def test_a_rule_is_previewed_made_and_shown_on_its_links(program: Program, core: Core, path: str) -> None:
    asked = {"kind": "label", "text": "sso", "weight": 2}
    seen = answered(program, "POST", f"{path}/rules/preview", asked)
    assert (seen["matches"], seen["linked"], seen["over_bound"], len(seen["first"])) == (20, 20, False, 20)
    assert (seen["work_now"], seen["work_then"], seen["gain_pp"]) == (None, "1/4", None)
    (one,) = [issue for issue in seen["first"] if issue["external_id"] == "1"]
    assert one == {
        "external_id": "1",
        "key": "TOY-1",
        "url": "https://toy.example/TOY-1",
        "title": "Toy issue 1",
        "class": "todo",
        "fate": "linked",
    }

    rule = program.post(f"{path}/rules", asked)
    assert (rule["state"], rule["links"], rule["under_way"], rule["name"]) == ("active", 0, True, "label sso")
    settle(core)

    rule = program.get(f"{path}/rules/{rule['id']}")
    assert (rule["matches"], rule["links"], rule["under_way"], rule["not_linked"]) == (20, 20, False, {})
    links = program.get(f"{path}/links")["items"]
    assert {(link["source"], link["rule_id"], link["weight"]) for link in links} == {("rule", rule["id"], 2)}
    assert program.get(path)["work"]["progress"] == "1/4"
    assert program.get(f"{path}/rules")["items"] == [rule]


def test_the_preview_says_the_gain_in_points(program: Program, core: Core, path: str) -> None:
    program.post(f"{path}/links", {"external_id": "40"})
    seen = answered(program, "POST", f"{path}/rules/preview", {"kind": "label", "text": "sso"})
    assert (seen["work_now"], seen["work_then"], seen["gain_pp"]) == ("1", "2/7", "-71.43")


def test_over_the_bound_the_preview_says_how_many(program: Program, path: str) -> None:
    seen = answered(program, "POST", f"{path}/rules/preview", {"kind": "query", "text": "team=red", "at_most": 10})
    assert (seen["matches"], seen["exact"], seen["over_bound"], seen["work_then"]) == (40, True, True, None)


def test_the_same_request_under_the_same_key_makes_one_rule(program: Program, path: str) -> None:
    body = {"kind": "label", "text": "sso"}
    first = program.post(f"{path}/rules", body, **{"Idempotency-Key": "one"})
    assert program.post(f"{path}/rules", body, **{"Idempotency-Key": "one"}) == first
    assert program.refused("POST", f"{path}/rules", body) == (409, "rule_exists")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"kind": "query", "text": "nonsense"}, "query_refused"),
        ({"kind": "label", "text": "sso", "weight": -1}, "bad_weight"),
        ({"kind": "label", "text": "sso", "at_most": 20_001}, "invalid"),
        ({"kind": "wish", "text": "sso"}, "invalid"),
        ({"kind": "label", "text": " "}, "invalid"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(program: Program, path: str, body: Any, reason: str) -> None:
    assert program.refused("POST", f"{path}/rules", body) == (422, reason)
    assert program.refused("POST", f"{path}/rules/preview", body) == (422, reason)


def test_a_rule_is_changed_by_whoever_has_read_it_last(program: Program, core: Core, path: str) -> None:
    rule = program.post(f"{path}/rules", {"kind": "label", "text": "sso"})
    settle(core)
    at = f"{path}/rules/{rule['id']}"
    changed = program.patch(at, {"weight": 3, "at_most": 500}, version=rule["version"])
    assert (changed["weight"], changed["at_most"], changed["version"]) == (3, 500, 2)
    assert program.refused("PATCH", at, {"weight": 1}, **{"If-Match": '"1"'}) == (412, "lost_update")
    settle(core)
    assert {link["weight"] for link in program.get(f"{path}/links")["items"]} == {3}

    assert program.patch(at, {"state": "paused", "links": "remove"})["state"] == "paused"
    settle(core)
    assert program.get(f"{path}/links")["items"] == []
    program.patch(at, {"state": "active"})
    settle(core)
    assert program.get(at)["links"] == 20
    assert answered(program, "POST", f"{at}/runs", {})["under_way"] is False


@pytest.mark.parametrize(("links", "left"), [("keep", {("manual", None)}), ("remove", set())])
def test_a_rule_is_deleted_with_or_without_its_links(
    program: Program, core: Core, path: str, links: str, left: set[Any]
) -> None:
    rule = program.post(f"{path}/rules", {"kind": "label", "text": "sso"})
    settle(core)
    answered(program, "DELETE", f"{path}/rules/{rule['id']}?links={links}")
    settle(core)
    assert {(link["source"], link["rule_id"]) for link in program.get(f"{path}/links")["items"]} == left
    assert program.refused("GET", f"{path}/rules/{rule['id']}") == (404, "not_found")


def test_what_is_unlinked_by_hand_is_an_exception_until_it_is_deleted(
    program: Program, core: Core, path: str, connection: Connection
) -> None:
    program.post(f"{path}/rules", {"kind": "label", "text": "sso"})
    settle(core)
    link = program.get(f"{path}/links")["items"][0]
    answered(program, "DELETE", f"{path}/links/{link['id']}")

    (exception,) = program.get(f"{path}/rule-exceptions")["items"]
    assert (exception["external_id"], exception["made_by"]) == (link["external_id"], "token tests")
    assert program.get(f"{path}/rules")["items"][0]["not_linked"] == {"excepted": 1}
    at = f"{path}/rule-exceptions?connection_id={connection.id}&external_id={link['external_id']}"
    answered(program, "DELETE", at)
    assert program.get(f"{path}/rule-exceptions")["items"] == []
    assert program.get(f"{path}/rules")["items"][0]["links"] == 20


def test_another_workspace_sees_nothing_of_it(program: Program, stranger: Program, path: str) -> None:
    rule = program.post(f"{path}/rules", {"kind": "label", "text": "sso"})
    for method, at, body in [
        ("GET", f"{path}/rules", None),
        ("POST", f"{path}/rules", {"kind": "label", "text": "x"}),
        ("POST", f"{path}/rules/preview", {"kind": "label", "text": "x"}),
        ("GET", f"{path}/rules/{rule['id']}", None),
        ("PATCH", f"{path}/rules/{rule['id']}", {"weight": 2}),
        ("DELETE", f"{path}/rules/{rule['id']}", None),
        ("POST", f"{path}/rules/{rule['id']}/runs", {}),
        ("GET", f"{path}/rule-exceptions", None),
        ("POST", f"{path}/links/bulk", {"keys": ["TOY-1"]}),
    ]:
        assert stranger.refused(method, at, body)[0] == 404, at


def test_while_the_tracker_is_away_nothing_can_be_tried_out(program: Program, path: str, toy: AbleToy) -> None:
    toy.down = TrackerUnavailable("down")
    for at in ("rules", "rules/preview"):
        assert program.refused("POST", f"{path}/{at}", {"kind": "label", "text": "sso"})[0] == 503


# -- many links at once


def outcomes(body: Any) -> list[tuple[str, bool, str | None]]:
    return [(item["name"], item["link_id"] is not None, item["reason"]) for item in body["items"]]


def test_many_issues_are_linked_by_key_each_with_its_outcome(program: Program, path: str) -> None:
    program.post(f"{path}/links", {"key": "TOY-2"})
    made = program.post(f"{path}/links/bulk", {"keys": ["TOY-1", "TOY-2", "TOY-999", "TOY-100", "TOY-1"]})
    assert (made["linked"], made["refused"]) == (2, 2)
    assert outcomes(made) == [
        ("TOY-1", True, None),
        ("TOY-2", False, "already_linked"),
        ("TOY-999", False, "issue_unreadable"),
        ("TOY-100", True, None),
    ]
    assert program.get(path)["work"]["units"] == 4, "what hangs below the epic was read first"
    assert {link["weight"] for link in program.get(f"{path}/links")["items"]} == {1}


def test_or_by_identity_or_by_what_a_query_finds(program: Program, path: str) -> None:
    assert program.post(f"{path}/links/bulk", {"external_ids": ["4", "8"], "weight": 3})["linked"] == 2
    made = program.post(f"{path}/links/bulk", {"query": {"kind": "query", "text": "team=red"}})
    assert (made["linked"], made["refused"]) == (38, 2)
    assert program.get(path)["work"]["units"] == 40


def test_issues_are_named_in_one_way(program: Program, path: str) -> None:
    assert program.refused("POST", f"{path}/links/bulk", {}) == (422, "name_issues_one_way")
    both = {"keys": ["TOY-1"], "external_ids": ["1"]}
    assert program.refused("POST", f"{path}/links/bulk", both) == (422, "name_issues_one_way")
    many = {"keys": [f"TOY-{number}" for number in range(501)]}
    assert program.refused("POST", f"{path}/links/bulk", many) == (422, "invalid")
    nonsense = {"query": {"kind": "query", "text": "nonsense"}}
    assert program.refused("POST", f"{path}/links/bulk", nonsense) == (422, "query_refused")


def test_a_query_that_finds_too_many_wants_to_be_a_rule(
    program: Program, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.bulk_linking.AT_MOST", 5)
    asked = {"query": {"kind": "query", "text": "team=red"}}
    assert program.refused("POST", f"{path}/links/bulk", asked) == (422, "too_many")


def test_while_the_tracker_is_away_a_program_links_what_is_known(
    program: Program, path: str, toy: AbleToy, core: Core
) -> None:
    other = f"/key-results/{program.key_result()['id']}"
    program.post(f"{other}/links", {"key": "TOY-1"})
    toy.down = TrackerUnavailable("down")
    made = program.post(f"{path}/links/bulk", {"keys": ["TOY-1", "TOY-2"]})
    assert outcomes(made) == [("TOY-1", True, None), ("TOY-2", False, "tracker_unavailable")]
    with core.database.reading() as session:
        assert session.query(Link).count() == 2
        assert session.query(Issue).count() == 1
