"""What accounts may do with issues, as Jira said a moment ago."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# Seconds. Long enough for a panel that asks every second, short enough for a right that was taken away.
REMEMBERED_FOR = 60.0
REMEMBERED = 10_000


class Rights:
    """Remembers answers of Jira's permission check, by connection, account and issue."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._remembered: OrderedDict[tuple[str, str, str], tuple[float, frozenset[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, connection_id: str, account_id: str, external_id: str) -> frozenset[str] | None:
        """Return the permissions held, None if that is not known any more."""
        known = self._remembered.get((connection_id, account_id, external_id))
        return known[1] if known and known[0] > self._ticks() else None

    def keep(self, connection_id: str, account_id: str, external_id: str, held: frozenset[str]) -> None:
        """Remember an answer."""
        with self._lock:
            self._remembered[connection_id, account_id, external_id] = (self._ticks() + REMEMBERED_FOR, held)
            self._remembered.move_to_end((connection_id, account_id, external_id))
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
