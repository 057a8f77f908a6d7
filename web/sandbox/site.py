"""The stand-in Jira site: commands that change it, and the events that each change sends out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from . import changelog
from .catalogue import SUBTASK_LINK, points_field_of
from .faults import Faults
from .installation import Installation, InstallError, call_lifecycle, new_secret, read_descriptor
from .planning import PlannedSite
from .records import UNSET, Issue, Project, Sprint
from .seeding import seed_people, seed_work
from .signing import InstallKey
from .state import NotAllowedError, utc_now


@dataclass(frozen=True, slots=True)
class Call:
    """A REST call that the app made, kept so that tests can hold it against the official OpenAPI."""

    method: str
    path: str
    query: str
    body: Any
    status: int


class JiraSite(PlannedSite):
    """One Jira Cloud site in memory, for tests and for the demo. Ids are those of Jira: numeric strings for issues.

    `time_zone` is the site's default zone, in which JQL dates are read and REST times are written. It is not UTC by
    default: an app that forgets the zone should notice here.
    """

    def __init__(
        self,
        name: str = "Acme",
        base_url: str = "http://127.0.0.1:8081",
        seed: bool = True,
        *,
        now: Callable[[], datetime] = utc_now,
        time_zone: str = "America/New_York",
        workers: int = 1,
    ) -> None:
        super().__init__(now, time_zone, workers)
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.client_key = str(uuid5(NAMESPACE_URL, f"stand-in-jira:{name}"))
        self.cloud_id = str(uuid5(NAMESPACE_URL, f"stand-in-cloud:{name}"))
        self.oauth_client_id = str(uuid5(NAMESPACE_URL, f"stand-in-oauth:{name}"))
        self.legacy_public_key = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDU-stand-in-legacy-key"
        self.install_key = InstallKey()
        self.context_token_life = timedelta(minutes=15)
        """Life of the tokens behind `AP.context.getToken`."""
        self.created_with_changelog = True
        """Real Jira sends some `issue_created` webhooks with a changelog and some without."""
        self.faults = Faults()
        self.calls: deque[Call] = deque(maxlen=2000)
        """REST calls of the app, oldest first."""
        self.task_seconds = 0.15
        """How long writing many issue properties takes; Jira does it beside the request."""
        self._app_url: str | None = None
        seed_people(self)
        if seed:
            seed_work(self)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    # -- the app

    def install(self, app_url: str) -> Installation:
        """Read the app's descriptor and do the signed `installed` call, with a new secret; raises `InstallError`."""
        descriptor, source = read_descriptor(app_url)
        before, fresh = self.installation, Installation(descriptor, source, new_secret(), self.now())
        # Known before the call: an app may use the new secret as soon as it has answered.
        self.installation = fresh
        try:
            status = call_lifecycle(self, fresh, "installed")
            if status is None or not 200 <= status < 300:
                raise InstallError("app_refused", f"installed answered {status}", status)
        except InstallError:
            self.installation = before
            raise
        self._app_url = app_url
        self.changed()
        return fresh

    def uninstall(self) -> int | None:
        """Tell the app, then forget it; Jira does not care what the app answers. Returns the app's status."""
        installation, status = self.installation, None
        if installation is None:
            return None
        try:
            status = call_lifecycle(self, installation, "uninstalled")
        except InstallError as refusal:
            status = refusal.status
        finally:
            self.installation = None
            self.changed()
        return status

    def reinstall(self) -> Installation:
        """Install from the same address again, with a new secret."""
        if self._app_url is None:
            raise InstallError("never_installed", "nothing to install again")
        return self.install(self._app_url)

    # -- issues

    def create_issue(
        self,
        summary: str,
        type: str = "Story",  # noqa: A002 - the word that people who write Jira scripts expect
        *,
        project: str | Project = "ATL",
        parent: str | Issue | None = None,
        points: float | None = None,
        labels: Sequence[str] = (),
        assignee: str | None = None,
        description: str = "",
        sprint: int | str | Sprint | None = None,
        status: str = "To Do",
        by: str | None = None,
    ) -> Issue:
        """Make an issue and send `jira:issue_created`; a sub-task needs a parent, an epic takes none."""
        with self.lock:
            home = self.project(project)
            kind = self.issue_type(home, type)
            above = self.issue(parent) if parent is not None else None
            self._check_parent(kind.level, home, above)
            actor = self._actor(by)
            moment = self.stamp()
            number, home.next_number = home.next_number, home.next_number + 1
            issue = Issue(
                id=str(self.next_id("issue")),
                key=f"{home.key}-{number}",
                project_id=home.id,
                type=kind,
                status=self.status(home, status),
                summary=summary,
                description=description,
                reporter=actor.account_id,
                assignee=assignee,
                created=moment,
                updated=moment,
                rank=max((one.rank for one in self.issues.values()), default=0.0) + 1.0,
                parent_id=above.id if above else None,
                labels=sorted(labels),
                points=points,
            )
            if sprint is not None:
                issue.sprint_ids = [self.sprint(sprint).id]
            self.issues[issue.id] = issue
            items = [changelog.status(None, issue.status), changelog.summary(None, summary)]
            body = self._issue_event(
                "jira:issue_created",
                issue,
                actor,
                moment,
                "issue_created",
                items if self.created_with_changelog else None,
            )
            self._publish(body, issue, actor)
            if above is not None and kind.is_subtask:
                self._add_link(SUBTASK_LINK, above, issue, actor)
            return issue

    def transition(
        self,
        key_or_id: str | Issue,
        status: str,
        resolution: str | None = None,
        *,
        unresolved: bool = False,
        by: str | None = None,
    ) -> Issue:
        """Move to another status.

        Into the done category a resolution comes along ("Done" unless named); on the way out none stays. `unresolved`
        goes to a done status without a resolution, which Jira's workflows allow.
        """
        with self.lock:
            issue = self.issue(key_or_id)
            target = self.status(self.projects[issue.project_id], status)
            finished = target.category.key == "done"
            after = self.resolution(resolution or "Done") if finished and not unresolved else None
            items = []
            if after != issue.resolution:
                items.append(changelog.resolution(issue.resolution, after))
            if target != issue.status:
                items.append(changelog.status(issue.status, target))
            if not items:
                return issue
            moment = self.stamp()
            if target.category != issue.status.category:
                issue.category_changed = moment
            if after != issue.resolution:
                issue.resolved = moment if after else None
            issue.status, issue.resolution = target, after
            return self._updated(issue, items, by, "issue_generic", moment)

    def estimate(self, key_or_id: str | Issue, points: float | None, *, by: str | None = None) -> Issue:
        """Set or clear the story points."""
        with self.lock:
            issue = self.issue(key_or_id)
            if points == issue.points:
                return issue
            field_id = points_field_of(self.projects[issue.project_id])
            item = changelog.points(field_id, issue.points, points)
            issue.points = None if points is None else float(points)
            return self._updated(issue, [item], by)

    def set_parent(self, key_or_id: str | Issue, parent: str | Issue | None, *, by: str | None = None) -> Issue:
        """Hang an issue below another one, or below none."""
        with self.lock:
            issue = self.issue(key_or_id)
            above = self.issue(parent) if parent is not None else None
            self._check_parent(issue.type.level, self.projects[issue.project_id], above)
            before = self.issues.get(issue.parent_id or "")
            if before is above:
                return issue
            issue.parent_id = above.id if above else None
            item = changelog.parent(before, above, of_subtask=issue.type.is_subtask)
            return self._updated(issue, [item], by)

    def edit(
        self,
        key_or_id: str | Issue,
        *,
        summary: str = UNSET,
        description: str = UNSET,
        labels: Sequence[str] = UNSET,
        by: str | None = None,
    ) -> Issue:
        """Change text or labels; what is left out stays."""
        with self.lock:
            issue = self.issue(key_or_id)
            items = []
            if summary is not UNSET and summary != issue.summary:
                items.append(changelog.summary(issue.summary, summary))
                issue.summary = summary
            if description is not UNSET and description != issue.description:
                items.append(changelog.description(issue.description, description))
                issue.description = description
            if labels is not UNSET and sorted(labels) != issue.labels:
                items.append(changelog.labels(issue.labels, sorted(labels)))
                issue.labels = sorted(labels)
            return self._updated(issue, items, by) if items else issue

    def assign(self, key_or_id: str | Issue, account_id: str | None, *, by: str | None = None) -> Issue:
        with self.lock:
            issue = self.issue(key_or_id)
            if account_id == issue.assignee:
                return issue
            before = self.people.get(issue.assignee or "")
            after = self.person(account_id) if account_id else None
            issue.assignee = account_id
            return self._updated(issue, [changelog.assignee(before, after)], by, "issue_assigned")

    def rank(
        self,
        key_or_id: str | Issue,
        *,
        before: str | Issue | None = None,
        after: str | Issue | None = None,
        by: str | None = None,
    ) -> Issue:
        """Put an issue right before or after another one, or first."""
        with self.lock:
            issue = self.issue(key_or_id)
            others = [one for one in self.ranked(self.issues.values()) if one is not issue]
            at = 0
            if before is not None:
                at = others.index(self.issue(before))
            elif after is not None:
                at = others.index(self.issue(after)) + 1
            old = issue.rank
            low = others[at - 1].rank if at > 0 else (others[0].rank - 2.0 if others else 0.0)
            high = others[at].rank if at < len(others) else low + 2.0
            issue.rank = (low + high) / 2
            return self._updated(issue, [changelog.rank(issue.rank < old)], by) if issue.rank != old else issue

    def move(self, key_or_id: str | Issue, project: str | Project, *, by: str | None = None) -> Issue:
        """Move to another project: a new key, the same id; sub-tasks go along.

        Between a company-managed and a team-managed project the parent is lost (a team-managed epic takes no foreign
        issues), and status and type become those of the new project, with other ids.
        """
        with self.lock:
            issue, target = self.issue(key_or_id), self.project(project)
            if issue.type.is_subtask and issue.project_id != target.id:
                raise NotAllowedError("A sub-task moves with its parent.")
            return self._move(issue, target, by)

    def _move(self, issue: Issue, target: Project, by: str | None) -> Issue:
        source = self.projects[issue.project_id]
        if source is target:
            return issue
        new_key, target.next_number = f"{target.key}-{target.next_number}", target.next_number + 1
        items = [changelog.project(source, target), changelog.key(issue.key, new_key)]
        kind, status = self.issue_type(target, issue.type.name), self.status(target, issue.status.name)
        if kind != issue.type:
            items.append(changelog.issue_type(issue.type, kind))
        if status != issue.status:
            items.append(changelog.status(issue.status, status))
        above = self.issues.get(issue.parent_id or "")
        if above is not None and not issue.type.is_subtask and (source.team_managed or target.team_managed):
            items.append(changelog.parent(above, None, of_subtask=False))
            issue.parent_id = None
        open_sprint = self.current_sprint_of(issue)
        if open_sprint is not None:
            items.append(changelog.sprints([self.sprints[one] for one in issue.sprint_ids], []))
            issue.sprint_ids = [one for one in issue.sprint_ids if one != open_sprint.id]
        self.former_keys[issue.key] = issue.id
        issue.key, issue.project_id, issue.type, issue.status = new_key, target.id, kind, status
        self._updated(issue, items, by, "issue_moved")
        for child in self.children(issue):
            if child.type.is_subtask:
                self._move(child, target, by)
        return issue

    def delete(self, key_or_id: str | Issue, *, by: str | None = None) -> Issue:
        """Delete an issue, its sub-tasks first. Children of an epic stay, without a parent and without an event."""
        with self.lock:
            issue, actor = self.issue(key_or_id), self._actor(by)
            for child in self.children(issue):
                if child.type.is_subtask:
                    self.delete(child, by=by)
                else:
                    child.parent_id = None
            for link in self.links_of(issue):
                self._remove_link(link, actor)
            body = self._issue_event("jira:issue_deleted", issue, actor, self.stamp())
            del self.issues[issue.id]
            self._publish(body, issue, actor)
            return issue

    def _check_parent(self, level: int, project: Project, parent: Issue | None) -> None:
        if parent is None:
            if level < 0:
                raise NotAllowedError("A sub-task needs a parent.")
            return
        if parent.type.level != level + 1:
            raise NotAllowedError(f"{parent.key} ({parent.type.name}) cannot be the parent of this type.")
        other = self.projects[parent.project_id]
        if other is not project and (level < 0 or other.team_managed or project.team_managed):
            raise NotAllowedError(f"{parent.key} belongs to another project.")
