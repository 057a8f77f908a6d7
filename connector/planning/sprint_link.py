"""A link from a sprint in its tracker to our planning page, for trackers whose sprints can carry one."""

from __future__ import annotations

from sqlalchemy import select

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


def show_sprint_link(core: Core, connection: Connection, external_id: str) -> None:
    """Put the link on one open sprint that has none; for EVERY_SPRINT, ask the tracker which there are.

    Each sprint is an errand of its own, so that two of them never put the same link twice. A link is put once: what
    somebody takes off a sprint stays off. Raises the tracker's errors.
    """
    tracker = core.tracker_of(connection)
    if not tracker.capabilities.sprint_links:
        return
    if external_id == EVERY_SPRINT:
        _read_sprints(core, connection)
        return
    with core.database.reading() as session:
        sprint = session.scalars(
            select(Sprint).where(Sprint.connection_id == connection.id, Sprint.external_id == external_id)
        ).one_or_none()
    if sprint is None or sprint.shown_link is not None or sprint.state not in ("active", "future"):
        return
    address = page_address(core.settings.base_url, sprint.id)
    try:
        link_id = tracker.show_sprint_link(connection, external_id, address, TITLE, None)
    except IssueUnreadable as error:
        # Closed to us or deleted meanwhile.
        logger.info("sprint_link_unreadable", connection=connection.id, sprint=external_id, why=str(error))
        return
    with core.database.writing() as session:
        session.get_one(Sprint, sprint.id).shown_link = link_id


def _read_sprints(core: Core, connection: Connection) -> None:
    told = core.tracker_of(connection).sprints(connection, None)
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id, with_for_update=True)
        if not row.settings.get(LINKED_SPRINTS):
            row.settings = {**row.settings, LINKED_SPRINTS: True}
        for one in sorted(told, key=lambda one: one.external_id):
            # Asks for the link of each that has none.
            apply_sprint(session, row, one)
