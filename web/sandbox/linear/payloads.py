"""Entities in the shape of Linear's webhooks; fields that are empty are left out, as Linear does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .records import Attachment, Cycle, Issue, Label, Project, Relation, User

if TYPE_CHECKING:
    from .events import EventedWorkspace

Json = dict[str, Any]

PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")


def iso(moment: datetime | None) -> str | None:
    """A time as Linear writes it: UTC, milliseconds, Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def slug(text: str) -> str:
    """The readable tail of an issue's address."""
    return re.sub(r"[^\w]+", "-", text.casefold(), flags=re.UNICODE).strip("-")[:60] or "issue"


class Payloads:
    """Writes records of one workspace as JSON.

    With `of_2023` an issue looks like those of the captured deliveries: identifier and address are not among the data.
    """

    def __init__(self, workspace: EventedWorkspace, *, of_2023: bool = False) -> None:
        self._workspace = workspace
        self._of_2023 = of_2023

    def issue(self, issue: Issue) -> Json:
        workspace = self._workspace
        state, team = workspace.state(issue), workspace.teams[issue.team_id]
        project = workspace.projects.get(issue.project_id or "")
        cycle = workspace.cycles.get(issue.cycle_id or "")
        data = {
            "id": issue.id,
            "createdAt": iso(issue.created_at),
            "updatedAt": iso(issue.updated_at),
            "archivedAt": iso(issue.archived_at),
            "number": issue.number,
            "title": issue.title,
            "priority": issue.priority,
            "estimate": _plain(issue.estimate),
            "sortOrder": issue.sort_order,
            "prioritySortOrder": issue.sort_order,
            "startedAt": iso(issue.started_at),
            "completedAt": iso(issue.completed_at),
            "canceledAt": iso(issue.canceled_at),
            "trashed": issue.trashed,
            "teamId": team.id,
            "cycleId": issue.cycle_id,
            "projectId": issue.project_id,
            "previousIdentifiers": list(issue.previous_identifiers),
            "creatorId": issue.creator_id,
            "assigneeId": issue.assignee_id,
            "stateId": state.id,
            "parentId": issue.parent_id,
            "reactionData": [],
            "releases": [],
            "priorityLabel": PRIORITIES[issue.priority],
            "identifier": issue.identifier,
            "url": workspace.issue_url(issue),
            "subscriberIds": sorted({issue.creator_id, issue.assignee_id or issue.creator_id}),
            "labelIds": list(issue.label_ids),
            "assignee": self._person(workspace.users.get(issue.assignee_id or "")),
            "cycle": self._cycle_child(cycle) if cycle else None,
            "project": self._project_child(project) if project else None,
            "state": {"id": state.id, "color": state.color, "name": state.name, "type": state.type},
            "team": {"id": team.id, "key": team.key, "name": team.name},
            "labels": [self._label_child(workspace.labels[one]) for one in issue.label_ids],
            "description": issue.description,
        }
        if self._of_2023:
            for name in ("identifier", "url", "reactionData", "releases", "prioritySortOrder"):
                del data[name]
            data["boardOrder"] = 0
        return _filled(data)

    def attachment(self, attachment: Attachment) -> Json:
        return _filled(
            {
                "id": attachment.id,
                "createdAt": iso(attachment.created_at),
                "updatedAt": iso(attachment.updated_at),
                "title": attachment.title,
                "subtitle": attachment.subtitle,
                "url": attachment.url,
                "creatorId": attachment.creator_id,
                "metadata": attachment.metadata,
                "source": attachment.source,
                "sourceType": attachment.source_type,
                "groupBySource": attachment.group_by_source,
                "issueId": attachment.issue_id,
            }
        )

    def label(self, label: Label) -> Json:
        return _filled(
            {
                "id": label.id,
                "createdAt": iso(label.created_at),
                "updatedAt": iso(label.updated_at),
                "archivedAt": iso(label.archived_at),
                "retiredAt": iso(label.retired_at),
                "name": label.name,
                "description": label.description,
                "color": label.color,
                "creatorId": label.creator_id,
                "parentId": label.parent_id,
                "teamId": label.team_id,
                "isGroup": label.is_group,
                "organizationId": self._workspace.organization_id,
            }
        )

    def cycle(self, cycle: Cycle) -> Json:
        return _filled(
            {
                "id": cycle.id,
                "createdAt": iso(cycle.created_at),
                "updatedAt": iso(cycle.updated_at),
                "number": cycle.number,
                "name": cycle.name,
                "startsAt": iso(cycle.starts_at),
                "endsAt": iso(cycle.ends_at),
                "completedAt": iso(cycle.completed_at),
                "teamId": cycle.team_id,
                "uncompletedIssuesUponCloseIds": list(cycle.uncompleted_ids),
                "scopeHistory": [],
                "issueCountHistory": [],
                "completedScopeHistory": [],
                "inProgressScopeHistory": [],
                "completedIssueCountHistory": [],
            }
        )

    def project(self, project: Project) -> Json:
        return _filled(
            {
                "id": project.id,
                "createdAt": iso(project.created_at),
                "updatedAt": iso(project.updated_at),
                "name": project.name,
                "description": project.description,
                "slugId": project.slug_id,
                "color": project.color,
                "statusId": f"status-{project.state}",
                "state": project.state,
                "url": self._workspace.project_url(project),
                "leadId": project.lead_id,
                "targetDate": project.target_date,
                "teamIds": list(project.team_ids),
                "memberIds": [project.lead_id] if project.lead_id else [],
                "labelIds": [],
                "priority": 0,
                "prioritySortOrder": 0,
                "sortOrder": 0,
                "scopeHistory": [],
                "issueCountHistory": [],
                "completedScopeHistory": [],
                "inProgressScopeHistory": [],
                "completedIssueCountHistory": [],
            }
        )

    def relation(self, relation: Relation) -> Json:
        return {
            "id": relation.id,
            "createdAt": iso(relation.created_at),
            "updatedAt": iso(relation.updated_at),
            "type": relation.type,
            "issueId": relation.issue_id,
            "relatedIssueId": relation.related_issue_id,
        }

    def user(self, user: User) -> Json:
        return _filled(
            {
                "id": user.id,
                "createdAt": iso(user.created_at),
                "updatedAt": iso(user.updated_at),
                "name": user.name,
                "displayName": user.display_name,
                "email": user.email,
                "active": user.active,
                "admin": user.admin,
                "guest": user.guest,
                "app": user.app,
                "url": self._workspace.user_url(user),
            }
        )

    def actor(self, user: User) -> Json:
        """Who did it, as the envelope of a webhook says it."""
        return {**(self._person(user) or {}), "type": "user"}

    def _person(self, user: User | None) -> Json | None:
        if user is None:
            return None
        return {"id": user.id, "name": user.name, "email": user.email, "url": self._workspace.user_url(user)}

    def _cycle_child(self, cycle: Cycle) -> Json:
        found = {"id": cycle.id, "number": cycle.number, "name": cycle.name}
        return _filled({**found, "startsAt": iso(cycle.starts_at), "endsAt": iso(cycle.ends_at)})

    def _project_child(self, project: Project) -> Json:
        return {"id": project.id, "name": project.name, "url": self._workspace.project_url(project)}

    def _label_child(self, label: Label) -> Json:
        return _filled({"id": label.id, "color": label.color, "name": label.name, "parentId": label.parent_id})


def _filled(data: Json) -> Json:
    return {name: value for name, value in data.items() if value is not None}


def _plain(number: float | None) -> float | int | None:
    """A whole number without a decimal point, as JavaScript writes it."""
    return int(number) if number is not None and number == int(number) else number
