"""What each rule of a key result does and does not do, in numbers and names, for its page and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Exists, exists, func, select
from sqlalchemy.orm import Session, joinedload

from connector.bulk_links import BY_RULE
from connector.models import Issue, Link, LinkRule, RuleException, RuleMatch
from connector.rules.editing import count_links, count_matches, rules_of
from connector.rules.naming import name_of_rule
from connector.rules.previewing import Rival, rivals
from connector.rules.settling import read_standings
from connector.rules.verdict import Fate

# Issues that a rule matches and does not link are explained one by one up to here.
EXPLAINED = 200


@dataclass(frozen=True, slots=True)
class Unlinked:
    """An issue that a rule matches and does not link. `rival` is who has it instead, None where nobody has."""

    issue: Issue
    fate: Fate
    rival: Rival | None = None


@dataclass(slots=True)
class RuleView:
    """`unlinked` explains at most 200 of the issues that the rule matches and does not link; there are `missing`.

    `under_way`: some are being linked or let go just now.
    """

    rule: LinkRule
    name: str
    matches: int = 0
    links: int = 0
    missing: int = 0
    under_way: bool = False
    by_fate: Counter[Fate] = field(default_factory=Counter)
    lost_to: list[Rival] = field(default_factory=list)
    unlinked: list[Unlinked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Excepted:
    """An issue that a person took away from a key result's rules."""

    issue: Issue
    exception: RuleException


def view_rules(session: Session, workspace_id: str, key_result_id: str) -> list[RuleView]:
    """Read the rules of a key result, the oldest first; what they lost is looked up only where they lost something."""
    rules = rules_of(session, workspace_id, key_result_id)
    ids = [rule.id for rule in rules]
    matches, links = count_matches(session, ids), count_links(session, ids)
    missing = _count_missing(session, ids)
    views = []
    for rule in rules:
        view = RuleView(rule, name_of_rule(rule.kind, rule.text), matches.get(rule.id, 0), links.get(rule.id, 0))
        view.missing = missing.get(rule.id, 0)
        if view.missing:
            _explain(session, workspace_id, view)
        # What it links beyond its matches is on its way out.
        view.under_way = view.under_way or view.links > view.matches - view.missing or rule.ran_at is None
        views.append(view)
    return views


def view_exceptions(session: Session, workspace_id: str, key_result_id: str) -> list[Excepted]:
    """Read what people took away from the rules of a key result, the latest first."""
    chosen = (
        select(RuleException, Issue)
        .join(Issue, Issue.id == RuleException.issue_id)
        .where(RuleException.workspace_id == workspace_id, RuleException.key_result_id == key_result_id)
        .options(joinedload(Issue.connection))
        .order_by(RuleException.made_at.desc(), RuleException.issue_id)
        .limit(EXPLAINED)
    )
    return [Excepted(row.Issue, row.RuleException) for row in session.execute(chosen)]


def _explain(session: Session, workspace_id: str, view: RuleView) -> None:
    issues = session.scalars(
        select(Issue)
        .join(RuleMatch, RuleMatch.issue_id == Issue.id)
        .where(RuleMatch.rule_id == view.rule.id, ~_linked_by(view.rule.id))
        .options(joinedload(Issue.connection))
        .order_by(Issue.key, Issue.id)
        .limit(EXPLAINED)
    ).all()
    standings = read_standings(session, workspace_id, [issue.id for issue in issues])
    counted: Counter[tuple[str | None, str]] = Counter()
    told: list[tuple[Issue, Fate, tuple[str | None, str] | None]] = []
    for issue in issues:
        verdict = standings[issue.id].verdict()
        fate = verdict.fates.get(view.rule.id)
        if fate is None or fate is Fate.LINKED:
            view.under_way = view.under_way or fate is Fate.LINKED
            continue
        at: tuple[str | None, str] | None = None
        if fate is Fate.KEPT_AWAY:
            at = (None, min(standings[issue.id].by_people))
        elif fate in (Fate.LOST, Fate.SECOND) and verdict.winner is not None:
            at = (verdict.winner.rule_id, verdict.winner.key_result_id)
        view.by_fate[fate] += 1
        if at is not None and fate is not Fate.SECOND:
            counted[at] += 1
        told.append((issue, fate, at))
    view.lost_to = rivals(session, counted)
    named = {(one.rule_id, one.key_result_id): one for one in _names(session, told)}
    view.unlinked = [Unlinked(issue, fate, named.get(at) if at else None) for issue, fate, at in told]


def _names(session: Session, told: Sequence[tuple[Issue, Fate, tuple[str | None, str] | None]]) -> Sequence[Rival]:
    return rivals(session, Counter(at for _, _, at in told if at is not None))


def _count_missing(session: Session, rule_ids: Sequence[str]) -> dict[str, int]:
    linked = exists().where(
        Link.rule_id == RuleMatch.rule_id, Link.issue_id == RuleMatch.issue_id, Link.source == BY_RULE
    )
    chosen = select(RuleMatch.rule_id, func.count()).where(RuleMatch.rule_id.in_(rule_ids), ~linked)
    return {row[0]: row[1] for row in session.execute(chosen.group_by(RuleMatch.rule_id))}


def _linked_by(rule_id: str) -> Exists:
    return exists().where(Link.rule_id == rule_id, Link.issue_id == Issue.id)
