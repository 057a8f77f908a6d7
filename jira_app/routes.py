"""The addresses that Jira calls: descriptor, lifecycle, webhooks; and Ladder's pages inside Jira."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, Forbidden, ServiceUnavailable

from connector.core import Core, Services
from connector.json_body import NotJson, read_body, read_object, refuse_by_length
from connector.telemetry import logger
from jira_app.descriptor import app_key, descriptor
from jira_app.install_tokens import InstallKeys, InstallTokens, KeyHostsUnavailable
from jira_app.lifecycle import BadInstallation, bound_client_key, install, read_installation, uninstall
from jira_app.site_address import SiteNotAllowed
from jira_app.tenants import Tenants
from jira_app.webhooks import accept_webhook

# Bytes of a lifecycle body; real ones have about 1,000.
LARGEST_LIFECYCLE_BODY = 64 * 1024
# Parts of Ladder inside Jira, each a module here with `register(blueprint, core)`.
PAGES = ("jira_app.panel", "jira_app.goals_page", "jira_app.board")


def blueprint(core: Core, tenants: Tenants) -> Blueprint:
    """Return every route that Jira or somebody inside Jira calls."""
    routes = Blueprint("jira", __name__)
    services = Services(core.settings, core.database, core.vault, core.clock)
    tokens = InstallTokens(InstallKeys(core.settings.connect_key_hosts), core.settings.base_url)

    @routes.get("/atlassian-connect.json")
    def connect_descriptor() -> Response:
        """Tell Jira what to install."""
        return jsonify(descriptor(core.settings.base_url))

    @routes.post("/jira/installed")
    def installed() -> Response:
        """Take over a site's shared secret."""
        with _answered_in_status():
            claims, body = _lifecycle_call(tokens)
            found = read_installation(body, claims, app_key=app_key(), jira_hosts=core.settings.jira_hosts)
        install(services, found)
        tenants.forget(found.client_key)
        return Response(status=204)

    @routes.post("/jira/uninstalled")
    def uninstalled() -> Response:
        """Forget a site's shared secret."""
        with _answered_in_status():
            claims, body = _lifecycle_call(tokens)
            client_key = bound_client_key(body, claims)
        uninstall(services, client_key)
        tenants.forget(client_key)
        return Response(status=204)

    @routes.post("/jira/webhooks")
    def webhooks() -> Response:
        """Put a delivery on disk; everything else happens later."""
        try:
            accept_webhook(core, tenants, request)
        except NotJson as error:
            raise BadRequest(str(error)) from None
        return Response(status=204)

    for name in PAGES:
        if util.find_spec(name):
            import_module(name).register(routes, core)
    return routes


@contextmanager
def _answered_in_status() -> Iterator[None]:
    """Turn what is wrong with a lifecycle call into the status that answers it."""
    try:
        yield
    except (BadInstallation, NotJson) as error:
        logger.warning("jira_call_unusable", path=request.path, problem=str(error))
        raise BadRequest(str(error)) from None
    except SiteNotAllowed as error:
        logger.warning("site_not_allowed", problem=str(error))
        raise Forbidden(str(error)) from None
    except KeyHostsUnavailable:
        logger.error("key_hosts_unavailable")
        raise ServiceUnavailable("Atlassian's install keys can't be fetched now.") from None


def _lifecycle_call(tokens: InstallTokens) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return claims and body of a signed lifecycle call."""
    refuse_by_length(request, LARGEST_LIFECYCLE_BODY)
    claims = tokens.verified(request)
    return claims, read_object(read_body(request, LARGEST_LIFECYCLE_BODY))
