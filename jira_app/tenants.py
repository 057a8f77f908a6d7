"""Who a Connect token may come from: installed sites by client key, with the secrets that they sign with."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ServiceUnavailable

from connector.core import Services
from connector.models import Connection
from connector.telemetry import logger
from connector.vault import SealBroken
from jira_app.sealing import open_secret

TRACKER_NAME = "jira"
# Seconds for which a site is taken from memory. Webhooks come in bursts; this keeps SQL out of their path, and is
# short enough for an uninstall done in another process to be noticed while Jira still shows its spinner.
REMEMBERED_FOR = 2.0
# Names that we do not know are not remembered at all, so forged ones can't push out real ones.
REMEMBERED_SITES = 1000


@dataclass(frozen=True, slots=True)
class Tenant:
    """An installed site. `secrets`: the current one first; the previous one as long as its grace lasts."""

    connection: Connection
    secrets: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port of the site, the only page that may frame ours."""
        parts = urlsplit(self.connection.site)
        return f"{parts.scheme}://{parts.netloc}"


class Tenants:
    """Finds a tenant by client key; remembers it for a moment."""

    def __init__(self, services: Services, ticks: Callable[[], float] = time.monotonic) -> None:
        self._database = services.database
        self._vault = services.vault
        self._clock = services.clock
        self._ticks = ticks
        self._remembered: OrderedDict[str, tuple[float, Tenant]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, client_key: str) -> Tenant | None:
        """Return the installed site with this client key, from memory if it was read a moment ago."""
        known = self._remembered.get(client_key)
        if known and known[0] > self._ticks():
            return known[1]
        return self.read(client_key)

    def read(self, client_key: str) -> Tenant | None:
        """Return the site as the database has it now; None if unknown or uninstalled.

        Raises ServiceUnavailable (503) without a database: an answer of 401 would be final, and lose a webhook.
        """
        try:
            connection = self._stored(client_key)
        except SQLAlchemyError as error:
            logger.error("tenant_unreadable", problem=type(error).__name__)
            raise ServiceUnavailable("The database can't be read now.") from None
        secrets = self._secrets(connection) if connection is not None else ()
        if connection is None or not secrets:
            self.forget(client_key)
            return None
        tenant = Tenant(connection=connection, secrets=secrets)
        with self._lock:
            self._remembered[client_key] = (self._ticks() + REMEMBERED_FOR, tenant)
            self._remembered.move_to_end(client_key)
            while len(self._remembered) > REMEMBERED_SITES:
                self._remembered.popitem(last=False)
        return tenant

    def _stored(self, client_key: str) -> Connection | None:
        installed = select(Connection).where(
            Connection.tracker == TRACKER_NAME,
            Connection.tenant_key == client_key,
            Connection.state != "uninstalled",
        )
        with self._database.reading() as session:
            connection = session.scalars(installed).one_or_none()
            session.expunge_all()
            return connection

    def forget(self, client_key: str) -> None:
        """Drop a site from memory: it was installed again, or uninstalled."""
        with self._lock:
            self._remembered.pop(client_key, None)

    def _secrets(self, connection: Connection) -> tuple[str, ...]:
        sealed = [connection.credential]
        if _still(connection.previous_credential_until, self._clock()):
            sealed.append(connection.previous_credential)
        try:
            return tuple(open_secret(self._vault, connection, one) for one in sealed if one)
        except SealBroken as error:
            # The operator lost a key. Nobody can prove to be this site until it is installed again.
            logger.error("secret_unreadable", connection=connection.id, reason=error.reason)
            return ()


def _still(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now
