"""/objectives: what teams want in a cycle."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from connector import goals, scorecard
from connector.models import Objective, Workspace
from web.api import representations as shown
from web.api.access import Caller, caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.schemas import ObjectiveChanges, ObjectiveIn, ObjectiveOut, ObjectivePage, ObjectiveQuery


@api.get("/objectives")
@api.input(ObjectiveQuery, location="query")
@api.output(ObjectivePage)
@api.doc(tags=["objectives"], operation_id="listObjectives")
def list_objectives(query_data: ObjectiveQuery) -> Response:
    """List the objectives, of one cycle or team or below one parent"""
    who = caller()
    query = (
        select(Objective)
        .where(Objective.workspace_id == who.workspace_id)
        .options(
            joinedload(Objective.cycle),
            joinedload(Objective.team),
            selectinload(Objective.co_owners),
            selectinload(Objective.key_results),
        )
    )
    for name in ("cycle_id", "team_id", "parent_id", "state"):
        wanted = getattr(query_data, name)
        if wanted is not None:
            query = query.where(getattr(Objective, name) == wanted)
    query = page_by_age(query, Objective.created_at, Objective.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
        today = scorecard.today(session.get_one(Workspace, who.workspace_id), who.now)
        items = shown.of_objectives(session, who.workspace_id, rows, today)
    return answer(ObjectivePage(items=items, next_cursor=cursor))


@api.post("/objectives")
@api.input(ObjectiveIn)
@api.output(ObjectiveOut, status_code=201)
@api.doc(tags=["objectives"], operation_id="createObjective")
def create_objective(json_data: ObjectiveIn) -> Response:
    """Make an objective; `findings` says what the rules at entry think of it"""
    who = caller()

    def work(session: Session) -> tuple[BaseModel, str]:
        given = dict(json_data)
        command = goals.CreateObjective(**{**given, "co_owner_ids": tuple(json_data.co_owner_ids)})
        row = goals.create_objective(session, who.workspace_id, command)
        return _shape(session, who, row), f"{API}/objectives/{row.id}"

    return created(work)


@api.get("/objectives/<uuid:objective_id>")
@api.output(ObjectiveOut)
@api.doc(tags=["objectives"], operation_id="getObjective")
def get_objective(objective_id: UUID) -> Response:
    """Read an objective"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(_shape(session, who, goals.find(session, Objective, who.workspace_id, str(objective_id))))


@api.patch("/objectives/<uuid:objective_id>")
@api.input(ObjectiveChanges)
@api.output(ObjectiveOut)
@api.doc(tags=["objectives"], operation_id="editObjective")
def edit_objective(objective_id: UUID, json_data: ObjectiveChanges) -> Response:
    """Change an objective, close it, or open it again"""
    who = caller()
    with who.core.database.writing() as session:
        row = goals.edit_objective(
            session,
            who.workspace_id,
            str(objective_id),
            json_data.named(),
            expected_version=expected_version(),
            now=who.now,
        )
        return answer(_shape(session, who, row))


@api.delete("/objectives/<uuid:objective_id>")
@api.doc(tags=["objectives"], operation_id="deleteObjective", responses={204: "Removed"})
def delete_objective(objective_id: UUID) -> Response:
    """Remove an objective that holds no key result and that nothing ladders into"""
    who = caller()
    with who.core.database.writing() as session:
        goals.delete_objective(session, who.workspace_id, str(objective_id), expected_version=expected_version())
    return Response(status=204)


def _shape(session: Session, who: Caller, row: Objective) -> ObjectiveOut:
    today = scorecard.today(session.get_one(Workspace, who.workspace_id), who.now)
    return shown.of_objectives(session, who.workspace_id, [row], today)[0]
