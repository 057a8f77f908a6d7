"""The form to make or edit a key result of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flask import request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.goals.kinds import MEASURED_KINDS, METRIC_RULE_KINDS
from connector.models import KEY_RESULT_KINDS, KeyResult, Objective, Person
from web.pages.entry import Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.key_result import active_connections, find_shown
from web.pages.lint import findings_for
from web.pages.site import blueprint, go, page
from web.pages.words import plain_number

KINDS = (
    ("metric", "Metric: moves from a value to another"),
    ("maintain", "Band: stays between two values"),
    ("milestone", "Milestones: weighed steps"),
    ("issue_ratio", "Share of issues done (output)"),
    ("issue_count", "Number of issues done (output)"),
    ("query_metric", "Query: measured in the tracker"),
    ("issue_delta", "Claimed: each issue says what it changes"),
)
MAINTAIN_BY = (
    ("average", "the share of check-ins inside the band"),
    ("latest", "the latest check-in only"),
    ("minimum", "all check-ins, or nothing"),
)
SIZE_BY = (("count", "each issue counts 1"), ("estimate", "by its estimate"))
UNESTIMATED = (("one", "counts 1"), ("exclude", "is left out"))
AGGREGATES = (("count", "how many issues match"), ("sum", "the sum of a field"), ("average", "the average of a field"))

# Use cases name what is entered in one piece here: the band, the query.
ALIASES = {"band": "band_low", "query": "query_text", "drivers": "driver_id"}


@blueprint.route("/objectives/<objective_id>/key-results/new", methods=["GET", "POST"])
@needs("member")
def new_key_result(objective_id: str) -> Response:
    """Make a key result of an objective."""
    if request.method == "GET":
        with core().database.reading() as session:
            blank = _blank(use_cases.find(session, Objective, workspace().id, objective_id))
        return _form(blank, objective_id, None)
    entry = Entry.sent(request.form)
    entry.aliases = ALIASES
    given = _read(entry)
    value = entry.number("value", "The present value", unit=given["unit"]) if given["kind"] in MEASURED_KINDS else None
    steps = _steps(entry) if given["kind"] == "milestone" else []
    if entry.ok:
        command = use_cases.CreateKeyResult(
            objective_id=objective_id,
            title=given["title"],
            drivers=given["drivers"],
            definition=use_cases.Definition(**{name: given[name] for name in _DEFINITION}),
            options=use_cases.WorkOptions(**{name: given[name] for name in _OPTIONS}),
            unit=given["unit"],
            value=value,
            by_id=person().id,
            weight=given["weight"],
            due_on=given["due_on"],
        )
        who: dict[str, Any] = {"actor": person().name, "now": core().clock()}
        with entry.catching(), core().database.writing() as session:
            made = use_cases.create_key_result(session, workspace().id, command, **who)
            for step in steps:
                use_cases.add_milestone(session, workspace().id, made.id, step, **who)
        if entry.ok:
            visit().say("The key result is made. Link the issues that serve it.")
            return go("key_result", key_result_id=made.id)
    return _form(entry, objective_id, None, status=422)


@blueprint.route("/key-results/<key_result_id>/edit", methods=["GET", "POST"])
@needs("member")
def edit_key_result(key_result_id: str) -> Response:
    """Edit a key result; every change to what is measured or counted gets its own ledger row."""
    with core().database.reading() as session:
        found = find_shown(session, key_result_id)
    if request.method == "GET":
        return _form(_stored(found), found.objective_id, found)
    entry = Entry.sent(request.form)
    entry.aliases = ALIASES
    given = _read(entry)
    if entry.ok:
        with entry.catching(lambda: _stored_now(key_result_id)), core().database.writing() as session:
            use_cases.edit_key_result(
                session,
                workspace().id,
                key_result_id,
                given,
                actor=person().name,
                now=core().clock(),
                expected_version=entry.version,
            )
        if entry.ok:
            visit().say("The key result is saved.")
            return go("key_result", key_result_id=key_result_id)
    return _form(entry, found.objective_id, found, status=422)


_DEFINITION = ("kind", "baseline", "target", "band", "maintain_by", "checkpoints", "query")
_OPTIONS = ("size_by", "started_credit", "unestimated", "sub_task_credit")


def _form(entry: Entry, objective_id: str, found: KeyResult | None, status: int = 200) -> Response:
    with core().database.reading() as session:
        objective = use_cases.find(session, Objective, workspace().id, objective_id)
        people = session.scalars(
            select(Person).where(Person.workspace_id == workspace().id).order_by(func.lower(Person.name), Person.id)
        ).all()
        sites = [(one.id, one.display_site or one.site) for one in active_connections(session)]
        cycle = objective.cycle
    back = (
        url_for("pages.key_result", key_result_id=found.id)
        if found
        else url_for("pages.cycle_goals", cycle_id=objective.cycle_id)
    )
    return page(
        "pages/key_result_form.html",
        section="pages.goals",
        entry=entry,
        found=found,
        objective=objective,
        cycle=cycle,
        people=[(one.id, one.name) for one in people],
        kinds=KINDS,
        metric_kinds=" ".join(sorted(METRIC_RULE_KINDS)),
        measured_kinds=" ".join(sorted(MEASURED_KINDS)),
        maintain_by=MAINTAIN_BY,
        size_by=SIZE_BY,
        unestimated=UNESTIMATED,
        aggregates=AGGREGATES,
        sites=sites,
        findings=findings_for("key_result", entry, cycle),
        back=back,
        status=status,
    )


def _read(entry: Entry) -> dict[str, Any]:
    """Read every field; those that another kind needs are ignored, so that a hidden field can't be in the way."""
    kind = entry.choice("kind", "Kind", KEY_RESULT_KINDS)
    unit = entry.text("unit", "The unit", required=False, limit=40)
    by_metric = kind in METRIC_RULE_KINDS
    if not any(entry.picked("driver_id")):
        # Said along with everything else that is wrong, not only once the rest is right.
        entry.wrong("driver_id", "Name the one person who drives this key result.")
    return {
        "title": entry.text("title", "The key result"),
        "kind": kind,
        "drivers": tuple(one for one in entry.picked("driver_id") if one),
        "unit": unit,
        "baseline": entry.number("baseline", "The baseline", unit=unit) if by_metric else None,
        "target": entry.number("target", "The target", unit=unit) if by_metric else None,
        "band": _band(entry, unit) if kind == "maintain" else None,
        "maintain_by": entry.get("maintain_by") or "average",
        "checkpoints": _checkpoints(entry) if by_metric else (),
        "query": _query(entry) if kind == "query_metric" else None,
        "weight": _or_one(entry.number("weight", "The weight")),
        "due_on": entry.day("due_on", "The due day"),
        "size_by": entry.get("size_by") or "count",
        "started_credit": entry.number("started_credit", "The credit") or Fraction(0),
        "unestimated": entry.get("unestimated") or "one",
        "sub_task_credit": entry.get("sub_task_credit") == "yes",
    }


def _or_one(weight: Fraction | None) -> Fraction:
    return Fraction(1) if weight is None else weight


def _band(entry: Entry, unit: str) -> tuple[Fraction | None, Fraction | None]:
    return (
        entry.number("band_low", "The lower end", unit=unit),
        entry.number("band_high", "The upper end", unit=unit),
    )


def _checkpoints(entry: Entry) -> tuple[tuple[Fraction, Fraction], ...]:
    """Read lines such as "25 = 40 %": at the value 25, progress is 40 %."""
    points = []
    for line in entry.get("checkpoints").splitlines():
        if not line.strip():
            continue
        part = Entry(dict(zip(("value", "at"), line.split("=", 1), strict=False)))
        value, at = part.number("value", "", required=True), part.number("at", "", required=True, unit="%")
        if value is None or at is None:
            entry.wrong("checkpoints", f"Write “value = percent” on each line; “{line.strip()[:40]}” is not that.")
            return ()
        points.append((value, at / 100))
    return tuple(points)


def _query(entry: Entry) -> use_cases.Query:
    return use_cases.Query(
        connection_id=entry.get("query_connection"),
        text=entry.text("query_text", "The query", limit=2000),
        aggregate=entry.get("query_aggregate") or "count",
        field=entry.get("query_field").strip() or None,
    )


def _steps(entry: Entry) -> Sequence[use_cases.AddMilestone]:
    lines = [line.strip() for line in entry.get("milestones").splitlines()]
    return [use_cases.AddMilestone(line) for line in lines if line]


def _blank(objective: Objective) -> Entry:
    texts = {
        "kind": "metric",
        "driver_id": objective.owner_id or "",
        "due_on": objective.cycle.ends_on.isoformat(),
        "weight": "1",
        "size_by": "count",
        "maintain_by": "average",
        "unestimated": "one",
        "query_aggregate": "count",
        "started_credit": "0",
    }
    return Entry.showing(texts)


def _stored_now(key_result_id: str) -> Entry:
    with core().database.reading() as session:
        return _stored(find_shown(session, key_result_id))


def _stored(found: KeyResult) -> Entry:
    definition, options = use_cases.definition_of(found), use_cases.options_of(found)
    low, high = definition.band or (None, None)
    query = definition.query
    texts = {
        "title": found.title,
        "kind": found.kind,
        "driver_id": found.driver_id,
        "unit": found.unit,
        "baseline": plain_number(definition.baseline),
        "target": plain_number(definition.target),
        "band_low": plain_number(low),
        "band_high": plain_number(high),
        "maintain_by": definition.maintain_by,
        "checkpoints": "\n".join(
            f"{plain_number(value)} = {plain_number(at * 100)} %" for value, at in definition.checkpoints
        ),
        "query_connection": query.connection_id if query else "",
        "query_text": query.text if query else "",
        "query_aggregate": query.aggregate if query else "count",
        "query_field": (query.field or "") if query else "",
        "weight": plain_number(found.weight),
        "due_on": found.due_on.isoformat() if found.due_on else "",
        "size_by": options.size_by,
        "started_credit": plain_number(options.started_credit),
        "unestimated": options.unestimated,
        "sub_task_credit": "yes" if options.sub_task_credit else "",
    }
    return Entry.showing(texts, version=found.version)
