"""The attachment about a key result: made once, brought up to date, taken away, all of it as often as one likes."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from connector.models import Connection
from connector.tracker import GoalCard, TrackerRefused, TrackerUnavailable
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import LADDER, Linear, refusal
from tests.linear_app.conftest import Now

CARD = GoalCard(
    key_result_id="kr-1",
    url=f"{LADDER}/issues/linear/c/issue-1?key_result=kr-1",
    title="KR Activate 500 teams",
    subtitle="62% · on track",
    attributes={"objective": "Win", "driver": "Ada", "status": "on track", "progress": "62%", "pace": ""},
)


def made(card_id: str = "card-1") -> dict[str, object]:
    """Return the answer to a creation."""
    return {"attachmentCreate": {"success": True, "attachment": {"id": card_id}}}


def test_a_card_is_made_with_an_address_that_stays(
    tracker: LinearTracker, connection: Connection, linear: Linear, now: Now
) -> None:
    linear.says("CreateAttachment", made())
    assert tracker.show_card(connection, "issue-1", CARD, None) == "card-1"
    sent = linear.last("CreateAttachment")["input"]
    assert (sent["issueId"], sent["url"], sent["title"]) == ("issue-1", CARD.url, CARD.title)
    assert sent["subtitle"] == "62% · on track · updated {updatedAt__relativeTimestamp}"
    assert sent["metadata"]["updatedAt"] == now().isoformat()
    assert sent["metadata"]["attributes"][:2] == [
        {"name": "Objective", "value": "Win"},
        {"name": "Driver", "value": "Ada"},
    ]
    assert all(one["value"] for one in sent["metadata"]["attributes"])
    assert sent["iconUrl"] == f"{LADDER}/static/icon.png"
    assert UUID(sent["id"]).version == 4


def test_a_repeated_creation_ends_at_the_attachment_that_is_there(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("CreateAttachment", refusal("INTERNAL_SERVER_ERROR")).says("CreateAttachment", made("card-0"))
    with pytest.raises(TrackerUnavailable):
        tracker.show_card(connection, "issue-1", CARD, None)
    assert tracker.show_card(connection, "issue-1", CARD, None) == "card-0"
    assert linear.asked[0].variables["input"]["url"] == linear.asked[1].variables["input"]["url"]


def test_a_known_card_is_updated(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("UpdateAttachment", {"attachmentUpdate": {"success": True}})
    moved = replace(CARD, subtitle="63% · on track")
    assert tracker.show_card(connection, "issue-1", moved, "card-1") == "card-1"
    sent = linear.last("UpdateAttachment")
    assert sent["id"] == "card-1"
    # Linear wants the title in every update, and knows neither address nor issue there.
    assert set(sent["input"]) == {"title", "subtitle", "iconUrl", "metadata"}


def test_a_card_that_somebody_deleted_comes_back(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("UpdateAttachment", refusal("ENTITY_NOT_FOUND")).says("CreateAttachment", made("card-2"))
    assert tracker.show_card(connection, "issue-1", CARD, "card-1") == "card-2"


def test_a_card_is_taken_away_and_one_that_is_gone_is_fine(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("DeleteAttachment", {"attachmentDelete": {"success": True}})
    linear.says("DeleteAttachment", refusal("", "Entity not found: Attachment"))
    tracker.remove_card(connection, "card-1")
    tracker.remove_card(connection, "card-1")
    assert linear.names() == ["DeleteAttachment", "DeleteAttachment"]


def test_a_title_cannot_smuggle_a_variable_into_the_subtitle(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("CreateAttachment", made())
    tracker.show_card(connection, "issue-1", replace(CARD, title="x" * 500, subtitle="{title} 5%"), None)
    sent = linear.last("CreateAttachment")["input"]
    assert sent["subtitle"].startswith("(title) 5% · ")
    assert len(sent["title"]) == 200


def test_a_failure_without_an_error_is_one(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("CreateAttachment", {"attachmentCreate": {"success": False, "attachment": {"id": "x"}}})
    with pytest.raises(TrackerRefused):
        tracker.show_card(connection, "issue-1", CARD, None)
