"""Doing errands in tests: every waiting one of some kinds, each once, in order."""

from __future__ import annotations

from sqlalchemy import select

from connector.errands import HANDLERS
from connector.models import Connection, OutboxEntry
from tests.connector.conftest import Organisation


def run(org: Organisation, *kinds: str) -> list[str]:
    """Do the waiting errands of each kind once; returns their subjects."""
    subjects = []
    for kind in kinds:
        with org.core.database.reading() as session:
            connection = session.get_one(Connection, "c")
            waiting = select(OutboxEntry).where(OutboxEntry.kind == kind, OutboxEntry.state == "waiting")
            entries = session.scalars(waiting.order_by(OutboxEntry.id)).all()
        for entry in entries:
            with org.core.database.writing() as session:
                session.get_one(OutboxEntry, entry.id).state = "done"
            HANDLERS[kind](org.core, connection, entry)
        subjects += [entry.subject for entry in entries]
    return subjects
