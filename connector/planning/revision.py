"""A mark of everything that an overlay shows, so that a page can ask whether anything changed without drawing it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Select, and_, bindparam, func, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from connector.models import (
    BusinessAsUsual,
    Connection,
    Cycle,
    Dependency,
    Issue,
    KeyResult,
    Link,
    Objective,
    SprintIssue,
    Team,
    WorkProgress,
    Workspace,
)
from connector.planning import held_work
from connector.planning.plan import PlannedSprint
from connector.planning.sprint_choice import BOARD_TEAMS, alongside, following
from connector.scorecard import today


def plan_revision(
    session: Session,
    workspace_id: str,
    sprint_ids: Sequence[int],
    now: datetime,
    *,
    team_id: str | None = None,
    beside_next: bool = False,
) -> str:
    """Return the present revision of an overlay; equal to what `read_plan` would carry. Raises NotFound."""
    sprints = held_work.planned_sprints(session, workspace_id, sprint_ids)
    open_ones = held_work.open_sprints(session, workspace_id)
    nexts = following(sprints, open_ones)
    parts: list[object] = [
        today(session.get_one(Workspace, workspace_id), now),
        team_id,
        beside_next,
        [_said_of(one) for one in [*sprints, *nexts, *alongside(sprints, open_ones)]],
        (session.get_one(Connection, sprints[0].connection_id).settings.get(BOARD_TEAMS) or {}).get(sprints[0].board),
    ]
    inside = or_(
        *(
            and_(SprintIssue.connection_id == one.connection_id, SprintIssue.sprint == one.external_id)
            for one in [*sprints, *(nexts if beside_next else ())]
        )
    )
    rows = session.execute(
        select(Issue.id, Issue.parent_id, Issue.cls, Issue.watermark, Issue.stale_since, BusinessAsUsual.category)
        .join(SprintIssue, SprintIssue.issue_id == Issue.id)
        .outerjoin(BusinessAsUsual, BusinessAsUsual.issue_id == Issue.id)
        .where(inside)
        .order_by(Issue.id, SprintIssue.sprint)
    ).all()
    parts += [tuple(row) for row in rows]
    if rows:
        ids = sorted({row.id for row in rows})
        parts += [tuple(row) for row in session.execute(_links_and_above(), {"ids": ids})]
        parts += [tuple(row) for row in session.execute(_blocks(), {"ids": ids})]
    parts += [tuple(row) for row in session.execute(_marks(), {"workspace_id": workspace_id})]
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def _said_of(one: PlannedSprint) -> tuple[object, ...]:
    dates = one.starts_at, one.ends_at
    return one.id, one.name, one.board_name, one.state, *dates, one.read_at is None, one.offline_since


# Statements are built once: putting a recursive query together takes longer than running it.


@cache
def _links_and_above() -> Select[*tuple[Any, ...]]:
    start = select(Issue.id, Issue.parent_id).where(Issue.id.in_(bindparam("ids", expanding=True)))
    chain = start.cte("upwards", recursive=True)
    above = aliased(Issue)
    chain = chain.union(select(above.id, above.parent_id).join(chain, above.id == chain.c.parent_id))
    marked = select(Link.id, Link.version, Link.state, Link.rule_id)
    return marked.where(Link.issue_id.in_(select(chain.c.id))).order_by(Link.id)


@cache
def _blocks() -> Select[*tuple[Any, ...]]:
    blocker = aliased(Issue)
    return (
        select(Dependency.blocked_id, Dependency.blocker_id, blocker.cls)
        .join(blocker, blocker.id == Dependency.blocker_id)
        .where(Dependency.blocked_id.in_(bindparam("ids", expanding=True)))
        .order_by(Dependency.blocked_id, Dependency.blocker_id)
    )


@cache
def _marks() -> CompoundSelect[*tuple[Any, ...]]:
    """Sums that grow whenever goals are edited or a number moves."""
    workspace_id: BindParameter[str] = bindparam("workspace_id")
    versions = [
        select(func.count(), func.coalesce(func.sum(table.version), 0)).where(table.workspace_id == workspace_id)
        for table in (Objective, KeyResult, Team, Cycle)
    ]
    moved = select(func.count(), func.coalesce(func.sum(WorkProgress.revision), 0))
    return union_all(*versions, moved.where(WorkProgress.workspace_id == workspace_id))
