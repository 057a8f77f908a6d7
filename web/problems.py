"""Errors as RFC 9457 problem details for programs; people on pages get theirs from the pages themselves.

Every problem has `type`, `title`, `status`, `detail` and `reason`, a stable code; `errors` names each faulty field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from apiflask import HTTPError
from flask import Flask, Response, json, request
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.http import HTTP_STATUS_CODES

from connector.core import Core
from connector.errors import Conflict, Invalid, LostUpdate, NotAllowed, NotFound, Refusal
from connector.inbox import InboxUnavailable
from connector.links import LinkRefused
from connector.telemetry import logger
from connector.tracker import TrackerError, TrackerUnavailable

MEDIA_TYPE = "application/problem+json"
# A problem's address leads to the reference page, which lists every reason.
TYPE_PREFIX = "/api/v1/docs#"
RETRY_SECONDS = 5

REFUSAL_STATUS: Mapping[type[Refusal], int] = {
    Invalid: 422,
    NotFound: 404,
    LostUpdate: 412,
    Conflict: 409,
    NotAllowed: 403,
}
# Links are refused for these reasons; what is not named here is a conflict with the state of things.
LINK_STATUS: Mapping[str, int] = {
    "unknown_key_result": 404,
    "unknown_link": 404,
    "bad_weight": 422,
    "too_many": 422,
    "unknown_category": 422,
    "may_not_edit": 403,
    "issue_unreadable": 422,
    "tracker_unavailable": 503,
}
HTTP_REASONS: Mapping[int, str] = {
    400: "bad_request",
    401: "not_authenticated",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "body_too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    422: "invalid",
    428: "version_required",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return one problem as a response; `errors` are {field, reason, message}."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + reason,
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "reason": reason,
        **more,
    }
    if errors:
        body["errors"] = list(errors)
    response = Response(json.dumps(body) + "\n", status=status, content_type=MEDIA_TYPE)
    response.headers.extend(dict(headers or {}))
    return response


def of_refusal(error: Refusal) -> Response:
    """Return the problem for a use case that said no."""
    status = next((REFUSAL_STATUS[kind] for kind in type(error).__mro__ if kind in REFUSAL_STATUS), 409)
    if isinstance(error, LostUpdate):
        return problem(status, error.reason, error.message, headers={"ETag": f'"{error.current_version}"'})
    faults = error.faults if isinstance(error, Invalid) else ()
    errors = [{"field": fault.field, "reason": fault.reason, "message": fault.message} for fault in faults]
    return problem(status, error.reason, error.message, errors=errors)


def of_link_refusal(error: LinkRefused) -> Response:
    """Return the problem for a link that cannot be made."""
    status = LINK_STATUS.get(error.reason, 409)
    return problem(status, error.reason, str(error), headers=_retry_after() if status == 503 else None)


def of_tracker_trouble(error: TrackerError) -> Response:
    """Return the problem for a tracker that does not answer (503) or said no (502)."""
    if isinstance(error, TrackerUnavailable):
        seconds = error.retry_after or RETRY_SECONDS
        return problem(503, error.reason, str(error), headers={"Retry-After": str(max(1, round(seconds)))})
    return problem(502, error.reason, str(error))


def of_lost_database(error: Exception) -> Response:
    """Return 503: the same request will work once the database is back, so it must not look like a final no."""
    logger.warning("database_unavailable", error=type(error).__name__)
    return problem(503, "database_unavailable", "The database does not answer. Try again.", headers=_retry_after())


def of_collision(error: IntegrityError) -> Response:
    """Return 409: two requests at once wanted what only one can have, and the database stopped the second."""
    logger.warning("collision", error=type(error).__name__)
    return problem(409, "conflict", "Somebody did the same at this moment. Read it again.")


def of_http_error(error: HTTPException) -> Response:
    """Return the problem for an error that the web framework raised."""
    original = getattr(error, "original_exception", None)
    status = error.code or 500
    if status < 400:
        # A redirect is no error, though it travels as an exception.
        return Response(error.get_response().response, status, dict(error.get_headers()))
    if isinstance(error, InternalServerError) and original is not None:
        # The traceback is in the log; the answer tells nothing about our insides.
        logger.error("unhandled_error", error=type(original).__name__)
    detail = "Something went wrong here. It is in the log." if status == 500 else (error.description or "")
    headers = {name: value for name, value in error.get_headers() if name.lower() in ("allow", "retry-after")}
    if status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return problem(status, HTTP_REASONS.get(status, "error"), detail, headers=headers)


def of_api_error(error: HTTPError) -> Response:
    """Return the problem for input that does not have the documented shape."""
    status = error.status_code
    errors = []
    if isinstance(error.detail, dict):
        for location, fields in error.detail.items():
            for field, messages in fields.items():
                path = _field(location, field)
                errors += [{"field": path, "reason": "bad_shape", "message": _plain(text)} for text in messages]
    detail = "The request does not have the documented shape." if errors else (error.message or "")
    return problem(status, HTTP_REASONS.get(status, "error"), detail, errors=errors)


def wants_problem() -> bool:
    """Tell whether this request comes from a program: then even a page's address answers its errors as problems."""
    if request.path.startswith("/api/") or request.path == "/openapi.json":
        return True
    return request.accept_mimetypes.best_match([MEDIA_TYPE, "application/json", "text/html"]) != "text/html"


def register(app: Flask, core: Core) -> None:
    """Answer every error of `app` as a problem; blueprints may have error pages of their own."""
    app.register_error_handler(Refusal, of_refusal)
    app.register_error_handler(LinkRefused, of_link_refusal)
    app.register_error_handler(TrackerError, of_tracker_trouble)
    app.register_error_handler(HTTPError, of_api_error)
    app.register_error_handler(HTTPException, of_http_error)
    app.register_error_handler(InboxUnavailable, of_lost_database)
    app.register_error_handler(IntegrityError, of_collision)
    for lost in (OperationalError, InterfaceError):
        app.register_error_handler(lost, of_lost_database)


def _retry_after() -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)}


def _field(location: str, field: str) -> str:
    name = "" if field == "_schema" else field
    return name if location == "json" else f"{location}.{name}".rstrip(".")


def _plain(text: str) -> str:
    # pydantic puts this in front of our own sentences.
    return re.sub(r"^(Value|Assertion) error, ", "", text)
