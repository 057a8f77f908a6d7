"""A site installs Ladder, installs it again, or removes it.

https://developer.atlassian.com/cloud/jira/platform/connect-app-descriptor/#lifecycle
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from connector.core import Services
from connector.models import Connection, Workspace
from connector.outbox import enqueue
from connector.telemetry import logger
from connector.vault import SealBroken
from jira_app.refusal import TokenRefused, refusals_told
from jira_app.sealing import open_secret, seal_secret
from jira_app.site_address import allowed_site, browsable, named_exactly
from jira_app.tenants import TRACKER_NAME

# How long the secret before the last installation is still taken: webhooks signed with it may be on their way.
GRACE = timedelta(minutes=10)
# Errands that a fresh installation needs: learn the site's fields and statuses, then read what was missed.
DISCOVER = "discover"
RECONCILE = "reconcile"


class BadInstallation(Exception):
    """A signed lifecycle call whose body is unusable; the message says how."""

    reason = "bad_installation"


@dataclass(frozen=True, slots=True)
class Installation:
    """What an `installed` call says about its site."""

    client_key: str
    site: str
    display_site: str
    cloud_id: str | None
    shared_secret: str


def read_installation(
    body: Mapping[str, Any], claims: Mapping[str, Any], *, app_key: str, jira_hosts: tuple[str, ...]
) -> Installation:
    """Check an `installed` body against its token's claims.

    Raises TokenRefused (the body speaks for another site than the token), BadInstallation, or
    jira_app.site_address.SiteNotAllowed.
    """
    client_key = bound_client_key(body, claims)
    if body.get("key") != app_key:
        raise BadInstallation("key: another app's installation")
    if str(body.get("productType", "jira")).lower() != "jira":
        raise BadInstallation("productType: Ladder only knows Jira")
    site = allowed_site(body.get("baseUrl"), jira_hosts)
    cloud_id = body.get("cloudId")
    return Installation(
        client_key=client_key,
        site=site,
        display_site=browsable(body.get("displayUrl")),
        cloud_id=cloud_id if isinstance(cloud_id, str) and 0 < len(cloud_id) <= 64 else None,
        shared_secret=_text(body, "sharedSecret", 512),
    )


@refusals_told("install")
def bound_client_key(body: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Return whom a lifecycle call is about; raises TokenRefused unless the token is from the same site.

    The signature does not cover the body: with a genuine token of an own site, somebody could otherwise install their
    secret for another one.
    """
    client_key = _text(body, "clientKey", 255)
    if claims.get("iss") != client_key:
        raise TokenRefused("body_of_another_tenant")
    return client_key


def install(services: Services, installation: Installation) -> str:
    """Store an installation and return its connection's id.

    A known site keeps its workspace, links and history, whatever it is called now. A new one joins the workspace if
    there is one, nobody is connected to it yet, or the operator named the site itself in LADDER_JIRA_HOSTS. Otherwise
    it gets a workspace of its own: where the list allows a whole domain, any of its sites may install Ladder, and a
    stranger's site must not see other people's goals.
    """
    try:
        return _install(services, installation)
    except IntegrityError:
        # Another process stored the same new site at the same moment; now it is a known one.
        return _install(services, installation)


def _install(services: Services, installation: Installation) -> str:
    now = services.clock()
    with services.database.writing() as session:
        connection = _known_site(session, installation) or _new_site(services, session, installation)
        _retire_secret(services, connection, installation)
        connection.tenant_key = installation.client_key
        connection.cloud_id = installation.cloud_id or connection.cloud_id
        connection.site = installation.site
        connection.display_site = installation.display_site or installation.site
        connection.credential = seal_secret(services.vault, installation.client_key, installation.shared_secret)
        connection.state = "active"
        connection.offline_since = connection.paused_until = connection.trouble = None
        session.flush()
        enqueue(session, connection.id, DISCOVER, "", now=now)
        # Whatever happened while it was removed was never delivered.
        enqueue(session, connection.id, RECONCILE, "", now=now)
        logger.info("jira_installed", connection=connection.id, workspace=connection.workspace_id)
        return connection.id


def uninstall(services: Services, client_key: str) -> None:
    """Forget a site's secrets; links and history stay, for the day when it comes back."""
    with services.database.writing() as session:
        connection = session.scalars(
            select(Connection).where(Connection.tracker == TRACKER_NAME, Connection.tenant_key == client_key)
        ).one_or_none()
        if connection is None:
            # Jira also says so when an installation never came through; there is nothing to undo then.
            return
        connection.state = "uninstalled"
        connection.credential = connection.previous_credential = connection.previous_credential_until = None
        logger.info("jira_uninstalled", connection=connection.id, workspace=connection.workspace_id)


def _known_site(session: Session, installation: Installation) -> Connection | None:
    """Find the site by client key, or by cloud id if it is at the same address: one site is one tenant."""
    by_key = session.scalars(
        select(Connection).where(Connection.tracker == TRACKER_NAME, Connection.tenant_key == installation.client_key)
    ).one_or_none()
    if by_key is not None or installation.cloud_id is None:
        return by_key
    # The cloud id comes from the unsigned body, so alone it would let one site take over another's connection.
    return session.scalars(
        select(Connection)
        .where(Connection.tracker == TRACKER_NAME, Connection.cloud_id == installation.cloud_id)
        .where(Connection.site == installation.site)
        .order_by(Connection.created_at)
        .limit(1)
    ).one_or_none()


def _new_site(services: Services, session: Session, installation: Installation) -> Connection:
    workspace = _workspace_for(session, installation, services.settings.jira_hosts)
    connection = Connection(
        workspace_id=workspace.id,
        tracker=TRACKER_NAME,
        tenant_key=installation.client_key,
        site=installation.site,
        settings={},
        installed_at=services.clock(),
    )
    session.add(connection)
    return connection


def _workspace_for(session: Session, installation: Installation, jira_hosts: tuple[str, ...]) -> Workspace:
    workspaces = session.scalars(select(Workspace).limit(2)).all()
    if len(workspaces) == 1:
        taken = session.scalars(
            select(Connection.id).where(Connection.workspace_id == workspaces[0].id).limit(1)
        ).one_or_none()
        if taken is None or named_exactly(installation.site, jira_hosts):
            return workspaces[0]
    name = (installation.display_site or installation.site).partition("://")[2].partition("/")[0]
    workspace = Workspace(name=name.removesuffix(".atlassian.net")[:200])
    session.add(workspace)
    session.flush()
    return workspace


def _retire_secret(services: Services, connection: Connection, installation: Installation) -> None:
    """Keep the secret that is being replaced for a short grace, sealed for the client key that the site has now."""
    try:
        old = open_secret(services.vault, connection, connection.credential) if connection.credential else None
    except SealBroken:
        old = None
    if old is None:
        connection.previous_credential = connection.previous_credential_until = None
    elif old != installation.shared_secret:
        connection.previous_credential = seal_secret(services.vault, installation.client_key, old)
        connection.previous_credential_until = services.clock() + GRACE


def _text(body: Mapping[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise BadInstallation(f"{name}: missing or unusable")
    return value
