"""A sprint of 500 issues beside 60 key results, put together from the labelled tickets' words; only good for timing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

from sqlalchemy.orm import Session

from benchmarks.suggestions.labelled import add_goals, add_issue, add_link, goals, tickets

ISSUES = 500
KEY_RESULTS = 60
LINKS_EACH = 30
EPICS = 50
MARKETS = ("in Europe", "in Asia", "in America")


def crowd(session: Session) -> tuple[Sequence[int], Sequence[int]]:
    """Write goals, linked and unlinked issues; return the row numbers of two sprints whose titles differ."""
    everyone = tickets()
    pairs = [(market, goal) for market in MARKETS for goal in goals()][:KEY_RESULTS]
    add_goals(
        session, [replace(goal, id=f"{goal.id} {market}", title=f"{goal.title} {market}") for market, goal in pairs]
    )
    epics = [add_issue(session, f"ATL-{number}", f"Epic: {everyone[number].title}") for number in range(EPICS)]
    number = EPICS
    for market, goal in pairs:
        own = [one for one in everyone if one.answer == goal.id]
        for one in islice(cycle(own), LINKS_EACH):
            number += 1
            issue = add_issue(
                session, f"ATL-{number}", f"{one.title} {market} {number}", labels=list(one.labels),
                assignee=one.assignee or None, parent_id=epics[number % EPICS],
            )  # fmt: skip
            add_link(session, issue, f"{goal.id} {market}", None)
    sprints: list[list[int]] = []
    for step in (3, 16):
        sprints.append([])
        for place in range(ISSUES):
            number += 1
            one, other = everyone[place % len(everyone)], everyone[(place * 7 + step) % len(everyone)]
            issue = add_issue(
                session, f"ATL-{number}", f"{one.title}; {other.title}", labels=list(one.labels),
                assignee=one.assignee or None, parent_id=epics[place % EPICS],
            )  # fmt: skip
            sprints[-1].append(issue)
    return sprints[0], sprints[1]
