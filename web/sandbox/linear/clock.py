"""A clock that tests can move: real time plus what it was moved by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class MovableClock:
    """Call it for the time. Whoever waits for a moment is told when the clock jumps (`on_move`)."""

    def __init__(self, real: Callable[[], datetime] = utc_now) -> None:
        self._real = real
        self._moved = timedelta()
        self._frozen: datetime | None = None
        self._listeners: list[Callable[[], None]] = []

    def __call__(self) -> datetime:
        return self._frozen if self._frozen is not None else self._real() + self._moved

    def advance(self, by: timedelta | None = None, **units: float) -> None:
        """Move on: `advance(minutes=1)`, `advance(hours=6)`, `advance(timedelta(days=1))`."""
        step = (by or timedelta()) + timedelta(**units)
        if self._frozen is not None:
            self._frozen += step
        else:
            self._moved += step
        self._tell()

    def freeze(self, moment: datetime | None = None) -> None:
        """Stand still, now or at a given moment, until `run`."""
        self._frozen = moment if moment is not None else self()
        self._tell()

    def run(self) -> None:
        """Go on from where it stands."""
        if self._frozen is not None:
            self._moved = self._frozen - self._real()
            self._frozen = None

    def catch_up(self) -> None:
        """Show real time again, whatever it was moved by."""
        self._moved, self._frozen = timedelta(), None
        self._tell()

    @property
    def ahead(self) -> timedelta:
        """By how much it differs from real time."""
        return self() - self._real()

    def on_move(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
