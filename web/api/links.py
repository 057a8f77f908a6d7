"""/key-results/ID/links: which issues serve a key result."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager

from connector import goals
from connector.errors import Invalid, NotFound
from connector.linking import link_through_tracker
from connector.links import set_weight, unlink
from connector.models import Issue, KeyResult, Link
from web.api import representations as shown
from web.api.access import Caller, caller
from web.api.blueprint import API, api
from web.api.connection_choice import chosen_connection
from web.api.exchange import answer, by_age, created_outside, cut, expected_version, page_by_age
from web.api.history_schemas import LinkChanges, LinkIn, LinkOut, LinkPage
from web.api.schemas import PageQuery


@api.get("/key-results/<uuid:key_result_id>/links")
@api.input(PageQuery, location="query")
@api.output(LinkPage)
@api.doc(tags=["links"], operation_id="listLinks")
def list_links(key_result_id: UUID, query_data: PageQuery) -> Response:
    """List the issues linked to a key result"""
    who = caller()
    query = _links(who, str(key_result_id))
    query = page_by_age(query, Link.created_at, Link.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
        return answer(LinkPage(items=[shown.of_link(row) for row in rows], next_cursor=cursor))


@api.post("/key-results/<uuid:key_result_id>/links")
@api.input(LinkIn)
@api.output(LinkOut, status_code=201)
@api.doc(tags=["links"], operation_id="createLink")
def create_link(key_result_id: UUID, json_data: LinkIn) -> Response:
    """Link an issue, with all that hangs below it

    An issue that was never heard of is read from its tracker first. While the tracker does not answer, the link is made
    all the same, counts nothing yet and says so: `state` waiting.
    """
    who = caller()

    def work() -> tuple[BaseModel, str]:
        with who.core.database.reading() as session:
            goals.require_open(goals.find(session, KeyResult, who.workspace_id, str(key_result_id)))
            connection = chosen_connection(session, who, json_data.connection_id, json_data.tracker)
        by_id = json_data.external_id is not None
        made = link_through_tracker(
            who.core,
            who.workspace_id,
            connection,
            str(key_result_id),
            _named(json_data),
            actor=who.actor,
            identity=by_id,
            weight=json_data.weight,
            declared_change=json_data.declared_change,
        )
        with who.core.database.reading() as session:
            row = _find(session, who, str(key_result_id), made.link_id)
            return shown.of_link(row), f"{API}/key-results/{key_result_id}/links/{row.id}"

    return created_outside(work)


@api.get("/key-results/<uuid:key_result_id>/links/<uuid:link_id>")
@api.output(LinkOut)
@api.doc(tags=["links"], operation_id="getLink")
def get_link(key_result_id: UUID, link_id: UUID) -> Response:
    """Read a link"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(shown.of_link(_find(session, who, str(key_result_id), str(link_id))))


@api.patch("/key-results/<uuid:key_result_id>/links/<uuid:link_id>")
@api.input(LinkChanges)
@api.output(LinkOut)
@api.doc(tags=["links"], operation_id="editLink")
def edit_link(key_result_id: UUID, link_id: UUID, json_data: LinkChanges) -> Response:
    """Change a link's weight"""
    who = caller()
    with who.core.database.writing() as session:
        row = _find(session, who, str(key_result_id), str(link_id))
        goals.require_open(row.key_result)
        goals.check_version(row, expected_version())
        if "weight" in json_data.named():
            set_weight(session, who.workspace_id, row.id, json_data.weight, actor=who.actor, now=who.now)
            session.flush()
        return answer(shown.of_link(row))


@api.delete("/key-results/<uuid:key_result_id>/links/<uuid:link_id>")
@api.doc(tags=["links"], operation_id="deleteLink", responses={204: "Removed"})
def delete_link(key_result_id: UUID, link_id: UUID) -> Response:
    """Unlink an issue; the ledger says scope_removed"""
    who = caller()
    with who.core.database.writing() as session:
        row = _find(session, who, str(key_result_id), str(link_id))
        goals.require_open(row.key_result)
        goals.check_version(row, expected_version())
        unlink(session, who.workspace_id, row.id, actor=who.actor, now=who.now)
    return Response(status=204)


def _links(who: Caller, key_result_id: str) -> Select[Link]:
    return (
        select(Link)
        .join(Link.issue)
        .join(Issue.connection)
        .options(contains_eager(Link.issue).contains_eager(Issue.connection))
        .where(Link.workspace_id == who.workspace_id, Link.key_result_id == key_result_id)
    )


def _find(session: Session, who: Caller, key_result_id: str, link_id: str) -> Link:
    row = session.scalars(_links(who, key_result_id).where(Link.id == link_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such link.")
    return row


def _named(given: LinkIn) -> str:
    named = [name for name in (given.external_id, given.key) if name]
    if len(named) != 1:
        raise Invalid("name_one_issue", "Name the issue by external_id or by key, one of them.", "external_id")
    return named[0]
