"""The sprint overlay inside Jira: a dialog or page opened from a board, a backlog or a sprint, and its calls.

The page is proven by the token in its address, every call from inside it by a context token; no cookies. What somebody
may not browse in Jira is counted but not named, what they may not edit they change nothing about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request, url_for
from sqlalchemy import select

from connector import sign_in
from connector.core import Core
from connector.errors import Invalid, NotFound
from connector.json_body import NotJson, read_object
from connector.models import Account, Person, Sprint
from connector.planning.calls import LARGEST_NUMBER, LONGEST_ID, VERBS, call
from connector.planning.desk import Desk
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.planning.plan import PlannedSprint
from connector.planning.sheet_words import days_of, state_words
from connector.planning.sprints import look_again, sprint_by_external_id, sprints_of_board
from connector.telemetry import logger
from connector.tracker import TrackerError
from jira_app.panel_framing import any_site, asset, fragment, framed
from jira_app.refusal import TokenRefused
from jira_app.tokens import JiraCaller, verified_context, verified_page

EXTERNAL_ID = re.compile(r"[0-9]{1,19}")
LONGEST_SEARCH = 200
LONGEST_PATH = 2_000
NOBODY = "nobody_signed_in"
OWN_PATH = re.compile(r"/(?!/)[A-Za-z0-9/_.,=&?%~:#-]*")


def register(routes: Blueprint, core: Core) -> None:
    """Add the overlay to the tracker's blueprint."""
    board = Board(core)
    routes.add_url_rule("/jira/board", "board", board.page)
    routes.add_url_rule("/jira/board/chosen", "board_chosen", board.chosen)
    routes.add_url_rule("/jira/board/live", "board_live", board.live)
    routes.add_url_rule("/jira/board/search", "board_search", board.search)
    routes.add_url_rule("/jira/board/open", "board_open", board.open, methods=["POST"])
    routes.add_url_rule("/jira/board/<verb>", "board_call", board.call, methods=["POST"])


class Board:
    """The overlay's views over one core."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rights = RightsAtOnce(core)

    def page(self) -> Response:
        """The whole page, complete to read without a script; where no sprint can be chosen, the list of them."""
        try:
            caller = _signed_in(verified_page(self._core, request))
        except TokenRefused as refusal:
            logger.info("board_refused", reason=refusal.reason)
            if refusal.reason == NOBODY:
                return self._closed(
                    401, any_site(self._core), "Sign in to Jira", "Plans are shown to people of this site."
                )
            words = "Close this and open it again from the board."
            return self._closed(401, any_site(self._core), "Your session here has ended", words)
        try:
            sprint_id, others = self._chosen(caller)
        except TrackerError:
            words = "Jira does not answer, and Ladder has not heard of this sprint yet. Try again in a moment."
            return self._closed(503, caller.origin, "Waiting for Jira", words)
        if sprint_id is None:
            return self._choice(caller, others)
        html = self._html("overlay/page.html", board=self._drawn(caller, sprint_id))
        return framed(self._core, make_response(html), caller.origin)

    def chosen(self) -> Response:
        """The inside of the page for a sprint that was picked from the list."""
        caller, _desk = self._caller()
        return fragment(make_response(self._drawn(caller, int(request.args["sprint"]))))

    def live(self) -> Response:
        """Tell whether anything changed: 304, or the new entity tag."""
        etag = self._caller()[1].etag()
        if request.headers.get("If-None-Match") == etag:
            return fragment(Response(status=304), etag)
        return fragment(jsonify({"etag": etag}), etag)

    def search(self) -> Response:
        """Open key results by words, as the options of a list."""
        desk = self._caller()[1]
        words = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
        return fragment(make_response(render_template("overlay/found.html", results=desk.search(words))))

    def call(self, verb: str) -> Response:
        """Try something out, or do it."""
        if verb not in VERBS:
            abort(404)
        return fragment(jsonify(call(self._caller()[1], verb, _body(), _draw)))

    def open(self) -> Response:
        """Give a one-time way in to one of our own pages."""
        caller = _signed_in(verified_context(self._core, request))
        to = _body().get("to", "/")
        # Whatever follows the sign-in is one of our own paths (open redirect).
        if not isinstance(to, str) or len(to) > LONGEST_PATH or not OWN_PATH.fullmatch(to):
            raise Invalid("bad_shape", "That is not one of Ladder's pages.", "to")
        connection = caller.connection
        try:
            name = self._core.tracker_of(connection).profile(connection, caller.account_id).name
        except TrackerError:
            name = ""  # being let in does not depend on a name, which can be learned later
        with self._core.database.writing() as session:
            someone = sign_in.person_for_account(session, connection, caller.account_id, name)
            secret = sign_in.create_link(session, connection.workspace_id, now=self._core.clock(), person_id=someone.id)
        return fragment(jsonify({"url": f"{self._core.settings.base_url}/sign-in/{secret}?to={quote(to, safe='')}"}))

    def _caller(self) -> tuple[JiraCaller, Desk]:
        caller = _signed_in(verified_context(self._core, request))
        given = request.args.get("sprint", "")
        if not EXTERNAL_ID.fullmatch(given) or int(given) > LARGEST_NUMBER:
            raise NotFound("There is no such sprint.")
        with self._core.database.reading() as session:
            found = session.get(Sprint, int(given))
        # Another site of the same workspace is planned by its own people, inside it or on our own pages.
        if found is None or found.connection_id != caller.connection.id:
            raise NotFound("There is no such sprint.")
        return caller, self._desk(caller, [int(given)], self._onlooker(caller))

    def _chosen(self, caller: JiraCaller) -> tuple[int | None, Sequence[PlannedSprint]]:
        """Return our id of the sprint that the address means, or None and what can be chosen from.

        Named by its id; else the board's running one, else its next one. Raises TrackerError if the tracker does not
        answer and nothing is known.
        """
        connection = caller.connection
        named, board = (request.args.get(name, "") for name in ("sprintId", "boardId"))
        if EXTERNAL_ID.fullmatch(named):
            found = sprint_by_external_id(self._core, connection, named)
            if found is not None:
                return found, ()
        known = sprints_of_board(self._core, connection, board if EXTERNAL_ID.fullmatch(board) else None)
        if named and EXTERNAL_ID.fullmatch(named):
            return None, known
        running = [one for one in known if one.state == "active"]
        if not EXTERNAL_ID.fullmatch(board) and len(known) > 1:
            return None, known
        if len(running) > 1:
            return None, known
        return (running or known)[0].id if known else None, known

    def _drawn(self, caller: JiraCaller, sprint_id: int) -> str:
        onlooker = self._onlooker(caller)
        sheet, etag = self._desk(caller, [sprint_id], onlooker).sheet()
        look_again(self._core, [*sheet.plan.sprints, *(sheet.plan.next_sprints if sheet.has_next else ())])
        return self._html(
            "overlay/board.html",
            sheet=sheet,
            etag=etag,
            door="jira",
            base=url_for(".board"),
            query=urlencode({"sprint": sprint_id}),
            share=f"{self._core.settings.base_url}/planning/{sprint_id}",
            keep=str(sprint_id),
            who=onlooker.who,
            name=onlooker.name,
            may_change=onlooker.may_change,
            csrf="",
        )

    def _choice(self, caller: JiraCaller, sprints: Sequence[PlannedSprint]) -> Response:
        """Show the sprints to choose from, each a link that our own script opens here."""
        now, zone = self._core.clock(), "UTC"
        asked_for = bool(EXTERNAL_ID.fullmatch(request.args.get("sprintId", "")))
        html = self._html(
            "overlay/choice.html",
            sprints=[(one, days_of(one, now, zone), state_words(one, now, zone)) for one in sprints],
            unknown=asked_for,
            base=url_for(".board"),
        )
        return framed(self._core, make_response(html, 404 if asked_for else 200), caller.origin)

    def _onlooker(self, caller: JiraCaller) -> Onlooker:
        connection = caller.connection
        with self._core.database.reading() as session:
            query = (
                select(Person.name)
                .join(Account, Account.person_id == Person.id)
                .where(
                    Account.workspace_id == connection.workspace_id,
                    Account.tracker == connection.tracker,
                    Account.account_id == caller.account_id,
                )
            )
            name = session.scalars(query).first()
        return Onlooker(
            who=f"{connection.id}:{caller.account_id}",
            actor=caller.account_id,
            name=name or "",
            accounts={connection.id: caller.account_id},
        )

    def _desk(self, caller: JiraCaller, ids: Sequence[int], onlooker: Onlooker) -> Desk:
        return Desk(
            self._core,
            self._rights,
            onlooker,
            caller.connection.workspace_id,
            ids,
            team_id=request.args.get("team", "")[:LONGEST_ID] or None,
            beside_next=request.args.get("next") == "1",
        )

    def _closed(self, status: int, ancestors: str, title: str, words: str) -> Response:
        html = self._html("overlay/closed_door.html", title=title, words=words)
        return framed(self._core, make_response(html, status), ancestors)

    def _html(self, template: str, **context: object) -> str:
        return render_template(template, file=asset, bridge=self._core.settings.connect_script_url, **context)


def _draw(template: str, **context: Any) -> str:
    return render_template(template, door="jira", **context)


def _signed_in(caller: JiraCaller) -> JiraCaller:
    """Raise TokenRefused unless somebody is signed in: a Jira open to the world must not open its plans to it."""
    if not caller.account_id:
        raise TokenRefused(NOBODY)
    return caller


def _body() -> dict[str, Any]:
    try:
        return read_object(request.get_data())
    except NotJson as error:
        raise Invalid(error.reason, f"The request is not understood: {error}.") from None
