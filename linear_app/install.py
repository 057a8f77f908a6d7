"""A Linear workspace connects Ladder, connects it again, or is disconnected; and its members sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from connector import outbox
from connector.core import Core
from connector.errors import Refusal
from connector.models import Account, Connection, Person
from connector.outbox import enqueue
from connector.sign_in import person_for_account
from connector.telemetry import logger
from connector.tracker import TrackerError, TrackerRefused, TrackerUnavailable
from linear_app.client import LinearClient
from linear_app.oauth import GrantRefused, LinearOAuth, Tokens
from linear_app.round_trip import Returned
from linear_app.token_keeper import TRACKER_NAME
from linear_app.tracker import LinearTracker

# What a fresh installation needs: the workspace's own names, what was missed, and the labels that link.
ERRANDS = (("discover", ""), ("reconcile", ""), ("sync_goal_labels", "labels"))
NEEDED_SCOPES = {"read", "write"}


class InstallRefused(Refusal):
    """The workspace is not connected, or the person not let in; the message says why, for them."""

    reason = "install_refused"


@dataclass(frozen=True, slots=True)
class Organization:
    """A Linear workspace, and who we are in it."""

    id: str
    name: str
    site: str
    viewer: dict[str, Any]


def install_finished(core: Core, tracker: LinearTracker, returned: Returned) -> str:
    """Store the installation that somebody came back from, and return its connection's id.

    An organization keeps its connection, links and history when it is connected again. Raises InstallRefused
    (reconnect_needed: the code was refused; scope_missing; other_workspace: it is connected to another workspace
    here) and TrackerUnavailable.
    """
    tokens, organization = _who_came(core, tracker.oauth, returned)
    # Some answers leave the scope out, and then we have what we asked for.
    if tokens.scope and not set(tokens.scope) >= NEEDED_SCOPES:
        raise InstallRefused("Linear granted less than Ladder needs: it must read and write issues.", "scope_missing")
    try:
        connection_id = _store(core, tracker, returned, tokens, organization)
    except IntegrityError:
        # Another process stored the same new organization at the same moment; now it is a known one.
        connection_id = _store(core, tracker, returned, tokens, organization)
    tracker.organizations.forget(organization.id)
    return connection_id


def sign_in_finished(core: Core, tracker: LinearTracker, returned: Returned) -> Person:
    """Return the person who came back from signing in; the tokens are given back at once, only the name was wanted.

    Raises InstallRefused (reconnect_needed, not_a_member) and TrackerUnavailable. Only members of an organization that
    is connected to this workspace get in: a guest of theirs sees some teams, but Ladder shows everybody's goals.
    """
    tokens, organization = _who_came(core, tracker.oauth, returned)
    _give_back(tracker.oauth, tokens)
    viewer = organization.viewer
    with core.database.writing() as session:
        connection = _connection_of(session, organization.id)
        if connection is None or connection.workspace_id != returned.workspace_id or connection.state == "uninstalled":
            raise InstallRefused(f"{organization.name} is not connected to this Ladder.", "not_a_member")
        if viewer["active"] is not True or viewer["guest"] is not False or viewer["app"] is not False:
            raise InstallRefused("Ladder is open to full members of your Linear workspace.", "not_a_member")
        return _person(session, connection, returned.person_id, viewer)


def disconnect(core: Core, tracker: LinearTracker, connection_id: str) -> None:
    """Give the tokens back and forget them; links and history stay. What Linear can't be told now it learns never."""
    with core.database.reading() as session:
        connection = session.get_one(Connection, connection_id)
    try:
        _give_back(tracker.oauth, tracker.tokens.open(connection))
    except TrackerError as error:
        logger.info("linear_not_revoked", connection=connection_id, problem=str(error))
    with core.database.writing() as session:
        row = session.get_one(Connection, connection_id, with_for_update=True)
        row.state, row.credential, row.renewing_until, row.trouble = "uninstalled", None, None, None
    tracker.organizations.forget(connection.tenant_key)
    logger.info("linear_disconnected", connection=connection_id)


def _who_came(core: Core, oauth: LinearOAuth, returned: Returned) -> tuple[Tokens, Organization]:
    """Trade the code for tokens and ask with them whose they are: what the browser says about that proves nothing."""
    try:
        tokens = oauth.exchange(returned.code, returned.verifier, core.clock())
    except GrantRefused as error:
        raise InstallRefused(f"Linear did not accept its own answer ({error}). Begin again.", error.reason) from None
    client = LinearClient(core.settings.linear_api_url, lambda: tokens.access, _no_other_token, lambda _why: None)
    organization = client.run("Organization", urgent=True)["organization"]
    viewer = client.run("Viewer", urgent=True)["viewer"]
    return tokens, Organization(
        id=str(organization["id"]),
        name=str(organization["name"])[:200],
        # Where people see it: beside where they agreed, so that a stand-in never passes for linear.app.
        site=f"{origin_of(core.settings.linear_oauth_url)}/{organization['urlKey']}",
        viewer=viewer,
    )


def origin_of(address: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _no_other_token(_rejected: str) -> str:
    raise TrackerRefused("Linear does not accept the token that it has just given")


def _store(core: Core, tracker: LinearTracker, returned: Returned, tokens: Tokens, organization: Organization) -> str:
    now = core.clock()
    with core.database.writing() as session:
        connection = _connection_of(session, organization.id)
        if connection is not None and connection.workspace_id != returned.workspace_id:
            # The new tokens are not revoked: Linear may take that for the end of the other workspace's installation.
            raise InstallRefused(
                f"{organization.name} belongs to another workspace of this Ladder, with its links and history.",
                "other_workspace",
            )
        if connection is None:
            connection = Connection(
                workspace_id=returned.workspace_id, tracker=TRACKER_NAME, tenant_key=organization.id, settings={}
            )
            session.add(connection)
        connection.site, connection.display_site = organization.site, organization.site
        connection.settings = {**connection.settings, "app_user_id": organization.viewer["id"]}
        # News of a removal from before this moment is about the previous installation.
        connection.installed_at = now
        connection.state, connection.renewing_until = "active", None
        connection.offline_since = connection.paused_until = connection.trouble = None
        tracker.tokens.seal(connection, tokens)
        session.flush()
        for kind, subject in ERRANDS:
            enqueue(session, connection.id, kind, subject, now=now)
        # What was given up while the tokens were dead can be done now.
        outbox.replay(session, connection.id, now=now)
        logger.info("linear_installed", connection=connection.id, workspace=connection.workspace_id)
        return connection.id


def _connection_of(session: Session, organization_id: str) -> Connection | None:
    return session.scalars(
        select(Connection)
        .where(Connection.tracker == TRACKER_NAME, Connection.tenant_key == organization_id)
        .with_for_update()
    ).one_or_none()


def _person(session: Session, connection: Connection, person_id: str | None, viewer: dict[str, Any]) -> Person:
    """Return who signed in. Somebody who was signed in already gets this account as one more of theirs."""
    account = str(viewer["id"])
    known = session.scalars(
        select(Account.id).where(
            Account.workspace_id == connection.workspace_id,
            Account.tracker == connection.tracker,
            Account.account_id == account,
        )
    ).one_or_none()
    if known is None and person_id is not None:
        person = session.get(Person, person_id)
        if person is not None and person.workspace_id == connection.workspace_id:
            person.accounts.append(
                Account(workspace_id=connection.workspace_id, tracker=connection.tracker, account_id=account)
            )
            session.flush()
            return person
    return person_for_account(session, connection, account, str(viewer["displayName"] or viewer["name"]))


def _give_back(oauth: LinearOAuth, tokens: Tokens) -> None:
    for token in (tokens.refresh, tokens.access):
        try:
            if token:
                oauth.revoke(token)
        except TrackerUnavailable as error:
            logger.info("linear_not_revoked", problem=str(error))
