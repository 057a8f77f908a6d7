"""API v1: goals, links, ledger and connections for programs, behind bearer tokens; described in /openapi.json."""

from __future__ import annotations

import math
import time
from typing import cast

from apiflask import APIFlask
from flask import Flask, Response, current_app
from flask_limiter import Limiter, RateLimitExceeded

from connector.core import Core
from web.api import (
    bulk_links,
    check_ins,
    connections,
    cycles,
    key_results,
    ledger,
    links,
    lint,
    milestones,
    objectives,
    overlay,
    people,
    reference,
    rules,
    teams,
)
from web.api.access import limit_key
from web.api.blueprint import api
from web.api.openapi import describe
from web.problems import problem

__all__ = [
    "bulk_links",
    "check_ins",
    "connections",
    "cycles",
    "key_results",
    "ledger",
    "links",
    "lint",
    "milestones",
    "objectives",
    "overlay",
    "people",
    "register",
    "rules",
    "teams",
]

# Per token, or per address without one. Well above what a sync of thousands of goals needs, well below what would keep
# a small machine from doing anything else.
RATE = "3000 per minute"


def register(app: Flask, core: Core) -> None:
    """Add the API, its reference page and its description to `app`."""
    app.config.setdefault("API_RATE", RATE)
    limiter = Limiter(limit_key, app=app, storage_uri="memory://")
    limiter.limit(lambda: str(current_app.config["API_RATE"]))(api)

    def too_many(_error: RateLimitExceeded) -> Response:
        limit = limiter.current_limit
        seconds = max(1, math.ceil(limit.reset_at - time.time())) if limit else 1
        return problem(429, "too_many_requests", f"Try again in {seconds} s.", headers={"Retry-After": str(seconds)})

    app.register_error_handler(RateLimitExceeded, too_many)
    app.register_blueprint(api)
    app.register_blueprint(reference.blueprint)
    described = cast(APIFlask, app)
    described.config["AUTO_SERVERS"] = False
    described.spec_processor(describe)
