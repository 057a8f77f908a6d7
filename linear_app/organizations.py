"""Which connection a webhook is for: Linear names the organization, and delivers for all of them to one address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ServiceUnavailable

from connector.core import Services
from connector.models import Connection
from connector.telemetry import logger
from linear_app.token_keeper import TRACKER_NAME

# Seconds for which an organization is taken from memory: bulk edits arrive as thousands of deliveries within minutes.
REMEMBERED_FOR = 2.0
REMEMBERED = 1000


class Organizations:
    """Finds the connection of an organization; remembers it for a moment. Unknown ones are not remembered."""

    def __init__(self, services: Services, ticks: Callable[[], float] = time.monotonic) -> None:
        self._database = services.database
        self._ticks = ticks
        self._remembered: OrderedDict[str, tuple[float, Connection]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, organization_id: str) -> Connection | None:
        """Return the connection (detached), None if there is none or it was uninstalled.

        Raises ServiceUnavailable (503) without a database: Linear then sends again, an answer of 200 would lose it.
        """
        known = self._remembered.get(organization_id)
        if known and known[0] > self._ticks():
            return known[1]
        connection = self._stored(organization_id)
        with self._lock:
            self._remembered.pop(organization_id, None)
            if connection is not None:
                self._remembered[organization_id] = (self._ticks() + REMEMBERED_FOR, connection)
                while len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
        return connection

    def forget(self, organization_id: str) -> None:
        """Drop an organization from memory: it was connected again, or uninstalled."""
        with self._lock:
            self._remembered.pop(organization_id, None)

    def _stored(self, organization_id: str) -> Connection | None:
        connected = select(Connection).where(
            Connection.tracker == TRACKER_NAME,
            Connection.tenant_key == organization_id,
            Connection.state != "uninstalled",
        )
        try:
            with self._database.reading() as session:
                connection = session.scalars(connected).one_or_none()
                session.expunge_all()
                return connection
        except SQLAlchemyError as error:
            logger.error("organization_unreadable", problem=type(error).__name__)
            raise ServiceUnavailable("The database can't be read now.") from None
