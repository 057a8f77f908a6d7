"""What can be linked to now, and what people linked to it earlier: the examples that suggestions learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Select, Subquery, and_, case, func, literal, select, union_all
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
# Classes of issues that are no examples; of an unknown one there is no title to learn from.
UNTELLING = (*OUT, "unknown")

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
    """The open key results by title, and a text that changes whenever they, their texts or people's links do.

    What rules link changes all the time and says little, so it is learned with the next change, or in time.
    """

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
        .outerjoin(Link, and_(Link.key_result_id == KeyResult.id, Link.state != "refused",
                              Link.source != "rule"))
        .group_by(KeyResult.id, KeyResult.title, Objective.title, Team.name)
        .order_by(KeyResult.title, KeyResult.id)
        .limit(KEY_RESULTS_AT_MOST)
    ).all()  # fmt: skip
    revision = hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()
    return Goals([OpenKeyResult(row.id, row.title, row.objective, row.team) for row in rows], revision)


def read_examples(session: Session, workspace_id: str) -> list[Example]:
    """Read the examples, by one statement; their number is bounded, and their order always the same."""
    latest = _latest_links(workspace_id)
    parts = union_all(*(select(part) for part in (_linked(latest), _below(latest), _declared(workspace_id)))).subquery()
    rows = session.execute(select(parts).order_by(parts.c.part, parts.c.place, parts.c.key_result_id, parts.c.id))
    examples = []
    for row in rows:
        strength = BY_RULE if row.source == "rule" else BY_PERSON
        if row.part == "2 below":
            strength *= BELOW_LINKED
        linked_by = row.name or "" if strength == BY_PERSON else ""
        examples.append(Example(seen(row), row.key_result_id, strength, linked_by))
    return examples


def _latest_links(workspace_id: str) -> CTE:
    place = func.row_number().over(
        partition_by=Link.key_result_id,
        order_by=(case((Link.source == "rule", 1), else_=0), Link.created_at.desc(), Link.id),
    )
    numbered = (
        _open(select(Link.key_result_id, Link.issue_id, Link.source, Link.asked_by, place.label("place")), workspace_id)
        .join(Link, Link.key_result_id == KeyResult.id)
        .join(Issue, Issue.id == Link.issue_id)
        .where(Link.state != "refused", Issue.cls.not_in(UNTELLING))
        .subquery()
    )
    return select(numbered).where(numbered.c.place <= EXAMPLES_PER_KEY_RESULT).cte("latest")


def _linked(latest: CTE) -> Subquery:
    """What is linked itself, with the person who asked for it."""
    return (
        select(literal("1 linked").label("part"), latest.c.place, latest.c.key_result_id, latest.c.source, Person.name,
               *columns())
        .select_from(latest)
        .join(Issue, Issue.id == latest.c.issue_id)
        .join(Connection, Connection.id == Issue.connection_id)
        .outerjoin(Account, and_(Account.workspace_id == Issue.workspace_id, Account.tracker == Connection.tracker,
                                 Account.account_id == latest.c.asked_by))
        .outerjoin(Person, Person.id == Account.person_id)
        .subquery()
    )  # fmt: skip


def _below(latest: CTE) -> Subquery:
    """The newest children of what is linked, but those linked themselves: they may well serve something else."""
    place = func.row_number().over(partition_by=Issue.parent_id, order_by=Issue.id.desc()).label("place")
    children = (
        select(place, *columns())
        .where(Issue.parent_id.in_(select(latest.c.issue_id)), Issue.cls.not_in(UNTELLING), ~Issue.links.any())
        .subquery()
    )
    return (
        select(literal("2 below"), children.c.place, latest.c.key_result_id, latest.c.source, literal(""),
               *(children.c[column.key] for column in columns()))
        .join(latest, latest.c.issue_id == children.c.parent_id)
        .where(children.c.place <= EXAMPLES_BELOW_ONE)
        .order_by(children.c.place, children.c.parent_id, latest.c.key_result_id)
        .limit(EXAMPLES_BELOW)
        .subquery()
    )  # fmt: skip


def _declared(workspace_id: str) -> Subquery:
    """What people declared lately to be no goal work."""
    place = func.row_number().over(order_by=(BusinessAsUsual.declared_at.desc(), Issue.id)).label("place")
    return (
        select(literal("3 declared"), place, literal(NOT_GOAL_WORK), literal("manual"), literal(""), *columns())
        .select_from(BusinessAsUsual)
        .join(Issue, Issue.id == BusinessAsUsual.issue_id)
        .where(BusinessAsUsual.workspace_id == workspace_id, Issue.cls.not_in(UNTELLING))
        .order_by(place)
        .limit(NOT_GOAL_WORK_AT_MOST)
        .subquery()
    )


def _open(query: Select[Any], workspace_id: str) -> Select[Any]:
    return (
        query.select_from(KeyResult)
        .join(Objective, Objective.id == KeyResult.objective_id)
        .join(Cycle, Cycle.id == Objective.cycle_id)
        .join(Team, Team.id == Objective.team_id)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
    )
