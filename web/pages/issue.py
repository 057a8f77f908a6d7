"""Ladder's page for one issue: the panel at full width, for trackers in which no panel of ours can be opened."""

from __future__ import annotations

from dataclasses import dataclass

from flask import abort, current_app, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector.issue_panel import panel_revision, read_panel
from connector.issues import find_issue
from connector.ledger import read_ledger
from connector.linking import link_through_tracker
from connector.links import LinkRefused, declare_business_as_usual, search_key_results
from connector.models import Connection
from connector.site_settings import find_connection
from connector.suggestions import Suggestion, suggest_key_results
from connector.suggestions.discretion import by_account, discreet
from connector.tracker import TrackerError
from jira_app.panel_rights import Rights, RightsBook
from jira_app.panel_view import build_view, cause_row, where_of
from web.pages.guard import core, may, needs, person, visit, workspace
from web.pages.site import blueprint, go, not_modified, page, unchanged
from web.pages.telling import work_now

ROWS_SHOWN = 6
FOUND_AT_MOST = 12
LONGEST_SEARCH = 200
LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """An issue that the signed-in person may look at. `account_id` is None for an admin without one there."""

    connection: Connection
    external_id: str
    account_id: str | None
    may_edit: bool


@blueprint.get("/issues/<tracker>/<connection_id>/<external_id>")
def issue(tracker: str, connection_id: str, external_id: str) -> Response:
    """Show what the issue ladders into."""
    seen = _seen(tracker, connection_id, external_id)
    if seen is None:
        return _closed_door(tracker)
    words = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
    now = core().clock()
    with core().database.reading() as session:
        revision = f"{panel_revision(session, seen.connection, external_id, now)}-{seen.may_edit}"
        if unchanged(revision):
            return not_modified(revision)
        panel = read_panel(session, seen.connection, external_id, now)
        if panel.issue is None or panel.issue.cls == "unknown":
            abort(404)
        suggestions: list[Suggestion] = []
        if panel.state == "unlinked" and seen.may_edit:
            suggestions = suggest_key_results(session, workspace().id, panel.issue)
        linked = {entry.key_result.id for entry in panel.entries if entry.inherited_from is None}
        # Whoever comes to look at a linked issue is not shown a list of everything else.
        offers = seen.may_edit and (panel.state == "unlinked" or "q" in request.args)
        found = _found(session, words, linked) if offers else []
        rights = Rights(seen.account_id or "", True, seen.may_edit)
        set_up = bool(found or suggestions or panel.entries or search_key_results(session, workspace().id, "", limit=1))
        why = {
            entry.key_result.id: [
                cause_row(row) for row in read_ledger(session, workspace().id, entry.key_result.id, limit=ROWS_SHOWN)
            ]
            for entry in panel.entries
        }
    view = build_view(panel, rights=rights, suggestions=_told(seen, suggestions), set_up=set_up, now=now)
    return page(
        "pages/issue.html",
        revision=revision,
        view=view,
        issue=panel.issue,
        tracker=tracker.capitalize(),
        why=why,
        found=found,
        words=words,
        asked="q" in request.args,
        pointed_at=request.args.get("key_result", ""),
        here=request.path,
    )


@blueprint.post("/issues/<tracker>/<connection_id>/<external_id>/link")
@needs("member")
def link_this_issue(tracker: str, connection_id: str, external_id: str) -> Response:
    """Link the issue to a key result."""
    seen = _seen(tracker, connection_id, external_id, insist=True)
    if seen is None or not seen.may_edit:
        abort(403)
    key_result_id = request.form.get("key_result_id", "")[:LONGEST_ID]
    try:
        made = link_through_tracker(
            core(),
            workspace().id,
            seen.connection,
            key_result_id,
            external_id,
            actor=person().name,
            account_id=seen.account_id,
            identity=True,
        )
    except (LinkRefused, TrackerError) as error:
        visit().say(str(error), "bad")
    else:
        waits = f"It waits for {tracker.capitalize()}, which does not answer now, and counts nothing until then."
        visit().say(f"Linked. {waits if made.waiting else work_now(key_result_id)}", "note" if made.waiting else "done")
    return go("issue", tracker=tracker, connection_id=connection_id, external_id=external_id)


@blueprint.post("/issues/<tracker>/<connection_id>/<external_id>/not-goal-work")
@needs("member")
def declare_this_issue(tracker: str, connection_id: str, external_id: str) -> Response:
    """Say that the issue is not goal work, or take that back."""
    seen = _seen(tracker, connection_id, external_id, insist=True)
    if seen is None or not seen.may_edit:
        abort(403)
    category = request.form.get("category", "") or None
    try:
        with core().database.writing() as session:
            row = find_issue(session, seen.connection.id, external_id)
            if row is None:
                abort(404)
            declare_business_as_usual(session, workspace().id, row, category, actor=person().name, now=core().clock())
    except LinkRefused as error:
        visit().say(str(error), "bad")
    else:
        visit().say("Counted as business as usual." if category else "Taken back.")
    return go("issue", tracker=tracker, connection_id=connection_id, external_id=external_id)


def _seen(tracker: str, connection_id: str, external_id: str, *, insist: bool = False) -> Seen | None:
    """Return the issue with what this person may do there, by the tracker's own rights; None if they may not look."""
    if len(external_id) > LONGEST_ID or not external_id.isprintable():
        abort(404)
    with core().database.reading() as session:
        connection = find_connection(session, workspace().id, connection_id)
    if connection.tracker != tracker or tracker not in core().trackers:
        abort(404)
    account = next((one.account_id for one in person().accounts if one.tracker == tracker), None)
    if account is None:
        # An admin may hand out API tokens, which read everything; nobody else gets by without the tracker's word.
        return Seen(connection, external_id, None, may_edit=True) if may("admin") else None
    rights = _book(tracker).read(connection, account, external_id, insist=insist)
    if rights.may_view is False or (rights.may_view is None and not may("admin")):
        return None
    return Seen(connection, external_id, account, may_edit=may("member") and rights.may_edit is not False)


def _told(seen: Seen, suggestions: list[Suggestion]) -> list[Suggestion]:
    """Return the suggestions, with such reasons as this person may read; an admin without an account reads all."""
    if seen.account_id is None or not suggestions:
        return suggestions
    may_see = by_account(core(), {seen.connection.id: seen.account_id})
    return discreet(core(), workspace().id, {0: suggestions}, may_see)[0]


def _book(tracker: str) -> RightsBook:
    books: dict[str, RightsBook] = current_app.extensions.setdefault("ladder_rights", {})
    return books.setdefault(tracker, RightsBook(core().trackers[tracker]))


def _closed_door(tracker: str) -> Response:
    name = tracker.capitalize()
    return page(
        "pages/issue_closed.html",
        status=403,
        tracker=name,
        knows_you=any(one.tracker == tracker for one in person().accounts),
        sign_in_here=tracker == "linear",
        here=request.full_path,
    )


def _found(session: Session, words: str, linked: set[str]) -> list[tuple[str, str, str, bool]]:
    """Return id, title, place and whether it is linked already, of the key results that fit the words."""
    return [
        (
            one.id,
            one.title,
            f"{where_of(one.objective.team.name, one.objective.team.level)} · {one.objective.title}",
            one.id in linked,
        )
        for one in search_key_results(session, workspace().id, words, limit=FOUND_AT_MOST)
    ]
