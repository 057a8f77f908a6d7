"""Accepting a webhook: verify, store, answer within Linear's five seconds.

https://linear.app/developers/webhooks
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Request
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ServiceUnavailable

from connector.core import Core
from connector.inbox import InboxUnavailable
from connector.json_body import read_body, read_object, refuse_by_length
from connector.models import Connection
from connector.telemetry import logger
from linear_app.arrival import take_note
from linear_app.organizations import Organizations
from linear_app.payloads import HANDLED_ON_ARRIVAL, STALE, kind_of
from linear_app.signature import check_present, check_signature, is_fresh

# Bytes.
LARGEST_BODY = 1024 * 1024
WEBHOOKS = Counter("ladder_linear_webhooks", "Webhooks from Linear, by what became of them.", ["result"])


def accept_webhook(core: Core, organizations: Organizations, request: Request) -> None:
    """Store a delivery durably, once.

    Raises SignatureRefused (401), RequestEntityTooLarge (413), NotJson (400), ServiceUnavailable (503): nothing is
    stored then. A delivery for an organization that we do not know is counted and dropped: it was uninstalled, or
    never finished installing, and refusing would only make Linear switch the webhook off for everybody.
    """
    refuse_by_length(request, LARGEST_BODY)
    secrets = core.settings.linear_webhook_secrets
    # Before the body is read, so that nobody makes us take in a megabyte for nothing.
    signature = check_present(secrets, request.headers.get("Linear-Signature"))
    body = read_body(request, LARGEST_BODY)
    check_signature(secrets, body, signature)
    said = read_object(body)
    organization = said.get("organizationId")
    connection = organizations.find(organization) if isinstance(organization, str) else None
    if connection is None:
        WEBHOOKS.labels("unknown_organization").inc()
        logger.info("linear_organization_unknown", kind=kind_of(said))
        return
    fresh = is_fresh(said, core.clock())
    WEBHOOKS.labels("fresh" if fresh else "stale").inc()
    if said.get("type") in HANDLED_ON_ARRIVAL:
        _take_note(core, connection, said, fresh=fresh)
        organizations.forget(connection.tenant_key)
    # Stable across retries; `webhookId` names the subscription and is the same in every delivery.
    key = request.headers.get("Linear-Delivery") or f"sha256:{hashlib.sha256(body).hexdigest()}"
    try:
        core.inbox.accept(connection.id, key, kind_of(said) + ("" if fresh else STALE), body)
    except InboxUnavailable:
        raise ServiceUnavailable("The delivery can't be stored now.") from None


def _take_note(core: Core, connection: Connection, said: Mapping[str, Any], *, fresh: bool) -> None:
    try:
        take_note(core, connection, said, fresh=fresh)
    except SQLAlchemyError as error:
        logger.error("linear_note_not_taken", problem=type(error).__name__)
        raise ServiceUnavailable("The delivery can't take effect now.") from None
