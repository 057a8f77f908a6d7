"""Ledger, check-ins, milestones and connections through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.core import Core
from connector.models import Connection, InboxEntry, OutboxEntry, Workspace
from tests.web.api.conftest import START, Clock, Program

ANSWERS = {"changed": "SSO is live", "working": "pairing", "next": "roll out"}


@pytest.fixture
def path(program: Program) -> str:
    """The address of a key result from 0 to 10."""
    return f"/key-results/{program.key_result(baseline=0, target=10)['id']}"


def test_a_pushed_value_needs_nothing_else(program: Program, path: str) -> None:
    made = program.post(f"{path}/check-ins", {"value": "2.5"})
    assert (made["value"], made["source"], made["at"]) == (2.5, "api", "2026-08-03T12:00:00Z")
    read = program.get(path)
    assert (read["value"], read["outcome"]["progress"], read["status"]) == (2.5, "1/4", "pending")


def test_the_drivers_word_stands_beside_the_evidence(program: Program, path: str) -> None:
    program.post(f"{path}/check-ins", {"value": 0, "status": "green", "confidence": "0.7", **ANSWERS})
    read = program.get(path)
    assert (read["status"], read["confidence"]) == ("green", 0.7)
    assert (read["evidence_status"], read["disputed"]) == ("red", True)


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, ["empty"]),
        ({"plan": "hope"}, ["empty"]),
        ({"changed": "much"}, ["q2_empty", "q3_empty"]),
        ({"stuck": "hiring"}, ["q1_empty", "q3_empty"]),
        ({"need": "a reviewer", "next": " "}, ["q1_empty", "q2_empty"]),
        ({"status": "red"}, ["red_needs_plan"]),
        ({"status": "red", "plan": "  ", **ANSWERS}, ["red_needs_plan"]),
        ({"confidence": 1.01}, ["out_of_range"]),
        ({"confidence": -0.5}, ["out_of_range"]),
        ({"value": 1, "at": "2026-08-03T12:00:01Z"}, ["in_the_future"]),
        ({"status": "purple"}, ["bad_shape"]),
    ],
)
def test_an_incomplete_check_in_is_refused_with_what_is_missing(
    program: Program, path: str, body: dict[str, Any], reasons: list[str]
) -> None:
    answer = program.call("POST", f"{path}/check-ins", body)
    assert answer.status_code == 422
    assert [error["reason"] for error in answer.get_json(force=True)["errors"]] == reasons
    assert program.get(f"{path}/check-ins")["items"] == []


def test_red_with_a_plan_is_fine(program: Program, path: str) -> None:
    program.post(f"{path}/check-ins", {"status": "red", "plan": "swap sprint scope"})
    assert program.get(path)["status"] == "red"


def test_news_about_an_earlier_day_does_not_replace_what_is_newer(program: Program, path: str) -> None:
    program.post(f"{path}/check-ins", {"value": 6, "status": "green"})
    earlier = program.post(
        f"{path}/check-ins", {"value": 3, "status": "red", "plan": "x", "at": "2026-07-20T10:00:00+02:00"}
    )
    assert earlier["at"] == "2026-07-20T08:00:00Z"
    read = program.get(path)
    assert (read["value"], read["status"]) == (6, "green")
    assert [one["value"] for one in program.get(f"{path}/check-ins")["items"]] == [6, 3]


def test_a_correction_is_named_as_one_and_rewrites_no_row(program: Program, path: str, clock: Clock) -> None:
    made = program.post(f"{path}/check-ins", {"value": 8})
    clock.forward(hours=1)
    corrected = program.patch(f"{path}/check-ins/{made['id']}", {"value": 5}, version=1)
    assert (corrected["value"], corrected["version"]) == (5, 2)
    rows = program.get(f"{path}/ledger")["items"]
    assert [(row["cause"], row["after"], row["delta"]) for row in rows] == [
        ("corrected", "1/2", "-3/10"),
        ("measured", "4/5", None),
    ]
    assert program.get(path)["value"] == 5
    assert program.refused("PATCH", f"{path}/check-ins/{made['id']}", {"value": 1}, **{"If-Match": '"1"'}) == (
        412,
        "lost_update",
    )


def test_taking_a_value_back_falls_back_to_the_one_before(program: Program, path: str, clock: Clock) -> None:
    program.post(f"{path}/check-ins", {"value": 2})
    clock.forward(hours=1)
    wrong = program.post(f"{path}/check-ins", {"value": 9, "status": "yellow"})
    program.patch(f"{path}/check-ins/{wrong['id']}", {"value": None})
    read = program.get(path)
    assert (read["value"], read["status"]) == (2, "yellow")


def test_the_ledger_folds_to_any_moment(program: Program, path: str, clock: Clock) -> None:
    for value in (1, 4, 9):
        program.post(f"{path}/check-ins", {"value": value})
        clock.forward(days=1)
    then = (START + timedelta(days=1, hours=1)).isoformat().replace("+", "%2B")
    folded = program.get(f"{path}/ledger?at={then}")
    assert folded["state"]["outcome"] == "2/5"
    assert [row["after"] for row in folded["items"]] == ["2/5", "1/10"]
    before_all = program.get(f"{path}/ledger?at=2026-08-01T00:00:00Z")
    assert (before_all["items"], before_all["state"]["outcome"]) == ([], None)
    assert program.get(f"{path}/ledger")["state"]["outcome"] == "9/10"


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        ("2026-08-03", "1/10"),
        ("2026-08-04", "2/5"),
        ("2026-08-04T12:00:00Z", "2/5"),
        ("2026-08-04T11:59:59Z", "1/10"),
        ("2026-08-04T14:00:00+02:00", "2/5"),
        ("2026-08-04T14:00:00%2B02:00", "2/5"),
        ("2026-08-04T12:00", "2/5"),
        ("2026-08-02", None),
    ],
)
def test_a_moment_is_read_in_every_usual_spelling(
    program: Program, path: str, clock: Clock, at: str, outcome: str | None
) -> None:
    for value in (1, 4):
        program.post(f"{path}/check-ins", {"value": value})
        clock.forward(days=1)
    assert program.get(f"{path}/ledger?at={at}")["state"]["outcome"] == outcome


def test_a_day_ends_where_the_workspace_is(program: Program, path: str, core: Core, clock: Clock) -> None:
    with core.database.writing() as session:
        session.get_one(Workspace, program.workspace_id).timezone = "Pacific/Auckland"
    clock.forward(minutes=-30)
    program.post(f"{path}/check-ins", {"value": 1})
    clock.forward(hours=1)
    program.post(f"{path}/check-ins", {"value": 4})
    # It is half past midnight on 4 August in Auckland when the second value comes in, and still the 3rd in London.
    assert program.get(f"{path}/ledger?at=2026-08-03")["state"]["outcome"] == "1/10"


def test_deltas_add_up_to_where_it_is_now(program: Program, path: str) -> None:
    from fractions import Fraction

    for value in (1, 4, 2, 9):
        program.post(f"{path}/check-ins", {"value": value})
    program.patch(path, {"target": 12})
    rows = program.get(f"{path}/ledger")["items"]
    first = rows[-1]
    deltas = sum((Fraction(row["delta"]) for row in rows if row["delta"] is not None), Fraction(0))
    assert Fraction(first["after"]) + deltas == Fraction(program.get(path)["outcome"]["progress"])


def test_the_ledger_is_filtered_by_cause(program: Program, path: str) -> None:
    program.post(f"{path}/check-ins", {"value": 1})
    program.patch(path, {"target": 20})
    assert [row["cause"] for row in program.get(f"{path}/ledger?cause=target_edited")["items"]] == ["target_edited"]
    assert program.refused("GET", f"{path}/ledger?cause=magic") == (422, "invalid")
    assert program.refused("GET", f"{path}/ledger?at=yesterday") == (422, "invalid")


def test_milestones_weigh_what_they_weigh(program: Program) -> None:
    made = program.key_result(kind="milestone", title="SOC 2 by 2026-09-15", baseline=None, target=None)
    path = f"/key-results/{made['id']}"
    assert made["outcome"]["progress"] is None
    first = program.post(f"{path}/milestones", {"title": "Gap analysis", "weight": 1, "finished": True})
    second = program.post(f"{path}/milestones", {"title": "Audit", "weight": 3})
    assert (first["finished"], second["finished_at"]) == (True, None)
    assert program.get(path)["outcome"]["progress"] == "1/4"
    done = program.patch(f"{path}/milestones/{second['id']}", {"finished": True}, version=1)
    assert done["finished_at"] == "2026-08-03T12:00:00Z"
    assert program.get(path)["outcome"]["progress"] == "1"
    program.patch(f"{path}/milestones/{first['id']}", {"finished": False, "weight": 2})
    assert program.get(path)["outcome"]["progress"] == "3/5"
    assert program.call("DELETE", f"{path}/milestones/{first['id']}").status_code == 204
    causes = [row["cause"] for row in reversed(program.get(f"{path}/ledger")["items"])]
    assert causes == ["scope_added", "scope_added", "completed", "reweighted", "reopened", "scope_removed"]
    assert [one["title"] for one in program.get(f"{path}/milestones")["items"]] == ["Audit"]


def test_only_the_kind_milestone_has_milestones(program: Program, path: str) -> None:
    assert program.refused("POST", f"{path}/milestones", {"title": "Beta"}) == (409, "not_for_this_kind")


def test_a_milestone_needs_a_title_and_no_negative_weight(program: Program) -> None:
    path = f"/key-results/{program.key_result(kind='milestone')['id']}/milestones"
    assert program.refused("POST", path, {"title": " "}) == (422, "empty")
    assert program.refused("POST", path, {"title": "Beta", "weight": -1}) == (422, "bad_weight")
    assert program.refused("POST", path, {"title": "Beta", "finished": "yes"}) == (422, "invalid")


def test_a_connection_says_what_waits_and_what_was_given_up(
    program: Program, connection: Connection, core: Core, clock: Clock
) -> None:
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id)
        row.last_event_at, row.credential = clock(), "sealed"
        session.add(InboxEntry(connection_id=connection.id, delivery_key="1", kind="issue", body=b"{}"))
        session.add(InboxEntry(connection_id=connection.id, delivery_key="2", kind="issue", body=b"{}", state="done"))
        session.add(
            InboxEntry(
                connection_id=connection.id,
                delivery_key="3",
                kind="issue",
                body=b"x",
                state="failed",
                outcome="bad_json",
            )
        )
        session.add(OutboxEntry(connection_id=connection.id, kind="show_label", subject="7"))
        session.add(
            OutboxEntry(connection_id=connection.id, kind="fetch_issue", subject="8", state="buried", trouble="refused")
        )
    (shown,) = program.get("/connections")["items"]
    assert (shown["tracker"], shown["site"], shown["state"]) == ("toy", "https://toy.example", "active")
    assert (shown["last_event_at"], shown["last_reconcile_at"]) == ("2026-08-03T12:00:00Z", None)
    assert shown["backlog"] == 2
    assert [(one["box"], one["subject"], one["reason"]) for one in shown["failures"]] == [
        ("inbox", "3", "bad_json"),
        ("outbox", "8", "refused"),
    ]
    assert program.get(f"/connections/{connection.id}") == shown
    assert "sealed" not in str(shown)


def test_another_workspaces_connection_is_not_found(stranger: Program, connection: Connection) -> None:
    assert stranger.refused("GET", f"/connections/{connection.id}") == (404, "not_found")
