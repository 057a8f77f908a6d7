"""A short text that changes whenever a page would look different: what the live pages ask for every second."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from connector.models import (
    CheckIn,
    Connection,
    Cycle,
    InboxEntry,
    Issue,
    KeyResult,
    LedgerEntry,
    Link,
    LinkRule,
    Milestone,
    Objective,
    OutboxEntry,
    Person,
    RuleException,
    RuleMatch,
    Team,
    WorkProgress,
)


def goals_revision(session: Session, workspace_id: str, day: date, role: str) -> str:
    """Return the revision of everything that any page about goals shows to a role; one statement, no row is loaded."""
    counted = [
        *_count_and_sum(Cycle, workspace_id, Cycle.version),
        *_count_and_sum(Team, workspace_id, Team.version),
        *_count_and_sum(Person, workspace_id, Person.version),
        *_count_and_sum(Objective, workspace_id, Objective.version),
        *_count_and_sum(KeyResult, workspace_id, KeyResult.version),
        *_count_and_sum(Milestone, workspace_id, Milestone.version),
        *_count_and_sum(CheckIn, workspace_id, CheckIn.version),
        *_count_and_sum(WorkProgress, workspace_id, WorkProgress.revision),
        _one(select(func.max(LedgerEntry.id)).where(LedgerEntry.workspace_id == workspace_id)),
    ]
    return _digest(session.execute(select(*counted)).one(), day, role)


def key_result_revision(session: Session, workspace_id: str, key_result_id: str, day: date, role: str) -> str:
    """Return the revision of one key result's page: the goals' one, and its links with their issues as last read."""
    mine = (Link.workspace_id == workspace_id, Link.key_result_id == key_result_id)
    links = select(
        func.count(Link.id), func.sum(Link.version), func.max(Link.state), func.count(Link.waiting_since)
    ).where(*mine)
    issues = select(func.max(Issue.watermark), func.count(Issue.stale_since), func.sum(func.length(Issue.cls)))
    issues = issues.join(Link, Link.issue_id == Issue.id).where(*mine)
    offline = select(func.max(Connection.offline_since)).where(Connection.workspace_id == workspace_id)
    rules = select(func.count(LinkRule.id), func.sum(LinkRule.version), func.max(LinkRule.ran_at),
                   func.count(LinkRule.trouble), func.sum(func.length(LinkRule.state)))  # fmt: skip
    matched = (
        select(func.count(), func.count(Link.id))
        .select_from(RuleMatch)
        .join(LinkRule, LinkRule.id == RuleMatch.rule_id)
        .outerjoin(Link, (Link.rule_id == RuleMatch.rule_id) & (Link.issue_id == RuleMatch.issue_id))
        .where(LinkRule.key_result_id == key_result_id)
    )
    excepted = select(func.count()).where(RuleException.key_result_id == key_result_id)
    return _digest(
        goals_revision(session, workspace_id, day, role),
        session.execute(links).one(),
        session.execute(issues).one(),
        session.execute(rules.where(LinkRule.key_result_id == key_result_id)).one(),
        session.execute(matched).one(),
        session.scalar(excepted),
        session.scalar(offline),
    )


def connections_revision(session: Session, workspace_id: str, role: str) -> str:
    """Return the revision of the connections page."""
    known = session.execute(
        select(
            Connection.id,
            Connection.state,
            Connection.version,
            Connection.last_event_at,
            Connection.last_reconcile_at,
            Connection.offline_since,
            Connection.paused_until,
            Connection.trouble,
        )
        .where(Connection.workspace_id == workspace_id)
        .order_by(Connection.id)
    ).all()
    ids = [row.id for row in known]
    waiting = [
        session.execute(
            select(table.connection_id, table.state, func.count(), func.max(table.attempts))
            .where(table.connection_id.in_(ids), table.state != "done")
            .group_by(table.connection_id, table.state)
            .order_by(table.connection_id, table.state)
        ).all()
        for table in (InboxEntry, OutboxEntry)
    ]
    return _digest(known, waiting, role)


def _count_and_sum(model: Any, workspace_id: str, column: Any) -> list[ColumnElement[Any]]:
    mine = model.workspace_id == workspace_id
    return [_one(select(func.count()).select_from(model).where(mine)), _one(select(func.sum(column)).where(mine))]


def _one(query: Select[Any]) -> ColumnElement[Any]:
    return query.scalar_subquery()


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
