"""A Jira issue, as webhooks and the REST interface both write it, read into a snapshot.

Field reference: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from connector.models import Connection
from connector.tracker import BadDelivery, IssueSnapshot
from jira_app.blocking import LINKS_FIELD, blockers

# Resolutions that mean "will not be done"; editable per site as the setting `dropped_resolutions` (names or ids).
DROPPED_RESOLUTIONS = ("Won't Do", "Won't Fix", "Duplicate", "Declined", "Cannot Reproduce", "Obsolete")
# Asked for by name in every read: unnamed, Jira sends hundreds of fields, and only then are pages short.
FIELDS = (
    *("summary", "status", "issuetype", "project", "parent", "resolution", "labels", "assignee", "updated"),
    LINKS_FIELD,
)
CLASSES = {"new": "todo", "undefined": "todo", "indeterminate": "doing", "done": "done"}
# Estimates beyond these are slips of the keyboard, or an attempt to make exact sums expensive.
LARGEST_ESTIMATE = 10**9
FINEST_ESTIMATE = -20
_ISSUE_ID = re.compile(r"[0-9]{1,19}")
_FIELD_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_OLD_SPRINT = re.compile(r"\bid=([0-9]{1,19})\b")


class Incomplete(Exception):
    """The issue lacks what decides its class or its place in time, so it must be read again. `reason` says what."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def issue_snapshot(connection: Connection, issue: object) -> IssueSnapshot:
    """Read one issue; raises Incomplete, or BadDelivery when a value has a type that Jira never sends."""
    issue = mapping_of(issue, "issue")
    external_id = issue_id(issue.get("id"))
    fields = mapping_of(issue.get("fields"), "fields")
    settings = connection.settings
    status = optional_mapping(fields.get("status"), "status")
    if fields.get("updated") is None:
        raise Incomplete("no update time")
    if not status:
        raise Incomplete("no status")
    key = text_of(issue.get("key"), "key", 64)
    issue_type = optional_mapping(fields.get("issuetype"), "issuetype")
    parent = optional_mapping(fields.get("parent"), "parent")
    assignee = optional_mapping(fields.get("assignee"), "assignee")
    if not parent and fields.get(_setting(settings, "epic_link_field", "")):
        # The old field names the epic by its key, which may change; reading the issue gives the parent's id.
        raise Incomplete("epic named by key only")
    return IssueSnapshot(
        external_id=external_id,
        key=key,
        title=text_of(fields.get("summary"), "summary", 1000),
        url=browse_url(connection, key),
        cls=_issue_class(settings, status, fields.get("resolution")),
        updated_at=moment_of(fields["updated"], "updated"),
        level=_level(settings, issue_type),
        estimate=_estimate(settings, fields),
        parent_external_id=issue_id(parent.get("id")) if parent else None,
        issue_type=text_of(issue_type.get("name"), "issuetype.name", 120),
        status_name=text_of(status.get("name"), "status.name", 120),
        project_key=text_of(optional_mapping(fields.get("project"), "project").get("key"), "project.key", 64),
        assignee=text_of(assignee.get("accountId"), "assignee", 128) or None,
        labels=tuple(sorted({text_of(label, "label", 255) for label in list_of(fields.get("labels"), "labels")})),
        sprints=_sprints(settings, fields),
        blocked_by=blockers(fields),
    )


def browse_url(connection: Connection, key: str) -> str:
    """Return where people see the issue: never taken from `self` links, which are moving to another host."""
    return f"{connection.display_site or connection.site}/browse/{quote(key, safe='')}" if key else ""


def fields_to_read(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of all fields that a snapshot is made of on this site."""
    own = [*estimate_fields(settings), settings.get("sprint_field"), settings.get("epic_link_field")]
    return [*FIELDS, *(name for name in own if isinstance(name, str) and _FIELD_ID.fullmatch(name))]


def estimate_fields(settings: Mapping[str, Any]) -> list[str]:
    """Return the fields that may hold an estimate: sites with both kinds of projects have two."""
    chosen = settings.get("estimate_field")
    names = chosen if isinstance(chosen, list) else [chosen]
    return [name for name in names if isinstance(name, str)]


def issue_id(value: object) -> str:
    """Return an issue's id, a number that Jira writes as text; raises BadDelivery."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _ISSUE_ID.fullmatch(value):
        raise BadDelivery("issue id: not a number")
    return value


def mapping_of(value: object, name: str) -> Mapping[str, Any]:
    """Return an object of the delivery; raises BadDelivery."""
    if not isinstance(value, dict):
        raise BadDelivery(f"{name}: not an object")
    return value


def optional_mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return an object that may be missing or null, then empty; raises BadDelivery."""
    return {} if value is None else mapping_of(value, name)


def list_of(value: object, name: str) -> Sequence[Any]:
    """Return a list that may be missing or null, then empty; raises BadDelivery."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadDelivery(f"{name}: not a list")
    return value


def text_of(value: object, name: str, longest: int) -> str:
    """Return a text that may be missing, then empty, cut to `longest` characters; raises BadDelivery."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadDelivery(f"{name}: not a text")
    # Neither database takes NUL characters or half a surrogate pair.
    return value.replace("\x00", "�").encode("utf-8", "replace").decode()[:longest]


def moment_of(value: object, name: str) -> datetime:
    """Read a time with its offset, "2019-02-15T19:01:52.971-0800"; raises BadDelivery."""
    if not isinstance(value, str) or len(value) > 40:
        raise BadDelivery(f"{name}: not a time")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise BadDelivery(f"{name}: a time without its offset")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadDelivery(f"{name}: not a time") from None


def moment_of_milliseconds(value: object) -> datetime | None:
    """Read milliseconds since 1970; None if missing; raises BadDelivery."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadDelivery("timestamp: not a whole number")
    try:
        return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)
    except (ValueError, OverflowError, OSError):
        raise BadDelivery("timestamp: out of range") from None


def _issue_class(settings: Mapping[str, Any], status: Mapping[str, Any], resolution: object) -> str:
    """Return the class by status category, never by status name: names are translated and renamed."""
    status_id = text_of(status.get("id"), "status.id", 64)
    category = text_of(optional_mapping(status.get("statusCategory"), "statusCategory").get("key"), "category", 64)
    category = category or str(_setting(settings, "status_categories", {}).get(status_id, ""))
    if category not in CLASSES:
        raise Incomplete("unknown status category" if category else "no status category")
    cls = CLASSES[category]
    return "dropped" if cls == "done" and _is_dropped(settings, status_id, resolution) else cls


def _is_dropped(settings: Mapping[str, Any], status_id: str, resolution: object) -> bool:
    if status_id in {str(one) for one in _setting(settings, "dropped_status_ids", [])}:
        return True
    given = optional_mapping(resolution, "resolution")
    names = {_folded(text_of(given.get(name), f"resolution.{name}", 255)) for name in ("id", "name")} - {""}
    dropped = _setting(settings, "dropped_resolutions", list(DROPPED_RESOLUTIONS))
    return not names.isdisjoint(_folded(str(one)) for one in dropped)


def _level(settings: Mapping[str, Any], issue_type: Mapping[str, Any]) -> int:
    """Return 0 for standard issues, below for sub-tasks, above for epics and more.

    Webhooks often leave the level out; the site's list of issue types, learned at installation, has it then.
    """
    level = issue_type.get("hierarchyLevel")
    if level is None:
        learned = _setting(settings, "issue_type_levels", {})
        level = learned.get(text_of(issue_type.get("id"), "issuetype.id", 64))
    if level is None:
        subtask = issue_type.get("subtask", False)
        if not isinstance(subtask, bool):
            raise BadDelivery("issuetype.subtask: not true or false")
        return -1 if subtask else 0
    if isinstance(level, bool) or not isinstance(level, int) or not -100 <= level <= 100:
        raise BadDelivery("issuetype.hierarchyLevel: not a level")
    return level


def _estimate(settings: Mapping[str, Any], fields: Mapping[str, Any]) -> Fraction | None:
    for name in estimate_fields(settings):
        if (size := exact_number(fields.get(name))) is not None and size >= 0:
            return size
    return None


def exact_number(value: object) -> Fraction | None:
    """Return a number field's value exactly as people see it (0.1 is 1/10); None for anything that is no such number.

    A field of another kind, chosen by mistake, leaves issues unestimated instead of stopping every delivery.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int) and abs(value) > LARGEST_ESTIMATE:
        return None
    try:
        number = Decimal(str(value)[:64].strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > LARGEST_ESTIMATE:
        return None
    exponent = number.as_tuple().exponent
    return Fraction(number) if isinstance(exponent, int) and exponent >= FINEST_ESTIMATE else None


def _sprints(settings: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the issue's sprints; older sites write each as a text like `...Sprint@1f[id=7,...]`."""
    field = settings.get("sprint_field")
    found = set()
    for sprint in list_of(fields.get(field), "sprints") if isinstance(field, str) else ():
        if isinstance(sprint, dict):
            found.add(issue_id(sprint.get("id")))
        elif isinstance(sprint, str) and (match := _OLD_SPRINT.search(sprint)):
            found.add(match[1])
        else:
            raise BadDelivery("sprints: not a sprint")
    return tuple(sorted(found, key=int))


def _setting(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    value = settings.get(name)
    return value if isinstance(value, type(default)) else default


def _folded(text: str) -> str:
    """Return a resolution's name as it is compared: people write "Won’t do" with either apostrophe."""
    return text.replace("’", "'").strip().casefold()
