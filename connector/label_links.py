"""Linking from inside a tracker: it offers a label per key result; putting one on an issue links it.

The labels are known by their ids, so people may rename them as they like. A link that somebody made by hand is never
taken away by a label. The other way round, from links to labels: connector.worn_labels.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.core import Core
from connector.due import put_due, put_due_where
from connector.goal_marks import KIND as MARKS
from connector.goal_marks import MARKED_SINCE, begin
from connector.links import LinkRefused, link_issue, unlink
from connector.models import Connection, Cycle, Issue, KeyResult, Link, Objective
from connector.offered_labels import GOAL_LABELS, WORN, can_show_goals, marking_labels, offered_by
from connector.outbox import enqueue
from connector.telemetry import logger

SOURCE = "label"
# `Connection.settings`: since when links made in Ladder show as labels here.
WORN_SINCE = "worn_labels_since"
# Seconds, after which a label that marks what an issue is gets set right, if somebody changed it.
SET_RIGHT_AFTER = 300.0
# Trackers cut names at different lengths; this fits everywhere, and reads in a list.
LONGEST_NAME = 80


def follow_labels(
    session: Session,
    connection: Connection,
    issue: Issue,
    before: Collection[str],
    *,
    actor: str,
    now: datetime,
) -> None:
    """Link or unlink an issue by the labels that it got or lost since `before` (label ids)."""
    if issue.cls in ("gone", "unknown"):
        return
    if marking_labels(connection) & (set(before) ^ set(issue.labels)):
        # They say what we know and nobody else does. Not at once: somebody's automation may think otherwise, and the
        # two of them must not chase each other.
        issue.shown_goals = ""
        put_due(session, MARKS, [issue.id], now, delay=SET_RIGHT_AFTER)
    offered = offered_by(connection)
    had = {offered[label] for label in before if label in offered}
    has = {offered[label] for label in issue.labels if label in offered}
    for key_result_id in sorted(has - had):
        _link(session, connection, issue, key_result_id, actor=actor, now=now)
    for key_result_id in sorted(had - has):
        _unlink(session, connection, issue, key_result_id, actor=actor, now=now)


def names_of_labels(session: Session, workspace_id: str) -> dict[str, str]:
    """Return the label's name for each open key result of an open cycle; no two names are alike."""
    rows = session.execute(
        select(KeyResult.id, KeyResult.title, Objective.title.label("objective"))
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
        .order_by(KeyResult.created_at, KeyResult.id)
    ).all()
    names: dict[str, str] = {}
    taken: set[str] = set()
    for row in rows:
        name, number = _cut(row.title), 1
        while name.casefold() in taken:
            number += 1
            name = _cut(row.title, f" ({number})")
        taken.add(name.casefold())
        names[row.id] = name
    return names


def sync_labels(core: Core, connection: Connection) -> None:
    """Make the tracker's labels those of the key results that can be linked now; raises the tracker's errors."""
    tracker = core.tracker_of(connection)
    if not tracker.capabilities.goal_labels:
        return
    with core.database.reading() as session:
        wanted = names_of_labels(session, connection.workspace_id)
        known: dict[str, Any] = session.get_one(Connection, connection.id).settings.get(GOAL_LABELS) or {}
        done = WORN_SINCE in session.get_one(Connection, connection.id).settings
    offered = tracker.sync_goal_labels(connection, wanted, known)
    if offered == known and done:
        return
    lost = sorted(set(known.get("labels", {})) - set(offered.get("labels", {})))
    if lost:
        logger.info("goal_labels_gone", connection=connection.id, labels=lost)
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id, with_for_update=True)
        now = core.clock()
        row.settings = {**row.settings, GOAL_LABELS: offered, WORN_SINCE: row.settings.get(WORN_SINCE, now.isoformat())}
        fresh = set(offered.get("labels", {})) - set(known.get("labels", {}) if done else ())
        _show_links(session, row, {offered["labels"][label] for label in fresh}, now)
        if can_show_goals(row, tracker.capabilities) and offered.get("marks") != known.get("marks"):
            # What showed them is gone or new: everything is marked once more.
            row.settings = {name: value for name, value in row.settings.items() if name != MARKED_SINCE}
            begin(session, row, now)


def offer_labels(session: Session, workspace_id: str) -> None:
    """Have every tracker of the workspace that offers labels bring them up to date."""
    rows = session.execute(
        select(Connection.id, Connection.settings)
        .where(Connection.workspace_id == workspace_id, Connection.state == "active")
        .order_by(Connection.id)
    )
    for connection_id, settings in rows.all():
        if GOAL_LABELS in settings:
            enqueue(session, connection_id, "sync_goal_labels", "labels")


def _show_links(session: Session, connection: Connection, key_result_ids: Collection[str], now: datetime) -> None:
    """Have the issues looked at that are linked to these key results, whose labels are new."""
    if key_result_ids:
        linked = (
            select(Link.issue_id)
            .join(Issue, Issue.id == Link.issue_id)
            .where(Issue.connection_id == connection.id, Link.key_result_id.in_(sorted(key_result_ids)))
            .where(Link.state == "active", Link.source != SOURCE)
        )
        put_due_where(session, WORN, linked, now)


def _link(
    session: Session, connection: Connection, issue: Issue, key_result_id: str, *, actor: str, now: datetime
) -> None:
    try:
        link_issue(session, connection.workspace_id, key_result_id, issue, actor=actor, now=now, source=SOURCE)
    except LinkRefused as refusal:
        # Linked by hand already, or the key result was closed a moment ago: the label then says nothing new.
        logger.info("label_not_followed", issue=issue.key, key_result=key_result_id, reason=refusal.reason)
        return
    # What hangs below it may never have been heard of.
    enqueue(session, connection.id, "fetch_subtree", issue.external_id)


def _unlink(
    session: Session, connection: Connection, issue: Issue, key_result_id: str, *, actor: str, now: datetime
) -> None:
    link_id = session.scalars(
        select(Link.id)
        .join(KeyResult, KeyResult.id == Link.key_result_id)
        .where(Link.issue_id == issue.id, Link.key_result_id == key_result_id, Link.source == SOURCE)
        .where(KeyResult.state == "open")
    ).one_or_none()
    if link_id is not None:
        unlink(session, connection.workspace_id, link_id, actor=actor, now=now)


def _cut(title: str, ending: str = "") -> str:
    clean = " ".join(title.split())
    room = LONGEST_NAME - len(ending)
    return (clean if len(clean) <= room else clean[: room - 1].rstrip() + "…") + ending
