"""What a draft's wording lacks, said while it is being typed; advice, never a wall."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import util
from typing import Any

from flask import Response, jsonify, request
from sqlalchemy.orm import Session

from connector import goals as use_cases
from connector.errors import NotFound
from connector.models import Cycle, Objective
from web.pages.entry import Entry
from web.pages.guard import core, needs, workspace
from web.pages.site import blueprint

# Reason code (product.md, "Rules at entry") -> what is the matter, and how to put it right.
ADVICE: Mapping[str, tuple[str, str]] = {
    "no_time_frame": ("No time frame.", "Say by when: “this quarter”, “by the end of 2026”."),
    "output_verb_first": ("It names something to deliver.", "Say what will be different for whom once it is there."),
    "number_in_objective": ("Numbers belong in the key results.", "Keep the objective in words; measure it below."),
    "maintenance_is_kpi": (
        "It keeps a level.",
        "An objective changes something; watch a level as a key result kept in a band.",
    ),
    "task_not_outcome": ("This is a task.", "If you complete it, what will be different? Measure that."),
    "no_from_to": ("No from and to.", "Name a metric that moves from X to Y."),
    "no_baseline": ("Where does it stand now?", "Say the value to start from as well."),
    "no_date": ("No date.", "Say by when, or set the due day."),
    "date_outside_cycle": ("The date lies outside the cycle.", "Pick a day within it, or move it to the other cycle."),
    "zero_width": ("From and to are the same.", "Nothing would change; pick another target."),
    "measures_activity_volume": ("It counts what people do.", "Measure what comes of it instead."),
    "count_of_work_done": (
        "It counts finished work.",
        "Fine as a sign of effort; pair it with the metric it should move.",
    ),
    "milestone_needs_paired_metric": ("A milestone by itself.", "Name the metric that it should move."),
    "milestone_is_the_outcome": ("Here the milestone is the outcome.", "Use the kind “milestones”."),
    "too_many": (
        "That makes many objectives for one team.",
        "Fewer get done: company 2 to 3, department 3 to 5, team 2 to 3.",
    ),
    "below_range": ("That is a single objective.", "Two or three keep a team from betting on one thing."),
}


def findings_for(kind: str, text: str, cycle: Cycle | None) -> list[dict[str, str]]:
    """Judge a draft `objective` or `key_result`; returns {reason, message, fix} each, none while there is no text."""
    if len(text.split()) < 2 or util.find_spec("mapping.lint") is None:
        return []
    from mapping.lint import judge

    case: dict[str, Any] = {"kind": kind, "text": text}
    if cycle is not None:
        case["cycle"] = {"starts_on": cycle.starts_on.isoformat(), "ends_on": cycle.ends_on.isoformat()}
    return [_said(reason) for reason in judge(case)["why"]]


@blueprint.post("/lint")
@needs("member")
def lint() -> Response:
    """Judge the draft in a form: `subject` says which, `title` the text, the ids where it will hang."""
    entry = Entry.sent(request.form)
    subject = entry.get("subject")
    if subject not in ("objective", "key_result"):
        return jsonify(findings=[])
    with core().database.reading() as session:
        cycle = _cycle_of(session, entry)
    found = findings_for(subject, entry.get("title").strip()[:400], cycle)
    if subject == "key_result":
        found = [one for one in found if not _answered_by_field(one["reason"], entry)]
    return jsonify(findings=found)


def _answered_by_field(reason: str, entry: Entry) -> bool:
    """Tell whether a field beside the title says already what the title leaves out."""
    baseline, target = bool(entry.get("baseline").strip()), bool(entry.get("target").strip())
    kind = entry.get("kind")
    answered = {
        "no_from_to": (baseline and target) or kind not in ("", "metric"),
        "no_baseline": baseline or kind not in ("", "metric"),
        # Without a day of its own, a key result is due when its cycle ends.
        "no_date": True,
        "milestone_is_the_outcome": kind == "milestone",
    }
    return answered.get(reason, False)


def _cycle_of(session: Session, entry: Entry) -> Cycle | None:
    try:
        if entry.get("cycle_id"):
            return use_cases.find(session, Cycle, workspace().id, entry.get("cycle_id"))
        if entry.get("objective_id"):
            return use_cases.find(session, Objective, workspace().id, entry.get("objective_id")).cycle
    except NotFound:
        return None
    return None


def _said(reason: str) -> dict[str, str]:
    message, fix = ADVICE.get(reason, (reason.replace("_", " ").capitalize() + ".", ""))
    return {"reason": reason, "message": message, "fix": fix}
