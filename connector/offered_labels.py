"""The labels that a connection offers, one per key result, and the issues whose labels must be looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.due import put_due
from connector.models import Connection, Issue
from connector.tracker import Capabilities

# `Connection.settings`: what the tracker returned from `sync_goal_labels`; present on connections that offer labels.
GOAL_LABELS = "goal_labels"
# The errand (and kind of IssueDue) that brings labels in line with links: connector.worn_labels.
WORN = "worn_labels"


def offered_by(connection: Connection) -> Mapping[str, str]:
    """Return the labels that are offered: label id -> key result id."""
    labels: Mapping[str, str] = (connection.settings.get(GOAL_LABELS) or {}).get("labels") or {}
    return labels


def can_show_goals(connection: Connection, capabilities: Capabilities) -> bool:
    """Tell whether a tracker's searches can know goals now: one that knows them by labels needs these first."""
    if not capabilities.goal_marks:
        return False
    return not capabilities.goal_labels or bool((connection.settings.get(GOAL_LABELS) or {}).get("marks"))


def marking_labels(connection: Connection) -> frozenset[str]:
    """Return the labels (ids) by which the tracker knows goals, where it does so by labels."""
    marks: Mapping[str, Mapping[str, str]] = (connection.settings.get(GOAL_LABELS) or {}).get("marks") or {}
    return frozenset((marks.get("labels") or {}).values())


def look_at_labels(session: Session, issues: Collection[Issue], now: datetime) -> None:
    """Have the labels of issues looked at: a link was made or taken away."""
    chosen = select(Connection).where(Connection.id.in_(sorted({issue.connection_id for issue in issues})))
    offering = {one.id for one in session.scalars(chosen) if one.state == "active" and offered_by(one)}
    ids = [issue.id for issue in issues if issue.connection_id in offering and issue.cls not in ("gone", "unknown")]
    if ids:
        put_due(session, WORN, ids, now)
