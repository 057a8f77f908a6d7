"""What can be linked to now, and what people linked to it earlier: the examples that suggestions learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, func, select
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
)
from connector.suggestions import OpenKeyResult
from connector.suggestions.reading import NOT_GOAL_WORK, OUT, Seen, columns, seen

# Open key results looked at. An organisation with more has other worries; the work here must have a bound.
KEY_RESULTS_AT_MOST = 400
# Latest links looked at per key result, people's before a rule's: more would only say the same again.
EXAMPLES_PER_KEY_RESULT = 40
# Latest issues below a linked issue that are looked at, and of those in all.
EXAMPLES_BELOW_ONE = 20
EXAMPLES_BELOW = 1_000
NOT_GOAL_WORK_AT_MOST = 200

# How much an example says, beside a link that somebody made. What a rule linked repeats what the rule says, so learning
# from it in full would be learning from ourselves; what hangs below a linked issue was not looked at one by one.
BY_PERSON = 1.0
BELOW_LINKED = 0.5
BY_RULE = 0.3


@dataclass(frozen=True, slots=True)
class Example:
    """An issue of which it is known what it serves: a key result's id, or NOT_GOAL_WORK.

    `linked_by` is the person's name where it is known.
    """

    issue: Seen
    key_result_id: str
    strength: float
    linked_by: str = ""


@dataclass(frozen=True, slots=True)
class Goals:
    """The open key results by title, and a text that changes whenever they, their texts or their links do."""

    key_results: Sequence[OpenKeyResult]
    revision: str


def read_goals(session: Session, workspace_id: str) -> Goals:
    """Read what can be linked to, by one statement."""
    declared = BusinessAsUsual.workspace_id == workspace_id
    rows = session.execute(
        _open(select(KeyResult.id, KeyResult.title, Objective.title.label("objective"), Team.name.label("team"),
                     func.count(Link.id), func.max(Link.created_at),
                     select(func.count()).select_from(BusinessAsUsual).where(declared).scalar_subquery(),
                     select(func.max(BusinessAsUsual.declared_at)).where(declared).scalar_subquery()),
              workspace_id)
        .outerjoin(Link, and_(Link.key_result_id == KeyResult.id, Link.state != "refused"))
        .group_by(KeyResult.id, KeyResult.title, Objective.title, Team.name)
        .order_by(KeyResult.title, KeyResult.id)
        .limit(KEY_RESULTS_AT_MOST)
    ).all()  # fmt: skip
    revision = hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()
    return Goals([OpenKeyResult(row.id, row.title, row.objective, row.team) for row in rows], revision)


def read_examples(session: Session, workspace_id: str) -> list[Example]:
    """Read the examples, by three statements; their number is bounded, and their order always the same."""
    linked = _linked(session, workspace_id)
    return [*linked, *_below(session, linked), *_declared(session, workspace_id)]


def _linked(session: Session, workspace_id: str) -> list[Example]:
    place = func.row_number().over(
        partition_by=Link.key_result_id,
        order_by=(case((Link.source == "rule", 1), else_=0), Link.created_at.desc(), Link.id),
    )
    latest = (
        _open(select(Link.id.label("id"), place.label("place")), workspace_id)
        .join(Link, Link.key_result_id == KeyResult.id)
        .join(Issue, Issue.id == Link.issue_id)
        .where(Link.state != "refused", Issue.cls.not_in((*OUT, "unknown")))
        .subquery()
    )
    rows = session.execute(
        select(*columns(), Link.key_result_id, Link.source, Person.name)
        .select_from(latest)
        .join(Link, Link.id == latest.c.id)
        .join(Issue, Issue.id == Link.issue_id)
        .join(Connection, Connection.id == Issue.connection_id)
        .outerjoin(Account, and_(Account.workspace_id == Link.workspace_id, Account.tracker == Connection.tracker,
                                 Account.account_id == Link.asked_by))
        .outerjoin(Person, Person.id == Account.person_id)
        .where(latest.c.place <= EXAMPLES_PER_KEY_RESULT)
        .order_by(Link.key_result_id, latest.c.place)
    )  # fmt: skip
    return [
        Example(
            seen(row), row.key_result_id, BY_RULE if row.source == "rule" else BY_PERSON,
            "" if row.source == "rule" else row.name or "",
        )
        for row in rows
    ]  # fmt: skip


def _below(session: Session, linked: Sequence[Example]) -> list[Example]:
    parents: dict[int, list[Example]] = {}
    for example in linked:
        parents.setdefault(example.issue.id, []).append(example)
    place = func.row_number().over(partition_by=Issue.parent_id, order_by=Issue.id.desc()).label("place")
    # No child that is linked itself: it is an example already, and may well serve something else.
    latest = (
        select(*columns(), place)
        .where(Issue.parent_id.in_(sorted(parents)), Issue.cls.not_in((*OUT, "unknown")), ~Issue.links.any())
        .subquery()
    )
    rows = session.execute(
        select(latest)
        .where(latest.c.place <= EXAMPLES_BELOW_ONE)
        .order_by(latest.c.place, latest.c.parent_id)
        .limit(EXAMPLES_BELOW)
    )
    return [
        Example(seen(row), above.key_result_id, BELOW_LINKED * above.strength)
        for row in rows
        for above in parents[row.parent_id]
    ]


def _declared(session: Session, workspace_id: str) -> list[Example]:
    rows = session.execute(
        select(*columns())
        .join(BusinessAsUsual, BusinessAsUsual.issue_id == Issue.id)
        .where(BusinessAsUsual.workspace_id == workspace_id, Issue.cls.not_in((*OUT, "unknown")))
        .order_by(BusinessAsUsual.declared_at.desc(), Issue.id)
        .limit(NOT_GOAL_WORK_AT_MOST)
    )
    return [Example(seen(row), NOT_GOAL_WORK, BY_PERSON) for row in rows]


def _open(query: Select[Any], workspace_id: str) -> Select[Any]:
    return (
        query.select_from(KeyResult)
        .join(Objective, Objective.id == KeyResult.objective_id)
        .join(Cycle, Cycle.id == Objective.cycle_id)
        .join(Team, Team.id == Objective.team_id)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
    )
