"""What the stand-in Linear workspace keeps: plain records, shaped after Linear's nouns.

Attributes that GraphQL shows have the schema's names in snake case, so that one rule resolves them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNSET: Any = object()
"""Argument left out, where None means "empty"."""

FINISHED = ("completed", "canceled", "duplicate")
DROPPED = ("canceled", "duplicate")


@dataclass(slots=True)
class User:
    """A member of the workspace. `role` is admin, member or guest; a guest sees only the teams in `team_ids`.

    The installed application is a user too (`app`), as in Linear.
    """

    id: str
    name: str
    display_name: str
    email: str
    title: str
    created_at: datetime
    updated_at: datetime
    role: str = "member"
    active: bool = True
    app: bool = False
    team_ids: set[str] = field(default_factory=set)
    archived_at: datetime | None = None

    @property
    def admin(self) -> bool:
        return self.role == "admin"

    @property
    def guest(self) -> bool:
        return self.role == "guest"

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


@dataclass(slots=True)
class Team:
    id: str
    key: str
    name: str
    created_at: datetime
    updated_at: datetime
    private: bool = False
    next_number: int = 1
    archived_at: datetime | None = None

    @property
    def visibility(self) -> str:
        return "private" if self.private else "public"


@dataclass(slots=True)
class WorkflowState:
    """`type` is one of Linear's seven: triage backlog unstarted started completed canceled duplicate."""

    id: str
    name: str
    type: str
    color: str
    position: float
    team_id: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(slots=True)
class Cycle:
    id: str
    number: int
    team_id: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    completed_at: datetime | None = None
    archived_at: datetime | None = None
    uncompleted_ids: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.name or f"Cycle {self.number}"


@dataclass(slots=True)
class Project:
    id: str
    name: str
    slug_id: str
    color: str
    created_at: datetime
    updated_at: datetime
    team_ids: list[str]
    description: str = ""
    state: str = "started"
    lead_id: str | None = None
    target_date: str | None = None
    archived_at: datetime | None = None


@dataclass(slots=True)
class Label:
    """A label of the workspace (`team_id` None) or of a team. A group holds labels and goes on no issue itself."""

    id: str
    name: str
    color: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    is_group: bool = False
    group_type: str | None = None
    parent_id: str | None = None
    team_id: str | None = None
    creator_id: str | None = None
    retired_at: datetime | None = None
    archived_at: datetime | None = None


@dataclass(slots=True)
class Attachment:
    """A link on an issue; `(issue_id, url)` is unique."""

    id: str
    issue_id: str
    url: str
    title: str
    created_at: datetime
    updated_at: datetime
    creator_id: str
    subtitle: str | None = None
    icon_url: str | None = None
    group_by_source: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    source_type: str = "api"
    archived_at: datetime | None = None

    @property
    def source(self) -> dict[str, Any]:
        return {"type": self.source_type} | ({"imageUrl": self.icon_url} if self.icon_url else {})


@dataclass(slots=True)
class Relation:
    """What `issue_id` is to `related_issue_id`: blocks, duplicate, related or similar."""

    id: str
    type: str
    issue_id: str
    related_issue_id: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(slots=True)
class ExternalLink:
    """An address on a cycle, drawn as a button in its head."""

    id: str
    cycle_id: str
    url: str
    label: str
    created_at: datetime
    updated_at: datetime
    creator_id: str
    sort_order: float = 0.0
    archived_at: datetime | None = None


@dataclass(slots=True)
class View:
    """A filter over issues with a name, for everybody (`shared`) or for its owner."""

    id: str
    name: str
    slug_id: str
    created_at: datetime
    updated_at: datetime
    creator_id: str
    filter_data: dict[str, Any] = field(default_factory=dict)
    description: str | None = None
    icon: str | None = None
    color: str | None = None
    shared: bool = False
    team_id: str | None = None
    archived_at: datetime | None = None

    @property
    def owner_id(self) -> str:
        return self.creator_id

    @property
    def model_name(self) -> str:
        return "Issue"


@dataclass(slots=True)
class Issue:
    """`id` stays for life; team and number, and so the identifier, change when the issue moves."""

    id: str
    team_id: str
    number: int
    identifier: str
    title: str
    state_id: str
    creator_id: str
    created_at: datetime
    updated_at: datetime
    sort_order: float
    description: str | None = None
    estimate: float | None = None
    priority: int = 0
    parent_id: str | None = None
    assignee_id: str | None = None
    cycle_id: str | None = None
    project_id: str | None = None
    label_ids: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    canceled_at: datetime | None = None
    archived_at: datetime | None = None
    trashed: bool | None = None
    duplicate_of_id: str | None = None
    previous_identifiers: list[str] = field(default_factory=list)
