"""How much of the hour's allowance is left: Linear counts requests and points, and says so in every answer.

https://linear.app/developers/rate-limiting
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

PREFIX = "x-ratelimit-"
# Below this share of an allowance background work pauses by itself, so that people's clicks still get through.
RESERVE = 0.02
# Seconds. Without any hint; and what is taken for a mistake, since allowances are by the hour.
DEFAULT_WAIT = 60.0
LONGEST_WAIT = 3700.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """One of the budgets: its size, what is left of it, and in how many seconds it is full again."""

    limit: float
    remaining: float
    full_in: float


class Budget:
    """Remembers until when background work should rest. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rest_until = 0.0

    def note(self, headers: Mapping[str, str]) -> None:
        """Read the headers of an answer."""
        low = [one.full_in for one in self._allowances(headers) if one.remaining < one.limit * RESERVE]
        if low:
            self._rest_until = self._clock() + min(max(low), LONGEST_WAIT)

    def rest(self) -> float:
        """Return for how many seconds nothing should be asked in the background."""
        return max(0.0, self._rest_until - self._clock())

    def wait(self, headers: Mapping[str, str]) -> float:
        """Return how many seconds to wait after a refusal: until every allowance that is spent is full again."""
        allowances = self._allowances(headers)
        spent = [one.full_in for one in allowances if one.remaining < 1] or [one.full_in for one in allowances]
        told = _number(_lowered(headers).get("retry-after"))
        waits = [wait for wait in (*spent, told or 0.0) if wait > 0]
        return min(max(waits, default=DEFAULT_WAIT), LONGEST_WAIT)

    def _allowances(self, headers: Mapping[str, str]) -> list[Allowance]:
        found: list[Allowance] = []
        said = _lowered(headers)
        for name in said:
            if not (name.startswith(PREFIX) and name.endswith("-reset")):
                continue
            kind = name.removesuffix("-reset")
            limit, remaining, reset = (_number(said.get(f"{kind}-{part}")) for part in ("limit", "remaining", "reset"))
            if limit is not None and remaining is not None and reset is not None:
                # The reset is in milliseconds since 1970.
                found.append(Allowance(limit, remaining, reset / 1000 - self._clock()))
        return found


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
