"""The form to correct a check-in: a typing mistake in a value, a word left out. The ledger keeps the row of before."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.goals.kinds import MEASURED_KINDS
from connector.models import CheckIn, KeyResult
from web.pages.entry import MAX_ANSWER, Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.key_result import find_shown
from web.pages.site import blueprint, go, page
from web.pages.telling import telling
from web.pages.words import plain_number

ANSWERS = (
    ("changed", "What changed?"),
    ("working", "What works?"),
    ("stuck", "What is stuck?"),
    ("next", "What comes next?"),
    ("need", "What is needed?"),
    ("plan", "Plan"),
)
STATUSES = (("green", "on track"), ("yellow", "at risk"), ("red", "off track"))


@blueprint.route("/key-results/<key_result_id>/check-ins/<check_in_id>", methods=["GET", "POST"])
@needs("member")
def correct_check_in(key_result_id: str, check_in_id: str) -> Response:
    """Correct a check-in."""
    with core().database.reading() as session:
        found = find_shown(session, key_result_id)
        check_in = use_cases.find_check_in(session, workspace().id, key_result_id, check_in_id)
    if request.method == "GET":
        return _form(_stored(check_in), found, check_in)
    entry = Entry.sent(request.form)
    changes = {
        "value": entry.number("value", "The value", unit=found.unit)
        if found.kind in MEASURED_KINDS
        else check_in.value,
        "status": entry.choice("status", "Status", [code for code, _ in STATUSES], required=False) or None,
        "confidence": entry.number("confidence", "Confidence"),
        **{name: entry.text(name, "This", required=False, limit=MAX_ANSWER) for name, _ in ANSWERS},
    }
    if entry.ok:
        with entry.catching(lambda: _stored(check_in)):
            with core().database.writing() as session:
                told = telling(
                    session,
                    key_result_id,
                    lambda: use_cases.correct_check_in(
                        session,
                        workspace().id,
                        key_result_id,
                        check_in_id,
                        changes,
                        actor=person().name,
                        now=core().clock(),
                        expected_version=entry.version,
                    ),
                )
            visit().say(f"Corrected. {told}")
            return go("key_result", key_result_id=key_result_id)
    return _form(entry, found, check_in, status=422)


def _form(entry: Entry, found: KeyResult, check_in: CheckIn, status: int = 200) -> Response:
    return page(
        "pages/check_in_form.html",
        section="pages.goals",
        entry=entry,
        key_result=found,
        check_in=check_in,
        answers=ANSWERS,
        statuses=STATUSES,
        measured_here=found.kind in MEASURED_KINDS,
        status=status,
    )


def _stored(check_in: CheckIn) -> Entry:
    texts = {
        "value": plain_number(check_in.value),
        "status": check_in.status or "",
        "confidence": plain_number(check_in.confidence),
        **{name: getattr(check_in, name) for name, _ in ANSWERS},
    }
    return Entry.showing(texts, version=check_in.version)
