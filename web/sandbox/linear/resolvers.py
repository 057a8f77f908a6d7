"""What the fields of the schema mean: queries, relations and pages. Mutations are in `mutations.py`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graphql import GraphQLResolveInfo

from .engine import LARGEST_PAGE, PAGE
from .filters import Filter, snake
from .look_ups import LookUps, Refused
from .payloads import PRIORITIES
from .records import (
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

if TYPE_CHECKING:
    from .workspace import LinearWorkspace


class Page(dict[str, Any]):
    """A page of a connection: edges, nodes, pageInfo."""


class Resolvers(LookUps):
    """Answers the queries of one request."""

    # -- queries

    def organization(self) -> LinearWorkspace:
        return self.workspace

    def viewer(self) -> User:
        return self.asker.user

    def user(self, id: str) -> User:  # noqa: A002 - the argument's name in the schema
        found = self.asker.user if id == "me" else self.workspace.users.get(id)
        if found is None:
            raise self.not_found("User")
        return found

    def users(self, *, include_disabled: bool = False, **page: Any) -> Page:
        return self.page([one for one in self.workspace.users.values() if one.active or include_disabled], **page)

    def team(self, id: str) -> Team:  # noqa: A002 - the argument's name in the schema
        found: Team = self._find("Team", self.workspace.team, id)
        if not self._sees_team(found.id):
            raise self.not_found("Team")
        return found

    def teams(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - the argument's name
        mine = [one for one in self.workspace.teams.values() if self._sees_team(one.id)]
        return self.page([one for one in mine if self.filters.team(one, filter)], **page)

    def workflow_state(self, id: str) -> WorkflowState:  # noqa: A002 - the argument's name in the schema
        found = self.workspace.states.get(id)
        if found is None or not self._sees_team(found.team_id):
            raise self.not_found("WorkflowState")
        return found

    def workflow_states(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.states.values() if self._sees_team(one.team_id)]
        return self.page([one for one in mine if self.filters.state(one, filter)], **page)

    def cycle(self, id: str) -> Cycle:  # noqa: A002 - the argument's name in the schema
        found: Cycle = self._find("Cycle", self.workspace.cycle, id)
        if not self._sees_team(found.team_id):
            raise self.not_found("Cycle")
        return found

    def cycles(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.cycles.values() if self._sees_team(one.team_id)]
        return self.page([one for one in mine if self.filters.cycle(one, filter)], **page)

    def project(self, id: str) -> Project:  # noqa: A002 - the argument's name in the schema
        found: Project = self._find("Project", self.workspace.project, id)
        return found

    def projects(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        return self.page([one for one in self.workspace.projects.values() if self.filters.project(one, filter)], **page)

    def entity_external_link(self, id: str) -> ExternalLink:  # noqa: A002 - the argument's name in the schema
        return self.find_external_link(id)

    def custom_view(self, id: str) -> View:  # noqa: A002 - the argument's name in the schema
        return self.find_view(id)

    def custom_views(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.views.values() if self._sees_view(one)]
        return self.page([one for one in mine if self.filters.view(one, filter)], **page)

    def issue_label(self, id: str) -> Label:  # noqa: A002 - the argument's name in the schema
        return self.find_label(id)

    def issue_labels(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.labels.values() if self._sees_team(one.team_id)]
        return self.page([one for one in mine if self.filters.label(one, filter)], **page)

    def issue(self, id: str) -> Issue:  # noqa: A002 - the argument's name in the schema
        return self.find_issue(id)

    def issues(self, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        return self.some_issues(self.workspace.issues.values(), filter, page)

    def search_issues(
        self,
        *,
        term: str,
        filter: Filter | None = None,  # noqa: A002 - the argument's name in the schema
        team_id: str | None = None,
        include_archived: bool = False,
        **page: Any,
    ) -> Page:
        words = term.casefold().split()
        found = [
            one
            for one in self.workspace.issues.values()
            if all(word in f"{one.identifier} {one.title} {one.description or ''}".casefold() for word in words)
            and team_id in (None, one.team_id)
        ]
        answer = self.some_issues(found, filter, {**page, "include_archived": include_archived})
        return Page({**answer, "totalCount": float(len(found))})

    def attachment(self, id: str) -> Attachment:  # noqa: A002 - the argument's name in the schema
        return self.find_attachment(id)

    def attachments_for_url(self, *, url: str, **page: Any) -> Page:
        found = [one for one in self.workspace.attachments.values() if one.url == url]
        return self.page([one for one in found if self._visible(self.workspace.issues[one.issue_id])], **page)

    # -- pages

    def some_issues(self, issues: Iterable[Issue], wanted: Filter | None, page: dict[str, Any]) -> Page:
        """A page of the issues that the asker may see and that fit the filter."""
        return self.page([one for one in issues if self._visible(one) and self.filters.issue(one, wanted)], **page)

    def page(
        self,
        records: Sequence[Any],
        *,
        first: int | None = None,
        last: int | None = None,
        after: str | None = None,
        before: str | None = None,
        include_archived: bool = False,
        order_by: str = "createdAt",
    ) -> Page:
        """A page, newest first, in Relay's shape.

        A cursor is a place in that order: by `updatedAt`, what changes between two pages goes to the front and is not
        on a later page, as with the real one.
        """
        size = first if first is not None else last if last is not None else PAGE
        if not 1 <= size <= LARGEST_PAGE:
            raise Refused("INVALID_INPUT", f"Argument Validation Error: first must be between 1 and {LARGEST_PAGE}")
        key = snake(order_by)
        shown = [one for one in records if include_archived or one.archived_at is None]
        shown.sort(key=lambda one: (getattr(one, key), one.id), reverse=True)
        places = [(getattr(one, key).isoformat(), one.id) for one in shown]
        start, end = 0, len(shown)
        if after is not None:
            mark = _place(after)
            start = next((at for at, place in enumerate(places) if place < mark), len(shown))
        if before is not None:
            mark = _place(before)
            end = next((at for at, place in enumerate(places) if place <= mark), len(shown))
        inside = range(start, end)
        taken = inside[:size] if last is None or first is not None else inside[-size:]
        nodes = [shown[at] for at in taken]
        cursors = [_cursor(places[at]) for at in taken]
        info = {
            "hasNextPage": bool(taken) and taken[-1] + 1 < len(shown),
            "hasPreviousPage": bool(taken) and taken[0] > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        }
        edges = [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)]
        return Page({"edges": edges, "nodes": nodes, "pageInfo": info})

    # -- fields of records

    def field(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """Resolve any field below the root."""
        name = info.field_name
        given = {snake(key): value for key, value in arguments.items()}
        if isinstance(source, dict):
            return source.get(name)
        relation = getattr(self, f"_{_type_word(source)}_{snake(name)}", None)
        if relation is not None:
            return relation(source, **given)
        if name.endswith("At") or hasattr(source, snake(name)):
            return getattr(source, snake(name))
        # A relation by its id: parent, cycle, assignee ...
        linked = getattr(source, f"{snake(name)}_id")
        return self._linked(name, linked)

    def _linked(self, name: str, linked: str | None) -> Any:
        if linked is None:
            return None
        workspace = self.workspace
        match name:
            case "state":
                return workspace.states[linked]
            case "team":
                return workspace.teams[linked]
            case "cycle":
                return workspace.cycles.get(linked)
            case "project":
                return workspace.projects.get(linked)
            case "assignee" | "creator" | "lead" | "owner":
                return workspace.users.get(linked)
            case "issue" | "relatedIssue":
                return workspace.issues[linked]
            case _:
                raise LookupError(name)

    def _issue_parent(self, issue: Issue) -> Issue | None:
        above = self.workspace.issues.get(issue.parent_id or "")
        return above if above is not None and self._visible(above) else None

    def _issue_url(self, issue: Issue) -> str:
        return self.workspace.issue_url(issue)

    def _issue_priority_label(self, issue: Issue) -> str:
        return PRIORITIES[issue.priority]

    def _issue_metadata(self, _: Issue) -> dict[str, Any]:
        return {}

    def _issue_children(self, issue: Issue, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.issues.values() if one.parent_id == issue.id]
        return self.some_issues(mine, filter, page)

    def _issue_labels(self, issue: Issue, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.labels_of(issue) if self.filters.label(one, filter)]
        return self.page(mine, **page)

    def _issue_attachments(self, issue: Issue, **page: Any) -> Page:
        return self.page(self.workspace.attachments_of(issue), **page)

    def _issue_relations(self, issue: Issue, **page: Any) -> Page:
        mine = [one for one in self.workspace.relations.values() if one.issue_id == issue.id]
        return self.page([one for one in mine if self._visible(self.workspace.issues[one.related_issue_id])], **page)

    def _issue_inverse_relations(self, issue: Issue, **page: Any) -> Page:
        mine = [one for one in self.workspace.relations.values() if one.related_issue_id == issue.id]
        return self.page([one for one in mine if self._visible(self.workspace.issues[one.issue_id])], **page)

    def _view_issues(self, view: View, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.issues.values() if self.filters.issue(one, view.filter_data)]
        return self.some_issues(mine, filter, page)

    def _cycle_links(self, cycle: Cycle, **page: Any) -> Page:
        return self.page(self.workspace.links_of(cycle), **page)

    def _label_parent(self, label: Label) -> Label | None:
        return self.workspace.labels.get(label.parent_id or "")

    def _label_children(self, label: Label, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.group_labels(label) if self.filters.label(one, filter)]
        return self.page(mine, **page)

    def _team_display_name(self, team: Team) -> str:
        return team.name

    def _team_active_cycle(self, team: Team) -> Cycle | None:
        return self.workspace.active_cycle(team)

    def _team_organization(self, _: Team) -> LinearWorkspace:
        return self.workspace

    def _team_states(self, team: Team, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.states_of(team) if self.filters.state(one, filter)]
        return self.page(mine, **page)

    def _team_issues(self, team: Team, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.issues.values() if one.team_id == team.id]
        return self.some_issues(mine, filter, page)

    def _cycle_is_active(self, cycle: Cycle) -> bool:
        return self.workspace.cycle_phase(cycle) == "active"

    def _cycle_is_future(self, cycle: Cycle) -> bool:
        return self.workspace.cycle_phase(cycle) == "future"

    def _cycle_is_past(self, cycle: Cycle) -> bool:
        return self.workspace.cycle_phase(cycle) == "past"

    def _cycle_progress(self, cycle: Cycle) -> float:
        """Only estimated work counts here, as in Linear: without estimates it stays 0."""
        mine = [one for one in self.workspace.issues.values() if one.cycle_id == cycle.id]
        scope = sum(one.estimate or 0.0 for one in mine)
        done = sum(one.estimate or 0.0 for one in mine if one.completed_at is not None)
        return done / scope if scope else 0.0

    def _cycle_issues(self, cycle: Cycle, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.issues.values() if one.cycle_id == cycle.id]
        return self.some_issues(mine, filter, page)

    def _project_url(self, project: Project) -> str:
        return self.workspace.project_url(project)

    def _project_issues(self, project: Project, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        mine = [one for one in self.workspace.issues.values() if one.project_id == project.id]
        return self.some_issues(mine, filter, page)

    def _user_is_me(self, user: User) -> bool:
        return user is self.asker.user

    def _user_url(self, user: User) -> str:
        return self.workspace.user_url(user)

    def _user_teams(self, user: User, *, filter: Filter | None = None, **page: Any) -> Page:  # noqa: A002 - as above
        """The teams that somebody is in; of private ones only those that the asker sees too."""
        mine = [one for one in self.workspace.teams.values() if one.id in user.team_ids and self._sees_team(one.id)]
        return self.page([one for one in mine if self.filters.team(one, filter)], **page)

    def _user_organization(self, _: User) -> LinearWorkspace:
        return self.workspace

    def _organization_id(self, workspace: LinearWorkspace) -> str:
        return workspace.organization_id

    def _organization_updated_at(self, workspace: LinearWorkspace) -> Any:
        return workspace.created_at

    def _organization_user_count(self, workspace: LinearWorkspace) -> int:
        return sum(1 for one in workspace.users.values() if one.active and not one.app)

    def _organization_teams(self, _: LinearWorkspace, **page: Any) -> Page:
        return self.teams(**page)


_WORDS: dict[type, str] = {
    Attachment: "attachment",
    Cycle: "cycle",
    ExternalLink: "link",
    Issue: "issue",
    Label: "label",
    Project: "project",
    Relation: "relation",
    Team: "team",
    User: "user",
    View: "view",
    WorkflowState: "state",
}


def _type_word(source: Any) -> str:
    return _WORDS.get(type(source), "organization")


def _cursor(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode("|".join(place).encode()).decode()


def _place(cursor: str) -> tuple[str, str]:
    try:
        moment, _, record_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
    except (binascii.Error, ValueError) as error:
        raise Refused("INVALID_INPUT", "The cursor is not one of ours.") from error
    return moment, record_id
