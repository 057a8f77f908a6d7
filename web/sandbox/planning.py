"""Sprints, issue links and issue properties of a site: commands and their events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from . import changelog
from .catalogue import SUBTASK_LINK
from .events import EventedSite, millis
from .payloads import Json
from .records import UNSET, Issue, IssueLink, LinkType, Person, Project, Sprint
from .state import NotAllowedError


class PlannedSite(EventedSite):
    """A site whose issues are planned into sprints and linked with each other."""

    # -- issue links

    def link_issues(
        self, source: str | Issue, destination: str | Issue, kind: str = "Blocks", *, by: str | None = None
    ) -> IssueLink:
        """`source` blocks (duplicates, relates to) `destination`; both issues get an update, too."""
        with self.lock:
            return self._add_link(self.link_type(kind), self.issue(source), self.issue(destination), self._actor(by))

    def unlink_issues(self, link: IssueLink | str, *, by: str | None = None) -> None:
        with self.lock:
            self._remove_link(self.links[link] if isinstance(link, str) else link, self._actor(by))

    def _add_link(self, kind: LinkType, source: Issue, destination: Issue, actor: Person) -> IssueLink:
        link = IssueLink(str(self.next_id("link")), kind, source.id, destination.id)
        self.links[link.id] = link
        self._link_event("issuelink_created", link, actor)
        if not kind.system:
            for issue, other, phrase in ((source, destination, kind.outward), (destination, source, kind.inward)):
                self._updated(issue, [changelog.link(True, other, phrase)], actor.account_id)
        return link

    def _remove_link(self, link: IssueLink, actor: Person) -> None:
        del self.links[link.id]
        self._link_event("issuelink_deleted", link, actor)

    def _link_event(self, event: str, link: IssueLink, actor: Person) -> None:
        kind = link.type
        body = {
            "timestamp": millis(self.stamp()),
            "webhookEvent": event,
            "issueLink": {
                "id": int(link.id),
                "sourceIssueId": int(link.source_id),
                "destinationIssueId": int(link.destination_id),
                "issueLinkType": {
                    "id": int(kind.id),
                    "name": kind.name,
                    "outwardName": kind.outward,
                    "inwardName": kind.inward,
                    "isSubTaskLinkType": kind is SUBTASK_LINK,
                    "isSystemLinkType": kind.system,
                },
                "systemLink": kind.system,
            },
        }
        self._publish(body, None, actor)

    # -- issue properties

    def set_property(self, key_or_id: str | Issue, name: str, value: Any, *, by: str | None = None) -> bool:
        """Write an issue property; true when it is new. Does not change the issue's `updated`, as in Jira."""
        with self.lock:
            issue = self.issue(key_or_id)
            fresh = name not in issue.properties
            issue.properties[name] = value
            self._property_event("issue_property_set", issue, name, value, self._actor(by))
            return fresh

    def delete_property(self, key_or_id: str | Issue, name: str, *, by: str | None = None) -> bool:
        """Remove an issue property; false when there was none."""
        with self.lock:
            issue = self.issue(key_or_id)
            if name not in issue.properties:
                return False
            del issue.properties[name]
            self._property_event("issue_property_deleted", issue, name, None, self._actor(by))
            return True

    def _property_event(self, event: str, issue: Issue, name: str, value: Any, actor: Person) -> None:
        body: Json = {
            "timestamp": millis(self.stamp()),
            "webhookEvent": event,
            "property": {"key": name, **({"value": value} if event.endswith("set") else {})},
            "issue": {"id": issue.id, "key": issue.key, "self": self.payloads.link(f"issue/{issue.id}", 2)},
        }
        self._publish(body, issue, actor)

    # -- sprints

    def create_sprint(
        self, name: str, project: str | Project = "ATL", *, goal: str = "", by: str | None = None
    ) -> Sprint:
        with self.lock:
            board = self.board_of(self.project(project))
            sprint = Sprint(self.next_id("sprint"), name, board.id, self.stamp(), goal=goal)
            self.sprints[sprint.id] = sprint
            self._sprint_event("sprint_created", sprint, sprint.created, by)
            return sprint

    def edit_sprint(
        self, sprint: int | str | Sprint, *, name: str = UNSET, goal: str = UNSET, by: str | None = None
    ) -> Sprint:
        """Rename a sprint or change its goal."""
        with self.lock:
            found = self.sprint(sprint)
            found.name = found.name if name is UNSET else name
            found.goal = found.goal if goal is UNSET else goal
            self._sprint_event("sprint_updated", found, self.stamp(), by)
            return found

    def delete_sprint(self, sprint: int | str | Sprint, *, by: str | None = None) -> Sprint:
        """Delete a future sprint; its issues go back into the backlog."""
        with self.lock:
            found = self.sprint(sprint)
            if found.state != "future":
                raise NotAllowedError(f"{found.name} is {found.state}.")
            for issue in list(self.issues.values()):
                if found.id in issue.sprint_ids:
                    self._put_in_sprint(issue, None, by)
            del self.sprints[found.id]
            self._sprint_event("sprint_deleted", found, self.stamp(), by)
            return found

    def start_sprint(self, sprint: int | str | Sprint, *, days: int = 14, by: str | None = None) -> Sprint:
        """Start a future sprint; it ends after `days` days."""
        with self.lock:
            found = self.sprint(sprint)
            if found.state != "future":
                raise NotAllowedError(f"{found.name} is {found.state}.")
            found.state, found.start = "active", self.stamp()
            found.end = found.start + timedelta(days=days)
            self._sprint_event("sprint_started", found, found.start, by)
            return found

    def close_sprint(
        self, sprint: int | str | Sprint, *, move_open_to: int | str | Sprint | None = None, by: str | None = None
    ) -> Sprint:
        """Close the active sprint; what is not done goes to another sprint or to the backlog."""
        with self.lock:
            found = self.sprint(sprint)
            if found.state != "active":
                raise NotAllowedError(f"{found.name} is {found.state}.")
            found.state, found.completed = "closed", self.stamp()
            self._sprint_event("sprint_closed", found, found.completed, by)
            for issue in list(self.issues.values()):
                if found.id in issue.sprint_ids and issue.status.category.key != "done":
                    target = self.sprint(move_open_to) if move_open_to is not None else None
                    self._put_in_sprint(issue, target, by)
            return found

    def set_sprint(self, key_or_id: str | Issue, sprint: int | str | Sprint | None, *, by: str | None = None) -> Issue:
        """Put an issue into an open sprint, or (None) back into the backlog."""
        with self.lock:
            return self._put_in_sprint(self.issue(key_or_id), self.sprint(sprint) if sprint is not None else None, by)

    def _put_in_sprint(self, issue: Issue, sprint: Sprint | None, by: str | None) -> Issue:
        before = [self.sprints[one] for one in issue.sprint_ids]
        after = [one for one in before if one.state == "closed"] + ([sprint] if sprint else [])
        if after == before:
            return issue
        issue.sprint_ids = [one.id for one in after]
        return self._updated(issue, [changelog.sprints(before, after)], by)

    def _sprint_event(self, event: str, sprint: Sprint, moment: datetime, by: str | None) -> None:
        body = {
            "timestamp": millis(moment),
            "webhookEvent": event,
            "sprint": self.payloads.sprint(sprint),
        }
        self._publish(body, None, self._actor(by))
