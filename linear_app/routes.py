"""The address that Linear calls."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, Unauthorized

from connector.core import Core
from connector.json_body import NotJson
from connector.telemetry import logger
from linear_app.organizations import Organizations
from linear_app.signature import SignatureRefused
from linear_app.webhooks import WEBHOOKS, accept_webhook


def blueprint(core: Core, organizations: Organizations) -> Blueprint:
    """Return every route that Linear itself calls; people come in through web.pages."""
    routes = Blueprint("linear", __name__)

    @routes.post("/linear/webhooks")
    def webhooks() -> Response:
        """Put a delivery on disk; everything else happens later. Linear takes nothing but 200 for an answer."""
        try:
            accept_webhook(core, organizations, request)
        except SignatureRefused as refusal:
            WEBHOOKS.labels(refusal.reason).inc()
            logger.warning("linear_webhook_refused", reason=refusal.reason)
            raise Unauthorized("This delivery is not signed with a secret that Ladder knows.") from None
        except NotJson as error:
            WEBHOOKS.labels(error.reason).inc()
            raise BadRequest(str(error)) from None
        return Response(status=200)

    return routes
