"""/key-results: how one knows that an objective is reached, with both numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from connector import goals, scorecard
from connector.models import KeyResult, Objective, Workspace
from web.api import representations as shown
from web.api.access import Caller, caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.schemas import (
    KeyResultChanges,
    KeyResultIn,
    KeyResultOut,
    KeyResultPage,
    KeyResultQuery,
    QueryShape,
)


@api.get("/key-results")
@api.input(KeyResultQuery, location="query")
@api.output(KeyResultPage)
@api.doc(tags=["key results"], operation_id="listKeyResults")
def list_key_results(query_data: KeyResultQuery) -> Response:
    """List the key results, of one objective, cycle, team or driver"""
    who = caller()
    query = (
        select(KeyResult)
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .join(Objective.team)
        .options(
            contains_eager(KeyResult.objective).options(contains_eager(Objective.cycle), contains_eager(Objective.team))
        )
        .where(KeyResult.workspace_id == who.workspace_id)
    )
    for name in ("objective_id", "driver_id", "kind", "state"):
        wanted = getattr(query_data, name)
        if wanted is not None:
            query = query.where(getattr(KeyResult, name) == wanted)
    for name in ("cycle_id", "team_id"):
        wanted = getattr(query_data, name)
        if wanted is not None:
            query = query.where(getattr(Objective, name) == wanted)
    query = page_by_age(query, KeyResult.created_at, KeyResult.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
        items = _shapes(session, who, rows)
    return answer(KeyResultPage(items=items, next_cursor=cursor))


@api.post("/key-results")
@api.input(KeyResultIn)
@api.output(KeyResultOut, status_code=201)
@api.doc(tags=["key results"], operation_id="createKeyResult")
def create_key_result(json_data: KeyResultIn) -> Response:
    """Make a key result

    Refused without exactly one driver, a person (`no_named_driver`, `more_than_one_driver`,
    `driver_must_be_a_person`), and when baseline and target are the same (`zero_width`). What else the rules at entry
    say is in `findings` and blocks nothing.
    """
    who = caller()

    def work(session: Session) -> tuple[BaseModel, str]:
        row = goals.create_key_result(session, who.workspace_id, _command(json_data), actor=who.actor, now=who.now)
        return _shapes(session, who, [row])[0], f"{API}/key-results/{row.id}"

    return created(work)


@api.get("/key-results/<uuid:key_result_id>")
@api.output(KeyResultOut)
@api.doc(tags=["key results"], operation_id="getKeyResult")
def get_key_result(key_result_id: UUID) -> Response:
    """Read a key result"""
    who = caller()
    with who.core.database.reading() as session:
        row = goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        return answer(_shapes(session, who, [row])[0])


@api.patch("/key-results/<uuid:key_result_id>")
@api.input(KeyResultChanges)
@api.output(KeyResultOut)
@api.doc(tags=["key results"], operation_id="editKeyResult")
def edit_key_result(key_result_id: UUID, json_data: KeyResultChanges) -> Response:
    """Change a key result, close it, or open it again

    Edits of baseline, target, rule and options leave ledger rows that say so; earlier rows are never rewritten.
    """
    who = caller()
    changes = _changes(json_data)
    value: Fraction | None = changes.pop("value", None)
    with who.core.database.writing() as session:
        row = goals.edit_key_result(
            session,
            who.workspace_id,
            str(key_result_id),
            changes,
            actor=who.actor,
            now=who.now,
            expected_version=expected_version(),
        )
        if value is not None:
            measured = goals.RecordCheckIn(value=value, source="api")
            goals.record_check_in(session, who.workspace_id, row.id, measured, actor=who.actor, now=who.now)
        return answer(_shapes(session, who, [row])[0])


@api.delete("/key-results/<uuid:key_result_id>")
@api.doc(tags=["key results"], operation_id="deleteKeyResult", responses={204: "Removed"})
def delete_key_result(key_result_id: UUID) -> Response:
    """Remove a key result that has no links, measurements or ledger rows yet; otherwise close it"""
    who = caller()
    with who.core.database.writing() as session:
        goals.delete_key_result(session, who.workspace_id, str(key_result_id), expected_version=expected_version())
    return Response(status=204)


def _shapes(session: Session, who: Caller, rows: Sequence[KeyResult]) -> list[KeyResultOut]:
    today = scorecard.today(session.get_one(Workspace, who.workspace_id), who.now)
    return shown.of_key_results(session, who.workspace_id, rows, today)


def _command(given: KeyResultIn) -> goals.CreateKeyResult:
    return goals.CreateKeyResult(
        objective_id=given.objective_id,
        title=given.title,
        drivers=_drivers(given.driver_id),
        definition=goals.Definition(
            kind=given.kind,
            baseline=given.baseline,
            target=given.target,
            band=_band(given.band),
            maintain_by=given.maintain_by,
            checkpoints=_checkpoints(given.checkpoints),
            query=_query(given.query),
        ),
        options=goals.WorkOptions(
            size_by=given.options.size_by,
            started_credit=given.options.started_credit,
            unestimated=given.options.unestimated,
            sub_task_credit=given.options.sub_task_credit,
        ),
        unit=given.unit,
        value=given.value,
        weight=given.weight,
        due_on=given.due_on,
        state=given.state,
    )


def _changes(given: KeyResultChanges) -> dict[str, Any]:
    changes = given.named()
    if "driver_id" in changes:
        changes["drivers"] = _drivers(changes.pop("driver_id"))
    if "options" in changes:
        changes.update(changes.pop("options").named())
    if "band" in changes:
        changes["band"] = _band(changes["band"])
    if "checkpoints" in changes:
        changes["checkpoints"] = _checkpoints(changes["checkpoints"])
    if "query" in changes:
        changes["query"] = _query(changes["query"])
    return changes


def _drivers(given: str | list[str] | None) -> list[str]:
    return [] if given is None else given if isinstance(given, list) else [given]


def _band(given: list[Fraction | None] | None) -> tuple[Fraction | None, Fraction | None] | None:
    return None if given is None else (given[0], given[1])


def _checkpoints(given: list[list[Fraction]]) -> tuple[tuple[Fraction, Fraction], ...]:
    return tuple((value, progress) for value, progress in given)


def _query(given: QueryShape | None) -> goals.Query | None:
    return None if given is None else goals.Query(given.connection_id, given.text, given.aggregate, given.field)
