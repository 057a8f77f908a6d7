"""Ladder's own pages in real Chromium, beside a stand-in Jira site whose tickets move them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

from connector import goals
from connector.models import KeyResult, Objective, Person
from connector.sign_in import create_link
from tests.web.chromium import axe_findings, chromium
from tests.web.panel_stage import LEAD, PanelStage, panel_stage
from web.sandbox import Issue

LIVE_WITHIN_MS = 2000
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
HOSTILE = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("pages")) as stage:
        yield stage


@pytest.fixture(scope="module")
def state(stage: PanelStage, browser: Any) -> dict[str, Any]:
    """Sign in once, the way people do: by a link and its button."""
    with stage.core.database.writing() as session:
        person = goals.create_person(
            session, stage.workspace_id, goals.CreatePerson("Robin", role="admin", accounts=(("jira", LEAD),))
        )
        secret = create_link(session, stage.workspace_id, now=stage.core.clock(), person_id=person.id)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{stage.ladder}/sign-in/{secret}")
    page.wait_for_function("() => document.activeElement.innerText === 'Sign in'")  # the button has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("table[role=treegrid]")
    kept: dict[str, Any] = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def visit(browser: Any, stage: PanelStage, state: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Open a page; whatever the browser complains about fails the test."""
    contexts = []
    problems: list[str] = []

    def open_it(path: str, *, scheme: str = "light", width: int = 1280, signed_in: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            storage_state=state if signed_in else None,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{stage.ladder}{path}")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture
def ticket(stage: PanelStage) -> Issue:
    """An issue behind the activation rate."""
    issue = stage.issue("Shorter sign-up form")
    stage.link(issue)
    return issue


def address(stage: PanelStage, name: str = "activation") -> str:
    return f"/key-results/{stage.key_results[name]}"


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_a_closed_ticket_moves_the_open_page_within_two_seconds(
    stage: PanelStage, ticket: Issue, visit: Callable[..., Any]
) -> None:
    page = visit(address(stage))
    page.evaluate("window.sameDocument = true")
    before = page.inner_text("#numbers .number-work .number-share")
    page.focus("input[name=issue]")
    page.keyboard.type("ATL-half typed")
    stage.site.transition(ticket.key, "Done")
    page.wait_for_function(
        "before => document.querySelector('#numbers .number-work .number-share').innerText !== before",
        arg=before,
        timeout=LIVE_WITHIN_MS,
    )
    assert f"{ticket.key} done" in plain(page.inner_text("#ledger"))
    assert page.evaluate("window.sameDocument")
    assert page.evaluate("document.activeElement.name") == "issue"
    assert page.input_value("input[name=issue]") == "ATL-half typed"


def test_the_tree_is_live_too(stage: PanelStage, ticket: Issue, visit: Callable[..., Any]) -> None:
    page = visit("/")
    row = f"#row-{stage.key_results['activation']}"
    before = page.inner_text(f"{row} td:nth-child(3)")
    stage.site.transition(ticket.key, "Done")
    page.wait_for_function(
        "([row, before]) => document.querySelector(`${row} td:nth-child(3)`).innerText !== before",
        arg=[row, before],
        timeout=LIVE_WITHIN_MS,
    )


def test_a_hidden_page_asks_for_nothing(stage: PanelStage, visit: Callable[..., Any]) -> None:
    page = visit("/")
    page.wait_for_timeout(1200)
    page.evaluate(HIDE, True)
    page.wait_for_timeout(300)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []
    page.evaluate(HIDE, False)
    page.wait_for_timeout(300)
    assert len(asked) == 1


def test_a_server_that_is_away_is_said_and_forgotten_when_it_is_back(visit: Callable[..., Any]) -> None:
    page = visit("/")
    page.context.set_offline(True)
    page.wait_for_selector("#lost:not([hidden])", timeout=8000)
    page.context.set_offline(False)
    page.wait_for_selector("#lost", state="hidden", timeout=10000)


def test_linking_unlinking_and_undoing_happen_in_place(stage: PanelStage, visit: Callable[..., Any]) -> None:
    issue = stage.issue("Welcome mail")
    page = visit(address(stage, "churn"))
    page.evaluate("window.sameDocument = true")
    page.fill("input[name=issue]", f"{stage.site.base_url}/browse/{issue.key}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'#links tr:has-text("{issue.key}")')
    assert "is linked." in page.inner_text("#notices")
    assert page.input_value("input[name=issue]") == ""
    page.click(f'#links tr:has-text("{issue.key}") button:has-text("Unlink")')
    page.wait_for_selector(f'#links tr:has-text("{issue.key}")', state="detached")
    assert page.evaluate("document.activeElement.innerText") == "Undo"  # the focus is not lost with the row
    page.keyboard.press("Enter")
    page.wait_for_selector(f'#links tr:has-text("{issue.key}")')
    assert "linked again" in page.inner_text("#notices")
    assert page.evaluate("window.sameDocument")


def test_an_error_stands_beside_its_field_and_gets_the_focus(stage: PanelStage, visit: Callable[..., Any]) -> None:
    page = visit(address(stage))
    page.fill("input[name=issue]", "NOPE-1")
    page.click('button:has-text("Link"):not(:has-text("Unlink"))')
    page.wait_for_selector("#issue-error")
    assert page.evaluate("document.activeElement.id") == "issue"
    assert page.input_value("input[name=issue]") == "NOPE-1"


def test_a_check_in_answers_in_place_and_empties_the_form(stage: PanelStage, visit: Callable[..., Any]) -> None:
    page = visit(address(stage, "churn"))
    page.fill("#value", "6.5")
    page.check("input[value=yellow]")
    page.fill("#changed", "Two teams came back.")
    page.click('button:has-text("Check in")')
    page.wait_for_selector('#check-ins:has-text("Two teams came back.")')
    assert "Outcome – → 50 %." in plain(page.inner_text("#notices"))
    assert page.input_value("#changed") == ""
    assert "at risk" in page.inner_text("#header")


def test_a_weight_is_taken_over_when_the_field_is_left(stage: PanelStage, visit: Callable[..., Any]) -> None:
    issue = stage.issue("Heavy")
    stage.link(issue, "sso")
    page = visit(address(stage, "sso"))
    page.fill(f'input[aria-label="Weight of {issue.key}"]', "3")
    page.keyboard.press("Tab")
    page.wait_for_selector('#notices:has-text("another weight")')
    assert [link.weight for link in stage.links() if link.key_result_id == stage.key_results["sso"]][-1] == Fraction(3)


def test_the_tree_works_by_keyboard_alone(stage: PanelStage, visit: Callable[..., Any]) -> None:
    page = visit("/")
    level = "document.activeElement.getAttribute('aria-level')"
    page.locator("table[role=treegrid] tbody tr").first.focus()
    assert page.evaluate(level) == "1"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(level) == "2"
    page.keyboard.press("ArrowLeft")  # folds
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(level) == "2"  # nothing below it is in the way; it is the last one
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url("**/key-results/*")


def test_what_was_folded_stays_folded_after_news_and_reloads(
    stage: PanelStage, ticket: Issue, visit: Callable[..., Any]
) -> None:
    page = visit("/")
    page.click('button:has-text("Fold all")')
    assert page.locator("table[role=treegrid] tbody tr:visible").count() == 1
    stage.site.transition(ticket.key, "Done")
    page.wait_for_timeout(LIVE_WITHIN_MS)
    assert page.locator("table[role=treegrid] tbody tr:visible").count() == 1
    page.reload()
    assert page.locator("table[role=treegrid] tbody tr:visible").count() == 1
    page.click('button:has-text("Unfold all")')
    assert page.locator("table[role=treegrid] tbody tr:visible").count() > 4


def test_searching_narrows_the_tree_while_typing_and_keeps_the_focus(visit: Callable[..., Any]) -> None:
    page = visit("/")
    page.click("input[type=search]")
    page.keyboard.type("churn", delay=20)
    page.wait_for_function("() => document.querySelectorAll('tr.key-result').length === 1")
    assert page.evaluate("document.activeElement.type") == "search"
    assert "text=churn" in page.url
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.wait_for_function("() => document.querySelectorAll('tr.key-result').length > 1")
    page.select_option("select[name=status]", "red")
    page.wait_for_selector("text=No goal matches")


def test_a_draft_is_judged_while_it_is_typed(visit: Callable[..., Any]) -> None:
    page = visit("/objectives/new")
    page.click("#title")
    page.keyboard.type("Launch the new portal")
    page.wait_for_selector(".finding >> nth=0")
    page.fill("#title", "Become the support desk customers recommend this quarter")
    page.wait_for_function("() => document.querySelectorAll('.finding').length === 0")


def test_a_form_shows_the_fields_of_the_kind(stage: PanelStage, visit: Callable[..., Any]) -> None:
    with stage.core.database.reading() as session:
        objective = session.get_one(KeyResult, stage.key_results["churn"]).objective_id
    page = visit(f"/objectives/{objective}/key-results/new")
    assert page.is_visible("#baseline")
    page.select_option("#kind", "maintain")
    assert page.is_visible("#band_low")
    assert not page.is_visible("#baseline")
    page.select_option("#kind", "milestone")
    assert page.is_visible("#milestones")
    page.click('button:has-text("Make key result")')
    page.wait_for_selector("#title-error")
    assert page.evaluate("document.activeElement.id") == "title"
    assert page.input_value("#kind") == "milestone"


def test_the_chart_reads_its_values_by_arrow_keys(stage: PanelStage, ticket: Issue, visit: Callable[..., Any]) -> None:
    page = visit(address(stage))
    page.focus("#chart")
    page.keyboard.press("End")
    assert "outcome 46 %" in plain(page.inner_text("#readout"))
    page.keyboard.press("Home")
    assert "outcome –" in plain(page.inner_text("#readout"))
    assert page.locator(".chart-wide .cursor").get_attribute("hidden") is None


def test_a_date_shows_the_state_of_that_evening(stage: PanelStage, ticket: Issue, visit: Callable[..., Any]) -> None:
    page = visit(address(stage))
    page.evaluate("window.sameDocument = true")
    page.fill("input[name=at]", (stage.core.clock().date()).isoformat())
    page.wait_for_selector(".past")
    assert "outcome 46 %" in plain(page.inner_text(".past"))
    assert page.evaluate("window.sameDocument")


@pytest.mark.parametrize("width", [280, 375, 768, 1440])
def test_no_page_is_wider_than_the_window(
    stage: PanelStage, ticket: Issue, visit: Callable[..., Any], width: int
) -> None:
    for path in ("/", address(stage), f"{address(stage)}/edit", "/connections", "/people", "/objectives/new"):
        page = visit(path, width=width)
        too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert too_wide <= 0, (path, too_wide)
        page.context.close()  # an open page goes on asking for news


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 280)])
def test_axe_finds_nothing(
    stage: PanelStage, ticket: Issue, visit: Callable[..., Any], scheme: str, width: int
) -> None:
    with stage.core.database.reading() as session:
        objective = session.get_one(KeyResult, stage.key_results["churn"]).objective_id
        person = session.query(Person).filter_by(name="Robin").one().id
    main = ("/", address(stage), f"{address(stage)}/edit", "/connections", "/people")
    others = (
        "/?text=nothing-like-it",
        address(stage, "uptime"),
        f"{address(stage)}?at={stage.core.clock().date().isoformat()}",
        f"/objectives/{objective}/key-results/new",
        f"/objectives/{objective}/edit",
        "/objectives/new",
        "/cycles",
        "/cycles/new",
        "/teams",
        f"/people/{person}/edit",
        "/nowhere",
    )
    found = {}
    for path in (*main, *others) if (scheme, width) == ("light", 1280) else main:
        page = visit(path, scheme=scheme, width=width)
        for part in page.locator("details").all():
            part.evaluate("one => { one.open = true; }")
        if findings := axe_findings(page):
            found[path] = findings
        page.context.close()  # an open page goes on asking for news
    stranger = visit("/sign-in", scheme=scheme, width=width, signed_in=False)
    if findings := axe_findings(stranger):
        found["/sign-in"] = findings
    assert found == {}


def test_axe_finds_nothing_in_a_form_full_of_errors(stage: PanelStage, visit: Callable[..., Any]) -> None:
    page = visit(f"{address(stage)}/edit")
    page.fill("#title", "")
    page.fill("#target", "far")
    page.click('button:has-text("Save")')
    page.wait_for_selector("#target-error")
    assert axe_findings(page) == []


def test_hostile_text_never_runs(stage: PanelStage, visit: Callable[..., Any]) -> None:
    issue = stage.issue(HOSTILE)
    stage.link(issue, "uptime")
    with stage.core.database.writing() as session:
        key_result = session.get_one(KeyResult, stage.key_results["uptime"])
        kept = key_result.title, session.get_one(Objective, key_result.objective_id).title
        key_result.title = key_result.unit = HOSTILE[:40]
        session.get_one(Objective, key_result.objective_id).title = HOSTILE
    try:
        for path in ("/", address(stage, "uptime"), f"{address(stage, 'uptime')}/edit"):
            page = visit(path)
            assert page.evaluate("window.pwned") is None
            assert page.locator("img").count() == 0
    finally:
        with stage.core.database.writing() as session:
            key_result = session.get_one(KeyResult, stage.key_results["uptime"])
            key_result.title, session.get_one(Objective, key_result.objective_id).title = kept
            key_result.unit = "%"


def test_on_paper_there_are_no_buttons_and_nothing_is_folded(visit: Callable[..., Any]) -> None:
    page = visit("/")
    page.click('button:has-text("Fold all")')
    page.emulate_media(media="print")
    assert page.locator("table[role=treegrid] tbody tr:visible").count() > 4
    assert not page.is_visible(".places")
    assert not page.is_visible(".filters")
    page.emulate_media(media="screen")
    page.click('button:has-text("Unfold all")')


def test_inside_jira_the_goals_are_live_and_lead_to_our_pages(stage: PanelStage, ticket: Issue, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "standin_person", "value": LEAD, "url": stage.site.base_url}])
    page = context.new_page()
    page.goto(f"{stage.site.base_url}/plugins/servlet/ac/ladder-okr/ladder-goals")
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector("table[role=treegrid]")
    assert axe_findings(frame, without=("region", "landmark-one-main")) == []
    cell = f"#row-{stage.key_results['activation']} td:nth-child(3)"
    before = frame.inner_text(cell)
    stage.site.transition(ticket.key, "Done")
    frame.wait_for_function(
        "([cell, before]) => document.querySelector(cell).innerText !== before",
        arg=[cell, before],
        timeout=LIVE_WITHIN_MS,
    )
    with context.expect_page() as opened:
        frame.click('button:has-text("Activation rate")')
    ours = opened.value
    ours.wait_for_selector('button:has-text("Sign in")')
    ours.click('button:has-text("Sign in")')
    ours.wait_for_selector("h1:has-text('Activation rate')")
    context.close()
