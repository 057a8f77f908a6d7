"""How well each tracker keeps up, in words; what waits, what failed and why; and how to connect one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector import outbox
from connector.errors import NotFound
from connector.models import Connection, InboxEntry, OutboxEntry
from connector.page_revision import connections_revision
from connector.reconcile import SILENT_SINCE
from connector.sync_health import ConnectionHealth, health_of
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.linear import linear
from web.pages.site import blueprint, go, not_modified, page, unchanged

# Reconciling runs every 15 minutes; with this much silence something keeps it from running.
RECONCILE_LATE = timedelta(minutes=45)
# Entries are applied within a second as a rule; what waits longer than this is worth a word.
BACKLOG_LATE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Light:
    """A traffic light that is read, not only seen: `tone` good, warn, bad or quiet, its word, and what it means."""

    tone: str
    word: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A connection on the page."""

    health: ConnectionHealth
    light: Light
    waiting_since: datetime | None
    has_options: bool


@blueprint.get("/connections")
def connections() -> Response:
    """List the connections."""
    with core().database.reading() as session:
        revision = connections_revision(session, workspace().id, person().role)
        if unchanged(revision):
            return not_modified(revision)
        query = select(Connection).where(Connection.workspace_id == workspace().id)
        known = session.scalars(query.order_by(Connection.installed_at, Connection.id)).all()
        now = core().clock()
        shown = [_shown(session, health, now) for health in health_of(session, known)]
    return page(
        "pages/connections.html",
        section="pages.connections",
        revision=revision,
        shown=shown,
        base_url=core().settings.base_url,
        linear_is_set_up=linear(core()) is not None,
        is_public=core().settings.base_url.startswith("https://"),
    )


@blueprint.post("/connections/<connection_id>/replay")
@needs("admin")
def replay(connection_id: str) -> Response:
    """Try again what was given up: one thing, or all of it."""
    box, number = request.form.get("box", ""), request.form.get("id", "")
    ids = [int(number)] if number.isdigit() and len(number) < 19 else None
    with core().database.writing() as session:
        query = select(Connection.id).where(Connection.id == connection_id, Connection.workspace_id == workspace().id)
        if session.scalars(query).one_or_none() is None:
            raise NotFound("There is no such connection.")
        again = 0
        if box != "outbox":
            again += core().inbox.replay(session, connection_id, ids)
        if box != "inbox":
            again += outbox.replay(session, connection_id, ids, now=core().clock())
    visit().say("It is tried again." if again == 1 else f"{again} are tried again.")
    return go("connections")


def light_of(health: ConnectionHealth, now: datetime, waiting_since: datetime | None) -> Light:
    """Judge a connection: the worst thing that is true decides the word."""
    connection = health.connection
    if connection.state == "uninstalled":
        return Light(
            "quiet", "Not connected", "It was uninstalled there. Links and history are kept; install it again to go on."
        )
    if connection.state == "reconnect_needed":
        return Light(
            "bad", "Reconnect", connection.trouble or "The site no longer accepts our credentials. Install it again."
        )
    if connection.offline_since is not None:
        return Light(
            "bad", "Not answering", connection.trouble or "The site does not answer; what has to be asked there waits."
        )
    if connection.paused_until is not None and connection.paused_until > now:
        return Light("warn", "Paused", connection.trouble or "The site asked us to slow down. Nothing is lost.")
    if waiting_since is not None and now - waiting_since > BACKLOG_LATE:
        return Light("warn", "Behind", "Deliveries wait to be applied. Is a worker running?")
    if health.given_up:
        return Light("warn", "Needs a look", "Some things were given up after many tries; the reasons are below.")
    silent = connection.settings.get(SILENT_SINCE)
    if silent and (connection.last_event_at is None or connection.last_event_at < datetime.fromisoformat(silent)):
        return Light(
            "warn",
            "Silent",
            "Changes are found by looking, every 15 minutes, but none is delivered. Are webhooks switched off there?",
        )
    if connection.last_reconcile_at is not None and now - connection.last_reconcile_at > RECONCILE_LATE:
        return Light(
            "warn", "Not reconciled", "What the site failed to deliver is not looked for. Is a worker running?"
        )
    if connection.last_event_at is None:
        return Light("quiet", "Waiting for the first event", "Change any issue there, and it arrives here.")
    return Light("good", "Receiving", "Changes arrive and are applied.")


def _shown(session: Session, health: ConnectionHealth, now: datetime) -> Shown:
    oldest = [
        session.scalar(
            select(func.min(moment)).where(table.connection_id == health.connection.id, table.state == "waiting")
        )
        for table, moment in ((InboxEntry, InboxEntry.received_at), (OutboxEntry, OutboxEntry.created_at))
    ]
    waiting_since = min((one for one in oldest if one is not None), default=None)
    tracker = core().trackers.get(health.connection.tracker)
    has_options = tracker is not None and bool(tracker.site_options(health.connection))
    return Shown(health, light_of(health, now, waiting_since), waiting_since, has_options)
