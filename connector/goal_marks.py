"""What trackers' own searches know of goals: the mark of each issue, kept current a hundred issues at a time.

Marked are: whatever ladders into a key result, itself or through an issue above it; whatever was declared business as
usual; every other issue of an active or future sprint, as unaligned; and whatever carried a mark once. The rest of a
site, an old backlog of a hundred thousand issues say, is left alone: a search finds it by the mark being empty.

Open work is aligned by live key results only (open, like their objective and cycle). Finished work keeps what it
served when those are closed, so that last quarter can still be searched for.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Insert, Select, Table, and_, bindparam, exists, literal, select, union, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, aliased

from connector.core import Core
from connector.due import TOGETHER, put_back, put_due_where, settle, waiting
from connector.models import (
    BusinessAsUsual,
    Connection,
    Cycle,
    Issue,
    IssueDue,
    KeyResult,
    Link,
    Objective,
    Sprint,
    SprintIssue,
)
from connector.outbox import enqueue
from connector.tracker import GoalMark, IssueUnreadable, TrackerRefused
from connector.turns import take_turn
from mapping.issue_class import ABSENT, OPEN

KIND = "goal_marks"
# Issues that one errand marks: as many as trackers take at once, and few enough that others get their turn.
BATCH = 100
# Links of a chain: more levels than any tracker has, so that a circle ends.
HIGHEST = 40
OPEN_SPRINTS = ("active", "future")
# `Connection.settings`: since when this site's issues are being marked.
MARKED_SINCE = "goal_marks_since"


@dataclass(slots=True)
class Marked:
    """An issue with the mark that belongs to it (None: it needs none) and the one that was shown last."""

    id: int
    external_id: str
    shown: str | None
    mark: GoalMark | None


@dataclass(slots=True)
class _Served:
    objectives: set[str] = field(default_factory=set)
    key_results: set[str] = field(default_factory=set)


def marks_of(session: Session, issue_ids: Collection[int]) -> list[Marked]:
    """Return the marks that issues should carry, by two statements; gone and unheard-of issues are left out."""
    ids = {"ids": sorted(issue_ids)}
    served: dict[int, _Served] = {}
    for row in session.execute(_chains(), ids):
        if row.live or row.cls not in OPEN:
            found = served.setdefault(row.start, _Served())
            found.objectives.add(row.objective)
            found.key_results.add(row.key_result)
    return [
        Marked(row.id, row.external_id, row.shown_goals, _mark(served.get(row.id), row))
        for row in session.execute(_issues(), ids)
    ]


def show_marks(core: Core, connection: Connection) -> int:
    """Bring the marks of one batch of waiting issues up to date; return how many were written.

    What could not be written waits on: raises the tracker's error. If others wait still, the errand is asked for again.
    """
    tracker = core.tracker_of(connection)
    with core.database.reading() as session:
        due = waiting(session, KIND, connection.id, BATCH)
        wanted = marks_of(session, due) if tracker.capabilities.goal_marks else []
    changed = [one for one in wanted if one.mark is not None and content_of(one.mark) != one.shown]
    if changed:
        marks = {one.external_id: one.mark for one in changed if one.mark is not None}
        try:
            tracker.show_goals(connection, marks)
        except (TrackerRefused, IssueUnreadable):
            with core.database.writing() as session:
                put_back(session, KIND, [one.id for one in changed], core.clock())
                settle(session, KIND, {id_: due[id_] for id_ in due.keys() - {one.id for one in changed}})
            raise
    with core.database.writing() as session:
        if changed:
            session.execute(
                update(Issue),
                [{"id": one.id, "shown_goals": content_of(one.mark)} for one in changed if one.mark is not None],
            )
        settle(session, KIND, due)
        more = select(IssueDue.issue_id).where(IssueDue.connection_id == connection.id, IssueDue.kind == KIND)
        if session.execute(more.limit(1)).first() is not None:
            enqueue(session, connection.id, KIND, "", now=core.clock())
    return len(changed)


def look_below(session: Session, issues: Collection[Issue], now: datetime) -> None:
    """Have issues looked at, with everything below them: a link was made or taken away, or what was said of them."""
    marked = _marked_sites(session, Connection.id.in_(sorted({issue.connection_id for issue in issues})))
    ids = sorted(issue.id for issue in issues if issue.connection_id in marked)
    if ids:
        put_due_where(session, KIND, _below(select(Issue.id).where(Issue.id.in_(ids))), now)


def follow_marks(
    session: Session,
    connection: Connection,
    issue: Issue,
    cls_before: str,
    parent_before: int | None,
    *,
    moved: bool,
    now: datetime,
) -> None:
    """Have looked at what the news of an issue may change; `moved`: it went into or out of a sprint."""
    if MARKED_SINCE not in connection.settings:
        return
    placed = issue.raw_parent_id != parent_before or (issue.cls in ABSENT) != (cls_before in ABSENT)
    if placed or moved or (issue.cls in OPEN) != (cls_before in OPEN):
        dialect = session.get_bind().dialect.name
        session.execute(_mark_below(dialect), {"top": issue.id, "errand": KIND, "now": now})
        enqueue(session, connection.id, KIND, "", delay=TOGETHER, now=now)


def look_at_key_results(session: Session, workspace_id: str, key_result_ids: Collection[str], now: datetime) -> None:
    """Have everything looked at that ladders into key results: renamed, closed, reopened, moved."""
    marked = _marked_sites(session, Connection.workspace_id == workspace_id)
    if marked and key_result_ids:
        linked = (
            select(Link.issue_id)
            .join(Issue, Issue.id == Link.issue_id)
            .where(Link.key_result_id.in_(sorted(key_result_ids)), Link.state == "active")
            .where(Issue.connection_id.in_(sorted(marked)))
        )
        put_due_where(session, KIND, _below(linked), now)


def look_at_sprint(session: Session, connection: Connection, external_id: str, now: datetime) -> None:
    """Have the issues of a sprint looked at, which has just become active or planned."""
    if MARKED_SINCE in connection.settings:
        held = select(SprintIssue.issue_id).where(
            SprintIssue.connection_id == connection.id, SprintIssue.sprint == external_id
        )
        put_due_where(session, KIND, held, now)


def begin(session: Session, connection: Connection, now: datetime) -> None:
    """Have everything of a site looked at that needs a mark, once after each installation.

    Until then nothing of the site is looked at, and nothing is missed by that.
    """
    take_turn(session, connection.workspace_id)
    since = connection.settings.get(MARKED_SINCE)
    if isinstance(since, str) and datetime.fromisoformat(since) >= connection.installed_at:
        return
    connection.settings = {**connection.settings, MARKED_SINCE: now.isoformat()}
    # What an earlier installation wrote may be gone with it.
    here = Issue.connection_id == connection.id
    session.execute(update(Issue).where(here, Issue.shown_goals.is_not(None)).values(shown_goals=""))
    linked = select(Link.issue_id).join(Issue, Issue.id == Link.issue_id).where(here, Link.state == "active")
    wanted = union(
        _below(linked),
        select(BusinessAsUsual.issue_id).join(Issue, Issue.id == BusinessAsUsual.issue_id).where(here),
        select(SprintIssue.issue_id).where(_in_open_sprint(), SprintIssue.connection_id == connection.id),
        select(Issue.id).where(here, Issue.shown_goals.is_not(None)),
    ).subquery()
    put_due_where(session, KIND, select(wanted.c[0]), now)


def content_of(mark: GoalMark | None) -> str:
    """Return a mark as it is kept to be compared."""
    if mark is None:
        return ""
    return json.dumps([mark.goal_work, list(mark.objectives), list(mark.key_results)], ensure_ascii=False)


def _marked_sites(session: Session, which: ColumnElement[bool]) -> set[str]:
    """Return those of some connections whose issues are being marked."""
    rows = session.execute(select(Connection.id, Connection.settings).where(which, Connection.state == "active"))
    return {row.id for row in rows if MARKED_SINCE in row.settings}


def _mark(served: _Served | None, row: Any) -> GoalMark | None:
    if served is not None:
        return GoalMark("aligned", tuple(sorted(served.objectives)), tuple(sorted(served.key_results)))
    if row.declared:
        return GoalMark("business as usual")
    return GoalMark("unaligned") if row.in_open_sprint or row.shown_goals is not None else None


def _below(top: Select[Any]) -> Select[Any]:
    """Return the ids of some issues and of all that hang below them."""
    below = top.cte("below", recursive=True)
    child = aliased(Issue)
    # UNION, not UNION ALL: a circle ends, and what two paths reach comes once.
    below = below.union(select(child.id).join(below, child.parent_id == below.c[0]))
    return select(below.c[0])


def _in_open_sprint() -> Any:
    return exists().where(
        and_(
            Sprint.connection_id == SprintIssue.connection_id,
            Sprint.external_id == SprintIssue.sprint,
            Sprint.state.in_(OPEN_SPRINTS),
        )
    )


# Statements are built once: putting a recursive query together takes longer than running it.


@cache
def _mark_below(dialect: str) -> Insert:
    """What put_due_where does for an issue and all below it: every delivery may need it, so it is built beforehand."""
    insert = postgresql_insert if dialect == "postgresql" else sqlite_insert
    moment = bindparam("now", type_=IssueDue.since.type)
    below = _below(select(Issue.id).where(Issue.id == bindparam("top")))
    rows = select(Issue.id, bindparam("errand", type_=IssueDue.kind.type), Issue.connection_id, moment)
    return (
        insert(cast(Table, IssueDue.__table__))
        .from_select(["issue_id", "kind", "connection_id", "since"], rows.where(Issue.id.in_(below)).order_by(Issue.id))
        .on_conflict_do_update(index_elements=["issue_id", "kind"], set_={"since": moment})
    )


@cache
def _chains() -> Select[Any]:
    """Every key result that an active link on an issue's chain of ancestors leads to; the nearest of two to the same
    one gives its weight, but for what it ladders into both say the same. A gone or unknown ancestor ends the chain.
    """
    chain = (
        select(Issue.id.label("start"), Issue.cls, Issue.id, Issue.parent_id, literal(0).label("distance"))
        .where(Issue.id.in_(bindparam("ids", expanding=True)))
        .cte("chain", recursive=True)
    )
    above = aliased(Issue)
    chain = chain.union_all(
        select(chain.c.start, chain.c.cls, above.id, above.parent_id, chain.c.distance + 1)
        .join(chain, above.id == chain.c.parent_id)
        .where(above.cls.not_in(sorted(ABSENT)), chain.c.distance < HIGHEST)
    )
    live = and_(KeyResult.state == "open", Objective.state == "open", Cycle.state == "open")
    return (
        select(
            chain.c.start,
            chain.c.cls,
            KeyResult.title.label("key_result"),
            Objective.title.label("objective"),
            live.label("live"),
        )
        .join(Link, and_(Link.issue_id == chain.c.id, Link.state == "active"))
        .join(KeyResult, KeyResult.id == Link.key_result_id)
        .join(Objective, Objective.id == KeyResult.objective_id)
        .join(Cycle, Cycle.id == Objective.cycle_id)
    )


@cache
def _issues() -> Select[*tuple[Any, ...]]:
    planned = exists().where(SprintIssue.issue_id == Issue.id, _in_open_sprint())
    return (
        select(
            Issue.id,
            Issue.external_id,
            Issue.shown_goals,
            BusinessAsUsual.issue_id.is_not(None).label("declared"),
            planned.label("in_open_sprint"),
        )
        .outerjoin(BusinessAsUsual, BusinessAsUsual.issue_id == Issue.id)
        .where(Issue.id.in_(bindparam("ids", expanding=True)), Issue.cls.not_in(sorted(ABSENT)))
        .order_by(Issue.id)
    )
