"""/key-results/ID/milestones: the weighed steps of a key result of kind milestone."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import goals
from connector.models import KeyResult, Milestone
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.history_schemas import MilestoneChanges, MilestoneIn, MilestoneOut, MilestonePage
from web.api.schemas import PageQuery


@api.get("/key-results/<uuid:key_result_id>/milestones")
@api.input(PageQuery, location="query")
@api.output(MilestonePage)
@api.doc(tags=["milestones"], operation_id="listMilestones")
def list_milestones(key_result_id: UUID, query_data: PageQuery) -> Response:
    """List the milestones of a key result"""
    who = caller()
    query = select(Milestone).where(
        Milestone.workspace_id == who.workspace_id, Milestone.key_result_id == str(key_result_id)
    )
    query = page_by_age(query, Milestone.created_at, Milestone.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
    return answer(MilestonePage(items=[shown.of_milestone(row) for row in rows], next_cursor=cursor))


@api.post("/key-results/<uuid:key_result_id>/milestones")
@api.input(MilestoneIn)
@api.output(MilestoneOut, status_code=201)
@api.doc(tags=["milestones"], operation_id="createMilestone")
def create_milestone(key_result_id: UUID, json_data: MilestoneIn) -> Response:
    """Add a milestone"""
    who = caller()

    def work(session: Session) -> tuple[BaseModel, str]:
        command = goals.AddMilestone(**dict(json_data))
        row = goals.add_milestone(session, who.workspace_id, str(key_result_id), command, actor=who.actor, now=who.now)
        return shown.of_milestone(row), f"{API}/key-results/{key_result_id}/milestones/{row.id}"

    return created(work)


@api.get("/key-results/<uuid:key_result_id>/milestones/<uuid:milestone_id>")
@api.output(MilestoneOut)
@api.doc(tags=["milestones"], operation_id="getMilestone")
def get_milestone(key_result_id: UUID, milestone_id: UUID) -> Response:
    """Read a milestone"""
    who = caller()
    with who.core.database.reading() as session:
        row = goals.find_milestone(session, who.workspace_id, str(key_result_id), str(milestone_id))
        return answer(shown.of_milestone(row))


@api.patch("/key-results/<uuid:key_result_id>/milestones/<uuid:milestone_id>")
@api.input(MilestoneChanges)
@api.output(MilestoneOut)
@api.doc(tags=["milestones"], operation_id="editMilestone")
def edit_milestone(key_result_id: UUID, milestone_id: UUID, json_data: MilestoneChanges) -> Response:
    """Rename, reweigh, finish or reopen a milestone"""
    who = caller()
    with who.core.database.writing() as session:
        row = goals.edit_milestone(
            session,
            who.workspace_id,
            str(key_result_id),
            str(milestone_id),
            json_data.named(),
            actor=who.actor,
            now=who.now,
            expected_version=expected_version(),
        )
        return answer(shown.of_milestone(row))


@api.delete("/key-results/<uuid:key_result_id>/milestones/<uuid:milestone_id>")
@api.doc(tags=["milestones"], operation_id="deleteMilestone", responses={204: "Removed"})
def delete_milestone(key_result_id: UUID, milestone_id: UUID) -> Response:
    """Take a milestone away; the ledger says scope_removed"""
    who = caller()
    with who.core.database.writing() as session:
        goals.remove_milestone(
            session,
            who.workspace_id,
            str(key_result_id),
            str(milestone_id),
            actor=who.actor,
            now=who.now,
            expected_version=expected_version(),
        )
    return Response(status=204)
