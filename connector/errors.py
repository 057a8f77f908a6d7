"""What a use case can answer instead of doing what was asked; `reason` is a stable code, also the metric label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Refusal(Exception):
    """The request was understood and is not done. The message is written for the person who asked."""

    reason = "refused"

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what was entered; `field` names the input, "" when it is none in particular."""

    reason: str
    message: str
    field: str = ""


class Invalid(Refusal):
    """What was entered cannot be kept. `faults` has every fault found, the first one is the error's own."""

    reason = "invalid"

    def __init__(self, reason: str, message: str, field: str = "", *, faults: Sequence[Fault] | None = None) -> None:
        super().__init__(message, reason)
        self.field = field
        self.faults: tuple[Fault, ...] = tuple(faults or (Fault(reason, message, field),))

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> Invalid:
        """Return one error for all of `faults` (at least one)."""
        first = faults[0]
        return cls(first.reason, first.message, first.field, faults=faults)


class NotFound(Refusal):
    """There is no such thing in this workspace. One answer for "never existed" and "belongs to somebody else"."""

    reason = "not_found"


class LostUpdate(Refusal):
    """Somebody else changed it since it was read; `current_version` is what it is at now."""

    reason = "lost_update"

    def __init__(self, current_version: int) -> None:
        super().__init__("Somebody changed this since you read it. Read it again, then repeat your change.")
        self.current_version = current_version


class Conflict(Refusal):
    """The state of things forbids it: a closed cycle, a name that is taken, something still in use."""

    reason = "conflict"


class NotAllowed(Refusal):
    """The one who asks may not do this."""

    reason = "not_allowed"
