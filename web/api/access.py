"""Who calls the API: a bearer token, looked up by its hash, opens exactly one workspace."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from flask import Response, current_app, g, request
from werkzeug.exceptions import BadRequest

from connector import tokens
from connector.core import Core
from web.problems import problem

BEARER = re.compile(r"Bearer +([\x21-\x7e]{1,400}) *", re.IGNORECASE)
CHALLENGE = 'Bearer realm="ladder"'
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that proved itself, and the moment of its request."""

    core: Core
    workspace_id: str
    actor: str
    now: datetime


def caller() -> Caller:
    """Return who sent the present request; only inside the API's views."""
    found: Caller = g.caller
    return found


def admit() -> Response | None:
    """Let a request with a live token through, else answer 401; runs before every view of the API."""
    core: Core = current_app.extensions["ladder"]
    given = BEARER.fullmatch(request.headers.get("Authorization", ""))
    if given is None:
        return _refused("Send an API token: Authorization: Bearer <token>.", CHALLENGE)
    now = core.clock()
    with core.database.reading() as session:
        token = tokens.token_of(session, given[1])
    if token is None:
        return _refused("This token is not valid, or was revoked.", f'{CHALLENGE}, error="invalid_token"')
    if tokens.needs_noting(token, now):
        with core.database.writing() as session:
            tokens.note_use(session, token.id, now)
    g.caller = Caller(core=core, workspace_id=token.workspace_id, actor=f"token {token.name}", now=now)
    return None


def require_json_object() -> Response | None:
    """Answer 415 for a body that is not JSON, and 422 for one that is no object; runs after `admit`.

    Without the check of the media type a page elsewhere could have a browser send a form-encoded body (a "simple"
    request, which needs no permission from us).
    """
    if request.method not in ("POST", "PATCH", "PUT"):
        return None
    if request.mimetype != JSON_TYPE:
        return problem(415, "unsupported_media_type", f"Send the body as {JSON_TYPE}.", headers={"Accept": JSON_TYPE})
    try:
        body = request.get_json()
    except BadRequest:
        return problem(400, "bad_json", "The body is not valid JSON, or nested too deeply.")
    if not isinstance(body, dict):
        return problem(422, "invalid", "The body must be a JSON object.")
    return None


def limit_key() -> str:
    """Name the bucket that a request is counted in: its token, or the address that it came from."""
    given = request.headers.get("Authorization")
    if given:
        # Hashed, so that no token can be read out of the limiter's store.
        return "token:" + hashlib.sha256(given.encode()).hexdigest()
    return f"address:{request.remote_addr}"


def _refused(detail: str, challenge: str) -> Response:
    return problem(401, "not_authenticated", detail, headers={"WWW-Authenticate": challenge})
