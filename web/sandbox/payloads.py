"""How records look on the wire: the JSON of Jira's REST answers and of its webhooks.

REST speaks version 3 (descriptions as documents, links under /rest/api/3); webhooks still speak version 2. Times carry
the offset of the site's time zone, as Jira writes them for the app's user.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .catalogue import COMPANY_POINTS, RANK_FIELD, SPRINT_FIELD, TEAM_POINTS, points_field_of
from .records import (
    Board,
    Issue,
    IssueLink,
    IssueType,
    LinkType,
    Person,
    Project,
    Resolution,
    Sprint,
    Status,
    StatusCategory,
)
from .state import SiteState

Json = dict[str, Any]


class Payloads:
    """Writes the records of one site; `base_url` goes into every `self` link."""

    def __init__(self, state: SiteState, base_url: str) -> None:
        self.state = state
        self.base_url = base_url

    def link(self, path: str, version: int = 3) -> str:
        return f"{self.base_url}/rest/api/{version}/{path}"

    def time(self, moment: datetime | None) -> str | None:
        """`2026-11-21T13:05:00.123-0500`: milliseconds, offset without a colon."""
        if moment is None:
            return None
        local = moment.astimezone(self.state.time_zone)
        return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"

    def avatars(self, name: str) -> Json:
        return {f"{size}x{size}": f"{self.base_url}/avatar/{quote(name)}?size={size}" for size in (48, 24, 16, 32)}

    def person(self, person: Person, version: int = 3) -> Json:
        return {
            "self": self.link(f"user?accountId={quote(person.account_id)}", version),
            "accountId": person.account_id,
            "emailAddress": person.email,
            "avatarUrls": self.avatars(person.initials),
            "displayName": person.name,
            "active": person.active,
            "timeZone": self.state.time_zone.key,
            "accountType": "atlassian",
        }

    def category(self, category: StatusCategory, version: int = 3) -> Json:
        return {
            "self": self.link(f"statuscategory/{category.id}", version),
            "id": category.id,
            "key": category.key,
            "colorName": category.colour,
            "name": category.name,
        }

    def status(self, status: Status, version: int = 3) -> Json:
        body: Json = {
            "self": self.link(f"status/{status.id}", version),
            "description": "",
            "iconUrl": f"{self.base_url}/",
            "name": status.name,
            "id": status.id,
            "statusCategory": self.category(status.category, version),
        }
        if status.project_id:
            body["scope"] = {"type": "PROJECT", "project": {"id": status.project_id}}
        return body

    def issue_type(self, kind: IssueType, version: int = 3) -> Json:
        body: Json = {
            "self": self.link(f"issuetype/{kind.id}", version),
            "id": kind.id,
            "description": "",
            "iconUrl": f"{self.base_url}/avatar/{quote(kind.name)}",
            "name": kind.name,
            "subtask": kind.is_subtask,
            "hierarchyLevel": kind.level,
        }
        if kind.project_id:
            body["scope"] = {"type": "PROJECT", "project": {"id": kind.project_id}}
        return body

    def resolution(self, resolution: Resolution, version: int = 3) -> Json:
        return {
            "self": self.link(f"resolution/{resolution.id}", version),
            "id": resolution.id,
            "description": resolution.description,
            "name": resolution.name,
        }

    def project(self, project: Project, version: int = 3) -> Json:
        return {
            "self": self.link(f"project/{project.id}", version),
            "id": project.id,
            "key": project.key,
            "name": project.name,
            "projectTypeKey": "software",
            "simplified": project.team_managed,
            "avatarUrls": self.avatars(project.key),
        }

    def link_type(self, kind: LinkType, version: int = 3) -> Json:
        return {
            "id": kind.id,
            "name": kind.name,
            "inward": kind.inward,
            "outward": kind.outward,
            "self": self.link(f"issueLinkType/{kind.id}", version),
        }

    def issue_stub(self, issue: Issue, version: int = 3) -> Json:
        """The short form under `parent`, `subtasks` and `issuelinks`."""
        return {
            "id": issue.id,
            "key": issue.key,
            "self": self.link(f"issue/{issue.id}", version),
            "fields": {
                "summary": issue.summary,
                "status": self.status(issue.status, version),
                "issuetype": self.issue_type(issue.type, version),
            },
        }

    def issue_link(self, link: IssueLink, seen_from: Issue, version: int = 3) -> Json:
        outward = link.source_id == seen_from.id
        other = self.state.issues[link.destination_id if outward else link.source_id]
        return {
            "id": link.id,
            "self": self.link(f"issueLink/{link.id}", version),
            "type": self.link_type(link.type, version),
            "outwardIssue" if outward else "inwardIssue": self.issue_stub(other, version),
        }

    def fields(self, issue: Issue, version: int = 3) -> Json:
        """All fields of an issue, in the form of REST version `version`."""
        state = self.state
        project = state.projects[issue.project_id]
        people = state.people
        points: Json = {COMPANY_POINTS: None, TEAM_POINTS: None, points_field_of(project): issue.points}
        body: Json = {
            "summary": issue.summary,
            "description": issue.description or None if version < 3 else _document(issue.description),
            "issuetype": self.issue_type(issue.type, version),
            "project": self.project(project, version),
            "status": self.status(issue.status, version),
            "statusCategory": self.category(issue.status.category, version),
            "resolution": self.resolution(issue.resolution, version) if issue.resolution else None,
            "resolutiondate": self.time(issue.resolved),
            "statuscategorychangedate": self.time(issue.category_changed or issue.created),
            "labels": list(issue.labels),
            "assignee": self.person(people[issue.assignee], version) if issue.assignee else None,
            "reporter": self.person(people[issue.reporter], version),
            "creator": self.person(people[issue.reporter], version),
            "created": self.time(issue.created),
            "updated": self.time(issue.updated),
            "priority": {
                "self": self.link("priority/3", version),
                "iconUrl": f"{self.base_url}/",
                "name": "Medium",
                "id": "3",
            },
            "subtasks": [self.issue_stub(child, version) for child in state.children(issue) if child.type.is_subtask],
            "issuelinks": [
                self.issue_link(link, issue, version) for link in state.links_of(issue) if not link.type.system
            ],
            "fixVersions": [],
            "components": [],
            "duedate": None,
            "workratio": -1,
            **points,
            RANK_FIELD: f"0|i{int(issue.rank * 64):05d}:",
            SPRINT_FIELD: [self.sprint_field(state.sprints[one]) for one in state.sprint_ids_of(issue)] or None,
            "customfield_10031": None,
        }
        parent = state.issues.get(issue.parent_id or "")
        if parent is not None:
            body["parent"] = self.issue_stub(parent, version)
        return body

    def issue(self, issue: Issue, fields: Sequence[str] | None = None, version: int = 3) -> Json:
        """An issue; `fields` as in the REST parameter: names, `*all`, `*navigable`, `-name`; None is `*all`."""
        everything = self.fields(issue, version)
        wanted = [name.strip() for name in fields or ["*all"] if name.strip()]
        excluded = {name[1:] for name in wanted if name.startswith("-")}
        named = [name for name in wanted if not name.startswith("-")]
        if not named or "*all" in named or "*navigable" in named:
            chosen = everything
        else:
            chosen = {name: everything[name] for name in named if name in everything}
        return {
            "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
            "id": issue.id,
            "self": self.link(f"issue/{issue.id}", version),
            "key": issue.key,
            "fields": {name: value for name, value in chosen.items() if name not in excluded},
        }

    # -- sprints and boards

    def sprint(self, sprint: Sprint) -> Json:
        """A sprint as the agile interface and the sprint webhooks show it (times in UTC, with Z)."""
        body: Json = {
            "id": sprint.id,
            "self": f"{self.base_url}/rest/agile/1.0/sprint/{sprint.id}",
            "state": sprint.state,
            "name": sprint.name,
            "createdDate": _zulu(sprint.created),
            "originBoardId": sprint.board_id,
            "goal": sprint.goal,
        }
        for name, moment in (("startDate", sprint.start), ("endDate", sprint.end), ("completeDate", sprint.completed)):
            if moment is not None:
                body[name] = _zulu(moment)
        return body

    def sprint_field(self, sprint: Sprint) -> Json:
        """A sprint inside the issue's Sprint field: `boardId` there, `originBoardId` elsewhere."""
        body = self.sprint(sprint)
        body["boardId"] = body.pop("originBoardId")
        del body["self"], body["createdDate"]
        return body

    def board(self, board: Board) -> Json:
        project = self.state.projects[board.project_id]
        return {
            "id": board.id,
            "self": f"{self.base_url}/rest/agile/1.0/board/{board.id}",
            "name": board.name,
            "type": "simple" if project.team_managed else "scrum",
            "location": {
                "projectId": int(project.id),
                "displayName": f"{project.name} ({project.key})",
                "projectName": project.name,
                "projectKey": project.key,
                "projectTypeKey": "software",
                "avatarURI": f"{self.base_url}/avatar/{project.key}",
                "name": f"{project.name} ({project.key})",
            },
            "isPrivate": False,
        }


def _zulu(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _document(text: str) -> Json | None:
    if not text:
        return None
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.splitlines() if line
    ]
    return {"type": "doc", "version": 1, "content": paragraphs}
