"""Accepting a webhook: verify, store, answer. Nothing is read from the database on the way."""

from __future__ import annotations

import hashlib

from flask import Request
from werkzeug.exceptions import ServiceUnavailable

from connector.core import Core
from connector.inbox import InboxUnavailable
from connector.json_body import read_body, read_object, refuse_by_length
from jira_app.payloads import ECHO, kind_of
from jira_app.tenants import Tenants
from jira_app.tokens import verified_webhook
from jira_app.trace import is_ours

# Bytes. Jira cuts its bodies off well below.
LARGEST_BODY = 1024 * 1024


def accept_webhook(core: Core, tenants: Tenants, request: Request) -> None:
    """Store a delivery durably, once.

    Raises TokenRefused (401), RequestEntityTooLarge (413), NotJson (400), ServiceUnavailable (503): nothing is stored
    then, and Jira sends again after a 503. The token does not cover the body; it proves who sends.
    """
    refuse_by_length(request, LARGEST_BODY)
    tenant = verified_webhook(tenants, core.settings.base_url, request)
    body = read_body(request, LARGEST_BODY)
    kind = kind_of(read_object(body))
    if is_ours(request.headers.get("X-Atlassian-Webhook-Trace", "")):
        kind += ECHO
    # Unique per site and the same in every retry; what comes without one is known by its content.
    key = request.headers.get("X-Atlassian-Webhook-Identifier") or f"sha256:{hashlib.sha256(body).hexdigest()}"
    try:
        core.inbox.accept(tenant.connection.id, key, kind, body)
    except InboxUnavailable:
        raise ServiceUnavailable("The delivery can't be stored now.") from None
