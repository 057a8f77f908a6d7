"""Which sprints and which team an overlay is about: the following sprint, the ones alongside, the team behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.errors import NotFound
from connector.models import Connection, Team
from connector.planning.held_work import in_time
from connector.planning.plan import PlannedSprint

# `Connection.settings`: {board or team of the tracker: our team}, where somebody said so.
BOARD_TEAMS = "board_teams"
# Trackers end a sprint at the hour when somebody pressed the button, so "the same dates" allows a day.
SAME_DATES = timedelta(days=1)


def following(sprints: Sequence[PlannedSprint], open_ones: Sequence[PlannedSprint]) -> list[PlannedSprint]:
    """Return the future sprint that comes next after each of these, on the same board."""
    chosen = {one.id for one in sprints}
    found: dict[int, PlannedSprint] = {}
    for one in sprints:
        later = [
            other
            for other in open_ones
            if (other.connection_id, other.board) == (one.connection_id, one.board)
            and other.id not in chosen
            and other.state == "future"
            and (one.state != "future" or in_time(other) > in_time(one))
        ]
        if later:
            first = min(later, key=in_time)
            found[first.id] = first
    return list(found.values())


def alongside(sprints: Sequence[PlannedSprint], open_ones: Sequence[PlannedSprint]) -> list[PlannedSprint]:
    """Return the open sprints of other boards and trackers that start and end with the first of these."""
    first, chosen = sprints[0], {one.id for one in sprints}
    return [
        one
        for one in open_ones
        if one.id not in chosen
        and (one.connection_id, one.board) != (first.connection_id, first.board)
        and _near(one.starts_at, first.starts_at)
        and _near(one.ends_at, first.ends_at)
    ]


def _near(one: Any, other: Any) -> bool:
    return one is not None and other is not None and abs(one - other) <= SAME_DATES


def team_of(session: Session, sprints: Sequence[PlannedSprint], efforts: Mapping[str, Fraction]) -> str | None:
    """Return the team that the overlay is about: whom somebody named for the board, else whose key results most of the
    work serves, else the only team there is.
    """
    first = sprints[0]
    named = (session.get_one(Connection, first.connection_id).settings.get(BOARD_TEAMS) or {}).get(first.board)
    if named is not None and session.get(Team, named) is not None:
        return str(named)
    if efforts:
        return next(iter(efforts))
    workspace_id = session.get_one(Connection, first.connection_id).workspace_id
    only = session.execute(
        select(func.count(), func.min(Team.id)).where(Team.workspace_id == workspace_id, Team.level == "team")
    ).one()
    return only[1] if only[0] == 1 else None


def choose_team(session: Session, workspace_id: str, sprint: PlannedSprint, team_id: str) -> None:
    """Remember for a board whose key results its overlay is about. Raises NotFound."""
    team = session.get(Team, team_id)
    if team is None or team.workspace_id != workspace_id:
        raise NotFound("There is no such team.")
    row = session.get_one(Connection, sprint.connection_id, with_for_update=True)
    row.settings = {**row.settings, BOARD_TEAMS: {**(row.settings.get(BOARD_TEAMS) or {}), sprint.board: team_id}}
