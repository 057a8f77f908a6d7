"""The first tables."""

from __future__ import annotations

from alembic import op

from connector.models import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    Base.metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Take the change back."""
    Base.metadata.drop_all(op.get_bind())
