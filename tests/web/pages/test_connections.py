"""Connections: a traffic light in words, what waits and since when, failures with their reason and another try."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest

from connector.models import Connection, InboxEntry, OutboxEntry
from connector.outbox import enqueue
from tests.connector.conftest import NOW, Organisation
from tests.web.pages.conftest import Visitor


def words(visitor: Visitor) -> str:
    """Return the page's words, spaces made plain."""
    return " ".join(html.unescape(visitor.read("/connections")).split())


def change(org: Organisation, **values: Any) -> None:
    with org.core.database.writing() as session:
        connection = session.get_one(Connection, "c")
        for name, value in values.items():
            setattr(connection, name, value)


@pytest.mark.parametrize(
    ("values", "tone", "said"),
    [
        ({}, "quiet", "Waiting for the first event"),
        ({"last_event_at": NOW}, "good", "Receiving"),
        ({"last_event_at": NOW, "offline_since": NOW, "trouble": "503 from the site"}, "bad", "503 from the site"),
        ({"paused_until": NOW + timedelta(hours=1)}, "warn", "Paused"),
        ({"state": "uninstalled"}, "quiet", "Links and history are kept"),
        ({"state": "reconnect_needed"}, "bad", "Reconnect"),
        ({"last_event_at": NOW, "last_reconcile_at": NOW - timedelta(hours=2)}, "warn", "Not reconciled"),
        ({"last_event_at": NOW - timedelta(hours=9), "settings": {"silent_since": NOW.isoformat()}}, "warn", "Silent"),
        ({"last_event_at": NOW, "settings": {"silent_since": NOW.isoformat()}}, "good", "Receiving"),
    ],
)
def test_the_light_is_a_word_with_a_meaning(
    org: Organisation, member: Visitor, values: dict[str, Any], tone: str, said: str
) -> None:
    change(org, **values)
    page = member.read("/connections")
    assert f"light-{tone}" in page
    assert said in page


def test_it_says_when_the_last_event_came_and_what_waits_since_when(org: Organisation, member: Visitor) -> None:
    change(org, last_event_at=NOW - timedelta(seconds=12), last_reconcile_at=NOW - timedelta(minutes=3))
    with org.core.database.writing() as session:
        session.add(InboxEntry(connection_id="c", delivery_key="k", body=b"{}", received_at=NOW - timedelta(minutes=9)))
    said = words(member)
    assert "last event <time" in said
    assert ">12 s ago</time>" in said
    assert ">3 min ago</time>" in said
    assert "<b>1</b> waiting, since" in said
    assert "Behind" in said
    assert "1 delivery to apply" in said


def test_what_was_given_up_has_a_reason_and_can_be_tried_again(org: Organisation, admin: Visitor) -> None:
    with org.core.database.writing() as session:
        session.add(
            InboxEntry(connection_id="c", delivery_key="bad-1", kind="issue", body=b"{", state="failed", attempts=5,
                       outcome="bad_delivery: <b>no</b> JSON")
        )  # fmt: skip
        enqueue(session, "c", "show_label", "77")
        session.flush()
        buried = session.query(OutboxEntry).one()
        buried.state, buried.trouble, buried.attempts = "buried", "refused: 400", 10
    page = admin.read("/connections")
    assert "&lt;b&gt;no&lt;/b&gt; JSON" in page
    assert "refused: 400" in page
    assert "Try all 2 again" in page
    assert "It is tried again." in admin.do("/connections/c/replay", {"box": "outbox", "id": str(buried.id)})
    with org.core.database.reading() as session:
        assert session.query(OutboxEntry).one().state == "waiting"
        assert session.query(InboxEntry).one().state == "failed"
    admin.do("/connections/c/replay")
    with org.core.database.reading() as session:
        assert session.query(InboxEntry).one().state == "waiting"


def test_only_admins_try_again_and_only_their_own(org: Organisation, member: Visitor, admin: Visitor) -> None:
    member.read("/connections")
    assert member.send("/connections/c/replay").status_code == 403
    admin.read("/connections")
    assert admin.send("/connections/someone-elses/replay").status_code == 404


def test_it_says_honestly_how_to_connect_jira(org: Organisation, member: Visitor) -> None:
    said = words(member)
    assert f"{org.core.settings.base_url}/atlassian-connect.json" in said
    assert "no longer takes private installs" in said
    assert "which Ladder does not have yet" in said
    assert "can't be reached from Jira" in said  # the address is on this machine


def test_nothing_new_costs_nothing(org: Organisation, member: Visitor) -> None:
    etag = member.client.get("/connections").headers["ETag"]
    assert member.client.get("/connections", headers={"If-None-Match": etag}).status_code == 304
    change(org, last_event_at=NOW)
    assert member.client.get("/connections", headers={"If-None-Match": etag}).status_code == 200
