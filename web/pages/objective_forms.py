"""The form to make or edit an objective, and closing one."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.errors import Conflict, Invalid, LostUpdate, NotFound
from connector.models import TEAM_LEVELS, Cycle, Objective, Person, Team
from web.pages.entry import Entry
from web.pages.guard import core, needs, visit, workspace
from web.pages.lint import findings_for
from web.pages.site import blueprint, go, page
from web.pages.team_forms import all_teams


@blueprint.route("/objectives/new", methods=["GET", "POST"])
@needs("member")
def new_objective() -> Response:
    """Make an objective; the address may say for which cycle, team and parent."""
    if request.method == "GET":
        texts = {name: request.args.get(name, "") for name in ("cycle_id", "team_id", "parent_id")}
        if not texts["cycle_id"]:
            texts["cycle_id"] = _current_cycle_id()
        return _form(Entry.showing({"title": "", "owner_id": "", **texts}, {"co_owner_ids": []}), None)
    entry = Entry.sent(request.form)
    given = _read(entry)
    if entry.ok:
        with entry.catching(), core().database.writing() as session:
            objective = use_cases.create_objective(session, workspace().id, use_cases.CreateObjective(**given))
        if entry.ok:
            visit().say("The objective is made. Now say how one knows that it is reached.")
            return go("new_key_result", objective_id=objective.id)
    return _form(entry, None, status=422)


@blueprint.route("/objectives/<objective_id>/edit", methods=["GET", "POST"])
@needs("member")
def edit_objective(objective_id: str) -> Response:
    """Edit an objective."""
    with core().database.reading() as session:
        objective = _find(session, objective_id)
    if request.method == "GET":
        return _form(_stored(objective), objective)
    entry = Entry.sent(request.form)
    given = _read(entry)
    if entry.ok:
        with entry.catching(lambda: _stored_now(objective_id)), core().database.writing() as session:
            use_cases.edit_objective(session, workspace().id, objective_id, given, expected_version=entry.version)
        if entry.ok:
            visit().say("The objective is saved.")
            return go("cycle_goals", cycle_id=given["cycle_id"])
    return _form(entry, objective, status=422)


@blueprint.post("/objectives/<objective_id>/state")
@needs("member")
def set_objective_state(objective_id: str) -> Response:
    """Close an objective, or open it again."""
    state = request.form.get("state", "")
    try:
        with core().database.writing() as session:
            objective = use_cases.edit_objective(session, workspace().id, objective_id, {"state": state})
            cycle_id = objective.cycle_id
    except (Conflict, Invalid, LostUpdate) as error:
        visit().say(error.message, "bad")
        return go("edit_objective", objective_id=objective_id)
    undo = {
        "action": url_for("pages.set_objective_state", objective_id=objective_id),
        "fields": {"state": "open" if state == "closed" else "closed"},
    }
    visit().say("The objective is closed." if state == "closed" else "The objective is open again.", undo=undo)
    return go("cycle_goals", cycle_id=cycle_id)


@blueprint.post("/objectives/<objective_id>/remove")
@needs("member")
def remove_objective(objective_id: str) -> Response:
    """Remove an objective that never held anything."""
    try:
        with core().database.writing() as session:
            use_cases.delete_objective(session, workspace().id, objective_id)
    except (Conflict, LostUpdate) as error:
        visit().say(error.message, "bad")
        return go("edit_objective", objective_id=objective_id)
    visit().say("The objective is removed.")
    return go("goals")


def _form(entry: Entry, objective: Objective | None, status: int = 200) -> Response:
    with core().database.reading() as session:
        cycles = session.scalars(
            select(Cycle).where(Cycle.workspace_id == workspace().id).order_by(Cycle.starts_on.desc())
        ).all()
        people = session.scalars(
            select(Person).where(Person.workspace_id == workspace().id).order_by(func.lower(Person.name), Person.id)
        ).all()
        parents = _possible_parents(session, objective)
        cycle = next((one for one in cycles if one.id == entry.get("cycle_id")), None)
    return page(
        "pages/objective_form.html",
        section="pages.goals",
        entry=entry,
        objective=objective,
        cycles=[(one.id, one.name) for one in cycles if one.state == "open" or one.id == entry.get("cycle_id")],
        teams=[(team.id, f"{team.name} ({team.level})") for team in all_teams()],
        people=[(one.id, one.name) for one in people],
        parents=parents,
        findings=findings_for("objective", entry, cycle),
        back=url_for("pages.cycle_goals", cycle_id=objective.cycle_id) if objective else url_for("pages.goals"),
        status=status,
    )


def _possible_parents(session: Session, objective: Objective | None) -> list[tuple[str, str]]:
    """Offer the open objectives, those of the company first; a circle is refused by the use case."""
    query = (
        select(Objective)
        .join(Team)
        .where(Objective.workspace_id == workspace().id, Objective.state == "open")
        .options(selectinload(Objective.team), selectinload(Objective.cycle))
        .order_by(func.lower(Objective.title))
    )
    found = [one for one in session.scalars(query) if objective is None or one.id != objective.id]
    found.sort(key=lambda one: TEAM_LEVELS.index(one.team.level))
    return [(one.id, f"{one.title} · {one.team.name}, {one.cycle.name}") for one in found]


def _read(entry: Entry) -> dict[str, Any]:
    return {
        "title": entry.text("title", "The objective"),
        "cycle_id": entry.text("cycle_id", "A cycle"),
        "team_id": entry.text("team_id", "A team"),
        "owner_id": entry.get("owner_id") or None,
        "co_owner_ids": tuple(one for one in entry.picked("co_owner_ids") if one),
        "parent_id": entry.get("parent_id") or None,
    }


def _find(session: Session, objective_id: str) -> Objective:
    query = (
        select(Objective)
        .where(Objective.id == objective_id, Objective.workspace_id == workspace().id)
        .options(selectinload(Objective.co_owners), selectinload(Objective.team), selectinload(Objective.cycle))
    )
    objective = session.scalars(query).one_or_none()
    if objective is None:
        raise NotFound("There is no such objective.")
    return objective


def _stored_now(objective_id: str) -> Entry:
    with core().database.reading() as session:
        return _stored(_find(session, objective_id))


def _stored(objective: Objective) -> Entry:
    texts = {
        "title": objective.title,
        "cycle_id": objective.cycle_id,
        "team_id": objective.team_id,
        "owner_id": objective.owner_id or "",
        "parent_id": objective.parent_id or "",
    }
    many = {"co_owner_ids": [person.id for person in objective.co_owners]}
    return Entry.showing(texts, many, version=objective.version)


def _current_cycle_id() -> str:
    with core().database.reading() as session:
        cycle = use_cases.current_cycle(session, workspace().id, core().clock().date())
    return cycle.id if cycle else ""
