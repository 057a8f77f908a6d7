"""What the overlay in Jira does not let out or do: names that somebody may not browse, moves that they may not make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from connector.issues import find_issue
from connector.models import Connection, Team
from connector.planning.sprints import refresh_sprint
from tests.web.panel_stage import ENGINEER, LEAD, VIEWER, panel_stage
from tests.web.planning_stage import PlannedStage, plan_a_sprint
from web.sandbox import Issue

BROWSE, EDIT, SCHEDULE = "BROWSE_PROJECTS", "EDIT_ISSUES", "SCHEDULE_ISSUES"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlannedStage]:
    with panel_stage(tmp_path_factory.mktemp("discretion")) as stage:
        yield plan_a_sprint(stage)


@pytest.fixture(autouse=True)
def _forgetful(planned: PlannedStage, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every test ask Jira anew for rights, and leave Jira whole behind it."""
    monkeypatch.setattr("connector.planning.onlooker.FRESH_FOR", 0.0)
    monkeypatch.setattr("jira_app.rights.REMEMBERED_FOR", 0.0)
    yield
    planned.stage.site.faults.clear()


@pytest.fixture
def client(planned: PlannedStage) -> FlaskClient:
    client: FlaskClient = planned.stage.app.test_client()
    return client


@pytest.fixture(scope="module")
def family(planned: PlannedStage) -> tuple[Issue, Issue, Issue]:
    """An epic outside of the sprint, and two stories of it in the sprint: one that is linked, one that is not."""
    stage = planned.stage
    epic = stage.site.create_issue("Project Nightjar", "Epic")
    linked = stage.site.create_issue("First step", parent=epic, sprint=planned.sprint)
    open_one = stage.site.create_issue("Second step", parent=epic, sprint=planned.sprint)
    stage.settle()
    stage.link(linked, "activation")
    with stage.core.database.reading() as session:
        connection = session.scalars(select(Connection).where(Connection.tracker == "jira")).one()
    refresh_sprint(stage.core, connection, str(planned.sprint.id))  # type: ignore[attr-defined]  # the stand-in's sprint
    stage.settle()
    return epic, linked, open_one


def page(client: FlaskClient, planned: PlannedStage, account: str) -> str:
    address = planned.address(account).removeprefix(planned.stage.ladder)
    return str(client.get(address, base_url=planned.stage.ladder).text)


def call(client: FlaskClient, planned: PlannedStage, verb: str, body: Any, account: str = LEAD) -> Any:
    return client.post(
        f"/jira/board/{verb}?sprint={planned.sprint_id}",
        base_url=planned.stage.ladder,
        headers=planned.pass_for(account),
        json=body,
    )


def numbers(planned: PlannedStage, *issues: Issue) -> list[int]:
    with planned.stage.core.database.reading() as session:
        connection = session.scalars(select(Connection).where(Connection.tracker == "jira")).one()
        found = [find_issue(session, connection.id, issue.id) for issue in issues]
        return [one.id for one in found if one is not None]


def names(issue: Issue, text: str) -> bool:
    return re.search(rf"{issue.key}(?![0-9])", text) is not None


def test_a_suggestion_does_not_name_the_relative_that_somebody_may_not_browse(
    planned: PlannedStage, client: FlaskClient, family: tuple[Issue, Issue, Issue]
) -> None:
    _, sibling, issue = family
    number = str(*numbers(planned, issue))
    told = call(client, planned, "suggestions", {}).get_json()["suggestions"][number]
    assert f"because its sibling {sibling.key} does" in told

    planned.stage.site.faults.deny(ENGINEER, BROWSE, sibling.id)
    told = call(client, planned, "suggestions", {}, ENGINEER).get_json()["suggestions"][number]
    assert "because of an issue that you may not see" in told
    assert not names(sibling, told)


def test_the_issue_that_a_link_comes_through_is_not_named_to_whom_may_not_browse_it(
    planned: PlannedStage, client: FlaskClient, family: tuple[Issue, Issue, Issue]
) -> None:
    epic, _, issue = family
    link = planned.stage.link(epic, "churn")
    try:
        assert f"through {epic.key}" in page(client, planned, LEAD)
        planned.stage.site.faults.deny(ENGINEER, BROWSE, epic.id)
        told = page(client, planned, ENGINEER)
    finally:
        call(client, planned, "unlink", {"links": [link]})
    assert issue.summary in told
    assert "through an issue above it" in told
    assert not names(epic, told)


def test_what_somebody_may_edit_but_not_schedule_ladder_does_not_move_for_them(
    planned: PlannedStage, client: FlaskClient
) -> None:
    issue = planned.unaligned[0]
    planned.stage.site.faults.deny(ENGINEER, SCHEDULE, issue.id)
    moves = {"moves": [{"issues": numbers(planned, issue), "sprint": planned.following_id}]}
    refused = call(client, planned, "move", moves, ENGINEER).get_json()
    assert refused["words"] == f"Nothing was moved. Left out: {issue.key}. Jira does not let you move it."
    assert issue.sprint_ids == [planned.sprint.id]  # type: ignore[attr-defined]  # the stand-in's sprint


def test_one_call_does_not_set_off_a_thousand_moves(planned: PlannedStage, client: FlaskClient) -> None:
    issue = numbers(planned, planned.unaligned[0])
    moves = [{"issues": issue, "sprint": planned.sprint_id}] * 13
    refused = call(client, planned, "move", {"moves": moves})
    assert refused.status_code == 422
    assert refused.get_json()["reason"] == "bad_shape"


def test_who_may_edit_nothing_of_a_sprint_does_not_choose_the_team_of_its_board(
    planned: PlannedStage, client: FlaskClient
) -> None:
    with planned.stage.core.database.reading() as session:
        acme = session.scalars(select(Team.id).where(Team.name == "Acme")).one()
    refused = call(client, planned, "team", {"team_id": acme}, VIEWER)
    assert refused.status_code == 403
    assert refused.get_json()["reason"] == "may_not_edit"
    assert f'<option value="{acme}" selected>' not in page(client, planned, LEAD)


def test_only_issues_of_the_planned_sprints_can_be_tried_out(planned: PlannedStage, client: FlaskClient) -> None:
    # By made-up numbers size, state and goals of every issue of the workspace could be read, one after another.
    stage = planned.stage
    elsewhere = stage.site.create_issue("Nothing of this sprint", points=13)
    stage.settle()
    number = numbers(planned, elsewhere)
    stage.link(elsewhere, "churn")
    tried = {"into": number, "out": number, "links": [[*number, stage.key_results["sso"]]]}
    plain = call(client, planned, "what-if", {}, ENGINEER).get_json()
    told = call(client, planned, "what-if", {"what_if": tried}, ENGINEER).get_json()
    assert told["what_if"] == {"out": [], "into": [], "links": []}
    assert (told["totals"], told["summary"]) == (plain["totals"], plain["summary"])
