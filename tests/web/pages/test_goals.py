"""The objectives of a cycle: both numbers, coverage, gaps, filters, live answers, and a fresh install's first steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from connector.models import CheckIn, Cycle, KeyResult, Objective, Team, Workspace
from tests.connector.conftest import NOW, Organisation
from tests.connector.statements import counted
from tests.web.pages.conftest import Visitor


def test_the_tree_shows_who_ladders_into_whom(member: Visitor) -> None:
    page = member.read("/")
    assert page.index("Win regulated markets") < page.index("Win trust") < page.index("Ship the audit")
    assert 'aria-level="1"' in page
    assert 'aria-level="3"' in page


def test_numbers_that_are_missing_are_a_dash_with_a_reason(member: Visitor) -> None:
    page = member.read("/")
    assert "no linked work" in page
    assert "not measured yet" in page


def test_a_ticket_moves_the_page(org: Organisation, member: Visitor) -> None:
    org.tell("1", "done", at=0)
    org.tell("2", "todo", at=1)
    org.link("1")
    org.link("2")
    page = member.read("/")
    assert "50\u00a0%" in page
    assert "1 of 2" in page
    assert "1 of 3 with work" in page


def test_coverage_stands_beside_the_number_of_an_objective(org: Organisation, member: Visitor) -> None:
    org.tell("1", "done", at=0)
    org.link("1")
    assert "1 of 3 measured" in member.read("/")


def test_gaps_are_said(org: Organisation, member: Visitor) -> None:
    with org.core.database.writing() as session:
        session.add(Objective(workspace_id="w", title="Lonely", cycle_id="q", team_id="t"))
        session.add(Objective(workspace_id="w", title="Unfollowed", cycle_id="q", team_id="co"))
    page = member.read("/")
    for gap in ("no key results", "ladders into nothing", "nothing ladders into it", "no owner"):
        assert gap in page


def test_the_company_goal_of_the_year_is_shown_above_the_quarter(org: Organisation, member: Visitor) -> None:
    with org.core.database.writing() as session:
        session.add(Cycle(id="y", workspace_id="w", name="2026", starts_on=NOW.date().replace(month=1, day=1),
                          ends_on=NOW.date().replace(month=12, day=31)))  # fmt: skip
        session.flush()
        session.get_one(Objective, "top").cycle_id = "y"
    page = member.read("/")
    assert "Q3" in page.split("<h1>")[1][:20]
    assert '<span class="badge">2026</span>' in page


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("text=audit", "Ship the audit", "Activation"),
        ("text=AUDIT+ship", "Ship the audit", "Activation"),
        ("status=outdated", "Activation", "No goal matches"),
        ("status=green", "No goal matches", "Activation"),
        ("team_id=co", "Win regulated markets", "Win trust"),
        ("text=nothing-like-it", "No goal matches", "Ship the audit"),
    ],
)
def test_filters_leave_what_matches_and_what_it_ladders_into(
    member: Visitor, query: str, there: str, gone: str
) -> None:
    tree = member.read(f"/?{query}").split('id="tree"')[1]
    assert there in tree
    assert gone not in tree
    if there == "Ship the audit":
        assert "Win regulated markets" in tree


def test_the_cost_of_the_page_does_not_grow_with_the_goals(org: Organisation, member: Visitor) -> None:
    member.read("/")
    with counted(org.core.database.engine) as few:
        member.read("/")
    with org.core.database.writing() as session:
        for number in range(40):
            session.add(Objective(id=f"o{number}", workspace_id="w", title=f"O {number}", cycle_id="q", team_id="t",
                                  parent_id="top"))  # fmt: skip
        session.flush()
        for number in range(120):
            session.add(KeyResult(workspace_id="w", objective_id=f"o{number % 40}", title=f"K {number}", driver_id="p"))
    with counted(org.core.database.engine) as many:
        member.read("/")
    assert len(many) <= len(few) + 1


def test_asking_again_costs_little_and_answers_304(org: Organisation, member: Visitor) -> None:
    etag = member.client.get("/").headers["ETag"]
    with counted(org.core.database.engine) as sent:
        answer = member.client.get("/", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert len(sent) <= 6


@pytest.mark.parametrize("what", ["an issue closes", "somebody renames a goal", "somebody checks in", "a team is made"])
def test_whatever_changes_elsewhere_is_news(org: Organisation, member: Visitor, what: str) -> None:
    org.tell("1", "todo", at=0)
    org.link("1")
    etag = member.client.get("/").headers["ETag"]
    match what:
        case "an issue closes":
            org.tell("1", "done", at=60)
        case "somebody renames a goal":
            with org.core.database.writing() as session:
                found = session.get_one(Objective, "o")
                found.title, found.version = "Win more trust", found.version + 1
        case "somebody checks in":
            with org.core.database.writing() as session:
                session.add(CheckIn(workspace_id="w", key_result_id="metric", status="green"))
        case _:
            with org.core.database.writing() as session:
                session.add(Team(workspace_id="w", name="Borealis"))
    assert member.client.get("/", headers={"If-None-Match": etag}).status_code == 200


def test_a_fresh_install_is_led_through(org: Organisation, enter: Callable[..., Visitor]) -> None:
    admin = enter("admin")
    with org.core.database.writing() as session:
        for model in (KeyResult, Objective, Cycle, Team):
            session.query(model).delete()
    assert "Make a cycle" in admin.read("/")
    admin.read("/cycles/new")
    assert "Make a team" in admin.do("/cycles/new", admin.fields())
    admin.read("/teams/new")
    assert "New objective" in admin.do("/teams/new", {"name": "Acme", "level": "company"})
    admin.read("/objectives/new")
    given = {**admin.fields(), "title": "Become the default choice this quarter"}
    given["team_id"] = admin.seen.split('value="', admin.seen[: admin.seen.index("Acme (company)")].count('value="'))[
        -1
    ][:36]
    page = admin.do("/objectives/new", given)
    assert "New key result" in page
    assert "Become the default choice" in admin.read("/")


def test_hostile_text_stays_text(org: Organisation, member: Visitor) -> None:
    with org.core.database.writing() as session:
        session.get_one(Objective, "o").title = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
        session.get_one(KeyResult, "metric").unit = "</progress><script>"
    page = member.read("/")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_pages_of_another_workspace_are_not_there(org: Organisation, member: Visitor, site: Flask) -> None:
    with org.core.database.writing() as session:
        session.add(Workspace(id="w2", name="Other"))
        session.flush()
        session.add(Cycle(id="q2", workspace_id="w2", name="Theirs", starts_on=NOW.date(), ends_on=NOW.date()))
    member.read("/cycles/q2", 404)
    assert "Theirs" not in member.read("/cycles")


def test_a_page_is_never_kept_in_a_cache_and_runs_nothing_inline(member: Visitor) -> None:
    answer = member.client.get("/")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "no-cache" in answer.headers["Cache-Control"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert " on" + "click" not in answer.text
