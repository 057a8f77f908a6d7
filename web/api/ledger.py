"""/key-results/ID/ledger: every cause that moved a key result, and the state at any past moment."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Response

from connector import goals
from connector.ledger import read_ledger, state_at
from connector.models import KeyResult, Workspace
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import api
from web.api.exchange import answer, cut, number_in
from web.api.history_schemas import LedgerPage, LedgerQuery


@api.get("/key-results/<uuid:key_result_id>/ledger")
@api.input(LedgerQuery, location="query")
@api.output(LedgerPage)
@api.doc(tags=["ledger"], operation_id="readLedger")
def get_ledger(key_result_id: UUID, query_data: LedgerQuery) -> Response:
    """Read the ledger, newest first

    `state` is what the rows fold to at `at`, or now. `cause` and `number` choose rows; they do not change the state.
    """
    who = caller()
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        at = _moment(session.get_one(Workspace, who.workspace_id), query_data.at)
        found = read_ledger(
            session,
            who.workspace_id,
            str(key_result_id),
            at=at,
            cause=query_data.cause,
            number=query_data.number,
            limit=query_data.limit + 1,
            before_id=number_in(query_data.cursor),
        )
        rows, cursor = cut(found, query_data.limit, lambda row: [row.id])
        state = state_at(session, who.workspace_id, str(key_result_id), at or who.now)
        items = [shown.of_ledger_row(row) for row in rows]
    return answer(LedgerPage(items=items, next_cursor=cursor, state=shown.of_ledger_state(state)))


def _moment(workspace: Workspace, at: datetime | date | None) -> datetime | None:
    if at is None or isinstance(at, datetime):
        return at
    return datetime.combine(at, time.max, tzinfo=ZoneInfo(workspace.timezone))
