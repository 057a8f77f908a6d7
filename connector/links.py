"""Link issues to key results, weigh the links, take them away; or declare that an issue is not goal work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from connector.cards import look_at_cards_again
from connector.ledger import Occasion, record_work
from connector.models import BusinessAsUsual, Cycle, Issue, KeyResult, Link, Objective
from connector.outbox import enqueue
from connector.store import SqlStore
from connector.turns import take_turn
from mapping import running
from mapping.store import Link as LinkRecord

BUSINESS_AS_USUAL = ("support", "maintenance", "security", "other")

# A weight says how much a link counts beside the others; more than this is a typing mistake, and would make the exact
# sums needlessly long.
HEAVIEST = Fraction(1_000)
# Weights and declared changes are typed by people: a few decimals, not an arbitrary fraction.
FINEST_DENOMINATOR = 10_000


class LinkRefused(Exception):
    """The link cannot be made or changed; `reason` is the code, the message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def link_issue(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    issue: Issue,
    *,
    actor: str,
    now: datetime,
    weight: Fraction = Fraction(1),
    source: str = "manual",
    declared_change: Fraction | None = None,
    waiting: bool = False,
    asked_by: str | None = None,
) -> Link:
    """Link an issue, with all that hangs below it, to a key result; one ledger row, cause scope_added.

    With `waiting` the link is kept but counts nothing until `activate_link`. Raises LinkRefused: unknown_key_result,
    key_result_closed, issue_gone, already_linked, bad_weight.
    """
    take_turn(session, workspace_id)
    key_result = open_key_result(session, workspace_id, key_result_id)
    check_weight(weight)
    if issue.cls == "gone":
        raise LinkRefused("issue_gone", f"{issue.key or issue.external_id} was deleted, so it can't be linked.")
    there = session.scalars(
        select(Link).where(Link.key_result_id == key_result.id, Link.issue_id == issue.id)
    ).one_or_none()
    if there is not None and there.state == "refused":
        session.delete(there)
        session.flush()
    elif there is not None:
        raise LinkRefused(
            "already_linked", f"{issue.key or issue.external_id} is linked to “{key_result.title}” already."
        )
    link = Link(
        workspace_id=workspace_id,
        key_result_id=key_result.id,
        issue_id=issue.id,
        weight=weight,
        source=source,
        state="waiting",
        asked_by=asked_by,
        declared_change=declared_change,
        waiting_since=now if waiting else None,
    )
    session.add(link)
    session.flush()
    # Linking it is a stronger word than an earlier "not goal work".
    declared = session.get(BusinessAsUsual, issue.id)
    if declared is not None:
        session.delete(declared)
    if not waiting:
        activate_link(session, link, actor=actor, now=now)
    return link


def activate_link(session: Session, link: Link, *, actor: str, now: datetime) -> None:
    """Let a link count from now on; one ledger row, cause scope_added."""
    take_turn(session, link.workspace_id)
    issue = session.get_one(Issue, link.issue_id)
    store = SqlStore(session, link.workspace_id, now)
    link.waiting_since = None
    changes = running.add_link(store, LinkRecord(link.key_result_id, link.issue_id, link.weight))
    store.flush()
    record_work(session, changes, Occasion("scope_added", actor, now, now), issue)
    if issue.cls != "unknown":
        enqueue(session, issue.connection_id, "show_label", issue.external_id)


def unlink(session: Session, workspace_id: str, link_id: str, *, actor: str, now: datetime) -> None:
    """Take a link away; one ledger row, cause scope_removed. Raises LinkRefused: unknown_link."""
    take_turn(session, workspace_id)
    link = find_link(session, workspace_id, link_id)
    issue = session.get_one(Issue, link.issue_id)
    if link.state != "active":
        session.delete(link)
    else:
        look_at_cards_again(session, [link.key_result_id])
        store = SqlStore(session, workspace_id, now)
        changes = running.remove_link(store, link.key_result_id, link.issue_id)
        store.flush()
        record_work(session, changes, Occasion("scope_removed", actor, now, now), issue)
    if issue.cls not in ("gone", "unknown"):
        enqueue(session, issue.connection_id, "show_label", issue.external_id)


def set_weight(
    session: Session, workspace_id: str, link_id: str, weight: Fraction, *, actor: str, now: datetime
) -> Link:
    """Change how much a link counts beside the others; one ledger row, cause reweighted.

    Raises LinkRefused: unknown_link, bad_weight, key_result_closed.
    """
    take_turn(session, workspace_id)
    link = find_link(session, workspace_id, link_id)
    open_key_result(session, workspace_id, link.key_result_id)
    check_weight(weight)
    before, link.version = link.weight, link.version + 1
    if link.state != "active":
        link.weight = weight
        return link
    store = SqlStore(session, workspace_id, now)
    changes = running.set_weight(store, link.key_result_id, link.issue_id, weight)
    link.weight = weight
    store.flush()
    detail = {"from": str(before), "to": str(weight)}
    issue = session.get_one(Issue, link.issue_id)
    record_work(session, changes, Occasion("reweighted", actor, now, now, detail=detail), issue)
    return link


def declare_business_as_usual(
    session: Session, workspace_id: str, issue: Issue, category: str | None, *, actor: str, now: datetime
) -> None:
    """Declare that an issue is not goal work (support, maintenance, security, other), or take it back with None.

    Raises LinkRefused: unknown_category; linked, for an issue that carries a link of its own.
    """
    if category is not None and category not in BUSINESS_AS_USUAL:
        raise LinkRefused("unknown_category", f"Choose one of: {', '.join(BUSINESS_AS_USUAL)}.")
    take_turn(session, workspace_id)
    row = session.get(BusinessAsUsual, issue.id)
    if category is None:
        if row is not None:
            session.delete(row)
    elif session.scalar(select(func.count()).select_from(Link).where(Link.issue_id == issue.id)):
        raise LinkRefused("linked", "This issue is linked to a key result. Unlink it first, then declare it.")
    elif row is None:
        session.add(
            BusinessAsUsual(
                issue_id=issue.id, workspace_id=workspace_id, category=category, declared_by=actor, declared_at=now
            )
        )
    else:
        row.category, row.declared_by, row.declared_at = category, actor, now
    session.flush()
    if issue.cls not in ("gone", "unknown"):
        enqueue(session, issue.connection_id, "show_label", issue.external_id)


def search_key_results(
    session: Session, workspace_id: str, text: str, *, limit: int = 20, team_id: str | None = None
) -> Sequence[KeyResult]:
    """Find open key results of open cycles; every word must occur in the key result's or its objective's title."""
    query = (
        select(KeyResult)
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
        .options(contains_eager(KeyResult.objective))
        .order_by(KeyResult.title, KeyResult.id)
        .limit(limit)
    )
    for word in text.split():
        titles = KeyResult.title + " " + Objective.title
        query = query.where(titles.icontains(word, autoescape=True))
    if team_id is not None:
        query = query.where(Objective.team_id == team_id)
    return session.scalars(query).all()


def open_key_result(session: Session, workspace_id: str, key_result_id: str) -> KeyResult:
    """Return a key result that may still change; raises LinkRefused: unknown_key_result, key_result_closed."""
    key_result = session.get(KeyResult, key_result_id)
    if key_result is None or key_result.workspace_id != workspace_id:
        raise LinkRefused("unknown_key_result", "There is no such key result.")
    if key_result.state != "open":
        raise LinkRefused("key_result_closed", f"“{key_result.title}” is closed; its links can't change any more.")
    return key_result


def find_link(session: Session, workspace_id: str, link_id: str) -> Link:
    """Return a link of this workspace; raises LinkRefused: unknown_link."""
    link = session.get(Link, link_id)
    if link is None or link.workspace_id != workspace_id:
        raise LinkRefused("unknown_link", "This link is gone; somebody may have removed it meanwhile.")
    return link


def check_weight(weight: Fraction) -> None:
    """Raise LinkRefused (bad_weight) unless the weight is from 0 to 1,000 with at most four decimals."""
    if not 0 <= weight <= HEAVIEST or FINEST_DENOMINATOR % weight.denominator:
        raise LinkRefused("bad_weight", "A weight is a number from 0 to 1000, with at most four decimals.")
