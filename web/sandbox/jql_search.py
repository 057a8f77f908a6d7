"""Judges issues by a parsed JQL query: which fit, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .catalogue import CATEGORIES
from .jql import DATES, FIELDS, Clause, Function, Group, JqlError, Query, Value
from .records import Issue, Sprint
from .state import NotFoundError

if TYPE_CHECKING:
    from .events import EventedSite

RELATIVE = re.compile(r"([+-]?)(\d+)([mhdw])$")
EXACT = ("=", "!=", "in", "not in", "is", "is not")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def matches(query: Query, site: EventedSite, issue: Issue) -> bool:
    """Whether an issue fits; an unrestricted query fits all."""
    return query.where is None or _holds(query.where, site, issue)


def run(query: Query, site: EventedSite, issues: Iterable[Issue]) -> list[Issue]:
    """The issues that fit, in the asked order (by default the newest first); raises `JqlError` for unknown values."""
    if query.where is not None:
        _check_values(query.where, site)
    found = [issue for issue in issues if matches(query, site, issue)]
    found.sort(key=lambda issue: int(issue.id), reverse=True)
    for name, descending in reversed(query.order):
        found.sort(key=lambda issue, name=name: _sort_key(site, issue, name), reverse=descending)  # type: ignore[misc]
    return found


def _holds(node: Clause | Group, site: EventedSite, issue: Issue) -> bool:
    if isinstance(node, Clause):
        return _compare(node, site, issue)
    if node.word == "not":
        return not _holds(node.parts[0], site, issue)
    return (all if node.word == "and" else any)(_holds(part, site, issue) for part in node.parts)


def _compare(clause: Clause, site: EventedSite, issue: Issue) -> bool:
    found = _values(clause.field, site, issue)
    if clause.operator in ("is", "is not"):
        return bool(found) == (clause.operator == "is not")
    if clause.field in DATES:
        moment: datetime = found[0]
        limit = _moment(clause.values[0], site)
        return {
            ">": moment > limit, ">=": moment >= limit, "<": moment < limit, "<=": moment <= limit,
            "=": moment == limit, "!=": moment != limit,
        }[clause.operator]  # fmt: skip
    if clause.operator in ("~", "!~"):
        words = str(clause.values[0]).casefold().split()
        text = " ".join(map(str, found)).casefold()
        return all(word.strip("*") in text for word in words) == (clause.operator == "~")
    wanted = {one for value in clause.values for one in _names(clause.field, value, site)}
    if clause.operator in (">", ">=", "<", "<="):
        return any(_ordered(one, clause.operator, next(iter(wanted))) for one in found)
    hit = bool({str(one).casefold() for one in found} & wanted)
    # An empty field fits neither `=` nor `!=`: Jira's habit, and a trap.
    return hit if clause.operator in ("=", "in") else bool(found) and not hit


def _ordered(found: Any, operator: str, wanted: str) -> bool:
    try:
        left, right = float(found), float(wanted)
    except (TypeError, ValueError):
        return False
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator]


def _values(field: str, site: EventedSite, issue: Issue) -> list[Any]:
    """What an issue holds in a field: every name and id by which a query may ask for it."""
    project = site.projects[issue.project_id]
    match field:
        case "key":
            return [issue.id]
        case "project":
            return [project.id, project.key, project.name]
        case "parent":
            return [issue.parent_id] if issue.parent_id else []
        case "updated":
            return [issue.updated]
        case "created":
            return [issue.created]
        case "sprint":
            sprints = [site.sprints[one] for one in site.sprint_ids_of(issue)]
            return [str(one.id) for one in sprints] + [one.name for one in sprints]
        case "status":
            return [issue.status.id, issue.status.name]
        case "statuscategory":
            return [str(issue.status.category.id), issue.status.category.key, issue.status.category.name]
        case "issuetype":
            return [issue.type.id, issue.type.name]
        case "labels":
            return list(issue.labels)
        case "assignee":
            return [issue.assignee] if issue.assignee else []
        case "reporter":
            return [issue.reporter]
        case "resolution":
            return [issue.resolution.id, issue.resolution.name] if issue.resolution else []
        case "summary":
            return [issue.summary]
        case "text":
            return [issue.summary, issue.description]
    key, path = _property_path(field, site)
    value: Any = issue.properties.get(key)
    for step in filter(None, path.split(".")):
        value = value.get(step) if isinstance(value, dict) else None
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _property_path(field: str, site: EventedSite) -> tuple[str, str]:
    """The issue property behind `issue.property[key].path` or behind an alias that the app declared."""
    direct = re.fullmatch(r"issue\.property\[([^\]]+)\]\.?(.*)", field, re.IGNORECASE)
    if direct:
        return direct.group(1), direct.group(2)
    for module in site.installation.modules("jiraEntityProperties") if site.installation else []:
        for configuration in module.get("keyConfigurations", []):
            for extraction in configuration.get("extractions", []):
                if str(extraction.get("alias", "")).casefold() == field.casefold():
                    return configuration["propertyKey"], extraction["objectName"]
    raise JqlError(f"Field '{field}' does not exist or you do not have permission to view it.")


def _property_type(field: str, site: EventedSite) -> str:
    """How the value behind an alias is indexed; text that is matched as a whole cannot be searched for words."""
    for module in site.installation.modules("jiraEntityProperties") if site.installation else []:
        for configuration in module.get("keyConfigurations", []):
            for extraction in configuration.get("extractions", []):
                if str(extraction.get("alias", "")).casefold() == field.casefold():
                    return str(extraction.get("type", "")).lower()
    return ""


def _names(field: str, value: Value, site: EventedSite) -> list[str]:
    """A value of a query as casefolded names to look for."""
    if isinstance(value, Function):
        return _function(field, value, site)
    if field in ("key", "parent"):
        try:
            return [site.issue(value).id]
        except NotFoundError:
            return []
    return [value.casefold()]


def _function(field: str, function: Function, site: EventedSite) -> list[str]:
    states = {"opensprints": "active", "closedsprints": "closed", "futuresprints": "future"}
    if field == "sprint" and function.name in states:
        wanted: list[Sprint] = [one for one in site.sprints.values() if one.state == states[function.name]]
        return [str(one.id) for one in wanted]
    if field == "issuetype" and function.name in ("subtaskissuetypes", "standardissuetypes"):
        subtasks = function.name == "subtaskissuetypes"
        kinds = {issue.type for issue in site.issues.values() if issue.type.is_subtask == subtasks}
        return [kind.id for kind in kinds]
    raise JqlError(f"Unable to find JQL function '{function.name}({', '.join(function.arguments)})'.")


def _moment(value: Value, site: EventedSite) -> datetime:
    """A date of a query: minutes in the site's own zone, milliseconds since 1970, or relative to now."""
    if isinstance(value, Function):
        if value.name == "now" and not value.arguments:
            return site.now()
        raise JqlError(f"Unable to find JQL function '{value.name}()'.")
    relative = RELATIVE.match(value)
    if relative:
        sign, amount, unit = relative.groups()
        distance = timedelta(**{UNITS[unit]: int(amount)})
        return site.now() - distance if sign == "-" else site.now() + distance
    if re.fullmatch(r"\d{11,14}", value):
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    for pattern in ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d"):
        try:
            return datetime.strptime(value, pattern).replace(tzinfo=site.time_zone)
        except ValueError:
            continue
    raise JqlError(
        f"Date value '{value}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', "
        "'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
    )


def _check_values(node: Clause | Group, site: EventedSite) -> None:
    """Refuse what names nothing on the site: Jira answers 400 then, also when one id of many is gone."""
    if isinstance(node, Group):
        for part in node.parts:
            _check_values(part, site)
        return
    if node.field not in FIELDS:
        _property_path(node.field, site)
        if node.operator not in EXACT and _property_type(node.field, site) == "string":
            raise JqlError(f"The operator '{node.operator}' is not supported by the '{node.field}' field.")
    for value in node.values:
        if node.field in DATES:
            _moment(value, site)
        elif isinstance(value, Function):
            _function(node.field, value, site)
        elif not _exists(node.field, value, site):
            raise JqlError(f"The value '{value}' does not exist for the field '{node.field}'.")


def _exists(field: str, value: str, site: EventedSite) -> bool:
    try:
        match field:
            case "key" | "parent":
                site.issue(value)
            case "sprint":
                site.sprint(value)
            case "project":
                return any(value.casefold() in _folded(one.id, one.key, one.name) for one in site.projects.values())
            case "status":
                return any(value.casefold() in _folded(one.id, one.name) for one in site.all_statuses())
            case "statuscategory":
                return any(value.casefold() in _folded(str(one.id), one.key, one.name) for one in CATEGORIES)
            case _:
                return True
    except NotFoundError:
        return False
    return True


def _folded(*names: str) -> set[str]:
    return {name.casefold() for name in names}


def _sort_key(site: EventedSite, issue: Issue, name: str) -> Any:
    match name:
        case "key":
            prefix, _, number = issue.key.rpartition("-")
            return prefix, int(number)
        case "id":
            return int(issue.id)
        case "rank":
            return issue.rank
        case "updated" | "created":
            return getattr(issue, name)
        case "summary" | "status" | "project" | "issuetype" | "assignee" | "resolution":
            return [str(one).casefold() for one in _values(name, site, issue)][-1:]
    raise JqlError(f"Field '{name}' cannot be used to order the result.")
