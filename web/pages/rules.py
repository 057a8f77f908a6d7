"""Pages about rules: the form with its preview, one rule with what it lost to whom, and what people took away."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flask import abort, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector.errors import NotFound
from connector.models import Connection, KeyResult, LinkRule
from connector.rules.editing import may_change_rules, may_make_rules
from connector.rules.previewing import Preview, effect_of_letting_go
from connector.rules.running import USUAL_BOUND
from connector.rules.telling import RuleView, view_exceptions, view_rules
from connector.tracker import TrackerError
from mapping import display
from web.pages.entry import Entry
from web.pages.guard import core, may, person, workspace
from web.pages.key_result import active_connections, find_shown
from web.pages.site import blueprint, go, page
from web.pages.words import plain_number

KINDS = (("label", "a label"), ("epic", "an epic"), ("query", "a query"), ("project", "a whole project"))


@dataclass(frozen=True, slots=True)
class Tried:
    """A preview, the issues in it that the visitor may see, and what the form said when it was made."""

    seen: Preview
    visible: Collection[int]
    signature: str


@blueprint.get("/key-results/<key_result_id>/rules/new")
def new_rule(key_result_id: str) -> Response:
    """Show the form for a rule; `kind` and `text` may be given, as by the search."""
    with core().database.reading() as session:
        makers_only(session, key_result_id)
        entry = Entry.showing(
            {
                "kind": request.args.get("kind", "label"),
                "text": request.args.get("text", ""),
                "connection_id": request.args.get("connection_id", ""),
                "weight": "1",
                "at_most": str(USUAL_BOUND),
            }
        )
        return show_form(session, key_result_id, entry)


@blueprint.get("/key-results/<key_result_id>/rules/<rule_id>")
def rule(key_result_id: str, rule_id: str) -> Response:
    """Show a rule, and why it does not link what it does not link."""
    with core().database.reading() as session:
        return show_rule(session, key_result_id, rule_id)


@blueprint.get("/key-results/<key_result_id>/rules/exceptions")
def rule_exceptions(key_result_id: str) -> Response:
    """Show what people took away from the rules of a key result."""
    with core().database.reading() as session:
        found = find_shown(session, key_result_id)
        return page(
            "pages/rule_exceptions.html",
            section="pages.goals",
            key_result=found,
            exceptions=view_exceptions(session, workspace().id, found.id),
            can_change=may_change_rules(person(), found) and found.state == "open",
        )


def show_form(
    session: Session, key_result_id: str, entry: Entry, tried: Tried | None = None, *, status: int = 200
) -> Response:
    """Render the form for a rule, with what a preview found."""
    found = find_shown(session, key_result_id)
    connections = active_connections(session)
    if not connections:
        return go("connections")
    return page(
        "pages/rule_form.html",
        section="pages.goals",
        status=status,
        key_result=found,
        entry=entry,
        kinds=KINDS,
        connections=[(one.id, one.display_site or one.site) for one in connections],
        back=url_for("pages.key_result", key_result_id=found.id),
        seen=tried.seen if tried else None,
        visible=tried.visible if tried else (),
        previewed=tried.signature if tried else "",
        percent_of=display.percent,
    )


def show_rule(
    session: Session, key_result_id: str, rule_id: str, entry: Entry | None = None, *, status: int = 200
) -> Response:
    """Render a rule's page, with its form as it stands."""
    found = find_shown(session, key_result_id)
    view = find_view(session, found, rule_id)
    can_change = may_change_rules(person(), found) and found.state == "open"
    return page(
        "pages/rule.html",
        section="pages.goals",
        status=status,
        key_result=found,
        view=view,
        can_change=can_change,
        entry=entry or stored_entry(view.rule),
        letting_go=effect_of_letting_go(session, workspace().id, view.rule, core().clock()) if can_change else None,
        percent_of=display.percent,
    )


def stored_entry(row: LinkRule) -> Entry:
    """Return a rule's form as it is stored."""
    texts = {"weight": plain_number(row.weight), "at_most": str(row.at_most)}
    return Entry.showing(texts, version=row.version)


def find_view(session: Session, found: KeyResult, rule_id: str) -> RuleView:
    """Return one rule of a key result; raises NotFound."""
    for view in view_rules(session, workspace().id, found.id):
        if view.rule.id == rule_id:
            return view
    raise NotFound("There is no such rule.")


def makers_only(session: Session, key_result_id: str) -> KeyResult:
    """Return the key result if this person may make rules; refuses others with a page (403).

    A rule acts with the app's rights: whoever could make one without being trusted with all of the tracker could have
    Ladder link, count, and show, what they may not see there.
    """
    found = find_shown(session, key_result_id)
    if not may_make_rules(person()):
        abort(403)
    return found


def changers_only(session: Session, key_result_id: str) -> KeyResult:
    """Return the key result if this person may change its rules; refuses others with a page (403)."""
    found = find_shown(session, key_result_id)
    if not may_change_rules(person(), found):
        abort(403)
    return found


def visible_among(connection: Connection, seen: Preview) -> set[int]:
    """Return the previewed issues that this person may see in the tracker; an admin without an account sees all."""
    ids = {issue.external_id: issue.id for issue, _ in seen.first}
    account = next((one.account_id for one in person().accounts if one.tracker == connection.tracker), None)
    if account is None:
        return set(ids.values()) if may("admin") else set()
    try:
        allowed = core().tracker_of(connection).permitted(connection, account, sorted(ids), "view")
    except TrackerError:
        return set()
    return {ids[external_id] for external_id in allowed if external_id in ids}
