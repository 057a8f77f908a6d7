"""Commands around issues: teams and rights, cycles, projects, labels with their groups, attachments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .events import EventedWorkspace
from .records import UNSET, Attachment, Cycle, Issue, Label, Project, Team, User, WorkflowState
from .state import NotAllowedError

COLORS = ("#5e6ad2", "#26b5ce", "#4cb782", "#f2c94c", "#eb5757", "#bb87fc", "#f2994a", "#95a2b3")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)

# The states of a new team: one of each of Linear's seven types, and a second one of "started".
STATES = (
    ("Triage", "triage", "#fc7840"),
    ("Backlog", "backlog", "#bec2c8"),
    ("Todo", "unstarted", "#e2e2e2"),
    ("In Progress", "started", "#f2c94c"),
    ("In Review", "started", "#0f783c"),
    ("Done", "completed", "#5e6ad2"),
    ("Canceled", "canceled", "#95a2b3"),
    ("Duplicate", "duplicate", "#95a2b3"),
)


class PlannedWorkspace(EventedWorkspace):
    """A workspace with the commands around issues."""

    def new_entity_id(self, wanted: str | None, table: Mapping[str, Any]) -> str:
        """The id that a caller chose, which must be a free UUID v4, or a new one; raises NotAllowedError."""
        if wanted is None:
            return self.new_id()
        if not UUID4.fullmatch(wanted):
            raise NotAllowedError("id must be a UUID, version 4.")
        if wanted in table:
            raise NotAllowedError(f"An entity with the id {wanted} exists already.")
        return wanted

    # -- teams and people

    def add_team(self, key: str, name: str, *, private: bool = False) -> Team:
        with self.lock:
            moment = self.stamp()
            team = Team(self.new_id(), key.upper(), name, moment, moment, private)
            self.teams[team.id] = team
            for at, (title, kind, color) in enumerate(STATES):
                self.add_state(team, title, kind, color=color, position=float(at))
            self.changed()
            return team

    def add_state(
        self, team: str | Team, name: str, kind: str, *, color: str = "#95a2b3", position: float | None = None
    ) -> WorkflowState:
        """A new workflow state; Linear sends no event for it."""
        with self.lock:
            home = self.team(team)
            moment = self.stamp()
            at = position if position is not None else float(len(self.states_of(home)))
            state = WorkflowState(self.new_id(), name, kind, color, at, home.id, moment, moment)
            self.states[state.id] = state
            self.changed()
            return state

    def rename_state(self, state: WorkflowState, name: str) -> None:
        """Another name for a state; Linear sends no event for it."""
        with self.lock:
            state.name, state.updated_at = name, self.stamp()
            self.changed()

    def let_app_in(self, team: str | Team) -> None:
        """Let the application see a private team; sends `PermissionChange`."""
        self._team_access(self.team(team), True)

    def shut_app_out(self, team: str | Team) -> None:
        """Take a team away from the application, a public one too; sends `PermissionChange`."""
        self._team_access(self.team(team), False)

    def _team_access(self, team: Team, may: bool) -> None:
        with self.lock:
            user, app = self.oauth.app_user, self.oauth.app
            if user is None or app is None:
                raise NotAllowedError("No application is installed.")
            if may:
                user.team_ids.add(team.id)
            else:
                # From now on it sees what it was let into, like a guest.
                if not user.guest:
                    user.role = "guest"
                    user.team_ids |= {one.id for one in self.teams.values() if not one.private}
                user.team_ids.discard(team.id)
            self.notice(
                {
                    "type": "PermissionChange",
                    "action": "teamAccessChanged",
                    "oauthClientId": app.client_id,
                    "appUserId": user.id,
                    "canAccessAllPublicTeams": not user.guest,
                    "addedTeamIds": [team.id] if may else [],
                    "removedTeamIds": [] if may else [team.id],
                }
            )

    def deactivate_user(self, user: str | User, *, by: str | User | None = None) -> User:
        """Somebody leaves the workspace."""
        with self.lock:
            who = self.user(user)
            self._change(who, {"active": False}, by)
            return who

    # -- cycles

    def create_cycle(
        self,
        team: str | Team,
        *,
        starts_at: datetime | None = None,
        weeks: float = 2,
        name: str | None = None,
        by: str | User | None = None,
    ) -> Cycle:
        """A new cycle after the team's last one, or from `starts_at`."""
        with self.lock:
            home = self.team(team)
            before = self.cycles_of(home)
            start = starts_at or (before[-1].ends_at if before else self.now())
            number = before[-1].number + 1 if before else 1
            moment = self.stamp()
            cycle = Cycle(self.new_id(), number, home.id, start, start + timedelta(weeks=weeks), moment, moment, name)
            self.cycles[cycle.id] = cycle
            self._publish("create", cycle, self._actor(by))
            return cycle

    def edit_cycle(
        self,
        cycle: str | Cycle,
        *,
        name: str | None = UNSET,
        starts_at: datetime = UNSET,
        ends_at: datetime = UNSET,
        by: str | User | None = None,
    ) -> Cycle:
        with self.lock:
            found = self.cycle(cycle)
            wanted = {"name": name, "starts_at": starts_at, "ends_at": ends_at}
            self._change(found, {key: value for key, value in wanted.items() if value is not UNSET}, by)
            return found

    def complete_cycle(self, cycle: str | Cycle, *, by: str | User | None = None) -> Cycle:
        """End a cycle; open issues go on to the next one, where there is one."""
        with self.lock:
            found = self.cycle(cycle)
            later = [one for one in self.cycles_of(self.teams[found.team_id]) if one.number > found.number]
            left = [one for one in self.issues.values() if one.cycle_id == found.id and self.is_open(one)]
            # Not a stamp: those run ahead of the clock when many fall into a millisecond, and a cycle would start late.
            moment = self.now()
            changes = {"completed_at": moment, "ends_at": min(found.ends_at, moment)}
            self._change(found, {**changes, "uncompleted_ids": [one.id for one in left]}, by)
            for issue in left:
                self._change(issue, {"cycle_id": later[0].id if later else None}, by)
            if later and later[0].starts_at > moment:
                self._change(later[0], {"starts_at": moment}, by)
            return found

    # -- projects

    def create_project(
        self,
        name: str,
        *,
        teams: Sequence[str | Team],
        description: str = "",
        target_date: str | None = None,
        by: str | User | None = None,
    ) -> Project:
        with self.lock:
            moment = self.stamp()
            project_id = self.new_id()
            color = COLORS[len(self.projects) % len(COLORS)]
            project = Project(
                project_id,
                name,
                project_id.replace("-", "")[:12],
                color,
                moment,
                moment,
                [self.team(one).id for one in teams],
                description,
                target_date=target_date,
            )
            self.projects[project.id] = project
            self._publish("create", project, self._actor(by))
            return project

    def edit_project(
        self,
        project: str | Project,
        *,
        name: str = UNSET,
        target_date: str | None = UNSET,
        by: str | User | None = None,
    ) -> Project:
        with self.lock:
            found = self.project(project)
            wanted = {"name": name, "target_date": target_date}
            self._change(found, {key: value for key, value in wanted.items() if value is not UNSET}, by)
            return found

    # -- labels

    def create_label(
        self,
        name: str,
        *,
        group: str | Label | None = None,
        is_group: bool = False,
        group_type: str | None = None,
        team: str | Team | None = None,
        color: str | None = None,
        description: str | None = None,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> Label:
        """A new label or label group; names are unique among their siblings, whatever their case."""
        with self.lock:
            above = self.label(group) if group is not None else None
            if above is not None and not above.is_group:
                raise NotAllowedError(f"{above.name} is no label group.")
            if above is not None and is_group:
                raise NotAllowedError("A label group can't be in another one.")
            home = self.team(team) if team is not None else None
            self._check_label_name(name, above.id if above else None, home.id if home else None, None)
            moment = self.stamp()
            label = Label(
                self.new_entity_id(id, self.labels),
                name.strip(),
                color or COLORS[len(self.labels) % len(COLORS)],
                moment,
                moment,
                description,
                is_group,
                (group_type or "singleSelect") if is_group else None,
                above.id if above else None,
                home.id if home else None,
                self._actor(by).id,
            )
            self.labels[label.id] = label
            self._publish("create", label, self._actor(by))
            return label

    def edit_label(
        self,
        label: str | Label,
        *,
        name: str = UNSET,
        color: str = UNSET,
        description: str | None = UNSET,
        group: str | Label | None = UNSET,
        by: str | User | None = None,
    ) -> Label:
        with self.lock:
            found = self.label(label)
            changes: dict[str, Any] = {}
            if group is not UNSET:
                changes["parent_id"] = self.label(group).id if group is not None else None
            if name is not UNSET:
                parent_id = changes.get("parent_id", found.parent_id)
                self._check_label_name(name, parent_id, found.team_id, found)
                changes["name"] = name.strip()
            if color is not UNSET:
                changes["color"] = color
            if description is not UNSET:
                changes["description"] = description
            self._change(found, changes, by)
            return found

    def retire_label(self, label: str | Label, *, by: str | User | None = None) -> Label:
        """Keep a label where it is, but let nobody add it any more."""
        with self.lock:
            found = self.label(label)
            self._change(found, {"retired_at": found.retired_at or self.stamp()}, by)
            return found

    def restore_label(self, label: str | Label, *, by: str | User | None = None) -> Label:
        with self.lock:
            found = self.label(label)
            self._change(found, {"retired_at": None}, by)
            return found

    def delete_label(self, label: str | Label, *, by: str | User | None = None) -> None:
        """Delete a label; issues lose it without an event of their own, a group's labels become plain ones."""
        with self.lock:
            found = self.label(label)
            for child in self.group_labels(found):
                self._change(child, {"parent_id": None}, by)
            for issue in self.issues.values():
                if found.id in issue.label_ids:
                    issue.label_ids = [one for one in issue.label_ids if one != found.id]
                    issue.updated_at = self.stamp()
            del self.labels[found.id]
            found.archived_at = self.stamp()
            self._publish("remove", found, self._actor(by))

    def _check_label_name(self, name: str, parent_id: str | None, team_id: str | None, but: Label | None) -> None:
        words = name.strip()
        if not words or len(words) > 80:
            raise NotAllowedError("A label's name has 1 to 80 characters.")
        for one in self.labels.values():
            same_place = one.parent_id == parent_id and one.team_id == team_id
            if one is not but and same_place and one.name.casefold() == words.casefold():
                raise NotAllowedError(f"A label named {words} exists already.")

    # -- attachments

    def create_attachment(
        self,
        issue: str | Issue,
        url: str,
        title: str,
        *,
        subtitle: str | None = None,
        icon_url: str | None = None,
        group_by_source: bool = False,
        metadata: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> Attachment:
        """Attach an address to an issue; the same address again changes the one that is there and keeps its id."""
        with self.lock:
            home = self.issue(issue)
            if not url.startswith(("https://", "http://")):
                raise NotAllowedError("url must be an absolute address.")
            known = next((one for one in self.attachments_of(home) if one.url == url), None)
            if known is not None:
                changes = {"title": title, "subtitle": subtitle, "icon_url": icon_url}
                self._change(known, {**changes, "metadata": dict(metadata or {})}, by)
                return known
            actor = self._actor(by)
            moment = self.stamp()
            attachment = Attachment(
                self.new_entity_id(id, self.attachments),
                home.id,
                url,
                title,
                moment,
                moment,
                actor.id,
                subtitle,
                icon_url,
                group_by_source,
                dict(metadata or {}),
            )
            self.attachments[attachment.id] = attachment
            self._publish("create", attachment, actor)
            return attachment

    def edit_attachment(
        self,
        attachment: str | Attachment,
        *,
        title: str,
        subtitle: str | None = UNSET,
        icon_url: str | None = UNSET,
        metadata: Mapping[str, Any] | None = UNSET,
        by: str | User | None = None,
    ) -> Attachment:
        with self.lock:
            found = self.attachment(attachment)
            changes: dict[str, Any] = {"title": title}
            if subtitle is not UNSET:
                changes["subtitle"] = subtitle
            if icon_url is not UNSET:
                changes["icon_url"] = icon_url
            if metadata is not UNSET:
                changes["metadata"] = dict(metadata or {})
            self._change(found, changes, by)
            return found

    def delete_attachment(self, attachment: str | Attachment, *, by: str | User | None = None) -> None:
        with self.lock:
            found = self.attachment(attachment)
            del self.attachments[found.id]
            self._publish("remove", found, self._actor(by))
