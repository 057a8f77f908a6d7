"""What the database knows of a sprint's work: a few statements, whatever the number of issues and key results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import CTE, BindParameter, Row, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager

from connector.errors import NotFound
from connector.models import (
    BusinessAsUsual,
    Connection,
    CountedUnit,
    Cycle,
    Dependency,
    Issue,
    KeyResult,
    Link,
    LinkRule,
    Objective,
    Sprint,
    SprintIssue,
    WorkProgress,
)
from connector.planning.plan import PlannedSprint
from connector.store import BELOW_COLUMNS, sums_of
from mapping.forest import Below, IssueId
from mapping.issue_class import IssueClass
from mapping.store import Node, Sums, Unit

# Columns instead of rows of the mapper: a sprint has hundreds of issues, and making an object of each takes longer
# than everything else here together.
NODE_COLUMNS: tuple[Any, ...] = (
    Issue.id,
    Issue.cls,
    Issue.estimate,
    Issue.level,
    Issue.parent_id,
    Issue.key,
    *(getattr(Issue, name) for name in BELOW_COLUMNS),
)
SHOWN_COLUMNS = (
    Issue.connection_id,
    Issue.external_id,
    Issue.title,
    Issue.url,
    Issue.issue_type,
    Issue.status_name,
    Issue.assignee,
    Issue.labels,
    Issue.stale_since,
    BusinessAsUsual.category,
)
NO_WORK = ("gone", "unknown")


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link on the sprint's issues or above them."""

    id: str
    key_result_id: str
    issue_id: int
    weight: Fraction
    source: str
    state: str
    rule_id: str | None
    rule: str
    units: int
    done_units: int
    declared_change: Fraction | None


@dataclass(frozen=True, slots=True)
class Served:
    """A key result with its running sums."""

    row: KeyResult
    sums: Sums


def planned_sprints(session: Session, workspace_id: str, ids: Collection[int]) -> list[PlannedSprint]:
    """Read sprints of this workspace, in the order asked for. Raises NotFound if one is not there."""
    rows = session.execute(_sprints(workspace_id).where(Sprint.id.in_(ids))).all()
    found = {row[0].id: planned_sprint(*row) for row in rows}
    if not found or set(found) != set(ids):
        raise NotFound("There is no such sprint.")
    return [found[id_] for id_ in dict.fromkeys(ids)]


def open_sprints(session: Session, workspace_id: str) -> list[PlannedSprint]:
    """Read every active and future sprint of the workspace, the running and the earliest first."""
    query = _sprints(workspace_id).where(Sprint.state.in_(("active", "future")), Connection.state != "uninstalled")
    return sorted((planned_sprint(*row) for row in session.execute(query)), key=in_time)


def in_time(sprint: PlannedSprint) -> tuple[Any, ...]:
    """Order sprints by time: running ones, then dated ones by their start, then the others as they were made."""
    starts = sprint.starts_at.isoformat() if sprint.starts_at is not None else "~"
    number = int(sprint.external_id) if sprint.external_id.isdecimal() else 0
    return (sprint.state != "active", starts, number, sprint.id)


def planned_sprint(sprint: Sprint, connection: Connection) -> PlannedSprint:
    """Return a sprint as the overlay shows it."""
    return PlannedSprint(
        id=sprint.id,
        connection_id=connection.id,
        tracker=connection.tracker,
        site=connection.display_site or connection.site,
        external_id=sprint.external_id,
        name=sprint.name,
        state=sprint.state,
        board=sprint.board,
        board_name=sprint.board_name,
        starts_at=sprint.starts_at,
        ends_at=sprint.ends_at,
        read_at=sprint.read_at,
        offline_since=connection.offline_since,
    )


def issues_held(
    session: Session, workspace_id: str, sprints: Sequence[PlannedSprint], more: Collection[int] = ()
) -> tuple[dict[int, Any], dict[int, int]]:
    """Read the issues of sprints, and `more` by their ids; also which of the sprints each is in (the first named)."""
    inside = or_(*(and_(SprintIssue.connection_id == one.connection_id, SprintIssue.sprint == one.external_id)
                   for one in sprints))  # fmt: skip
    query = (
        select(*NODE_COLUMNS, *SHOWN_COLUMNS, SprintIssue.sprint)
        .outerjoin(BusinessAsUsual, BusinessAsUsual.issue_id == Issue.id)
        .where(Issue.workspace_id == workspace_id, Issue.cls.not_in(NO_WORK))
        .order_by(Issue.id)
    )
    rows = list(session.execute(query.join(SprintIssue, SprintIssue.issue_id == Issue.id).where(inside)))
    place = {(one.connection_id, one.external_id): at for at, one in reversed(list(enumerate(sprints)))}
    held: dict[int, Any] = {}
    at: dict[int, int] = {}
    for row in rows:
        here = place[row.connection_id, row.sprint]
        if row.id not in at or here < at[row.id]:
            held[row.id] = row
            at[row.id] = here
    others = sorted(set(more) - set(held))
    if others:
        outside = query.outerjoin(SprintIssue, SprintIssue.issue_id == Issue.id).where(Issue.id.in_(others))
        held |= {row.id: row for row in session.execute(outside)}
    return held, {id_: sprints[here].id for id_, here in at.items()}


def nodes_above(session: Session, held: Mapping[int, Row[Any]]) -> tuple[dict[IssueId, Node], dict[int, str]]:
    """Return the nodes of issues that were read and of all their ancestors, and the keys of both; one statement."""
    nodes: dict[IssueId, Node] = {id_: node_of(row) for id_, row in held.items()}
    keys = {id_: row.key for id_, row in held.items()}
    parents = {row.parent_id for row in held.values() if row.parent_id is not None} - set(held)
    if not parents:
        return nodes, keys
    for row in session.execute(_and_all_above(), {"ids": sorted(parents)}):
        nodes.setdefault(row.id, node_of(row))
        keys[row.id] = row.key
    return nodes, keys


def all_above(session: Session, ids: Collection[int]) -> Sequence[Row[str, str, int]]:
    """Return every ancestor of these issues: connection, external id, id; one statement."""
    return session.execute(_names_above(), {"ids": sorted(ids)}).all()


def node_of(row: Any) -> Node:
    """Return the node of a row that has NODE_COLUMNS first."""
    return Node(
        id=row[0],
        cls=IssueClass(row[1]),
        estimate=row[2],
        level=row[3],
        named_parent=row[4],
        parent=row[4],
        below=Below(*row[6:12]),
    )


def links_on(session: Session, ids: Collection[int]) -> list[LinkRow]:
    """Read every link on these issues that counts or waits to."""
    rows = session.execute(_links(), {"ids": sorted(ids)})
    return [
        LinkRow(
            id=row.id,
            key_result_id=row.key_result_id,
            issue_id=row.issue_id,
            weight=row.weight,
            source=row.source,
            state=row.state,
            rule_id=row.rule_id,
            rule=f"{row.kind} {row.text}" if row.kind else "",
            units=row.units,
            done_units=row.done_units,
            declared_change=row.declared_change,
        )
        for row in rows
    ]


def units_on(session: Session, ids: Collection[int]) -> list[Unit]:
    """Read the counted units among these issues."""
    rows = session.execute(_units(), {"ids": sorted(ids)})
    return [Unit(row.key_result_id, row.issue_id, row.link_issue_id, row.size, row.credit) for row in rows]


def key_results_served(session: Session, workspace_id: str, ids: Collection[str]) -> dict[str, Served]:
    """Read key results by their ids, with objective, team and sums."""
    return _served(session, _key_results(workspace_id).where(KeyResult.id.in_(sorted(ids))))


def key_results_of_team(session: Session, workspace_id: str, team_id: str, day: date) -> dict[str, Served]:
    """Read the live key results of a team: open, in a cycle that holds `day`."""
    live = _key_results(workspace_id).where(Objective.team_id == team_id, *_live())
    return _served(session, live.where(Cycle.starts_on <= day, Cycle.ends_on >= day))


def blocks_on(session: Session, ids: Collection[int]) -> Sequence[Row[int, str, str, str, int]]:
    """Read the open issues that block these: blocker's id, key, title, address, connection, and the blocked one's id.

    The blocked one is open too; a done issue is blocked by nothing any more.
    """
    return session.execute(_blocks(), {"ids": sorted(ids)}).all()


# Statements are built once: putting a recursive or many-columned query together takes longer than running it.


@cache
def _and_all_above() -> Select[*tuple[Any, ...]]:
    upwards = _upwards()
    return select(*NODE_COLUMNS).join(upwards, upwards.c.id == Issue.id)


@cache
def _names_above() -> Select[str, str, int]:
    upwards = _upwards()
    return (
        select(Issue.connection_id, Issue.external_id, Issue.id)
        .join(upwards, upwards.c.id == Issue.id)
        .where(Issue.id.not_in(bindparam("ids", expanding=True)))
    )


def _upwards() -> CTE:
    upwards = select(Issue.id, Issue.parent_id).where(Issue.id.in_(_ids())).cte("upwards", recursive=True)
    above = aliased(Issue)
    return upwards.union(select(above.id, above.parent_id).join(upwards, above.id == upwards.c.parent_id))


@cache
def _links() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Link.id,
            Link.key_result_id,
            Link.issue_id,
            Link.weight,
            Link.source,
            Link.state,
            Link.rule_id,
            LinkRule.kind,
            LinkRule.text,
            Link.units,
            Link.done_units,
            Link.declared_change,
        )
        .outerjoin(LinkRule, LinkRule.id == Link.rule_id)
        .where(Link.issue_id.in_(_ids()), Link.state != "refused")
        .order_by(Link.issue_id, Link.key_result_id)
    )


@cache
def _units() -> Select[*tuple[Any, ...]]:
    return select(
        CountedUnit.key_result_id,
        CountedUnit.issue_id,
        CountedUnit.link_issue_id,
        CountedUnit.size,
        CountedUnit.credit,
    ).where(CountedUnit.issue_id.in_(_ids()))


@cache
def _blocks() -> Select[int, str, str, str, int]:
    blocker, blocked = aliased(Issue), aliased(Issue)
    return (
        select(blocker.id, blocker.key, blocker.title, blocker.url, Dependency.blocked_id)
        .join(blocker, blocker.id == Dependency.blocker_id)
        .join(blocked, blocked.id == Dependency.blocked_id)
        .where(Dependency.blocked_id.in_(_ids()))
        .where(blocker.cls.in_(("todo", "doing", "unknown")), blocked.cls.in_(("todo", "doing")))
        .order_by(Dependency.blocked_id, blocker.id)
    )


def _ids() -> BindParameter[Any]:
    return bindparam("ids", expanding=True)


def _sprints(workspace_id: str) -> Select[Sprint, Connection]:
    return (
        select(Sprint, Connection)
        .join(Connection, Connection.id == Sprint.connection_id)
        .where(Sprint.workspace_id == workspace_id)
    )


def _key_results(workspace_id: str) -> Select[KeyResult, WorkProgress]:
    return (
        select(KeyResult, WorkProgress)
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .join(Objective.team)
        .outerjoin(WorkProgress, WorkProgress.key_result_id == KeyResult.id)
        .where(KeyResult.workspace_id == workspace_id)
        .options(
            contains_eager(KeyResult.objective).contains_eager(Objective.team),
            contains_eager(KeyResult.objective).contains_eager(Objective.cycle),
        )
    )


def _live() -> Iterable[Any]:
    return (KeyResult.state == "open", Objective.state == "open", Cycle.state == "open")


def _served(session: Session, query: Select[KeyResult, WorkProgress]) -> dict[str, Served]:
    rows = session.execute(query.order_by(Objective.title, KeyResult.title, KeyResult.id))
    return {row.id: Served(row, sums_of(progress) if progress is not None else Sums()) for row, progress in rows}
