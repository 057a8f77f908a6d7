"""Linear's budgets: requests and complexity points an hour, each with its three headers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)


@dataclass(slots=True)
class _Spent:
    since: datetime
    requests: int = 0
    points: int = 0


@dataclass
class RateLimits:
    """What one grant may spend in an hour; change the numbers to be strict or generous."""

    requests: int = 5000
    complexity: int = 2_000_000
    query_complexity: int = 10_000
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, grant_id: str, points: int, now: datetime) -> tuple[bool, dict[str, str]]:
        """Take a request and its points from the budget; tells whether there was enough, and the headers."""
        with self._lock:
            spent = self._spent.get(grant_id)
            if spent is None or now >= spent.since + WINDOW:
                spent = self._spent[grant_id] = _Spent(now)
            enough = spent.requests < self.requests and spent.points + points <= self.complexity
            if enough:
                spent.requests += 1
                spent.points += points
            return enough, self._headers(spent, points)

    def refill(self) -> None:
        """Forget what was spent."""
        with self._lock:
            self._spent.clear()

    def _headers(self, spent: _Spent, points: int) -> dict[str, str]:
        reset = str(int((spent.since + WINDOW).timestamp() * 1000))
        return {
            "X-Complexity": str(points),
            "X-RateLimit-Requests-Limit": str(self.requests),
            "X-RateLimit-Requests-Remaining": str(max(0, self.requests - spent.requests)),
            "X-RateLimit-Requests-Reset": reset,
            "X-RateLimit-Complexity-Limit": str(self.complexity),
            "X-RateLimit-Complexity-Remaining": str(max(0, self.complexity - spent.points)),
            "X-RateLimit-Complexity-Reset": reset,
        }


def exhausted(until: datetime) -> dict[str, str]:
    """The headers of an empty budget that is full again at `until`."""
    reset = str(int(until.timestamp() * 1000))
    return {
        "X-RateLimit-Requests-Remaining": "0",
        "X-RateLimit-Requests-Reset": reset,
        "X-RateLimit-Complexity-Remaining": "0",
        "X-RateLimit-Complexity-Reset": reset,
    }
