"""Find and repair what a tracker never delivered: read again whatever changed since the last full look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector import goal_marks
from connector.apply import apply_deletion, apply_snapshot
from connector.cards import repair_cards
from connector.core import Core
from connector.measuring import ask_queries
from connector.models import Connection
from connector.offered_labels import can_show_goals
from connector.outbox import enqueue
from connector.rules.running import ask_for_runs
from connector.sprints import EVERY_SPRINT
from connector.telemetry import logger

# Each look reaches back a little before the previous one: trackers index late, clocks differ, and Jira's query
# language only knows whole minutes.
OVERLAP = timedelta(minutes=10)
# How often the worker looks; deliveries are the fast path, this is the net below it.
INTERVAL = timedelta(minutes=15)
# `Connection.settings`: since when looking finds what no delivery told of; people are warned then.
SILENT_SINCE = "silent_since"


class UnknownConnection(Exception):
    """There is no such connection, or it was uninstalled."""

    reason = "unknown_connection"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many issues were read, and how many of them we had not known in that state."""

    seen: int
    repaired: int


def reconcile(core: Core, connection_id: str) -> Reconciled:
    """Read every issue updated since the last complete look and apply what is news.

    The mark is only advanced once all pages are in, so a look that breaks off is repeated whole. Raises
    UnknownConnection, or the tracker's error.
    """
    with core.database.reading() as session:
        connection = session.get(Connection, connection_id)
    if connection is None or connection.state == "uninstalled":
        raise UnknownConnection(connection_id)
    started = core.clock()
    since = (connection.reconciled_to or connection.installed_at) - OVERLAP
    seen = repaired = 0
    for page in core.tracker_of(connection).updated_since(connection, since):
        with core.database.writing() as session:
            # Sorted, so that two workers never wait for each other's rows in opposite order.
            for snapshot in sorted(page.snapshots, key=lambda one: one.external_id):
                outcome = apply_snapshot(
                    session, connection, snapshot, happened_at=snapshot.updated_at, source="reconcile", now=core.clock()
                )
                seen += 1
                repaired += outcome == "applied"
            for deletion in sorted(page.gone, key=lambda one: one.external_id):
                outcome = apply_deletion(session, connection, deletion, source="reconcile", now=core.clock())
                seen += 1
                repaired += outcome == "applied"
    with core.database.writing() as session:
        row = session.get_one(Connection, connection_id, with_for_update=True)
        row.reconciled_to = max(started, row.reconciled_to or started)
        row.last_reconcile_at = core.clock()
        if connection.reconciled_to is not None:
            heard = row.last_event_at is not None and row.last_event_at >= since
            _note_silence(row, started, heard=heard, missed=repaired > 0)
        capabilities = core.tracker_of(row).capabilities
        if capabilities.cards:
            repair_cards(session, row, core.clock())
        if capabilities.goal_labels:
            enqueue(session, connection_id, "sync_goal_labels", "labels")
        if can_show_goals(row, capabilities):
            goal_marks.begin(session, row, core.clock())
        if capabilities.sprint_links:
            # Sprints begin by the clock, and some trackers make new ones without a word.
            enqueue(session, connection_id, "sprint_link", EVERY_SPRINT)
        ask_for_runs(session, row, core.clock())
    ask_queries(core, connection)
    logger.info("reconciled", connection=connection_id, seen=seen, repaired=repaired)
    return Reconciled(seen=seen, repaired=repaired)


def _note_silence(connection: Connection, now: datetime, *, heard: bool, missed: bool) -> None:
    """Remember since when changes were only found by looking: trackers switch failing webhooks off without a word."""
    silent = connection.settings.get(SILENT_SINCE)
    if heard and silent:
        connection.settings = {name: value for name, value in connection.settings.items() if name != SILENT_SINCE}
    elif missed and not heard and not silent:
        connection.settings = {**connection.settings, SILENT_SINCE: now.isoformat()}
