"""Reading sprints from their trackers: which there are, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from connector.apply import apply_deletion, apply_snapshot
from connector.core import Core
from connector.models import Connection, Dependency, Issue, Sprint, SprintIssue
from connector.outbox import enqueue
from connector.planning.held_work import in_time, planned_sprint
from connector.planning.plan import PlannedSprint
from connector.sprints import apply_sprint
from connector.tracker import SprintChanged, TrackerUnavailable

# Webhooks keep a sprint current; what one of them missed is found when somebody looks, this long after the last look.
READ_AGAIN_AFTER = timedelta(minutes=5)


def sprints_of_board(core: Core, connection: Connection, board: str | None) -> list[PlannedSprint]:
    """Return the active and future sprints of a board (of every board, with None), running and earliest first.

    The tracker is asked and what it says is kept; while it does not answer, what is known already has to do.
    """
    tracker = core.tracker_of(connection)
    if tracker.capabilities.sprints:
        try:
            told: Sequence[SprintChanged] | None = tracker.sprints(connection, board)
        except TrackerUnavailable:
            told = None
        if told is not None:
            with core.database.writing() as session:
                for one in told:
                    apply_sprint(session, connection, one)
                if board:
                    _close_the_others(session, connection.id, board, [one.external_id for one in told])
    with core.database.reading() as session:
        query = select(Sprint).where(Sprint.connection_id == connection.id, Sprint.state.in_(("active", "future")))
        if board:
            query = query.where(Sprint.board == board)
        row = session.get_one(Connection, connection.id)
        return sorted((planned_sprint(one, row) for one in session.scalars(query)), key=in_time)


def _close_the_others(session: Session, connection_id: str, board: str, told: Collection[str]) -> None:
    """What a board lists as open no more has been closed, or deleted, and the news of it went past us."""
    session.execute(
        update(Sprint)
        .where(Sprint.connection_id == connection_id, Sprint.board == board, Sprint.external_id.not_in(told))
        .where(Sprint.state.in_(("active", "future")))
        .values(state="closed")
    )


def sprint_by_external_id(core: Core, connection: Connection, external_id: str) -> int | None:
    """Return our id of a sprint, asking the tracker for its sprints where it was never heard of; None if it is not one.

    Raises the tracker's errors only if nothing is known.
    """
    found = _find(core, connection, external_id)
    if found is None and core.tracker_of(connection).capabilities.sprints:
        told = core.tracker_of(connection).sprints(connection, None)
        with core.database.writing() as session:
            for one in told:
                apply_sprint(session, connection, one)
        found = _find(core, connection, external_id)
    return found


def _find(core: Core, connection: Connection, external_id: str) -> int | None:
    with core.database.reading() as session:
        return session.scalars(
            select(Sprint.id).where(Sprint.connection_id == connection.id, Sprint.external_id == external_id)
        ).one_or_none()


def refresh_sprint(core: Core, connection: Connection, external_id: str) -> int:
    """Read every issue of a sprint, and again those that are not in it any more; return how many it holds.

    Blockers outside of it that were only named so far are read later.

    Each page is a transaction of its own, so that a large sprint keeps nobody from writing. Raises the tracker's
    errors.
    """
    tracker = core.tracker_of(connection)
    with core.database.reading() as session:
        before = set(_held(session, connection.id, external_id))
    told: set[str] = set()
    for page in tracker.sprint_issues(connection, external_id):
        with core.database.writing() as session:
            now = core.clock()
            for snapshot in sorted(page.snapshots, key=lambda one: one.external_id):
                told.add(snapshot.external_id)
                apply_snapshot(
                    session, connection, snapshot, happened_at=snapshot.updated_at, source="sprint", now=now, fresh=True
                )
            for gone in page.gone:
                apply_deletion(session, connection, gone, source="sprint", now=now)
    with core.database.writing() as session:
        for unread in sorted((before - told) | set(_unread_blockers(session, connection.id, external_id))):
            enqueue(session, connection.id, "fetch_issue", unread, now=core.clock())
        row = session.scalars(
            select(Sprint).where(Sprint.connection_id == connection.id, Sprint.external_id == external_id)
        ).one_or_none()
        if row is not None:
            row.read_at = core.clock()
    return len(told)


def look_again(core: Core, sprints: Collection[PlannedSprint]) -> None:
    """Have sprints read again that nobody has looked at for a while; answers at once."""
    now = core.clock()
    old = [one for one in sprints if one.read_at is None or now - one.read_at > READ_AGAIN_AFTER]
    if not old:
        return
    with core.database.writing() as session:
        for one in old:
            connection = session.get_one(Connection, one.connection_id)
            if connection.state == "active" and core.tracker_of(connection).capabilities.sprints:
                enqueue(session, one.connection_id, "read_sprint", one.external_id, now=now)


def planned_issue_ids(session: Session, workspace_id: str, sprint_ids: Collection[int]) -> dict[str, dict[str, int]]:
    """Return the issues of sprints by connection: external id -> our id, to ask a tracker what somebody may see."""
    rows = session.execute(
        select(Issue.connection_id, Issue.external_id, Issue.id)
        .join(SprintIssue, SprintIssue.issue_id == Issue.id)
        .join(Sprint, (Sprint.connection_id == SprintIssue.connection_id) & (Sprint.external_id == SprintIssue.sprint))
        .where(Sprint.workspace_id == workspace_id, Sprint.id.in_(sorted(sprint_ids)))
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.connection_id, {})[row.external_id] = row.id
    return found


def _held(session: Session, connection_id: str, external_id: str) -> Sequence[str]:
    return session.scalars(
        select(Issue.external_id)
        .join(SprintIssue, SprintIssue.issue_id == Issue.id)
        .where(SprintIssue.connection_id == connection_id, SprintIssue.sprint == external_id)
        .where(Issue.cls.not_in(("gone", "unknown")))
    ).all()


def _unread_blockers(session: Session, connection_id: str, external_id: str) -> Sequence[str]:
    """What blocks issues of the sprint and was only named so far: people want to read its title."""
    return session.scalars(
        select(Issue.external_id)
        .join(Dependency, Dependency.blocker_id == Issue.id)
        .join(SprintIssue, SprintIssue.issue_id == Dependency.blocked_id)
        .where(SprintIssue.connection_id == connection_id, SprintIssue.sprint == external_id)
        .where(Issue.cls == "unknown")
        .distinct()
    ).all()
