"""An issue as Linear writes it, in webhooks and in answers, into the snapshot that the core knows."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from connector.models import Connection
from connector.tracker import BadDelivery, IssueSnapshot
from linear_app.signature import moment

# Linear's state types, which workspaces cannot add to; the names of states they can. progress.md section 2.
CLASS_OF_STATE = {
    "triage": "todo",
    "backlog": "todo",
    "unstarted": "todo",
    "started": "doing",
    "completed": "done",
    "canceled": "dropped",
    "duplicate": "dropped",
}
# Connection.settings: state id -> [type, name], refreshed when an issue is in a state that is not in it.
STATES = "workflow_states"
TITLE_LIMIT = 1000


class Incomplete(Exception):
    """The issue's state can't be told from this alone; it must be read again. `issue_id` says which."""

    def __init__(self, issue_id: str, missing: str) -> None:
        super().__init__(missing)
        self.issue_id = issue_id
        self.missing = missing


def issue_snapshot(connection: Connection, data: Mapping[str, Any]) -> IssueSnapshot:
    """Read an issue from a webhook's `data` or an answer's node; unknown fields are left alone.

    Raises Incomplete (no state, no update time, a state type that we do not know) and BadDelivery (no id at all).
    """
    issue_id = identity(data.get("id"))
    updated_at = moment(data.get("updatedAt"))
    if updated_at is None:
        raise Incomplete(issue_id, "updatedAt")
    state_type, state_name = _state(connection, data)
    if state_type not in CLASS_OF_STATE:
        raise Incomplete(issue_id, "state")
    if data.get("trashed") is True:
        raise Incomplete(issue_id, "trashed")
    team = _mapping(data.get("team"))
    labels = data.get("labelIds")
    return IssueSnapshot(
        external_id=issue_id,
        key=_text(data.get("identifier")) or _key_of(team, data.get("number")),
        title=_text(data.get("title"))[:TITLE_LIMIT],
        url=_web_address(data.get("url")),
        cls=CLASS_OF_STATE[state_type],
        updated_at=updated_at,
        # Linear has no levels: a sub-issue is an issue with a parent, and counts like any other.
        level=0,
        estimate=exact_estimate(data.get("estimate")),
        parent_external_id=_reference(data, "parent"),
        issue_type="Issue",
        status_name=state_name[:120],
        project_key=_text(team.get("key"))[:64],
        assignee=_reference(data, "assignee"),
        labels=tuple(sorted(_text(label) for label in labels if _text(label))) if isinstance(labels, list) else (),
        sprints=tuple(filter(None, [_reference(data, "cycle")])),
    )


def identity(value: object) -> str:
    """Return an entity's id; raises BadDelivery for what cannot be one."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        raise BadDelivery("no usable id")
    return value


def _state(connection: Connection, data: Mapping[str, Any]) -> tuple[str, str]:
    """Return type and name of the issue's state: as written beside the issue, else as kept for its id."""
    state = _mapping(data.get("state"))
    if isinstance(state.get("type"), str):
        return state["type"], _text(state.get("name"))
    known = connection.settings.get(STATES, {}).get(_text(data.get("stateId") or state.get("id")))
    return (known[0], known[1]) if known else ("", "")


def _reference(data: Mapping[str, Any], name: str) -> str | None:
    """Return the id of what an issue points to: webhooks write `parentId`, answers `parent { id }`."""
    flat = data.get(f"{name}Id")
    nested = _mapping(data.get(name)).get("id")
    found = flat if isinstance(flat, str) else nested
    return identity(found) if isinstance(found, str) and found else None


def exact_estimate(value: object) -> Fraction | None:
    """Return the points exactly: Linear writes a float, whose shortest decimal is what people chose."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    exact = Fraction(str(value))
    return exact if exact >= 0 else None


def _key_of(team: Mapping[str, Any], number: object) -> str:
    return f"{team['key']}-{number}" if isinstance(team.get("key"), str) and isinstance(number, int) else ""


def _web_address(value: object) -> str:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
