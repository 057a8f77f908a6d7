"""The stand-in Linear workspace: commands on issues, each with the events that Linear would send."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from .clock import MovableClock, utc_now
from .faults import Faults
from .links_and_views import ConnectedWorkspace
from .rate_limits import RateLimits
from .records import DROPPED, UNSET, Cycle, Issue, Label, Project, Team, User, WorkflowState
from .seeding import seed_people, seed_work
from .state import NotAllowedError


@dataclass(frozen=True, slots=True)
class Call:
    """A GraphQL call that the application made: `code` is the error's code, None for a good answer."""

    operation: str
    variables: dict[str, Any]
    status: int
    code: str | None
    complexity: int


class LinearWorkspace(ConnectedWorkspace):
    """One Linear workspace in memory, for tests and for the demo.

        workspace = LinearWorkspace("Acme", "http://127.0.0.1:8082")
        workspace.oauth.register(redirect_uri=..., webhook_url=..., webhook_secret=...)
        with WorkspaceServer(workspace, port=8082):
            story = workspace.create_issue("SSO for everybody", estimate=5)
            workspace.transition(story, "Done")
            workspace.webhooks.flush()

    `by` is who does it: a user, their id, name or e-mail address; an admin when left out.
    """

    def __init__(
        self,
        name: str = "Acme",
        base_url: str = "http://127.0.0.1:8082",
        seed: bool = True,
        *,
        now: Callable[[], datetime] = utc_now,
        workers: int = 1,
    ) -> None:
        super().__init__(name, base_url, MovableClock(now), workers)
        self.faults = Faults()
        self.limits = RateLimits()
        self.not_found_code = "ENTITY_NOT_FOUND"
        """`extensions.code` for what is not there; INPUT_ERROR was seen as well."""
        self.calls: deque[Call] = deque(maxlen=5000)
        """GraphQL calls of the application, oldest first."""
        seed_people(self)
        if seed:
            seed_work(self)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    # -- issues

    def create_issue(
        self,
        title: str,
        *,
        team: str | Team | None = None,
        parent: str | Issue | None = None,
        estimate: float | None = None,
        state: str | WorkflowState = "Todo",
        labels: Iterable[str | Label] = (),
        assignee: str | User | None = None,
        cycle: str | Cycle | None = None,
        project: str | Project | None = None,
        priority: int = 0,
        description: str | None = None,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> Issue:
        """Make an issue in a team (the first one unless told, or the parent's) and send `create`."""
        with self.lock:
            above = self.issue(parent) if parent is not None else None
            home = self.team(team) if team is not None else self._home(above)
            actor = self._actor(by)
            moment = self.stamp()
            number, home.next_number = home.next_number, home.next_number + 1
            found = self.state_of(home, state)
            issue = Issue(
                id=self.new_entity_id(id, self.issues),
                team_id=home.id,
                number=number,
                identifier=f"{home.key}-{number}",
                title=title,
                state_id=found.id,
                creator_id=actor.id,
                created_at=moment,
                updated_at=moment,
                sort_order=max((one.sort_order for one in self.issues.values()), default=0.0) + 1.0,
                description=description,
                estimate=_estimate(estimate),
                priority=priority,
                parent_id=above.id if above else None,
                assignee_id=self.user(assignee).id if assignee is not None else None,
                cycle_id=self._cycle_for(home, cycle),
                project_id=self.project(project).id if project is not None else None,
                label_ids=[],
                started_at=moment if found.type == "started" else None,
                completed_at=moment if found.type == "completed" else None,
                canceled_at=moment if found.type in DROPPED else None,
            )
            for label in labels:
                issue.label_ids = self._with_label(issue, self.label(label))
            self.issues[issue.id] = issue
            self._publish("create", issue, actor)
            return issue

    def transition(self, issue: str | Issue, state: str | WorkflowState, *, by: str | User | None = None) -> Issue:
        """Move to another workflow state, by name, id or type; the times of start and end follow."""
        with self.lock:
            found = self.issue(issue)
            self._change(found, self._entering(found, self.state_of(self.teams[found.team_id], state)), by)
            return found

    def estimate(self, issue: str | Issue, points: float | None, *, by: str | User | None = None) -> Issue:
        """Set or clear the estimate."""
        return self._edit(issue, {"estimate": _estimate(points)}, by)

    def set_parent(self, issue: str | Issue, parent: str | Issue | None, *, by: str | User | None = None) -> Issue:
        """Hang an issue below another one, of any team, or below none."""
        with self.lock:
            found = self.issue(issue)
            above = self.issue(parent) if parent is not None else None
            one = above
            while one is not None:
                if one.id == found.id:
                    raise NotAllowedError("An issue can't be below itself.")
                one = self.issues.get(one.parent_id or "")
            return self._edit(found, {"parent_id": above.id if above else None}, by)

    def add_label(self, issue: str | Issue, label: str | Label, *, by: str | User | None = None) -> Issue:
        """Add a label; of a single-select group, the one that was there goes."""
        with self.lock:
            found = self.issue(issue)
            return self._edit(found, {"label_ids": self._with_label(found, self.label(label))}, by)

    def remove_label(self, issue: str | Issue, label: str | Label, *, by: str | User | None = None) -> Issue:
        with self.lock:
            found, gone = self.issue(issue), self.label(label)
            return self._edit(found, {"label_ids": [one for one in found.label_ids if one != gone.id]}, by)

    def set_labels(self, issue: str | Issue, labels: Sequence[str | Label], *, by: str | User | None = None) -> Issue:
        """Exactly these labels."""
        return self._edit(issue, {"label_ids": [self.label(one).id for one in labels]}, by)

    def set_cycle(self, issue: str | Issue, cycle: str | Cycle | None, *, by: str | User | None = None) -> Issue:
        with self.lock:
            found = self.issue(issue)
            return self._edit(found, {"cycle_id": self._cycle_for(self.teams[found.team_id], cycle)}, by)

    def set_project(self, issue: str | Issue, project: str | Project | None, *, by: str | User | None = None) -> Issue:
        wanted = self.project(project).id if project is not None else None
        return self._edit(issue, {"project_id": wanted}, by)

    def assign(self, issue: str | Issue, user: str | User | None, *, by: str | User | None = None) -> Issue:
        return self._edit(issue, {"assignee_id": self.user(user).id if user is not None else None}, by)

    def edit(
        self,
        issue: str | Issue,
        *,
        title: str = UNSET,
        description: str | None = UNSET,
        priority: int = UNSET,
        by: str | User | None = None,
    ) -> Issue:
        """Change words or priority (0 none, 1 urgent ... 4 low); what is left out stays."""
        wanted = {"title": title, "description": description, "priority": priority}
        return self._edit(issue, {name: value for name, value in wanted.items() if value is not UNSET}, by)

    def rank(self, issue: str | Issue, *, before: str | Issue | None = None, by: str | User | None = None) -> Issue:
        """Put an issue right before another one, or last."""
        with self.lock:
            found = self.issue(issue)
            others = [one for one in self.sorted(self.issues.values()) if one is not found]
            at = others.index(self.issue(before)) if before is not None else len(others)
            low = others[at - 1].sort_order if at > 0 else others[0].sort_order - 2.0
            high = others[at].sort_order if at < len(others) else low + 2.0
            return self._edit(found, {"sort_order": (low + high) / 2}, by)

    def move_team(self, issue: str | Issue, team: str | Team, *, by: str | User | None = None) -> Issue:
        """Move to another team: a new identifier, the same id; the state becomes the one of the same type there."""
        with self.lock:
            found, home = self.issue(issue), self.team(team)
            if found.team_id == home.id:
                return found
            number, home.next_number = home.next_number, home.next_number + 1
            kept = [one for one in found.label_ids if self.labels[one].team_id in (None, home.id)]
            identifier, state = found.identifier, self.state_of(home, self.state(found).type)
            found.previous_identifiers = [*found.previous_identifiers, identifier]
            found.identifier = f"{home.key}-{number}"
            changes = {"team_id": home.id, "number": number, "state_id": state.id, "cycle_id": None}
            return self._edit(found, {**changes, "label_ids": kept}, by)

    def merge_as_duplicate(self, issue: str | Issue, original: str | Issue, *, by: str | User | None = None) -> Issue:
        """Mark an issue as a duplicate of another one: it goes to the state of that type."""
        with self.lock:
            found, kept = self.issue(issue), self.issue(original)
            if found is kept:
                raise NotAllowedError("An issue can't be a duplicate of itself.")
            found.duplicate_of_id = kept.id
            return self.transition(found, "duplicate", by=by)

    # -- out of sight and back

    def archive(self, issue: str | Issue, *, by: str | User | None = None) -> Issue:
        """Archive: an `update` with archivedAt; the issue is still there for those who ask for archived ones."""
        return self._edit(issue, {"archived_at": self.stamp()}, by)

    def unarchive(self, issue: str | Issue, *, by: str | User | None = None) -> Issue:
        return self._edit(issue, {"archived_at": None, "trashed": None}, by)

    def trash(self, issue: str | Issue, *, by: str | User | None = None) -> Issue:
        """Put into the trash: a `remove` whose data say trashed."""
        with self.lock:
            found = self.issue(issue)
            if not found.trashed:
                found.archived_at = found.updated_at = self.stamp()
                found.trashed = True
                self._publish("remove", found, self._actor(by))
            return found

    def restore(self, issue: str | Issue, *, by: str | User | None = None) -> Issue:
        """Take out of the trash: an `update`."""
        return self.unarchive(issue, by=by)

    def delete(self, issue: str | Issue, *, by: str | User | None = None) -> None:
        """Delete for good: `remove`, then nobody can read it; sub-issues stay, without a parent."""
        with self.lock:
            found = self.issue(issue)
            del self.issues[found.id]
            found.archived_at, found.trashed = self.stamp(), True
            for one in [one for one in self.attachments.values() if one.issue_id == found.id]:
                del self.attachments[one.id]
            for tie in [one for one in self.relations.values() if found.id in (one.issue_id, one.related_issue_id)]:
                del self.relations[tie.id]
            self._publish("remove", found, self._actor(by))
            for child in [one for one in self.issues.values() if one.parent_id == found.id]:
                self._change(child, {"parent_id": None}, by)

    # -- inside

    def _edit(self, issue: str | Issue, changes: dict[str, Any], by: str | User | None) -> Issue:
        with self.lock:
            found = self.issue(issue)
            self._change(found, changes, by)
            return found

    def _entering(self, issue: Issue, state: WorkflowState) -> dict[str, Any]:
        moment = self.stamp()
        changes: dict[str, Any] = {"state_id": state.id}
        if state.type == "started":
            changes["started_at"] = issue.started_at or moment
        elif state.type in ("triage", "backlog", "unstarted"):
            changes["started_at"] = None
        changes["completed_at"] = (issue.completed_at or moment) if state.type == "completed" else None
        changes["canceled_at"] = (issue.canceled_at or moment) if state.type in DROPPED else None
        return changes

    def _with_label(self, issue: Issue, label: Label) -> list[str]:
        if label.is_group:
            raise NotAllowedError(f"{label.name} is a label group; one of its labels can be added.")
        if label.retired_at is not None:
            raise NotAllowedError(f"{label.name} is retired.")
        if label.team_id not in (None, issue.team_id):
            raise NotAllowedError(f"{label.name} belongs to another team.")
        siblings = self.siblings(label)
        kept = [one for one in issue.label_ids if one != label.id and one not in siblings]
        return [*kept, label.id]

    def siblings(self, label: Label) -> set[str]:
        """Ids of the labels that cannot be on an issue together with this one."""
        group = self.labels.get(label.parent_id or "")
        if group is None or group.group_type == "multiSelect":
            return set()
        return {one.id for one in self.group_labels(group)} - {label.id}

    def _cycle_for(self, team: Team, cycle: str | Cycle | None) -> str | None:
        if cycle is None:
            return None
        if cycle == "active":
            active = self.active_cycle(team)
            return active.id if active else None
        found = self.cycle(cycle)
        if found.team_id != team.id:
            raise NotAllowedError(f"{found.title} belongs to another team.")
        return found.id

    def _home(self, parent: Issue | None) -> Team:
        return self.teams[parent.team_id] if parent is not None else next(iter(self.teams.values()))


def _estimate(points: float | None) -> float | None:
    return None if points is None else float(points)
