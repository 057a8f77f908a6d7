"""Linking several issues at once: search the tracker, tick what belongs to the key result, link it, take it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector.bulk_linking import AT_ONCE, found_by, link_many_through_tracker
from connector.bulk_links import ask_rules_again, unlink_many
from connector.goals import require_open
from connector.link_terms import LinkRefused
from connector.models import Connection, Issue, Link
from connector.tracker import IssueQuery, IssueSnapshot, TrackerError
from connector.vault import SealBroken
from web.pages.entry import Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.key_result import active_connections, find_shown
from web.pages.link_actions import UNDO_SECONDS, account_in
from web.pages.rules import KINDS
from web.pages.site import blueprint, go, page
from web.pages.telling import telling, work_now

WORDS = "words"
# Found by words; a search by label or query finds as many as can be linked at once.
MOST_BY_WORDS = 50


@dataclass(slots=True)
class Found:
    """What a search found, as far as this person may see it; `linked` are the ids of those linked already.

    How many others there are is not told: with a query for one issue after another that would give away what they say.
    """

    issues: list[IssueSnapshot] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)


@blueprint.get("/key-results/<key_result_id>/links/search")
@needs("member")
def search_to_link(key_result_id: str) -> Response:
    """Search a tracker by words, label, project, epic or query, and show what was found."""
    entry = Entry.showing(
        {name: request.args.get(name, "") for name in ("kind", "text", "connection_id")}
        | {"weight": request.args.get("weight", "1")}
    )
    entry.texts["kind"] = entry.get("kind") or WORDS
    return _show(key_result_id, entry, searching="text" in request.args)


@blueprint.post("/key-results/<key_result_id>/links/many")
@needs("member")
def link_several(key_result_id: str) -> Response:
    """Link the ticked issues; a sealed note lets this person take that back."""
    entry = Entry.sent(request.form)
    weight = entry.number("weight", "The weight", required=True)
    names = entry.picked("issue")
    with core().database.reading() as session:
        require_open(find_shown(session, key_result_id))
        connection = _connection(session, entry)
    if not names:
        entry.wrong("issue", "Tick the issues to link.")
    if not entry.ok or connection is None or weight is None:
        return _show(key_result_id, entry, searching=True, status=422)
    try:
        items = link_many_through_tracker(
            core(),
            workspace().id,
            connection,
            key_result_id,
            names,
            actor=person().name,
            account_id=account_in(connection),
            weight=weight,
        )
    except (LinkRefused, TrackerError) as error:
        entry.trouble = str(error)
        return _show(key_result_id, entry, searching=True, status=422)
    made = [item.link_id for item in items if item.link_id is not None]
    not_linked = [item for item in items if item.link_id is None]
    said = [_told(key_result_id, len(made))] if made else ["Nothing is linked."]
    if not_linked:
        said.append(f"{len(not_linked)} not: {not_linked[0].message}")
    undo = _undo(key_result_id, made) if made else None
    visit().say(" ".join(said), "done" if made else "bad", undo=undo)
    return go("key_result", key_result_id=key_result_id)


@blueprint.post("/links/many/undo")
@needs("member")
def unlink_several() -> Response:
    """Take back what this person has just linked together.

    The note is sealed by us: a made-up one could unlink what others linked.
    """
    try:
        note = json.loads(core().vault.open(workspace().id, "links-undo", request.form.get("note", "")))
    except (SealBroken, ValueError):
        return go("goals")
    if note["person"] != person().id or note["until"] < core().clock().timestamp():
        visit().say("That was too long ago to undo. Unlink the issues one by one.", "bad")
        return go("key_result", key_result_id=note["key_result"])
    now = core().clock()
    with core().database.writing() as session:
        # Made together, they share their moment, and nobody else's have it.
        made = select(Link.id).where(
            Link.workspace_id == workspace().id,
            Link.key_result_id == note["key_result"],
            Link.created_at == datetime.fromisoformat(note["made_at"]),
            Link.source == "manual",
        )
        ids = session.scalars(made).all()

        def act() -> None:
            # As if they had never been linked: no word against rules that may want to link them.
            taken = unlink_many(session, workspace().id, ids, actor=person().name, now=now, by_rule=True)
            ask_rules_again(session, [one.issue_id for one in taken], now)

        told = telling(session, note["key_result"], act)
    visit().say(f"{len(ids)} {'issue is' if len(ids) == 1 else 'issues are'} unlinked again. {told}")
    return go("key_result", key_result_id=note["key_result"])


def _show(key_result_id: str, entry: Entry, *, searching: bool, status: int = 200) -> Response:
    found = None
    with core().database.reading() as session:
        key_result = find_shown(session, key_result_id)
        require_open(key_result)
        connections = active_connections(session)
        connection = _connection(session, entry) if searching else None
    if searching and connection is not None and entry.get("text").strip():
        try:
            found = _search(key_result_id, connection, entry.get("kind"), entry.get("text").strip())
        except (LinkRefused, TrackerError) as error:
            entry.wrong("text", str(error))
    elif searching and "text" not in entry.errors:
        entry.wrong("text", "Say what to look for.")
    return page(
        "pages/link_search.html",
        section="pages.goals",
        status=status,
        key_result=key_result,
        entry=entry,
        connections=[(one.id, one.display_site or one.site) for one in connections],
        kinds=[(WORDS, "words or a key"), *KINDS],
        found=found,
        connection=connection,
        back=url_for("pages.key_result", key_result_id=key_result.id),
    )


def _search(key_result_id: str, connection: Connection, kind: str, text: str) -> Found:
    account = account_in(connection)
    tracker = core().tracker_of(connection)
    found = Found()
    if kind == WORDS:
        if account is None:
            raise LinkRefused(
                "no_account", "Searching by words shows what you may see there; your account isn't known. Try a query."
            )
        found.issues = list(tracker.search(connection, account, text, MOST_BY_WORDS))
    elif kind not in tracker.capabilities.rules:
        raise LinkRefused("kind_not_supported", "This tracker can't be asked for that.")
    else:
        issues = found_by(core(), connection, IssueQuery(kind, text))
        allowed = _may_see(connection, account, issues)
        found.issues = [one for one in issues if one.external_id in allowed]
    with core().database.reading() as session:
        linked = (
            select(Issue.external_id)
            .join(Link, Link.issue_id == Issue.id)
            .where(Issue.connection_id == connection.id, Link.key_result_id == key_result_id, Link.source != "rule")
            .where(Issue.external_id.in_([one.external_id for one in found.issues]))
        )
        found.linked = set(session.scalars(linked))
    return found


def _may_see(connection: Connection, account: str | None, issues: Sequence[IssueSnapshot]) -> set[str]:
    """Return the issues that this person may see: a query is asked with the app's rights, not with theirs."""
    ids = [one.external_id for one in issues]
    if account is None:
        return set(ids)
    tracker = core().tracker_of(connection)
    seen: set[str] = set()
    for start in range(0, len(ids), AT_ONCE):
        seen |= tracker.permitted(connection, account, ids[start : start + AT_ONCE], "view")
    return seen


def _connection(session: Session, entry: Entry) -> Connection | None:
    known = active_connections(session)
    picked = entry.get("connection_id")
    connection = next((one for one in known if one.id == picked or len(known) == 1), None)
    if connection is None:
        entry.wrong("connection_id", "Choose the site.")
    return connection


def _told(key_result_id: str, number: int) -> str:
    return f"{number} {'issue is' if number == 1 else 'issues are'} linked. {work_now(key_result_id)}"


def _undo(key_result_id: str, made: Sequence[str]) -> dict[str, object]:
    with core().database.reading() as session:
        moment = session.get_one(Link, made[0]).created_at
    note = {
        "person": person().id,
        "key_result": key_result_id,
        "made_at": moment.isoformat(),
        "until": core().clock().timestamp() + UNDO_SECONDS,
    }
    sealed = core().vault.seal(workspace().id, "links-undo", json.dumps(note))
    return {"action": url_for("pages.unlink_several"), "fields": {"note": sealed}}
