"""Link an issue that lives in a tracker: ask for the right to, read it and what hangs below it, then let it count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from connector.apply import apply_deletion, apply_snapshot
from connector.core import Core
from connector.issues import ensure_issue, find_issue_by_id_or_key
from connector.links import LinkRefused, activate_link, check_weight, link_issue, open_key_result
from connector.models import Connection, Issue, Link
from connector.outbox import enqueue
from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable


@dataclass(frozen=True, slots=True)
class LinkMade:
    """The new link; `waiting_since` is set while the tracker could not be asked."""

    link_id: str
    waiting_since: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Whether the link counts nothing yet."""
        return self.waiting_since is not None


def link_through_tracker(
    core: Core,
    workspace_id: str,
    connection: Connection,
    key_result_id: str,
    id_or_key: str,
    *,
    actor: str,
    account_id: str | None = None,
    identity: bool = False,
    weight: Fraction = Fraction(1),
    declared_change: Fraction | None = None,
) -> LinkMade:
    """Link an issue named by its id or key. `account_id` must be allowed to edit it in the tracker; None is a program.
    `identity` says that the name is surely the id, as inside the tracker's own page of that issue.

    The issue and everything below it are read first, so that the ledger gets one row for the link and not one for each
    child that is heard of afterwards. With the tracker out of reach the link is kept waiting and confirmed by the
    outbox. Raises LinkRefused: may_not_edit, issue_unreadable, tracker_unavailable, and those of `link_issue`.
    """
    check_weight(weight)
    with core.database.reading() as session:
        open_key_result(session, workspace_id, key_result_id)
    waiting = False
    external_id = id_or_key
    try:
        external_id = read_with_subtree(core, connection, id_or_key, account_id)
    except TrackerUnavailable:
        waiting = True
        with core.database.reading() as session:
            known = find_issue_by_id_or_key(session, connection.id, id_or_key)
            # Without the tracker a key can't be turned into an identity, unless we have met the issue before.
            if known is None and not identity:
                raise LinkRefused(
                    "tracker_unavailable",
                    f"{id_or_key} is not known here yet and {connection.display_site or connection.site} "
                    "does not answer. Try again when it does.",
                ) from None
            external_id = known.external_id if known is not None else id_or_key
    now = core.clock()
    with core.database.writing() as session:
        issue = ensure_issue(session, connection, external_id)
        link = link_issue(
            session,
            workspace_id,
            key_result_id,
            issue,
            actor=actor,
            now=now,
            weight=weight,
            declared_change=declared_change,
            waiting=waiting,
            asked_by=account_id,
        )
        if waiting:
            enqueue(session, connection.id, "confirm_link", link.id, detail={"actor": actor})
        return LinkMade(link.id, link.waiting_since)


def confirm_waiting_link(core: Core, connection: Connection, link_id: str) -> None:
    """Do for a waiting link what could not be done when it was made; a refusal is kept on the link for people to see.

    Raises TrackerUnavailable, so that the outbox tries again.
    """
    with core.database.reading() as session:
        link = session.get(Link, link_id)
        if link is None or link.state != "waiting":
            return
        issue = session.get_one(Issue, link.issue_id)
    refusal = None
    try:
        read_with_subtree(core, connection, issue.external_id, link.asked_by)
    except (LinkRefused, TrackerRefused) as error:
        refusal = str(error)
    with core.database.writing() as session:
        link = session.get(Link, link_id)
        if link is None or link.state != "waiting":
            return
        if refusal is None:
            activate_link(session, link, actor=link.asked_by or "", now=core.clock())
        else:
            link.state, link.refusal = "refused", refusal[:200]


def read_with_subtree(core: Core, connection: Connection, id_or_key: str, account_id: str | None) -> str:
    """Read an issue and what hangs below it, if `account_id` may edit it; return its identity in the tracker.

    Raises LinkRefused (may_not_edit, issue_unreadable) and TrackerUnavailable.
    """
    tracker = core.tracker_of(connection)
    try:
        snapshot = tracker.fetch_issue(connection, id_or_key)
    except IssueUnreadable as error:
        raise LinkRefused("issue_unreadable", str(error)) from None
    if account_id is not None and not tracker.may(connection, account_id, snapshot.external_id, "edit"):
        raise LinkRefused("may_not_edit", f"You may not edit {snapshot.key}, so you can't link it.")
    with core.database.writing() as session:
        apply_snapshot(
            session, connection, snapshot, happened_at=snapshot.updated_at, source="read", now=core.clock(), fresh=True
        )
    read_subtree(core, connection, snapshot.external_id)
    return snapshot.external_id


def read_subtree(core: Core, connection: Connection, external_id: str) -> int:
    """Read everything that hangs below an issue; return how many issues that were."""
    count = 0
    for page in core.tracker_of(connection).fetch_subtree(connection, external_id):
        with core.database.writing() as session:
            for snapshot in sorted(page.snapshots, key=lambda one: one.external_id):
                apply_snapshot(
                    session,
                    connection,
                    snapshot,
                    happened_at=snapshot.updated_at,
                    source="read",
                    now=core.clock(),
                    fresh=True,
                )
                count += 1
            for deletion in sorted(page.gone, key=lambda one: one.external_id):
                apply_deletion(session, connection, deletion, source="read", now=core.clock())
    return count
