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
# Errands of a workspace that must be connected again are not even tried before; this is for the one that found out.
RETRY_AFTER = timedelta(minutes=1)


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

        Raises TrackerUnavailable (it must be connected again, or no good token and Linear does not answer) and
        TrackerRefused (uninstalled).
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
        """Return the row's tokens.

        Raises TrackerUnavailable while it must be connected again, TrackerRefused when it was uninstalled or its tokens
        can't be read.
        """
        if connection.state == "reconnect_needed":
            raise _waiting(connection.trouble or "Linear must be connected again")
        if connection.state != "active" or not connection.credential:
            raise TrackerRefused("Ladder is not installed in this Linear workspace")
        try:
            kept = self._vault.open(connection.tenant_key, CREDENTIAL, connection.credential)
        except SealBroken as error:
            raise TrackerRefused(f"the workspace's tokens can't be read: {error}") from None
        return Tokens.from_stored(json.loads(kept))

    def give_up(self, connection_id: str, why: str) -> None:
        """Note that Linear takes no token of this workspace any more: somebody must connect it again."""
        kept = self._read(connection_id)
        self._mark_dead(connection_id, kept, why)

    def _read(self, connection_id: str) -> Tokens:
        with self._database.reading() as session:
            return self.open(session.get_one(Connection, connection_id))

    def _renew(self, connection_id: str, known: Tokens, *, rejected: bool = False) -> str:
        lease = self._lease(connection_id, known)
        if isinstance(lease, str):
            return lease
        # Read again under the lease: it may have been renewed between our reading and our turn.
        kept = self._read(connection_id)
        if kept.access != known.access:
            self._release(connection_id, lease)
            return kept.access
        try:
            if kept.refresh is None:
                raise GrantRefused("it gave no refresh token")
            fresh = self._oauth.refresh(kept.refresh, self._clock())
        except GrantRefused as error:
            self._mark_dead(connection_id, kept, str(error))
            # What waits for this workspace goes on waiting, until it is connected again.
            raise _waiting(f"Linear must be connected again: {error}") from None
        except TrackerUnavailable:
            self._release(connection_id, lease)
            if not rejected and kept.expires_at > self._clock():
                return kept.access
            raise
        # Stored before it is used: a token that only memory knew would be lost with the process.
        with self._database.writing() as session:
            row = session.get_one(Connection, connection_id, with_for_update=True)
            if row.state == "active":
                refresh, scope = fresh.refresh or kept.refresh, fresh.scope or kept.scope
                self.seal(row, Tokens(fresh.access, refresh, fresh.expires_at, scope))
            row.renewing_until = None
        logger.info("linear_token_renewed", connection=connection_id)
        return fresh.access

    def _lease(self, connection_id: str, known: Tokens) -> datetime | str:
        """Return until when we alone may renew, or the token that somebody else got meanwhile."""
        for _ in range(int(LEASE.total_seconds() / POLL_SECONDS) + 1):
            lease = self._take_lease(connection_id)
            if lease is not None:
                return lease
            self._sleep(POLL_SECONDS)
            kept = self._read(connection_id)
            if kept.access != known.access:
                return kept.access
        raise TrackerUnavailable("Linear's token is being renewed elsewhere and did not arrive")

    def _take_lease(self, connection_id: str) -> datetime | None:
        now = self._clock()
        with self._database.writing() as session:
            taken = session.execute(
                update(Connection)
                .where(Connection.id == connection_id)
                .where(or_(Connection.renewing_until.is_(None), Connection.renewing_until < now))
                .values(renewing_until=now + LEASE)
                .returning(Connection.id)
            )
            return now + LEASE if taken.first() is not None else None

    def _release(self, connection_id: str, lease: datetime) -> None:
        """Let others renew; a lease that ran out may be somebody else's by now, and is left alone."""
        with self._database.writing() as session:
            session.execute(
                update(Connection)
                .where(Connection.id == connection_id, Connection.renewing_until == lease)
                .values(renewing_until=None)
            )

    def _mark_dead(self, connection_id: str, kept: Tokens, why: str) -> None:
        with self._database.writing() as session:
            row = session.get_one(Connection, connection_id, with_for_update=True)
            # Somebody may have connected it again while Linear refused the old tokens.
            if row.state != "active" or self.open(row).access != kept.access:
                return
            row.state, row.trouble, row.renewing_until = "reconnect_needed", f"Linear refused: {why}", None
        logger.warning("linear_reconnect_needed", connection=connection_id, why=why)


def _waiting(message: str) -> TrackerUnavailable:
    return TrackerUnavailable(message, RETRY_AFTER.total_seconds())
