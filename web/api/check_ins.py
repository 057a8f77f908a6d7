"""/key-results/ID/check-ins: measured values and the driver's word."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import goals
from connector.goals.check_ins import ANSWERS
from connector.models import CheckIn, KeyResult
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import API, api
from web.api.exchange import answer, created, cut, expected_version, page_by_age
from web.api.history_schemas import CheckInChanges, CheckInIn, CheckInOut, CheckInPage
from web.api.schemas import PageQuery


@api.get("/key-results/<uuid:key_result_id>/check-ins")
@api.input(PageQuery, location="query")
@api.output(CheckInPage)
@api.doc(tags=["check-ins"], operation_id="listCheckIns")
def list_check_ins(key_result_id: UUID, query_data: PageQuery) -> Response:
    """List the check-ins of a key result, newest first"""
    who = caller()
    query = select(CheckIn).where(CheckIn.workspace_id == who.workspace_id, CheckIn.key_result_id == str(key_result_id))
    query = page_by_age(query, CheckIn.at, CheckIn.id, query_data.cursor, newest_first=True)
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        found = session.scalars(query.limit(query_data.limit + 1)).all()
        rows, cursor = cut(found, query_data.limit, lambda row: [row.at.isoformat(), row.id])
    return answer(CheckInPage(items=[shown.of_check_in(row) for row in rows], next_cursor=cursor))


@api.post("/key-results/<uuid:key_result_id>/check-ins")
@api.input(CheckInIn)
@api.output(CheckInOut, status_code=201)
@api.doc(tags=["check-ins"], operation_id="createCheckIn")
def create_check_in(key_result_id: UUID, json_data: CheckInIn) -> Response:
    """Record a check-in, or push a measured value"""
    who = caller()

    def work(session: Session) -> tuple[BaseModel, str]:
        answered = any(getattr(json_data, name).strip() for name in ANSWERS)
        command = goals.RecordCheckIn(**dict(json_data), source="api", full=answered)
        row = goals.record_check_in(
            session, who.workspace_id, str(key_result_id), command, actor=who.actor, now=who.now
        )
        return shown.of_check_in(row), f"{API}/key-results/{key_result_id}/check-ins/{row.id}"

    return created(work)


@api.get("/key-results/<uuid:key_result_id>/check-ins/<uuid:check_in_id>")
@api.output(CheckInOut)
@api.doc(tags=["check-ins"], operation_id="getCheckIn")
def get_check_in(key_result_id: UUID, check_in_id: UUID) -> Response:
    """Read a check-in"""
    who = caller()
    with who.core.database.reading() as session:
        row = goals.find_check_in(session, who.workspace_id, str(key_result_id), str(check_in_id))
        return answer(shown.of_check_in(row))


@api.patch("/key-results/<uuid:key_result_id>/check-ins/<uuid:check_in_id>")
@api.input(CheckInChanges)
@api.output(CheckInOut)
@api.doc(tags=["check-ins"], operation_id="correctCheckIn")
def correct_check_in(key_result_id: UUID, check_in_id: UUID, json_data: CheckInChanges) -> Response:
    """Correct a check-in; a changed value leaves a ledger row of cause corrected"""
    who = caller()
    with who.core.database.writing() as session:
        row = goals.correct_check_in(
            session,
            who.workspace_id,
            str(key_result_id),
            str(check_in_id),
            json_data.named(),
            actor=who.actor,
            now=who.now,
            expected_version=expected_version(),
        )
        return answer(shown.of_check_in(row))
