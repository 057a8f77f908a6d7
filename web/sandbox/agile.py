"""Jira Software's REST interface: boards and sprints (/rest/agile/1.0) and their issues (/rest/software/1.0)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from .catalogue import points_field_of, statuses_of
from .gate import (
    RestError,
    body_object,
    listed,
    operation,
    refusal,
    visible_issue,
    whole_number,
    writable_issue,
)
from .records import Board, Issue, Sprint
from .result_pages import ResultPages
from .site import JiraSite
from .state import NotFoundError

COLUMNS = (("To Do", "new"), ("In Progress", "indeterminate"), ("Done", "done"))
"""Board columns and the status category that each one holds."""
MOVED_AT_ONCE = 50


def agile_interface(site: JiraSite) -> Blueprint:
    """The blueprint for one site."""
    rest = Blueprint("agile", __name__)
    pages = ResultPages(site)

    def board_or_404(board_id: int) -> Board:
        if board_id not in site.boards:
            raise RestError(404, "The board does not exist or you do not have permission to view it.")
        return site.boards[board_id]

    def sprint_or_404(sprint_id: int) -> Sprint:
        if sprint_id not in site.sprints:
            raise RestError(404, "The sprint does not exist or you do not have permission to view it.")
        return site.sprints[sprint_id]

    def values(found: Sequence[Any]) -> Response:
        start, size = whole_number("startAt", 0, 10**9), whole_number("maxResults", 50, 50)
        return jsonify(
            {
                "maxResults": size,
                "startAt": start,
                "total": len(found),
                "isLast": start + size >= len(found),
                "values": list(found[start : start + size]),
            }
        )

    def chosen(fits: Callable[[Issue], bool]) -> list[Issue]:
        """Issues that fit, also into the `jql` parameter, in rank order."""
        with site.lock:
            found = [one for one in site.issues.values() if fits(one) and not site.faults.hides(one.id)]
            query = request.args.get("jql", "").strip()
            if query:
                allowed = {one.id for one in pages.search(query, unbounded=True)}
                found = [one for one in found if one.id in allowed]
            return site.ranked(found)

    def issues(fits: Callable[[Issue], bool]) -> Response:
        token = request.args.get("nextPageToken")
        found = [] if token else chosen(fits)
        fields = listed("fields") or ["*navigable"]
        question = request.path + "?" + request.args.get("jql", "")
        body = pages.page(found, question, token, whole_number("maxResults", 50, 100), fields)
        return jsonify({"expand": "schema,names", **body})

    def on_board(board: Board) -> Callable[[Issue], bool]:
        return lambda issue: issue.project_id == board.project_id

    # -- boards

    @operation(rest, "GET", "/rest/agile/1.0/board", "READ")
    def boards() -> Response:
        home, kind, name = (request.args.get(one, "") for one in ("projectKeyOrId", "type", "name"))
        found = list(site.boards.values())
        if home:
            try:
                project = site.project(home)
            except NotFoundError as error:
                raise RestError(400, f"No project could be found with key or id '{home}'.") from error
            found = [one for one in found if one.project_id == project.id]
        bodies = [site.payloads.board(one) for one in found if name.casefold() in one.name.casefold()]
        return values([one for one in bodies if not kind or one["type"] in kind.split(",")])

    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>", "READ")
    def board(board_id: int) -> Response:
        return jsonify(site.payloads.board(board_or_404(board_id)))

    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/configuration", "READ")
    def configuration(board_id: int) -> Response:
        found = board_or_404(board_id)
        project = site.projects[found.project_id]
        body = site.payloads.board(found)
        field = points_field_of(project)
        columns = [
            {
                "name": name,
                "statuses": [
                    {"id": one.id, "self": site.payloads.link(f"status/{one.id}")}
                    for one in statuses_of(project)
                    if one.category.key == category
                ],
            }
            for name, category in COLUMNS
        ]
        return jsonify(
            {
                "id": found.id,
                "name": found.name,
                "type": body["type"],
                "self": body["self"] + "/configuration",
                "location": {"type": "project", "projectKeyOrId": project.key},
                "filter": {"id": str(10000 + found.id), "self": site.payloads.link(f"filter/{10000 + found.id}")},
                "columnConfig": {"columns": columns, "constraintType": "none"},
                "estimation": {
                    "type": "field",
                    "field": {
                        "fieldId": field,
                        "displayName": "Story point estimate" if project.team_managed else "Story Points",
                    },
                },
                "ranking": {"rankCustomFieldId": 10019},
            }
        )

    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/sprint", "READ")
    def sprints(board_id: int) -> Response:
        states = {one.lower() for one in listed("state")}
        if states - {"future", "active", "closed"}:
            raise RestError(400, "The state of a sprint is future, active or closed.")
        found = [one for one in site.sprints_of(board_or_404(board_id)) if not states or one.state in states]
        return values([site.payloads.sprint(one) for one in found])

    @operation(rest, "GET", "/rest/agile/1.0/sprint/<int:sprint_id>", "READ")
    def sprint(sprint_id: int) -> Response:
        return jsonify(site.payloads.sprint(sprint_or_404(sprint_id)))

    # -- planning

    @operation(rest, "POST", "/rest/agile/1.0/sprint/<int:sprint_id>/issue", "WRITE")
    def move_to_sprint(sprint_id: int) -> tuple[str, int]:
        sprint = sprint_or_404(sprint_id)
        if sprint.state == "closed":
            raise RestError(400, "Issues can only be moved to open or active sprints.")
        for issue in moved_issues():
            site.set_sprint(issue, sprint)
        return "", 204

    @operation(rest, "POST", "/rest/agile/1.0/backlog/issue", "WRITE")
    def move_to_backlog() -> tuple[str, int]:
        for issue in moved_issues():
            site.set_sprint(issue, None)
        return "", 204

    def moved_issues() -> list[Issue]:
        names = body_object().get("issues")
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise RestError(400, "The issues are a list of ids or keys.")
        if len(names) > MOVED_AT_ONCE:
            raise RestError(400, f"At most {MOVED_AT_ONCE} issues may be moved at once.")
        return [writable_issue(site, one) for one in names]

    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/quickfilter", "READ")
    def quick_filters(board_id: int) -> Response:
        board = board_or_404(board_id)
        return values(
            [
                {"id": at, "boardId": board.id, "name": one.name, "jql": one.jql, "description": "", "position": at - 1}
                for at, one in enumerate(board.quick_filters, start=1)
            ]
        )

    # -- their issues

    @operation(rest, "GET", "/rest/software/1.0/sprint/<int:sprint_id>/issue", "READ")
    def sprint_issues(sprint_id: int) -> Response:
        found = sprint_or_404(sprint_id)
        return issues(lambda issue: found.id in site.sprint_ids_of(issue))

    @operation(rest, "GET", "/rest/software/1.0/board/<int:board_id>/sprint/<int:sprint_id>/issue", "READ")
    def board_sprint_issues(board_id: int, sprint_id: int) -> Response:
        here, found = on_board(board_or_404(board_id)), sprint_or_404(sprint_id)
        return issues(lambda issue: here(issue) and found.id in site.sprint_ids_of(issue))

    @operation(rest, "GET", "/rest/software/1.0/board/<int:board_id>/issue", "READ")
    def board_issues(board_id: int) -> Response:
        return issues(on_board(board_or_404(board_id)))

    @operation(rest, "GET", "/rest/software/1.0/board/<int:board_id>/issue/approximate-count", "READ")
    def board_count(board_id: int) -> Response:
        return jsonify({"count": len(chosen(on_board(board_or_404(board_id))))})

    @operation(rest, "GET", "/rest/software/1.0/board/<int:board_id>/backlog", "READ")
    def backlog(board_id: int) -> Response:
        here = on_board(board_or_404(board_id))
        return issues(
            lambda issue: (
                here(issue)
                and issue.type.level == 0
                and issue.status.category.key != "done"
                and (site.current_sprint_of(issue) or Sprint(0, "", 0, issue.created)).state != "active"
            )
        )

    @operation(rest, "GET", "/rest/software/1.0/epic/<epic>/issue", "READ")
    def epic_issues(epic: str) -> Response:
        found = visible_issue(site, epic)
        return issues(lambda issue: issue.parent_id == found.id)

    @operation(rest, "GET", "/rest/agile/1.0/issue/<id_or_key>", "READ")
    def issue(id_or_key: str) -> Response:
        with site.lock:
            found = visible_issue(site, id_or_key)
            body = site.payloads.issue(found, listed("fields") or None)
            current = site.current_sprint_of(found)
            body["fields"]["sprint"] = site.payloads.sprint(current) if current else None
        return jsonify(body)

    # -- removed in November 2026

    @operation(rest, "GET", "/rest/agile/1.0/sprint/<int:sprint_id>/issue", "READ")
    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/issue", "READ")
    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/backlog", "READ")
    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/sprint/<int:sprint_id>/issue", "READ")
    @operation(rest, "GET", "/rest/agile/1.0/board/<int:board_id>/epic/<int:epic_id>/issue", "READ")
    def removed(**_: int) -> Response:
        return refusal(410, "This interface was removed. Use /rest/software/1.0.")

    return rest
