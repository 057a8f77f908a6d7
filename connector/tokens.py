"""Programs' keys to the API: made once, shown once, kept only as a hash, revocable."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.errors import Conflict, NotFound
from connector.goals import scope
from connector.models import ApiToken, Workspace

# Lets people and secret scanners tell what a leaked string is for.
PREFIX = "ladder_"
LONGEST_NAME = 120
# "Last used" is for spotting tokens that nobody needs; a write for every request would be a high price for it.
LAST_USED_EVERY = timedelta(minutes=10)


def hash_of(secret: str) -> str:
    """Return what is stored instead of a token or one-time link.

    Plain SHA-256: the secret is 256 random bits, so there is nothing to guess that a slow hash would protect.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(session: Session, workspace_id: str, name: str) -> tuple[ApiToken, str]:
    """Make a token and return its row with the secret, which cannot be shown again. Raises Invalid."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        workspace_id=workspace_id, name=scope.clean_line(name, "name", LONGEST_NAME), token_hash=hash_of(secret)
    )
    session.add(token)
    session.flush()
    return token, secret


def revoke_token(session: Session, workspace_id: str, token_id: str, *, now: datetime) -> None:
    """Make a token useless from now on; revoking twice is fine. Raises NotFound."""
    token = session.scalars(
        select(ApiToken).where(ApiToken.id == token_id, ApiToken.workspace_id == workspace_id)
    ).one_or_none()
    if token is None:
        raise NotFound("There is no such token.")
    token.revoked_at = token.revoked_at or now
    session.flush()


def list_tokens(session: Session, workspace_id: str) -> list[ApiToken]:
    """Return the workspace's tokens, newest first, revoked ones included."""
    query = select(ApiToken).where(ApiToken.workspace_id == workspace_id)
    return list(session.scalars(query.order_by(ApiToken.created_at.desc(), ApiToken.id)))


def token_of(session: Session, secret: str) -> ApiToken | None:
    """Return the live token for a secret; None when it is unknown or revoked.

    Looked up by hash, so the time that it takes tells nothing about how much of a guess was right (timing attack).
    """
    token = session.scalars(select(ApiToken).where(ApiToken.token_hash == hash_of(secret))).one_or_none()
    return None if token is None or token.revoked_at is not None else token


def needs_noting(token: ApiToken, now: datetime) -> bool:
    """Tell whether `last_used_at` is old enough to be written again."""
    return token.last_used_at is None or now - token.last_used_at >= LAST_USED_EVERY


def note_use(session: Session, token_id: str, now: datetime) -> None:
    """Remember that a token is in use."""
    token = session.get(ApiToken, token_id)
    if token is not None:
        token.last_used_at = now


def workspace_for_token(session: Session, name: str | None = None) -> Workspace:
    """Return the workspace that a command on the command line means: the named one, or the only one.

    Raises NotFound, or Conflict(`which_workspace`) when there are several and none was named.
    """
    query = select(Workspace).order_by(Workspace.created_at, Workspace.id)
    if name:
        query = query.where((Workspace.id == name) | (Workspace.name == name))
    found = list(session.scalars(query.limit(2)))
    if not found:
        raise NotFound("There is no such workspace." if name else "There is no workspace yet.")
    if len(found) > 1:
        raise Conflict("There are several workspaces; name one by its id.", "which_workspace")
    return found[0]
