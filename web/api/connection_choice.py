"""Which tracker is meant, where a workspace may have one or several."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.errors import Invalid
from connector.models import Connection
from web.api.access import Caller


def chosen_connection(
    session: Session, who: Caller, connection_id: str | None, tracker: str | None = None
) -> Connection:
    """Return the connection that was named, or the only one; raises Invalid: unknown_connection, which_connection."""
    query = select(Connection).where(Connection.workspace_id == who.workspace_id, Connection.state != "uninstalled")
    if connection_id is not None:
        query = query.where(Connection.id == connection_id)
    if tracker is not None:
        query = query.where(Connection.tracker == tracker)
    found = session.scalars(query.order_by(Connection.installed_at).limit(2)).all()
    if not found:
        raise Invalid("unknown_connection", "There is no such connection to a tracker.", "connection_id")
    if len(found) > 1:
        raise Invalid("which_connection", "There are several connections; name one.", "connection_id")
    return found[0]
