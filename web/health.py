"""What a load balancer, an orchestrator and Prometheus ask: alive, ready, and how much."""

from __future__ import annotations

import prometheus_client
from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from connector import migrate
from connector.core import Core

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """Answer 200 as long as the process can answer at all."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Answer 200 once the database answers and has the tables of this version, else 503 with the reason."""
    core: Core = current_app.extensions["ladder"]
    try:
        with core.database.reading() as session:
            session.execute(text("SELECT 1"))
        behind = not migrate.is_current(core.database)
    except SQLAlchemyError:
        return jsonify(status="waiting", reason="database_unreachable"), 503
    if behind:
        return jsonify(status="waiting", reason="migrations_pending"), 503
    return jsonify(status="ok"), 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """Show the counters of this process in Prometheus' text format; no names of tenants or people are in them."""
    return Response(prometheus_client.generate_latest(), content_type=prometheus_client.CONTENT_TYPE_LATEST)
