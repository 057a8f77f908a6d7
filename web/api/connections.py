"""/connections: the trackers that are connected, and how well each keeps up."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from sqlalchemy import select

from connector.errors import NotFound
from connector.models import Connection
from connector.sync_health import health_of
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import api
from web.api.exchange import answer, by_age, cut, page_by_age
from web.api.history_schemas import ConnectionOut, ConnectionPage
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
        items = [shown.of_connection(health) for health in health_of(session, rows)]
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
        return answer(shown.of_connection(health_of(session, [row])[0]))
