"""Ready-made JQL over goals, with a workspace's own titles: for boards, and for searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connector.goal_titles import GoalTitles
from jira_app.goal_property import PROPERTY
from jira_app.jql import quoted

# Objectives that become filters and swimlanes of their own: a board with more of them is no board any more.
ON_BOARDS = 8
UNALIGNED = "goalWork = unaligned"
BUSINESS_AS_USUAL = 'goalWork = "business as usual"'
ALIGNED = "goalWork = aligned"


@dataclass(frozen=True, slots=True)
class ReadyQuery:
    """A query and what to call it."""

    name: str
    jql: str


@dataclass(frozen=True, slots=True)
class QueryGroup:
    """Queries for one place in Jira, and the way to that place."""

    id: str
    title: str
    where: str
    queries: Sequence[ReadyQuery]


def ready_queries(titles: GoalTitles) -> Sequence[QueryGroup]:
    """Return the groups in the order in which a team sets up its board."""
    objectives = [ReadyQuery(title, f"objective = {quoted(title)}") for title in titles.objectives[:ON_BOARDS]]
    sides = [
        ReadyQuery("No goal", UNALIGNED),
        ReadyQuery("Business as usual", BUSINESS_AS_USUAL),
        ReadyQuery("Goal work", ALIGNED),
    ]
    return (
        QueryGroup("filters", "Quick filters", "Board ⋯ → Configure board → Quick filters", [*sides, *objectives]),
        QueryGroup(
            "swimlanes",
            "Swimlanes",
            "Board ⋯ → Configure board → Swimlanes, based on queries; in this order, since the first that fits wins",
            [*objectives, *sides[1::-1]],
        ),
        QueryGroup("colours", "Card colours", "Board ⋯ → Configure board → Card colours, based on queries", sides),
        QueryGroup(
            "searches", "Searches", "Filters → Advanced search; also for dashboards and filters", [*_searches(titles)]
        ),
        QueryGroup(
            "long",
            "If a field of your site has one of these names",
            "Jira then takes the field; the property can still be asked for by its whole name",
            [ReadyQuery("No goal", f"issue.property[{PROPERTY}].goalWork = unaligned")],
        ),
    )


def _searches(titles: GoalTitles) -> Iterator[ReadyQuery]:
    yield ReadyQuery("Running sprints: work without a goal", f"sprint in openSprints() AND {UNALIGNED} ORDER BY rank")
    yield ReadyQuery(
        "Goal work that is in no sprint yet", f"{ALIGNED} AND sprint is EMPTY AND statusCategory != Done ORDER BY rank"
    )
    if titles.objectives:
        objective = quoted(titles.objectives[0])
        yield ReadyQuery(
            "Finished for an objective in two weeks",
            f"objective = {objective} AND statusCategory = Done AND updated >= -14d",
        )
    if titles.key_results:
        left = f"keyResult = {quoted(titles.key_results[0])} AND statusCategory != Done ORDER BY rank"
        yield ReadyQuery("What is left for a key result", left)
    if len(titles.key_results) > 1:
        several = ", ".join(map(quoted, titles.key_results[:3]))
        yield ReadyQuery(
            "Open work behind any of several key results", f"keyResult in ({several}) AND statusCategory != Done"
        )
    yield ReadyQuery("Open work that Ladder has not marked", "goalWork is EMPTY AND statusCategory != Done")
