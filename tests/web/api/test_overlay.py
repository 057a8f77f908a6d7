"""The sprint overlay through the API."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from connector.apply import apply_snapshot
from connector.core import Core
from connector.models import Connection, Sprint
from tests.web.api.conftest import START, Program


@pytest.fixture
def connection_id(program: Program, core: Core, connection: Connection) -> str:
    """Fifty points under a key result: twenty done, a sprint that holds two; returns the connection's id."""
    key_result = program.key_result(kind="issue_ratio", options={"size_by": "estimate"})
    tracker = core.trackers["toy"]
    with core.database.writing() as session:
        row = session.scalars(select(Connection).where(Connection.id == connection.id)).one()
        session.add(
            Sprint(
                workspace_id=program.workspace_id,
                connection_id=connection.id,
                external_id="7",
                name="7",
                state="active",
            )
        )
        for number, (cls, points, sprints) in enumerate([("done", 20, []), ("todo", 2, ["7"]), ("todo", 28, [])]):
            said = {"id": number, "cls": cls, "points": points, "sprints": sprints, "at": START.timestamp()}
            tracker.site[str(number)] = said
            snapshot = tracker.snapshot(said)
            apply_snapshot(session, row, snapshot, happened_at=START, source="test", now=START)
    for number in range(3):
        program.post(f"/key-results/{key_result['id']}/links", {"external_id": str(number)})
    return str(connection.id)


def test_a_sprint_is_told_in_exact_numbers_and_in_points(program: Program, connection_id: str):
    told = program.get(f"/overlay?connection_id={connection_id}&sprint_id=7")
    (key_result,) = told["key_results"]
    assert (key_result["now"], key_result["after_adding_scope"], key_result["if_all_sprint_work_finishes"]) == (
        "2/5", "2/5", "11/25",
    )  # fmt: skip
    assert (key_result["gain"], key_result["gain_pp"], key_result["words"]) == ("1/25", "4.0", "output +4 pp")
    assert told["shares"] == {"total": "2", "aligned": "1", "business_as_usual": "0", "unaligned": "0"}
    assert [(one["key"], one["class"], one["side"]) for one in told["issues"]] == [("TOY-1", "todo", "aligned")]
    assert key_result["issues"] == ["1"]


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("sprint_id=99&connection_id={id}", (404, "not_found")),
        ("sprint_id=7&connection_id=11111111-1111-4111-8111-111111111111", (404, "not_found")),
        ("sprint_id=7", (422, "invalid")),
        ("sprint_id=&connection_id={id}", (422, "invalid")),
    ],
)
def test_what_is_not_a_sprint_of_ours_is_refused(
    program: Program, connection_id: str, query: str, refusal: tuple[int, str]
):
    assert program.refused("GET", f"/overlay?{query.format(id=connection_id)}") == refusal


def test_a_sprint_of_another_workspace_is_not_found(program: Program, stranger: Program, connection_id: str):
    assert stranger.refused("GET", f"/overlay?connection_id={connection_id}&sprint_id=7") == (404, "not_found")
