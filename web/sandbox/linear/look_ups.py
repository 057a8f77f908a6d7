"""Finding what an application may see, and refusing the rest as Linear does: as if it were not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from .filters import Filters
from .oauth import Grant
from .records import Attachment, Cycle, ExternalLink, Issue, Label, Relation, User, View
from .state import NotFoundError

if TYPE_CHECKING:
    from .workspace import LinearWorkspace


class Refused(GraphQLError):
    """An error in Linear's shape; `code` goes into the extensions."""

    def __init__(self, code: str, message: str, *, kind: str = "invalid input", status: int = 400) -> None:
        extensions = {
            "type": kind,
            "code": code,
            "statusCode": status,
            "userError": True,
            "userPresentableMessage": message,
        }
        super().__init__(message, extensions=extensions)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the grant, and the user that acts by it."""

    grant: Grant
    user: User

    def demand(self, *scopes: str) -> None:
        """Refuse unless one of the scopes was granted."""
        if not set(scopes) & set(self.grant.scopes):
            raise Refused("FORBIDDEN", f"Invalid scope: {scopes[0]} required", kind="forbidden", status=403)


class LookUps:
    """Finds records for one asker. Nothing of it survives the request."""

    def __init__(self, workspace: LinearWorkspace, asker: Asker) -> None:
        self.workspace = workspace
        self.asker = asker
        self.filters = Filters(workspace)

    # -- look-ups that tell nothing about what is not open to the asker

    def find_issue(self, wanted: str) -> Issue:
        issue: Issue = self._find("Issue", self.workspace.issue, wanted)
        if not self._visible(issue):
            raise self.not_found("Issue")
        return issue

    def find_label(self, wanted: str) -> Label:
        label = self.workspace.labels.get(wanted)
        if label is None or not self._sees_team(label.team_id):
            raise self.not_found("IssueLabel")
        return label

    def find_attachment(self, wanted: str) -> Attachment:
        attachment: Attachment = self._find("Attachment", self.workspace.attachment, wanted)
        if not self._visible(self.workspace.issues[attachment.issue_id]):
            raise self.not_found("Attachment")
        return attachment

    def find_cycle(self, wanted: str) -> Cycle:
        cycle = self.workspace.cycles.get(wanted)
        if cycle is None or not self._sees_team(cycle.team_id):
            raise self.not_found("Cycle")
        return cycle

    def find_external_link(self, wanted: str) -> ExternalLink:
        link: ExternalLink = self._find("EntityExternalLink", self.workspace.external_link, wanted)
        self.find_cycle(link.cycle_id)
        return link

    def find_view(self, wanted: str) -> View:
        view = self.workspace.views.get(wanted)
        if view is None or not self._sees_view(view):
            raise self.not_found("CustomView")
        return view

    def find_relation(self, wanted: str) -> Relation:
        relation = self.workspace.relations.get(wanted)
        if relation is None:
            raise self.not_found("IssueRelation")
        self.find_issue(relation.issue_id)
        return relation

    def not_found(self, entity: str) -> Refused:
        return Refused(self.workspace.not_found_code, f"Entity not found: {entity}")

    def _find(self, entity: str, look: Callable[[str], Any], wanted: str) -> Any:
        try:
            return look(wanted)
        except NotFoundError as error:
            raise self.not_found(entity) from error

    def _visible(self, issue: Issue) -> bool:
        return self.workspace.sees(self.asker.user, issue) and not self.workspace.faults.hides(issue.id)

    def _sees_team(self, team_id: str | None) -> bool:
        return team_id is None or self.workspace.sees_team(self.asker.user, self.workspace.teams[team_id])

    def _sees_view(self, view: View) -> bool:
        return (view.shared or view.creator_id == self.asker.user.id) and self._sees_team(view.team_id)
