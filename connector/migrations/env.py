"""What alembic runs: migrations on the connection that `connector.migrate` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from connector.columns import Exact, UtcDateTime
from connector.models import Base


def plain_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our column types as what they are in the database: a migration must not change when our code does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Exact):
        return "sa.String(length=400)"
    return False


def ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave out the queue's tables, which huey makes by itself in a PostgreSQL database."""
    return not (kind == "table" and (name or "").startswith("huey_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    include_object=ours,
    render_item=plain_type,
    compare_type=True,
)
context.run_migrations()
