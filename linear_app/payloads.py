"""Linear's webhooks into events. What is handled, ignored and unsupported is written down here, type by type.

https://linear.app/developers/webhooks#the-webhook-payload
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.models import Connection
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
from linear_app.issue_fields import Incomplete, identity, issue_snapshot
from linear_app.signature import moment

# A kind in the inbox that says: signed, but too old to be believed; only read the entity again.
STALE = ":stale"
# Types that move no number, and why.
IGNORED = {
    "Attachment": "attachments_move_nothing",
    "Comment": "comments_move_nothing",
    "Reaction": "reactions_move_nothing",
    "Document": "documents_move_nothing",
    "IssueRelation": "relations_move_nothing",
    "Project": "projects_move_nothing",
    "ProjectUpdate": "projects_move_nothing",
    "ProjectLabel": "projects_move_nothing",
    "Initiative": "initiatives_move_nothing",
    "InitiativeUpdate": "initiatives_move_nothing",
    "Customer": "customers_move_nothing",
    "CustomerNeed": "customers_move_nothing",
    "User": "people_are_read_when_needed",
    "IssueSLA": "sla_moves_nothing",
    "PermissionChange": "handled_on_arrival",
    "OAuthApp": "handled_on_arrival",
    "OAuthAuthorization": "handled_on_arrival",
    "IssueLabel": "handled_on_arrival",
}


def kind_of(body: Mapping[str, Any]) -> str:
    """Return a delivery's kind for the inbox: "Issue.update"."""
    parts = [body.get("type"), body.get("action")]
    return ".".join(part[:30] for part in parts if isinstance(part, str) and part.isprintable()) or "unknown"


def events_in(connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
    """Read one accepted delivery; raises BadDelivery when it makes no sense."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDelivery("not JSON") from error
    if not isinstance(said, dict) or not isinstance(said.get("data", {}), dict):
        raise BadDelivery("not an object with data")
    data = said.get("data") or {}
    stale = kind.endswith(STALE)
    match kind_of(said).partition(".")[0]:
        case "Issue":
            return [_stale(data) if stale else _issue(connection, said, data)]
        case "Cycle":
            return [Ignored("stale_cycle")] if stale else [_cycle(said, data)]
        case name if name in IGNORED:
            return [Ignored(IGNORED[name])]
        case name:
            return [Unsupported(name)]


def _stale(data: Mapping[str, Any]) -> Event:
    return IssueTouched(identity(data.get("id")), "stale")


def _issue(connection: Connection, said: Mapping[str, Any], data: Mapping[str, Any]) -> Event:
    if _by_ourselves(connection, said):
        # An echo may still be news: our own label write changes the issue's labels. Reading it again settles that.
        return Ignored("own_echo")
    issue_id = identity(data.get("id"))
    happened_at = _happened_at(said, data)
    if said.get("action") == "remove":
        # Trashed or deleted: either way it is out of sight, and a later update brings a restored one back.
        return IssueDeleted(issue_id, happened_at, _actor(said))
    if said.get("action") == "update" and said.get("updatedFrom") == {}:
        return Ignored("nothing_changed")
    # In webhooks the address stands beside the data.
    whole = data if "url" in data else {**data, "url": said.get("url")}
    try:
        snapshot = issue_snapshot(connection, whole)
    except Incomplete as error:
        return IssueTouched(issue_id, f"incomplete:{error.missing}")
    return IssueChanged(snapshot, snapshot.updated_at, _actor(said))


def _cycle(said: Mapping[str, Any], data: Mapping[str, Any]) -> Event:
    starts, ends = moment(data.get("startsAt")), moment(data.get("endsAt"))
    happened_at = _happened_at(said, data)
    if said.get("action") == "remove":
        state = "deleted"
    elif moment(data.get("completedAt")) is not None or (ends is not None and ends <= happened_at):
        state = "closed"
    else:
        state = "active" if starts is not None and starts <= happened_at else "future"
    number = data.get("number")
    name = data.get("name") if isinstance(data.get("name"), str) and data.get("name") else f"Cycle {number}"
    return SprintChanged(identity(data.get("id")), str(name)[:200], state, happened_at, starts, ends)


def _happened_at(said: Mapping[str, Any], data: Mapping[str, Any]) -> datetime:
    times = [moment(said.get("createdAt")), moment(data.get("updatedAt")), moment(data.get("archivedAt"))]
    known = [time for time in times if time is not None]
    if not known:
        raise BadDelivery("no time in it")
    return max(known)


def _actor(said: Mapping[str, Any]) -> str:
    actor = said.get("actor")
    found = actor.get("id") if isinstance(actor, dict) else None
    return found[:200] if isinstance(found, str) else ""


def _by_ourselves(connection: Connection, said: Mapping[str, Any]) -> bool:
    ours = connection.settings.get("app_user_id")
    return bool(ours) and _actor(said) == ours
