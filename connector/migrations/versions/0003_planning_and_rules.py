"""What planning needs: which issues a sprint holds, what blocks what, rules that link, and marks for searches."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Rows read and written at once, so that a large database does not have to fit into memory.
BATCH = 1_000


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "dependency",
        sa.Column("blocked_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("blocker_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["blocked_id"], ["issue.id"], name=op.f("fk_dependency_blocked_id_issue"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["blocker_id"], ["issue.id"], name=op.f("fk_dependency_blocker_id_issue"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("blocked_id", "blocker_id", name=op.f("pk_dependency")),
    )
    op.create_index(op.f("ix_dependency_blocker_id"), "dependency", ["blocker_id"], unique=False)
    op.create_table(
        "issue_due",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_issue_due_connection_id_connection"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_issue_due_issue_id_issue"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "kind", name=op.f("pk_issue_due")),
    )
    op.create_index("ix_issue_due_connection_id_kind", "issue_due", ["connection_id", "kind"], unique=False)
    op.create_table(
        "sprint_issue",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sprint", sa.String(length=64), nullable=False),
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
            name=op.f("fk_sprint_issue_connection_id_connection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_sprint_issue_issue_id_issue"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "sprint", name=op.f("pk_sprint_issue")),
    )
    op.create_index("ix_sprint_issue_connection_id_sprint", "sprint_issue", ["connection_id", "sprint"], unique=False)
    op.create_table(
        "link_rule",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("key_result_id", sa.String(length=36), nullable=False),
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=True),
        sa.Column("weight", sa.String(length=400), nullable=False),
        sa.Column("at_most", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name=op.f("fk_link_rule_connection_id_connection"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key_result_id"], ["key_result.id"], name=op.f("fk_link_rule_key_result_id_key_result"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_link_rule_workspace_id_workspace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_rule")),
    )
    op.create_index(op.f("ix_link_rule_connection_id"), "link_rule", ["connection_id"], unique=False)
    op.create_index(op.f("ix_link_rule_key_result_id"), "link_rule", ["key_result_id"], unique=False)
    op.create_index(op.f("ix_link_rule_workspace_id"), "link_rule", ["workspace_id"], unique=False)
    op.create_table(
        "rule_exception",
        sa.Column("key_result_id", sa.String(length=36), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_rule_exception_issue_id_issue"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key_result_id"],
            ["key_result.id"],
            name=op.f("fk_rule_exception_key_result_id_key_result"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_rule_exception_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key_result_id", "issue_id", name=op.f("pk_rule_exception")),
    )
    op.create_index(op.f("ix_rule_exception_issue_id"), "rule_exception", ["issue_id"], unique=False)
    op.create_table(
        "rule_match",
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issue.id"], name=op.f("fk_rule_match_issue_id_issue"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["link_rule.id"], name=op.f("fk_rule_match_rule_id_link_rule"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rule_id", "issue_id", name=op.f("pk_rule_match")),
    )
    op.create_index(op.f("ix_rule_match_issue_id"), "rule_match", ["issue_id"], unique=False)
    op.add_column("issue", sa.Column("shown_goals", sa.Text(), nullable=True))
    with op.batch_alter_table("link") as table:
        table.add_column(sa.Column("rule_id", sa.String(length=36), nullable=True))
        table.create_index(op.f("ix_link_rule_id"), ["rule_id"], unique=False)
        table.create_foreign_key(
            op.f("fk_link_rule_id_link_rule"), "link_rule", ["rule_id"], ["id"], ondelete="SET NULL"
        )
    op.add_column("sprint", sa.Column("board", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("sprint", sa.Column("board_name", sa.String(length=200), nullable=False, server_default=""))
    with op.batch_alter_table("sprint") as table:
        table.alter_column("board", server_default=None)
        table.alter_column("board_name", server_default=None)
    op.add_column("sprint", sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sprint", sa.Column("shown_link", sa.String(length=128), nullable=True))
    _index_the_sprints()


def _index_the_sprints() -> None:
    """Fill the index over the sprints that issues name already."""
    rows = op.get_bind()
    last = 0
    while True:
        batch = rows.execute(
            sa.text("SELECT id, connection_id, sprints FROM issue WHERE id > :last ORDER BY id LIMIT :batch"),
            {"last": last, "batch": BATCH},
        ).all()
        if not batch:
            return
        last = batch[-1].id
        held = [
            {"issue_id": row.id, "connection_id": row.connection_id, "sprint": str(sprint)}
            for row in batch
            for sprint in dict.fromkeys(row.sprints if isinstance(row.sprints, list) else json.loads(row.sprints))
        ]
        if held:
            insert = (
                "INSERT INTO sprint_issue (issue_id, connection_id, sprint) VALUES (:issue_id, :connection_id, :sprint)"
            )
            rows.execute(sa.text(insert), held)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("sprint") as table:
        table.drop_column("shown_link")
        table.drop_column("read_at")
        table.drop_column("board_name")
        table.drop_column("board")
    with op.batch_alter_table("link") as table:
        table.drop_constraint(op.f("fk_link_rule_id_link_rule"), type_="foreignkey")
        table.drop_index(op.f("ix_link_rule_id"))
        table.drop_column("rule_id")
    with op.batch_alter_table("issue") as table:
        table.drop_column("shown_goals")
    for name in ("rule_match", "rule_exception", "link_rule", "sprint_issue", "issue_due", "dependency"):
        op.drop_table(name)
