"""Rules and many links in real Chromium, beside a stand-in Jira site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector import goals
from connector.sign_in import create_link
from tests.web.chromium import axe_findings, chromium
from tests.web.panel_stage import LEAD, PanelStage, panel_stage
from web.sandbox import Issue

TITLES = ("SAML metadata upload", "Directory sync", "Audit who signed in", "Recovery codes", "Sign out everywhere")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("rules")) as stage:
        yield stage


@pytest.fixture(scope="module")
def issues(stage: PanelStage) -> list[Issue]:
    """Five issues labelled sso, the first of them done."""
    made = [stage.site.create_issue(title, labels=["sso"]) for title in TITLES]
    stage.site.transition(made[0].key, "Done")
    stage.settle()
    return made


@pytest.fixture(scope="module")
def open_page(stage: PanelStage, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page as an admin with an account in Jira."""
    with stage.core.database.writing() as session:
        person = goals.create_person(
            session, stage.workspace_id, goals.CreatePerson("Robin", role="admin", accounts=(("jira", LEAD),))
        )
        secret = create_link(session, stage.workspace_id, now=stage.core.clock(), person_id=person.id)
    first = browser.new_context()
    page = first.new_page()
    page.goto(f"{stage.ladder}/sign-in/{secret}")
    page.click("main button")
    page.wait_for_selector("table[role=treegrid]")
    state = first.storage_state()
    contexts = [first]

    def opened(path: str, *, scheme: str = "light", width: int = 1280) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=state, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{stage.ladder}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()


def address(stage: PanelStage, name: str = "sso") -> str:
    return f"/key-results/{stage.key_results[name]}"


def test_several_issues_are_searched_ticked_linked_and_taken_back(
    stage: PanelStage, issues: list[Issue], open_page: Callable[..., Any]
) -> None:
    page = open_page(address(stage))
    page.click("text=Find several")
    page.select_option("#kind", "label")
    page.fill("#text", "sso")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=5 issues found")
    page.uncheck("input[name=issue] >> nth=4")
    page.click("text=Link the ticked issues")
    page.wait_for_selector("#notices >> text=4 issues are linked. Work is at 25 % now.")
    page.click("#notices button")
    page.wait_for_selector("#notices >> text=4 issues are unlinked again")
    assert stage.links() == []


def test_a_rule_is_previewed_kept_and_follows_jira_by_keyboard_alone(
    stage: PanelStage, issues: list[Issue], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{address(stage)}/rules/new")
    page.focus("#kind")
    page.keyboard.type("a label")
    page.keyboard.press("Tab")
    page.keyboard.type("sso")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Preview"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=5 issues match")
    assert "20 %" in page.inner_text("#preview").replace("\xa0", " ")
    page.focus("text=Keep this rule")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Rule: label sso')")
    stage.settle()
    assert len(stage.links()) == 5

    watching = open_page(address(stage))
    watching.wait_for_selector("#rules >> text=links 5 of 5 issues that match")
    stage.site.edit(issues[4], labels=[])
    watching.wait_for_selector("#rules >> text=links 4 of 4 issues that match", timeout=4000)
    assert "by rule: label sso" in watching.inner_text("#ledger")


def test_a_jql_rule_that_loses_to_the_label_says_so(
    stage: PanelStage, issues: list[Issue], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{address(stage, 'activation')}/rules/new")
    page.select_option("#kind", "query")
    page.fill("#text", 'summary ~ "sign"')
    page.click("text=Preview")
    page.wait_for_selector("text=Keep this rule")
    page.click("text=Keep this rule")
    page.wait_for_selector("h1:has-text('Rule: query')")
    stage.settle()
    page.reload()
    assert "goes to rule label sso of Enterprise sign-in is finished" in page.inner_text("#not-linked")
    assert {link.rule_id for link in stage.links()} != {None}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320), ("light", 2560)])
def test_every_page_of_rules_is_accessible_and_fits(
    stage: PanelStage, issues: list[Issue], open_page: Callable[..., Any], scheme: str, width: int
) -> None:
    here = address(stage)
    page = open_page(here, scheme=scheme, width=width)
    rule = page.get_attribute("#rules a", "href")
    for path in (
        here,
        rule,
        f"{here}/rules/exceptions",
        f"{here}/links/search?kind=label&text=sso",
        f"{here}/rules/new",
    ):
        page.goto(f"{stage.ladder}{path}")
        if path.endswith("/new"):
            page.select_option("#kind", "label")
            page.fill("#text", "sso")
            page.click("text=Preview")
            page.wait_for_selector("#preview")
        assert axe_findings(page) == [], path
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"), path
        inside = "[...document.querySelectorAll('.card')].every((one) => one.scrollWidth <= one.clientWidth + 1)"
        assert page.evaluate(inside), path
