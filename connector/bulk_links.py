"""Links by the hundred: made, taken away, weighed and declared needless in one transaction of the caller.

Each link moves the running values by itself and in a fixed order, so every issue has its own ledger row and the deltas
sum; what they need is read ahead at once and written at the end. One link is the same thing with one issue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from connector.cards import look_at_cards_again
from connector.due import put_due_where
from connector.goal_marks import look_below
from connector.ledger import Occasion, record_work_of_many
from connector.link_terms import LinkRefused, check_weight, open_key_result
from connector.models import BusinessAsUsual, Issue, KeyResult, Link, LinkRule, OutboxEntry, RuleException, RuleMatch
from connector.offered_labels import look_at_labels
from connector.outbox import enqueue_many
from connector.store import SqlStore, chunks
from connector.turns import take_turn
from mapping import running
from mapping.running import Change
from mapping.store import Link as LinkRecord

BUSINESS_AS_USUAL = ("support", "maintenance", "security", "other")
# Links of these sources are somebody's word; those of rules come and go by themselves.
BY_RULE = "rule"
# Labels that rules have shown: half of what a worker does for a connection, so that the other half is for others.
IN_TEN_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """One of many that was not done, and why; `reason` is the code, the message is for people."""

    issue_id: int
    key_result_id: str | None
    reason: str
    message: str


@dataclass(slots=True)
class BulkOutcome:
    """`linked`: ids of the links that were made now, or that a person has taken over from a rule."""

    linked: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class Declared:
    """`declared`: ids of the issues whose declaration is now what was asked for."""

    declared: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TakenAway:
    """A link that is gone, with all that is needed to make it again."""

    link_id: str
    issue_id: int
    key_result_id: str
    weight: Fraction
    source: str
    rule_id: str | None
    declared_change: Fraction | None


def link_many(
    session: Session,
    workspace_id: str,
    pairs: Iterable[tuple[int, str]],
    *,
    actor: str,
    now: datetime,
    source: str = "manual",
    rule_id: str | None = None,
    weight: Fraction = Fraction(1),
    declared_change: Fraction | None = None,
) -> BulkOutcome:
    """Link issues, each with all that hangs below it, to key results: `pairs` of (issue id, key result id).

    One ledger row for each, cause scope_added; all are created at `now`, so that they can be told as made together.
    A link that cannot be made is refused by itself: unknown_issue, unknown_key_result, key_result_closed, issue_gone,
    already_linked. A person who links what a rule has linked takes the link over. Raises LinkRefused: bad_weight.
    """
    check_weight(weight)
    take_turn(session, workspace_id)
    wanted = sorted(set(pairs))
    issues = _issues(session, workspace_id, {issue_id for issue_id, _ in wanted})
    key_results = _key_results(session, {key_result_id for _, key_result_id in wanted})
    closed = _refusals_of_key_results(session, workspace_id, wanted, key_results)
    there = _links_between(session, wanted)
    outcome, fresh = BulkOutcome(), list[Link]()
    taken_over: list[Link] = []
    by_rule = source == BY_RULE
    for issue_id, key_result_id in wanted:
        existing = there.get((issue_id, key_result_id))
        no = closed.get(key_result_id) or _refusal_of_issue(issues.get(issue_id))
        if no is None and existing is not None and existing.state != "refused":
            # A label may be our own, put on to show this very link; only what is said in Ladder is surely a person's.
            if existing.source == BY_RULE and source == "manual":
                taken_over.append(existing)
                continue
            title = key_results[key_result_id].title
            no = LinkRefused("already_linked", f"{name_of(issues[issue_id])} is linked to “{title}” already.")
        if no is not None:
            outcome.refused.append(Refusal(issue_id, key_result_id, no.reason, str(no)))
            continue
        if existing is not None:
            session.delete(existing)
        fresh.append(
            Link(
                workspace_id=workspace_id,
                key_result_id=key_result_id,
                issue_id=issue_id,
                weight=weight,
                source=source,
                rule_id=rule_id,
                state="waiting",
                declared_change=declared_change,
                created_at=now,
            )
        )
    session.flush()
    _take_over(session, workspace_id, taken_over, source, weight, declared_change, actor=actor, now=now)
    let_count(session, workspace_id, fresh, actor=actor, now=now, cause_detail=_detail_of(rule_id), in_no_hurry=by_rule)
    made = [*taken_over, *fresh]
    outcome.linked = [link.id for link in sorted(made, key=lambda link: (link.issue_id, link.key_result_id))]
    if made:
        withdraw_declarations(session, [link.issue_id for link in made])
        # A rule's link without its rule is somebody's undo: the rule that matches takes it over.
        if not by_rule or rule_id is None:
            forgive_exceptions(session, [(link.issue_id, link.key_result_id) for link in made])
            ask_rules_again(session, [link.issue_id for link in made], now)
    return outcome


def let_count(
    session: Session,
    workspace_id: str,
    links: Sequence[Link],
    *,
    actor: str,
    now: datetime,
    cause_detail: Mapping[str, str] | None = None,
    in_no_hurry: bool = False,
) -> None:
    """Let links count that are new or have waited so far: running values, ledger rows (scope_added), labels."""
    if not links:
        return
    take_turn(session, workspace_id)
    ordered = sorted(links, key=lambda link: (link.issue_id, link.key_result_id))
    store = SqlStore(session, workspace_id, now)
    rows = store.read_around({link.issue_id for link in ordered}, {link.key_result_id for link in ordered})
    moved: list[tuple[Sequence[Change], Issue | None]] = []
    for link in ordered:
        store.expect(link)
        link.waiting_since = None
        record = LinkRecord(link.key_result_id, link.issue_id, link.weight)
        moved.append((running.add_link(store, record), rows[link.issue_id]))
        session.add(link)
    store.flush()
    record_work_of_many(session, moved, Occasion("scope_added", actor, now, now, detail=cause_detail or {}))
    show_labels(session, [rows[link.issue_id] for link in ordered], now, in_no_hurry=in_no_hurry)


def unlink_many(
    session: Session,
    workspace_id: str,
    link_ids: Collection[str],
    *,
    actor: str,
    now: datetime,
    by_rule: bool = False,
) -> list[TakenAway]:
    """Take links away; one ledger row for each, cause scope_removed. Ids that are gone or foreign are passed over.

    What a person takes away no rule makes again (`RuleException`), until a person links it or says otherwise;
    `by_rule` is for a rule that stops matching.
    """
    take_turn(session, workspace_id)
    links: list[Link] = []
    for chunk in chunks(sorted(link_ids)):
        links.extend(session.scalars(select(Link).where(Link.workspace_id == workspace_id, Link.id.in_(chunk))))
    links.sort(key=lambda link: (link.issue_id, link.key_result_id))
    if not links:
        return []
    taken = [_taken(link) for link in links]
    counting = [link for link in links if link.state == "active"]
    rows = _issues(session, workspace_id, {link.issue_id for link in links})
    if counting:
        look_at_cards_again(session, sorted({link.key_result_id for link in counting}))
        store = SqlStore(session, workspace_id, now)
        store.read_around({link.issue_id for link in counting}, {link.key_result_id for link in counting})
        moved: list[tuple[Sequence[Change], Issue | None]] = [
            (running.remove_link(store, link.key_result_id, link.issue_id), rows[link.issue_id]) for link in counting
        ]
        store.flush()
        detail = _detail_of(counting[0].rule_id if by_rule else None)
        record_work_of_many(session, moved, Occasion("scope_removed", actor, now, now, detail=detail))
    for link in links:
        if link.state != "active":
            session.delete(link)
    session.flush()
    show_labels(session, list(rows.values()), now, in_no_hurry=by_rule)
    if not by_rule:
        _except_from_rules(session, workspace_id, taken, actor, now)
        ask_rules_again(session, [one.issue_id for one in taken], now)
    return taken


def reweigh_many(
    session: Session, workspace_id: str, links: Sequence[Link], weight: Fraction, *, actor: str, now: datetime
) -> None:
    """Give links another weight; one ledger row for each that moves a number, cause reweighted.

    Raises LinkRefused: bad_weight.
    """
    check_weight(weight)
    take_turn(session, workspace_id)
    changing = sorted((one for one in links if one.weight != weight), key=lambda one: (one.issue_id, one.key_result_id))
    counting = [link for link in changing if link.state == "active"]
    before = {link.id: str(link.weight) for link in changing}
    store = SqlStore(session, workspace_id, now)
    rows = store.read_around(
        {link.issue_id for link in counting}, {link.key_result_id for link in counting}, trees=False
    )
    changes = {link.id: running.set_weight(store, link.key_result_id, link.issue_id, weight) for link in counting}
    for link in changing:
        link.weight, link.version = weight, link.version + 1
    store.flush()
    # Usually all had the same weight before, so this is one round.
    for old in sorted(set(before.values())):
        occasion = Occasion("reweighted", actor, now, now, detail={"from": old, "to": str(weight)})
        moved = [(changes[one.id], rows[one.issue_id]) for one in counting if before[one.id] == old]
        record_work_of_many(session, moved, occasion)


def declare_many(
    session: Session,
    workspace_id: str,
    issue_ids: Collection[int],
    category: str | None,
    *,
    actor: str,
    now: datetime,
) -> Declared:
    """Declare that issues are not goal work (support, maintenance, security, other), or take that back with None.

    Refused one by one: unknown_issue; linked, for an issue that carries a link of its own. Raises LinkRefused:
    unknown_category.
    """
    if category is not None and category not in BUSINESS_AS_USUAL:
        raise LinkRefused("unknown_category", f"Choose one of: {', '.join(BUSINESS_AS_USUAL)}.")
    take_turn(session, workspace_id)
    issues = _issues(session, workspace_id, issue_ids)
    outcome = Declared(
        refused=[
            Refusal(one, None, "unknown_issue", "There is no such issue.") for one in set(issue_ids) - issues.keys()
        ]
    )
    linked = _linked(session, issues) if category is not None else set()
    for issue_id in sorted(linked):
        words = "This issue is linked to a key result. Unlink it first, then declare it."
        outcome.refused.append(Refusal(issue_id, None, "linked", words))
    outcome.refused.sort(key=lambda one: one.issue_id)
    outcome.declared = sorted(issues.keys() - linked)
    withdraw_declarations(session, outcome.declared)
    if category is not None:
        session.add_all(
            BusinessAsUsual(
                issue_id=issue_id, workspace_id=workspace_id, category=category, declared_by=actor, declared_at=now
            )
            for issue_id in outcome.declared
        )
    session.flush()
    show_labels(session, [issues[issue_id] for issue_id in outcome.declared], now)
    return outcome


def show_labels(session: Session, issues: Collection[Issue], now: datetime, *, in_no_hurry: bool = False) -> None:
    """Have the trackers show what these issues ladder into now.

    `in_no_hurry` lets everything else go first: a rule over thousands of issues would otherwise keep every other errand
    of its connection waiting for half an hour.
    """
    subjects: dict[str, set[str]] = {}
    for issue in issues:
        if issue.cls not in ("gone", "unknown"):
            subjects.setdefault(issue.connection_id, set()).add(issue.external_id)
    for connection_id in sorted(subjects):
        if in_no_hurry:
            _show_one_after_another(session, connection_id, sorted(subjects[connection_id]), now)
        else:
            enqueue_many(session, connection_id, "show_label", subjects[connection_id])
    look_below(session, issues, now)
    look_at_labels(session, issues, now)


def _show_one_after_another(session: Session, connection_id: str, subjects: Sequence[str], now: datetime) -> None:
    waiting = select(func.count()).select_from(OutboxEntry)
    waiting = waiting.where(
        OutboxEntry.connection_id == connection_id, OutboxEntry.kind == "show_label", OutboxEntry.state == "waiting"
    )
    before = session.scalar(waiting) or 0
    for start in range(0, len(subjects), IN_TEN_SECONDS):
        delay = 10 * (before + start) / IN_TEN_SECONDS
        enqueue_many(
            session, connection_id, "show_label", subjects[start : start + IN_TEN_SECONDS], delay=delay, now=now
        )


def withdraw_declarations(session: Session, issue_ids: Collection[int]) -> None:
    """Forget that issues were declared not goal work: linking one is a stronger word."""
    for chunk in chunks(sorted(set(issue_ids))):
        session.execute(delete(BusinessAsUsual).where(BusinessAsUsual.issue_id.in_(chunk)))


def forgive_exceptions(session: Session, pairs: Iterable[tuple[int, str]]) -> None:
    """Let rules link (issue id, key result id) again that somebody once took away."""
    by_key_result: dict[str, list[int]] = {}
    for issue_id, key_result_id in pairs:
        by_key_result.setdefault(key_result_id, []).append(issue_id)
    for key_result_id in sorted(by_key_result):
        for chunk in chunks(sorted(by_key_result[key_result_id])):
            session.execute(
                delete(RuleException).where(
                    RuleException.key_result_id == key_result_id, RuleException.issue_id.in_(chunk)
                )
            )


def ask_rules_again(session: Session, issue_ids: Collection[int], now: datetime) -> None:
    """Have the rules that match these issues look whether people's links still leave them anything to do."""
    for chunk in chunks(sorted(set(issue_ids))):
        put_due_where(session, "rules", select(RuleMatch.issue_id).where(RuleMatch.issue_id.in_(chunk)), now)


def name_of(issue: Issue) -> str:
    """Return what people call an issue."""
    return issue.key or issue.external_id


def _take_over(
    session: Session,
    workspace_id: str,
    links: Sequence[Link],
    source: str,
    weight: Fraction,
    declared_change: Fraction | None,
    *,
    actor: str,
    now: datetime,
) -> None:
    if not links:
        return
    reweigh_many(session, workspace_id, links, weight, actor=actor, now=now)
    for link in links:
        link.source, link.rule_id = source, None
        link.declared_change = declared_change if declared_change is not None else link.declared_change
    session.flush()


def _except_from_rules(
    session: Session, workspace_id: str, taken: Sequence[TakenAway], actor: str, now: datetime
) -> None:
    matched: set[tuple[str, int]] = {(one.key_result_id, one.issue_id) for one in taken if one.rule_id is not None}
    for chunk in chunks(sorted({one.issue_id for one in taken})):
        rows = session.execute(
            select(LinkRule.key_result_id, RuleMatch.issue_id)
            .join(LinkRule, LinkRule.id == RuleMatch.rule_id)
            .where(RuleMatch.issue_id.in_(chunk))
        )
        matched.update((row.key_result_id, row.issue_id) for row in rows)
    excepted = sorted(matched & {(one.key_result_id, one.issue_id) for one in taken})
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    if excepted:
        session.execute(
            insert(RuleException).on_conflict_do_nothing(),
            [
                {
                    "key_result_id": key_result_id,
                    "issue_id": issue_id,
                    "workspace_id": workspace_id,
                    "made_by": actor[:200],
                    "made_at": now,
                }
                for key_result_id, issue_id in excepted
            ],
        )


def _issues(session: Session, workspace_id: str, issue_ids: Collection[int]) -> dict[int, Issue]:
    found: dict[int, Issue] = {}
    for chunk in chunks(sorted(set(issue_ids))):
        rows = session.scalars(select(Issue).where(Issue.workspace_id == workspace_id, Issue.id.in_(chunk)))
        found.update((row.id, row) for row in rows)
    return found


def _links_between(session: Session, pairs: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Link]:
    key_results = sorted({key_result_id for _, key_result_id in pairs})
    found: dict[tuple[int, str], Link] = {}
    for chunk in chunks(sorted({issue_id for issue_id, _ in pairs})):
        chosen = select(Link).where(Link.issue_id.in_(chunk), Link.key_result_id.in_(key_results))
        found.update(((row.issue_id, row.key_result_id), row) for row in session.scalars(chosen))
    return found


def _linked(session: Session, issue_ids: Collection[int]) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(sorted(issue_ids)):
        found.update(session.scalars(select(Link.issue_id).where(Link.issue_id.in_(chunk))))
    return found


def _key_results(session: Session, key_result_ids: Collection[str]) -> dict[str, KeyResult]:
    rows = session.scalars(select(KeyResult).where(KeyResult.id.in_(sorted(key_result_ids))))
    return {row.id: row for row in rows}


def _refusals_of_key_results(
    session: Session, workspace_id: str, pairs: Sequence[tuple[int, str]], held: Mapping[str, KeyResult]
) -> dict[str, LinkRefused]:
    refused: dict[str, LinkRefused] = {}
    for key_result_id in sorted({key_result_id for _, key_result_id in pairs}):
        if key_result_id not in held:
            refused[key_result_id] = LinkRefused("unknown_key_result", "There is no such key result.")
            continue
        try:
            open_key_result(session, workspace_id, key_result_id)
        except LinkRefused as no:
            refused[key_result_id] = no
    return refused


def _refusal_of_issue(issue: Issue | None) -> LinkRefused | None:
    if issue is None:
        return LinkRefused("unknown_issue", "There is no such issue.")
    if issue.cls == "gone":
        return LinkRefused("issue_gone", f"{name_of(issue)} was deleted, so it can't be linked.")
    return None


def _taken(link: Link) -> TakenAway:
    return TakenAway(
        link_id=link.id,
        issue_id=link.issue_id,
        key_result_id=link.key_result_id,
        weight=link.weight,
        source=link.source,
        rule_id=link.rule_id,
        declared_change=link.declared_change,
    )


def _detail_of(rule_id: str | None) -> dict[str, str]:
    return {} if rule_id is None else {"rule_id": rule_id}
