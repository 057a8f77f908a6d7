"""What comes in and what must go out: inbox, outbox; and what lets people and programs in: tokens, sign-in links."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from connector.models.base import Base, Identified, utcnow
from connector.models.work import RowNumber


class InboxEntry(Base):
    """One accepted delivery, raw. Unique per connection and delivery key, so a repeated delivery is stored once.

    `state`: waiting, done, failed. `due_at` doubles as the lease: a claimed row's due time lies in the future, and
    falls due again by itself if the worker dies. `outcome`: handled, ignored:<reason>, unsupported:<what>, late.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("connection_id", "delivery_key"),
        Index("ix_inbox_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    delivery_key: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(64), default="")
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(default=utcnow)
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    due_at: Mapped[datetime] = mapped_column(default=utcnow)
    attempts: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str | None] = mapped_column(String(200))
    finished_at: Mapped[datetime | None]


class OutboxEntry(Base):
    """One thing to do at a tracker: `kind` fetch_issue, fetch_subtree, confirm_link, show_status.

    `subject` makes it idempotent: at most one waiting row per connection, kind and subject. `state`: waiting, done,
    buried (after the last try, with its reason in `trouble`, replayable).
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_due_at", "state", "due_at"),
        UniqueConstraint("connection_id", "kind", "subject"),
    )

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(128))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Grows whenever the same thing is asked for again, so that a request arriving mid-delivery is not lost.
    generation: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    due_at: Mapped[datetime] = mapped_column(default=utcnow)
    attempts: Mapped[int] = mapped_column(default=0)
    trouble: Mapped[str | None] = mapped_column(Text)


class ApiToken(Identified, Base):
    """A program's key to the API; only its SHA-256 is kept."""

    __tablename__ = "api_token"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInLink(Identified, Base):
    """A one-time way in to the pages; only its SHA-256 is kept. Without a person it makes the first admin."""

    __tablename__ = "sign_in_link"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OAuthState(Identified, Base):
    """One way to a tracker's consent page and back, usable once, by the browser that began it.

    `state_hash` is over the state in the address and the browser's own cookie together. `purpose`: install or sign_in.
    `verifier` is PKCE's, sealed.
    """

    __tablename__ = "oauth_state"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(16))
    state_hash: Mapped[str] = mapped_column(String(64), unique=True)
    verifier: Mapped[str] = mapped_column(Text)
    return_to: Mapped[str] = mapped_column(Text, default="")
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class IdempotentAnswer(Base):
    """The answer already given to an `Idempotency-Key`, kept for a day so that a retried POST makes nothing twice."""

    __tablename__ = "idempotent_answer"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
