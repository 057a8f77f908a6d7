"""The pages of the stand-in: what they show to whom, and what they let people do."""

from __future__ import annotations

import json
import re
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite, create_site_app
from web.sandbox.pages import COOKIE
from web.sandbox.seeding import ENGINEER, LEAD, VIEWER
from web.sandbox.signing import query_string_hash


@pytest.fixture
def client(site: JiraSite) -> FlaskClient:
    return create_site_app(site).test_client()


def act_as(client: FlaskClient, account: str) -> FlaskClient:
    client.set_cookie(COOKIE, account)
    return client


def do(client: FlaskClient, issue: str, command: str, **body: Any) -> TestResponse:
    return client.post(f"/ui/issues/{issue}/{command}", json=body)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/board/PLAT",
        "/browse/ATL-3",
        "/browse/NOPE-1",
        "/stand-in",
        "/plugins/servlet/ac/ladder-test/goals",
        "/plugins/servlet/ac/ladder-test/nothing",
    ],
)
def test_every_page_says_that_it_is_a_stand_in(client: FlaskClient, installed: FakeLadder, path: str) -> None:
    answer = client.get(path)
    assert "Stand-in Jira site - not Atlassian" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert f"frame-src {installed.url}" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def frame(text: str) -> tuple[str, dict[str, Any]]:
    """The address and the name of the first app frame on a page."""
    found = re.search(r'<iframe[^>]* data-src="([^"]*)" name="([^"]*)"', text)
    assert found is not None
    plain = [part.replace("&amp;", "&").replace("&#34;", '"') for part in found.groups()]
    return plain[0], json.loads(plain[1])


def test_the_panel_is_framed_with_a_signed_address(client: FlaskClient, site: JiraSite, installed: FakeLadder) -> None:
    source, name = frame(act_as(client, ENGINEER).get("/browse/ATL-3").text)
    address, _, token = source.rpartition("&jwt=")
    assert address.startswith(f"{installed.url}/jira/panel?issueId=10003&issueKey=ATL-3&xdm_e=http%3A%2F%2F127.0.0.1")
    assert {"xdm_e", "xdm_c", "cp", "lic", "cv"} <= set(re.findall(r"[?&](\w+)=", address))
    assert site.installation is not None
    claims = jwt.decode(token, site.installation.shared_secret, algorithms=["HS256"])
    assert claims["iss"] == site.client_key
    assert claims["sub"] == ENGINEER
    assert claims["qsh"] == query_string_hash("GET", source, installed.url)
    assert claims["context"]["jira"]["issue"] == {"id": "10003", "key": "ATL-3", "issuetype": {"id": "10001"}}
    assert claims["exp"] - claims["iat"] == 180
    assert name["host"] == site.origin


def test_the_label_of_the_panel_carries_the_status_that_the_app_wrote(
    client: FlaskClient, site: JiraSite, installed: FakeLadder
) -> None:
    assert "46 %" not in client.get("/browse/ATL-3").text
    value = {"type": "lozenge", "value": {"label": "46 % <i>", "type": "inprogress"}}
    site.set_property("ATL-3", "com.atlassian.jira.issue:ladder-test:goal:status", value)
    page = client.get("/browse/ATL-3").text
    assert '<span class="lozenge lozenge-inprogress">46 % &lt;i&gt;</span>' in page
    assert "Goal of this issue" in page


def test_a_context_token_is_bound_to_the_person_and_the_issue(
    client: FlaskClient, site: JiraSite, installed: FakeLadder
) -> None:
    body = act_as(client, VIEWER).get("/ui/context-token?issue=10003&project=ATL").get_json()
    assert site.installation is not None
    claims = jwt.decode(body["token"], site.installation.shared_secret, algorithms=["HS256"])
    assert claims["qsh"] == "context-qsh"
    assert claims["sub"] == VIEWER
    assert claims["context"]["jira"]["issue"]["id"] == "10003"
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert client.get("/ui/context-token?issue=10020").status_code == 403
    other = client.get("/ui/context-token", headers={"Sec-Fetch-Site": "cross-site"})
    assert other.status_code == 403


def test_app_pages_and_board_tools_follow_the_descriptor(client: FlaskClient, installed: FakeLadder) -> None:
    board = client.get("/board/ATL").text
    assert "/plugins/servlet/ac/ladder-test/goals?project=ATL" in board
    assert "/plugins/servlet/ac/ladder-test/settings?project=ATL" in board
    assert "Sprint and goals" in board
    overlay = client.get("/plugins/servlet/ac/ladder-test/overlay?project=ATL&frame=1&ac.mode=plan").get_json()
    assert "/jira/page?boardId=1&mode=plan&xdm_e=" in overlay["src"]
    assert overlay["context"] == {"project": {"id": "10000", "key": "ATL"}}
    act_as(client, ENGINEER)
    assert "ladder-test/settings" not in client.get("/board/ATL").text
    assert client.get("/plugins/servlet/ac/ladder-test/settings").status_code == 403


def test_each_place_of_a_tool_knows_its_board_and_sprint(
    client: FlaskClient, site: JiraSite, ladder: FakeLadder
) -> None:
    tools = "jira.software.board.tools", "jira.software.backlog.tools"
    context = "b={board.id}&t={board.type}&s={board.screen}&n={sprint.id}&st={sprint.state}&p={project.id}"
    target = {"type": "dialog", "options": {"size": "fullscreen"}}
    items = [
        {
            "key": where.replace(".", "-"),
            "name": {"value": "Goals"},
            "location": where,
            "url": f"/jira/page?{context}",
            "target": target,
        }
        for where in tools
    ]
    ladder.changes = {"modules": {"webItems": items}}
    site.install(ladder.url)
    board = client.get("/board/ATL").text
    hrefs = [
        part.replace("&amp;", "&") for part in re.findall(r'data-href="([^"]*)" [^>]*data-size="fullscreen"', board)
    ]
    found = []
    for href in hrefs:
        source = client.get(f"{href}&frame=1").get_json()["src"]
        found.append(re.findall(r"[?&](?:b|t|s|n|st|p)=([^&]*)", source))
    running, later = (str(site.sprint(name).id) for name in ("Sprint 42", "Sprint 43"))
    assert found == [
        ["1", "scrum", "board", running, "active", "10000"],
        ["1", "scrum", "backlog", later, "future", "10000"],
        ["1", "scrum", "backlog", "", "", "10000"],
    ]


def save(client: FlaskClient, **queries: str) -> TestResponse:
    return client.post("/ui/boards/ATL/queries", json=queries)


def on_board(client: FlaskClient, path: str = "/board/ATL") -> list[str]:
    return re.findall(r'<li class="card[^>]*data-key="([^"]*)"', client.get(path).text)


def test_saved_queries_filter_the_board_and_colour_its_cards(client: FlaskClient, site: JiraSite) -> None:
    assert (
        save(client, quick_filters="Sign-in: labels = sso\nBugs: type = Bug", colours="Late: labels = sso").status_code
        == 200
    )
    everything = on_board(client)
    assert on_board(client, "/board/ATL?filter=0") == ["ATL-3", "ATL-4"]
    assert on_board(client, "/board/ATL?filter=0&filter=1") == []
    assert set(on_board(client, "/board/ATL?filter=1")) < set(everything)
    assert len(re.findall(r'<li class="card tint-0"', client.get("/board/ATL").text)) == 2
    assert "Sign-in: labels = sso" in client.get("/board/ATL/queries").text


def test_swimlanes_take_an_issue_into_the_first_one_that_fits(client: FlaskClient) -> None:
    save(client, swimlanes="Sign-in: labels = sso\nStories: type = Story")
    lanes = re.findall(r'<h2 class="lane">([^<]*) <span class="count">(\d+)', client.get("/board/ATL?lanes=1").text)
    assert [name for name, _ in lanes] == ["Sign-in", "Stories", "Everything else"]
    assert lanes[0][1] == "2"
    assert sum(int(count) for _, count in lanes) == len(on_board(client))


@pytest.mark.parametrize(
    ("text", "said"), [("no colon", "a colon and JQL"), ("X: nope = 1", "does not exist"), ("X: a = (", "X: Error")]
)
def test_a_query_that_cannot_be_run_is_not_saved(client: FlaskClient, site: JiraSite, text: str, said: str) -> None:
    answer = save(client, quick_filters=text)
    assert answer.status_code == 400
    assert said in answer.get_json()["message"]
    assert site.boards[1].quick_filters == []
    assert save(act_as(client, VIEWER), quick_filters="").status_code == 403


def test_nothing_of_the_app_is_left_after_uninstallation(
    client: FlaskClient, site: JiraSite, installed: FakeLadder
) -> None:
    site.uninstall()
    assert "No app is installed" in client.get("/browse/ATL-3").text
    assert "Sprint and goals" not in client.get("/").text
    assert client.get("/ui/context-token").status_code == 403


def test_a_viewer_may_look_but_not_touch(client: FlaskClient, site: JiraSite) -> None:
    act_as(client, VIEWER)
    page = client.get("/board/ATL").text
    assert "may look at this board" in page
    assert 'draggable="true"' not in page
    for command, body in (
        ("transition", {"status": "Done"}),
        ("estimate", {"points": 1}),
        ("move", {"project": "OPS"}),
        ("delete", {}),
        ("summary", {"summary": "Mine now"}),
    ):
        assert do(client, "10003", command, **body).status_code == 403
    assert client.post("/ui/issues", json={"project": "ATL", "summary": "New"}).status_code == 403
    assert site.issue("ATL-3").status.name == "In Progress"
    assert client.get("/board/PLAT").status_code == 404
    assert client.get("/browse/PLAT-1").status_code == 404


def test_an_engineer_may_work_but_not_delete(client: FlaskClient, site: JiraSite) -> None:
    act_as(client, ENGINEER)
    assert do(client, "10003", "transition", status="Done", resolution="Won't Do").status_code == 200
    assert do(client, "10003", "estimate", points="8").status_code == 200
    assert do(client, "10003", "parent", parent="10002").status_code == 200
    assert do(client, "10003", "sprint", sprint=2).status_code == 200
    issue = site.issue("10003")
    assert issue.resolution is not None
    assert (issue.resolution.name, issue.points, issue.parent_id, issue.sprint_ids) == ("Won't Do", 8.0, "10002", [2])
    assert do(client, "10003", "delete").status_code == 403
    assert do(client, "10003", "move", project="OPS").status_code == 403
    act_as(client, LEAD)
    assert do(client, "10003", "move", project="OPS").get_json()["key"] == "OPS-3"
    assert do(client, "10003", "delete").status_code == 200
    assert do(client, "10003", "delete").status_code == 404


def test_wrong_input_is_refused_with_words(client: FlaskClient) -> None:
    assert do(client, "10003", "estimate", points="many").status_code == 400
    assert do(client, "10003", "summary", summary="   ").status_code == 400
    assert do(client, "10003", "parent", parent="ATL-4").status_code == 403
    assert do(client, "10003", "fly").status_code == 404
    assert client.post("/ui/issues/10003/estimate", data="points=1").status_code == 415


def test_another_site_cannot_send_people_away_by_the_person_switch(client: FlaskClient) -> None:
    answer = client.post("/ui/act-as", data={"person": ENGINEER, "back": "//evil.example/x?y=1"})
    assert answer.headers["Location"] == "/x?y=1"
    assert f"{COOKIE}=" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_text_of_issues_stays_text(client: FlaskClient, site: JiraSite) -> None:
    site.edit("ATL-3", summary="<script>alert(1)</script>", description="'\"><img src=x>", labels=["<b>"])
    for page in (client.get("/").text, client.get("/browse/ATL-3").text, client.get("/browse/ATL-1").text):
        assert "<script>alert" not in page
        assert "<img" not in page


def test_a_board_can_be_filtered_and_says_what_is_wrong(client: FlaskClient) -> None:
    page = client.get("/board/ATL?jql=labels%20%3D%20export").text
    assert "ATL-16" in page
    assert "ATL-3 " not in page
    assert "does not exist" in client.get("/board/ATL?jql=colour%20%3D%20red").text


def test_an_old_key_leads_to_the_issue(client: FlaskClient, site: JiraSite) -> None:
    site.move("ATL-6", "OPS")
    assert client.get("/browse/ATL-6").headers["Location"] == "/browse/OPS-3"


def test_the_version_changes_with_every_event_and_is_cheap_to_ask(client: FlaskClient, site: JiraSite) -> None:
    first = client.get("/ui/version")
    assert client.get("/ui/version", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    site.edit("ATL-3", summary="New words")
    assert client.get("/ui/version").get_json()["version"] > first.get_json()["version"]


def test_the_controls_play_bad_days(client: FlaskClient, site: JiraSite, installed: FakeLadder) -> None:
    def press(name: str, **body: Any) -> int:
        return client.post(f"/ui/controls/{name}", json=body).status_code

    assert press("pause") == 200
    site.edit("ATL-3", summary="Waits")
    assert "(1 wait)" in client.get("/stand-in").text
    assert press("shuffle") == press("hurry") == press("resume") == 200
    site.webhooks.flush()
    assert press("again", identifier=site.webhooks.log[-1].identifier) == 200
    assert len(installed.events()) == 2
    for fault in ("slow", "unavailable", "rate_limited", "down"):
        press("rest", fault=fault)
        assert site.faults.active == fault
    press("rest", fault="")
    assert site.faults.active is None
    press("freeze")
    assert site.freeze_updated is True
    assert press("sprint", sprint=1, to=2) == 200
    assert site.sprint(1).state == "closed"
    assert press("uninstall") == press("reinstall") == 200
    assert press("install", url="http://127.0.0.1:9") == 502
    assert press("unknown") == 404
