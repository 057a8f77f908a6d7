"""What people do on a key result's page: check in, tick off milestones, close."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.errors import Conflict, Invalid, LostUpdate
from connector.goals.kinds import MEASURED_KINDS
from web.pages.entry import Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.key_result import Forms, find_shown, show
from web.pages.site import blueprint, go
from web.pages.telling import telling


@blueprint.post("/key-results/<key_result_id>/check-ins")
@needs("member")
def check_in(key_result_id: str) -> Response:
    """Record a value, a status, or both."""
    entry = Entry.sent(request.form)
    now = core().clock()
    with core().database.reading() as session:
        found = find_shown(session, key_result_id)
    command = use_cases.RecordCheckIn(
        value=entry.number("value", "The value", unit=found.unit) if found.kind in MEASURED_KINDS else None,
        status=entry.choice("status", "Status", ("green", "yellow", "red"), required=False) or None,
        confidence=entry.number("confidence", "Confidence"),
        changed=entry.text("changed", "This", required=False, limit=4000),
        plan=entry.text("plan", "The plan", required=False, limit=4000),
        by_id=person().id,
    )
    if entry.ok:
        with entry.catching():
            with core().database.writing() as session:
                told = telling(
                    session,
                    key_result_id,
                    lambda: use_cases.record_check_in(
                        session, workspace().id, key_result_id, command, actor=person().name, now=now
                    ),
                )
            visit().say(f"Checked in. {told}")
            return go("key_result", key_result_id=key_result_id)
    with core().database.reading() as session:
        return show(session, key_result_id, Forms(check_in=entry), status=422)


@blueprint.post("/key-results/<key_result_id>/milestones")
@needs("member")
def add_milestone(key_result_id: str) -> Response:
    """Add a milestone."""
    entry = Entry.sent(request.form)
    title = entry.text("title", "The milestone")
    weight = entry.number("milestone_weight", "The weight") or Fraction(1)
    if entry.ok:
        entry.aliases = {"weight": "milestone_weight"}
        with entry.catching():
            with core().database.writing() as session:
                use_cases.add_milestone(
                    session,
                    workspace().id,
                    key_result_id,
                    use_cases.AddMilestone(title, weight),
                    actor=person().name,
                    now=core().clock(),
                )
            visit().say("The milestone is added.")
            return go("key_result", key_result_id=key_result_id)
    with core().database.reading() as session:
        return show(session, key_result_id, Forms(milestone=entry), status=422)


@blueprint.post("/key-results/<key_result_id>/milestones/<milestone_id>")
@needs("member")
def change_milestone(key_result_id: str, milestone_id: str) -> Response:
    """Finish, reopen or remove a milestone."""
    wish = request.form.get("wish", "")
    given: dict[str, Any] = {"actor": person().name, "now": core().clock()}
    address = url_for("pages.change_milestone", key_result_id=key_result_id, milestone_id=milestone_id)
    try:
        with core().database.writing() as session:
            if wish == "remove":
                use_cases.remove_milestone(session, workspace().id, key_result_id, milestone_id, **given)
                visit().say("The milestone is removed.")
            elif wish == "weigh":
                entry = Entry.sent(request.form)
                weight = entry.number("weight", "The weight", required=True)
                if weight is None:
                    raise Invalid("bad_weight", entry.errors["weight"], "weight")
                changes: dict[str, Any] = {"weight": weight}
                told = telling(
                    session,
                    key_result_id,
                    lambda: use_cases.edit_milestone(
                        session, workspace().id, key_result_id, milestone_id, changes, **given
                    ),
                )
                visit().say(f"The milestone has another weight. {told}")
            elif wish in ("finish", "reopen"):
                changes = {"finished": wish == "finish"}
                told = telling(
                    session,
                    key_result_id,
                    lambda: use_cases.edit_milestone(
                        session, workspace().id, key_result_id, milestone_id, changes, **given
                    ),
                )
                undo = {"action": address, "fields": {"wish": "reopen" if wish == "finish" else "finish"}}
                visit().say(f"The milestone is {'finished' if wish == 'finish' else 'open again'}. {told}", undo=undo)
    except (Conflict, Invalid, LostUpdate) as error:
        visit().say(error.message, "bad")
    return go("key_result", key_result_id=key_result_id)


@blueprint.post("/key-results/<key_result_id>/state")
@needs("member")
def set_key_result_state(key_result_id: str) -> Response:
    """Close a key result, or open it again."""
    state = request.form.get("state", "")
    try:
        with core().database.writing() as session:
            use_cases.edit_key_result(
                session, workspace().id, key_result_id, {"state": state}, actor=person().name, now=core().clock()
            )
    except (Conflict, Invalid, LostUpdate) as error:
        visit().say(error.message, "bad")
    else:
        other = "open" if state == "closed" else "closed"
        undo = {
            "action": url_for("pages.set_key_result_state", key_result_id=key_result_id),
            "fields": {"state": other},
        }
        visit().say("The key result is closed." if state == "closed" else "The key result is open again.", undo=undo)
    return go("key_result", key_result_id=key_result_id)
