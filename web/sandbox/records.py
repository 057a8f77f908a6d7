"""What the stand-in Jira site keeps: plain records, shaped after Jira's nouns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNSET: Any = object()
"""Argument left out, where None means "empty"."""


@dataclass(frozen=True, slots=True)
class StatusCategory:
    """One of Jira's four fixed categories; `key` is what programs may rely on."""

    id: int
    key: str
    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Status:
    """A workflow status; team-managed projects own theirs (`project_id`)."""

    id: str
    name: str
    category: StatusCategory
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class IssueType:
    """`level` is Jira's hierarchyLevel: 1 epic, 0 standard, -1 sub-task."""

    id: str
    name: str
    level: int
    project_id: str | None = None

    @property
    def is_subtask(self) -> bool:
        return self.level < 0


@dataclass(frozen=True, slots=True)
class Resolution:
    id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class LinkType:
    id: str
    name: str
    outward: str
    inward: str
    system: bool = False


@dataclass(slots=True)
class Person:
    """Somebody with an Atlassian account; `roles` maps a project key to lead, member or viewer."""

    account_id: str
    name: str
    title: str
    email: str
    roles: dict[str, str]
    is_admin: bool = False
    active: bool = True

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


@dataclass(slots=True)
class Project:
    """`team_managed` projects have own statuses, issue types and their own point field."""

    id: str
    key: str
    name: str
    team_managed: bool
    lead: str
    next_number: int = 1


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A named piece of JQL on a board."""

    name: str
    jql: str


@dataclass(slots=True)
class Board:
    """A board with what its people have set up: quick filters, swimlanes and card colours, all of them by query."""

    id: int
    name: str
    project_id: str
    quick_filters: list[SavedQuery] = field(default_factory=list)
    swimlanes: list[SavedQuery] = field(default_factory=list)
    colours: list[SavedQuery] = field(default_factory=list)


@dataclass(slots=True)
class Sprint:
    """`state` is future, active or closed."""

    id: int
    name: str
    board_id: int
    created: datetime
    state: str = "future"
    goal: str = ""
    start: datetime | None = None
    end: datetime | None = None
    completed: datetime | None = None


@dataclass(slots=True)
class IssueLink:
    """`source_id` is the outward side: source *blocks* destination."""

    id: str
    type: LinkType
    source_id: str
    destination_id: str


@dataclass(slots=True)
class Issue:
    """`id` stays for life; `key` changes when the issue moves to another project."""

    id: str
    key: str
    project_id: str
    type: IssueType
    status: Status
    summary: str
    reporter: str
    created: datetime
    updated: datetime
    rank: float
    description: str = ""
    resolution: Resolution | None = None
    resolved: datetime | None = None
    category_changed: datetime | None = None
    parent_id: str | None = None
    assignee: str | None = None
    labels: list[str] = field(default_factory=list)
    points: float | None = None
    sprint_ids: list[int] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
