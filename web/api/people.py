"""/people: who answers for goals, and who they are in the trackers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import goals
from connector.models import Person
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.schemas import PageQuery, PersonChanges, PersonIn, PersonOut, PersonPage


@api.get("/people")
@api.input(PageQuery, location="query")
@api.output(PersonPage)
@api.doc(tags=["people"], operation_id="listPeople")
def list_people(query_data: PageQuery) -> Response:
    """List the people"""
    who = caller()
    query = select(Person).where(Person.workspace_id == who.workspace_id)
    query = page_by_age(query, Person.created_at, Person.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
    return answer(PersonPage(items=[shown.of_person(row) for row in rows], next_cursor=cursor))


@api.post("/people")
@api.input(PersonIn)
@api.output(PersonOut, status_code=201)
@api.doc(tags=["people"], operation_id="createPerson")
def create_person(json_data: PersonIn) -> Response:
    """Make a person"""

    def work(session: Session) -> tuple[BaseModel, str]:
        row = goals.create_person(session, caller().workspace_id, _command(json_data))
        return shown.of_person(row), f"{API}/people/{row.id}"

    return created(work)


@api.get("/people/<uuid:person_id>")
@api.output(PersonOut)
@api.doc(tags=["people"], operation_id="getPerson")
def get_person(person_id: UUID) -> Response:
    """Read a person"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(shown.of_person(goals.find(session, Person, who.workspace_id, str(person_id))))


@api.patch("/people/<uuid:person_id>")
@api.input(PersonChanges)
@api.output(PersonOut)
@api.doc(tags=["people"], operation_id="editPerson")
def edit_person(person_id: UUID, json_data: PersonChanges) -> Response:
    """Change a person; `accounts` replaces the earlier ones"""
    who = caller()
    with who.core.database.writing() as session:
        row = goals.edit_person(
            session,
            who.workspace_id,
            str(person_id),
            _changes(json_data),
            expected_version=expected_version(),
            now=who.now,
        )
        return answer(shown.of_person(row))


@api.delete("/people/<uuid:person_id>")
@api.doc(tags=["people"], operation_id="deletePerson", responses={204: "Removed"})
def delete_person(person_id: UUID) -> Response:
    """Remove a person who drives no key result"""
    who = caller()
    with who.core.database.writing() as session:
        goals.delete_person(session, who.workspace_id, str(person_id), expected_version=expected_version())
    return Response(status=204)


def _command(given: PersonIn) -> goals.CreatePerson:
    accounts = tuple((one.tracker, one.account_id) for one in given.accounts)
    return goals.CreatePerson(name=given.name, email=given.email, role=given.role, accounts=accounts)


def _changes(given: PersonChanges) -> dict[str, Any]:
    changes = given.named()
    if "accounts" in changes:
        changes["accounts"] = [(one.tracker, one.account_id) for one in given.accounts]
    return changes
