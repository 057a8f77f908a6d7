"""One writer at a time per workspace, for everything that moves progress."""

from __future__ import annotations

import hashlib

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def take_turn(session: Session, workspace_id: str) -> None:
    """Wait until no other transaction is moving this workspace's progress; the turn ends with the transaction.

    An event changes counts on a chain of ancestors and sums of several key results. Two workers doing so at once would
    wait for each other's rows in opposite order, or add to a value that the other had already read. SQLite has one
    writer anyway; PostgreSQL gets a lock per workspace, so different workspaces still run side by side.
    """
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.blake2b(workspace_id.encode(), digest_size=8).digest(), signed=True)
        session.execute(select(func.pg_advisory_xact_lock(number)))
