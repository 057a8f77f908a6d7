"""Who may see the panel of an issue: the token, then Jira's own rights; and what a closed door says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request

from connector.core import Core
from connector.models import Connection
from jira_app.panel_rights import Rights, RightsBook
from jira_app.tokens import JiraCaller, verified_context, verified_page

ISSUE_ID = re.compile(r"[0-9]{1,19}")


class DoorClosed(Exception):
    """The caller may not see this panel. `status` is HTTP's; title and words are for the person."""

    reason = "closed"
    status = 403
    title = "Not available"
    words = ""
    # Of the proven site, the only one that may frame what is said here.
    origin = ""


class NoSuchIssue(DoorClosed):
    """The address names no issue."""

    reason = "no_issue"
    status = 404
    title = "No ticket"
    words = "This address names no ticket. Open Ladder's panel from a ticket in Jira."


class OtherIssue(DoorClosed):
    """The token was given out on another issue's page."""

    reason = "other_issue"
    title = "Another ticket"
    words = "This panel was opened for another ticket. Reload the ticket in Jira."


class MayNotView(DoorClosed):
    """Jira does not show this issue to this person."""

    reason = "may_not_view"
    title = "You can't view this ticket"
    words = "Jira does not show it to you, so Ladder does not show its goals. Ask an admin of the project for access."


class NobodyToAsk(DoorClosed):
    """Jira does not answer, and has not said anything lately about this person and issue."""

    reason = "rights_unknown"
    status = 503
    title = "Waiting for Jira"
    words = "Jira does not answer, so Ladder can't tell whether you may view this ticket. It keeps trying."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may see the panel of one issue."""

    connection: Connection
    account_id: str
    external_id: str
    origin: str
    rights: Rights


class Door:
    """Lets people in to the panel of one issue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._book: RightsBook | None = None

    def page_visitor(self, request: Request) -> Visitor:
        """Return who opens the page; raises TokenRefused and, naming the site's origin, DoorClosed."""
        return self._visitor(verified_page(self._core, request), request, is_page=True)

    def visitor(self, request: Request) -> Visitor:
        """Return who calls from inside the page; raises TokenRefused and DoorClosed."""
        return self._visitor(verified_context(self._core, request), request, is_page=False)

    def _visitor(self, caller: JiraCaller, request: Request, *, is_page: bool) -> Visitor:
        try:
            external_id = _issue_id(request)
            shown = _issue_shown(caller.context)
            # A context token is good for any address. Taken for another issue than the one that it was given out on,
            # a page of one issue would be a window on all the others.
            if shown is not None and shown != external_id:
                raise OtherIssue
            # A page's address is covered by Jira's signature: Jira itself says that this person opened this issue.
            vouched = is_page or shown == external_id
            rights = self._rights(caller, external_id, vouched=vouched, insist=request.method == "POST")
        except DoorClosed as closed:
            closed.origin = caller.origin
            raise
        return Visitor(caller.connection, caller.account_id, external_id, caller.origin, rights)

    def _rights(self, caller: JiraCaller, external_id: str, *, vouched: bool, insist: bool) -> Rights:
        if self._book is None:
            self._book = RightsBook(self._core.tracker_of(caller.connection))
        rights = self._book.read(caller.connection, caller.account_id, external_id, insist=insist)
        if rights.may_view is False:
            raise MayNotView
        if rights.may_view is None and not vouched:
            raise NobodyToAsk
        return rights


def _issue_id(request: Request) -> str:
    given = request.args.get("issueId", "")
    if not ISSUE_ID.fullmatch(given):
        raise NoSuchIssue
    return given


def _issue_shown(context: Mapping[str, Any]) -> str | None:
    """Return the id of the issue that Jira says is on the screen, None if it does not say."""
    found: Any = context
    for name in ("jira", "issue", "id"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return str(found) if isinstance(found, str | int) and str(found) else None
