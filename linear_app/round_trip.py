"""To Linear's consent page and back: a state that works once, for a few minutes, in the browser that began."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from connector.core import Core
from connector.models import OAuthState
from connector.tokens import hash_of
from connector.vault import SealBroken, Vault
from linear_app.oauth import Actor, LinearOAuth, new_verifier

Purpose = Literal["install", "sign_in"]
ACTORS: Mapping[Purpose, Actor] = {"install": "app", "sign_in": "user"}
# People read a consent page, and may have to sign in to Linear first.
VALID_FOR = timedelta(minutes=15)
COLUMN = "oauth_state.verifier"
MESSAGES = {
    "state_unknown": "This answer from Linear does not belong to anything that was begun in this browser. Begin again.",
    "pending_approval": "An admin of your Linear workspace must approve Ladder first. After that, connect again.",
    "declined": "Linear says that access was not granted. Nothing was changed.",
    "failed": "Linear could not finish this. Nothing was changed; try again.",
}


class RoundTripEnded(Exception):
    """Nobody came back with a code. `reason` is a key of MESSAGES; the message is written for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(MESSAGES[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Returned:
    """Somebody who came back: with a code, for what they had set out to do."""

    purpose: Purpose
    workspace_id: str
    person_id: str | None
    return_to: str
    code: str
    verifier: str


def begin(
    session: Session,
    oauth: LinearOAuth,
    vault: Vault,
    *,
    purpose: Purpose,
    workspace_id: str,
    browser: str,
    now: datetime,
    person_id: str | None = None,
    return_to: str = "",
) -> str:
    """Return the address of Linear's consent page. `browser` is a secret of this browser's, from a cookie."""
    session.execute(delete(OAuthState).where(OAuthState.expires_at < now - VALID_FOR))
    state, verifier = secrets.token_urlsafe(32), new_verifier()
    session.add(
        OAuthState(
            workspace_id=workspace_id,
            person_id=person_id,
            purpose=purpose,
            state_hash=_hash(state, browser),
            verifier=vault.seal(workspace_id, COLUMN, verifier),
            return_to=return_to,
            expires_at=now + VALID_FOR,
        )
    )
    session.flush()
    return oauth.authorize_url(state, verifier, ACTORS[purpose])


def come_back(core: Core, query: Mapping[str, str], *, browser: str) -> Returned:
    """Use the state of a callback up and return what it was for; raises RoundTripEnded.

    The state is looked up together with the browser's own secret: a link with somebody else's state and code would
    otherwise connect the attacker's workspace, or sign the visitor in as the attacker (login CSRF).
    """
    now = core.clock()
    with core.database.writing() as session:
        used = session.execute(
            update(OAuthState)
            .where(OAuthState.state_hash == _hash(query.get("state", ""), browser))
            .where(OAuthState.used_at.is_(None), OAuthState.expires_at > now)
            .values(used_at=now)
            .returning(OAuthState)
        ).scalar_one_or_none()
    if used is None or not browser:
        raise RoundTripEnded("state_unknown")
    code = query.get("code", "")
    if query.get("error") or not code:
        raise RoundTripEnded(_why(query))
    try:
        verifier = core.vault.open(used.workspace_id, COLUMN, used.verifier)
    except SealBroken:
        raise RoundTripEnded("state_unknown") from None
    purpose: Purpose = "install" if used.purpose == "install" else "sign_in"
    return Returned(purpose, used.workspace_id, used.person_id, used.return_to, code, verifier)


def _why(query: Mapping[str, str]) -> str:
    """Tell the three ways of coming back without a code apart, as far as Linear's words allow."""
    error = f"{query.get('error', '')} {query.get('error_description', '')}".lower()
    if "pending" in error or "approv" in error or not error.strip():
        return "pending_approval"
    return "declined" if "access_denied" in error else "failed"


def _hash(state: str, browser: str) -> str:
    return hash_of(f"{browser}:{state}")
