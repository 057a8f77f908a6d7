"""The labels of key results on issues that were linked in Ladder, for trackers that offer a label per key result.

The rule that people go by: the label shows the link. An issue gets the label when it is linked, by hand or by a rule,
and loses it when that link goes. A label that somebody puts on links the issue (connector.label_links), and taking that
one off unlinks it again. A link made in Ladder is undone in Ladder: whoever takes its label off only hides it, and it
stays off until the issue is linked or unlinked in Ladder the next time.

What we put on is written down as known before anything else is read of the issue, so it never looks like the doing of
a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.apply import apply_snapshot
from connector.core import Core
from connector.due import settle, waiting
from connector.issues import find_issue
from connector.label_links import SOURCE
from connector.models import Connection, Issue, IssueDue, KeyResult, Link
from connector.offered_labels import WORN, offered_by
from connector.outbox import enqueue
from connector.telemetry import logger
from connector.tracker import IssueSnapshot, TrackerRefused

# Issues that one errand looks at: as many as trackers take at once.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Change:
    """The labels (ids) to put on an issue and to take off it."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def wear_labels(core: Core, connection: Connection) -> int:
    """Bring the labels of one batch of waiting issues in line with their links; return how many were changed.

    The issues are read first, so that a label put on meanwhile links and is not taken off. Raises the tracker's errors,
    but for labels that it refuses: those are left as they are.
    """
    tracker = core.tracker_of(connection)
    with core.database.reading() as session:
        due = waiting(session, WORN, connection.id, BATCH)
        rows = session.execute(
            select(Issue.id, Issue.external_id).where(Issue.id.in_(due), Issue.cls.not_in(("gone", "unknown")))
        ).all()
        offered = _offered(session, connection)
    changed = 0
    if rows and offered and tracker.capabilities.goal_labels:
        snapshots = tracker.fetch_issues(connection, sorted(row.external_id for row in rows))
        with core.database.writing() as session:
            _apply(session, connection, snapshots, core.clock())
            wanted = _changes(session, connection, snapshots, offered)
        for change, external_ids in wanted.items():
            try:
                shown = tracker.put_labels(connection, external_ids, change.add, change.remove)
            except TrackerRefused as error:
                # The labels were retired or merged meanwhile, or exclude each other now: the cards still say it all.
                logger.warning("labels_refused", connection=connection.id, issues=len(external_ids), why=str(error))
                continue
            with core.database.writing() as session:
                _note(session, connection, shown, change)
                _apply(session, connection, shown, core.clock())
            changed += len(shown)
    with core.database.writing() as session:
        settle(session, WORN, due)
        more = select(IssueDue.issue_id).where(IssueDue.connection_id == connection.id, IssueDue.kind == WORN)
        if session.execute(more.limit(1)).first() is not None:
            enqueue(session, connection.id, WORN, "", now=core.clock())
    return changed


def _offered(session: Session, connection: Connection) -> dict[str, str]:
    """Return the labels that are offered now, of key results that can still change: label id -> key result id."""
    labels = offered_by(session.get_one(Connection, connection.id))
    chosen = select(KeyResult.id).where(KeyResult.id.in_(sorted(set(labels.values()))), KeyResult.state == "open")
    live = set(session.scalars(chosen))
    return {label: key_result_id for label, key_result_id in labels.items() if key_result_id in live}


def _changes(
    session: Session, connection: Connection, snapshots: Sequence[IssueSnapshot], offered: Mapping[str, str]
) -> dict[Change, list[str]]:
    """Return which issues need which change. A link that waits for its tracker or was refused changes nothing."""
    labels = {key_result_id: label for label, key_result_id in sorted(offered.items())}
    ids = [one.external_id for one in snapshots]
    rows = session.execute(
        select(Issue.external_id, Link.key_result_id, Link.state, Link.source)
        .join(Link, Link.issue_id == Issue.id)
        .where(Issue.connection_id == connection.id, Issue.external_id.in_(ids))
    ).all()
    linked = {(row.external_id, row.key_result_id) for row in rows}
    shown = {
        (row.external_id, row.key_result_id)
        for row in rows
        if row.state == "active" and row.source != SOURCE and row.key_result_id in labels
    }
    found: dict[Change, list[str]] = {}
    for one in snapshots:
        worn = {offered[label] for label in one.labels if label in offered}
        add = tuple(sorted(labels[id_] for issue, id_ in shown if issue == one.external_id and id_ not in worn))
        remove = tuple(
            sorted(
                label for label in one.labels if label in offered and (one.external_id, offered[label]) not in linked
            )
        )
        if add or remove:
            found.setdefault(Change(add, remove), []).append(one.external_id)
    return found


def _note(session: Session, connection: Connection, shown: Collection[IssueSnapshot], change: Change) -> None:
    """Write down the labels that we changed ourselves; what else is new about the issue is followed as ever."""
    for one in shown:
        issue = find_issue(session, connection.id, one.external_id)
        if issue is not None and (issue.watermark is None or one.updated_at >= issue.watermark):
            issue.labels = sorted({*issue.labels, *change.add} - set(change.remove))


def _apply(session: Session, connection: Connection, snapshots: Sequence[IssueSnapshot], now: datetime) -> None:
    for one in sorted(snapshots, key=lambda one: one.external_id):
        apply_snapshot(session, connection, one, happened_at=one.updated_at, source="labels", now=now, fresh=True)
