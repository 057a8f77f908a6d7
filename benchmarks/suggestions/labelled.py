"""The labelled tickets, and a database in which part of them was linked by people already."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy.orm import Session

from connector.models import (
    Account,
    BusinessAsUsual,
    Connection,
    Cycle,
    Issue,
    KeyResult,
    Link,
    Objective,
    Person,
    Team,
    Workspace,
)

HERE = Path(__file__).parent
WORKSPACE = "w"
NONE = "none"
BEGIN = datetime(2026, 7, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One line of tickets.tsv. `answer` is the id of the key result that it serves, or NONE for no goal work.

    `part`: linked (people linked it, or declared it no goal work), tuning, held out.
    """

    key: str
    epic: str
    part: str
    answer: str
    type: str
    assignee: str
    labels: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of key_results.tsv; `team` and `objective` are names."""

    id: str
    team: str
    objective: str
    title: str


def goals() -> list[Goal]:
    """Read the key results."""
    return [Goal(**row) for row in _rows("key_results")]


def tickets() -> list[Ticket]:
    """Read the labelled tickets."""
    return [Ticket(**{**row, "labels": tuple(filter(None, row["labels"].split(",")))}) for row in _rows("tickets")]


def furnish(session: Session, known: Collection[str] | None = None) -> Mapping[str, int]:
    """Write goals, epics and tickets, and the links that people made; return each issue's row number by its key.

    `known` are the keys of the tickets about which people have spoken; without it those of the part that is linked.
    """
    everyone = tickets()
    if known is None:
        known = {one.key for one in everyone if one.part == "linked"}
    add_goals(session, goals())
    people = sorted({one.assignee for one in everyone} - {""})
    session.add_all(
        Person(id=name, workspace_id=WORKSPACE, name=name.capitalize(),
               accounts=[Account(workspace_id=WORKSPACE, tracker="jira", account_id=name)])
        for name in people
    )  # fmt: skip
    session.flush()
    numbers: dict[str, int] = {}
    for epic in _epics():
        numbers[epic["key"]] = add_issue(session, epic["key"], epic["title"], issue_type="Epic", level=1)
        if epic["linked_to"]:
            add_link(session, numbers[epic["key"]], epic["linked_to"], "lena")
    for one in everyone:
        numbers[one.key] = add_issue(
            session, one.key, one.title, issue_type=one.type, labels=list(one.labels), assignee=one.assignee or None,
            parent_id=numbers.get(one.epic), raw_parent_id=numbers.get(one.epic),
        )  # fmt: skip
        if one.key not in known or below_linked_epics(one):
            continue
        if one.answer == NONE:
            session.add(BusinessAsUsual(issue_id=numbers[one.key], workspace_id=WORKSPACE, category="other",
                                        declared_at=BEGIN))  # fmt: skip
        else:
            add_link(session, numbers[one.key], one.answer, one.assignee or None)
    session.flush()
    return numbers


def below_linked_epics(ticket: Ticket) -> bool:
    """Whether the ticket counts for a key result by its epic: then nobody links it, and nothing is to be suggested."""
    return any(epic["key"] == ticket.epic for epic in _epics() if epic["linked_to"])


@cache
def _epics() -> list[dict[str, str]]:
    return list(_rows("epics"))


def add_goals(session: Session, among: Sequence[Goal]) -> None:
    """Write a workspace with a connection, a cycle and these key results."""
    session.add(Workspace(id=WORKSPACE, name="Acme"))
    session.flush()
    session.add_all(
        [
            Connection(id="c", workspace_id=WORKSPACE, tracker="jira", tenant_key="t", site="https://acme.example"),
            Person(id="driver", workspace_id=WORKSPACE, name="Ada"),
            Cycle(id="q", workspace_id=WORKSPACE, name="Q3", starts_on=date(2026, 7, 1), ends_on=date(2026, 9, 30)),
            *(Team(id=name, workspace_id=WORKSPACE, name=name) for name in dict.fromkeys(goal.team for goal in among)),
        ]
    )
    session.flush()
    session.add_all(
        Objective(id=title, workspace_id=WORKSPACE, title=title, cycle_id="q", team_id=team)
        for title, team in {goal.objective: goal.team for goal in among}.items()
    )
    session.flush()
    session.add_all(
        KeyResult(id=goal.id, workspace_id=WORKSPACE, objective_id=goal.objective, title=goal.title, driver_id="driver")
        for goal in among
    )
    session.flush()


def add_issue(session: Session, key: str, title: str, **more: object) -> int:
    """Write an issue that is to do; return its row number."""
    issue = Issue(workspace_id=WORKSPACE, connection_id="c", external_id=key, key=key, title=title, cls="todo",
                  project_key=key.split("-")[0], watermark=BEGIN, **more)  # fmt: skip
    session.add(issue)
    session.flush()
    return issue.id


def add_link(session: Session, issue_id: int, key_result_id: str, person: str | None) -> None:
    """Write a link that a person (account id) made; later issues were linked later."""
    session.add(
        Link(workspace_id=WORKSPACE, key_result_id=key_result_id, issue_id=issue_id, asked_by=person,
             created_at=BEGIN + timedelta(minutes=issue_id))
    )  # fmt: skip


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (HERE / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
