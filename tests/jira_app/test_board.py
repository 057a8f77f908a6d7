"""The sprint overlay inside Jira: who gets in, what they see of it, and what they may do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from connector.issues import find_issue
from connector.models import Account, Connection, Link, Person, SignInLink, Sprint, Team, Workspace
from jira_app import board
from tests.web.panel_stage import ENGINEER, LEAD, VIEWER, PanelStage, panel_stage
from tests.web.planning_stage import PlannedStage, plan_a_sprint, sprint_number
from web.sandbox.modules import context_token, frame, jira_context
from web.sandbox.records import Person as Visitor

BROWSE, EDIT = "BROWSE_PROJECTS", "EDIT_ISSUES"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("board")) as stage:
        yield stage


@pytest.fixture(scope="module")
def planned(stage: PanelStage) -> PlannedStage:
    return plan_a_sprint(stage)


@pytest.fixture(autouse=True)
def _forgetful(stage: PanelStage, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every test ask Jira anew for rights, and leave Jira whole behind it."""
    monkeypatch.setattr("connector.planning.onlooker.FRESH_FOR", 0.0)
    monkeypatch.setattr("connector.planning.onlooker.SILENT_FOR", 0.0)
    monkeypatch.setattr("jira_app.rights.REMEMBERED_FOR", 0.0)
    yield
    stage.site.faults.clear()


@pytest.fixture
def client(stage: PanelStage) -> FlaskClient:
    """A browser that is not signed in to anything."""
    client: FlaskClient = stage.app.test_client()
    return client


def get(client: FlaskClient, planned: PlannedStage, path: str, **more: Any) -> Any:
    return client.get(path.removeprefix(planned.stage.ladder), base_url=planned.stage.ladder, **more)


def call(
    client: FlaskClient, planned: PlannedStage, verb: str, body: Any, account: str = LEAD, sprint: int | None = None
) -> Any:
    return client.post(
        f"/jira/board/{verb}?sprint={planned.sprint_id if sprint is None else sprint}",
        base_url=planned.stage.ladder,
        headers=planned.pass_for(account),
        json=body,
    )


def numbers(planned: PlannedStage, issues: Any) -> list[int]:
    """Return Ladder's ids of the stand-in's issues."""
    with planned.stage.core.database.reading() as session:
        connection = session.scalars(select(Connection).where(Connection.tracker == "jira")).one()
        found = [find_issue(session, connection.id, issue.id) for issue in issues]
        return [one.id for one in found if one is not None]


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_the_page_is_whole_without_a_script(planned: PlannedStage, client: FlaskClient) -> None:
    answer = get(client, planned, planned.address())
    assert answer.status_code == 200
    words = plain(answer.text)
    assert "Sprint 42" in words
    assert "unaligned 40 % 20 pt" in words
    assert "Export fix for large tables" in words
    assert "nothing in this sprint" in words
    assert "Set-Cookie" not in answer.headers


def test_only_the_proven_site_may_frame_it_and_nothing_runs_inline(planned: PlannedStage, client: FlaskClient) -> None:
    answer = get(client, planned, planned.address())
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {planned.stage.site.base_url}" in policy
    assert "unsafe" not in policy
    assert "X-Frame-Options" not in answer.headers
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", answer.text)


@pytest.mark.parametrize("path", ["/jira/board", "/jira/board?boardId=1&jwt=forged.forged.forged"])
def test_without_a_good_token_the_door_stays_closed(planned: PlannedStage, client: FlaskClient, path: str) -> None:
    answer = get(client, planned, path)
    assert answer.status_code == 401
    assert "Sprint 42" not in answer.text
    assert "open it again from the board" in answer.text


def test_an_address_that_was_changed_after_signing_is_refused(planned: PlannedStage, client: FlaskClient) -> None:
    changed = planned.address().replace("boardId=", "boardId=9")
    assert get(client, planned, changed).status_code == 401


def test_a_jira_open_to_the_world_does_not_open_its_plans_to_it(planned: PlannedStage, client: FlaskClient) -> None:
    site = planned.stage.site
    nobody = Visitor("", "Nobody", "", "", {})
    module = next(one for one in site.installation.modules("webItems") if one["key"] == "ladder-board")
    context = jira_context(site, None, site.project("ATL"))
    answer = get(client, planned, frame(site, nobody, module, module["url"], context).src)
    assert answer.status_code == 401
    assert "Sign in to Jira" in answer.text
    called = {"Authorization": f"JWT {context_token(site, nobody, context)}"}
    assert get(client, planned, f"/jira/board/live?sprint={planned.sprint_id}", headers=called).status_code == 401


def test_each_kind_of_token_opens_its_own_door_only(planned: PlannedStage, client: FlaskClient) -> None:
    live = f"/jira/board/live?sprint={planned.sprint_id}"
    page_token = planned.address().split("jwt=")[1].split("&")[0]
    assert get(client, planned, live, headers={"Authorization": f"JWT {page_token}"}).status_code == 401
    assert get(client, planned, "/jira/board", headers=planned.pass_for()).status_code == 401
    assert get(client, planned, live).status_code == 401
    for verb in ("what-if", "link", "unlink", "not-goal-work", "move", "undo", "team", "suggestions", "open"):
        answer = client.post(f"/jira/board/{verb}?sprint={planned.sprint_id}", base_url=planned.stage.ladder, json={})
        assert answer.status_code == 401, verb


def test_a_sprint_of_another_connection_or_workspace_is_not_there(planned: PlannedStage, client: FlaskClient) -> None:
    with planned.stage.core.database.writing() as session:
        session.add(Workspace(id="other", name="Other", timezone="UTC"))
        session.flush()
        for name, space in (("x", "other"), ("y", planned.stage.workspace_id)):
            session.add(
                Connection(id=name, workspace_id=space, tracker="jira", tenant_key=name, site=f"https://{name}.example")
            )
            session.flush()
            session.add(Sprint(workspace_id=space, connection_id=name, external_id=f"77{name}", name="Secret sprint"))
    foreign = [sprint_number(planned.stage, "77x"), sprint_number(planned.stage, "77y"), 10**18]
    for sprint in foreign:
        answer = get(client, planned, f"/jira/board/live?sprint={sprint}", headers=planned.pass_for())
        assert answer.status_code == 404
        assert call(client, planned, "what-if", {}, sprint=sprint).status_code == 404
        assert "Secret" not in answer.text
    with planned.stage.core.database.writing() as session:
        session.delete(session.get_one(Connection, "y"))
        session.delete(session.get_one(Workspace, "other"))


@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "9" * 30])
def test_a_sprint_that_is_no_number_is_not_there(planned: PlannedStage, client: FlaskClient, given: str) -> None:
    assert get(client, planned, f"/jira/board/live?sprint={given}", headers=planned.pass_for()).status_code == 404


def test_asking_again_answers_304_until_something_changes(planned: PlannedStage, client: FlaskClient) -> None:
    live = f"/jira/board/live?sprint={planned.sprint_id}"
    etag = get(client, planned, live, headers=planned.pass_for()).headers["ETag"]
    again = {**planned.pass_for(), "If-None-Match": etag}
    assert get(client, planned, live, headers=again).status_code == 304
    planned.stage.edit_key_result("churn", title="Churn of teams that pay")
    fresh = get(client, planned, live, headers=again)
    assert fresh.status_code == 200
    assert fresh.get_json() == {"etag": fresh.headers["ETag"]}
    drawn = call(client, planned, "what-if", {"whole": True}).get_json()
    assert drawn["etag"] == fresh.headers["ETag"]
    assert "Churn of teams that pay" in drawn["summary"]


def test_the_sprint_is_the_named_one_else_the_running_one_else_the_next(
    planned: PlannedStage, client: FlaskClient
) -> None:
    named = get(client, planned, planned.address(sprint=str(planned.following.id)))
    assert '<h1 id="top" tabindex="-1">Sprint 42 b</h1>' in named.text
    running = get(client, planned, planned.address(sprint=""))
    assert '<h1 id="top" tabindex="-1">Sprint 42</h1>' in running.text


def test_an_unknown_sprint_offers_those_that_can_be_planned(planned: PlannedStage, client: FlaskClient) -> None:
    answer = get(client, planned, planned.address(sprint="99999"))
    assert answer.status_code == 404
    assert "This sprint is not known" in answer.text
    assert f'data-sprint="{planned.sprint_id}"' in answer.text
    chosen = get(client, planned, f"/jira/board/chosen?sprint={planned.following_id}", headers=planned.pass_for())
    assert "Sprint 42 b" in chosen.text
    assert "Roles per project" in chosen.text


def test_what_somebody_may_not_browse_is_counted_but_not_named(planned: PlannedStage, client: FlaskClient) -> None:
    planned.stage.site.faults.deny(ENGINEER, BROWSE, planned.unaligned[0].id)
    answer = get(client, planned, planned.address(ENGINEER))
    assert planned.unaligned[0].summary not in answer.text
    assert planned.unaligned[0].key + "<" not in answer.text
    words = plain(answer.text)
    assert "an issue that you may not see" in words
    assert "1 that you may not see (counted all the same)" in words
    assert "unaligned 40 % 20 pt" in words


def test_while_jira_is_silent_nothing_is_named_that_it_has_not_shown_before(
    planned: PlannedStage, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.planning.onlooker.STALE_FOR", 0.0)
    planned.stage.site.faults.unavailable()
    answer = get(client, planned, planned.address(VIEWER))
    assert answer.status_code == 200
    assert planned.unaligned[0].summary not in answer.text
    assert "can't say now which issues you may see" in plain(answer.text)


def test_a_what_if_writes_nothing_and_answers_with_the_server_s_own_numbers(
    planned: PlannedStage, client: FlaskClient
) -> None:
    out = numbers(planned, planned.unaligned[:2])
    body = {"what_if": {"out": out, "into": [], "links": []}}
    done = call(client, planned, "what-if", body).get_json()
    assert done["trying"].replace("\u00a0", " ") == "2 out"
    assert "unaligned 40 % → 32 %" in done["effect"].replace("\u00a0", " ")
    assert "issues" not in done
    again = call(client, planned, "what-if", {}).get_json()
    assert again["trying"] == ""
    assert "was 40" not in again["summary"]


def test_what_is_tried_in_comes_from_the_next_sprint(planned: PlannedStage, client: FlaskClient) -> None:
    into = numbers(planned, planned.later[:1])
    asked = {"what_if": {"out": [], "into": into, "links": []}}
    done = call(client, planned, "what-if", asked).get_json()
    assert done["what_if"]["into"] == into
    assert "55" in done["summary"]
    assert done["etag"] == ""  # numbers alone say nothing of the rows


def test_rows_drawn_while_something_is_tried_are_current_to_the_next_question(
    planned: PlannedStage, client: FlaskClient
) -> None:
    out = numbers(planned, planned.unaligned[:1])
    done = call(client, planned, "what-if", {"what_if": {"out": out}, "whole": True}).get_json()
    live = f"/jira/board/live?sprint={planned.sprint_id}"
    again = {**planned.pass_for(), "If-None-Match": done["etag"]}
    assert get(client, planned, live, headers=again).status_code == 304


def test_what_means_nothing_any_more_drops_out_of_a_what_if(planned: PlannedStage, client: FlaskClient) -> None:
    linked, key_result = numbers(planned, planned.aligned[:1])[0], planned.stage.key_results["activation"]
    asked = {"out": [987654], "into": [987655], "links": [[987654, key_result], [linked, key_result]]}
    done = call(client, planned, "what-if", {"what_if": asked}).get_json()
    assert done["what_if"] == {"out": [], "into": [], "links": []}


def test_six_are_linked_and_it_says_what_that_did_and_can_be_taken_back(
    planned: PlannedStage, client: FlaskClient
) -> None:
    ids = numbers(planned, planned.unaligned)
    pairs = [[one, planned.stage.key_results["churn"]] for one in ids]
    done = call(client, planned, "link", {"pairs": pairs, "what_if": {}}).get_json()
    words = done["words"].replace("\u00a0", " ")
    assert words.startswith("6 issues linked to “Churn of")
    assert "Unaligned 40 % → 0 % (−40.0 pp)." in words
    assert "Work – → 0 %." in words
    back = call(client, planned, "undo", {"undo": done["undo"]}).get_json()
    assert "Undone: 6 issues unlinked again." in back["words"]
    assert "Unaligned 0 % → 40 % (+40.0 pp)." in back["words"].replace("\u00a0", " ")


def test_somebody_else_can_t_take_it_back(planned: PlannedStage, client: FlaskClient) -> None:
    ids = numbers(planned, planned.unaligned[:1])
    done = call(client, planned, "not-goal-work", {"issues": ids, "category": "other"}).get_json()
    refused = call(client, planned, "undo", {"undo": done["undo"]}, account=ENGINEER)
    assert refused.status_code == 409
    assert refused.get_json()["reason"] == "undo_unknown"
    assert call(client, planned, "undo", {"undo": done["undo"]}).status_code == 200


def test_who_may_not_edit_links_nothing(planned: PlannedStage, client: FlaskClient) -> None:
    pairs = [[one, planned.stage.key_results["churn"]] for one in numbers(planned, planned.unaligned[:2])]
    planned.stage.site.faults.deny(ENGINEER, EDIT, planned.unaligned[0].id)
    done = call(client, planned, "link", {"pairs": pairs}, account=ENGINEER).get_json()
    assert done["words"].startswith("1 issue linked")
    assert f"Left out: {planned.unaligned[0].key}. Jira does not let you edit it." in done["words"]
    call(client, planned, "undo", {"undo": done["undo"]}, account=ENGINEER)
    refused = call(client, planned, "link", {"pairs": pairs}, account=VIEWER).get_json()
    assert refused["words"].startswith("Nothing was linked.")
    with planned.stage.core.database.reading() as session:
        churn = select(Link).where(Link.key_result_id == planned.stage.key_results["churn"])
        assert session.scalars(churn).all() == []


def test_issues_move_in_jira_only_when_asked_and_come_back(planned: PlannedStage, client: FlaskClient) -> None:
    moving, issue = numbers(planned, planned.unaligned[:1]), planned.unaligned[0]
    done = call(
        client, planned, "move", {"moves": [{"issues": moving, "sprint": planned.following_id}], "what_if": {}}
    ).get_json()
    assert "1 issue moved into Sprint 42 b in Jira." in done.get("words", done)
    assert planned.stage.site.issue(issue.key).sprint_ids == [planned.following.id]
    assert f"row-unaligned-{moving[0]}" not in done["issues"]
    back = call(client, planned, "undo", {"undo": done["undo"]}).get_json()
    assert "1 issue moved back" in back["words"]
    assert planned.stage.site.issue(issue.key).sprint_ids == [planned.sprint.id]
    assert f"row-unaligned-{moving[0]}" in back["issues"]
    planned.stage.settle()


def test_the_team_of_a_board_is_remembered(planned: PlannedStage, client: FlaskClient) -> None:
    with planned.stage.core.database.reading() as session:
        acme = session.scalars(select(Team.id).where(Team.name == "Acme")).one()
        atlas = session.scalars(select(Team.id).where(Team.name == "Atlas")).one()
    assert call(client, planned, "team", {"team_id": acme}).status_code == 200
    page = get(client, planned, planned.address(ENGINEER))
    assert f'<option value="{acme}" selected>' in page.text
    assert call(client, planned, "team", {"team_id": "no-such-team"}).status_code == 404
    call(client, planned, "team", {"team_id": atlas})


def test_the_way_on_is_a_one_time_link_to_one_of_our_own_pages(planned: PlannedStage, client: FlaskClient) -> None:
    to = f"/planning/{planned.sprint_id}#out=1.2&link=3~{planned.stage.key_results['churn']}"
    url = call(client, planned, "open", {"to": to}).get_json()["url"]
    assert url.startswith(f"{planned.stage.ladder}/sign-in/")
    assert f"?to=%2Fplanning%2F{planned.sprint_id}%23out" in url
    with planned.stage.core.database.reading() as session:
        link = session.scalars(select(SignInLink).order_by(SignInLink.created_at.desc())).first()
        assert link is not None
        person = session.get_one(Person, link.person_id)
        assert session.scalars(select(Account.account_id).where(Account.person_id == person.id)).one() == LEAD
    for elsewhere in ("//evil.example", "https://evil.example", "\\evil", "", 7, None, "/" + "x" * 3000):
        assert call(client, planned, "open", {"to": elsewhere}).status_code == 422


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("what-if", []),
        ("what-if", {"what_if": 7}),
        ("what-if", {"what_if": {"out": "1"}}),
        ("what-if", {"what_if": {"out": [True]}}),
        ("what-if", {"what_if": {"out": [1.5]}}),
        ("what-if", {"what_if": {"links": [[1]]}}),
        ("what-if", {"what_if": {"out": list(range(1, 3000))}}),
        ("link", {}),
        ("link", {"pairs": [["1", "x"]]}),
        ("link", {"pairs": [[1, "x" * 100]]}),
        ("unlink", {"links": [None]}),
        ("not-goal-work", {"issues": [1], "category": 4}),
        ("move", {"moves": [7]}),
        ("undo", {"undo": None}),
        ("team", {}),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(
    planned: PlannedStage, client: FlaskClient, verb: str, body: Any
) -> None:
    assert call(client, planned, verb, body).status_code == 422


def test_an_unknown_call_is_not_there(planned: PlannedStage, client: FlaskClient) -> None:
    assert call(client, planned, "delete-everything", {}).status_code == 404


def test_search_finds_open_key_results(planned: PlannedStage, client: FlaskClient) -> None:
    path = f"/jira/board/search?sprint={planned.sprint_id}&q=churn"
    answer = get(client, planned, path, headers=planned.pass_for())
    assert answer.text.count('role="option"') == 1
    assert "Atlas" in answer.text


def test_every_path_of_the_door_is_covered_here() -> None:
    assert {"what-if", "link", "unlink", "not-goal-work", "move", "undo", "team", "suggestions"} == set(board.VERBS)
