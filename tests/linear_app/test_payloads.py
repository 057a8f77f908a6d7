"""Webhooks into events: every captured one, and issues through trash, archive, restore and duplicates in all orders."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from connector.apply import apply_event
from connector.core import Core
from connector.models import Connection, Issue
from connector.tracker import (
    BadDelivery,
    Event,
    Ignored,
    IssueChanged,
    IssueDeleted,
    IssueTouched,
    SprintChanged,
    Unsupported,
)
from linear_app.payloads import STALE, events_in, kind_of, own_actors
from tests.linear_app.acme import APP_USER, delivery, issue_data
from tests.linear_app.conftest import Stored
from tests.shared_refs import FOLDER, refs

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
CAPTURED = sorted((FOLDER / "payloads" / "linear").glob("*.json"))
EXPECTED: dict[str, type[Event] | str] = {
    "AttachmentCreated": "attachments_move_nothing",
    "CycleUpdated": SprintChanged,
    "IssueCreated": IssueChanged,
    "IssueLabelCreated": "handled_on_arrival",
    "IssueRemoved": IssueDeleted,
    "IssueUpdated": IssueChanged,
    "ProjectUpdated": "projects_move_nothing",
    "updateIssueCycle": IssueChanged,
    "updateIssueEstimated": IssueChanged,
    "updateIssueForLabel": IssueChanged,
}


def read(connection: Connection, said: dict[str, Any], *, stale: bool = False) -> Event:
    """Return the only event of a delivery."""
    kind = kind_of(said) + (STALE if stale else "")
    (event,) = events_in(connection, kind, json.dumps(said).encode(), own_actors(connection, "client-1"))
    return event


def changed(connection: Connection, said: dict[str, Any]) -> IssueChanged:
    """Return a delivery's change of an issue."""
    event = read(connection, said)
    assert isinstance(event, IssueChanged), event
    return event


def at(**later: float) -> str:
    """Return a moment after AT as Linear writes it."""
    return (AT + timedelta(**later)).isoformat().replace("+00:00", "Z")


def update(before: dict[str, Any], data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an update of an issue, which happened when it was updated."""
    return delivery("Issue", "update", data, updatedFrom=before, createdAt=data["updatedAt"], **more)


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_every_captured_delivery_is_handled_or_ignored_for_a_reason(path: Path, connection: Connection) -> None:
    event = read(connection, json.loads(path.read_text()))
    expected = EXPECTED[path.stem]
    if isinstance(expected, str):
        assert event == Ignored(expected)
    else:
        assert isinstance(event, expected)


def test_all_captured_deliveries_are_expected() -> None:
    refs("payloads", "linear")
    assert {path.stem for path in CAPTURED} == set(EXPECTED)


def test_a_captured_issue_is_read_whole(connection: Connection) -> None:
    said = json.loads(refs("payloads", "linear", "updateIssueEstimated.json").read_text())
    snapshot = changed(connection, said).snapshot
    assert (snapshot.key, snapshot.title, snapshot.project_key) == ("KOR-11", "webhook test", "KOR")
    assert (snapshot.cls, snapshot.status_name, snapshot.estimate) == ("todo", "Todo", Fraction(1))
    assert snapshot.labels == ("0c7881fb-xxxx-xxxx-xxxx-f4cb486dfc22",)
    assert snapshot.sprints == ("8becebd5-xxxx-xxxx-xxxx-5a4c46206590",)
    assert snapshot.assignee == "80e102b0-xxxx-xxxx-xxxx-044bcfb4cd39"
    assert snapshot.url == "https://linear.app/korosuke613/issue/KOR-11/webhook-test"
    assert snapshot.updated_at == datetime(2021, 1, 30, 11, 31, 12, 983000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "cls"),
    [
        ("triage", "todo"),
        ("backlog", "todo"),
        ("unstarted", "todo"),
        ("started", "doing"),
        ("completed", "done"),
        ("canceled", "dropped"),
        ("duplicate", "dropped"),
    ],
)
def test_a_state_counts_by_its_type_whatever_it_is_called(connection: Connection, type_: str, cls: str) -> None:
    data = issue_data(state={"id": "s", "name": "Shipped?", "type": type_})
    assert changed(connection, delivery("Issue", "update", data)).snapshot.cls == cls


@pytest.mark.parametrize(
    ("points", "estimate"),
    [(None, None), (0, Fraction(0)), (3, Fraction(3)), (0.1, Fraction(1, 10)), (True, None), ("3", None), (-1, None)],
)
def test_an_estimate_is_taken_exactly(connection: Connection, points: Any, estimate: Fraction | None) -> None:
    event = changed(connection, delivery("Issue", "update", issue_data(estimate=points)))
    assert event.snapshot.estimate == estimate


def test_what_is_left_out_is_none(connection: Connection) -> None:
    snapshot = changed(connection, delivery("Issue", "create", issue_data())).snapshot
    assert (snapshot.parent_external_id, snapshot.assignee, snapshot.sprints, snapshot.estimate) == (
        None,
        None,
        (),
        None,
    )


def test_a_sub_issue_names_its_parent(connection: Connection) -> None:
    assert changed(connection, delivery("Issue", "create", issue_data(parentId="issue-9"))).snapshot.parent_external_id


def test_a_state_that_stands_only_as_an_id_is_looked_up(connection: Connection) -> None:
    data = {name: value for name, value in issue_data(stateId="state-done").items() if name != "state"}
    assert changed(connection, delivery("Issue", "update", data)).snapshot.cls == "done"


@pytest.mark.parametrize(
    "data",
    [
        {**{k: v for k, v in issue_data().items() if k != "state"}, "stateId": "state-new"},
        issue_data(state={"id": "s", "name": "Paused", "type": "paused"}),
        {k: v for k, v in issue_data().items() if k != "updatedAt"},
        issue_data(updatedAt="yesterday"),
    ],
    ids=["unknown state", "unknown type of state", "no time", "no real time"],
)
def test_an_issue_that_cannot_be_told_from_the_delivery_is_read_again(
    connection: Connection, data: dict[str, Any]
) -> None:
    event = read(connection, delivery("Issue", "update", data))
    assert isinstance(event, IssueTouched)
    assert event.external_id == "issue-1"


def test_an_issue_in_the_trash_is_gone_whatever_the_delivery_calls_it(connection: Connection) -> None:
    event = read(connection, update({"trashed": None}, issue_data(trashed=True)))
    assert event == IssueDeleted("issue-1", AT)


def test_a_stale_delivery_is_never_believed(connection: Connection) -> None:
    for action in ("create", "update", "remove"):
        event = read(connection, delivery("Issue", action, issue_data()), stale=True)
        assert event == IssueTouched("issue-1", "stale")


@pytest.mark.parametrize("actor", [{"id": APP_USER, "type": "user"}, {"id": "client-1", "type": "oauthClient"}])
def test_the_echo_of_our_own_change_is_ignored(connection: Connection, actor: dict[str, str]) -> None:
    assert read(connection, delivery("Issue", "update", issue_data(), actor=actor)) == Ignored("own_echo")


def test_somebody_elses_change_names_them(connection: Connection) -> None:
    said = delivery("Issue", "update", issue_data(), actor={"id": "user-1", "type": "user"})
    assert changed(connection, said).actor == "user-1"


def test_an_update_that_changed_nothing_is_ignored(connection: Connection) -> None:
    assert read(connection, delivery("Issue", "update", issue_data(), updatedFrom={})) == Ignored("nothing_changed")


def test_an_unknown_type_is_unsupported_and_says_what_it_was(connection: Connection) -> None:
    assert read(connection, delivery("AgentSession", "created", {})) == Unsupported("AgentSession.created")


def test_a_type_is_taken_whole_even_when_it_is_long(connection: Connection) -> None:
    assert isinstance(read(connection, delivery("Issue" + "x" * 40, "update", issue_data())), Unsupported)


@pytest.mark.parametrize(
    "body",
    [
        b"no",
        b"[]",
        b'{"type": "Issue", "action": "update", "data": []}',
        b'{"type": "Issue", "action": "update", "data": {}}',
        b'{"type": "Issue", "action": "update", "data": {"id": 7}}',
        b'{"type": "Issue", "action": "update", "data": {"id": "x\\u0000"}}',
        b'{"type": "Issue", "action": "remove", "data": {"id": "x"}}',
        b'{"type": "Cycle", "action": "update", "data": {"id": "x"}}',
    ],
)
def test_a_body_without_sense_is_a_bad_delivery(connection: Connection, body: bytes) -> None:
    with pytest.raises(BadDelivery):
        events_in(connection, "Issue.update", body)


@pytest.mark.parametrize(
    ("cycle", "action", "state"),
    [
        ({"startsAt": at(days=1), "endsAt": at(days=8)}, "create", "future"),
        ({"startsAt": at(days=-1), "endsAt": at(days=8)}, "update", "active"),
        ({"startsAt": at(days=-9), "endsAt": at(days=-1)}, "update", "closed"),
        ({"startsAt": at(days=-9), "endsAt": at(days=9), "completedAt": at(days=-1)}, "update", "closed"),
        ({"startsAt": at(days=-9), "endsAt": at(days=9)}, "remove", "deleted"),
    ],
)
def test_a_cycle_is_what_its_dates_say(connection: Connection, cycle: dict[str, str], action: str, state: str) -> None:
    event = read(connection, delivery("Cycle", action, {"id": "cy", "number": 4, "updatedAt": at(), **cycle}))
    assert isinstance(event, SprintChanged)
    assert (event.name, event.state) == ("Cycle 4", state)


# What may befall one issue, in the order in which it did; each is [words, delivery, class afterwards].
TRASHED = {"trashed": True, "archivedAt": at(minutes=2)}
LIFE: list[tuple[str, dict[str, Any], str]] = [
    ("created", delivery("Issue", "create", issue_data(), createdAt=at()), "doing"),
    (
        "canceled",
        update({"stateId": "state-started"}, issue_data(updatedAt=at(minutes=1), state={"type": "canceled"})),
        "dropped",
    ),
    (
        # The time of the last update stays behind when an issue is put into the trash.
        "trashed",
        delivery("Issue", "remove", issue_data(updatedAt=at(minutes=1), **TRASHED), createdAt=at(minutes=2)),
        "gone",
    ),
    (
        "restored",
        delivery(
            "Issue",
            "update",
            issue_data(updatedAt=at(minutes=1), state={"type": "canceled"}),
            createdAt=at(minutes=3),
            updatedFrom={"trashed": True, "archivedAt": at(minutes=2)},
        ),
        "dropped",
    ),
    (
        "marked as a duplicate",
        update({"stateId": "x"}, issue_data(updatedAt=at(minutes=4), state={"type": "duplicate"})),
        "dropped",
    ),
    (
        "completed after all",
        update({"stateId": "x"}, issue_data(updatedAt=at(minutes=5), state={"type": "completed"})),
        "done",
    ),
    (
        "archived",
        update(
            {"archivedAt": None},
            issue_data(updatedAt=at(minutes=6), archivedAt=at(minutes=6), state={"type": "completed"}),
        ),
        "done",
    ),
]


@pytest.mark.parametrize("length", range(1, len(LIFE) + 1))
def test_deliveries_in_any_order_end_where_the_last_one_was(
    core: Core, connection: Connection, stored: Stored, length: int
) -> None:
    told = LIFE[:length]
    orders = list(itertools.permutations(told))
    for number, order in enumerate(orders[:: max(1, len(orders) // 60)]):
        issue_id = f"issue-{number}"
        with core.database.writing() as session:
            row = session.get_one(Connection, connection.id)
            for _, said, _ in order:
                whole = {**said, "data": {**said["data"], "id": issue_id}}
                apply_event(session, row, read(row, whole), source="test", now=AT)
        with core.database.reading() as session:
            issue = session.query(Issue).filter_by(external_id=issue_id).one()
            assert issue.cls == told[-1][2], [words for words, _, _ in order]
