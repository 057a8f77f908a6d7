"""Who may enter a page, and whether a form was really sent from one of ours."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Request, abort, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response

from connector.core import Core
from connector.models import Person, Workspace
from web.pages.visit import Visit, read_visit

View = TypeVar("View", bound=Callable[..., Any])
RANKS = {"viewer": 0, "member": 1, "admin": 2}


def core() -> Core:
    """Return the core of the app that handles this request."""
    return cast(Core, current_app.extensions["ladder"])


def visit() -> Visit:
    """Return the visit of this request."""
    return cast(Visit, g.visit)


def person() -> Person:
    """Return who is signed in; only on pages that need it."""
    return cast(Person, g.person)


def workspace() -> Workspace:
    """Return the workspace of who is signed in."""
    return cast(Workspace, g.workspace)


def may(role: str) -> bool:
    """Tell whether the person's role reaches `role` (viewer < member < admin)."""
    return g.get("person") is not None and RANKS.get(g.person.role, 0) >= RANKS[role]


def open_page(view: View) -> View:
    """Mark a view that needs no sign-in."""
    view.open_page = True  # type: ignore[attr-defined]
    return view


def needs(role: str) -> Callable[[View], View]:
    """Refuse people below `role` with a page that says whom to ask."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not may(role):
                abort(403)
            return view(*args, **kwargs)

        return cast(View, guarded)

    return wrap


def enter() -> Response | None:
    """Run before every page: find the person behind the cookie, check forms, send strangers to the sign-in page.

    The person is read from the database each time, so that a role taken away is gone with the next click.
    """
    g.visit = read_visit(core(), request)
    g.person = g.workspace = None
    if g.visit.person_id:
        with core().database.reading() as session:
            g.person = session.get(Person, g.visit.person_id)
            g.workspace = session.get(Workspace, g.person.workspace_id) if g.person else None
    if request.method == "POST" and not is_own_form(request, g.visit):
        abort(403, "forged_form")
    view = current_app.view_functions.get(request.endpoint or "")
    if g.person is None and not getattr(view, "open_page", False):
        # Where they were going, so that signing in takes them on; a form sent too late is not sent again.
        to = request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None
        return redirect(url_for("pages.sign_in_help", to=to), code=303)
    return None


def is_own_form(request: Request, visit: Visit) -> bool:
    """Tell whether a POST comes from a page of ours (cross-site request forgery).

    Three independent locks: the browser's own word on where the request started, the Origin header, and a token that
    only our pages know. The cookie alone would be sent along by a form on any neighbouring site.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        return False
    sent = request.headers.get("X-Ladder-Token") or request.form.get("token", "")
    return hmac.compare_digest(sent.encode(), visit.token.encode())
