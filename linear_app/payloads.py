"""Linear's webhooks into events. What is handled, ignored and unsupported is written down here, type by type.

https://linear.app/developers/webhooks#the-webhook-payload
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connector.json_body import NotJson, read_object
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
# Types of which the arrival itself is what matters: linear_app.arrival.
HANDLED_ON_ARRIVAL = ("PermissionChange", "OAuthApp", "OAuthAuthorization", "IssueLabel")
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
    "Release": "releases_move_nothing",
    **dict.fromkeys(HANDLED_ON_ARRIVAL, "handled_on_arrival"),
}
# Characters of a type and of an action in an inbox kind, so that STALE still fits behind them.
PART = 28


def kind_of(body: Mapping[str, Any]) -> str:
    """Return a delivery's kind for the inbox: "Issue.update"."""
    parts = [body.get("type"), body.get("action")]
    return ".".join(part[:PART] for part in parts if isinstance(part, str) and part.isprintable()) or "unnamed"


def own_actors(connection: Connection, client_id: str) -> frozenset[str]:
    """Return the actors that are Ladder itself: its app user in the workspace, or the application by its id."""
    return frozenset(one for one in (connection.settings.get("app_user_id"), client_id) if one)


def events_in(connection: Connection, kind: str, body: bytes, ours: Collection[str] = ()) -> Sequence[Event]:
    """Read one accepted delivery; `ours` are the actors that are Ladder itself. Raises BadDelivery."""
    try:
        said = read_object(body)
    except NotJson as error:
        raise BadDelivery(str(error)) from None
    data = said.get("data", {})
    if not isinstance(data, dict):
        raise BadDelivery("data: not an object")
    name = said.get("type")
    match name:
        case "Issue" if kind.endswith(STALE):
            return [IssueTouched(identity(data.get("id")), "stale")]
        case "Issue":
            return [_issue(connection, said, data, ours)]
        case "Cycle" if kind.endswith(STALE):
            # A cycle has nothing that a number hangs on, and the next event about it says all of it again.
            return [Ignored("stale_cycle")]
        case "Cycle":
            return [_cycle(said, data)]
        case str() if name in IGNORED:
            return [Ignored(IGNORED[name])]
        case _:
            return [Unsupported(kind_of(said))]


def _issue(connection: Connection, said: Mapping[str, Any], data: Mapping[str, Any], ours: Collection[str]) -> Event:
    issue_id = identity(data.get("id"))
    actor = actor_of(said)
    if actor and actor in ours:
        return Ignored("own_echo")
    happened_at = _happened_at(said, data)
    if said.get("action") == "remove" or data.get("trashed") is True:
        # Trashed or deleted: either way it is out of sight, and a later update brings a restored one back.
        return IssueDeleted(issue_id, happened_at, actor)
    if said.get("action") == "update" and said.get("updatedFrom") == {}:
        return Ignored("nothing_changed")
    # In webhooks the address stands beside the data.
    whole = data if "url" in data else {**data, "url": said.get("url")}
    try:
        snapshot = issue_snapshot(connection, whole)
    except Incomplete as error:
        return IssueTouched(issue_id, f"incomplete:{error.missing}")
    if _came_back(said):
        # Taking an issue out of the trash need not count as an update of it, and would then look older than the
        # deletion that it undoes.
        snapshot = replace(snapshot, updated_at=max(snapshot.updated_at, happened_at))
    return IssueChanged(snapshot, snapshot.updated_at, actor)


def _came_back(said: Mapping[str, Any]) -> bool:
    before = said.get("updatedFrom")
    return said.get("action") == "restore" or (isinstance(before, dict) and before.get("trashed") is True)


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


def actor_of(said: Mapping[str, Any]) -> str:
    """Return the id of who did it, "" if the delivery does not say."""
    actor = said.get("actor")
    found = actor.get("id") if isinstance(actor, dict) else None
    return found[:200] if isinstance(found, str) else ""
