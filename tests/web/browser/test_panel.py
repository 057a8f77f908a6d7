"""The issue panel in real Chromium, inside the stand-in Jira site that installed Ladder by the signed handshake."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

from tests.web.chromium import FRAME_RULES_OFF, axe_findings, chromium
from tests.web.panel_stage import LEAD, VIEWER, PanelStage, panel_stage
from web.sandbox import Issue

LIVE_WITHIN_MS = 2000
NUMBER_MOVED = (
    "before => document.querySelector('.number-work .number-share').textContent.replace(/\\s/g, ' ') !== before"
)
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("panel")) as stage:
        yield stage


@pytest.fixture(autouse=True)
def _jira_answers(stage: PanelStage) -> Iterator[None]:
    yield
    stage.site.faults.clear()


@pytest.fixture
def open_panel(browser: Any, stage: PanelStage) -> Iterator[Callable[..., Any]]:
    """Open the issue's page as somebody; returns the panel's frame."""
    contexts = []
    problems: list[str] = []

    def open_it(issue: Issue, account: str = LEAD, *, scheme: str = "light", width: int = 1280, side: int = 320) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        context.add_cookies([{"name": "standin_person", "value": account, "url": stage.site.base_url}])
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{stage.site.base_url}/browse/{issue.key}")
        element = page.wait_for_selector('iframe[title="Goals"]')
        element.evaluate("(frame, width) => { frame.style.width = `${width}px`; }", side)
        frame = element.content_frame()
        frame.wait_for_load_state()
        frame.wait_for_selector("#panel")
        return frame

    yield open_it
    for context in contexts:
        context.close()
    assert not problems, problems


def share(frame: Any, number: str = "work") -> str:
    """Return what stands beside a bar, spaces made plain."""
    return re.sub(r"\s", " ", frame.inner_text(f".number-{number} .number-share"))


def link_by_search(frame: Any, words: str, title: str) -> None:
    frame.click("#search-words")
    if words:
        frame.fill("#search-words", words)
    frame.click(f'[role=option]:has-text("{title}")')
    frame.wait_for_selector(f'.entry:has-text("{title}")')


def test_an_issue_is_linked_in_two_clicks_and_says_what_that_did(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    frame = open_panel(stage.issue())
    assert "ladders into no goal yet" in frame.inner_text("#unlinked")

    frame.click("#search-words")
    frame.click('[role=option]:has-text("Churn of paying teams")')

    frame.wait_for_selector('.entry:has-text("Churn of paying teams")')
    assert "Linked. Work is now 0" in frame.inner_text("#notice-words")
    assert share(frame) == "0 %"
    assert frame.evaluate("document.activeElement.tagName") == "H2"


def test_moving_the_ticket_on_the_board_moves_the_number_without_a_reload(
    browser: Any, stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    sprint = stage.site.create_sprint("Sprint of the moved ticket", "ATL")
    stage.site.start_sprint(sprint)
    issue = stage.issue("Moved on the board", sprint=sprint)
    frame = open_panel(issue)
    link_by_search(frame, "sign-in finished", "Enterprise sign-in is finished")
    before = share(frame)
    frame.evaluate("window.wasHere = true")
    board = browser.new_page()
    board.goto(f"{stage.site.base_url}/board/ATL")

    board.drag_and_drop(f'[data-key="{issue.key}"]', '[data-column="done"]')
    began = time.monotonic()
    frame.wait_for_function(NUMBER_MOVED, arg=before, timeout=LIVE_WITHIN_MS)

    assert time.monotonic() - began < LIVE_WITHIN_MS / 1000
    assert frame.evaluate("window.wasHere")
    assert "Enterprise sign-in is finished" in frame.inner_text("#heard")
    board.close()
    stage.site.close_sprint(sprint)


def test_an_unlinked_key_result_comes_back_as_it_was(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    issue = stage.issue("Unlinked by mistake")
    stage.link(issue, "churn", weight=Fraction(5, 2), source="rule")
    frame = open_panel(issue)

    frame.click(".entry-head button")
    frame.click("[data-unlink]")
    frame.wait_for_selector("#unlinked")
    assert frame.inner_text("#notice-words").startswith("Unlinked.")
    assert frame.evaluate("document.activeElement.id") == "notice-undo"
    frame.click("#notice-undo")
    frame.wait_for_selector(".entry")

    link = stage.links()[-1]
    assert (link.weight, link.source) == (Fraction(5, 2), "rule")
    assert frame.inner_text("#notice-words").startswith("Linked again.")
    assert frame.evaluate("document.activeElement.tagName") == "H2"


def test_everything_can_be_done_by_keyboard(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    frame = open_panel(stage.issue("Linked by keyboard"))
    keyboard = frame.page.keyboard
    frame.focus("#search-words")

    keyboard.press("ArrowDown")
    frame.wait_for_selector("[role=option]")
    keyboard.type("churn")
    frame.wait_for_function("() => document.querySelectorAll('[role=option]').length === 1")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    frame.wait_for_selector(".entry")
    keyboard.press("Tab")
    assert "Change the link" in frame.evaluate("document.activeElement.getAttribute('aria-label')")
    keyboard.press("Enter")
    keyboard.type("3")
    keyboard.press("Enter")
    frame.wait_for_function("() => document.querySelector('#notice-words').textContent.startsWith('Weight 1')")
    assert stage.links()[-1].weight == 3
    keyboard.press("Tab")
    keyboard.press("Tab")
    assert frame.evaluate("document.activeElement.textContent") == "Unlink"
    keyboard.press("Enter")
    frame.wait_for_selector("#unlinked")
    keyboard.press("Enter")
    frame.wait_for_selector(".entry")

    assert stage.links()[-1].weight == 3


def test_news_never_takes_away_focus_or_half_typed_text(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    issue = stage.issue("Typed into while it moves")
    stage.link(issue, "sso")
    frame = open_panel(issue)
    before = share(frame)
    frame.click(".entry-head button")
    frame.fill("[name=weight]", "12.5")
    frame.evaluate("document.activeElement.setSelectionRange(1, 2)")

    stage.site.transition(issue, "Done")
    frame.wait_for_function(NUMBER_MOVED, arg=before)

    assert frame.evaluate("document.activeElement.name") == "weight"
    assert frame.evaluate("[document.activeElement.value, document.activeElement.selectionStart]") == ["12.5", 1]
    assert frame.is_visible(".tray")


def test_without_news_nothing_in_the_page_is_touched(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    issue = stage.issue("Nothing happens")
    stage.link(issue, "sso")
    frame = open_panel(issue)
    asked: list[int] = []
    frame.page.on("response", lambda answer: asked.append(answer.status) if "/panel/live" in answer.url else None)
    frame.evaluate(
        """() => {
            window.touched = 0;
            new MutationObserver((seen) => { window.touched += seen.length; })
                .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
        }"""
    )

    frame.page.wait_for_timeout(3200)

    assert frame.evaluate("window.touched") == 0
    assert asked.count(304) >= 2
    assert set(asked) == {304}


def test_a_hidden_panel_rests_and_catches_up_when_it_is_seen(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    issue = stage.issue("Looked at now and then")
    stage.link(issue, "sso")
    frame = open_panel(issue)
    before = share(frame)
    frame.evaluate(HIDE, True)
    frame.page.wait_for_timeout(300)
    asked: list[str] = []
    frame.page.on("request", lambda request: asked.append(request.url) if "/panel/live" in request.url else None)

    stage.site.transition(issue, "Done")
    frame.page.wait_for_timeout(2500)
    assert not asked
    frame.evaluate(HIDE, False)

    frame.wait_for_function(NUMBER_MOVED, arg=before, timeout=LIVE_WITHIN_MS)


def test_what_its_siblings_ladder_into_is_suggested_with_the_reason(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    epic = stage.issue("Faster first value", type="Epic")
    sibling = stage.issue("Empty states that teach", parent=epic)
    stage.link(sibling, "activation")
    frame = open_panel(stage.issue("Checklist for the first week", parent=epic))

    assert f"because its sibling {sibling.key} does" in frame.inner_text(".suggestion")
    frame.click(".suggestion button")

    frame.wait_for_selector('.entry:has-text("Activation rate")')


def test_an_issue_below_a_linked_epic_says_so_and_sends_people_there(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    epic = stage.issue("Enterprise sign-in", type="Epic")
    stage.link(epic, "sso")
    frame = open_panel(stage.issue("Below a linked epic", parent=epic))

    assert f"Through {epic.key}, which is linked: change it there." in frame.inner_text(".entry")
    assert frame.get_attribute(".remark a", "href") == f"{stage.site.base_url}/browse/{epic.key}"
    assert frame.query_selector("[data-unlink]") is None


def test_not_goal_work_is_declared_and_taken_back(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    frame = open_panel(stage.issue("Renew certificates"))

    frame.click("#not-goal-work-words")
    frame.click("#declare-maintenance")
    frame.wait_for_selector("#declared")
    assert "Not goal work: maintenance" in frame.inner_text("#declared")
    frame.click("#take-back")

    frame.wait_for_selector("#unlinked")
    assert "Taken back" in frame.inner_text("#notice-words")


def test_who_may_not_edit_sees_everything_and_the_reason(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    issue = stage.issue("Seen by a viewer")
    stage.link(issue, "activation")
    frame = open_panel(issue, VIEWER)

    assert f"Jira does not let you edit {issue.key}" in frame.inner_text("#read-only")
    assert share(frame, "outcome") == "46 %"
    assert frame.query_selector("[data-unlink], #linker, [data-link]") is None


def test_a_link_made_while_jira_is_away_waits_and_is_confirmed_by_itself(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    frame = open_panel(stage.issue("Linked while Jira is away"))
    stage.site.faults.unavailable()

    link_by_search(frame, "churn", "Churn of paying teams")
    assert "waits for Jira" in frame.inner_text("#notice-words")
    assert "Waiting for Jira since" in frame.inner_text(".entry .remark-warn")
    stage.site.faults.clear()

    frame.wait_for_selector(".entry .remark-warn", state="detached", timeout=20_000)
    assert stage.links()[-1].state == "active"


def test_when_ladder_does_not_answer_the_panel_says_since_when_and_goes_on(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    issue = stage.issue("Ladder is away")
    stage.link(issue, "activation")
    frame = open_panel(issue)

    frame.page.route("**/jira/panel/live*", lambda route: route.abort())
    frame.wait_for_selector("#trouble", timeout=8000)
    assert "Ladder has not answered since" in frame.inner_text("#trouble")
    assert share(frame, "outcome") == "46 %"
    frame.page.unroute("**/jira/panel/live*")
    frame.click("#trouble-step")

    frame.wait_for_selector("#trouble", state="hidden", timeout=LIVE_WITHIN_MS)


def test_a_session_that_is_over_says_so_once_and_stops_asking(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    frame = open_panel(stage.issue("Session over"))
    asked: list[str] = []
    frame.page.route("**/jira/panel/live*", lambda route: (asked.append("live"), route.fulfill(status=401)))

    frame.wait_for_selector("#trouble")
    assert "Your session here has ended" in frame.inner_text("#trouble")
    frame.page.wait_for_timeout(2500)

    assert len(asked) == 2  # once, and once more with a fresh token


def test_hostile_text_is_shown_and_never_runs(stage: PanelStage, open_panel: Callable[..., Any]) -> None:
    hostile = "<img src=x onerror=parent.pwned=1><script>window.pwned=1</script>'\"><svg onload=pwned=1>"
    stage.edit_key_result("uptime", title=hostile)
    issue = stage.issue(hostile)
    stage.link(issue, "uptime")
    frame = open_panel(issue)

    stage.site.transition(issue, "Done")
    frame.click(".why")
    frame.wait_for_selector(".causes li")

    assert hostile in frame.inner_text("h2")
    assert frame.evaluate("window.pwned") is None
    assert frame.query_selector("#panel img, #panel script") is None


def test_why_these_numbers_opens_the_ledger_and_ladders_own_page(
    stage: PanelStage, open_panel: Callable[..., Any]
) -> None:
    issue = stage.issue("Asked why")
    stage.link(issue, "sso")
    stage.site.transition(issue, "Done")
    stage.settle()
    frame = open_panel(issue)

    frame.click(".why")
    frame.wait_for_selector(".causes li")
    assert re.search(rf"work: {issue.key}\W+done", frame.inner_text(".causes li:first-child"))
    with frame.page.expect_popup() as popup:
        frame.click(".rows [data-open]")
    popup.value.wait_for_url(re.compile(r"/sign-in/"))

    assert stage.key_results["sso"] in popup.value.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("side", [280, 400])
def test_axe_finds_nothing(stage: PanelStage, open_panel: Callable[..., Any], scheme: str, side: int) -> None:
    issue = stage.issue("Judged by axe")
    frame = open_panel(issue, scheme=scheme, side=side)
    frame.click("#not-goal-work-words")
    frame.click("#search-words")
    frame.wait_for_selector("[role=option]")
    frame.page.keyboard.press("ArrowDown")
    assert axe_findings(frame, without=FRAME_RULES_OFF) == []

    frame.page.keyboard.press("Enter")
    frame.wait_for_selector(".entry")
    frame.click(".entry-head button")
    frame.click(".why")
    frame.wait_for_selector(".causes, .rows .faint")
    frame.click("#link-more")
    frame.wait_for_selector("[role=option]")

    assert axe_findings(frame, without=FRAME_RULES_OFF) == []


@pytest.mark.parametrize("side", [280, 140])
def test_nothing_is_cut_off_at_280_pixels_nor_at_twice_the_zoom(
    stage: PanelStage, open_panel: Callable[..., Any], side: int
) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichenverwaltung"
    stage.edit_key_result("churn", title=f"{word} {word} from 8 % to 5 %", unit="EUR per active seat and year")
    issue = stage.issue(word)
    stage.link(issue, "churn")
    stage.link(issue, "activation")
    frame = open_panel(issue, side=side)
    frame.click(".entry-head button")
    frame.click(".why")
    frame.wait_for_selector(".causes")

    assert frame.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    stage.edit_key_result("churn", title="Churn of paying teams", unit="%")
