"""Reading JSON that strangers send."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic_core import from_json


class NotJson(Exception):
    """The body is not JSON, not an object, or nested deeper than anything real."""

    reason = "not_json"


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
