"""The page of ready-made queries: with the workspace's own titles, and nobody else's."""

from __future__ import annotations

import re
from html import unescape

from flask import Flask

from connector.models import Connection, Objective
from tests.connector.conftest import Organisation
from tests.web.pages.conftest import Visitor


def shown(page: str) -> list[str]:
    return [unescape(one) for one in re.findall(r"<code id=\"jql-[^\"]*\">([^<]*)</code>", page)]


def test_the_queries_name_the_workspaces_own_goals(org: Organisation, viewer: Visitor) -> None:
    with org.core.database.writing() as session:
        session.get_one(Objective, "top").title = 'Win "regulated" <markets>'
    page = viewer.read("/help/queries")
    queries = shown(page)
    assert 'objective = "Win trust"' in queries
    assert 'objective = "Win \\"regulated\\" <markets>"' in queries
    assert any(query.startswith('keyResult = "Activation"') for query in queries)
    assert "goalWork = unaligned" in queries
    assert len(re.findall(r"data-copy=", page)) == len(queries)


def test_closed_objectives_are_left_out_and_without_any_the_page_says_so(org: Organisation, viewer: Visitor) -> None:
    with org.core.database.writing() as session:
        for name in ("top", "o"):
            session.get_one(Objective, name).state = "closed"
    page = viewer.read("/help/queries")
    assert "There are no open objectives yet" in page
    assert not any("objective =" in query for query in shown(page))
    assert "goalWork = unaligned" in shown(page)


def test_the_page_says_when_no_jira_is_connected(org: Organisation, viewer: Visitor) -> None:
    assert "No Jira site is connected yet" in viewer.read("/help/queries")
    with org.core.database.writing() as session:
        site = "https://acme.atlassian.net"
        session.add(Connection(id="j", workspace_id="w", tracker="jira", tenant_key="j", site=site))
    assert "No Jira site is connected yet" not in viewer.read("/help/queries")


def test_the_connections_lead_to_the_queries(viewer: Visitor) -> None:
    assert 'href="/help/queries"' in viewer.read("/connections")


def test_only_people_of_the_workspace_see_its_titles(site: Flask) -> None:
    answer = site.test_client().get("/help/queries", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.location) == (303, "/sign-in?to=/help/queries")
