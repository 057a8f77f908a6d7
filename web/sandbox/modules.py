"""The app's modules on the site's pages: which ones show, the signed address of each frame, and context tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from .installation import Installation
from .records import Issue, Person, Project
from .signing import CONTEXT_HASH, query_string_hash, shared_secret_token
from .site import JiraSite

PLACEHOLDER = re.compile(r"\$?(?:\{|%7[Bb])([A-Za-z_.]+)(?:\}|%7[Dd])")
BACKLOG_TOOLS = "jira.software.backlog.tools"
BOARD_TOOLS = ("jira.agile.board.tools", "jira.software.board.tools")


@dataclass(frozen=True, slots=True)
class Frame:
    """A module ready to be put into an iframe; `name` goes into the iframe's name and tells the bridge who it is."""

    app_key: str
    module_key: str
    title: str
    src: str
    origin: str
    name: str
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """An issue context module: its label, its status lozenge (or None) and its frame."""

    key: str
    title: str
    label: str
    status: str | None
    appearance: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the Apps menu or a board tool; `dialog` opens over the page, otherwise it is a page of its own."""

    key: str
    title: str
    href: str
    note: str = ""
    dialog: dict[str, str] | None = None


def jira_context(site: JiraSite, issue: Issue | None = None, project: Project | None = None) -> dict[str, Any]:
    """The `context.jira` claim: what is on the screen."""
    context: dict[str, Any] = {}
    if issue is not None:
        project = site.projects[issue.project_id]
        context["issue"] = {"id": issue.id, "key": issue.key, "issuetype": {"id": issue.type.id}}
    if project is not None:
        context["project"] = {"id": project.id, "key": project.key}
    return context


def context_token(site: JiraSite, person: Person, context: Mapping[str, Any]) -> str:
    """What `AP.context.getToken` hands to the app: bound to a person and a place, not to a request."""
    return shared_secret_token(
        _installed(site).shared_secret,
        issuer=site.client_key,
        qsh=CONTEXT_HASH,
        now=site.now(),
        life=site.context_token_life,
        subject=person.account_id,
        context={"jira": dict(context)},
    )


def frame(
    site: JiraSite,
    person: Person,
    module: Mapping[str, Any],
    url: str,
    context: Mapping[str, Any],
    custom: str = "",
    where: Mapping[str, str] | None = None,
) -> Frame:
    """A signed frame for a module: context parameters filled in, Connect's own added, the whole query hashed.

    `custom` is a query string that another module passed along (`AP.navigator.go` with customData); `where` tells
    what the place on a board knows.
    """
    installation = _installed(site)
    values = {**_values(context), **(where or {})}
    target = installation.url(PLACEHOLDER.sub(lambda found: quote(values.get(found.group(1), ""), safe=""), url))
    channel = f"{installation.key}__{module['key']}__{uuid4().hex[:8]}"
    own = {"xdm_e": site.origin, "xdm_c": f"channel-{channel}", "cp": "", "lic": "none", "cv": "1001.0.0-SNAPSHOT"}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in own.items())
    target += ("&" if urlsplit(target).query else "?") + (f"{custom}&" if custom else "") + query
    token = shared_secret_token(
        installation.shared_secret,
        issuer=site.client_key,
        qsh=query_string_hash("GET", target, installation.base_url),
        now=site.now(),
        subject=person.account_id,
        context={"jira": dict(context)},
    )
    parts = urlsplit(target)
    name = json.dumps({"channel": channel, "host": site.origin})
    return Frame(
        installation.key,
        str(module["key"]),
        _text(module.get("name")) or str(module["key"]),
        f"{target}&jwt={token}",
        f"{parts.scheme}://{parts.netloc}",
        name,
        dict(context),
    )


def issue_panels(site: JiraSite, person: Person, issue: Issue) -> list[Panel]:
    """The `jiraIssueContexts` modules on an issue, with the status that the app keeps in an issue property."""
    panels = []
    installation = site.installation
    for module in installation.modules("jiraIssueContexts") if installation else []:
        if not shows(site, person, module, issue, None):
            continue
        status = issue.properties.get(f"com.atlassian.jira.issue:{_installed(site).key}:{module['key']}:status")
        value = status.get("value") if isinstance(status, dict) else None
        kind = str(status.get("type", "lozenge")) if isinstance(status, dict) else ""
        text = value.get("label") if kind == "lozenge" and isinstance(value, dict) else None
        if kind == "badge" and isinstance(value, dict):
            text = value.get("label")
        appearance = str(value.get("type", "default")) if isinstance(value, dict) else "default"
        panels.append(
            Panel(
                str(module["key"]),
                _text(module.get("name")),
                _text(module.get("content", {}).get("label")) or _text(module.get("name")),
                None if text is None else str(text),
                appearance if appearance in ("inprogress", "moved", "new", "removed", "success") else "default",
                frame(site, person, module, module["target"]["url"], jira_context(site, issue)),
            )
        )
    return panels


def app_links(site: JiraSite, person: Person, project: Project) -> list[Link]:
    """The entries of the Apps menu: pages for everybody, for this project, and for administrators."""
    links: list[Link] = []
    for kind, note in (("generalPages", ""), ("jiraProjectPages", project.name), ("adminPages", "administration")):
        links.extend(
            Link(str(module["key"]), _text(module.get("name")), page_path(site, module, project), note)
            for module in (site.installation.modules(kind) if site.installation else [])
            if shows(site, person, module, None, project) and (kind != "adminPages" or person.is_admin)
        )
    return links


def board_tools(site: JiraSite, person: Person, project: Project) -> list[Link]:
    """The `webItems` that the app puts on a board: at the older place in company-managed projects, at the newer one in
    team-managed ones; an app that names one of the two only is shown there.
    """
    first, second = BOARD_TOOLS[::-1] if project.team_managed else BOARD_TOOLS
    return _tools(site, person, project, first) or _tools(site, person, project, second)


def backlog_tools(site: JiraSite, person: Person, project: Project) -> list[Link]:
    """The `webItems` that the app puts on each list of the backlog: planned sprints, and what is in none."""
    return _tools(site, person, project, BACKLOG_TOOLS)


def place(site: JiraSite, project: Project, screen: str, sprint: str) -> dict[str, str]:
    """The context parameters of a place in Jira Software: `board.id` and its kin."""
    board = site.board_of(project)
    values = {
        "board.id": str(board.id),
        "board.type": "simple" if project.team_managed else "scrum",
        "board.screen": screen if screen in ("board", "backlog") else "board",
    }
    found = site.sprints.get(int(sprint)) if sprint.isdecimal() else None
    if found is None and values["board.screen"] == "board":
        found = site.active_sprint(project)
    if found is not None and found.board_id == board.id:
        values |= {"sprint.id": str(found.id), "sprint.state": found.state}
    return values


def _tools(site: JiraSite, person: Person, project: Project, location: str) -> list[Link]:
    links = []
    for module in site.installation.modules("webItems") if site.installation else []:
        if module.get("location") != location or not shows(site, person, module, None, project):
            continue
        target = module.get("target", {})
        dialog = None
        if str(target.get("type", "page")).lower() in ("dialog", "dialogmodule", "inlinedialog"):
            options = target.get("options", {})
            dialog = {
                "key": str(options.get("key") or module["key"]),
                "size": str(options.get("size", "")).lower(),
                "width": str(options.get("width", "")),
                "height": str(options.get("height", "")),
            }
        links.append(Link(str(module["key"]), _text(module.get("name")), page_path(site, module, project), "", dialog))
    return links


def page_path(site: JiraSite, module: Mapping[str, Any], project: Project) -> str:
    """Where the site shows a module full-page."""
    return f"/plugins/servlet/ac/{quote(_installed(site).key)}/{quote(str(module['key']))}?project={project.key}"


def shows(
    site: JiraSite, person: Person, module: Mapping[str, Any], issue: Issue | None, project: Project | None
) -> bool:
    """Whether a module's conditions let this person see it. Conditions that the stand-in does not know count as met."""
    home = site.projects[issue.project_id] if issue else project
    granted = site.permissions(person, home) if home else frozenset()

    def holds(condition: Mapping[str, Any]) -> bool:
        if "conditions" in condition or "or" in condition or "and" in condition:
            parts = condition.get("conditions") or condition.get("or") or condition.get("and") or []
            either = "or" in condition or str(condition.get("type", "")).upper() == "OR"
            return (any if either else all)(holds(part) for part in parts)
        match condition.get("condition"):
            case "user_is_admin" | "user_is_sysadmin":
                met = person.is_admin
            case "can_edit_issue" | "is_issue_editable":
                met = "EDIT_ISSUES" in granted
            case "has_issue_permission" | "has_project_permission":
                met = str(condition.get("params", {}).get("permission", "")) in granted
            case "feature_flag" | "entity_property_exists":
                met = False
            case _:
                met = True
        return met != bool(condition.get("invert", False))

    return all(holds(condition) for condition in module.get("conditions", []))


def module_url(module: Mapping[str, Any]) -> str:
    """The URL of a module, wherever its kind keeps it."""
    return str(module.get("url") or module.get("target", {}).get("url") or "")


def _values(context: Mapping[str, Any]) -> dict[str, str]:
    """Context parameters by name: `issue.id`, `project.key` and their kin."""
    values: dict[str, str] = {}
    for name, part in context.items():
        if not isinstance(part, Mapping):
            values[name] = str(part)
            continue
        for key, value in part.items():
            if isinstance(value, Mapping):
                values.update({f"{name}.{key}.{inner}": str(one) for inner, one in value.items()})
                values.update({f"{key}.{inner}": str(one) for inner, one in value.items()})
            else:
                values[f"{name}.{key}"] = str(value)
    return values


def _installed(site: JiraSite) -> Installation:
    if site.installation is None:
        raise LookupError("no app is installed")
    return site.installation


def _text(value: Any) -> str:
    return str(value.get("value", "")) if isinstance(value, Mapping) else str(value or "")
