"""What is answered when a caller cannot prove who they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter
from werkzeug.exceptions import Unauthorized

from connector.telemetry import logger

REFUSED = Counter("ladder_jira_tokens_refused", "Calls from Jira that proved nothing, by reason.", ["kind", "reason"])


class TokenRefused(Unauthorized):
    """The caller's token proves nothing (401). `reason` goes to our log and metrics; the caller is told no details."""

    description = "This request carries no token that Ladder accepts."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


@contextmanager
def refusals_told(kind: str) -> Iterator[None]:
    """Log and count a TokenRefused on its way out."""
    try:
        yield
    except TokenRefused as refusal:
        REFUSED.labels(kind, refusal.reason).inc()
        logger.warning("token_refused", kind=kind, reason=refusal.reason)
        raise
