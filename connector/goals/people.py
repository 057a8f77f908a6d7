"""People and teams: who answers for goals, and where goals live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Invalid
from connector.goals import scope
from connector.ledger import show_anew
from connector.models import TEAM_LEVELS, Account, KeyResult, Objective, Person, Team, utcnow
from connector.turns import take_turn

ROLES = ("admin", "member", "viewer")
EDITABLE_PERSON = frozenset({"name", "email", "role", "accounts"})
EDITABLE_TEAM = frozenset({"name", "level", "parent_id"})
TRACKER_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Deliberately loose: only what certainly cannot be an address is refused, the rest shows when mail bounces.
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
LONGEST_EMAIL = 320
LONGEST_ACCOUNT = 128


@dataclass(frozen=True, slots=True)
class CreatePerson:
    """Somebody, with their identities in trackers as (tracker, account id) pairs."""

    name: str
    email: str | None = None
    role: str = "member"
    accounts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CreateTeam:
    """A company, department or team."""

    name: str
    level: str = "team"
    parent_id: str | None = None


def create_person(session: Session, workspace_id: str, command: CreatePerson) -> Person:
    """Make a person. Raises Invalid or Conflict (account_taken)."""
    person = Person(
        workspace_id=workspace_id,
        name=scope.clean_line(command.name, "name", scope.LONGEST_NAME),
        email=_clean_email(command.email),
        role=scope.choose(command.role, ROLES, "role"),
    )
    session.add(person)
    session.flush()
    _set_accounts(session, person, command.accounts)
    return person


def edit_person(
    session: Session,
    workspace_id: str,
    person_id: str,
    changes: Mapping[str, Any],
    *,
    expected_version: scope.Versions = None,
    now: datetime | None = None,
) -> Person:
    """Change name, e-mail, role or accounts (which replace the earlier ones).

    Raises NotFound, LostUpdate, Invalid, Conflict (account_taken, last_admin).
    """
    scope.refuse_unknown(changes, EDITABLE_PERSON)
    take_turn(session, workspace_id)
    person = scope.find(session, Person, workspace_id, person_id, lock=True)
    scope.check_version(person, expected_version)
    role = scope.choose(changes.get("role", person.role), ROLES, "role")
    if person.role == "admin" and role != "admin":
        _keep_an_admin(session, person)
    called = person.name
    person.name = scope.clean_line(changes.get("name", person.name), "name", scope.LONGEST_NAME)
    person.email = _clean_email(changes.get("email", person.email))
    person.role = role
    if "accounts" in changes:
        _set_accounts(session, person, changes["accounts"])
    scope.touch(person)
    session.flush()
    if person.name != called:
        driven = select(KeyResult).where(KeyResult.driver_id == person.id).order_by(KeyResult.id)
        for key_result in session.scalars(driven).all():
            show_anew(session, key_result, now or utcnow())
    return person


def delete_person(
    session: Session, workspace_id: str, person_id: str, *, expected_version: scope.Versions = None
) -> None:
    """Remove somebody who drives nothing. Raises NotFound, LostUpdate, Conflict (in_use, last_admin)."""
    person = scope.find(session, Person, workspace_id, person_id, lock=True)
    scope.check_version(person, expected_version)
    driven = session.scalar(select(func.count()).where(KeyResult.driver_id == person_id)) or 0
    if driven:
        raise Conflict(f"{person.name} drives {driven} key result(s). Give them to somebody else first.", "in_use")
    if person.role == "admin":
        _keep_an_admin(session, person)
    session.delete(person)
    session.flush()


def create_team(session: Session, workspace_id: str, command: CreateTeam) -> Team:
    """Make a team. Raises Invalid (parent_level, unknown_team) or Conflict (name_taken)."""
    name = scope.clean_line(command.name, "name", scope.LONGEST_NAME)
    level = scope.choose(command.level, TEAM_LEVELS, "level")
    scope.require_free_name(session, Team, workspace_id, name)
    parent = _parent_team(session, workspace_id, command.parent_id)
    _check_level(level, parent)
    team = Team(workspace_id=workspace_id, name=name, level=level, parent_id=parent.id if parent else None)
    session.add(team)
    session.flush()
    return team


def edit_team(
    session: Session,
    workspace_id: str,
    team_id: str,
    changes: Mapping[str, Any],
    *,
    expected_version: scope.Versions = None,
) -> Team:
    """Change name, level or parent. Raises NotFound, LostUpdate, Invalid (parent_level), Conflict (name_taken).

    Levels strictly fall from parent to child, so there can be no circle of teams.
    """
    scope.refuse_unknown(changes, EDITABLE_TEAM)
    team = scope.find(session, Team, workspace_id, team_id, lock=True)
    scope.check_version(team, expected_version)
    name = scope.clean_line(changes.get("name", team.name), "name", scope.LONGEST_NAME)
    if name.lower() != team.name.lower():
        scope.require_free_name(session, Team, workspace_id, name)
    level = scope.choose(changes.get("level", team.level), TEAM_LEVELS, "level")
    parent = _parent_team(session, workspace_id, changes.get("parent_id", team.parent_id))
    _check_level(level, parent)
    for child in session.scalars(select(Team).where(Team.parent_id == team.id)):
        if TEAM_LEVELS.index(child.level) <= TEAM_LEVELS.index(level):
            raise Invalid("parent_level", f"{child.name}, a {child.level}, hangs below this one.", "level")
    team.name, team.level, team.parent_id = name, level, parent.id if parent else None
    scope.touch(team)
    session.flush()
    return team


def delete_team(session: Session, workspace_id: str, team_id: str, *, expected_version: scope.Versions = None) -> None:
    """Remove a team that holds nothing. Raises NotFound, LostUpdate, Conflict (in_use)."""
    team = scope.find(session, Team, workspace_id, team_id, lock=True)
    scope.check_version(team, expected_version)
    objectives = session.scalar(select(func.count()).where(Objective.team_id == team_id)) or 0
    children = session.scalar(select(func.count()).where(Team.parent_id == team_id)) or 0
    if objectives or children:
        raise Conflict(f"{team.name} holds {objectives} objective(s) and {children} team(s).", "in_use")
    session.delete(team)
    session.flush()


def _clean_email(email: str | None) -> str | None:
    if email is None or not email.strip():
        return None
    address = email.strip()
    if len(address) > LONGEST_EMAIL or not EMAIL.fullmatch(address):
        raise Invalid("bad_email", "This is not an e-mail address.", "email")
    return address


def _keep_an_admin(session: Session, leaving: Person) -> None:
    others = select(func.count()).where(
        Person.workspace_id == leaving.workspace_id, Person.role == "admin", Person.id != leaving.id
    )
    if not session.scalar(others):
        raise Conflict("This is the only admin. Make somebody else an admin first.", "last_admin")


def _set_accounts(session: Session, person: Person, accounts: Iterable[tuple[str, str]]) -> None:
    wanted = dict.fromkeys((tracker, account_id.strip()) for tracker, account_id in accounts)
    for tracker, account_id in wanted:
        if not TRACKER_NAME.fullmatch(tracker):
            raise Invalid("unknown_tracker", "A tracker's name is lower case, such as jira.", "accounts")
        if not account_id or len(account_id) > LONGEST_ACCOUNT:
            raise Invalid("bad_account", f"An account id has 1 to {LONGEST_ACCOUNT} characters.", "accounts")
        holder = session.scalars(
            select(Account).where(
                Account.workspace_id == person.workspace_id,
                Account.tracker == tracker,
                Account.account_id == account_id,
            )
        ).one_or_none()
        if holder is not None and holder.person_id != person.id:
            raise Conflict(f"The account {account_id} in {tracker} belongs to {holder.person.name}.", "account_taken")
    kept = [account for account in person.accounts if (account.tracker, account.account_id) in wanted]
    known = {(account.tracker, account.account_id) for account in kept}
    person.accounts = kept + [
        Account(workspace_id=person.workspace_id, tracker=tracker, account_id=account_id)
        for tracker, account_id in wanted
        if (tracker, account_id) not in known
    ]
    session.flush()


def _parent_team(session: Session, workspace_id: str, parent_id: str | None) -> Team | None:
    return None if parent_id is None else scope.find_named(session, Team, workspace_id, parent_id, "parent_id")


def _check_level(level: str, parent: Team | None) -> None:
    if parent is not None and TEAM_LEVELS.index(parent.level) >= TEAM_LEVELS.index(level):
        raise Invalid("parent_level", f"A {level} cannot hang below a {parent.level}.", "parent_id")
