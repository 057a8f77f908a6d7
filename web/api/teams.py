"""/teams: company, departments and teams."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import goals
from connector.models import Team
from web.api import representations as shown
from web.api.access import caller
from web.api.blueprint import API, api
from web.api.exchange import answer, by_age, created, cut, expected_version, page_by_age
from web.api.schemas import PageQuery, TeamChanges, TeamIn, TeamOut, TeamPage


@api.get("/teams")
@api.input(PageQuery, location="query")
@api.output(TeamPage)
@api.doc(tags=["teams"], operation_id="listTeams")
def list_teams(query_data: PageQuery) -> Response:
    """List the teams"""
    who = caller()
    query = select(Team).where(Team.workspace_id == who.workspace_id)
    query = page_by_age(query, Team.created_at, Team.id, query_data.cursor).limit(query_data.limit + 1)
    with who.core.database.reading() as session:
        rows, cursor = cut(session.scalars(query).all(), query_data.limit, by_age)
    return answer(TeamPage(items=[shown.of_team(row) for row in rows], next_cursor=cursor))


@api.post("/teams")
@api.input(TeamIn)
@api.output(TeamOut, status_code=201)
@api.doc(tags=["teams"], operation_id="createTeam")
def create_team(json_data: TeamIn) -> Response:
    """Make a team"""

    def work(session: Session) -> tuple[BaseModel, str]:
        row = goals.create_team(session, caller().workspace_id, goals.CreateTeam(**dict(json_data)))
        return shown.of_team(row), f"{API}/teams/{row.id}"

    return created(work)


@api.get("/teams/<uuid:team_id>")
@api.output(TeamOut)
@api.doc(tags=["teams"], operation_id="getTeam")
def get_team(team_id: UUID) -> Response:
    """Read a team"""
    who = caller()
    with who.core.database.reading() as session:
        return answer(shown.of_team(goals.find(session, Team, who.workspace_id, str(team_id))))


@api.patch("/teams/<uuid:team_id>")
@api.input(TeamChanges)
@api.output(TeamOut)
@api.doc(tags=["teams"], operation_id="editTeam")
def edit_team(team_id: UUID, json_data: TeamChanges) -> Response:
    """Change a team's name, level or place"""
    who = caller()
    with who.core.database.writing() as session:
        row = goals.edit_team(
            session, who.workspace_id, str(team_id), json_data.named(), expected_version=expected_version()
        )
        return answer(shown.of_team(row))


@api.delete("/teams/<uuid:team_id>")
@api.doc(tags=["teams"], operation_id="deleteTeam", responses={204: "Removed"})
def delete_team(team_id: UUID) -> Response:
    """Remove a team that holds no objective and no other team"""
    who = caller()
    with who.core.database.writing() as session:
        goals.delete_team(session, who.workspace_id, str(team_id), expected_version=expected_version())
    return Response(status=204)
