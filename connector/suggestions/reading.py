"""The issues asked about, what they hang below, and what their relatives are linked to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Select, bindparam, case, func, literal, select, union_all
from sqlalchemy.orm import Session, aliased

from connector.models import BusinessAsUsual, Issue, Link

# Issues of these classes neither get suggestions nor are a reason for one.
OUT = ("gone", "dropped")
# Stands beside the key results' ids for what people declared to be no goal work.
NOT_GOAL_WORK = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One issue as suggestions see it; `parent_id` is the row above, if any."""

    id: int
    key: str
    title: str
    issue_type: str
    labels: tuple[str, ...]
    project: str
    assignee: str | None
    cls: str
    parent_id: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """How many children of one issue serve one key result, the first one's key; `by_hand` of them without a rule."""

    times: int
    by_hand: int
    example: str


@dataclass(frozen=True, slots=True)
class Kin:
    """Every issue by id, asked about or above; links of their own by issue; links of their children by parent.

    `own` gives per key result whether a person made the link. `children` has a group for NOT_GOAL_WORK too.
    """

    issues: Mapping[int, Seen]
    own: Mapping[int, Mapping[str, bool]]
    children: Mapping[int, Mapping[str, Group]]

    def above(self, issue: Seen) -> list[Seen]:
        """Return the issue's ancestors, nearest first."""
        found: list[Seen] = []
        parent = issue.parent_id
        while parent is not None and parent in self.issues and all(one.id != parent for one in found):
            found.append(self.issues[parent])
            parent = found[-1].parent_id
        return found


def read_kin(session: Session, workspace_id: str, issue_ids: Sequence[int]) -> Kin:
    """Read the issues with everything above them and the links round them, by two statements."""
    rows = session.execute(_with_ancestors(), {"workspace_id": workspace_id, "ids": sorted(set(issue_ids))})
    issues = {row.id: seen(row) for row in rows}
    own: dict[int, dict[str, bool]] = {}
    children: dict[int, dict[str, Group]] = {}
    if issues:
        for row in session.execute(_links_round(), {"ids": sorted(issues)}):
            if row.kin == "own":
                own.setdefault(row.issue_id, {})[row.key_result_id] = bool(row.by_hand)
            else:
                group = Group(row.times, row.by_hand, row.example or "")
                children.setdefault(row.issue_id, {})[row.key_result_id] = group
    for issue_id, issue in issues.items():
        if issue.cls in OUT:
            own.pop(issue_id, None)
    return Kin(issues, own, children)


def columns() -> tuple[Any, ...]:
    """What `seen` needs of an issue."""
    return (
        Issue.id, Issue.key, Issue.title, Issue.issue_type, Issue.labels, Issue.project_key, Issue.assignee, Issue.cls,
        Issue.parent_id,
    )  # fmt: skip


def seen(row: Any) -> Seen:
    """Return what suggestions see of a row with `columns()`."""
    return Seen(
        row.id, row.key, row.title, row.issue_type, _names(row.labels), row.project_key, row.assignee, row.cls,
        row.parent_id,
    )  # fmt: skip


def _names(labels: Collection[Any] | None) -> tuple[str, ...]:
    """People write one label in many ways; Jira keeps them apart, we don't."""
    return tuple(sorted({str(label).casefold() for label in labels or ()}))


# Statements are built once: putting a recursive query together takes longer than running it.


@cache
def _with_ancestors() -> Select[Any]:
    chain = (
        select(Issue.id, Issue.parent_id)
        .where(Issue.workspace_id == bindparam("workspace_id"), Issue.id.in_(bindparam("ids", expanding=True)))
        .cte("chain", recursive=True)
    )
    above = aliased(Issue)
    # UNION, not UNION ALL: an epic that a hundred issues hang below is walked up from once.
    chain = chain.union(select(above.id, above.parent_id).join(chain, above.id == chain.c.parent_id))
    return select(*columns()).join(chain, chain.c.id == Issue.id)


@cache
def _links_round() -> CompoundSelect[Any]:
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    by_hand = case((Link.source == "rule", 0), else_=1)
    counts = Link.state != "refused"
    own = select(
        literal("own").label("kin"), Link.issue_id, Link.key_result_id, literal(1).label("times"),
        by_hand.label("by_hand"), literal("").label("example"),
    ).where(Link.issue_id.in_(ids), counts)  # fmt: skip
    below = (
        select(literal("child"), Issue.parent_id, Link.key_result_id, func.count(), func.sum(by_hand),
               func.min(Issue.key))
        .select_from(Link)
        .join(Issue, Issue.id == Link.issue_id)
        .where(Issue.parent_id.in_(ids), Issue.cls.not_in(OUT), counts)
        .group_by(Issue.parent_id, Link.key_result_id)
    )  # fmt: skip
    declared = (
        select(
            literal("child"), Issue.parent_id, literal(NOT_GOAL_WORK), func.count(), func.count(), func.min(Issue.key)
        )
        .select_from(BusinessAsUsual)
        .join(Issue, Issue.id == BusinessAsUsual.issue_id)
        .where(Issue.parent_id.in_(ids), Issue.cls.not_in(OUT))
        .group_by(Issue.parent_id)
    )
    return union_all(own, below, declared)
