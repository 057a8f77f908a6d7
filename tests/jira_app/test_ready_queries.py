"""Ready-made queries: each can be asked on a site that has Ladder's aliases, and finds what it is for."""

from __future__ import annotations

import pytest

from connector.goal_titles import GoalTitles
from connector.tracker import GoalMark
from jira_app.descriptor import template
from jira_app.goal_property import PROPERTY, property_value
from jira_app.ready_queries import ON_BOARDS, QueryGroup, ready_queries
from web.sandbox import JiraSite
from web.sandbox.installation import Installation
from web.sandbox.jql import parse
from web.sandbox.jql_search import run

TITLES = GoalTitles(('Win "trust" (EMEA)', "It's \\ ours"), ("Activation", "Churn, from 8 % to 5 %"))


@pytest.fixture
def site() -> JiraSite:
    """A site that has installed Ladder's descriptor, with three marked issues."""
    site = JiraSite()
    site.installation = Installation(template(), "https://ladder.example.com", "secret", site.now())
    marks = {
        "ATL-3": GoalMark("aligned", TITLES.objectives, TITLES.key_results),
        "ATL-16": GoalMark("unaligned"),
        "ATL-17": GoalMark("business as usual"),
    }
    for key, mark in marks.items():
        site.set_property(key, PROPERTY, property_value(mark))
    return site


def found(site: JiraSite, jql: str) -> set[str]:
    return {issue.key for issue in run(parse(jql), site, site.issues.values())}


def group(name: str, titles: GoalTitles = TITLES) -> QueryGroup:
    return next(one for one in ready_queries(titles) if one.id == name)


def test_every_query_can_be_asked(site: JiraSite) -> None:
    asked = [query for group in ready_queries(TITLES) for query in group.queries]
    for query in asked:
        found(site, query.jql)
    assert len(asked) > 12


def test_filters_find_each_side_and_each_objective_whatever_its_title_holds(site: JiraSite) -> None:
    sides = [found(site, query.jql) for query in group("filters").queries]
    assert sides == [{"ATL-16"}, {"ATL-17"}, {"ATL-3"}, {"ATL-3"}, {"ATL-3"}]


def test_the_long_name_finds_what_the_alias_finds(site: JiraSite) -> None:
    (query,) = group("long").queries
    assert found(site, query.jql) == {"ATL-16"}


def test_what_is_not_marked_can_be_found(site: JiraSite) -> None:
    last = group("searches").queries[-1]
    assert not found(site, last.jql) & {"ATL-3", "ATL-16", "ATL-17"}
    assert "ATL-18" in found(site, last.jql)


def test_without_goals_there_are_queries_for_the_sides_only(site: JiraSite) -> None:
    assert [query.name for query in group("swimlanes", GoalTitles()).queries] == ["Business as usual", "No goal"]


def test_a_board_gets_no_more_filters_than_people_can_see() -> None:
    many = GoalTitles([f"Objective {number}" for number in range(20)])
    assert len(group("filters", many).queries) == 3 + ON_BOARDS
