"""Make the links of some issues those that follow from rules, people's links and exceptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.bulk_links import BY_RULE, link_many, reweigh_many, unlink_many
from connector.models import Issue, KeyResult, Link, LinkRule, RuleException, RuleMatch
from connector.rules.naming import name_of_rule
from connector.rules.verdict import Claim, Verdict, decide
from connector.store import chunks
from connector.subtrees import ask_for_subtrees
from connector.turns import take_turn


@dataclass(slots=True)
class Standing:
    """What is known of one issue when its links are judged."""

    claims: list[Claim] = field(default_factory=list)
    by_people: set[str] = field(default_factory=set)
    by_rules: list[Link] = field(default_factory=list)
    excepted: set[str] = field(default_factory=set)

    def verdict(self, *more: Claim) -> Verdict:
        """Judge the issue, with further claims that are only tried out."""
        return decide([*self.claims, *more], self.by_people, self.excepted)


@dataclass(slots=True)
class Settled:
    """How many links were made, taken away, or given to another rule."""

    linked: int = 0
    unlinked: int = 0
    handed_on: int = 0


def actor_of(rule: LinkRule) -> str:
    """Return who the ledger says it was."""
    return f"rule: {name_of_rule(rule.kind, rule.text)}"


def read_standings(session: Session, workspace_id: str, issue_ids: Collection[int]) -> dict[int, Standing]:
    """Read what the links of some issues follow from; four statements, however many issues.

    Key results that are closed keep the links that they have, so neither these nor their rules take part.
    """
    standings: dict[int, Standing] = {}
    for chunk in chunks(sorted(issue_ids)):
        alive = session.scalars(
            select(Issue.id).where(
                Issue.id.in_(chunk), Issue.workspace_id == workspace_id, Issue.cls.not_in(("gone", "unknown"))
            )
        ).all()
        here = {issue_id: Standing() for issue_id in chunk}
        matched = (
            select(RuleMatch.issue_id, LinkRule.id, LinkRule.key_result_id, LinkRule.kind, LinkRule.created_at)
            .join(LinkRule, LinkRule.id == RuleMatch.rule_id)
            .join(KeyResult, KeyResult.id == LinkRule.key_result_id)
            .where(RuleMatch.issue_id.in_(alive), LinkRule.workspace_id == workspace_id, KeyResult.state == "open")
        )
        for row in session.execute(matched):
            here[row.issue_id].claims.append(Claim(row.id, row.key_result_id, row.kind, row.created_at))
        linked = (
            select(Link)
            .join(KeyResult, KeyResult.id == Link.key_result_id)
            .where(Link.issue_id.in_(chunk), Link.workspace_id == workspace_id, KeyResult.state == "open")
        )
        for link in session.scalars(linked):
            if link.source == BY_RULE:
                here[link.issue_id].by_rules.append(link)
            elif link.state != "refused":
                here[link.issue_id].by_people.add(link.key_result_id)
        excepted = select(RuleException.issue_id, RuleException.key_result_id)
        for issue_id, key_result_id in session.execute(excepted.where(RuleException.issue_id.in_(chunk))):
            here[issue_id].excepted.add(key_result_id)
        standings.update(here)
    return standings


def settle(session: Session, workspace_id: str, issue_ids: Iterable[int], now: datetime) -> Settled:
    """Link, unlink and hand on, so that each issue has the rules' links that it should; nothing else is touched.

    Does nothing where that is so already, so it may be done twice and in any order.
    """
    take_turn(session, workspace_id)
    standings = read_standings(session, workspace_id, set(issue_ids))
    unwanted: dict[str | None, list[str]] = {}
    given: dict[str, list[Link]] = {}
    wanted: dict[str, list[tuple[int, str]]] = {}
    for issue_id, standing in sorted(standings.items()):
        winner = standing.verdict().winner
        there = False
        for link in standing.by_rules:
            if winner is None or link.key_result_id != winner.key_result_id:
                unwanted.setdefault(link.rule_id, []).append(link.id)
                continue
            there = True
            if link.rule_id != winner.rule_id:
                given.setdefault(winner.rule_id, []).append(link)
        if winner is not None and not there:
            wanted.setdefault(winner.rule_id, []).append((issue_id, winner.key_result_id))
    rules = _rules(session, {one for one in (*unwanted, *given, *wanted) if one is not None})
    settled = Settled()
    for rule_id in sorted(unwanted, key=str):
        actor = actor_of(rules[rule_id]) if rule_id is not None else "rule"
        gone = unlink_many(session, workspace_id, unwanted[rule_id], actor=actor, now=now, by_rule=True)
        settled.unlinked += len(gone)
    for rule_id in sorted(given):
        settled.handed_on += _hand_on(session, workspace_id, rules[rule_id], given[rule_id], now)
    for rule_id in sorted(wanted):
        settled.linked += _link(session, workspace_id, rules[rule_id], wanted[rule_id], now)
    return settled


def _hand_on(session: Session, workspace_id: str, rule: LinkRule, links: Sequence[Link], now: datetime) -> int:
    for link in links:
        link.rule_id = rule.id
    reweigh_many(session, workspace_id, links, rule.weight, actor=actor_of(rule), now=now)
    session.flush()
    return len(links)


def _link(session: Session, workspace_id: str, rule: LinkRule, pairs: Sequence[tuple[int, str]], now: datetime) -> int:
    made = link_many(
        session,
        workspace_id,
        pairs,
        actor=actor_of(rule),
        now=now,
        source=BY_RULE,
        rule_id=rule.id,
        weight=rule.weight,
    )
    if rule.kind != "project":
        # What hangs below an epic may never have been heard of; a whole project has it among its own issues.
        ask_for_subtrees(session, [issue_id for issue_id, _ in pairs], now)
    return len(made.linked)


def _rules(session: Session, rule_ids: Collection[str]) -> dict[str, LinkRule]:
    if not rule_ids:
        return {}
    return {row.id: row for row in session.scalars(select(LinkRule).where(LinkRule.id.in_(sorted(rule_ids))))}
