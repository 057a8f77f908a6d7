"""Link issues to key results, weigh the links, take them away; or declare that an issue is not goal work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from connector.bulk_links import BUSINESS_AS_USUAL as BUSINESS_AS_USUAL
from connector.bulk_links import (
    BY_RULE,
    ask_rules_again,
    declare_many,
    forgive_exceptions,
    let_count,
    link_many,
    name_of,
    reweigh_many,
    unlink_many,
    withdraw_declarations,
)
from connector.link_terms import LinkRefused as LinkRefused
from connector.link_terms import check_weight as check_weight
from connector.link_terms import open_key_result as open_key_result
from connector.models import Cycle, Issue, KeyResult, Link, Objective
from connector.turns import take_turn


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
    if waiting:
        return _keep_waiting(
            session, workspace_id, key_result_id, issue, now, weight, source, declared_change, asked_by
        )
    outcome = link_many(
        session,
        workspace_id,
        [(issue.id, key_result_id)],
        actor=actor,
        now=now,
        source=source,
        weight=weight,
        declared_change=declared_change,
    )
    for refusal in outcome.refused:
        raise LinkRefused(refusal.reason, refusal.message)
    link = session.get_one(Link, outcome.linked[0])
    link.asked_by = asked_by
    return link


def activate_link(session: Session, link: Link, *, actor: str, now: datetime) -> None:
    """Let a link count from now on; one ledger row, cause scope_added."""
    let_count(session, link.workspace_id, [link], actor=actor, now=now)
    ask_rules_again(session, [link.issue_id], now)


def unlink(session: Session, workspace_id: str, link_id: str, *, actor: str, now: datetime) -> None:
    """Take a link away; one ledger row, cause scope_removed. Raises LinkRefused: unknown_link."""
    find_link(session, workspace_id, link_id)
    unlink_many(session, workspace_id, [link_id], actor=actor, now=now)


def set_weight(
    session: Session, workspace_id: str, link_id: str, weight: Fraction, *, actor: str, now: datetime
) -> Link:
    """Change how much a link counts beside the others; one ledger row, cause reweighted.

    Raises LinkRefused: unknown_link, bad_weight, key_result_closed.
    """
    take_turn(session, workspace_id)
    link = find_link(session, workspace_id, link_id)
    open_key_result(session, workspace_id, link.key_result_id)
    reweigh_many(session, workspace_id, [link], weight, actor=actor, now=now)
    if link.source == BY_RULE:
        # Somebody cared about this one: it is theirs from now on, and no rule sets its weight back.
        link.source, link.rule_id = "manual", None
        session.flush()
    return link


def declare_business_as_usual(
    session: Session, workspace_id: str, issue: Issue, category: str | None, *, actor: str, now: datetime
) -> None:
    """Declare that an issue is not goal work (support, maintenance, security, other), or take it back with None.

    Raises LinkRefused: unknown_category; linked, for an issue that carries a link of its own.
    """
    for refusal in declare_many(session, workspace_id, [issue.id], category, actor=actor, now=now).refused:
        raise LinkRefused(refusal.reason, refusal.message)


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


def find_link(session: Session, workspace_id: str, link_id: str) -> Link:
    """Return a link of this workspace; raises LinkRefused: unknown_link."""
    link = session.get(Link, link_id)
    if link is None or link.workspace_id != workspace_id:
        raise LinkRefused("unknown_link", "This link is gone; somebody may have removed it meanwhile.")
    return link


def _keep_waiting(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    issue: Issue,
    now: datetime,
    weight: Fraction,
    source: str,
    declared_change: Fraction | None,
    asked_by: str | None,
) -> Link:
    take_turn(session, workspace_id)
    check_weight(weight)
    key_result = open_key_result(session, workspace_id, key_result_id)
    if issue.cls == "gone":
        raise LinkRefused("issue_gone", f"{name_of(issue)} was deleted, so it can't be linked.")
    there = session.scalars(
        select(Link).where(Link.key_result_id == key_result.id, Link.issue_id == issue.id)
    ).one_or_none()
    if there is not None and there.state != "refused":
        raise LinkRefused("already_linked", f"{name_of(issue)} is linked to “{key_result.title}” already.")
    if there is not None:
        session.delete(there)
        session.flush()
    link = Link(
        workspace_id=workspace_id,
        key_result_id=key_result.id,
        issue_id=issue.id,
        weight=weight,
        source=source,
        state="waiting",
        asked_by=asked_by,
        declared_change=declared_change,
        waiting_since=now,
    )
    session.add(link)
    withdraw_declarations(session, [issue.id])
    forgive_exceptions(session, [(issue.id, key_result.id)])
    session.flush()
    return link
