"""What the outbox can be asked to do at a tracker. Each errand may be done twice without harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import and_, or_, select

from connector.apply import apply_snapshot, mark_stale
from connector.cards import refresh_cards, show_cards
from connector.core import Core
from connector.goal_marks import begin, show_marks
from connector.label_links import sync_labels
from connector.linking import confirm_waiting_link, read_subtree
from connector.measuring import measure_key_result
from connector.models import Connection, CountedUnit, Issue, Link, OutboxEntry
from connector.offered_labels import WORN, can_show_goals
from connector.outbox import enqueue
from connector.panel_label import kept, label_of_issue, label_of_key_result
from connector.planning.sprint_link import show_sprint_link
from connector.planning.sprints import look_again, refresh_sprint, sprints_of_board
from connector.rules.running import ask_about_changes, run_rule
from connector.site_settings import reread_issues
from connector.tracker import IssueUnreadable
from connector.worn_labels import wear_labels

Errand = Callable[[Core, Connection, OutboxEntry], None]

# One page of a key result's links is looked at per transaction, so that a key result with thousands of links does
# not keep others from writing.
LABEL_BATCH = 200


def fetch_issue(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Read one issue again; what cannot be read is marked stale, never taken for gone."""
    try:
        snapshot = core.tracker_of(connection).fetch_issue(connection, entry.subject)
    except IssueUnreadable as error:
        with core.database.writing() as session:
            mark_stale(session, connection, entry.subject, str(error), core.clock())
        return
    with core.database.writing() as session:
        apply_snapshot(
            session, connection, snapshot, happened_at=snapshot.updated_at, source="read", now=core.clock(), fresh=True
        )


def fetch_subtree(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Read everything that hangs below an issue."""
    read_subtree(core, connection, entry.subject)


def confirm_link(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Ask what could not be asked when the link was made, then let it count or refuse it."""
    confirm_waiting_link(core, connection, entry.subject)


def show_label(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Put the right label on one issue's panel, or the right cards on it; nothing is sent that is there already."""
    tracker = core.tracker_of(connection)
    if tracker.capabilities.cards:
        try:
            show_cards(core, connection, entry.subject)
        except IssueUnreadable as error:
            with core.database.writing() as session:
                mark_stale(session, connection, entry.subject, str(error), core.clock())
    if not tracker.capabilities.panel_label:
        return
    with core.database.reading() as session:
        issue = session.scalars(
            select(Issue).where(Issue.connection_id == connection.id, Issue.external_id == entry.subject)
        ).one_or_none()
        if issue is None or issue.cls in ("gone", "unknown"):
            return
        label = label_of_issue(session, issue, core.clock())
    wanted = kept(label)
    if wanted == issue.shown_label:
        return
    tracker.show_label(connection, issue.external_id, label)
    with core.database.writing() as session:
        session.get_one(Issue, issue.id).shown_label = wanted


def refresh_labels(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Pass a key result's changed label or card on to the issues linked to it on this connection, and to those below
    them that carry one already.
    """
    if core.tracker_of(connection).capabilities.cards:
        refresh_cards(core, connection, entry.subject)
    if not core.tracker_of(connection).capabilities.panel_label:
        return
    with core.database.reading() as session:
        changed = label_of_key_result(session, entry.subject, core.clock())
    if changed is None:
        return
    linked = select(Link.issue_id).where(Link.key_result_id == entry.subject)
    counted = select(CountedUnit.issue_id).where(CountedUnit.key_result_id == entry.subject)
    after = 0
    while True:
        with core.database.writing() as session:
            batch = session.execute(
                select(Issue.id, Issue.external_id)
                .where(Issue.connection_id == connection.id, Issue.id > after)
                .where(or_(Issue.id.in_(linked), and_(Issue.id.in_(counted), Issue.shown_label.is_not(None))))
                .where(Issue.shown_label.is_distinct_from(changed))
                .order_by(Issue.id)
                .limit(LABEL_BATCH)
            ).all()
            for _, external_id in batch:
                enqueue(session, connection.id, "show_label", external_id)
        if not batch:
            return
        after = batch[-1].id


def measure(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Measure a key result that follows a query."""
    measure_key_result(core, connection, entry.subject)


def discover(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Learn what this site calls things (status categories, the estimate field); what people set by hand stays."""
    found: Mapping[str, Any] = core.tracker_of(connection).discover(connection)
    with core.database.writing() as session:
        # Locked, since labels and cycles that are learned at the same time are written there too.
        row = session.get_one(Connection, connection.id, with_for_update=True)
        chosen = set(row.settings.get("set_by_hand", ()))
        before = row.settings
        row.settings = {**before, **{name: value for name, value in found.items() if name not in chosen}}
        if core.tracker_of(connection).capabilities.goal_labels:
            enqueue(session, connection.id, "sync_goal_labels", "labels")
        if can_show_goals(row, core.tracker_of(connection).capabilities):
            begin(session, row, core.clock())
        if core.tracker_of(connection).capabilities.sprints:
            enqueue(session, connection.id, "list_sprints", "")
        if row.settings != before:
            # Issues that were heard of before we knew what the site calls things are read by it now.
            enqueue(session, connection.id, "reread", "")


def goal_marks(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Let the tracker's searches know what a batch of issues ladders into."""
    show_marks(core, connection)


def reread(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Read every known issue again, after a setting changed."""
    reread_issues(core, connection)


def sync_goal_labels(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Offer a label for each key result that can be linked."""
    sync_labels(core, connection)


def list_sprints(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Learn which sprints there are, and have those read that are running and never were."""
    if not core.tracker_of(connection).capabilities.sprints:
        return
    found = sprints_of_board(core, connection, None)
    look_again(core, [one for one in found if one.state == "active" and one.read_at is None])


def read_sprint(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Read every issue of a sprint."""
    refresh_sprint(core, connection, entry.subject)


def sprint_link(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Put the link to our planning page on a sprint, or ask which sprints there are."""
    show_sprint_link(core, connection, entry.subject)


def run_link_rule(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Compare a rule with its tracker and make the links that follow."""
    run_rule(core, connection, entry)


def rules(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Ask the tracker which rules match issues that changed."""
    ask_about_changes(core, connection, entry)


def wear_goal_labels(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Bring the labels of issues in line with their links."""
    wear_labels(core, connection)


HANDLERS: Mapping[str, Errand] = {
    "confirm_link": confirm_link,
    "discover": discover,
    "fetch_issue": fetch_issue,
    "fetch_subtree": fetch_subtree,
    "goal_marks": goal_marks,
    "list_sprints": list_sprints,
    "measure": measure,
    "read_sprint": read_sprint,
    "refresh_labels": refresh_labels,
    "reread": reread,
    "rules": rules,
    "run_rule": run_link_rule,
    "show_label": show_label,
    "sprint_link": sprint_link,
    "sync_goal_labels": sync_goal_labels,
    WORN: wear_goal_labels,
}
