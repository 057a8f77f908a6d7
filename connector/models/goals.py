"""Goals and the people who answer for them: workspace, cycle, team, person, objective, key result, check-in."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from connector.columns import Exact
from connector.models.base import Base, Identified, utcnow

KEY_RESULT_KINDS = (
    "metric",
    "maintain",
    "milestone",
    "issue_ratio",
    "issue_count",
    "query_metric",
    "issue_delta",
)
TEAM_LEVELS = ("company", "department", "team")


class Workspace(Identified, Base):
    """One organisation: its goals, its calendar's time zone, and the trackers connected to it."""

    __tablename__ = "workspace"

    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")


class Person(Identified, Base):
    """Somebody who drives, owns or edits goals. `role` is admin, member or viewer."""

    __tablename__ = "person"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    role: Mapped[str] = mapped_column(String(16), default="member")
    accounts: Mapped[list[Account]] = relationship(
        back_populates="person", cascade="all, delete-orphan", lazy="selectin"
    )


class Account(Base):
    """A person's identity in one tracker."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("workspace_id", "tracker", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    tracker: Mapped[str] = mapped_column(String(32))
    account_id: Mapped[str] = mapped_column(String(128))
    person: Mapped[Person] = relationship(back_populates="accounts")


class Team(Identified, Base):
    """A company, department or team that holds objectives."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(16), default="team")
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("team.id", ondelete="SET NULL"))
    parent: Mapped[Team | None] = relationship(remote_side="Team.id")


class Cycle(Identified, Base):
    """A stretch of the organisation's one calendar (a quarter, a year), both days included. `state`: open, closed."""

    __tablename__ = "cycle"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(16), default="open")


objective_co_owner = Table(
    "objective_co_owner",
    Base.metadata,
    Column("objective_id", ForeignKey("objective.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
)


class Objective(Identified, Base):
    """An outcome that a team wants in a cycle; `parent` is what it ladders into. `state`: open, closed."""

    __tablename__ = "objective"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(400))
    cycle_id: Mapped[str] = mapped_column(ForeignKey("cycle.id"), index=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("team.id"), index=True)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("objective.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(String(16), default="open")
    cycle: Mapped[Cycle] = relationship()
    team: Mapped[Team] = relationship()
    owner: Mapped[Person | None] = relationship()
    co_owners: Mapped[list[Person]] = relationship(secondary=objective_co_owner)
    parent: Mapped[Objective | None] = relationship(remote_side="Objective.id")
    key_results: Mapped[list[KeyResult]] = relationship(
        back_populates="objective", cascade="all, delete-orphan", order_by="KeyResult.created_at, KeyResult.id"
    )


class KeyResult(Identified, Base):
    """How one knows that the objective is reached: definition and the driver's word. `state`: open, closed.

    The running work sums live in `WorkProgress`, so that a webhook never collides with somebody's edit (`version`).
    `status` is the driver's word: green, yellow, red or null. `settings` holds what only some kinds need:
    `band` [lo, hi] and `maintain_by` (average|latest|minimum), `checkpoints` [[value, progress], ...],
    `query` {connection_id, text, aggregate, field}; exact numbers are kept in it as text.
    """

    __tablename__ = "key_result"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    objective_id: Mapped[str] = mapped_column(ForeignKey("objective.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(400))
    kind: Mapped[str] = mapped_column(String(16), default="metric")
    driver_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    unit: Mapped[str] = mapped_column(String(40), default="")
    baseline: Mapped[Fraction | None] = mapped_column(Exact)
    target: Mapped[Fraction | None] = mapped_column(Exact)
    value: Mapped[Fraction | None] = mapped_column(Exact)
    weight: Mapped[Fraction] = mapped_column(Exact, default=Fraction(1))
    due_on: Mapped[date | None]
    state: Mapped[str] = mapped_column(String(16), default="open")
    status: Mapped[str | None] = mapped_column(String(16))
    plan: Mapped[str | None] = mapped_column(Text)
    confidence: Mapped[Fraction | None] = mapped_column(Exact)
    last_check_in_at: Mapped[datetime | None]
    size_by: Mapped[str] = mapped_column(String(16), default="count")
    started_credit: Mapped[Fraction] = mapped_column(Exact, default=Fraction(0))
    unestimated: Mapped[str] = mapped_column(String(16), default="one")
    sub_task_credit: Mapped[bool] = mapped_column(Boolean, default=False)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    objective: Mapped[Objective] = relationship(back_populates="key_results")
    driver: Mapped[Person] = relationship()


class Milestone(Identified, Base):
    """A weighed step of a key result of kind `milestone`; finished once `finished_at` is set."""

    __tablename__ = "milestone"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(400))
    weight: Mapped[Fraction] = mapped_column(Exact, default=Fraction(1))
    finished_at: Mapped[datetime | None]


class CheckIn(Identified, Base):
    """The driver's answers at one moment; `value` is the metric's measured value, if one was given.

    `value` without answers is a measurement pushed through the API or read by a query (`source`: person, api, query).
    """

    __tablename__ = "check_in"
    __table_args__ = (Index("ix_check_in_key_result_id_at", "key_result_id", "at"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key_result_id: Mapped[str] = mapped_column(ForeignKey("key_result.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(default=utcnow)
    by_id: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"))
    source: Mapped[str] = mapped_column(String(16), default="person")
    value: Mapped[Fraction | None] = mapped_column(Exact)
    confidence: Mapped[Fraction | None] = mapped_column(Exact)
    status: Mapped[str | None] = mapped_column(String(16))
    changed: Mapped[str] = mapped_column(Text, default="")
    working: Mapped[str] = mapped_column(Text, default="")
    stuck: Mapped[str] = mapped_column(Text, default="")
    next: Mapped[str] = mapped_column(Text, default="")
    need: Mapped[str] = mapped_column(Text, default="")
    plan: Mapped[str] = mapped_column(Text, default="")
