"""The goals of the current cycle as a page inside Jira, to be read; whoever wants to change them goes on to our pages.

Like the panel it has no cookies: the page is proven by the token in its address, its script by context tokens.
"""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from connector import scorecard, sign_in
from connector.core import Core
from connector.errors import Invalid, NotAllowed
from connector.goal_titles import live_titles
from connector.goal_tree import objectives_of, plant
from connector.goals import current_cycle
from connector.json_body import NotJson, read_object
from connector.models import Workspace
from connector.page_revision import goals_revision
from connector.telemetry import logger
from connector.tracker import TrackerError
from jira_app.panel_framing import any_site, asset, fragment, framed
from jira_app.ready_queries import ready_queries
from jira_app.refusal import TokenRefused
from jira_app.tokens import JiraCaller, verified_context, verified_page

# Who looks from inside Jira reads only, whatever their role with us.
READER = "jira"
LONGEST_ID = 64
# Titles of each kind that ready-made queries are offered for.
TITLES = 20
NOBODY = "nobody_signed_in"


def register(routes: Blueprint, core: Core) -> None:
    """Add the page to the tracker's blueprint."""
    page = GoalsPage(core)
    routes.add_url_rule("/jira/goals", "goals", page.page)
    routes.add_url_rule("/jira/goals/live", "goals_live", page.live)
    routes.add_url_rule("/jira/goals/open", "goals_open", page.open, methods=["POST"])


class GoalsPage:
    """The page's views over one core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def page(self) -> Response:
        """The whole page, complete without a script."""
        try:
            caller = _signed_in(verified_page(self._core, request))
        except TokenRefused as refusal:
            logger.info("goals_page_refused", reason=refusal.reason)
            html = self._html("pages/jira_goals_closed.html", nobody=refusal.reason == NOBODY)
            return framed(self._core, make_response(html, 401), any_site(self._core))
        html, _etag = self._drawn(caller, "pages/jira_goals.html")
        return framed(self._core, make_response(html), caller.origin)

    def live(self) -> Response:
        """The page's inside as it is now, or 304 if that is known already."""
        caller = _signed_in(verified_context(self._core, request))
        with self._core.database.reading() as session:
            workspace = session.get_one(Workspace, caller.connection.workspace_id)
            day = scorecard.today(workspace, self._core.clock())
            etag = f'"{goals_revision(session, workspace.id, day, READER)}"'
        if request.headers.get("If-None-Match") == etag:
            return fragment(Response(status=304), etag)
        html, etag = self._drawn(caller, "pages/jira_goals_body.html")
        return fragment(make_response(html), etag)

    def open(self) -> Response:
        """Give a one-time way in to our own page of a key result, or to the goals."""
        caller = verified_context(self._core, request)
        key_result_id = self._wanted()
        if not caller.account_id:
            raise NotAllowed("Sign in to Jira first.", "not_signed_in")
        connection = caller.connection
        try:
            name = self._core.tracker_of(connection).profile(connection, caller.account_id).name
        except TrackerError:
            name = ""  # being let in does not depend on a name, which can be learned later
        with self._core.database.writing() as session:
            person = sign_in.person_for_account(session, connection, caller.account_id, name)
            secret = sign_in.create_link(session, connection.workspace_id, now=self._core.clock(), person_id=person.id)
        to = f"/key-results/{key_result_id}" if key_result_id else "/"
        return fragment(jsonify({"url": f"{self._core.settings.base_url}/sign-in/{secret}?to={quote(to, safe='')}"}))

    def _wanted(self) -> str:
        try:
            given = read_object(request.get_data()).get("key_result_id", "")
        except NotJson as error:
            raise Invalid(error.reason, f"The request is not understood: {error}.") from None
        if not isinstance(given, str) or len(given) > LONGEST_ID:
            raise Invalid("bad_shape", "key_result_id is not text.", "key_result_id")
        return given

    def _drawn(self, caller: JiraCaller, template: str) -> tuple[str, str]:
        """Return a template filled with the goals as they are now, and their entity tag."""
        with self._core.database.reading() as session:
            workspace = session.get_one(Workspace, caller.connection.workspace_id)
            day = scorecard.today(workspace, self._core.clock())
            etag = f'"{goals_revision(session, workspace.id, day, READER)}"'
            cycle = current_cycle(session, workspace.id, day)
            objectives = objectives_of(session, workspace.id, cycle) if cycle else []
            key_results = [key_result for objective in objectives for key_result in objective.key_results]
            cards = scorecard.scorecards(session, workspace.id, key_results, day)
            rows = plant(objectives, cards, cycle.id) if cycle else []
            groups = ready_queries(live_titles(session, workspace.id, TITLES))
            return self._html(template, rows=rows, cycle=cycle, groups=groups, etag=etag), etag

    def _html(self, template: str, **context: object) -> str:
        return render_template(template, asset=asset, bridge=self._core.settings.connect_script_url, **context)


def _signed_in(caller: JiraCaller) -> JiraCaller:
    """Raise TokenRefused unless somebody is signed in: a Jira open to the world must not open its goals to it."""
    if not caller.account_id:
        raise TokenRefused(NOBODY)
    return caller
