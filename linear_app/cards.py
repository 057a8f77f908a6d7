"""A key result on an issue in Linear: an attachment, which is the one thing of ours that an issue can show.

https://linear.app/developers/attachments
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from connector.tracker import GoalCard, IssueUnreadable, TrackerRefused
from linear_app.client import LinearClient

ICON = "/static/icon.png"
# Linear replaces this by "5 minutes ago" while it is being read, so that it needs no update of ours.
UPDATED = "updated {updatedAt__relativeTimestamp}"
LONGEST_TITLE = 200


def show(
    client: LinearClient, base_url: str, issue_id: str, card: GoalCard, known_id: str | None, now: datetime
) -> str:
    """Create or update the attachment and return its id.

    Creating is safe to repeat: per issue Linear keeps one attachment for an address, and gives back the one that is
    there.
    """
    shown = _shown(base_url, card, now)
    if known_id is not None:
        try:
            _succeeded(client.run("UpdateAttachment", id=known_id, input=shown)["attachmentUpdate"])
            return known_id
        except IssueUnreadable:
            # Somebody deleted it in Linear. The key result is still linked, so it comes back.
            pass
    fresh = {**shown, "id": str(uuid4()), "issueId": issue_id, "url": card.url, "groupBySource": False}
    made = _succeeded(client.run("CreateAttachment", input=fresh)["attachmentCreate"])
    return str(made["attachment"]["id"])


def remove(client: LinearClient, card_id: str) -> None:
    """Delete the attachment, or find that it is gone."""
    try:
        _succeeded(client.run("DeleteAttachment", id=card_id)["attachmentDelete"])
    except IssueUnreadable:
        return


def _shown(base_url: str, card: GoalCard, now: datetime) -> dict[str, Any]:
    # Braces are variables in Linear's subtitles, and a title could bring some.
    subtitle = card.subtitle.replace("{", "(").replace("}", ")")
    attributes = [{"name": name.capitalize(), "value": value} for name, value in card.attributes.items() if value]
    return {
        "title": card.title[:LONGEST_TITLE],
        "subtitle": f"{subtitle} · {UPDATED}",
        "iconUrl": f"{base_url}{ICON}",
        "metadata": {
            "title": card.title[:LONGEST_TITLE],
            "updatedAt": now.isoformat(),
            "attributes": attributes,
            "messages": [{"subject": card.title[:LONGEST_TITLE], "body": card.subtitle, "timestamp": now.isoformat()}],
        },
    }


def _succeeded(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or answer.get("success") is not True:
        raise TrackerRefused("Linear did not do it, and does not say why")
    return answer
