"""/key-results/ID/links/bulk: up to 500 issues linked at once, each with its own outcome."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from flask import Response
from pydantic import BaseModel

from connector import goals
from connector.bulk_linking import found_by, link_many_through_tracker
from connector.errors import Invalid
from connector.models import Connection, KeyResult
from connector.tracker import IssueQuery, TrackerRefused
from web.api.access import Caller, caller
from web.api.blueprint import API, api
from web.api.connection_choice import chosen_connection
from web.api.exchange import created_outside
from web.api.rule_schemas import BulkLinkIn, BulkLinkItem, BulkLinkOut


@api.post("/key-results/<uuid:key_result_id>/links/bulk")
@api.input(BulkLinkIn)
@api.output(BulkLinkOut, status_code=201)
@api.doc(tags=["links"], operation_id="createLinks")
def create_links(key_result_id: UUID, json_data: BulkLinkIn) -> Response:
    """Link many issues at once, each with all that hangs below it

    Issues that were never heard of are read from their tracker first. What can't be linked is refused by itself, with
    the reasons of a single link.
    """
    who = caller()

    def work() -> tuple[BaseModel, str]:
        with who.core.database.reading() as session:
            goals.require_open(goals.find(session, KeyResult, who.workspace_id, str(key_result_id)))
            connection = chosen_connection(session, who, json_data.connection_id)
        items = link_many_through_tracker(
            who.core,
            who.workspace_id,
            connection,
            str(key_result_id),
            _names(who, connection, json_data),
            actor=who.actor,
            weight=json_data.weight,
            declared_change=json_data.declared_change,
        )
        linked = sum(item.link_id is not None for item in items)
        shape = BulkLinkOut(
            linked=linked, refused=len(items) - linked, items=[BulkLinkItem(**asdict(item)) for item in items]
        )
        return shape, f"{API}/key-results/{key_result_id}/links"

    return created_outside(work)


def _names(who: Caller, connection: Connection, given: BulkLinkIn) -> list[str]:
    if sum(one is not None for one in (given.external_ids, given.keys, given.query)) != 1:
        raise Invalid("name_issues_one_way", "Name the issues by external_ids, keys or query, one of them.")
    if given.query is None:
        return given.external_ids or given.keys or []
    query = IssueQuery(given.query.kind, given.query.text.strip())
    if query.kind not in who.core.tracker_of(connection).capabilities.rules:
        raise Invalid("kind_not_supported", "This tracker can't be asked for that.", "query.kind")
    try:
        return [one.external_id for one in found_by(who.core, connection, query)]
    except TrackerRefused as error:
        raise Invalid("query_refused", str(error), "query.text") from None
