"""Reading bodies that strangers send."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request
from pydantic_core import from_json
from werkzeug.exceptions import RequestEntityTooLarge


class NotJson(Exception):
    """The body is not JSON, not an object, or nested deeper than anything real."""

    reason = "not_json"


def refuse_by_length(request: Request, limit: int) -> None:
    """Refuse what says itself that it is too long, before a byte is read; raises RequestEntityTooLarge (413)."""
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge


def read_body(request: Request, limit: int) -> bytes:
    """Return the body, at most `limit` bytes; raises RequestEntityTooLarge (413).

    One byte more is allowed to come in, to tell a body that fits from one that goes on: of a body without a length,
    werkzeug silently cuts off what is over its own limit.
    """
    refuse_by_length(request, limit)
    request.max_content_length = limit + 1
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; raises NotJson.

    Nesting is limited to 200 levels. A lone surrogate, which Jira sends when it cuts a title in the middle of an
    emoji, is legal JSON and read as U+FFFD.
    """
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if "escape" not in str(error):
            raise NotJson("not JSON, or nested too deep") from None
        found = _read_with_surrogates(body)
    if not isinstance(found, dict):
        raise NotJson("not a JSON object")
    return found


def _read_with_surrogates(body: bytes) -> Any:
    try:
        whole = json.dumps(json.loads(body, parse_constant=_refuse), ensure_ascii=False)
        return from_json(whole.encode("utf-8", "replace"), allow_inf_nan=False)
    except (ValueError, RecursionError):
        raise NotJson("not JSON, or nested too deep") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
