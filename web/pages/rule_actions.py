"""Making, changing and deleting rules from their pages, and taking that back."""

from __future__ import annotations

import json
from fractions import Fraction

from flask import request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector.errors import Invalid, Refusal
from connector.models import Connection
from connector.rules import editing
from connector.rules.editing import RuleChanges, RuleDraft
from connector.rules.naming import name_of_rule
from connector.rules.previewing import preview_rule
from connector.rules.running import HIGHEST_BOUND, ask_for_run
from connector.tracker import IssueQuery, TrackerError
from connector.vault import SealBroken
from web.pages.entry import Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.rules import (
    KINDS,
    Tried,
    changers_only,
    find_view,
    makers_only,
    show_form,
    show_rule,
    stored_entry,
    visible_among,
)
from web.pages.site import blueprint, go
from web.pages.telling import telling

UNDO_SECONDS = 120
# The note travels in a cookie; the longest queries don't fit, and are made again by hand.
LONGEST_UNDONE = 400


@blueprint.post("/key-results/<key_result_id>/rules")
@needs("member")
def add_rule(key_result_id: str) -> Response:
    """Preview a rule, or keep it once it has been previewed as it is."""
    entry = Entry.sent(request.form)
    with core().database.reading() as session:
        makers_only(session, key_result_id)
        draft, connection = _draft(session, entry)
    if entry.ok and connection is not None:
        signature = json.dumps([draft.connection_id, draft.kind, draft.text, str(draft.weight), draft.at_most])
        try:
            if entry.get("wish") == "keep" and entry.get("previewed") == signature:
                return _keep(key_result_id, draft, connection)
            seen = preview_rule(core(), workspace().id, key_result_id, draft)
        except Invalid as error:
            entry.wrong(error.field or "text", error.message)
        except (Refusal, TrackerError) as error:
            entry.trouble = str(error)
        else:
            tried = Tried(seen, visible_among(connection, seen), signature)
            with core().database.reading() as session:
                return show_form(session, key_result_id, entry, tried)
    with core().database.reading() as session:
        return show_form(session, key_result_id, entry, status=422)


@blueprint.post("/key-results/<key_result_id>/rules/<rule_id>")
@needs("member")
def change_rule(key_result_id: str, rule_id: str) -> Response:
    """Save another weight or bound, pause, go on, or compare with the tracker now."""
    entry = Entry.sent(request.form)
    with core().database.reading() as session:
        name = _named(session, key_result_id, rule_id)
    wish = entry.get("wish")
    if wish == "run":
        with core().database.writing() as session:
            ask_for_run(session, editing.find_rule(session, workspace().id, rule_id), core().clock())
        visit().say(f"{name} is being compared with its tracker.")
        return _to_rule(key_result_id, rule_id)
    changes = RuleChanges()
    if wish == "save":
        weight = entry.number("weight", "The weight", required=True)
        changes = RuleChanges(weight=weight, at_most=_bound(entry))
    elif wish in ("pause", "pause-without-links"):
        changes = RuleChanges(state="paused", take_away=wish != "pause")
    elif wish == "resume":
        changes = RuleChanges(state="active")
    if entry.ok:
        with entry.catching(lambda: _stored(key_result_id, rule_id)):
            with core().database.writing() as session:
                told = telling(
                    session,
                    key_result_id,
                    lambda: editing.edit_rule(
                        session, workspace().id, rule_id, changes, expected=entry.version, now=core().clock()
                    ),
                )
            said = {"pause": "is paused, with its links as they are.", "pause-without-links": "is paused.",
                    "resume": "goes on."}.get(wish, "is changed.")  # fmt: skip
            paused = wish.startswith("pause")
            undo = {"action": url_for("pages.change_rule", key_result_id=key_result_id, rule_id=rule_id),
                    "fields": {"wish": "resume"}}  # fmt: skip
            visit().say(f"{name} {said} {told}", undo=undo if paused else None)
            return _to_rule(key_result_id, rule_id)
    with core().database.reading() as session:
        return show_rule(session, key_result_id, rule_id, entry, status=422)


@blueprint.post("/key-results/<key_result_id>/rules/<rule_id>/removal")
@needs("member")
def remove_rule(key_result_id: str, rule_id: str) -> Response:
    """Delete a rule and keep its links as people's own, or take them away; the latter can be taken back."""
    keep = request.form.get("links") != "remove"
    gone = editing.Gone()
    with core().database.writing() as session:
        name = _named(session, key_result_id, rule_id)
        row = editing.find_rule(session, workspace().id, rule_id)
        note = {
            "person": person().id,
            "key_result": key_result_id,
            "query": [row.kind, row.text, row.external_id],
            "connection_id": row.connection_id,
            "weight": str(row.weight),
            "at_most": row.at_most,
            "until": core().clock().timestamp() + UNDO_SECONDS,
        }

        def act() -> None:
            nonlocal gone
            gone = editing.delete_rule(session, workspace().id, rule_id, keep_links=keep, now=core().clock())

        told = telling(session, key_result_id, act)
    undo = None
    if not keep and len(row.text) <= LONGEST_UNDONE:
        sealed = core().vault.seal(workspace().id, "rule-undo", json.dumps(note))
        undo = {"action": url_for("pages.restore_rule"), "fields": {"note": sealed}}
    links = f"{gone.kept or gone.removed} {'link' if gone.kept + gone.removed == 1 else 'links'}"
    fate = f"{links} kept as people's own." if keep else f"{links} {'going' if gone.under_way else 'gone'}."
    visit().say(f"{name} is deleted, {fate} {told}", undo=undo)
    return go("key_result", key_result_id=key_result_id)


@blueprint.post("/rules/undo")
@needs("member")
def restore_rule() -> Response:
    """Make a rule again that this person has just deleted with its links; it links what it did.

    The note is sealed by us: a made-up one could make a rule that its author may not make.
    """
    try:
        note = json.loads(core().vault.open(workspace().id, "rule-undo", request.form.get("note", "")))
    except (SealBroken, ValueError):
        return go("goals")
    if note["person"] != person().id or note["until"] < core().clock().timestamp():
        visit().say("That was too long ago to undo. Make the rule again.", "bad")
        return go("key_result", key_result_id=note["key_result"])
    query = IssueQuery(*note["query"])
    draft = RuleDraft(note["connection_id"], query.kind, query.text, Fraction(note["weight"]), note["at_most"])
    try:
        with core().database.writing() as session:
            changers_only(session, note["key_result"])
            row = editing.create_rule(
                session, core(), workspace().id, note["key_result"], draft, query,
                actor=person().name, now=core().clock(),
            )  # fmt: skip
    except Refusal as error:
        visit().say(error.message, "bad")
        return go("key_result", key_result_id=note["key_result"])
    visit().say(f"Rule {name_of_rule(query.kind, query.text)} is back and linking again.")
    return _to_rule(note["key_result"], row.id)


@blueprint.post("/key-results/<key_result_id>/rules/exceptions")
@needs("member")
def let_rules_link(key_result_id: str) -> Response:
    """Let the key result's rules link an issue again that somebody took away."""
    issue = request.form.get("issue", "")
    with core().database.writing() as session:
        changers_only(session, key_result_id)
        ids = [int(issue)] if issue.isdigit() and len(issue) < 18 else []
        told = telling(
            session,
            key_result_id,
            lambda: editing.let_rules_link_again(session, workspace().id, key_result_id, ids, now=core().clock()),
        )
    visit().say(f"Rules may link it again. {told}")
    return go("rule_exceptions", key_result_id=key_result_id)


def _keep(key_result_id: str, draft: RuleDraft, connection: Connection) -> Response:
    query = editing.resolve_draft(core(), connection, draft)
    with core().database.writing() as session:
        row = editing.create_rule(
            session, core(), workspace().id, key_result_id, draft, query, actor=person().name, now=core().clock()
        )
    visit().say(f"Rule {name_of_rule(query.kind, query.text)} is kept and at work.")
    return _to_rule(key_result_id, row.id)


def _draft(session: Session, entry: Entry) -> tuple[RuleDraft, Connection | None]:
    kind = entry.choice("kind", "What holds the issues", [code for code, _ in KINDS]) or "label"
    text = entry.text("text", "Which one", limit=editing.LONGEST_TEXT)
    weight = entry.number("weight", "The weight", required=True) or Fraction(0)
    at_most = _bound(entry) or 0
    query = select(Connection).where(Connection.workspace_id == workspace().id, Connection.state == "active")
    known = session.scalars(query.order_by(Connection.installed_at, Connection.id)).all()
    picked = entry.get("connection_id")
    connection = next((one for one in known if one.id == picked or len(known) == 1), None)
    if connection is None:
        entry.wrong("connection_id", "Choose the site.")
    return RuleDraft(connection.id if connection else "", kind, text.strip(), weight, at_most), connection


def _bound(entry: Entry) -> int | None:
    number = entry.number("at_most", "The bound", required=True)
    if number is not None and (number.denominator != 1 or not 1 <= number <= HIGHEST_BOUND):
        entry.wrong("at_most", f"A whole number from 1 to {HIGHEST_BOUND:,}.")
        return None
    return None if number is None else int(number)


def _named(session: Session, key_result_id: str, rule_id: str) -> str:
    found = changers_only(session, key_result_id)
    return f"Rule {find_view(session, found, rule_id).name}"


def _stored(key_result_id: str, rule_id: str) -> Entry:
    with core().database.reading() as session:
        return stored_entry(find_view(session, changers_only(session, key_result_id), rule_id).rule)


def _to_rule(key_result_id: str, rule_id: str) -> Response:
    return go("rule", key_result_id=key_result_id, rule_id=rule_id)
