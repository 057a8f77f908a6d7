"""What a draft's wording lacks, said while it is being typed; advice, never a wall."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from sqlalchemy.orm import Session

from connector import goals as use_cases
from connector.errors import NotFound
from connector.goals import advice
from connector.models import Cycle, Objective
from mapping import lint as rules
from web.pages.entry import MAX_TITLE, Entry
from web.pages.guard import core, needs, workspace
from web.pages.site import blueprint


def findings_for(subject: str, entry: Entry, cycle: Cycle | None) -> list[dict[str, Any]]:
    """Judge the draft in a form, an `objective` or a `key_result`; returns {rule, fix, reasons} per rule.

    While there is hardly any text yet, nothing is found: nobody wants to hear about a word and a half.
    """
    title = entry.get("title").strip()[:MAX_TITLE]
    if len(title.split()) < 2:
        return []
    if subject == "objective":
        reasons = rules.on_objective(title)
    elif cycle is None:
        return []
    else:
        quiet = Entry({name: entry.get(name) for name in ("baseline", "target", "due_on")})
        fields = {
            "title": title,
            "kind": entry.get("kind") or "metric",
            "baseline": quiet.number("baseline", "", unit=entry.get("unit")),
            "target": quiet.number("target", "", unit=entry.get("unit")),
            # Without a day of its own, a key result is due when its cycle ends.
            "due_on": quiet.day("due_on", "") or cycle.ends_on,
        }
        found = rules.on_key_result_fields(fields, advice.days_of(cycle))
        # That a certificate is an outcome is worth saying only to somebody who picked another kind.
        reasons = [one for one in found if one != "milestone_is_the_outcome" or fields["kind"] != "milestone"]
    by_rule: dict[str, dict[str, Any]] = {}
    for one in advice.findings(subject, list(reasons)):
        found_so_far = by_rule.setdefault(one.rule, {"rule": one.rule, "fix": "", "reasons": []})
        found_so_far["fix"] = f"{found_so_far['fix']} {one.message}".strip()
        found_so_far["reasons"].append(one.reason)
    return list(by_rule.values())


@blueprint.post("/lint")
@needs("member")
def lint() -> Response:
    """Judge the draft in a form: `subject` says which kind of draft, the ids where it will hang."""
    entry = Entry.sent(request.form)
    subject = entry.get("subject")
    if subject not in ("objective", "key_result"):
        return jsonify(findings=[])
    with core().database.reading() as session:
        return jsonify(findings=findings_for(subject, entry, _cycle_of(session, entry)))


def _cycle_of(session: Session, entry: Entry) -> Cycle | None:
    try:
        if entry.get("cycle_id"):
            return use_cases.find(session, Cycle, workspace().id, entry.get("cycle_id"))
        if entry.get("objective_id"):
            return use_cases.find(session, Objective, workspace().id, entry.get("objective_id")).cycle
    except NotFound:
        return None
    return None
