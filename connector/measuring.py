"""Measure key results that follow a query in a tracker's own language."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select

from connector.core import Core
from connector.errors import Conflict
from connector.goals.check_ins import RecordCheckIn, record_check_in
from connector.ledger import show_anew
from connector.models import Connection, KeyResult
from connector.outbox import enqueue
from connector.tracker import TrackerError, TrackerUnavailable


def measure_key_result(core: Core, connection: Connection, key_result_id: str) -> None:
    """Ask the key result's query and record the value if it changed.

    A query that fails keeps the last value, and the key result says why. Raises TrackerUnavailable, to be tried again.
    """
    with core.database.reading() as session:
        key_result = session.get(KeyResult, key_result_id)
    query = key_result.settings.get("query") if key_result is not None else None
    if key_result is None or key_result.state != "open" or key_result.kind != "query_metric" or not query:
        return
    if query["connection_id"] != connection.id:
        return
    try:
        value = core.tracker_of(connection).measure(connection, query["text"], query["aggregate"], query.get("field"))
    except TrackerUnavailable as error:
        _say(core, key_result_id, str(error))
        raise
    except TrackerError as error:
        _say(core, key_result_id, str(error))
        return
    _say(core, key_result_id, None)
    if value is None or value == key_result.value:
        return
    now = core.clock()
    # Somebody may have closed it since; then there is nothing left to measure.
    with suppress(Conflict), core.database.writing() as session:
        command = RecordCheckIn(value=value, source="query")
        record_check_in(session, key_result.workspace_id, key_result_id, command, actor="", now=now)


def ask_queries(core: Core, connection: Connection) -> int:
    """Ask for every query of this connection to be measured; return how many those are."""
    with core.database.writing() as session:
        rows = session.scalars(
            select(KeyResult).where(
                KeyResult.workspace_id == connection.workspace_id,
                KeyResult.kind == "query_metric",
                KeyResult.state == "open",
            )
        ).all()
        asked = [row.id for row in rows if (row.settings.get("query") or {}).get("connection_id") == connection.id]
        for key_result_id in sorted(asked):
            enqueue(session, connection.id, "measure", key_result_id)
    return len(asked)


def _say(core: Core, key_result_id: str, trouble: str | None) -> None:
    with core.database.writing() as session:
        row = session.get_one(KeyResult, key_result_id)
        if row.settings.get("query_trouble") != trouble:
            row.settings = {**row.settings, "query_trouble": trouble}
            # Not a new version: that would turn down somebody who is editing the key result just now.
            show_anew(session, row, now=core.clock())
