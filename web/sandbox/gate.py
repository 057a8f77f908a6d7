"""The door of the REST interface: who may come in, and which fault hits the request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request

from .events import TRACE
from .jql import JqlError
from .records import Issue
from .signing import TokenError, check_app_token, query_string_hash
from .site import Call, JiraSite
from .state import NotFoundError

INACCESSIBLE = "INACCESSIBLE"
"""What the OpenAPI says about operations that Connect apps cannot call."""

View = TypeVar("View", bound=Callable[..., Any])


class RestError(Exception):
    """A REST call is refused with a status and the text of Jira's `errorMessages`."""

    def __init__(self, status: int, *messages: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(messages)
        self.status = status
        self.messages = messages
        self.headers = headers or {}


def operation(blueprint: Blueprint, method: str, path: str, scope: str) -> Callable[[View], View]:
    """Register a REST operation with the Connect scope that the official OpenAPI demands for it."""

    def register(view: View) -> View:
        scopes: dict[str, str] = view.__dict__.setdefault("scopes", {})
        scopes[method] = scope
        blueprint.add_url_rule(path, view_func=view, methods=[method], provide_automatic_options=False)
        return view

    return register


def refusal(status: int, *messages: str, headers: dict[str, str] | None = None) -> Response:
    """An error in Jira's shape."""
    answer = jsonify({"errorMessages": list(messages), "errors": {}})
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def register_gate(app: Flask, site: JiraSite) -> None:
    """Guard everything under /rest/."""

    @app.before_request
    def guard() -> Response | None:
        if not request.path.startswith("/rest/"):
            return None
        if site.faults.delay:
            time.sleep(site.faults.delay)
        fault = site.faults.take()
        if fault is not None:
            if fault.status is None:
                return _hang_up()
            return refusal(fault.status, "The stand-in plays a bad day.", headers=fault.headers)
        try:
            _authenticate(site)
        except TokenError as error:
            return refusal(401, f"Client must be authenticated to access this resource ({error.reason}).")
        if request.url_rule is None:
            return None
        scope = _scope()
        if scope == INACCESSIBLE:
            return None  # the operation itself says no
        installation = site.installation
        if installation is None or not installation.allows(scope):
            return refusal(403, f"The app did not ask for the scope {scope} in its descriptor.")
        TRACE.set(request.headers.get("X-Atlassian-Webhook-Trace"))
        return None

    @app.after_request
    def record(answer: Response) -> Response:
        if request.path.startswith("/rest/"):
            site.calls.append(
                Call(
                    request.method,
                    request.path,
                    _query_without_token(),
                    request.get_json(silent=True),
                    answer.status_code,
                )
            )
            TRACE.set(None)
        return answer

    @app.errorhandler(RestError)
    def refused(error: RestError) -> Response:
        return refusal(error.status, *error.messages, headers=error.headers)

    @app.errorhandler(JqlError)
    def bad_query(error: JqlError) -> Response:
        return refusal(400, str(error))


def _authenticate(site: JiraSite) -> None:
    header = request.headers.get("Authorization", "")
    token = header[4:].strip() if header.startswith("JWT ") else request.args.get("jwt", "")
    installation = site.installation
    if not token:
        raise TokenError("no_token")
    if installation is None:
        raise TokenError("not_installed")
    raw: str = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
    g.claims = check_app_token(
        token,
        secret=installation.shared_secret,
        app_key=installation.key,
        qsh=query_string_hash(request.method, raw, site.base_url),
        now=site.now(),
    )


def _scope() -> str:
    view = current_app.view_functions[request.endpoint] if request.endpoint else None
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get(request.method, INACCESSIBLE)


def _query_without_token() -> str:
    return "&".join(pair for pair in request.query_string.decode().split("&") if not pair.startswith("jwt="))


def _hang_up() -> Response:
    """Close the connection under the server, so that the app sees a network error; 503 where there is no socket."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    return refusal(503, "The stand-in is down.")


def body_object() -> dict[str, Any]:
    """The JSON object of the request; 400 otherwise."""
    try:
        found = json.loads(request.get_data())
    except ValueError as error:
        raise RestError(400, "Invalid request payload. Refer to the REST API documentation and try again.") from error
    if not isinstance(found, dict):
        raise RestError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return found


def visible_issue(site: JiraSite, id_or_key: str) -> Issue:
    """An issue that the app may see; 404 otherwise, the same text for "gone" and "not allowed"."""
    try:
        issue = site.issue(id_or_key)
    except NotFoundError:
        issue = None
    if issue is None or site.faults.hides(issue.id):
        raise RestError(404, "Issue does not exist or you do not have permission to see it.")
    return issue


def writable_issue(site: JiraSite, id_or_key: str) -> Issue:
    """A visible issue that the app may write to now: 403 by fault, 429 after 20 writes in 2 seconds."""
    issue = visible_issue(site, id_or_key)
    if site.faults.forbids(issue.id):
        raise RestError(403, "You do not have permission to edit this issue.")
    if site.faults.too_many_writes(issue.id, time.monotonic()):
        headers = {"Retry-After": "2", "RateLimit-Reason": "jira-per-issue-on-write", "X-RateLimit-Remaining": "0"}
        raise RestError(429, "Too many writes to this issue.", headers=headers)
    return issue


def whole_number(name: str, default: int, most: int) -> int:
    """A query parameter as a number between 0 and `most`; 400 when it is none."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdigit():
        raise RestError(400, f"The parameter {name} must be a number.")
    return max(0, min(int(text), most))


def listed(name: str) -> list[str]:
    """A repeated or comma-separated query parameter as a list."""
    return [part.strip() for value in request.args.getlist(name) for part in value.split(",") if part.strip()]
