"""A link from a sprint in its tracker to our planning page, for trackers whose sprints can carry one."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.core import Core
from connector.models import Connection, Sprint
from connector.sprints import EVERY_SPRINT, LINKED_SPRINTS, apply_sprint
from connector.telemetry import logger
from connector.tracker import IssueUnreadable

# What people read on the sprint.
TITLE = "Goals of this plan, in Ladder"


def page_address(base_url: str, sprint_id: int) -> str:
    """Return our planning page of a sprint."""
    return f"{base_url}/planning/{sprint_id}"


def show_sprint_links(core: Core, connection: Connection, external_id: str = EVERY_SPRINT) -> int:
    """Put the link on one sprint, or on every open one after asking the tracker which there are; return how many.

    A link is put once: what somebody takes off a sprint stays off. Raises the tracker's errors.
    """
    tracker = core.tracker_of(connection)
    if not tracker.capabilities.sprint_links:
        return 0
    if external_id == EVERY_SPRINT:
        _read_sprints(core, connection)
    with core.database.reading() as session:
        wanted = _without_link(session, connection, external_id)
    shown = 0
    for sprint in wanted:
        address = page_address(core.settings.base_url, sprint.id)
        try:
            link_id = tracker.show_sprint_link(connection, sprint.external_id, address, TITLE, None)
        except IssueUnreadable as error:
            # Closed to us or deleted meanwhile; the others can have theirs.
            logger.info("sprint_link_unreadable", connection=connection.id, sprint=sprint.external_id, why=str(error))
            continue
        with core.database.writing() as session:
            session.get_one(Sprint, sprint.id).shown_link = link_id
        shown += 1
    return shown


def _read_sprints(core: Core, connection: Connection) -> None:
    told = core.tracker_of(connection).sprints(connection, None)
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id, with_for_update=True)
        if not row.settings.get(LINKED_SPRINTS):
            row.settings = {**row.settings, LINKED_SPRINTS: True}
        for one in sorted(told, key=lambda one: one.external_id):
            apply_sprint(session, row, one)


def _without_link(session: Session, connection: Connection, external_id: str) -> list[Sprint]:
    query = select(Sprint).where(
        Sprint.connection_id == connection.id, Sprint.state.in_(("active", "future")), Sprint.shown_link.is_(None)
    )
    if external_id != EVERY_SPRINT:
        query = query.where(Sprint.external_id == external_id)
    return list(session.scalars(query.order_by(Sprint.id)))
