"""The site's tables, their clock, look-ups and rights; `site.py` adds the commands that change them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .catalogue import (
    GLOBAL_STATUSES,
    GLOBAL_TYPES,
    LINK_TYPES,
    RESOLUTIONS,
    ROLE_PERMISSIONS,
    SUBTASK_LINK,
    statuses_of,
    types_of,
)
from .records import Board, Issue, IssueLink, IssueType, LinkType, Person, Project, Resolution, Sprint, Status


class NotFoundError(LookupError):
    """An id or key names nothing on this site."""


class NotAllowedError(Exception):
    """Jira would refuse this command; the text is meant for people."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class SiteState:
    """Tables in memory behind one lock. Every public method may be called from any thread."""

    def __init__(self, now: Callable[[], datetime], time_zone: str) -> None:
        self.now = now
        """The clock, replaceable at any time; answers an aware datetime."""
        self.freeze_updated = False
        """While true, every change carries the same `updated` and `timestamp` as the one before."""
        self.time_zone = ZoneInfo(time_zone)
        self.lock = threading.RLock()
        self.version = 0
        """Grows with every change; the pages poll it."""
        self.people: dict[str, Person] = {}
        self.projects: dict[str, Project] = {}
        self.boards: dict[int, Board] = {}
        self.sprints: dict[int, Sprint] = {}
        self.issues: dict[str, Issue] = {}
        self.links: dict[str, IssueLink] = {}
        self.former_keys: dict[str, str] = {}
        """Keys that issues had before they were moved, with the issue's id."""
        self._ids: dict[str, int] = {"issue": 10000, "link": 23000, "changelog": 10200, "sprint": 0, "board": 0}
        self._last_stamp = datetime.fromtimestamp(0, UTC)

    # -- time and numbers

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

    def next_id(self, kind: str) -> int:
        with self.lock:
            self._ids[kind] += 1
            return self._ids[kind]

    # -- look-ups

    def issue(self, id_or_key: str | int | Issue) -> Issue:
        """The issue of an id, a key or a key that it had before it moved; raises `NotFoundError`."""
        if isinstance(id_or_key, Issue):
            id_or_key = id_or_key.id
        wanted = str(id_or_key)
        with self.lock:
            if wanted in self.issues:
                return self.issues[wanted]
            wanted = wanted.upper()
            for issue in self.issues.values():
                if issue.key == wanted:
                    return issue
            if wanted in self.former_keys and self.former_keys[wanted] in self.issues:
                return self.issues[self.former_keys[wanted]]
        raise NotFoundError(f"issue {wanted}")

    def project(self, id_or_key: str | Project) -> Project:
        if isinstance(id_or_key, Project):
            return id_or_key
        for project in self.projects.values():
            if id_or_key in (project.id, project.key) or str(id_or_key).upper() == project.key:
                return project
        raise NotFoundError(f"project {id_or_key}")

    def person(self, account_id: str) -> Person:
        if account_id not in self.people:
            raise NotFoundError(f"account {account_id}")
        return self.people[account_id]

    def sprint(self, id_or_name: int | str | Sprint) -> Sprint:
        if isinstance(id_or_name, Sprint):
            return id_or_name
        for sprint in list(self.sprints.values()):
            if id_or_name == sprint.name or str(id_or_name) == str(sprint.id):
                return sprint
        raise NotFoundError(f"sprint {id_or_name}")

    def status(self, project: Project, name_or_id: str) -> Status:
        for status in statuses_of(project):
            if name_or_id == status.id or name_or_id.casefold() == status.name.casefold():
                return status
        raise NotFoundError(f"status {name_or_id}")

    def issue_type(self, project: Project, name_or_id: str) -> IssueType:
        wanted = name_or_id.casefold().replace("-", "")
        for kind in types_of(project):
            if name_or_id == kind.id or wanted == kind.name.casefold().replace("-", ""):
                return kind
        raise NotFoundError(f"issue type {name_or_id}")

    def resolution(self, name: str) -> Resolution:
        for resolution in RESOLUTIONS:
            if name.casefold() in (resolution.name.casefold(), resolution.id):
                return resolution
        raise NotFoundError(f"resolution {name}")

    def link_type(self, name: str) -> LinkType:
        for kind in (*LINK_TYPES, SUBTASK_LINK):
            if name.casefold() in (kind.name.casefold(), kind.id):
                return kind
        raise NotFoundError(f"link type {name}")

    def all_statuses(self) -> list[Status]:
        own = [status for project in self.projects.values() if project.team_managed for status in statuses_of(project)]
        return [*GLOBAL_STATUSES, *own]

    def all_types(self) -> list[IssueType]:
        own = [kind for project in self.projects.values() if project.team_managed for kind in types_of(project)]
        return [*GLOBAL_TYPES, *own]

    def children(self, issue: Issue) -> list[Issue]:
        with self.lock:
            return sorted((one for one in self.issues.values() if one.parent_id == issue.id), key=lambda one: one.rank)

    def links_of(self, issue: Issue) -> list[IssueLink]:
        return [link for link in list(self.links.values()) if issue.id in (link.source_id, link.destination_id)]

    def board_of(self, project: Project) -> Board:
        return next(board for board in self.boards.values() if board.project_id == project.id)

    def sprints_of(self, board: Board) -> list[Sprint]:
        return [sprint for sprint in list(self.sprints.values()) if sprint.board_id == board.id]

    def active_sprint(self, project: Project) -> Sprint | None:
        return next((one for one in self.sprints_of(self.board_of(project)) if one.state == "active"), None)

    def sprint_ids_of(self, issue: Issue) -> list[int]:
        """The sprints of an issue, closed ones first; a sub-task is where its parent is."""
        parent = self.issues.get(issue.parent_id or "")
        return parent.sprint_ids if issue.type.is_subtask and parent is not None else issue.sprint_ids

    def current_sprint_of(self, issue: Issue) -> Sprint | None:
        """The open sprint that an issue is in; an issue keeps its closed ones as history."""
        return next(
            (self.sprints[one] for one in reversed(self.sprint_ids_of(issue)) if self.sprints[one].state != "closed"),
            None,
        )

    def ranked(self, issues: Iterable[Issue]) -> list[Issue]:
        return sorted(issues, key=lambda issue: (issue.rank, int(issue.id)))

    # -- rights

    def permissions(self, person: Person, project: Project) -> frozenset[str]:
        """What a person may do in a project; without a role, nothing."""
        if not person.active:
            return frozenset()
        return ROLE_PERMISSIONS.get(person.roles.get(project.key, ""), frozenset())
