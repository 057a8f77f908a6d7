"""Jira's sprints as the core sees them.

https://developer.atlassian.com/cloud/jira/software/rest/api-group-sprint/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.tracker import BadDelivery, SprintChanged, TrackerRefused
from jira_app.client import JiraClient
from jira_app.issue_fields import issue_id, mapping_of, text_of
from jira_app.payloads import board_of, optional_moment

# Boards whose sprints are read when all are asked for; on larger sites the others are opened from Jira.
MOST_BOARDS = 200


def open_sprints(client: JiraClient, board: str | None, now: datetime) -> Sequence[SprintChanged]:
    """Read the active and future sprints of a board, or of all that Ladder can see; a sprint on two is told once.

    A board without sprints (kanban) has none.
    """
    boards = {board: ""} if board is not None else _boards(client)
    found = {
        one.external_id: one
        for each in boards
        for sprint in client.board_sprints(each)
        for one in [_sprint(sprint, now, boards)]
    }
    return list(found.values())


def _boards(client: JiraClient) -> dict[str, str]:
    """Return boards that may have sprints, with their names; in team-managed projects they are of the type `simple`."""
    found: dict[str, str] = {}
    for page in client.boards():
        for one in page:
            if isinstance(one, dict) and one.get("type") != "kanban" and "id" in one:
                found[str(one["id"])] = str(one.get("name") or "")
            if len(found) == MOST_BOARDS:
                return found
    return found


def _sprint(answer: Any, now: datetime, boards: Mapping[str, str]) -> SprintChanged:
    try:
        sprint = mapping_of(answer, "sprint")
        state = text_of(sprint.get("state"), "sprint.state", 16).lower()
        if state not in ("future", "active", "closed"):
            raise BadDelivery("sprint.state: unknown")
        board = board_of(sprint)
        return SprintChanged(
            external_id=issue_id(sprint.get("id")),
            name=text_of(sprint.get("name"), "sprint.name", 200),
            state=state,
            happened_at=now,
            starts_at=optional_moment(sprint.get("startDate"), "startDate"),
            ends_at=optional_moment(sprint.get("endDate"), "endDate"),
            board=board,
            board_name=boards.get(board, ""),
        )
    except BadDelivery as error:
        raise TrackerRefused(f"Jira's answer about a sprint can't be read: {error}") from None
