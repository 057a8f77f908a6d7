"""Who sent a webhook: Linear's signature over the raw body, and how old the delivery says it is.

https://linear.app/developers/webhooks#securing-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

# A signed delivery older than this may be a replay by somebody who read it once.
FRESH_FOR = timedelta(seconds=60)


class SignatureRefused(Exception):
    """The body was not signed with one of our secrets; `reason` tells the log which check failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_present(secrets: Sequence[str], signature: str | None) -> str:
    """Return the signature that came along; raises SignatureRefused when there is none, or nothing to check it with."""
    if not secrets:
        raise SignatureRefused("no_secret_configured")
    if not signature:
        raise SignatureRefused("signature_missing")
    return signature


def check_signature(secrets: Sequence[str], body: bytes, signature: str | None) -> None:
    """Raise SignatureRefused unless `signature` is the hex HMAC-SHA256 of the raw body under one of the secrets.

    Over the raw bytes: re-serialised JSON differs, and a parser that forgives would check another body than it reads.
    Every secret is compared in constant time, so that an answer's delay tells nothing about a signature (timing).
    """
    given = check_present(secrets, signature).encode("utf-8", "replace")
    matches = [hmac.compare_digest(given, sign(secret, body).encode()) for secret in secrets]
    if not any(matches):
        raise SignatureRefused("signature_wrong")


def sign(secret: str, body: bytes) -> str:
    """Return the signature as Linear sends it: lower-case hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_fresh(body: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a signed delivery was sent within the last minute, by the time inside the signed body.

    Only for genuine bodies. A stale one may be a replay: it is no proof of anything but that the entity is worth
    reading again.
    """
    stamp = body.get("webhookTimestamp")
    # Linear's own verifier takes nothing but milliseconds for a time here, so neither do we.
    sent = moment(stamp) if isinstance(stamp, int | float) else None
    return sent is not None and abs(now - sent) <= FRESH_FOR


def moment(value: object) -> datetime | None:
    """Return a moment that Linear wrote as milliseconds since 1970 or as ISO 8601; None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None
    return None
