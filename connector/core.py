"""The one composition root: settings in, a working application core out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from connector.database import Database
from connector.inbox import Inbox
from connector.models import Connection, utcnow
from connector.settings import BadSettings, Settings
from connector.tracker import Tracker, registered_trackers
from connector.vault import Vault, keys_beside

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Services:
    """What a tracker is built from."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock


TrackerFactory = Callable[[Services], Tracker]


@dataclass(frozen=True, slots=True)
class Core:
    """Everything that web, worker and command line share."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    trackers: Mapping[str, Tracker]
    inbox: Inbox

    def tracker_of(self, connection: Connection) -> Tracker:
        """Return the tracker that serves this connection; raises KeyError if its package is not installed."""
        return self.trackers[connection.tracker]

    def close(self) -> None:
        """Let go of threads and pooled connections."""
        self.inbox.close()
        self.database.close()


def build_core(
    settings: Settings, *, trackers: Mapping[str, TrackerFactory] | None = None, clock: Clock = utcnow
) -> Core:
    """Build the core; `trackers` (name -> factory) replaces what is registered, for tests.

    Raises BadSettings when secrets cannot be kept: a shared database without LADDER_SECRET_KEYS.
    """
    database = Database(settings.effective_database_url)
    keys = list(settings.secret_keys)
    if not keys:
        if settings.sqlite_path is None:
            raise BadSettings("LADDER_SECRET_KEYS: required when the database is not SQLite")
        keys = keys_beside(settings.sqlite_path)
    services = Services(settings=settings, database=database, vault=Vault(keys), clock=clock)
    factories = registered_trackers() if trackers is None else trackers
    return Core(
        settings=settings,
        database=database,
        vault=services.vault,
        clock=clock,
        trackers={name: factory(services) for name, factory in sorted(factories.items())},
        inbox=Inbox(database, clock),
    )
