"""The way in to the pages: one-time links outside a tracker, the tracker's own identity inside it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from connector.errors import NotAllowed
from connector.goals import scope
from connector.models import Account, Connection, Person, SignInLink, Workspace
from connector.tokens import hash_of

VALID_FOR = timedelta(minutes=15)
DEFAULT_WORKSPACE = "Ladder"
FIRST_ADMIN = "Admin"


def create_link(session: Session, workspace_id: str, *, now: datetime, person_id: str | None = None) -> str:
    """Return the secret of a new one-time link, valid for 15 minutes; without a person it makes the first admin.

    Raises NotFound for somebody of another workspace.
    """
    if person_id is not None:
        scope.find(session, Person, workspace_id, person_id)
    secret = secrets.token_urlsafe(32)
    session.add(
        SignInLink(
            workspace_id=workspace_id, person_id=person_id, token_hash=hash_of(secret), expires_at=now + VALID_FOR
        )
    )
    session.flush()
    return secret


def link_is_open(session: Session, secret: str, *, now: datetime) -> bool:
    """Tell whether the link still works, without using it up: mail scanners and chat previews open links too."""
    query = select(SignInLink.id).where(
        SignInLink.token_hash == hash_of(secret), SignInLink.used_at.is_(None), SignInLink.expires_at > now
    )
    return session.scalars(query).one_or_none() is not None


def sign_in(session: Session, secret: str, *, now: datetime) -> Person:
    """Use the link up and return who came in. Raises NotAllowed (link_used_or_expired, admin_exists).

    One conditional UPDATE decides: of two requests with the same link only one finds it unused (replay).
    """
    used = session.execute(
        update(SignInLink)
        .where(SignInLink.token_hash == hash_of(secret), SignInLink.used_at.is_(None), SignInLink.expires_at > now)
        .values(used_at=now)
        .returning(SignInLink.workspace_id, SignInLink.person_id)
    ).one_or_none()
    if used is None:
        raise NotAllowed("This link was used already, or is older than 15 minutes.", "link_used_or_expired")
    workspace_id, person_id = used
    if person_id is not None:
        return scope.find(session, Person, workspace_id, person_id)
    # Rows of one workspace queue here, so that two first links opened at once cannot make two first admins.
    session.scalars(select(Workspace).where(Workspace.id == workspace_id).with_for_update()).one()
    if has_admin(session, workspace_id):
        # A first-start link from an old log must not let a stranger in once somebody is in charge.
        raise NotAllowed("There is an admin already; ask them for a link of your own.", "admin_exists")
    person = Person(workspace_id=workspace_id, name=FIRST_ADMIN, role="admin")
    session.add(person)
    session.flush()
    return person


def has_admin(session: Session, workspace_id: str) -> bool:
    """Tell whether somebody is in charge of the workspace already."""
    query = select(Person.id).where(Person.workspace_id == workspace_id, Person.role == "admin").limit(1)
    return session.scalars(query).first() is not None


def ensure_workspace(session: Session, *, name: str = DEFAULT_WORKSPACE, timezone: str = "UTC") -> Workspace:
    """Return the oldest workspace, making one on a fresh install."""
    workspace = session.scalars(select(Workspace).order_by(Workspace.created_at, Workspace.id).limit(1)).first()
    if workspace is None:
        workspace = Workspace(name=name, timezone=timezone)
        session.add(workspace)
        session.flush()
    return workspace


def person_for_account(session: Session, connection: Connection, account_id: str, name: str = "") -> Person:
    """Return the person behind a tracker's account, made as a member when they come for the first time."""
    found = _person_with(session, connection, account_id)
    if found is not None:
        return found
    shown = " ".join(name.split())[: scope.LONGEST_NAME] or account_id
    try:
        with session.begin_nested():
            person = Person(workspace_id=connection.workspace_id, name=shown)
            person.accounts.append(
                Account(workspace_id=connection.workspace_id, tracker=connection.tracker, account_id=account_id)
            )
            session.add(person)
        return person
    except IntegrityError:
        # Two first requests of one person at once; the other one's row is as good.
        other = _person_with(session, connection, account_id)
        if other is None:
            raise
        return other


def _person_with(session: Session, connection: Connection, account_id: str) -> Person | None:
    return session.scalars(
        select(Person)
        .join(Account, Account.person_id == Person.id)
        .where(
            Account.workspace_id == connection.workspace_id,
            Account.tracker == connection.tracker,
            Account.account_id == account_id,
        )
    ).one_or_none()
