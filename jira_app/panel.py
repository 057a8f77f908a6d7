"""The issue panel: a page in Jira's iframe that shows what a ticket ladders into, and the calls that the page makes.

The page is proven by the token in its address, every call from inside it by a context token; no cookies. Who may not
view the issue in Jira sees nothing, who may not edit it changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for

from connector import sign_in
from connector.core import Core
from connector.errors import Invalid, NotAllowed
from connector.issue_panel import panel_revision, read_panel
from connector.json_body import NotJson, read_object
from connector.ledger import read_ledger
from connector.links import search_key_results
from connector.models import Workspace
from connector.suggestions import Suggestion, suggest_key_results
from connector.suggestions.discretion import by_account, discreet
from connector.telemetry import logger
from connector.tracker import TrackerError, TrackerUnavailable
from connector.wording import FILTERS
from jira_app import panel_actions
from jira_app.panel_actions import Actor, Done
from jira_app.panel_door import Door, DoorClosed, NobodyToAsk, Visitor
from jira_app.panel_framing import any_site, asset, fragment, framed
from jira_app.panel_view import Found, View, build_view, cause_row, where_of
from jira_app.refusal import TokenRefused

WEIGHT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
ROWS_SHOWN = 6
FOUND_AT_MOST = 20
LONGEST_SEARCH = 200
LONGEST_ID = 64
# Seconds. What is suggested depends on other issues too, so a panel without news of its own is drawn anew this often.
REDRAWN_AFTER = 60


def register(routes: Blueprint, core: Core) -> None:
    """Add the panel to the tracker's blueprint."""
    panel = Panel(core)
    routes.add_url_rule("/jira/panel", "panel", panel.page)
    for name, view in (("live", panel.live), ("search", panel.search), ("why", panel.why)):
        routes.add_url_rule(f"/jira/panel/{name}", f"panel_{name}", view)
    for name, view in (
        ("link", panel.link),
        ("unlink", panel.unlink),
        ("weight", panel.weigh),
        ("not-goal-work", panel.declare),
        ("undo", panel.undo),
        ("open", panel.open),
    ):
        routes.add_url_rule(f"/jira/panel/{name}", f"panel_{name.replace('-', '_')}", view, methods=["POST"])
    for name, words in FILTERS.items():
        routes.add_app_template_filter(words, name)


class Panel:
    """The panel's views over one core."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._door = Door(core)

    def page(self) -> Response:
        """The whole page, complete without a script."""
        try:
            visitor = self._door.page_visitor(request)
        except TokenRefused as refusal:
            logger.info("panel_refused", reason=refusal.reason)
            return self._closed_door(401, "Your session here has ended", "Reload the ticket.", any_site(self._core))
        except DoorClosed as closed:
            return self._closed_door(closed.status, closed.title, closed.words, closed.origin)
        view, etag = self._drawn(visitor)
        html = render_template(
            "panel/page.html",
            view=view,
            external_id=visitor.external_id,
            etag=etag,
            base=url_for(".panel"),
            bridge=self._core.settings.connect_script_url,
            asset=asset,
        )
        return framed(self._core, make_response(html), visitor.origin)

    def live(self) -> Response:
        """The panel's inside as it is now, or 304 if that is known already."""
        try:
            visitor = self._door.visitor(request)
        except NobodyToAsk as closed:
            # What is on the screen stays there; this is said beside it, and the script asks again.
            raise TrackerUnavailable(f"{closed.title}. {closed.words}") from None
        except DoorClosed as closed:
            html = render_template("panel/closed_door_body.html", title=closed.title, words=closed.words)
            return fragment(make_response(html, closed.status))
        now = self._core.clock()
        with self._core.database.reading() as session:
            revision = panel_revision(session, visitor.connection, visitor.external_id, now)
        etag = _etag(revision, visitor, now)
        if request.headers.get("If-None-Match") == etag:
            return fragment(Response(status=304), etag)
        view, etag = self._drawn(visitor)
        return fragment(make_response(render_template("panel/body.html", view=view)), etag)

    def search(self) -> Response:
        """Open key results by words, as the options of a list."""
        visitor = self._caller()
        words = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
        with self._core.database.reading() as session:
            found = search_key_results(session, visitor.connection.workspace_id, words, limit=FOUND_AT_MOST)
            linked = panel_actions.linked_already(session, visitor.connection, visitor.external_id)
            results = [
                Found(
                    one,
                    f"{where_of(one.objective.team.name, one.objective.team.level)} · {one.objective.title}",
                    one.id in linked,
                )
                for one in found
            ]
            return fragment(make_response(render_template("panel/found.html", results=results)))

    def why(self) -> Response:
        """The last ledger rows of a key result: what made its numbers."""
        visitor = self._caller()
        key_result_id = request.args.get("keyResultId", "")[:LONGEST_ID]
        workspace_id = visitor.connection.workspace_id
        with self._core.database.reading() as session:
            rows = read_ledger(session, workspace_id, key_result_id, limit=ROWS_SHOWN)
            html = render_template(
                "panel/why.html",
                rows=[cause_row(row) for row in rows],
                key_result_id=key_result_id,
                now=self._core.clock(),
                zone=session.get_one(Workspace, workspace_id).timezone,
            )
        return fragment(make_response(html))

    def link(self) -> Response:
        """Link the issue to a key result."""
        visitor, actor, body = self._editor()
        return self._after(visitor, actor, panel_actions.link(self._core, actor, _text(body, "key_result_id")))

    def unlink(self) -> Response:
        """Take a link of the issue away."""
        visitor, actor, body = self._editor()
        return self._after(visitor, actor, panel_actions.unlink_it(self._core, actor, _text(body, "link_id")))

    def weigh(self) -> Response:
        """Give a link another weight."""
        visitor, actor, body = self._editor()
        given = _text(body, "weight")
        if not WEIGHT.fullmatch(given):
            raise Invalid("bad_weight", "A weight is a number, such as 2 or 0.5.", "weight")
        weight = Fraction(given)
        return self._after(visitor, actor, panel_actions.weigh(self._core, actor, _text(body, "link_id"), weight))

    def declare(self) -> Response:
        """Say that the issue is not goal work, or take it back."""
        visitor, actor, body = self._editor()
        category = _text(body, "category") if body.get("category") is not None else None
        return self._after(visitor, actor, panel_actions.declare(self._core, actor, category))

    def undo(self) -> Response:
        """Take back the last action."""
        visitor, actor, body = self._editor()
        return self._after(visitor, actor, panel_actions.undo(self._core, actor, _text(body, "undo", longest=4000)))

    def open(self) -> Response:
        """Give a one-time way in to Ladder's own page of a key result, or to its start page."""
        visitor, body = self._caller(), _body()
        if not visitor.account_id:
            raise NotAllowed("Sign in to Jira first.", "not_signed_in")
        key_result_id = _text(body, "key_result_id")
        name = self._name_of(visitor)
        with self._core.database.writing() as session:
            person = sign_in.person_for_account(session, visitor.connection, visitor.account_id, name)
            secret = sign_in.create_link(
                session, visitor.connection.workspace_id, now=self._core.clock(), person_id=person.id
            )
        address = f"{self._core.settings.base_url}/sign-in/{secret}"
        if key_result_id:
            address += f"?to={quote(f'/key-results/{key_result_id}', safe='')}"
        return fragment(jsonify({"url": address}))

    def _caller(self) -> Visitor:
        try:
            return self._door.visitor(request)
        except DoorClosed as closed:
            raise NotAllowed(f"{closed.title}. {closed.words}", closed.reason) from None

    def _editor(self) -> tuple[Visitor, Actor, dict[str, Any]]:
        visitor = self._caller()
        if visitor.rights.may_edit is False:
            raise NotAllowed("Jira does not let you edit this ticket, so you can't change its links.", "may_not_edit")
        actor = Actor(
            visitor.connection,
            visitor.account_id,
            visitor.external_id,
            surely_may_edit=visitor.rights.may_edit is True,
        )
        return visitor, actor, _body()

    def _name_of(self, visitor: Visitor) -> str:
        try:
            return self._core.tracker_of(visitor.connection).profile(visitor.connection, visitor.account_id).name
        except TrackerError:
            return ""  # being let in does not depend on a name, which can be learned later

    def _drawn(self, visitor: Visitor) -> tuple[View, str]:
        """Return what the panel shows now, and its entity tag."""
        connection, now = visitor.connection, self._core.clock()
        with self._core.database.reading() as session:
            panel = read_panel(session, connection, visitor.external_id, now)
            suggestions: list[Suggestion] = []
            set_up = panel.state != "unlinked"
            if not set_up:
                if panel.issue is not None and visitor.rights.may_edit is not False:
                    suggestions = suggest_key_results(session, connection.workspace_id, panel.issue)
                set_up = bool(suggestions or search_key_results(session, connection.workspace_id, "", limit=1))
        if suggestions:
            may_see = by_account(self._core, {connection.id: visitor.account_id})
            suggestions = discreet(self._core, connection.workspace_id, {0: suggestions}, may_see)[0]
        view = build_view(panel, rights=visitor.rights, suggestions=suggestions, set_up=set_up, now=now)
        return view, _etag(panel.revision, visitor, now)

    def _after(self, visitor: Visitor, actor: Actor, done: Done) -> Response:
        view, etag = self._drawn(visitor)
        answer = {
            "words": done.words,
            "undo": panel_actions.seal(self._core, actor, done.undo) if done.undo else "",
            "focus": done.focus,
            "panel": render_template("panel/body.html", view=view),
            "etag": etag,
        }
        return fragment(jsonify(answer))

    def _closed_door(self, status: int, title: str, words: str, ancestors: str) -> Response:
        html = render_template(
            "panel/closed_door.html",
            title=title,
            words=words,
            bridge=self._core.settings.connect_script_url,
            asset=asset,
        )
        return framed(self._core, make_response(html, status), ancestors)


def _etag(revision: str, visitor: Visitor, now: datetime) -> str:
    parts = (revision, visitor.rights.may_edit, int(now.timestamp()) // REDRAWN_AFTER, asset("panel.js"))
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def _body() -> dict[str, Any]:
    try:
        return read_object(request.get_data())
    except NotJson as error:
        raise Invalid(error.reason, f"The request is not understood: {error}.") from None


def _text(body: dict[str, Any], name: str, *, longest: int = LONGEST_ID) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise Invalid("bad_shape", f"{name} is missing or not text.", name)
    return value
