"""What a link must fulfil, whoever makes it and however many at once."""

from __future__ import annotations

from fractions import Fraction

from sqlalchemy.orm import Session

from connector.models import KeyResult

# A weight says how much a link counts beside the others; more than this is a typing mistake, and would make the exact
# sums needlessly long.
HEAVIEST = Fraction(1_000)
# Weights and declared changes are typed by people: a few decimals, not an arbitrary fraction.
FINEST_DENOMINATOR = 10_000


class LinkRefused(Exception):
    """The link cannot be made or changed; `reason` is the code, the message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_key_result(session: Session, workspace_id: str, key_result_id: str) -> KeyResult:
    """Return a key result that may still change; raises LinkRefused: unknown_key_result, key_result_closed."""
    key_result = session.get(KeyResult, key_result_id)
    if key_result is None or key_result.workspace_id != workspace_id:
        raise LinkRefused("unknown_key_result", "There is no such key result.")
    if key_result.state != "open":
        raise LinkRefused("key_result_closed", f"“{key_result.title}” is closed; its links can't change any more.")
    return key_result


def check_weight(weight: Fraction) -> None:
    """Raise LinkRefused (bad_weight) unless the weight is from 0 to 1,000 with at most four decimals."""
    if not 0 <= weight <= HEAVIEST or FINEST_DENOMINATOR % weight.denominator:
        raise LinkRefused("bad_weight", "A weight is a number from 0 to 1000, with at most four decimals.")
