"""/cycles: the organisation's calendar."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import goals
from connector.models import Cycle
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.schemas import CycleChanges, CycleIn, CycleOut, CyclePage, PageQuery


@api.get("/cycles")
@api.input(PageQuery, location="query")
@api.output(CyclePage)
@api.doc(tags=["cycles"], operation_id="listCycles")
def list_cycles(query_data: PageQuery) -> Response:
    """List the cycles"""
    who = caller()
    query = select(Cycle).where(Cycle.workspace_id == who.workspace_id)
    query = page_by_age(query, Cycle.created_at, Cycle.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
    return answer(CyclePage(items=[shown.of_cycle(row) for row in rows], next_cursor=cursor))


@api.post("/cycles")
@api.input(CycleIn)
@api.output(CycleOut, status_code=201)
@api.doc(tags=["cycles"], operation_id="createCycle")
def create_cycle(json_data: CycleIn) -> Response:
    """Make a cycle"""

    def work(session: Session) -> tuple[BaseModel, str]:
        row = goals.create_cycle(session, caller().workspace_id, goals.CreateCycle(**dict(json_data)))
        return shown.of_cycle(row), f"{API}/cycles/{row.id}"

    return created(work)


@api.get("/cycles/<uuid:cycle_id>")
@api.output(CycleOut)
@api.doc(tags=["cycles"], operation_id="getCycle")
def get_cycle(cycle_id: UUID) -> Response:
    """Read a cycle"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(shown.of_cycle(goals.find(session, Cycle, who.workspace_id, str(cycle_id))))


@api.patch("/cycles/<uuid:cycle_id>")
@api.input(CycleChanges)
@api.output(CycleOut)
@api.doc(tags=["cycles"], operation_id="editCycle")
def edit_cycle(cycle_id: UUID, json_data: CycleChanges) -> Response:
    """Change a cycle, close it, or open it again

    A closed cycle's objectives, key results, links and check-ins cannot be changed.
    """
    who = caller()
    with who.core.database.writing() as session:
        row = goals.edit_cycle(
            session,
            who.workspace_id,
            str(cycle_id),
            json_data.named(),
            expected_version=expected_version(),
            now=who.now,
        )
        return answer(shown.of_cycle(row))


@api.delete("/cycles/<uuid:cycle_id>")
@api.doc(tags=["cycles"], operation_id="deleteCycle", responses={204: "Removed"})
def delete_cycle(cycle_id: UUID) -> Response:
    """Remove a cycle that holds no objective"""
    who = caller()
    with who.core.database.writing() as session:
        goals.delete_cycle(session, who.workspace_id, str(cycle_id), expected_version=expected_version())
    return Response(status=204)
