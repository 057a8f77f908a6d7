"""Linear in real Chromium, beside Jira: install, link by label, close; the attachment and Jira's panel both move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from connector import goals
from connector.sign_in import create_link
from tests.web.chromium import axe_findings, chromium
from tests.web.panel_stage import LEAD, PanelStage, panel_stage
from web.sandbox.linear import LinearWorkspace, WorkspaceServer
from web.sandbox.linear.seeding import LEAD as LINEAR_LEAD

KEY_RESULT = "Enterprise sign-in is finished"
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def acme() -> Iterator[WorkspaceServer]:
    with WorkspaceServer(LinearWorkspace("Acme", seed=False)) as server:
        yield server


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, acme: WorkspaceServer) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("linear"), linear=acme) as stage:
        yield stage


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def jira_panel(context: Any, stage: PanelStage, key: str) -> Any:
    """Open the issue in the stand-in Jira site and return the panel's frame."""
    context.add_cookies([{"name": "standin_person", "value": LEAD, "url": stage.site.base_url}])
    page = context.new_page()
    page.goto(f"{stage.site.base_url}/browse/{key}")
    frame = page.wait_for_selector('iframe[title="Goals"]').content_frame()
    frame.wait_for_selector("#panel .number-work")
    return frame


def test_one_key_result_is_fed_from_both_and_shown_in_both(
    browser: Any, stage: PanelStage, acme: WorkspaceServer
) -> None:
    story = stage.issue("Sign-in page")
    stage.link(story, "sso")
    issue = acme.workspace.create_issue("Passkeys", state="In Progress")
    with stage.core.database.writing() as session:
        person = goals.create_person(session, stage.workspace_id, goals.CreatePerson("Robin", role="admin"))
        secret = create_link(session, stage.workspace_id, now=stage.core.clock(), person_id=person.id)
    context = browser.new_context()
    problems: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    page.goto(f"{stage.ladder}/sign-in/{secret}")
    page.get_by_role("button").first.click()
    page.wait_for_selector("table[role=treegrid]")

    # Install: Ladder's connections page, Linear's consent page, and back.
    page.goto(f"{stage.ladder}/connections")
    page.click("text=Connect Linear")
    page.wait_for_url(f"{acme.url}/oauth/authorize**")
    page.click('button[value="agree"]')
    page.wait_for_url(f"{stage.ladder}/connections")
    assert "is connected" in page.inner_text("#notices")
    assert axe_findings(page) == []

    # Link by the label, inside Linear.
    panel = jira_panel(context, stage, story.key)
    assert plain(panel.inner_text(".number-work .number-share")) == "0 %"
    stage.settle()
    page.goto(acme.workspace.issue_url(issue))
    page.wait_for_selector("#label-menu")
    for _ in range(50):
        if any(label.name == KEY_RESULT for label in list(acme.workspace.labels.values())):
            break
        page.wait_for_timeout(200)
    page.reload()
    page.click("#label-menu")
    page.click(f'label.label-choice:has-text("{KEY_RESULT}")')
    page.wait_for_selector(f'#links :text("KR {KEY_RESULT}")', timeout=PATIENCE_MS)
    assert "0%" in page.inner_text("#links")

    # Close it there: both sides move without a reload.
    page.keyboard.press("Escape")
    page.select_option("#state", label="Done")
    page.wait_for_selector('#links :text("50%")', timeout=PATIENCE_MS)
    panel.wait_for_function(
        "share => document.querySelector('.number-work .number-share').textContent.replace(/\\s/g, ' ') === share",
        arg="50 %",
        timeout=PATIENCE_MS,
    )

    # The attachment leads to Ladder's own page of the issue; Linear says who is there.
    address = next(one.url for one in acme.workspace.attachments.values() if one.issue_id == issue.id)
    stranger = browser.new_context()
    stranger.add_cookies([{"name": "standin_linear_user", "value": LINEAR_LEAD, "url": acme.url}])
    theirs = stranger.new_page()
    theirs.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    theirs.goto(address)
    theirs.click("text=Sign in with Linear")
    theirs.click('button[value="agree"]')
    theirs.wait_for_url(address)
    assert theirs.inner_text("h1") == "Passkeys"
    assert KEY_RESULT in theirs.inner_text("#goals")
    assert axe_findings(theirs) == []
    theirs.click("text=Unlink")
    theirs.wait_for_selector("text=ladders into no goal yet")
    page.wait_for_function(
        "title => !(document.querySelector('#links') || {textContent: ''}).textContent.includes(title)",
        arg=KEY_RESULT,
        timeout=PATIENCE_MS,
    )
    assert problems == []
    stranger.close()
    context.close()
