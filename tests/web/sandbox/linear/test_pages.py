"""The pages of the stand-in workspace: what they show to whom, and what they let people do."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.chromium import axe_findings
from tests.web.sandbox.linear.conftest import PNG, Listener
from web.sandbox.linear import LinearWorkspace, WorkspaceServer, create_linear_app
from web.sandbox.linear.pages import COOKIE
from web.sandbox.linear.seeding import ENGINEER, FORMER, GUEST, LEAD


@pytest.fixture
def client(workspace: LinearWorkspace) -> FlaskClient:
    return create_linear_app(workspace).test_client()


def act_as(client: FlaskClient, person: str) -> FlaskClient:
    client.set_cookie(COOKIE, person)
    return client


def do(client: FlaskClient, workspace: LinearWorkspace, issue: str, command: str, **body: Any) -> TestResponse:
    return client.post(f"/ui/issues/{workspace.issue(issue).id}/{command}", json=body)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/team/MOB",
        "/team/WEB?cycle=3",
        "/team/WEB?cycle=none",
        "/acme/issue/NOPE-1",
        "/stand-in",
        "/oauth/authorize",
    ],
)
def test_every_page_says_that_it_is_a_stand_in(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert "Stand-in Linear workspace - not Linear" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_board_shows_one_cycle(client: FlaskClient, workspace: LinearWorkspace) -> None:
    page = client.get("/team/WEB").text
    assert "4 of 27 points done" in page
    assert 'data-key="WEB-1"' in page
    assert 'data-key="WEB-9"' not in page
    later = client.get("/team/WEB?cycle=3").text
    assert 'data-key="WEB-9"' in later
    assert 'data-key="WEB-1"' not in later
    assert 'data-key="WEB-12"' in client.get("/team/WEB?cycle=none").text
    workspace.archive("WEB-1")
    assert 'data-key="WEB-1"' not in client.get("/team/WEB").text


def test_an_issue_lives_at_one_address(client: FlaskClient, workspace: LinearWorkspace) -> None:
    issue = workspace.move_team("WEB-1", "MOB")
    path = workspace.issue_url(issue).removeprefix(workspace.base_url)
    for old in ("/acme/issue/WEB-1", "/acme/issue/MOB-6", "/acme/issue/MOB-6/other-words"):
        assert client.get(old).headers["Location"] == path
    assert client.get(path).status_code == 200
    assert client.get("/other/issue/MOB-6").status_code == 404


def test_a_link_is_drawn_with_icon_title_subtitle_and_metadata(
    client: FlaskClient, workspace: LinearWorkspace, registered: Listener
) -> None:
    moment = workspace.now().isoformat()
    attachment = workspace.create_attachment(
        "WEB-1",
        "https://ladder.example/issues/1",
        "KR Activate <500> teams",
        subtitle="62% · on track · updated {updatedAt__relativeTimestamp} {missing__since}",
        icon_url=f"{registered.url}/icon.png",
        metadata={
            "updatedAt": moment,
            "attributes": [{"name": "driver", "value": "Mira Okafor"}],
            "messages": [{"subject": "Check-in", "body": "Going <well>", "timestamp": moment}],
        },
    )
    page = client.get("/acme/issue/WEB-1", follow_redirects=True).text
    assert "KR Activate &lt;500&gt; teams" in page
    assert "62% · on track · updated just now {missing__since}" in page
    assert "<dt>Driver</dt><dd>Mira Okafor</dd>" in page
    assert "Going &lt;well&gt;" in page
    assert 'href="https://ladder.example/issues/1"' in page
    icon = client.get(f"/ui/icon/{attachment.id}")
    assert (icon.data, icon.mimetype) == (PNG, "image/png")


@pytest.mark.parametrize("icon", [b"<svg/>", PNG + b"\0" * 1024 * 1024, b""])
def test_what_linear_takes_for_no_icon_is_not_shown(
    client: FlaskClient, workspace: LinearWorkspace, registered: Listener, icon: bytes
) -> None:
    registered.icon = icon
    attachment = workspace.create_attachment("WEB-1", "https://a.example/", "A", icon_url=f"{registered.url}/icon.png")
    assert client.get(f"/ui/icon/{attachment.id}").status_code == 404


def test_icons_are_fetched_from_the_application_only(client: FlaskClient, workspace: LinearWorkspace) -> None:
    workspace.oauth.register(redirect_uri="http://127.0.0.1:1/callback")
    attachment = workspace.create_attachment("WEB-1", "https://a.example/", "A", icon_url="http://127.0.0.1:11/i.png")
    assert client.get(f"/ui/icon/{attachment.id}").status_code == 404
    assert client.get("/ui/icon/none").status_code == 404


def test_people_see_their_teams(client: FlaskClient, workspace: LinearWorkspace) -> None:
    assert "/team/SEC" in client.get("/").text
    act_as(client, ENGINEER)
    assert "/team/SEC" not in client.get("/").text
    assert client.get("/team/SEC").status_code == 404
    assert client.get("/acme/issue/SEC-1").status_code == 404
    assert do(client, workspace, "SEC-1", "title", title="Mine").status_code == 404
    assert client.post("/ui/issues", json={"team": "SEC", "title": "Mine"}).status_code == 403
    assert do(client, workspace, "WEB-1", "move", team="SEC").status_code == 403
    assert do(act_as(client, GUEST), workspace, "MOB-1", "title", title="Mine").status_code == 404


def test_members_change_everything_but_delete_for_good(client: FlaskClient, workspace: LinearWorkspace) -> None:
    act_as(client, ENGINEER)
    issue = workspace.issue("WEB-5")
    done = workspace.state_of(workspace.team("WEB"), "Done")
    for command, body in (
        ("transition", {"state": done.id, "before": workspace.issue("WEB-7").id}),
        ("estimate", {"estimate": "2.5"}),
        ("title", {"title": " New  words "}),
        ("description", {"description": "Why"}),
        ("priority", {"priority": "1"}),
        ("assignee", {"assignee": ""}),
        ("parent", {"parent": workspace.issue("WEB-1").id}),
        ("cycle", {"cycle": ""}),
        ("project", {"project": ""}),
        ("label", {"label": workspace.label("Bug").id, "on": True}),
        ("label", {"label": workspace.label("Design").id, "on": False}),
    ):
        assert do(client, workspace, "WEB-5", command, **body).status_code == 200, command
    assert (issue.title, issue.estimate, issue.priority, issue.description) == ("New words", 2.5, 1, "Why")
    assert (issue.state_id, issue.cycle_id, issue.project_id, issue.assignee_id) == (done.id, None, None, None)
    assert issue.label_ids == [workspace.label("Bug").id]
    assert issue.sort_order < workspace.issue("WEB-7").sort_order
    assert do(client, workspace, "WEB-5", "delete").status_code == 403
    for command in ("archive", "restore", "trash", "restore"):
        assert do(client, workspace, "WEB-5", command).status_code == 200
    assert do(client, workspace, "WEB-5", "duplicate", of="WEB-6").status_code == 200
    assert do(act_as(client, LEAD), workspace, "WEB-5", "delete").status_code == 200


def test_wrong_input_is_refused_with_words(client: FlaskClient, workspace: LinearWorkspace) -> None:
    assert do(client, workspace, "WEB-1", "estimate", estimate="many").status_code == 400
    assert do(client, workspace, "WEB-1", "title", title=" ").status_code == 400
    assert do(client, workspace, "WEB-1", "transition").status_code == 400
    assert do(client, workspace, "WEB-1", "transition", state="Nowhere").status_code == 404
    assert do(client, workspace, "WEB-1", "parent", parent="WEB-2").status_code == 403
    assert do(client, workspace, "WEB-1", "fly").status_code == 404
    issue = workspace.issue("WEB-1").id
    assert client.post(f"/ui/issues/{issue}/estimate", data="estimate=1").status_code == 415
    assert client.post(f"/ui/issues/{issue}/estimate", json=[1]).status_code == 400


def test_nobody_acts_as_somebody_who_left_or_as_the_application(
    client: FlaskClient, workspace: LinearWorkspace, installed: Listener
) -> None:
    app = workspace.oauth.app_user
    assert app is not None
    for person in (FORMER, app.id, "nobody"):
        answer = client.post("/ui/act-as", data={"person": person, "back": "/"})
        assert "Set-Cookie" not in answer.headers
        assert "You act as Mira Okafor" in act_as(client, person).get("/").text


def test_another_site_cannot_send_people_away_by_the_person_switch(client: FlaskClient) -> None:
    answer = client.post("/ui/act-as", data={"person": ENGINEER, "back": "//evil.example/x?y=1"})
    assert answer.headers["Location"] == "/x?y=1"
    assert "HttpOnly" in answer.headers["Set-Cookie"]


def test_text_of_issues_and_labels_stays_text(client: FlaskClient, workspace: LinearWorkspace) -> None:
    workspace.edit("WEB-1", title="<script>alert(1)</script>", description="'\"><img src=x>")
    workspace.add_label("WEB-1", workspace.create_label("<b>", color='"><script>'))
    for page in (client.get("/").text, client.get("/acme/issue/WEB-1", follow_redirects=True).text):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert '"><script>' not in page


def test_the_controls_play_bad_days(client: FlaskClient, workspace: LinearWorkspace, registered: Listener) -> None:
    def press(name: str, **body: Any) -> int:
        return client.post(f"/ui/controls/{name}", json=body).status_code

    assert press("register", url="http://127.0.0.1:9000/") == 200
    assert workspace.oauth.app is not None
    assert workspace.oauth.app.webhook_url == "http://127.0.0.1:9000/linear/webhooks"
    assert press("register", url="javascript:x") == 400
    for name in ("pause", "shuffle", "duplicate", "drop", "freeze", "freeze", "hurry", "resume", "kill", "expire"):
        assert press(name) == 200, name
    assert press("advance", minutes=60) == 200
    assert workspace.clock.ahead.total_seconds() > 3500
    assert press("now") == 200
    for fault in (
        *("slow", "unavailable", "down", "html", "rate_limited", "errors_with_data"),
        *("rejects_tokens", "tokens_refused", "field_dropped"),
    ):
        assert press("api", fault=fault) == 200
        assert workspace.faults.active == fault
    assert press("api", fault="") == 200
    assert workspace.faults.active is None
    assert press("nothing") == 404


# ---- in a browser


def test_a_card_moves_by_mouse_keyboard_and_menu(page: Any, workspace: LinearWorkspace) -> None:
    def state(key: str) -> str:
        return workspace.state(workspace.issue(key)).name

    page.goto("/team/WEB")
    page.locator("[data-key=WEB-6]").drag_to(page.locator("[data-name='In Progress']"))
    page.locator("[data-name='In Progress'] [data-key=WEB-6]").wait_for()
    page.locator("#said", has_text="WEB-6 is now In Progress").wait_for(state="attached")
    assert state("WEB-6") == "In Progress"
    card = page.locator("[data-key=WEB-4]")
    card.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    page.locator("#said", has_text="WEB-4 is now In Review").wait_for(state="attached")
    assert state("WEB-4") == "In Review"
    page.locator("[data-key=WEB-1] .card-menu summary").click()
    page.get_by_role("menuitem", name="Done").click()
    page.locator("[data-name='Done'] [data-key=WEB-1]").wait_for()
    assert state("WEB-1") == "Done"


def test_labels_are_picked_on_the_issue_and_a_change_elsewhere_appears(page: Any, workspace: LinearWorkspace) -> None:
    group = workspace.create_label("OKR", is_group=True)
    activate, retain = (workspace.create_label(name, group=group) for name in ("Activate", "Retain"))
    page.goto("/acme/issue/WEB-1")
    for name, label in (("Activate", activate), ("Retain", retain)):
        page.locator("#label-menu").click()
        page.get_by_label(name, exact=True).check()
        page.locator("#details .chip", has_text=name).wait_for()
        assert label.id in workspace.issue("WEB-1").label_ids
    assert activate.id not in workspace.issue("WEB-1").label_ids
    page.locator("#label-menu").click()
    page.get_by_label("Retain", exact=True).uncheck()
    page.locator("#details .chip", has_text="Retain").wait_for(state="detached")
    workspace.create_attachment("WEB-1", "https://ladder.example/1", "KR Activate", subtitle="1 %")
    page.locator(".attachment-title", has_text="KR Activate").wait_for()
    page.locator("#state").select_option(label="Done")
    page.locator("#said", has_text="Saved.").wait_for(state="attached")
    assert workspace.state(workspace.issue("WEB-1")).type == "completed"


def test_an_admin_installs_in_the_browser(page: Any, workspace: LinearWorkspace, registered: Listener) -> None:
    callback = f"{registered.url}/linear/callback"
    page.goto(
        f"/oauth/authorize?client_id=stand-in-client&redirect_uri={callback}&response_type=code"
        "&scope=read,write,initiative:read&state=s&actor=app"
    )
    page.get_by_role("button", name="Install").click()
    page.get_by_text("back with code, state").wait_for()
    assert workspace.oauth.installed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(
    browser: Any, served: WorkspaceServer, workspace: LinearWorkspace, registered: Listener, scheme: str
) -> None:
    workspace.oauth.install()
    workspace.create_attachment(
        "WEB-1",
        "https://ladder.example/1",
        "KR Activate",
        subtitle="1 %",
        metadata={"attributes": [{"name": "driver", "value": "Mira"}]},
    )
    workspace.webhooks.flush()
    size = {"width": 1360, "height": 900}
    context = browser.new_context(base_url=served.url, viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    question = f"client_id=stand-in-client&redirect_uri={registered.url}/linear/callback&response_type=code&actor=app"
    try:
        workspace.block("WEB-1", "WEB-5")
        workspace.add_external_link(workspace.issue("WEB-1").cycle_id or "", "https://ladder.example/", "Goals")
        view = workspace.create_view("Open", {"state": {"type": {"nin": ["completed", "canceled"]}}})
        views = workspace.view_url(view).removeprefix(workspace.base_url)
        paths = ["/acme/issue/WEB-1", views, f"/oauth/authorize?{question}", "/stand-in", "/team/WEB"]
        # Colours are what a dark page can get wrong; the issue has all of them.
        for path in paths if scheme == "light" else paths[:1]:
            page.goto(path)
            if "issue" in path:
                page.locator(".attachment summary").click()
                page.locator("#label-menu").click()
            assert axe_findings(page) == [], path
    finally:
        context.close()


# ---- links on cycles, views, relations


def test_a_cycle_shows_its_links_until_somebody_takes_them_off(client: FlaskClient, workspace: LinearWorkspace) -> None:
    cycle = workspace.active_cycle(workspace.team("WEB"))
    assert cycle is not None
    link = workspace.add_external_link(cycle, "https://ladder.example/planning/1", "Goals <here>")
    page = client.get("/team/WEB").text
    assert 'href="https://ladder.example/planning/1"' in page
    assert "Goals &lt;here&gt;" in page
    assert "Goals" not in client.get("/team/WEB?cycle=3").text
    assert client.post(f"/ui/links/{link.id}/remove", json={}).status_code == 200
    assert "Goals" not in client.get("/team/WEB").text
    assert client.post(f"/ui/links/{link.id}/remove", json={}).status_code == 404


def test_links_of_a_private_teams_cycle_are_not_for_everybody(client: FlaskClient, workspace: LinearWorkspace) -> None:
    link = workspace.add_external_link(workspace.create_cycle("SEC"), "https://ladder.example/", "Goals")
    assert act_as(client, ENGINEER).post(f"/ui/links/{link.id}/remove", json={}).status_code == 404


def test_a_view_shows_what_fits_its_filter_and_whoever_looks_may_see(
    client: FlaskClient, workspace: LinearWorkspace
) -> None:
    view = workspace.create_view("Security <first>", {"state": {"type": {"nin": ["completed", "canceled"]}}})
    path = workspace.view_url(view).removeprefix(workspace.base_url)
    page = client.get(path).text
    assert "Security &lt;first&gt;" in client.get("/").text
    assert 'data-key="SEC-1"' in page
    assert 'data-key="WEB-2"' not in page
    assert 'data-key="SEC-1"' not in act_as(client, ENGINEER).get(path).text
    assert act_as(client, GUEST).post(f"/ui/views/{view.id}/delete", json={}).status_code == 403
    assert act_as(client, LEAD).post(f"/ui/views/{view.id}/delete", json={}).status_code == 200
    assert client.get(path).status_code == 404


def test_a_view_of_ones_own_is_seen_by_nobody_else(client: FlaskClient, workspace: LinearWorkspace) -> None:
    view = workspace.create_view("Mine", {"number": {"eq": 1}}, shared=False, by=ENGINEER)
    path = workspace.view_url(view).removeprefix(workspace.base_url)
    assert act_as(client, ENGINEER).get(path).status_code == 200
    assert act_as(client, LEAD).get(path).status_code == 404


def test_an_issue_says_what_blocks_it(client: FlaskClient, workspace: LinearWorkspace) -> None:
    path = workspace.issue_url(workspace.issue("WEB-4")).removeprefix(workspace.base_url)
    assert do(client, workspace, "WEB-4", "block", by=workspace.issue("WEB-2").id).status_code == 200
    assert "Blocked by <span" in client.get(path).text
    other = workspace.issue_url(workspace.issue("WEB-2")).removeprefix(workspace.base_url)
    assert "Blocks <span" in client.get(other).text
    assert do(client, workspace, "WEB-4", "block", by=workspace.issue("WEB-4").id).status_code == 403
    assert do(client, workspace, "WEB-4", "unblock", by=workspace.issue("WEB-2").id).status_code == 200
    assert "Blocked by <span" not in client.get(path).text
