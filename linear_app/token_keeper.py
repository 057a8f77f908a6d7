"""The access token of a connected workspace: fresh when asked for, refreshed by one process at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import or_, update

from connector.core import Services
from connector.models import Connection
from connector.telemetry import logger
from connector.tracker import TrackerRefused, TrackerUnavailable
from connector.vault import SealBroken
from linear_app.oauth import GrantRefused, LinearOAuth, Tokens

TRACKER_NAME = "linear"
CREDENTIAL = "connection.credential"
# A token is renewed this long before it ends, so that none dies in the middle of a request.
EARLY = timedelta(minutes=5)
# Longer than the call that it guards can take. A process that dies in it leaves the old refresh token, which Linear
# takes again for 30 minutes, so nothing is lost when the lease runs out.
LEASE = timedelta(seconds=30)
POLL_SECONDS = 0.1


class TokenKeeper:
    """Gives out access tokens and keeps the rotating pair; the lock is a lease in the connection's row, because a
    transaction held open during a call to Linear would keep every other writer waiting."""

    def __init__(self, services: Services, oauth: LinearOAuth, sleep: Callable[[float], None] = time.sleep) -> None:
        self._database = services.database
        self._vault = services.vault
        self._clock = services.clock
        self._oauth = oauth
        self._sleep = sleep

    def access_token(self, connection_id: str) -> str:
        """Return a token that is good for at least some minutes.

        Raises TrackerRefused (reconnect needed), TrackerUnavailable (no good token and Linear does not answer).
        """
        kept = self._read(connection_id)
        if kept.expires_at - EARLY > self._clock():
            return kept.access
        return self._renew(connection_id, kept)

    def renewed(self, connection_id: str, rejected: str) -> str:
        """Return another token than the one that Linear has just rejected; raises as `access_token`."""
        kept = self._read(connection_id)
        if kept.access != rejected:
            return kept.access
        return self._renew(connection_id, kept, rejected=True)

    def seal(self, connection: Connection, tokens: Tokens) -> None:
        """Put a pair of tokens into the row (the caller commits)."""
        connection.credential = self._vault.seal(connection.tenant_key, CREDENTIAL, json.dumps(tokens.as_stored()))

    def open(self, connection: Connection) -> Tokens:
        """Return the row's tokens; raises TrackerRefused when there are none, or they can't be read."""
        if connection.state == "reconnect_needed":
            raise TrackerRefused(connection.trouble or "Linear must be connected again")
        if connection.state != "active" or not connection.credential:
            raise TrackerRefused("Ladder is not installed in this Linear workspace")
        try:
            kept = self._vault.open(connection.tenant_key, CREDENTIAL, connection.credential)
        except SealBroken as error:
            raise TrackerRefused(f"the workspace's tokens can't be read: {error}") from None
        return Tokens.from_stored(json.loads(kept))

    def _read(self, connection_id: str) -> Tokens:
        with self._database.reading() as session:
            return self.open(session.get_one(Connection, connection_id))

    def _renew(self, connection_id: str, known: Tokens, *, rejected: bool = False) -> str:
        patience = int(LEASE.total_seconds() / POLL_SECONDS)
        for _ in range(patience):
            if self._take_lease(connection_id):
                break
            # Somebody else is at it; what they get serves us too.
            self._sleep(POLL_SECONDS)
            now_kept = self._read(connection_id)
            if now_kept.access != known.access:
                return now_kept.access
        else:
            raise TrackerUnavailable("Linear's token is being renewed elsewhere and did not arrive")
        # Read again under the lease: it may have been renewed between our reading and our turn.
        try:
            kept = self._read(connection_id)
            if kept.access != known.access:
                self._release(connection_id)
                return kept.access
            if kept.refresh is None:
                raise GrantRefused("Linear gave no refresh token")
            fresh = self._oauth.refresh(kept.refresh, self._clock())
        except GrantRefused as error:
            self._mark_dead(connection_id, str(error))
            raise TrackerRefused(f"Linear must be connected again: {error}") from None
        except TrackerUnavailable:
            self._release(connection_id)
            if not rejected and known.expires_at > self._clock():
                return known.access
            raise
        # Stored before it is used: a token that only memory knew would be lost with the process.
        with self._database.writing() as session:
            row = session.get_one(Connection, connection_id)
            self.seal(
                row, Tokens(fresh.access, fresh.refresh or kept.refresh, fresh.expires_at, fresh.scope or kept.scope)
            )
            row.renewing_until = None
        logger.info("linear_token_renewed", connection=connection_id)
        return fresh.access

    def _take_lease(self, connection_id: str) -> bool:
        now: datetime = self._clock()
        with self._database.writing() as session:
            taken = session.execute(
                update(Connection)
                .where(Connection.id == connection_id)
                .where(or_(Connection.renewing_until.is_(None), Connection.renewing_until < now))
                .values(renewing_until=now + LEASE)
                .returning(Connection.id)
            )
            return taken.first() is not None

    def _release(self, connection_id: str) -> None:
        with self._database.writing() as session:
            session.get_one(Connection, connection_id).renewing_until = None

    def _mark_dead(self, connection_id: str, why: str) -> None:
        with self._database.writing() as session:
            row = session.get_one(Connection, connection_id)
            row.state, row.trouble, row.renewing_until = "reconnect_needed", f"Linear refused: {why}", None
        logger.warning("linear_reconnect_needed", connection=connection_id, why=why)
