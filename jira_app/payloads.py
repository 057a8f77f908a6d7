"""Webhook bodies turned into events. Every kind is handled, ignored with a reason, or reported as unsupported.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
from jira_app.blocking import is_blocking
from jira_app.issue_fields import (
    Incomplete,
    issue_id,
    issue_snapshot,
    mapping_of,
    moment_of,
    moment_of_milliseconds,
    optional_mapping,
    text_of,
)

# What the webhook view adds to the kind of a delivery that our own write caused.
ECHO = ";echo"
# Events that no number depends on, whatever the site's webhooks were set to send.
IGNORED = {
    "comment_": "comments move nothing",
    "jira:worklog_": "work logs move nothing",
    "worklog_": "work logs move nothing",
    "attachment_": "attachments move nothing",
    "issue_property_": "issue properties move nothing",
    "jira:version_": "versions move nothing",
    "project_": "projects move nothing by themselves",
    "board_": "boards move nothing",
    "user_": "users move nothing",
    "option_": "site options move nothing",
}
SPRINT_STATES = {
    "sprint_created": "future",
    "sprint_updated": "as it says",
    "sprint_started": "active",
    "sprint_closed": "closed",
    "sprint_deleted": "deleted",
}
_KIND = re.compile(r"[\w:.-]{1,58}", re.ASCII)


def kind_of(body: Mapping[str, Any]) -> str:
    """Return the name of the event in `body`, or `unnamed` if it has none that can be one."""
    kind = body.get("webhookEvent")
    return kind if isinstance(kind, str) and _KIND.fullmatch(kind) else "unnamed"


def events_in(connection: Connection, kind: str, body: bytes, clock: Callable[[], datetime]) -> Sequence[Event]:
    """Read one delivery; `clock` dates a deletion that Jira sent without a time. Raises BadDelivery."""
    if kind.endswith(ECHO):
        return [Ignored("echo of our own write")]
    try:
        content = read_object(body)
    except NotJson as error:
        raise BadDelivery(str(error)) from None
    if kind in ("jira:issue_created", "jira:issue_updated"):
        return [_changed(connection, content)]
    if kind == "jira:issue_deleted":
        return [_deleted(content, clock)]
    if kind in ("issuelink_created", "issuelink_deleted"):
        return _linked(content)
    if kind in SPRINT_STATES:
        return [_sprint(kind, content, clock)]
    for beginning, reason in IGNORED.items():
        if kind.startswith(beginning):
            return [Ignored(reason)]
    return [Unsupported(kind)]


def _changed(connection: Connection, content: Mapping[str, Any]) -> Event:
    issue = mapping_of(content.get("issue"), "issue")
    try:
        snapshot = issue_snapshot(connection, issue)
    except Incomplete as missing:
        return IssueTouched(issue_id(issue.get("id")), missing.reason)
    return IssueChanged(snapshot, happened_at=snapshot.updated_at, actor=_actor(content))


def _deleted(content: Mapping[str, Any], clock: Callable[[], datetime]) -> Event:
    issue = mapping_of(content.get("issue"), "issue")
    updated = optional_mapping(issue.get("fields"), "fields").get("updated")
    known = [
        moment_of_milliseconds(content.get("timestamp")),
        moment_of(updated, "updated") if updated is not None else None,
    ]
    # The later one: a deletion is never older than the issue's own last change.
    happened_at = max((moment for moment in known if moment is not None), default=None)
    return IssueDeleted(issue_id(issue.get("id")), happened_at=happened_at or clock(), actor=_actor(content))


def _linked(content: Mapping[str, Any]) -> Sequence[Event]:
    """Read an issue link. Jira also keeps sub-tasks and epics as links of its own, and those change the hierarchy.

    A link tells ids only, so whoever may be concerned is read again: both ends of a place in the hierarchy, and the
    blocked end of a link that blocks.
    """
    link = mapping_of(content.get("issueLink"), "issueLink")
    link_type = optional_mapping(link.get("issueLinkType"), "issueLinkType")
    ends = [issue_id(link.get(name)) for name in ("sourceIssueId", "destinationIssueId")]
    marks = (link.get("systemLink"), link_type.get("isSystemLinkType"), link_type.get("isSubTaskLinkType"))
    if any(mark is True for mark in marks):
        return [IssueTouched(end, "its place in the hierarchy may have changed") for end in dict.fromkeys(ends)]
    if is_blocking(link_type, "outwardName", "inwardName"):
        return [IssueTouched(ends[1], "what blocks it may have changed")]
    return [Ignored("links between issues move nothing")]


def _sprint(kind: str, content: Mapping[str, Any], clock: Callable[[], datetime]) -> Event:
    sprint = mapping_of(content.get("sprint"), "sprint")
    said = text_of(sprint.get("state"), "sprint.state", 16).lower()
    settled = kind in ("sprint_started", "sprint_closed", "sprint_deleted")
    if kind == "sprint_updated" and said not in ("future", "active", "closed"):
        raise BadDelivery("sprint.state: missing or unknown")
    state = said if said in ("future", "active", "closed") and not settled else SPRINT_STATES[kind]
    return SprintChanged(
        external_id=issue_id(sprint.get("id")),
        name=text_of(sprint.get("name"), "sprint.name", 200),
        state=state,
        happened_at=moment_of_milliseconds(content.get("timestamp")) or clock(),
        starts_at=optional_moment(sprint.get("startDate"), "startDate"),
        ends_at=optional_moment(sprint.get("endDate"), "endDate"),
        board=board_of(sprint),
    )


def board_of(sprint: Mapping[str, Any]) -> str:
    """Return the id of the board that a sprint was made on, "" where that is not told; raises BadDelivery."""
    board = sprint.get("originBoardId")
    return "" if board is None else issue_id(board)


def optional_moment(value: object, name: str) -> datetime | None:
    """Read a time that may be missing; raises BadDelivery."""
    return None if value in (None, "") else moment_of(value, name)


def _actor(content: Mapping[str, Any]) -> str:
    return text_of(optional_mapping(content.get("user"), "user").get("accountId"), "user.accountId", 128)
