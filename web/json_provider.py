"""JSON in and out: exact numbers, and no body that can hurt."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

import pydantic_core
from flask import Flask
from flask.json.provider import DefaultJSONProvider

from connector.core import Core


class ExactJson(DefaultJSONProvider):
    """Reads decimals as `Decimal`, never through a float; bad JSON of any sort is a ValueError: Flask answers 400.

    The first pass is pydantic's parser: it refuses deep nesting before Python's own can run out of stack (Flask's
    default answers such a body with 500), NaN, Infinity and half surrogates. The second pass keeps every digit.
    """

    sort_keys = False
    compact = True

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return the value of a JSON text."""
        pydantic_core.from_json(s, allow_inf_nan=False)
        return json.loads(s, parse_float=Decimal, parse_constant=_refuse)


def register(app: Flask, core: Core) -> None:
    """Make `app` read and write JSON this way."""
    app.json = ExactJson(app)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
