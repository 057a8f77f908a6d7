"""Turn what a tracker reported into snapshots, moved key results, ledger rows and errands, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Literal

from sqlalchemy.orm import Session

from connector.core import Core
from connector.dependencies import follow_dependencies
from connector.goal_marks import follow_marks, look_below
from connector.issues import ensure_issue, ensure_issue_noting_news, find_issue
from connector.label_links import follow_labels
from connector.ledger import Occasion, pass_labels_on, record_work
from connector.models import Connection, InboxEntry, Issue
from connector.outbox import enqueue
from connector.rules.following import follow_rules
from connector.sprints import apply_sprint, follow_sprints
from connector.store import SqlStore
from connector.tracker import (
    Event,
    Ignored,
    IssueChanged,
    IssueDeleted,
    IssueSnapshot,
    IssueTouched,
    SprintChanged,
    Unsupported,
)
from connector.turns import take_turn
from mapping.forest import Issue as IssueRecord
from mapping.issue_class import ABSENT, IssueClass
from mapping.ledger import Cause, apply_issue

Applied = Literal["applied", "repeated", "late", "asked_again"]


def apply_entry(core: Core, session: Session, entry: InboxEntry) -> str:
    """Apply one accepted delivery within the caller's transaction; return its outcome in words for people and metrics.

    Outcomes: handled, late, repeated, asked_again (to be read again), ignored:<reason>, unsupported:<what>. Raises
    BadDelivery when the body makes no sense.
    """
    connection = session.get_one(Connection, entry.connection_id)
    if connection.state == "uninstalled":
        return "ignored:uninstalled"
    events = core.tracker_of(connection).parse(connection, entry.kind, entry.body)
    now = core.clock()
    take_turn(session, connection.workspace_id)
    source = entry.delivery_key
    outcomes = [apply_event(session, connection, event, source=source, now=now) for event in _sorted(events)]
    connection.last_event_at = max(entry.received_at, connection.last_event_at or entry.received_at)
    return _summary(outcomes)


def apply_event(session: Session, connection: Connection, event: Event, *, source: str, now: datetime) -> str:
    """Apply one event; return its outcome."""
    match event:
        case IssueChanged(snapshot=snapshot, happened_at=happened_at, actor=actor):
            return apply_snapshot(
                session, connection, snapshot, happened_at=happened_at, actor=actor, source=source, now=now
            )
        case IssueDeleted():
            return apply_deletion(session, connection, event, source=source, now=now)
        case IssueTouched(external_id=external_id):
            enqueue(session, connection.id, "fetch_issue", external_id)
            return "asked_again"
        case SprintChanged():
            return apply_sprint(session, connection, event)
        case Ignored(reason=reason):
            return f"ignored:{reason}"
        case Unsupported(what=what):
            return f"unsupported:{what}"


def apply_snapshot(
    session: Session,
    connection: Connection,
    snapshot: IssueSnapshot,
    *,
    happened_at: datetime,
    source: str,
    now: datetime,
    actor: str = "",
    fresh: bool = False,
    rule_changed: bool = False,
) -> Applied:
    """Make an issue look as reported, unless we know something newer.

    The tracker's own update time decides, so deliveries may come twice and in any order. Two different reports of the
    same moment can't be put in order: the issue is read again. `fresh` marks such a reading, which settles the tie.
    `rule_changed` says that issues are being read by other settings: what moves on an issue that did not change itself
    moves now and for that cause, never as work done.
    """
    take_turn(session, connection.workspace_id)
    issue, is_new = ensure_issue_noting_news(session, connection, snapshot.external_id)
    content = _content_hash(snapshot)
    if issue.watermark is not None:
        if snapshot.updated_at < issue.watermark:
            return "late"
        if snapshot.updated_at == issue.watermark:
            if content == issue.content_hash:
                issue.stale_since = issue.stale_reason = None
                follow_dependencies(session, connection, issue, snapshot.blocked_by)
                return "repeated"
            # A tombstone's time is its deletion: whatever else was said of that moment came before it.
            if issue.cls == IssueClass.GONE:
                return "late"
            if not fresh:
                enqueue(session, connection.id, "fetch_issue", snapshot.external_id)
                return "asked_again"
    by_rule = rule_changed and issue.watermark == snapshot.updated_at
    labels_before, sprints_before = list(issue.labels), list(issue.sprints)
    place_before = (issue.cls, issue.raw_parent_id)
    _describe(issue, snapshot)
    issue.watermark, issue.content_hash = snapshot.updated_at, content
    issue.stale_since = issue.stale_reason = None
    parent = None
    if snapshot.parent_external_id is not None:
        parent = ensure_issue(session, connection, snapshot.parent_external_id)
        if parent.watermark is None and parent.cls == IssueClass.UNKNOWN:
            enqueue(session, connection.id, "fetch_issue", parent.external_id)
    session.flush()
    after = IssueRecord(IssueClass(snapshot.cls), snapshot.estimate, parent.id if parent else None, snapshot.level)
    if is_new and parent is None:
        # Nothing is linked here or above, nor hangs below: no number can move, so nobody need ask which.
        issue.cls, issue.estimate, issue.level = after.cls.value, after.estimate, after.level
        session.flush()
    else:
        occasion = Occasion("", actor, now if by_rule else happened_at, now, source)
        _move(session, issue, after, occasion, Cause.RULE_CHANGED if by_rule else None)
    if issue.sprints != sprints_before:
        follow_sprints(session, issue, sprints_before)
    follow_marks(session, connection, issue, *place_before, moved=issue.sprints != sprints_before, now=now)
    follow_dependencies(session, connection, issue, snapshot.blocked_by)
    if issue.labels != labels_before:
        follow_labels(session, connection, issue, labels_before, actor=actor, now=now)
    follow_rules(session, connection, issue, labels_before, now=now)
    return "applied"


def apply_deletion(
    session: Session, connection: Connection, event: IssueDeleted, *, source: str, now: datetime
) -> Applied:
    """Keep a tombstone for a deleted issue, so that news from before its deletion cannot bring it back."""
    take_turn(session, connection.workspace_id)
    issue = ensure_issue(session, connection, event.external_id)
    if issue.watermark is not None and event.happened_at < issue.watermark:
        return "late"
    if issue.cls == IssueClass.GONE:
        return "repeated"
    issue.watermark, issue.content_hash = event.happened_at, ""
    issue.stale_since = issue.stale_reason = None
    gone = IssueRecord(IssueClass.GONE, issue.estimate, issue.raw_parent_id, issue.level)
    _move(session, issue, gone, Occasion("", event.actor, event.happened_at, now, source))
    look_below(session, [issue], now)
    follow_rules(session, connection, issue, now=now)
    return "applied"


def mark_stale(session: Session, connection: Connection, external_id: str, reason: str, now: datetime) -> None:
    """Note that an issue could not be read: its last known class stands, and people see since when and why."""
    issue = find_issue(session, connection.id, external_id)
    if issue is not None and issue.stale_since is None and issue.cls != IssueClass.GONE:
        issue.stale_since, issue.stale_reason = now, reason[:200]


def _move(
    session: Session,
    issue: Issue,
    after: IssueRecord,
    occasion: Occasion,
    cause: Cause | None = None,
) -> None:
    """Bring place, size and class to what was reported; each step is written down under its own cause, or `cause`."""
    store = SqlStore(session, issue.workspace_id, occasion.learned_at)
    details = {"from": issue.cls, "to": after.cls.value}, {"from": _text(issue.estimate), "to": _text(after.estimate)}
    movements, changes = apply_issue(store, issue.id, after)
    store.flush()
    for movement in movements:
        detail = details[movement.cause is Cause.RESIZED]
        record_work(session, [movement.change], occasion.because(cause or movement.cause, detail), issue)
    pass_labels_on(session, changes)
    if changes and issue.shown_label is None and after.cls not in ABSENT:
        # It ladders into a key result now, so its panel gets a label without anybody having to open it.
        enqueue(session, issue.connection_id, "show_label", issue.external_id)


def _describe(issue: Issue, snapshot: IssueSnapshot) -> None:
    issue.key = snapshot.key
    issue.title = snapshot.title
    issue.url = snapshot.url
    issue.issue_type = snapshot.issue_type
    issue.status_name = snapshot.status_name
    issue.project_key = snapshot.project_key
    issue.assignee = snapshot.assignee
    issue.labels = sorted(snapshot.labels)
    issue.sprints = sorted(snapshot.sprints)


def _content_hash(snapshot: IssueSnapshot) -> str:
    said = repr(
        (
            snapshot.key,
            snapshot.title,
            snapshot.cls,
            snapshot.level,
            snapshot.estimate,
            snapshot.parent_external_id,
            snapshot.status_name,
            snapshot.assignee,
            sorted(snapshot.labels),
            sorted(snapshot.sprints),
        )
    )
    return hashlib.sha256(said.encode()).hexdigest()


def _sorted(events: Sequence[Event]) -> list[Event]:
    # In one order everywhere, so that two transactions never wait for each other's rows.
    return sorted(events, key=lambda event: str(getattr(event, "external_id", "")))


def _text(number: Fraction | None) -> str | None:
    return None if number is None else str(number)


def _summary(outcomes: Sequence[str]) -> str:
    if not outcomes:
        return "ignored:nothing_in_it"
    for telling in ("applied", "asked_again"):
        if telling in outcomes:
            return "handled" if telling == "applied" else telling
    return outcomes[0]
