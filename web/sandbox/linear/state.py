"""The workspace's tables and look-ups; `planning.py` and `workspace.py` add the commands that change them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from .clock import MovableClock
from .records import (
    FINISHED,
    Attachment,
    Cycle,
    ExternalLink,
    Issue,
    Label,
    Project,
    Relation,
    Team,
    User,
    View,
    WorkflowState,
)

Record = TypeVar(
    "Record", Attachment, Cycle, ExternalLink, Issue, Label, Project, Relation, Team, User, View, WorkflowState
)


class NotFoundError(LookupError):
    """An id or key names nothing in this workspace; `entity` is the noun that Linear uses for it."""

    def __init__(self, entity: str, wanted: object) -> None:
        super().__init__(f"{entity} {wanted}")
        self.entity = entity


class NotAllowedError(Exception):
    """Linear would refuse this command; the text is meant for people."""


class WorkspaceState:
    """Tables in memory behind one lock. Every public method may be called from any thread."""

    def __init__(self, name: str, clock: MovableClock) -> None:
        self.name = name
        self.clock = clock
        self.lock = threading.RLock()
        self.version = 0
        """Grows with every change; the pages poll it."""
        self.freeze_updated = False
        """While true, every change carries the same `updatedAt` as the one before."""
        self.users: dict[str, User] = {}
        self.teams: dict[str, Team] = {}
        self.states: dict[str, WorkflowState] = {}
        self.cycles: dict[str, Cycle] = {}
        self.projects: dict[str, Project] = {}
        self.labels: dict[str, Label] = {}
        self.issues: dict[str, Issue] = {}
        self.attachments: dict[str, Attachment] = {}
        self.relations: dict[str, Relation] = {}
        self.external_links: dict[str, ExternalLink] = {}
        self.views: dict[str, View] = {}
        # Ids are random in shape but the same in every run, so that a failing test can be read twice.
        self._chance = random.Random(f"stand-in-linear:{name}")
        self._last_stamp = datetime.fromtimestamp(0, UTC)

    # -- time and ids

    def now(self) -> datetime:
        return self.clock()

    def stamp(self) -> datetime:
        """The time of a change: whole milliseconds, later than every one before unless `freeze_updated`."""
        with self.lock:
            if self.freeze_updated and self._last_stamp.timestamp() > 0:
                return self._last_stamp
            moment = self.now().astimezone(UTC)
            moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            if moment <= self._last_stamp:
                moment = self._last_stamp + timedelta(milliseconds=1)
            self._last_stamp = moment
            return moment

    def new_id(self) -> str:
        """A version 4 UUID."""
        with self.lock:
            return str(UUID(int=self._chance.getrandbits(128), version=4))

    # -- look-ups

    def issue(self, wanted: str | Issue) -> Issue:
        """The issue of an id, an identifier (ENG-123) or one that it had before it moved; raises `NotFoundError`."""
        if isinstance(wanted, Issue):
            wanted = wanted.id
        with self.lock:
            if wanted in self.issues:
                return self.issues[wanted]
            key = wanted.upper()
            for issue in self.issues.values():
                if issue.identifier == key:
                    return issue
            for issue in self.issues.values():
                if key in issue.previous_identifiers:
                    return issue
        raise NotFoundError("Issue", wanted)

    def team(self, wanted: str | Team) -> Team:
        return _named(self.teams, "Team", wanted, lambda one: (one.key, one.name))

    def user(self, wanted: str | User) -> User:
        return _named(self.users, "User", wanted, lambda one: (one.name, one.display_name, one.email))

    def state_of(self, team: Team, wanted: str | WorkflowState) -> WorkflowState:
        """A workflow state of a team by id, name or type (the first of that type)."""
        mine = {one.id: one for one in self.states_of(team)}
        try:
            return _named(mine, "WorkflowState", wanted, lambda one: (one.name,))
        except NotFoundError:
            return _named(mine, "WorkflowState", wanted, lambda one: (one.type,))

    def cycle(self, wanted: str | Cycle) -> Cycle:
        return _named(self.cycles, "Cycle", wanted, lambda one: (one.name or "",))

    def project(self, wanted: str | Project) -> Project:
        return _named(self.projects, "Project", wanted, lambda one: (one.name,))

    def label(self, wanted: str | Label) -> Label:
        return _named(self.labels, "IssueLabel", wanted, lambda one: (one.name,))

    def attachment(self, wanted: str | Attachment) -> Attachment:
        return _named(self.attachments, "Attachment", wanted, lambda one: (one.url,))

    def relation(self, wanted: str | Relation) -> Relation:
        return _named(self.relations, "IssueRelation", wanted, lambda _: ())

    def external_link(self, wanted: str | ExternalLink) -> ExternalLink:
        return _named(self.external_links, "EntityExternalLink", wanted, lambda one: (one.url,))

    def view(self, wanted: str | View) -> View:
        return _named(self.views, "CustomView", wanted, lambda one: (one.name, one.slug_id))

    # -- relations

    def links_of(self, cycle: Cycle) -> list[ExternalLink]:
        mine = (one for one in self.external_links.values() if one.cycle_id == cycle.id)
        return sorted(mine, key=lambda one: (one.sort_order, one.created_at))

    def blockers_of(self, issue: Issue) -> list[Issue]:
        """What must be done before an issue."""
        mine = (one for one in self.relations.values() if one.type == "blocks" and one.related_issue_id == issue.id)
        return self.sorted(self.issues[one.issue_id] for one in mine)

    def blocked_by(self, issue: Issue) -> list[Issue]:
        """What waits for an issue."""
        mine = (one for one in self.relations.values() if one.type == "blocks" and one.issue_id == issue.id)
        return self.sorted(self.issues[one.related_issue_id] for one in mine)

    def states_of(self, team: Team) -> list[WorkflowState]:
        return sorted((one for one in self.states.values() if one.team_id == team.id), key=lambda one: one.position)

    def state(self, issue: Issue) -> WorkflowState:
        return self.states[issue.state_id]

    def is_open(self, issue: Issue) -> bool:
        return self.state(issue).type not in FINISHED

    def children(self, issue: Issue) -> list[Issue]:
        return self.sorted(one for one in self.issues.values() if one.parent_id == issue.id and not one.trashed)

    def attachments_of(self, issue: Issue) -> list[Attachment]:
        mine = (one for one in self.attachments.values() if one.issue_id == issue.id)
        return sorted(mine, key=lambda one: one.created_at)

    def labels_of(self, issue: Issue) -> list[Label]:
        return sorted((self.labels[one] for one in issue.label_ids), key=lambda one: one.name.casefold())

    def group_labels(self, group: Label) -> list[Label]:
        mine = (one for one in self.labels.values() if one.parent_id == group.id)
        return sorted(mine, key=lambda one: one.name.casefold())

    def cycles_of(self, team: Team) -> list[Cycle]:
        return sorted((one for one in self.cycles.values() if one.team_id == team.id), key=lambda one: one.number)

    def active_cycle(self, team: Team) -> Cycle | None:
        return next((one for one in self.cycles_of(team) if self.cycle_phase(one) == "active"), None)

    def next_cycle(self, team: Team) -> Cycle | None:
        return next((one for one in self.cycles_of(team) if self.cycle_phase(one) == "future"), None)

    def cycle_phase(self, cycle: Cycle) -> str:
        """past, active or future."""
        now = self.now()
        if cycle.completed_at is not None or cycle.ends_at <= now:
            return "past"
        return "active" if cycle.starts_at <= now else "future"

    def sorted(self, issues: Iterable[Issue]) -> list[Issue]:
        return sorted(issues, key=lambda one: (one.sort_order, one.number))

    # -- rights

    def sees_team(self, user: User, team: Team) -> bool:
        """A member sees every team but the private ones that they are not in; a guest only their own."""
        if not user.active:
            return False
        return team.id in user.team_ids or not (team.private or user.guest)

    def sees(self, user: User, issue: Issue) -> bool:
        return self.sees_team(user, self.teams[issue.team_id])


def _named(
    table: Mapping[str, Record], entity: str, wanted: object, names: Callable[[Record], tuple[str, ...]]
) -> Record:
    """A record by itself, by its id or by one of its names."""
    if not isinstance(wanted, str):
        found = table.get(getattr(wanted, "id", ""))
        if found is None:
            raise NotFoundError(entity, wanted)
        return found
    if wanted in table:
        return table[wanted]
    folded = wanted.casefold()
    for one in list(table.values()):
        if folded in [name.casefold() for name in names(one) if name]:
            return one
    raise NotFoundError(entity, wanted)
