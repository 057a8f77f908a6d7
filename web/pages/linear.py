"""The way to Linear and back: connect a workspace, connect it again, disconnect it, and sign in as its member."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from flask import g, redirect, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector.core import Core
from connector.errors import NotFound
from connector.models import Connection, Sprint
from connector.tracker import TrackerError
from linear_app.install import InstallRefused, disconnect, install_finished, sign_in_finished
from linear_app.round_trip import Purpose, Returned, RoundTripEnded, begin, come_back
from linear_app.token_keeper import TRACKER_NAME
from linear_app.tracker import LinearTracker
from web.pages.guard import core, needs, open_page, person, visit, workspace
from web.pages.site import blueprint, go, go_to, page
from web.pages.words import own_path

PLAN = re.compile(r"/planning/([0-9]{1,15})(?=$|[/?])")
TITLES = {
    "pending_approval": "An admin must approve Ladder first",
    "declined": "Linear did not let Ladder in",
    "state_unknown": "This way back leads nowhere",
    "other_workspace": "This Linear workspace is connected elsewhere",
    "not_a_member": "You can't come in this way",
    "scope_missing": "Ladder may do too little there",
}


def linear(core: Core) -> LinearTracker | None:
    """Return Linear's tracker where the operator has registered an OAuth application, else None."""
    tracker = core.trackers.get(TRACKER_NAME)
    return (
        cast(LinearTracker, tracker) if tracker is not None and cast(LinearTracker, tracker).oauth.configured else None
    )


def linear_doors(session: Session) -> Sequence[Connection]:
    """Return the connections through which people can sign in with Linear, oldest first."""
    if linear(core()) is None:
        return []
    query = select(Connection).where(Connection.tracker == TRACKER_NAME, Connection.state == "active")
    return session.scalars(query.order_by(Connection.installed_at, Connection.id)).all()


@blueprint.get("/linear/install")
@needs("admin")
def linear_install() -> Response:
    """Send an admin to Linear's consent page, to connect a workspace or to connect it again."""
    return _leave("install", workspace().id, person().id, "/connections")


@blueprint.get("/linear/sign-in")
@open_page
def linear_sign_in() -> Response:
    """Send somebody to Linear to say who they are, and back to where they were going."""
    to = own_path(request.args.get("to"))
    with core().database.reading() as session:
        doors = linear_doors(session)
        planned = _planned(session, to)
        wanted = next(
            (one for one in doors if f"/{one.id}/" in to or (planned is not None and one.id == planned.connection_id)),
            None,
        )
        if wanted is None and planned is not None:
            # A sprint of another tracker, maybe planned together with one of Linear's.
            wanted = next((one for one in doors if one.workspace_id == planned.workspace_id), None)
        wanted = wanted or (doors[0] if doors else None)
    if wanted is None:
        raise NotFound("No Linear workspace is connected here.")
    return _leave("sign_in", wanted.workspace_id, g.person.id if g.person else None, to)


def _planned(session: Session, to: str) -> Sprint | None:
    """Return the sprint whose plan somebody is on the way to: the link to it on a cycle leads through here."""
    found = PLAN.match(to)
    return session.get(Sprint, int(found[1])) if found else None


@blueprint.get("/linear/callback")
@open_page
def linear_callback() -> Response:
    """Take in who comes back from Linear."""
    tracker = linear(core())
    if tracker is None:
        raise NotFound("Linear is not set up here.")
    try:
        returned = come_back(core(), request.args, browser=visit().token)
        if returned.purpose == "install":
            return _installed(tracker, returned)
        found = sign_in_finished(core(), tracker, returned)
    except (RoundTripEnded, InstallRefused) as ended:
        return _ended(ended.reason, str(ended))
    except TrackerError as error:
        return _ended("failed", f"Linear did not answer as it should: {error}", status=503)
    visit().sign_in(found.id, core().clock())
    return go_to(returned.return_to)


@blueprint.post("/connections/<connection_id>/disconnect")
@needs("admin")
def linear_disconnect(connection_id: str) -> Response:
    """Give Linear's tokens back; links and history stay."""
    tracker = linear(core())
    with core().database.reading() as session:
        mine = select(Connection.id).where(
            Connection.id == connection_id,
            Connection.workspace_id == workspace().id,
            Connection.tracker == TRACKER_NAME,
        )
        known = session.scalars(mine).one_or_none()
    if tracker is None or known is None:
        raise NotFound("There is no such connection.")
    disconnect(core(), tracker, connection_id)
    visit().say("Disconnected. Links and history are kept; connect it again to go on.")
    return go("connections")


def _leave(purpose: Purpose, workspace_id: str, person_id: str | None, return_to: str) -> Response:
    tracker = linear(core())
    if tracker is None:
        raise NotFound("Linear is not set up here.")
    # The cookie's token is this browser's secret: whoever comes back must bring the same one.
    visit().changed = True
    with core().database.writing() as session:
        address = begin(
            session,
            tracker.oauth,
            core().vault,
            purpose=purpose,
            workspace_id=workspace_id,
            browser=visit().token,
            now=core().clock(),
            person_id=person_id,
            return_to=return_to,
        )
    return redirect(address, code=303)


def _installed(tracker: LinearTracker, returned: Returned) -> Response:
    # The consent page can stay open for a while: who is no admin any more by now connects nothing.
    if g.person is None or g.person.id != returned.person_id or g.person.role != "admin":
        return _ended(
            "declined", "Only an admin of Ladder can connect a workspace. Sign in and begin again.", status=403
        )
    connection_id = install_finished(core(), tracker, returned)
    with core().database.reading() as session:
        site = session.get_one(Connection, connection_id).site
    visit().say(f"{site} is connected. Its issues are read now; the labels to link by appear in the group OKR.")
    return go_to(returned.return_to)


def _ended(reason: str, words: str, status: int = 409) -> Response:
    return page(
        "pages/linear_ended.html",
        status=status,
        title=TITLES.get(reason, "Linear could not finish this"),
        words=words,
        is_signed_in=g.person is not None,
    )
