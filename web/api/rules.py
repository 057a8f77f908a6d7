"""/key-results/ID/rules: what links itself, before (preview) and after; and what people took away from rules."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from connector import goals
from connector.errors import Invalid, NotFound
from connector.issues import find_issue
from connector.models import Connection, KeyResult
from connector.rules import editing
from connector.rules.editing import RuleDraft
from connector.rules.previewing import Preview, preview_rule
from connector.rules.running import ask_for_run
from connector.rules.telling import RuleView, view_exceptions, view_rules
from mapping import display
from web.api.access import Caller, caller
from web.api.blueprint import API, api
from web.api.connection_choice import chosen_connection
from web.api.exchange import answer, created_outside, expected_version
from web.api.rule_schemas import (
    ExceptionOut,
    ExceptionPage,
    ExceptionQuery,
    PreviewIssue,
    PreviewOut,
    Rival,
    RuleChanges,
    RuleDeletion,
    RuleIn,
    RuleListQuery,
    RuleOut,
    RulePage,
    RunIn,
)


@api.get("/key-results/<uuid:key_result_id>/rules")
@api.input(RuleListQuery, location="query")
@api.output(RulePage)
@api.doc(tags=["rules"], operation_id="listRules")
def list_rules(key_result_id: UUID, query_data: RuleListQuery) -> Response:
    """List the rules of a key result, with what each links and what it lost to whom"""
    who = caller()
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        views = view_rules(session, who.workspace_id, str(key_result_id))
        return answer(RulePage(items=[_shape(view) for view in views], next_cursor=None))


@api.post("/key-results/<uuid:key_result_id>/rules")
@api.input(RuleIn)
@api.output(RuleOut, status_code=201)
@api.doc(tags=["rules"], operation_id="createRule")
def create_rule(key_result_id: UUID, json_data: RuleIn) -> Response:
    """Keep a rule; it links in the background, within seconds for a few hundred issues"""
    who = caller()

    def work() -> tuple[BaseModel, str]:
        with who.core.database.reading() as session:
            goals.require_open(goals.find(session, KeyResult, who.workspace_id, str(key_result_id)))
            connection = chosen_connection(session, who, json_data.connection_id)
        draft = _draft(connection, json_data)
        query = editing.resolve_draft(who.core, connection, draft)
        with who.core.database.writing() as session:
            row = editing.create_rule(
                session, who.core, who.workspace_id, str(key_result_id), draft, query, actor=who.actor, now=who.now
            )
            shape = _shape(_view(session, who, str(key_result_id), row.id))
        return shape, f"{API}/key-results/{key_result_id}/rules/{shape.id}"

    return created_outside(work)


@api.post("/key-results/<uuid:key_result_id>/rules/preview")
@api.input(RuleIn)
@api.output(PreviewOut)
@api.doc(tags=["rules"], operation_id="previewRule")
def preview(key_result_id: UUID, json_data: RuleIn) -> Response:
    """Try a rule out: how many issues, what stands in the way, and the exact effect on the number"""
    who = caller()
    with who.core.database.reading() as session:
        goals.require_open(goals.find(session, KeyResult, who.workspace_id, str(key_result_id)))
        connection = chosen_connection(session, who, json_data.connection_id)
    seen = preview_rule(who.core, who.workspace_id, str(key_result_id), _draft(connection, json_data))
    return answer(_preview_shape(seen))


@api.get("/key-results/<uuid:key_result_id>/rules/<uuid:rule_id>")
@api.output(RuleOut)
@api.doc(tags=["rules"], operation_id="getRule")
def get_rule(key_result_id: UUID, rule_id: UUID) -> Response:
    """Read a rule"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(_shape(_view(session, who, str(key_result_id), str(rule_id))))


@api.patch("/key-results/<uuid:key_result_id>/rules/<uuid:rule_id>")
@api.input(RuleChanges)
@api.output(RuleOut)
@api.doc(tags=["rules"], operation_id="editRule")
def edit_rule(key_result_id: UUID, rule_id: UUID, json_data: RuleChanges) -> Response:
    """Change a rule's weight or bound, pause it or let it go on"""
    who = caller()
    given = json_data.named()
    changes = editing.RuleChanges(
        given.get("weight"), given.get("at_most"), given.get("state"), take_away=given.get("links") == "remove"
    )
    with who.core.database.writing() as session:
        _view(session, who, str(key_result_id), str(rule_id))
        editing.edit_rule(
            session, who.workspace_id, str(rule_id), changes, expected=expected_version(), now=who.now
        )  # fmt: skip
        return answer(_shape(_view(session, who, str(key_result_id), str(rule_id))))


@api.post("/key-results/<uuid:key_result_id>/rules/<uuid:rule_id>/runs")
@api.input(RunIn)
@api.output(RuleOut, status_code=202)
@api.doc(tags=["rules"], operation_id="runRule")
def run_rule(key_result_id: UUID, rule_id: UUID, json_data: RunIn) -> Response:
    """Have a rule compared with its tracker now; it is anyway, every quarter of an hour for a thousand issues"""
    who = caller()
    with who.core.database.writing() as session:
        view = _view(session, who, str(key_result_id), str(rule_id))
        ask_for_run(session, view.rule, who.now)
        return answer(_shape(view), 202)


@api.delete("/key-results/<uuid:key_result_id>/rules/<uuid:rule_id>")
@api.input(RuleDeletion, location="query")
@api.doc(tags=["rules"], operation_id="deleteRule", responses={204: "Removed"})
def delete_rule(key_result_id: UUID, rule_id: UUID, query_data: RuleDeletion) -> Response:
    """Delete a rule; its links stay as people's own, or go"""
    who = caller()
    with who.core.database.writing() as session:
        _view(session, who, str(key_result_id), str(rule_id))
        editing.delete_rule(
            session,
            who.workspace_id,
            str(rule_id),
            keep_links=query_data.links == "keep",
            expected=expected_version(),
            now=who.now,
        )
    return Response(status=204)


@api.get("/key-results/<uuid:key_result_id>/rule-exceptions")
@api.output(ExceptionPage)
@api.doc(tags=["rules"], operation_id="listRuleExceptions")
def list_exceptions(key_result_id: UUID) -> Response:
    """List what people took away from the rules of a key result, at most 200"""
    who = caller()
    with who.core.database.reading() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        items = [
            ExceptionOut(
                connection_id=one.issue.connection_id,
                external_id=one.issue.external_id,
                key=one.issue.key,
                url=one.issue.url,
                title=one.issue.title,
                made_by=one.exception.made_by,
                made_at=one.exception.made_at,
            )
            for one in view_exceptions(session, who.workspace_id, str(key_result_id))
        ]
        return answer(ExceptionPage(items=items, next_cursor=None))


@api.delete("/key-results/<uuid:key_result_id>/rule-exceptions")
@api.input(ExceptionQuery, location="query")
@api.doc(tags=["rules"], operation_id="deleteRuleException", responses={204: "Rules may link it again"})
def delete_exception(key_result_id: UUID, query_data: ExceptionQuery) -> Response:
    """Let the key result's rules link an issue again"""
    who = caller()
    with who.core.database.writing() as session:
        goals.find(session, KeyResult, who.workspace_id, str(key_result_id))
        connection = chosen_connection(session, who, query_data.connection_id)
        issue = find_issue(session, connection.id, query_data.external_id)
        if issue is None:
            raise NotFound("There is no such issue.")
        editing.let_rules_link_again(session, who.workspace_id, str(key_result_id), [issue.id], now=who.now)
    return Response(status=204)


def _draft(connection: Connection, given: RuleIn) -> RuleDraft:
    if not given.text.strip():
        raise Invalid("no_text", "Say which issues.", "text")
    return RuleDraft(connection.id, given.kind, given.text, given.weight, given.at_most)


def _view(session: Session, who: Caller, key_result_id: str, rule_id: str) -> RuleView:
    for view in view_rules(session, who.workspace_id, key_result_id):
        if view.rule.id == rule_id:
            return view
    raise NotFound("There is no such rule.")


def _shape(view: RuleView) -> RuleOut:
    rule = view.rule
    return RuleOut.model_validate(
        {
            **{name: getattr(rule, name) for name in RuleOut.model_fields if hasattr(rule, name)},
            "name": view.name,
            "matches": view.matches,
            "links": view.links,
            "under_way": view.under_way,
            "not_linked": {fate.value: number for fate, number in sorted(view.by_fate.items())},
            "lost_to": [Rival.model_validate(one) for one in view.lost_to],
        }
    )


def _preview_shape(seen: Preview) -> PreviewOut:
    now, then = (None if one is None else one.progress for one in (seen.now, seen.then))
    return PreviewOut.model_validate(
        {
            "kind": seen.query.kind,
            "text": seen.query.text,
            "matches": seen.number,
            "exact": seen.exact,
            "over_bound": seen.over_bound,
            **{name: getattr(seen, name) for name in ("at_most", "linked", "by_hand", "second", "excepted")},
            "lost_to": [Rival.model_validate(one) for one in seen.lost_to],
            "taken_from": [Rival.model_validate(one) for one in seen.taken_from],
            "first": [
                PreviewIssue(
                    external_id=issue.external_id,
                    key=issue.key,
                    url=issue.url,
                    title=issue.title,
                    cls=issue.cls,
                    fate=fate.value,
                )
                for issue, fate in seen.first
            ],
            "work_now": now,
            "work_then": then,
            "gain_pp": None if now is None or then is None else display.points(then - now),
        }
    )
