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
from linear_app.cycles import BLOCKS, title_of
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
    "Project": "projects_move_nothing",
    "ProjectUpdate": "projects_move_nothing",
    "ProjectLabel": "projects_move_nothing",
    "Initiative": "initiatives_move_nothing",
    "InitiativeUpdate": "initiatives_move_nothing",
    "EntityExternalLink": "links_move_nothing",
    "CustomView": "views_move_nothing",
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
        case "IssueRelation":
            return [_relation(said, data)]
        case str() if name in IGNORED:
            return [Ignored(IGNORED[name])]
        case _:
            return [Unsupported(kind_of(said))]


def _issue(connection: Connection, said: Mapping[str, Any], data: Mapping[str, Any], ours: Collection[str]) -> Event:
    issue_id = identity(data.get("id"))
    actor = actor_of(said)
    if actor and actor in ours and "cycleId" not in _before(said):
        # What we moved to another cycle for somebody is news all the same: nothing else tells us that it worked.
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


def _before(said: Mapping[str, Any]) -> Mapping[str, Any]:
    before = said.get("updatedFrom")
    return before if isinstance(before, dict) else {}


def _came_back(said: Mapping[str, Any]) -> bool:
    return said.get("action") == "restore" or _before(said).get("trashed") is True


def _relation(said: Mapping[str, Any], data: Mapping[str, Any]) -> Event:
    """Have the issue read again that is, or no longer is, blocked.

    Whether Linear sends relations at all is not documented; reading a cycle finds them either way.
    """
    if data.get("type") != BLOCKS and said.get("action") == "create":
        return Ignored("relations_move_nothing")
    related = data.get("relatedIssueId")
    return IssueTouched(identity(related), "relation") if isinstance(related, str) else Ignored("relation_of_nothing")


def _cycle(said: Mapping[str, Any], data: Mapping[str, Any]) -> Event:
    starts, ends = moment(data.get("startsAt")), moment(data.get("endsAt"))
    told_at = _happened_at(said, data)
    if said.get("action") == "remove":
        state = "deleted"
    elif moment(data.get("completedAt")) is not None or (ends is not None and ends <= told_at):
        state = "closed"
    else:
        state = "active" if starts is not None and starts <= told_at else "future"
    # The cycle's own update time where there is one, as in answers of the API: else a reading would look older.
    updated_at = moment(data.get("updatedAt"))
    happened_at = updated_at if updated_at is not None and state != "deleted" else told_at
    team = data.get("teamId")
    board = team[:64] if isinstance(team, str) else ""
    return SprintChanged(identity(data.get("id")), title_of(data), state, happened_at, starts, ends, board)


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
