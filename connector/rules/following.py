"""Rules keep up with what trackers report: judged in the same transaction where a snapshot tells enough.

What a query in the tracker's own language matches only the tracker knows; such issues wait for the errand `rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from connector.due import put_due
from connector.models import Connection, Issue, LinkRule, RuleMatch
from connector.rules.settling import settle

# What issues wait for (`IssueDue.kind`), and the errand that looks at them.
DUE = "rules"
# `Connection.settings`: the kinds of rule that a snapshot alone decides; there while the connection has rules at all.
DECIDED_BY_SNAPSHOT = "rules_decided_by_snapshot"
# `Session.info`: the rule whose matches a run is reading just now, and the rules of a connection read before.
RUNNING = "rule_running"
HELD = "rules_held"


def follow_rules(
    session: Session, connection: Connection, issue: Issue, labels_before: Collection[str] = (), *, now: datetime
) -> None:
    """Match a changed (or deleted) issue anew and settle its links; costs nothing on connections without rules."""
    decided = connection.settings.get(DECIDED_BY_SNAPSHOT)
    if decided is None:
        return
    rules = [rule for rule in _rules_of(session, connection.id) if rule.id != session.info.get(RUNNING)]
    matched = set(session.scalars(select(RuleMatch.rule_id).where(RuleMatch.issue_id == issue.id)))
    if issue.cls == "gone":
        if matched:
            session.execute(delete(RuleMatch).where(RuleMatch.issue_id == issue.id))
            settle(session, connection.workspace_id, [issue.id], now)
        return
    changed = asks = False
    for rule in rules:
        if rule.state != "active":
            continue  # paused and failing rules keep what they have
        matches = matches_by_snapshot(rule, issue, labels_before, rule.id in matched, decided)
        if matches is None:
            asks = True
        elif matches != (rule.id in matched):
            noted = note_match(session, rule, issue.id) if matches else forget_match(session, rule, issue.id)
            changed = changed or noted
    if changed:
        settle(session, connection.workspace_id, [issue.id], now)
    if asks:
        put_due(session, DUE, [issue.id], now)


def matches_by_snapshot(
    rule: LinkRule, issue: Issue, labels_before: Collection[str], matched: bool, decided: Collection[str]
) -> bool | None:
    """Tell whether a rule matches an issue as it now is, None if only the tracker can say.

    `matched`: whether it did so far. A label may be known to a query under another spelling, a project under a former
    key: what the rule matches is only given up without asking where the issue had the label and has it no more.
    """
    if rule.kind != "epic" and rule.kind not in decided:
        return None
    match rule.kind:
        case "epic":
            return issue.external_id == rule.external_id
        case "label":
            label = rule.external_id or rule.text
            if label in issue.labels:
                return True
            return None if matched and label not in labels_before else False
        case "project":
            if issue.project_key == rule.text:
                return True
            return None if matched else False
    return None


def note_match(session: Session, rule: LinkRule, issue_id: int) -> bool:
    """Keep that a rule matches an issue; over its bound it fails instead, visibly, and keeps what it has."""
    held = session.scalar(select(func.count()).select_from(RuleMatch).where(RuleMatch.rule_id == rule.id)) or 0
    if held >= rule.at_most:
        rule.state, rule.trouble = "failing", over_bound_words(rule, held + 1)
        return False
    session.add(RuleMatch(rule_id=rule.id, issue_id=issue_id))
    session.flush()
    return True


def forget_match(session: Session, rule: LinkRule, issue_id: int) -> bool:
    """Forget that a rule matched an issue."""
    session.execute(delete(RuleMatch).where(RuleMatch.rule_id == rule.id, RuleMatch.issue_id == issue_id))
    return True


def over_bound_words(rule: LinkRule, found: int, *, more: bool = True) -> str:
    """Return what a rule says when it matches more issues than it may link."""
    number = f"at least {found:,}" if more else f"{found:,}"
    return (
        f"It matches {number} issues, more than the {rule.at_most:,} that it may link. "
        "Its links stay as they are until you raise the bound or narrow the rule."
    )


def forget_held_rules(session: Session) -> None:
    """Have rules that were changed in this transaction read again."""
    session.info.pop(HELD, None)


def _rules_of(session: Session, connection_id: str) -> Sequence[LinkRule]:
    # Kept for the transaction, which applies several deliveries; whoever changes rules waits for its turn as well.
    held: dict[str, Sequence[LinkRule]] = session.info.setdefault(HELD, {})
    if connection_id not in held:
        chosen = select(LinkRule).where(LinkRule.connection_id == connection_id)
        held[connection_id] = session.scalars(chosen.order_by(LinkRule.id)).all()
    return held[connection_id]
