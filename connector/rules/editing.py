"""Make, change, pause and delete rules, and let one link again what somebody once took away.

A rule acts with the app's rights in the tracker, not with those of whoever made it, and everybody sees what it links.
So only an admin, or a program with a token, may make one (`may_make_rules`); the key result's driver may change, pause
and delete what was made (`may_change_rules`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, joinedload

from connector.bulk_links import BY_RULE, forgive_exceptions
from connector.core import Core
from connector.errors import Conflict, Invalid, NotFound
from connector.goals.scope import Versions, check_version, touch
from connector.link_terms import LinkRefused, check_weight
from connector.models import Connection, Issue, KeyResult, Link, LinkRule, Person, RuleException, RuleMatch
from connector.rules.following import DECIDED_BY_SNAPSHOT, forget_held_rules
from connector.rules.running import CHUNK, HIGHEST_BOUND, USUAL_BOUND, ask_for_run, bring_weights, forget_rule
from connector.rules.settling import settle
from connector.rules.verdict import NARROWNESS
from connector.tracker import IssueQuery, TrackerRefused
from connector.turns import take_turn

LONGEST_TEXT = 10_000
# Each rule is looked at with every delivery of its connection.
MOST_RULES = 100


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as somebody writes it. `kind`: epic, project, label or query; `weight` that of its links."""

    connection_id: str
    kind: str
    text: str
    weight: Fraction = Fraction(1)
    at_most: int = USUAL_BOUND


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What to change; None leaves it. `state`: active or paused. `take_away` removes the links of a paused rule."""

    weight: Fraction | None = None
    at_most: int | None = None
    state: str | None = None
    take_away: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """What became of a deleted rule's links: how many are kept (as people's) and how many go.

    `under_way`: there are so many that the rest goes in the background.
    """

    kept: int = 0
    removed: int = 0
    under_way: bool = False


def may_make_rules(person: Person) -> bool:
    """Tell whether a person may make rules, or try them out: admins only.

    A driver is not enough: every member may make a key result and drive it, and would read through a rule the titles of
    a project that is closed to them.
    """
    return person.role == "admin"


def may_change_rules(person: Person, key_result: KeyResult) -> bool:
    """Tell whether a person may weigh, bound, pause and delete rules of a key result: admins and its driver."""
    return person.role == "admin" or (person.role == "member" and person.id == key_result.driver_id)


def find_rule(session: Session, workspace_id: str, rule_id: str, *, lock: bool = False) -> LinkRule:
    """Return a rule of this workspace; raises NotFound, also for one that is being deleted."""
    chosen = select(LinkRule).where(LinkRule.id == rule_id, LinkRule.workspace_id == workspace_id)
    rule = session.scalars(chosen.with_for_update() if lock else chosen).one_or_none()
    if rule is None or rule.state == "ending":
        raise NotFound("There is no such rule.")
    return rule


def rules_of(session: Session, workspace_id: str, key_result_id: str) -> Sequence[LinkRule]:
    """Return a key result's rules, the oldest first."""
    chosen = select(LinkRule).where(LinkRule.workspace_id == workspace_id, LinkRule.key_result_id == key_result_id)
    chosen = chosen.where(LinkRule.state != "ending").options(joinedload(LinkRule.connection))
    return session.scalars(chosen.order_by(LinkRule.created_at, LinkRule.id)).all()


def resolve_draft(core: Core, connection: Connection, draft: RuleDraft) -> IssueQuery:
    """Return a draft's query as the tracker understands it; raises Invalid, and TrackerUnavailable."""
    check_draft(draft)
    tracker = core.tracker_of(connection)
    if draft.kind not in tracker.capabilities.rules:
        kinds = ", ".join(sorted(tracker.capabilities.rules, key=lambda kind: NARROWNESS[kind])) or "none"
        raise Invalid("kind_not_supported", f"This tracker has no such rules; it has: {kinds}.", "kind")
    try:
        return tracker.resolve(connection, IssueQuery(draft.kind, draft.text.strip()))
    except TrackerRefused as error:
        raise Invalid("query_refused", str(error), "text") from None


def check_draft(draft: RuleDraft) -> None:
    """Raise Invalid for a draft that makes no sense whatever the tracker says."""
    if draft.kind not in NARROWNESS:
        raise Invalid("unknown_kind", f"Choose one of: {', '.join(NARROWNESS)}.", "kind")
    if not draft.text.strip():
        raise Invalid("no_text", "Say which issues: an epic, a project, a label or a query.", "text")
    if len(draft.text) > LONGEST_TEXT:
        raise Invalid("text_too_long", f"At most {LONGEST_TEXT:,} characters.", "text")
    _check_numbers(draft.weight, draft.at_most)


def create_rule(
    session: Session,
    core: Core,
    workspace_id: str,
    key_result_id: str,
    draft: RuleDraft,
    query: IssueQuery,
    *,
    actor: str,
    now: datetime,
) -> LinkRule:
    """Keep a rule whose query the tracker has understood, and have it run.

    Raises NotFound, Invalid, and Conflict: key_result_closed, rule_exists, too_many_rules.
    """
    check_draft(draft)
    take_turn(session, workspace_id)
    key_result = session.get(KeyResult, key_result_id)
    if key_result is None or key_result.workspace_id != workspace_id:
        raise NotFound("There is no such key result.")
    _require_open(key_result)
    connection = session.get(Connection, draft.connection_id)
    if connection is None or connection.workspace_id != workspace_id or connection.state == "uninstalled":
        raise Invalid("unknown_connection", "There is no such connection to a tracker.", "connection_id")
    here = session.scalars(select(LinkRule).where(LinkRule.workspace_id == workspace_id)).all()
    if len(here) >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already. Delete one that nobody needs.", "too_many_rules")
    for other in here:
        same = (other.key_result_id, other.connection_id, other.kind) == (key_result_id, connection.id, query.kind)
        named = other.external_id == query.external_id if query.external_id else other.text == query.text
        if same and named and other.state != "ending":
            raise Conflict("This key result has this very rule already.", "rule_exists")
    rule = LinkRule(
        workspace_id=workspace_id,
        key_result_id=key_result_id,
        connection_id=connection.id,
        kind=query.kind,
        text=query.text,
        external_id=query.external_id,
        weight=draft.weight,
        at_most=draft.at_most,
        made_by=actor[:200],
        created_at=now,
    )
    session.add(rule)
    decided = sorted(core.tracker_of(connection).capabilities.decided_by_snapshot)
    if connection.settings.get(DECIDED_BY_SNAPSHOT) != decided:
        connection.settings = {**connection.settings, DECIDED_BY_SNAPSHOT: decided}
    session.flush()
    forget_held_rules(session)
    ask_for_run(session, rule, now)
    return rule


def edit_rule(
    session: Session,
    workspace_id: str,
    rule_id: str,
    changes: RuleChanges,
    *,
    expected: Versions = None,
    now: datetime,
) -> LinkRule:
    """Change a rule's weight or bound, pause it or let it go on; it runs anew then.

    A few links get their new weight, or go, at once; the rest follows in the background. Raises NotFound, LostUpdate,
    Invalid, Conflict (key_result_closed).
    """
    take_turn(session, workspace_id)
    rule = find_rule(session, workspace_id, rule_id, lock=True)
    check_version(rule, expected)
    _require_open(session.get_one(KeyResult, rule.key_result_id))
    weight = rule.weight if changes.weight is None else changes.weight
    at_most = rule.at_most if changes.at_most is None else changes.at_most
    _check_numbers(weight, at_most)
    state = changes.state or ("paused" if rule.state == "paused" else "active")
    if state not in ("active", "paused"):
        raise Invalid("unknown_state", "A rule is active or paused.", "state")
    rule.weight, rule.at_most = weight, at_most
    rule.state, rule.trouble = state, None
    touch(rule)
    session.flush()
    forget_held_rules(session)
    bring_weights(session, rule, now)
    if state == "paused" and changes.take_away:
        _let_go(session, rule, now)
    ask_for_run(session, rule, now)
    return rule


def delete_rule(
    session: Session, workspace_id: str, rule_id: str, *, keep_links: bool, expected: Versions = None, now: datetime
) -> Gone:
    """Delete a rule. Its links stay and become people's own, or go (to another rule that matches, if there is one).

    Many links go in the background; the rule is not shown any more while they do. Raises NotFound, LostUpdate.
    """
    take_turn(session, workspace_id)
    rule = find_rule(session, workspace_id, rule_id, lock=True)
    check_version(rule, expected)
    number = count_links(session, [rule.id]).get(rule.id, 0)
    forget_held_rules(session)
    if keep_links:
        session.execute(update(Link).where(Link.rule_id == rule.id).values(source="manual", rule_id=None))
        session.execute(delete(RuleMatch).where(RuleMatch.rule_id == rule.id))
        forget_rule(session, rule)
        return Gone(kept=number)
    rule.state = "ending"
    session.flush()
    if _let_go(session, rule, now):
        ask_for_run(session, rule, now)
        return Gone(removed=number, under_way=True)
    forget_rule(session, rule)
    return Gone(removed=number)


def exceptions_of(session: Session, workspace_id: str, key_result_id: str, limit: int = 200) -> list[RuleException]:
    """Return what people took away from rules of a key result, the latest first."""
    chosen = select(RuleException).where(
        RuleException.workspace_id == workspace_id, RuleException.key_result_id == key_result_id
    )
    ordered = chosen.order_by(RuleException.made_at.desc(), RuleException.issue_id).limit(limit)
    return list(session.scalars(ordered))


def let_rules_link_again(
    session: Session, workspace_id: str, key_result_id: str, issue_ids: Collection[int], *, now: datetime
) -> None:
    """Forget that a person took these issues away from the key result's rules; those that match link them again."""
    take_turn(session, workspace_id)
    key_result = session.get(KeyResult, key_result_id)
    if key_result is None or key_result.workspace_id != workspace_id:
        raise NotFound("There is no such key result.")
    _require_open(key_result)
    here = session.scalars(select(Issue.id).where(Issue.workspace_id == workspace_id, Issue.id.in_(issue_ids))).all()
    forgive_exceptions(session, [(issue_id, key_result_id) for issue_id in here])
    settle(session, workspace_id, here, now)


def count_links(session: Session, rule_ids: Collection[str]) -> dict[str, int]:
    """Return how many links each rule has."""
    chosen = select(Link.rule_id, func.count(Link.id)).where(Link.rule_id.in_(rule_ids), Link.source == BY_RULE)
    return {rule_id: number for rule_id, number in session.execute(chosen.group_by(Link.rule_id)) if rule_id}


def count_matches(session: Session, rule_ids: Collection[str]) -> dict[str, int]:
    """Return how many issues each rule matches."""
    chosen = select(RuleMatch.rule_id, func.count()).where(RuleMatch.rule_id.in_(rule_ids))
    return {row[0]: row[1] for row in session.execute(chosen.group_by(RuleMatch.rule_id))}


def _let_go(session: Session, rule: LinkRule, now: datetime) -> bool:
    """Forget what a rule matches and take the first of its links away; True if there are more."""
    session.execute(delete(RuleMatch).where(RuleMatch.rule_id == rule.id))
    first = select(Link.issue_id).where(Link.rule_id == rule.id).order_by(Link.issue_id).limit(CHUNK)
    settle(session, rule.workspace_id, session.scalars(first).all(), now)
    return session.scalar(select(func.count()).select_from(Link).where(Link.rule_id == rule.id)) != 0


def _check_numbers(weight: Fraction, at_most: int) -> None:
    try:
        check_weight(weight)
    except LinkRefused as refused:
        raise Invalid(refused.reason, str(refused), "weight") from None
    if not 1 <= at_most <= HIGHEST_BOUND:
        raise Invalid("bad_bound", f"A rule may link from 1 to {HIGHEST_BOUND:,} issues.", "at_most")


def _require_open(key_result: KeyResult) -> None:
    if key_result.state != "open":
        raise Conflict(f"“{key_result.title}” is closed; its rules can't change any more.", "key_result_closed")
