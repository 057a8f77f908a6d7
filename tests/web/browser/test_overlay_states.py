"""Every state of a plan, drawn from plans made by hand: each shows something sensible, and is accessible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from connector.planning.plan import (
    Block,
    PlannedIssue,
    PlannedKeyResult,
    PlannedSprint,
    Serving,
    Shares,
    SprintPlan,
    TeamChoice,
    WhatIf,
)
from tests.web.chromium import axe_findings, chromium
from tests.web.panel_stage import PanelStage, panel_stage
from tests.web.planning_stage import PlannedStage, plan_a_sprint

F = Fraction
NOW = datetime.now(UTC)
SIDEWAYS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def sprint(**more: Any) -> PlannedSprint:
    whole = PlannedSprint(
        id=1,
        connection_id="c",
        tracker="jira",
        site="https://acme.example",
        external_id="42",
        name="Sprint 42",
        state="active",
        board="1",
        board_name="Atlas board",
        starts_at=NOW - timedelta(days=3),
        ends_at=NOW + timedelta(days=11),
        read_at=NOW,
        offline_since=None,
    )
    return replace(whole, **more)


def issue(number: int, serves: Sequence[str] = (), **more: Any) -> PlannedIssue:
    whole = PlannedIssue(
        id=number,
        sprint_id=1,
        connection_id="c",
        external_id=str(number),
        key=f"ATL-{number}",
        title=f"Piece of work number {number}",
        url=f"https://acme.example/browse/ATL-{number}",
        issue_type="Story",
        status_name="To Do",
        cls="todo",
        estimate=F(3),
        size=F(3),
        assignee=None,
        labels=(),
        side="aligned" if serves else "unaligned",
        category=None,
        serves=[Serving(one, f"link-{number}-{one}", "manual") for one in serves],
        included=True,
    )
    return replace(whole, **more)


def key_result(name: str, issues: Sequence[int] = (), **more: Any) -> PlannedKeyResult:
    whole = PlannedKeyResult(
        id=name,
        title=f"Key result {name}",
        objective_id="o",
        objective="Win the trust of enterprise admins",
        team_id="t",
        team="Atlas",
        kind="metric",
        badge="",
        flags=(),
        now=F(2, 5) if issues else None,
        with_scope=F(19, 50) if issues else None,
        if_done=F(47, 100) if issues else None,
        gain=F(7, 100) if issues else None,
        words="work +7 pp; effect on the metric not declared" if issues else "no linked work",
        after_next=None,
        effort=F(3 * len(issues)),
        issue_ids=issues,
        nothing_behind=not issues,
        of_the_team=True,
    )
    return replace(whole, **more)


def plan(issues: Sequence[PlannedIssue], key_results: Sequence[PlannedKeyResult] = (), **more: Any) -> SprintPlan:
    counted = [one for one in issues if one.side != "dropped"]
    total = sum((one.size for one in counted), F(0))

    def share(side: str) -> Fraction | None:
        return sum((one.size for one in counted if one.side == side), F(0)) / total if total else None

    shares = Shares(
        total=total,
        aligned=share("aligned"),
        bau=share("bau"),
        unaligned=share("unaligned"),
        issues=len(counted),
        open_issues=len(counted),
        unestimated=sum(one.estimate is None for one in counted),
    )
    whole = SprintPlan(
        sprints=[sprint()],
        key_results=key_results,
        issues=issues,
        blocks=(),
        shares=shares,
        shares_before=shares,
        next_sprints=(),
        next_issues=(),
        next_shares=None,
        alongside=(),
        team_id="t",
        teams=[TeamChoice("t", "Atlas", "team"), TeamChoice("u", "Zephyr", "team")],
        zone="Europe/Berlin",
        revision="1",
    )
    return replace(whole, **more)


TWO = [issue(1, ["a"]), issue(2)]
BEHIND = [key_result("a", [1]), key_result("b")]
BLOCK = Block(
    blocker_id=9, blocker_key="NET-9", blocker_title="Firewall", blocker_url="", blocked_id=1, blocked_key="ATL-1",
    key_result_ids=["a"], inside=False,
)  # fmt: skip

STATES: dict[str, tuple[SprintPlan, str]] = {
    "ordinary": (plan(TWO, BEHIND), "nothing in this sprint"),
    "reading": (plan([], BEHIND, sprints=[sprint(read_at=None)]), "Reading the issues of this sprint"),
    "no issues": (plan([], BEHIND), "No issues in this sprint Drag some into it in Jira"),
    "one issue": (plan([issue(1, ["a"])], [key_result("a", [1])]), "3 pt in 1 issue"),
    "all done": (
        plan([issue(1, ["a"], cls="done"), issue(2, cls="done")], BEHIND),
        "Every issue of the sprint is done",
    ),
    "all dropped": (
        plan([issue(1, cls="dropped", side="dropped")], [key_result("b")]),
        "Every issue of the sprint was dropped",
    ),
    "no goals": (plan([issue(1)]), "No key results yet"),
    "no team": (plan([issue(1)], team_id=None), "Whose key results?"),
    "no teams at all": (plan([issue(1)], team_id=None, teams=()), "There are no teams yet"),
    "no dates": (plan(TWO, BEHIND, sprints=[sprint(starts_at=None, ends_at=None)]), "Sprint 42 has no dates yet"),
    "closed": (plan(TWO, BEHIND, sprints=[sprint(state="closed")]), "Sprint 42 is closed"),
    "deleted": (plan(TWO, BEHIND, sprints=[sprint(state="deleted")]), "Sprint 42 was deleted in Jira"),
    "offline": (plan(TWO, BEHIND, sprints=[sprint(offline_since=NOW)]), "Waiting for Jira since"),
    "waiting": (
        plan([issue(1, serves=["a"], side="aligned")], BEHIND),
        "1 link waits for the tracker to confirm",
    ),
    "stale": (plan([issue(1, ["a"], stale_since=NOW)], BEHIND), "1 issue could not be read lately"),
    "unestimated": (
        plan([issue(1, ["a"]), issue(2, estimate=None, size=F(1))], BEHIND),
        "1 without an estimate (each counts 1)",
    ),
    "no estimates at all": (plan([issue(1, estimate=None, size=F(1))], BEHIND), "1 issue"),
    "hidden": (
        plan([issue(1, ["a"]), issue(2, hidden=True, key="", title="", url="")], BEHIND),
        "an issue that you may not see",
    ),
    "two key results": (
        plan([issue(1, ["a", "b"])], [key_result("a", [1]), key_result("b", [1])]),
        "split 2 ways: also Key result b",
    ),
    "blocked": (plan(TWO, BEHIND, blocks=[BLOCK]), "ATL-1 is blocked by NET-9, not in this sprint"),
    "by epic": (
        plan([issue(1, side="aligned", serves=["a"])], BEHIND),
        "through ATL-3",
    ),
    "by rule": (plan([issue(1, ["a"])], BEHIND), "by rule: label sso"),
    "a part": (plan([issue(1, ["a"], is_roof=True), issue(2, ["a"], part_of=1)], BEHIND), "counted by its parts"),
    "falls": (plan(TWO, [key_result("a", [1], gain=F(-1, 60), if_done=F(19, 50))]), "−1.67 pp"),
    "mixed": (
        plan(TWO, BEHIND, sprints=[sprint(), sprint(id=2, tracker="linear", name="Cycle 12", connection_id="d")]),
        "Sprint 42 + Cycle 12",
    ),
    "long words": (
        plan(
            [issue(1, ["a"], title="Donaudampfschifffahrtsgesellschaftskapitän" * 6)],
            [key_result("a", [1], title="Rindfleischetikettierungsüberwachungsaufgaben" * 5)],
        ),
        "Donaudampf",
    ),
}


def _serving(state: str, made: SprintPlan) -> SprintPlan:
    """Give the first issue of a plan the serving that its state is about."""
    special = {
        "waiting": Serving("a", "link", "manual", waiting=True),
        "by epic": Serving("a", None, "manual", through="ATL-3"),
        "by rule": Serving("a", "link", "rule", rule_id="r", rule="label sso"),
    }
    if state not in special:
        return made
    first = replace(made.issues[0], serves=[special[state]])
    return replace(made, issues=[first, *made.issues[1:]])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("states")) as stage:
        yield stage


@pytest.fixture(scope="module")
def planned(stage: PanelStage) -> PlannedStage:
    return plan_a_sprint(stage)


@pytest.fixture(scope="module")
def signed_in(browser: Any, planned: PlannedStage) -> Any:
    """An admin without an account, whom no tracker is asked about."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(planned.signed_in("admin", "Root", None))
    page.click("button[type=submit]:has-text('Sign in')")
    page.wait_for_selector(".me-name")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def show(
    browser: Any, planned: PlannedStage, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Show a plan made by hand as if it had been read."""
    contexts = []
    problems: list[str] = []

    def open_it(made: SprintPlan, *, scheme: str = "light", width: int = 1280, more: str = "") -> Any:
        def read(*_: Any, what_if: WhatIf, **__: Any) -> SprintPlan:
            return replace(made, what_if=what_if)

        monkeypatch.setattr("connector.planning.desk.read_plan", read)
        monkeypatch.setattr("connector.planning.desk.plan_revision", lambda *_, **__: "1")
        monkeypatch.setattr("web.pages.planning.look_again", lambda *_: None)
        monkeypatch.setattr("connector.planning.desk.suggest", lambda *_, **__: {})
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, storage_state=signed_in
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{planned.stage.ladder}/planning/{planned.sprint_id}{more}")
        page.wait_for_selector("#planning:not(.is-asking)")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not problems, problems


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize("state", STATES)
def test_each_state_says_what_it_is_and_is_accessible(state: str, show: Callable[..., Any]) -> None:
    made, words = STATES[state]
    page = show(_serving(state, made), scheme="dark" if len(state) % 2 else "light")
    assert words in plain(page.inner_text("#planning"))
    assert axe_findings(page) == []
    page.set_viewport_size({"width": 280, "height": 800})
    assert not page.evaluate(SIDEWAYS)


def test_a_closed_sprint_lets_nothing_be_tried_in_or_out(show: Callable[..., Any]) -> None:
    page = show(STATES["closed"][0])
    assert page.locator(".in-sprint").first.is_disabled()
    assert page.query_selector("#move-for-real") is None


def test_without_colour_the_parts_of_the_bar_can_still_be_told(show: Callable[..., Any]) -> None:
    page = show(STATES["ordinary"][0])
    page.emulate_media(forced_colors="active")
    fills = page.eval_on_selector_all(".stack-bar rect", "all => all.map(one => one.getAttribute('fill'))")
    assert len(fills) == len(set(fills)) == 2
    assert page.is_visible(".share-words")


def test_a_foreign_address_in_the_fragment_is_harmless(show: Callable[..., Any]) -> None:
    page = show(STATES["ordinary"][0], more="#out=1.x.-4.1e9&link=<img>~<script>.2~<b>&next=7")
    page.wait_for_selector("#planning:not(.is-counting)")
    assert page.query_selector("#planning b > script, #planning img") is None


def test_a_toggle_among_500_issues_and_60_key_results_costs_little_script(show: Callable[..., Any]) -> None:
    names = [f"k{number}" for number in range(60)]
    issues = [issue(number, [names[number % 60]] if number % 10 < 7 else ()) for number in range(1, 501)]
    behind = {name: [one.id for one in issues if one.serves and one.serves[0].key_result_id == name] for name in names}
    page = show(plan(issues, [key_result(name, behind[name]) for name in names]))
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def spent() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(one["value"] for one in found if one["name"] == "ScriptDuration")

    spells = []
    for number in range(5):
        before = spent()
        page.locator(".in-sprint").nth(number).evaluate("box => box.click()")
        page.wait_for_function("n => document.querySelector('#trying-what').innerText.includes(n)", arg=str(number + 1))
        page.wait_for_selector("#planning:not(.is-counting)")
        spells.append(spent() - before)
    # Idle machines take about 10 ms; the bound leaves room for busy ones.
    assert sorted(spells)[2] < 100, spells
