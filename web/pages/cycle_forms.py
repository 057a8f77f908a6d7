"""Cycles: the list, and the form to make or edit one."""

from __future__ import annotations

from datetime import date, timedelta

from flask import request
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.errors import Conflict, LostUpdate
from connector.models import Cycle, Objective
from web.pages.entry import Entry
from web.pages.guard import core, needs, visit, workspace
from web.pages.site import blueprint, go, page

STATES = (("open", "open"), ("closed", "closed: what it says stays as it is"))
HALF_A_QUARTER = 45


@blueprint.get("/cycles")
def cycles() -> Response:
    """List the cycles, newest first, with how many objectives each holds."""
    held = func.count(Objective.id)
    query = (
        select(Cycle, held)
        .outerjoin(Objective, Objective.cycle_id == Cycle.id)
        .where(Cycle.workspace_id == workspace().id)
        .group_by(Cycle.id)
        .order_by(Cycle.starts_on.desc(), Cycle.ends_on.desc())
    )
    with core().database.reading() as session:
        rows = session.execute(query).all()
    return page("pages/cycles.html", section="pages.cycles", rows=rows)


@blueprint.route("/cycles/new", methods=["GET", "POST"])
@needs("admin")
def new_cycle() -> Response:
    """Make a cycle; the form suggests the quarter that comes next."""
    if request.method == "GET":
        with core().database.reading() as session:
            last = session.scalar(select(func.max(Cycle.ends_on)).where(Cycle.workspace_id == workspace().id))
        return page("pages/cycle_form.html", section="pages.cycles", entry=_suggestion(last), cycle=None, states=STATES)
    entry = Entry.sent(request.form)
    name, starts_on, ends_on = _read(entry)
    if entry.ok and starts_on and ends_on:
        with entry.catching(), core().database.writing() as session:
            use_cases.create_cycle(session, workspace().id, use_cases.CreateCycle(name, starts_on, ends_on))
        if entry.ok:
            visit().say(f"{name} is in the calendar.")
            return go("goals")
    return page("pages/cycle_form.html", section="pages.cycles", entry=entry, cycle=None, states=STATES, status=422)


@blueprint.route("/cycles/<cycle_id>/edit", methods=["GET", "POST"])
@needs("admin")
def edit_cycle(cycle_id: str) -> Response:
    """Edit a cycle, or open and close it."""
    with core().database.reading() as session:
        cycle = use_cases.find(session, Cycle, workspace().id, cycle_id)
    if request.method == "GET":
        return page("pages/cycle_form.html", section="pages.cycles", entry=_stored(cycle), cycle=cycle, states=STATES)
    entry = Entry.sent(request.form)
    name, starts_on, ends_on = _read(entry)
    state = entry.choice("state", "State", dict(STATES))
    if entry.ok:
        changes = {"name": name, "starts_on": starts_on, "ends_on": ends_on, "state": state}
        with entry.catching(lambda: _stored(cycle)), core().database.writing() as session:
            use_cases.edit_cycle(session, workspace().id, cycle_id, changes, expected_version=entry.version)
        if entry.ok:
            visit().say(f"{name} is saved.")
            return go("cycles")
    return page("pages/cycle_form.html", section="pages.cycles", entry=entry, cycle=cycle, states=STATES, status=422)


@blueprint.post("/cycles/<cycle_id>/remove")
@needs("admin")
def remove_cycle(cycle_id: str) -> Response:
    """Remove a cycle that holds nothing."""
    try:
        with core().database.writing() as session:
            use_cases.delete_cycle(session, workspace().id, cycle_id)
    except (Conflict, LostUpdate) as error:
        visit().say(error.message, "bad")
        return go("edit_cycle", cycle_id=cycle_id)
    visit().say("The cycle is removed.")
    return go("cycles")


def _read(entry: Entry) -> tuple[str, date | None, date | None]:
    return (
        entry.text("name", "The name", limit=120),
        entry.day("starts_on", "The first day", required=True),
        entry.day("ends_on", "The last day", required=True),
    )


def _stored(cycle: Cycle) -> Entry:
    texts = {
        "name": cycle.name,
        "starts_on": cycle.starts_on.isoformat(),
        "ends_on": cycle.ends_on.isoformat(),
        "state": cycle.state,
    }
    return Entry.showing(texts, version=cycle.version)


def _suggestion(last: date | None) -> Entry:
    """Suggest the quarter after the last cycle, or the present one.

    A quarter counted in weeks ends some days beside the month's end, so the nearest one is meant.
    """
    day = last + timedelta(days=HALF_A_QUARTER) if last else core().clock().date()
    quarter = (day.month - 1) // 3
    starts_on = date(day.year, 3 * quarter + 1, 1)
    ends_on = (starts_on + timedelta(days=100)).replace(day=1) - timedelta(days=1)
    name = f"Q{quarter + 1} {day.year}"
    return Entry.showing({"name": name, "starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat()})
