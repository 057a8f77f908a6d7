"""Teams: the list, and the form to make or edit one."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from sqlalchemy import select
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector.errors import Conflict, LostUpdate
from connector.models import TEAM_LEVELS, Team
from web.pages.entry import Entry
from web.pages.guard import core, needs, visit, workspace
from web.pages.site import blueprint, go, page

LEVELS = tuple((level, level) for level in TEAM_LEVELS)


def all_teams() -> Sequence[Team]:
    """Return the workspace's teams, company first, then by name."""
    with core().database.reading() as session:
        teams = session.scalars(select(Team).where(Team.workspace_id == workspace().id)).all()
    return sorted(teams, key=lambda team: (TEAM_LEVELS.index(team.level), team.name.lower()))


@blueprint.get("/teams")
def teams() -> Response:
    """List the teams as a tree."""
    known = all_teams()
    children: dict[str | None, list[Team]] = {}
    ids = {team.id for team in known}
    for team in known:
        children.setdefault(team.parent_id if team.parent_id in ids else None, []).append(team)
    rows: list[tuple[int, Team]] = []
    waiting = [(0, team) for team in reversed(children.get(None, []))]
    while waiting:
        depth, team = waiting.pop()
        rows.append((depth, team))
        waiting.extend((depth + 1, child) for child in reversed(children.get(team.id, [])))
    return page("pages/teams.html", section="pages.teams", rows=rows)


@blueprint.route("/teams/new", methods=["GET", "POST"])
@needs("admin")
def new_team() -> Response:
    """Make a team."""
    known = all_teams()
    if request.method == "GET":
        # The first one is nearly always the company; most of the others are teams.
        level = "team" if any(team.level == "company" for team in known) else "company"
        return _form(Entry.showing({"name": "", "level": level, "parent_id": ""}), None)
    entry = Entry.sent(request.form)
    name, level, parent_id = _read(entry)
    if entry.ok:
        with entry.catching(), core().database.writing() as session:
            use_cases.create_team(session, workspace().id, use_cases.CreateTeam(name, level, parent_id))
        if entry.ok:
            visit().say(f"{name} is made.")
            return go("teams" if known else "goals")
    return _form(entry, None, status=422)


@blueprint.route("/teams/<team_id>/edit", methods=["GET", "POST"])
@needs("admin")
def edit_team(team_id: str) -> Response:
    """Edit a team."""
    with core().database.reading() as session:
        team = use_cases.find(session, Team, workspace().id, team_id)
    if request.method == "GET":
        return _form(_stored(team), team)
    entry = Entry.sent(request.form)
    name, level, parent_id = _read(entry)
    if entry.ok:
        changes = {"name": name, "level": level, "parent_id": parent_id}
        with entry.catching(lambda: _stored(team)), core().database.writing() as session:
            use_cases.edit_team(session, workspace().id, team_id, changes, expected_version=entry.version)
        if entry.ok:
            visit().say(f"{name} is saved.")
            return go("teams")
    return _form(entry, team, status=422)


@blueprint.post("/teams/<team_id>/remove")
@needs("admin")
def remove_team(team_id: str) -> Response:
    """Remove a team that holds nothing."""
    try:
        with core().database.writing() as session:
            use_cases.delete_team(session, workspace().id, team_id)
    except (Conflict, LostUpdate) as error:
        visit().say(error.message, "bad")
        return go("edit_team", team_id=team_id)
    visit().say("The team is removed.")
    return go("teams")


def _form(entry: Entry, team: Team | None, status: int = 200) -> Response:
    parents = [(other.id, f"{other.name} ({other.level})") for other in all_teams() if not team or other.id != team.id]
    return page(
        "pages/team_form.html",
        section="pages.teams",
        entry=entry,
        team=team,
        levels=LEVELS,
        parents=parents,
        status=status,
    )


def _read(entry: Entry) -> tuple[str, str, str | None]:
    return (
        entry.text("name", "The name", limit=200),
        entry.choice("level", "Level", TEAM_LEVELS),
        entry.get("parent_id") or None,
    )


def _stored(team: Team) -> Entry:
    return Entry.showing(
        {"name": team.name, "level": team.level, "parent_id": team.parent_id or ""}, version=team.version
    )
