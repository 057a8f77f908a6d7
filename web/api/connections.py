"""/connections: the trackers that are connected, and how well each keeps up."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from sqlalchemy import select

from connector.core import Core
from connector.errors import NotFound
from connector.models import Connection
from connector.site_settings import edit_site_settings
from connector.sync_health import ConnectionHealth, health_of
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import api
from web.api.exchange import answer, by_age, cut, expected_version, page_by_age
from web.api.history_schemas import ConnectionChanges, ConnectionOut, ConnectionPage
from web.api.schemas import PageQuery


@api.get("/connections")
@api.input(PageQuery, location="query")
@api.output(ConnectionPage)
@api.doc(tags=["connections"], operation_id="listConnections")
def list_connections(query_data: PageQuery) -> Response:
    """List the connections to trackers, uninstalled ones included"""
    who = caller()
    query = select(Connection).where(Connection.workspace_id == who.workspace_id)
    query = page_by_age(query, Connection.created_at, Connection.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
        items = [_shown(who.core, health) for health in health_of(session, rows)]
    return answer(ConnectionPage(items=items, next_cursor=cursor))


@api.get("/connections/<uuid:connection_id>")
@api.output(ConnectionOut)
@api.doc(tags=["connections"], operation_id="getConnection")
def get_connection(connection_id: UUID) -> Response:
    """Read a connection"""
    who = caller()
    with who.core.database.reading() as session:
        row = session.get(Connection, str(connection_id))
        if row is None or row.workspace_id != who.workspace_id:
            raise NotFound("There is no such connection.")
        return answer(_shown(who.core, health_of(session, [row])[0]))


@api.patch("/connections/<uuid:connection_id>")
@api.input(ConnectionChanges)
@api.output(ConnectionOut)
@api.doc(tags=["connections"], operation_id="editConnection")
def edit_connection(connection_id: UUID, json_data: ConnectionChanges) -> Response:
    """Set what a site calls things: its estimate field, and what counts as dropped

    Known issues are read again afterwards; what moves then is written down as rule_changed.
    """
    who = caller()
    with who.core.database.writing() as session:
        edit_site_settings(
            who.core,
            session,
            who.workspace_id,
            str(connection_id),
            json_data.settings,
            expected_version=expected_version(),
        )
    with who.core.database.reading() as session:
        row = session.get_one(Connection, str(connection_id))
        return answer(_shown(who.core, health_of(session, [row])[0]))


def _shown(core: Core, health: ConnectionHealth) -> ConnectionOut:
    tracker = core.trackers.get(health.connection.tracker)
    return shown.of_connection(health, tracker.site_options(health.connection) if tracker else [])
