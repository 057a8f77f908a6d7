"""The page bridge and the board, in a real browser."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.chromium import axe_findings
from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite, SiteServer
from web.sandbox.records import SavedQuery
from web.sandbox.seeding import ENGINEER, LEAD


@pytest.fixture
def framed(page: Page, site: JiraSite, served: SiteServer, ladder: FakeLadder) -> Page:
    """The issue view of ATL-3 with the app's panel loaded."""
    site.install(ladder.url)
    ladder.host = served.url
    page.goto("/browse/ATL-3")
    expect(page.frame_locator(".app-panel iframe").locator("#token")).not_to_be_empty()
    return page


def in_panel(page: Page, selector: str) -> Any:
    return page.frame_locator(".app-panel iframe").locator(selector)


def columns(page: Page, category: str) -> list[str]:
    found: list[str] = page.locator(f"[data-column={category}] [data-card]").evaluate_all(
        "cards => cards.map(card => card.dataset.key)"
    )
    return found


def test_the_panel_gets_a_context_token_its_context_and_the_person(framed: Page, site: JiraSite) -> None:
    assert site.installation is not None
    claims = jwt.decode(in_panel(framed, "#token").inner_text(), site.installation.shared_secret, algorithms=["HS256"])
    assert claims["qsh"] == "context-qsh"
    expect(in_panel(framed, "#person")).to_have_text(LEAD)
    assert json.loads(in_panel(framed, "#context").inner_text())["jira"]["issue"]["key"] == "ATL-3"


def test_the_panel_resizes_raises_notices_and_goes_places(framed: Page) -> None:
    in_panel(framed, "#taller").click()
    framed.wait_for_function("document.querySelector('.app-panel iframe').offsetHeight > 700")
    in_panel(framed, "#flag").click()
    expect(framed.locator(".flag")).to_contain_text("to Activation")
    assert framed.locator(".flag b").count() == 0
    in_panel(framed, "#go").click()
    framed.wait_for_url("**/browse/ATL-1")


def test_the_theme_of_the_page_reaches_the_panel(framed: Page) -> None:
    expect(in_panel(framed, "html")).to_have_attribute("data-color-mode", "light")
    framed.locator(".person-button").click()
    framed.get_by_label("Dark").check()
    expect(in_panel(framed, "html")).to_have_attribute("data-color-mode", "dark")
    surface = in_panel(framed, "html").evaluate("root => getComputedStyle(root).getPropertyValue('--ds-surface')")
    assert surface.strip() == framed.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--ds-surface').trim()"
    )


def test_a_frame_that_the_page_did_not_make_gets_no_answer(framed: Page, ladder: FakeLadder) -> None:
    """Even with the right origin and the right channel: the window is another one."""
    framed.evaluate(
        """source => {
            const stranger = document.createElement('iframe');
            stranger.id = 'stranger';
            stranger.name = document.querySelector('.app-panel iframe').name;
            stranger.src = source;
            document.body.append(stranger);
        }""",
        f"{ladder.url}/jira/panel",
    )
    stranger = framed.frame_locator("#stranger").locator("#token")
    expect(stranger).to_be_attached()
    framed.wait_for_timeout(400)
    assert stranger.inner_text() == ""


def test_a_frame_that_went_elsewhere_gets_no_answer(
    browser: Browser, site: JiraSite, served: SiteServer, ladder: FakeLadder
) -> None:
    """The window is the right one, but what is in it now comes from another origin."""
    site.install(ladder.url)
    ladder.host = served.url
    # The site's own policy would not let the frame go there: without it, the bridge's check stands alone.
    context = browser.new_context(base_url=served.url, bypass_csp=True)
    page = context.new_page()
    page.goto("/browse/ATL-3")
    expect(in_panel(page, "#token")).not_to_be_empty()
    page.frames[1].goto(ladder.url.replace("127.0.0.1", "localhost") + "/jira/panel")
    assert page.frames[1].evaluate("JSON.parse(window.name).channel")
    in_panel(page, "#flag").click()
    page.wait_for_timeout(400)
    assert in_panel(page, "#token").inner_text() == ""
    assert page.locator(".flag").count() == 0
    context.close()


def test_the_panel_does_not_listen_to_strangers(framed: Page) -> None:
    """Only the window above the frame may answer: a message from the frame itself must not pass for one."""
    frame = framed.frames[1]
    before = in_panel(framed, "html").get_attribute("data-color-mode")
    frame.evaluate("() => window.postMessage({standIn: JSON.parse(window.name).channel, theme: 'dark'}, '*')")
    framed.wait_for_timeout(200)
    assert in_panel(framed, "html").get_attribute("data-color-mode") == before


def test_frames_of_the_app_hear_each_others_events(framed: Page) -> None:
    framed.frames[1].evaluate("() => AP.events.emit('moved', 'ATL-3 moved')")
    expect(in_panel(framed, "#event")).to_have_text("ATL-3 moved")


def test_outside_the_site_the_bridge_says_so(page: Page, served: SiteServer, ladder: FakeLadder) -> None:
    ladder.host = served.url
    page.goto(f"{ladder.url}/jira/panel")
    assert page.evaluate("() => AP.context.getToken().catch(error => error.message)").startswith("This page is not")


def test_a_card_moves_by_mouse_by_keyboard_and_by_menu(page: Page, site: JiraSite) -> None:
    page.goto("/board/ATL")
    page.drag_and_drop("[data-key=ATL-6]", "[data-column=done]", target_position={"x": 50, "y": 400})
    expect(page.locator("[data-column=done] [data-key=ATL-6]")).to_be_visible()
    expect(page.locator("#said")).to_have_text("ATL-6 is now Done.")
    assert site.issue("ATL-6").status.name == "Done"

    page.focus("[data-key=ATL-10]")
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(page.locator("#said")).to_have_text("ATL-10 is now In Progress.")
    assert site.issue("ATL-10").status.name == "In Progress"
    expect(page.locator("[data-key=ATL-10]")).to_be_focused()

    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator("[data-column=indeterminate] [data-key=ATL-10]")).to_be_visible()
    assert site.issue("ATL-10").status.name == "In Progress"

    page.get_by_label("Move ATL-16", exact=True).first.click()
    page.get_by_role("menuitem", name='Done, as "Won\'t Do"').click()
    expect(page.locator("[data-key=ATL-16]")).to_contain_text("Won't Do")


def test_changes_from_elsewhere_appear_by_themselves(page: Page, site: JiraSite) -> None:
    page.goto("/board/ATL")
    site.transition("ATL-3", "Done")
    site.create_issue("Made elsewhere", sprint="Sprint 42")
    expect(page.locator("[data-column=done] [data-key=ATL-3]")).to_be_visible(timeout=15000)
    expect(page.locator("[data-column=new]")).to_contain_text("Made elsewhere")


def test_the_label_of_the_panel_follows_and_the_frame_stays(framed: Page, site: JiraSite) -> None:
    framed.frames[1].evaluate("() => { window.kept = true; }")
    value = {"type": "lozenge", "value": {"label": "54 %", "type": "success"}}
    site.set_property("ATL-3", "com.atlassian.jira.issue:ladder-test:goal:status", value)
    expect(framed.locator(".app-panel summary")).to_contain_text("54 %", timeout=15000)
    assert framed.frames[1].evaluate("() => window.kept")


def test_fields_of_an_issue_save_as_they_change(page: Page, site: JiraSite) -> None:
    page.goto("/browse/ATL-3")
    page.fill("#points", "8")
    page.keyboard.press("Enter")
    page.select_option("#status", "Done|Won't Do")
    expect(page.locator("#details")).to_contain_text("Won't Do")
    page.select_option("#parent", label="ATL-2 Faster first value")
    expect(page.locator("#crumbs")).to_contain_text("ATL-2")
    issue = site.issue("ATL-3")
    assert (issue.points, issue.resolution and issue.resolution.name) == (8.0, "Won't Do")


def test_the_side_column_stays_between_280_and_400_pixels(page: Page) -> None:
    page.goto("/browse/ATL-3")
    side, handle = page.locator(".issue-side"), page.locator("#side-width")
    widths = []
    for key in ("ArrowLeft", "ArrowRight"):
        handle.focus()
        for _ in range(20):
            page.keyboard.press(key)
        widths.append(side.evaluate("element => element.offsetWidth"))
    assert widths == [400, 280]


def test_acting_as_somebody_else_changes_the_token(framed: Page, site: JiraSite) -> None:
    framed.locator(".person-button").click()
    framed.get_by_text("Jonas Weber").first.click()
    expect(in_panel(framed, "#person")).to_have_text(ENGINEER)


PATHS = ("/board/ATL", "/browse/ATL-3", "/stand-in")


def test_pages_do_not_scroll_sideways_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible(
    browser: Browser, served: SiteServer, site: JiraSite, ladder: FakeLadder, theme: Any
) -> None:
    site.install(ladder.url)
    site.create_issue("Something to list")
    site.webhooks.flush()
    context = browser.new_context(base_url=served.url, color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    for path in PATHS:
        page.goto(path)
        assert axe_findings(page) == [], path
    context.close()


@pytest.fixture
def tool(page: Page, site: JiraSite, served: SiteServer, ladder: FakeLadder) -> Page:
    """The board of ATL with the app's dialog open, opened by keyboard."""
    site.install(ladder.url)
    ladder.host = served.url
    page.goto("/board/ATL")
    page.get_by_role("button", name="Sprint and goals").focus()
    page.keyboard.press("Enter")
    expect(page.frame_locator("#app-dialog iframe").locator("#token")).not_to_be_empty()
    return page


def test_a_dialog_keeps_the_focus_and_has_the_size_that_the_app_asked_for(tool: Page) -> None:
    outside = """() => document.activeElement !== document.body
        && !document.getElementById("app-dialog").contains(document.activeElement)"""
    for _ in range(12):
        tool.keyboard.press("Tab")
        assert not tool.evaluate(outside)
    width = tool.evaluate("document.getElementById('app-dialog').offsetWidth / innerWidth")
    assert width == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("inside", [True, False])
def test_escape_closes_a_dialog_wherever_the_focus_is_and_gives_it_back(tool: Page, inside: bool) -> None:
    if inside:
        tool.frame_locator("#app-dialog iframe").locator("#taller").focus()
    tool.keyboard.press("Escape")
    expect(tool.locator("#app-dialog")).not_to_be_visible()
    expect(tool.get_by_role("button", name="Sprint and goals")).to_be_focused()


def test_boards_with_saved_queries_can_be_read_by_everybody(page: Page, site: JiraSite, served: SiteServer) -> None:
    board = site.boards[1]
    board.quick_filters = [SavedQuery("Sign-in", "labels = sso"), SavedQuery("Bugs", "type = Bug")]
    board.swimlanes = [SavedQuery("Sign-in", "labels = sso")]
    board.colours = [SavedQuery("Security", "labels = security")]
    page.goto("/board/ATL?lanes=1")
    assert axe_findings(page) == []
    page.get_by_role("link", name="Sign-in", exact=True).click()
    expect(page.get_by_role("link", name="Sign-in", exact=True)).to_have_attribute("aria-current", "true")
    assert sorted(page.locator("[data-column] [data-card]").evaluate_all("all => all.map(one => one.dataset.key)")) == [
        "ATL-3",
        "ATL-4",
    ]
    page.get_by_role("link", name="Saved queries").click()
    assert axe_findings(page) == []
    page.get_by_label("Card colours").fill("No colon here")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("is not a name, a colon and JQL")
    page.get_by_label("Card colours").fill("")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/board/ATL")
    assert board.colours == []
