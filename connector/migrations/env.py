"""What alembic runs: migrations on the connection that `connector.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context

from connector.models import Base


def ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave out the queue's tables, which huey makes by itself in a PostgreSQL database."""
    return not (kind == "table" and (name or "").startswith("huey_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    include_object=ours,
    compare_type=True,
)
context.run_migrations()
