"""Sprint planning at an address of its own: for the planning room, for teams in two trackers, and to be sent around."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import abort, current_app, jsonify, render_template, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from connector.errors import Invalid, Refusal
from connector.json_body import NotJson, read_object
from connector.links import LinkRefused
from connector.models import Connection
from connector.planning.calls import LARGEST_NUMBER, LONGEST_ID, VERBS, call
from connector.planning.desk import Desk
from connector.planning.held_work import open_sprints, planned_sprints
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.planning.sheet_words import days_of, state_words
from connector.planning.sprints import look_again
from connector.tracker import TrackerError
from web.pages.guard import core, may, person, visit, workspace
from web.pages.site import blueprint, page
from web.problems import of_link_refusal, of_refusal, of_tracker_trouble

# Sprints in one overlay; nobody plans more of them at one table.
AT_ONCE = 6
LONGEST_SEARCH = 200
NUMBER = re.compile(r"[0-9]{1,18}")


@blueprint.get("/planning")
def planning() -> Response:
    """List the sprints and cycles that can be planned now."""
    with core().database.reading() as session:
        sprints = open_sprints(session, workspace().id)
    now, zone = core().clock(), workspace().timezone
    return page(
        "pages/planning_list.html",
        section="pages.planning",
        sprints=[(one, days_of(one, now, zone), state_words(one, now, zone)) for one in sprints],
    )


@blueprint.get("/planning/<int:sprint_id>")
def planning_sprint(sprint_id: int) -> Response:
    """Show the overlay of a sprint, and of others beside it (`?with=34,56`)."""
    ids = _sprint_ids(sprint_id)
    onlooker = _onlooker(ids)
    sheet, etag = _desk(ids, onlooker).sheet()
    look_again(core(), [*sheet.plan.sprints, *(sheet.plan.next_sprints if sheet.has_next else ())])
    query = urlencode({"with": ",".join(map(str, ids[1:]))}) if len(ids) > 1 else ""
    return page(
        "pages/planning.html",
        section="pages.planning",
        sheet=sheet,
        etag=etag,
        door="page",
        base=f"/planning/{sprint_id}",
        query=query,
        share=f"{core().settings.base_url}/planning/{sprint_id}{'?' + query if query else ''}",
        keep="-".join(map(str, ids)),
        who=onlooker.who,
        name=onlooker.name,
        may_change=onlooker.may_change,
        csrf=visit().token,
    )


@blueprint.get("/planning/<int:sprint_id>/live")
def planning_live(sprint_id: int) -> Response:
    """Tell whether anything changed: 304, or the new entity tag."""
    ids = _sprint_ids(sprint_id)
    etag = _desk(ids, _onlooker(ids)).etag()
    known = request.headers.get("If-None-Match") == etag
    response = Response(status=304) if known else jsonify({"etag": etag})
    response.headers["ETag"] = etag
    return response


@blueprint.get("/planning/<int:sprint_id>/search")
def planning_search(sprint_id: int) -> Response:
    """Find open key results by words, as the options of a list."""
    ids = _sprint_ids(sprint_id)
    words = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
    found = _desk(ids, _onlooker(ids)).search(words)
    return Response(render_template("overlay/found.html", results=found), content_type="text/html; charset=utf-8")


@blueprint.post("/planning/<int:sprint_id>/<verb>")
def planning_call(sprint_id: int, verb: str) -> Response:
    """Try something out, or do it."""
    if verb not in VERBS:
        abort(404)
    ids = _sprint_ids(sprint_id)
    try:
        body = read_object(request.get_data())
        return jsonify(call(_desk(ids, _onlooker(ids)), verb, body, _draw))
    except NotJson as error:
        return of_refusal(Invalid(error.reason, f"The request is not understood: {error}."))
    except Refusal as error:
        return of_refusal(error)
    except LinkRefused as error:
        return of_link_refusal(error)
    except TrackerError as error:
        return of_tracker_trouble(error)


def _draw(template: str, **context: Any) -> str:
    return render_template(template, door="page", may=may, **context)


def _desk(ids: Sequence[int], onlooker: Onlooker) -> Desk:
    rights = current_app.extensions.setdefault("ladder_planning_rights", RightsAtOnce(core()))
    return Desk(
        core(),
        rights,
        onlooker,
        workspace().id,
        ids,
        team_id=request.args.get("team", "")[:LONGEST_ID] or None,
        beside_next=request.args.get("next") == "1",
    )


def _sprint_ids(first: int) -> list[int]:
    more = [int(one) for one in request.args.get("with", "").split(",") if NUMBER.fullmatch(one)]
    if first > LARGEST_NUMBER or len(more) >= AT_ONCE:
        abort(404)
    return list(dict.fromkeys([first, *more]))


def _onlooker(ids: Sequence[int]) -> Onlooker:
    """Say who looks. Members whom a tracker does not know see nothing of its issues: we could not ask what they may."""
    someone = person()
    by_tracker = {account.tracker: account.account_id for account in someone.accounts}
    with core().database.reading() as session:
        query = select(Connection).where(Connection.workspace_id == workspace().id)
        connections = {one.id: one for one in session.scalars(query)}
        planned = {one.connection_id for one in planned_sprints(session, workspace().id, ids)}
    accounts = {
        one.id: by_tracker[one.tracker]
        for one in connections.values()
        if one.tracker in by_tracker and one.tracker in core().trackers
    }
    why_not = ""
    unknown = sorted({connections[one].tracker.capitalize() for one in planned if one not in accounts})
    known_somewhere = may("admin") or any(one in accounts for one in planned)
    if not may("member"):
        why_not = "Your role is to look: members and admins link issues and move them."
    elif unknown and not may("admin"):
        why_not = (
            f"Ladder does not know you in {' and '.join(unknown)}, so it can't ask which issues you may see or edit. "
            "Open the overlay from there once, or have an admin add your account under People."
        )
    return Onlooker(
        who=f"person:{someone.id}",
        actor=someone.name,
        name=someone.name,
        accounts=accounts,
        see_all=may("admin"),
        may_change=may("member") and known_somewhere,
        why_not=why_not,
    )
