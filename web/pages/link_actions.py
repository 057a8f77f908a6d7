"""Linking from a key result's page: link, weigh, unlink, and take the unlinking back."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from urllib.parse import unquote, urlsplit

from flask import request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector import links
from connector.errors import NotFound
from connector.goals import require_open
from connector.linking import link_through_tracker
from connector.links import LinkRefused
from connector.models import Connection, Issue, Link
from connector.tracker import TrackerError
from connector.vault import SealBroken
from web.pages.entry import Entry
from web.pages.guard import core, may, needs, person, visit, workspace
from web.pages.key_result import Forms, active_connections, show
from web.pages.site import blueprint, go, go_to
from web.pages.telling import telling, work_now

ISSUE_KEY = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_]{0,30}-[0-9]{1,12})(?![A-Za-z0-9])")
# In Linear's addresses a title follows the key, and may look like one itself.
ADDRESSED_KEY = re.compile(r"/issue/([A-Za-z][A-Za-z0-9_]{0,30}-[0-9]{1,12})(?![A-Za-z0-9])")
# The undo button is there for ten seconds; a slow network and a slow hand get some more.
UNDO_SECONDS = 120


@blueprint.post("/key-results/<key_result_id>/links")
@needs("member")
def add_link(key_result_id: str) -> Response:
    """Link an issue named by its key or its address."""
    entry = Entry.sent(request.form)
    entry.aliases = {"connection_id": "issue"}
    text = entry.text("issue", "The issue's key or address")
    weight = entry.number("weight", "The weight") or Fraction(1)
    declared = entry.number("declared_change", "The claimed change")
    if entry.ok:
        with core().database.reading() as session:
            connection = _connection_for(session, text, entry)
        key = _key_in(text)
        if key is None:
            entry.wrong("issue", "Write the issue's key, such as ATL-12, or paste its address.")
        elif connection is not None:
            try:
                made = link_through_tracker(
                    core(),
                    workspace().id,
                    connection,
                    key_result_id,
                    key,
                    actor=person().name,
                    account_id=account_in(connection),
                    weight=weight,
                    declared_change=declared,
                )
            except (LinkRefused, TrackerError) as error:
                entry.wrong("issue", str(error))
            else:
                site = connection.display_site or connection.site
                if made.waiting:
                    waits = f"waits for {site}, which does not answer now; it counts nothing until then."
                    visit().say(f"{key} is linked and {waits}", "note")
                else:
                    visit().say(f"{key} is linked. {work_now(key_result_id)}")
                return go("key_result", key_result_id=key_result_id)
    with core().database.reading() as session:
        return show(session, key_result_id, Forms(link=entry), status=422)


@blueprint.post("/links/<link_id>/weight")
@needs("member")
def weigh_link(link_id: str) -> Response:
    """Change how much a link counts."""
    entry = Entry.sent(request.form)
    weight = entry.number("weight", "The weight", required=True)
    with core().database.reading() as session:
        link = _find_link(session, link_id)
        before, key_result_id, key = link.weight, link.key_result_id, link.issue.key
    if weight is None:
        visit().say(next(iter(entry.errors.values())), "bad")
        return _back(key_result_id)
    try:
        with core().database.writing() as session:
            told = telling(
                session,
                key_result_id,
                lambda: links.set_weight(
                    session, workspace().id, link_id, weight, actor=person().name, now=core().clock()
                ),
            )
    except LinkRefused as error:
        visit().say(str(error), "bad")
    else:
        undo = {"action": url_for("pages.weigh_link", link_id=link_id), "fields": {"weight": str(before)}}
        visit().say(f"{key} has another weight. {told}", undo=undo if "/" not in str(before) else None)
    return _back(key_result_id)


@blueprint.post("/links/<link_id>/unlink")
@needs("member")
def unlink(link_id: str) -> Response:
    """Take a link away; a sealed note lets this person put it back as it was."""
    with core().database.reading() as session:
        link = _find_link(session, link_id)
        require_open(link.key_result)
        key_result_id, key = link.key_result_id, link.issue.key
        note = {
            "person": person().id,
            "key_result": key_result_id,
            "issue": link.issue_id,
            "weight": str(link.weight),
            "source": link.source,
            "declared_change": None if link.declared_change is None else str(link.declared_change),
            "waiting": link.state == "waiting",
            "asked_by": link.asked_by,
            "until": core().clock().timestamp() + UNDO_SECONDS,
        }
        was_refused = link.state == "refused"
    with core().database.writing() as session:
        told = telling(
            session,
            key_result_id,
            lambda: links.unlink(session, workspace().id, link_id, actor=person().name, now=core().clock()),
        )
    sealed = core().vault.seal(workspace().id, "undo", json.dumps(note))
    undo = {"action": url_for("pages.relink"), "fields": {"note": sealed, "back": request.form.get("back", "")}}
    visit().say(f"{key} is unlinked. {told}", undo=None if was_refused else undo)
    return _back(key_result_id)


@blueprint.post("/links/undo")
@needs("member")
def relink() -> Response:
    """Put a link back that this person has just taken away.

    The note is sealed by us: without that, a made-up one could link an issue that its author may not edit.
    """
    try:
        note = json.loads(core().vault.open(workspace().id, "undo", request.form.get("note", "")))
    except (SealBroken, ValueError):
        return go("goals")
    if note["person"] != person().id or note["until"] < core().clock().timestamp():
        visit().say("That was too long ago to undo. Link the issue again.", "bad")
        return go("key_result", key_result_id=note["key_result"])
    declared = note["declared_change"]
    now = core().clock()
    try:
        with core().database.writing() as session:
            issue = session.get_one(Issue, note["issue"])
            told = telling(
                session,
                note["key_result"],
                lambda: links.link_issue(
                    session,
                    workspace().id,
                    note["key_result"],
                    issue,
                    actor=person().name,
                    now=now,
                    weight=Fraction(note["weight"]),
                    source=note["source"],
                    declared_change=None if declared is None else Fraction(declared),
                    waiting=note["waiting"],
                    asked_by=note["asked_by"],
                ),
            )
            visit().say(f"{issue.key} is linked again. {told}")
    except LinkRefused as error:
        visit().say(str(error), "bad")
    return _back(note["key_result"])


def _back(key_result_id: str) -> Response:
    """Return to the page that the form was on: the issue's, if it says so, else the key result's."""
    back = request.form.get("back", "")
    return go_to(back) if back else go("key_result", key_result_id=key_result_id)


def _find_link(session: Session, link_id: str) -> Link:
    link = session.scalars(select(Link).where(Link.id == link_id, Link.workspace_id == workspace().id)).one_or_none()
    if link is None:
        raise NotFound("There is no such link.")
    return link


def _key_in(text: str) -> str | None:
    """Return the issue key in what was typed or pasted; in an address, the last one that it holds."""
    named = ADDRESSED_KEY.search(unquote(text))
    if named is not None:
        return named[1].upper()
    keys = ISSUE_KEY.findall(unquote(text))
    return keys[-1].upper() if keys else None


def _connection_for(session: Session, text: str, entry: Entry) -> Connection | None:
    """Return the connection that an address or the picked site points to; notes an error if that is not clear."""
    known = active_connections(session)
    if not known:
        entry.wrong("issue", "No tracker is connected yet; see Connections.")
        return None
    if "://" in text:
        host = urlsplit(text.strip()).netloc.lower()
        for connection in known:
            if host and host in {urlsplit(site).netloc.lower() for site in (connection.site, connection.display_site)}:
                return connection
        entry.wrong("issue", "This address belongs to no connected site.")
        return None
    picked = entry.get("connection_id")
    if picked or len(known) == 1:
        return next((one for one in known if one.id == picked or len(known) == 1), None)
    entry.wrong("issue", "Several sites are connected; paste the issue's address instead of its key.")
    return None


def account_in(connection: Connection) -> str | None:
    """Return this person's account in the tracker, whose rights decide; None for an admin without one.

    Who may not edit an issue there must not link it here, so somebody without an account can't be let through. An admin
    can: they may hand out API tokens, which link without asking as well. Raises LinkRefused (no_account).
    """
    for account in person().accounts:
        if account.tracker == connection.tracker:
            return account.account_id
    if may("admin"):
        return None
    tracker = connection.tracker.capitalize()
    raise LinkRefused(
        "no_account",
        f"Ladder does not know you in {tracker}, so it can't ask whether you may edit the issue. "
        f"An admin can add your account under People; or link it from the issue itself, in {tracker}.",
    )
