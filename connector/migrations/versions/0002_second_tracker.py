"""What Linear needs: ways to its consent page and back, a lease on renewing its tokens, and the cards it shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from connector.columns import UtcDateTime
from connector.models import Base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("oauth_state", "shown_card")


def upgrade() -> None:
    """Make the change, where it lacks: 0001 makes whatever tables the models name, these included by now."""
    database = op.get_bind()
    present = sa.inspect(database)
    if "renewing_until" not in {column["name"] for column in present.get_columns("connection")}:
        op.add_column("connection", sa.Column("renewing_until", UtcDateTime(), nullable=True))
    Base.metadata.create_all(
        database, tables=[Base.metadata.tables[name] for name in TABLES if not present.has_table(name)]
    )


def downgrade() -> None:
    """Take the change back."""
    for name in TABLES:
        op.drop_table(name)
    with op.batch_alter_table("connection") as table:
        table.drop_column("renewing_until")
