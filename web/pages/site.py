"""The blueprint of our own pages, and how every one of them is rendered."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from connector import wording
from connector.errors import NotFound, Refusal
from connector.links import LinkRefused
from connector.telemetry import logger
from web.pages import guard, words
from web.pages.visit import read_visit, write_visit
from web.problems import of_http_error, wants_problem

blueprint = Blueprint("pages", __name__)

STATIC = Path(__file__).parent.parent / "static"
PLACES = (
    ("pages.goals", "Goals"),
    ("pages.planning", "Planning"),
    ("pages.cycles", "Cycles"),
    ("pages.teams", "Teams"),
    ("pages.people", "People"),
    ("pages.connections", "Connections"),
)


@cache
def fingerprint(name: str) -> str:
    """Return a short hash of a static file, so that browsers fetch a new release's files at once."""
    path = STATIC / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10] if path.is_file() else "0"


def file_address(name: str) -> str:
    """Return the address of a static file."""
    return f"/static/{name}?v={fingerprint(name)}"


def page(template: str, *, section: str = "", status: int = 200, revision: str = "", **context: Any) -> Response:
    """Render a page; `revision` makes it live (the browser asks again and gets 304 while nothing changed)."""
    workspace = g.get("workspace")
    now = guard.core().clock()
    zone = workspace.timezone if workspace else "UTC"
    html = render_template(
        template,
        **context,
        section=section,
        person=g.get("person"),
        workspace=workspace,
        visit=guard.visit(),
        notices=guard.visit().take_notices(),
        places=PLACES,
        live_revision=revision,
        may=guard.may,
        file=file_address,
        now=now,
        moment=lambda value: words.moment(value, now, zone),
        today_words=lambda value: wording.day(value, now, zone),
    )
    response = make_response(html, status)
    if revision:
        response.headers["ETag"] = f'"{revision}"'
    return response


def unchanged(revision: str) -> bool:
    """Tell whether the browser has this revision already."""
    return revision in request.if_none_match


def not_modified(revision: str) -> Response:
    """Answer that nothing changed."""
    response = make_response("", 304)
    response.headers["ETag"] = f'"{revision}"'
    return response


def go(endpoint: str, **values: Any) -> AnyResponse:
    """Send the browser on after a form did its work, so that a reload repeats nothing."""
    return redirect(url_for(f"pages.{endpoint}", **values), code=303)


def go_to(path: str) -> AnyResponse:
    """Send the browser to one of our own paths."""
    return redirect(words.own_path(path), code=303)


@blueprint.before_request
def _enter() -> AnyResponse | None:
    return guard.enter()


@blueprint.after_request
def _remember(response: Response) -> Response:
    if "visit" in g:
        write_visit(guard.core(), response, guard.visit())
    return response


@blueprint.errorhandler(NotFound)
@blueprint.errorhandler(404)
def _missing(_error: Exception) -> Response:
    return page("pages/trouble.html", status=404, title="Nothing here", words=MISSING)


@blueprint.errorhandler(Refusal)
@blueprint.errorhandler(LinkRefused)
def _refused(error: Exception) -> Response:
    return page("pages/trouble.html", status=409, title="That can't be done", words=str(error))


@blueprint.errorhandler(403)
def _forbidden(error: Exception) -> Response:
    if getattr(error, "description", "") == "forged_form":
        return page("pages/trouble.html", status=403, title="Please try that again", words=FORGED)
    return page("pages/trouble.html", status=403, title="This is for others to do", words=FORBIDDEN)


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(InterfaceError)
def _no_database(error: Exception) -> Response:
    logger.warning("database_unavailable", error=type(error).__name__)
    response = page("pages/trouble.html", status=503, title="Ladder can't reach its database", words=NO_DATABASE)
    response.headers["Retry-After"] = "5"
    return response


@blueprint.errorhandler(500)
def _broken(_error: Exception) -> Response:
    return page("pages/trouble.html", status=500, title="Something went wrong here", words=BROKEN)


@blueprint.errorhandler(413)
def _too_large(_error: Exception) -> Response:
    return page("pages/trouble.html", status=413, title="That is too much text", words=TOO_LARGE)


def page_or_problem(error: HTTPException) -> AnyResponse:
    """Answer an address that nothing is served at: a page for people, a problem for programs."""
    if wants_problem() or not request.path.isprintable():
        return of_http_error(error)
    g.visit = read_visit(guard.core(), request)
    return page("pages/trouble.html", status=error.code or 404, title="Nothing here", words=MISSING)


NO_DATABASE = "Nothing is lost: what trackers send is sent again. Try again in a moment."
BROKEN = "It is in the log. Go back and try again; nothing was changed."
TOO_LARGE = "Nothing was saved. Go back: what you typed is still there; shorten it and send it again."
MISSING = "It was removed, or the address is not quite right. Goals are never deleted while history hangs on them."
FORGED = (
    "This form was not sent from a page of this sign-in, so nothing was changed. "
    "Go back, reload the page and send it once more."
)
FORBIDDEN = "Your role does not cover it. Admins set up cycles, teams, people and connections; viewers only look."
