"""What a rule would do, before anybody keeps it: which issues, whose links stand in the way, and what the number does.

Nothing of goals is written. The issues that the tracker finds are applied as readings, as any look at them would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from connector.core import Core
from connector.errors import NotFound
from connector.models import Connection, Issue, KeyResult, Link, LinkRule
from connector.rules.editing import RuleDraft, resolve_draft
from connector.rules.matches import read_matches
from connector.rules.naming import name_of_rule
from connector.rules.running import HIGHEST_BOUND
from connector.rules.settling import Standing, read_standings
from connector.rules.verdict import Claim, Fate
from connector.store import SqlStore, chunks
from connector.tracker import IssueQuery
from mapping import running
from mapping.scratch import Scratch
from mapping.store import Link as LinkRecord
from mapping.store import Snapshot

SHOWN = 20
# Links that are taken away for a try while somebody waits for the page.
EFFECT_OF_AT_MOST = 2_000
# The rule that is tried out has no name yet, and nobody else's.
DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Rival:
    """What takes issues from a rule, or loses them to it: a rule, or people's links (`rule` empty)."""

    rule: str
    rule_id: str | None
    key_result_id: str
    key_result: str
    issues: int


@dataclass(slots=True)
class Preview:
    """`number` issues match (`exact`, or at least so many); of those `linked` would be linked by the rule.

    `by_hand` people have linked to this key result already, `second` another rule of it has, `excepted` somebody took
    away from rules. `lost_to` names who goes first elsewhere, `taken_from` the rules that would give theirs up. `now`
    and `then` are work progress before and after, both None above the bound, when nothing was computed. `first` are
    some of the issues, those that would be linked before the others.
    """

    query: IssueQuery
    number: int
    exact: bool
    at_most: int
    linked: int = 0
    by_hand: int = 0
    second: int = 0
    excepted: int = 0
    lost_to: list[Rival] = field(default_factory=list)
    taken_from: list[Rival] = field(default_factory=list)
    first: list[tuple[Issue, Fate]] = field(default_factory=list)
    now: Snapshot | None = None
    then: Snapshot | None = None

    @property
    def over_bound(self) -> bool:
        """Whether the rule would refuse to link."""
        return self.number > self.at_most


def preview_rule(
    core: Core, workspace_id: str, key_result_id: str, draft: RuleDraft, *, without: str | None = None
) -> Preview:
    """Try a rule out; raises NotFound, Invalid (the draft or its query), and the tracker's errors.

    `without` is a rule that is being replaced by the draft.
    """
    with core.database.reading() as session:
        connection = session.get(Connection, draft.connection_id)
        key_result = session.get(KeyResult, key_result_id)
        if connection is None or connection.workspace_id != workspace_id or connection.state == "uninstalled":
            raise NotFound("There is no such connection to a tracker.")
        if key_result is None or key_result.workspace_id != workspace_id:
            raise NotFound("There is no such key result.")
    query = resolve_draft(core, connection, draft)
    matches = read_matches(core, connection, query, at_most=draft.at_most, count_to=HIGHEST_BOUND)
    preview = Preview(query, matches.number, matches.exact, draft.at_most)
    if not preview.over_bound:
        with core.database.reading() as session:
            ids = _ids(session, connection.id, matches.seen)
            _judge(session, workspace_id, key_result_id, draft, ids, preview, core.clock(), without)
    return preview


def _judge(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    draft: RuleDraft,
    ids: Collection[int],
    preview: Preview,
    now: datetime,
    without: str | None,
) -> None:
    draft_claim = Claim(DRAFT, key_result_id, draft.kind, now)
    standings = read_standings(session, workspace_id, ids)
    fates: dict[int, Fate] = {}
    lost: Counter[tuple[str | None, str]] = Counter()
    taken: Counter[tuple[str | None, str]] = Counter()
    fresh: list[int] = []
    for issue_id, standing in sorted(standings.items()):
        standing.claims = [claim for claim in standing.claims if claim.rule_id != without]
        verdict = standing.verdict(draft_claim)
        fate = fates[issue_id] = verdict.fates[DRAFT]
        if fate is Fate.LINKED:
            if not any(link.key_result_id == key_result_id for link in standing.by_rules):
                fresh.append(issue_id)
            taken.update(
                (link.rule_id, link.key_result_id) for link in standing.by_rules if link.key_result_id != key_result_id
            )
        elif fate is Fate.KEPT_AWAY:
            lost.update((None, other) for other in standing.by_people)
        elif fate is Fate.LOST and verdict.winner is not None:
            lost[verdict.winner.rule_id, verdict.winner.key_result_id] += 1
    counted = Counter(fates.values())
    preview.linked, preview.by_hand = counted[Fate.LINKED], counted[Fate.BY_HAND]
    preview.second, preview.excepted = counted[Fate.SECOND], counted[Fate.EXCEPTED]
    preview.lost_to, preview.taken_from = rivals(session, lost), rivals(session, taken)
    preview.first = _first(session, fates)
    preview.now, preview.then = _effect(session, workspace_id, key_result_id, draft, standings, fresh, now)


def effect_of_letting_go(
    session: Session, workspace_id: str, rule: LinkRule, now: datetime, *, at_most: int = EFFECT_OF_AT_MOST
) -> tuple[Snapshot, Snapshot] | None:
    """Return work progress now and once a rule's links are gone, but for those that another rule of the key result
    takes over; None for a rule with so many links that nobody would wait for the answer.
    """
    issue_ids = session.scalars(select(Link.issue_id).where(Link.rule_id == rule.id).limit(at_most + 1)).all()
    if len(issue_ids) > at_most:
        return None
    going = []
    for issue_id, standing in read_standings(session, workspace_id, issue_ids).items():
        standing.claims = [claim for claim in standing.claims if claim.rule_id != rule.id]
        winner = standing.verdict().winner
        if winner is None or winner.key_result_id != rule.key_result_id:
            going.append(issue_id)
    kept = SqlStore(session, workspace_id, now)
    kept.read_around(going, {rule.key_result_id})
    scratch = Scratch(kept)
    options = scratch.options(rule.key_result_id)
    before = scratch.sums(rule.key_result_id).snapshot(options)
    for issue_id in sorted(going):
        running.remove_link(scratch, rule.key_result_id, issue_id)
    return before, scratch.sums(rule.key_result_id).snapshot(options)


def rivals(session: Session, counted: Mapping[tuple[str | None, str], int]) -> list[Rival]:
    """Name rules and key results; `counted` holds issues by (rule id or None for people, key result id)."""
    rules = {
        row.id: name_of_rule(row.kind, row.text)
        for row in session.scalars(select(LinkRule).where(LinkRule.id.in_([rule for rule, _ in counted if rule])))
    }
    titles = {
        row.id: row.title
        for row in session.execute(
            select(KeyResult.id, KeyResult.title).where(KeyResult.id.in_([k for _, k in counted]))
        )
    }
    found = [
        Rival(rules.get(rule_id or "", ""), rule_id, key_result_id, titles.get(key_result_id, ""), number)
        for (rule_id, key_result_id), number in counted.items()
    ]
    return sorted(found, key=lambda one: (-one.issues, one.rule, one.key_result, one.key_result_id))


def _effect(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    draft: RuleDraft,
    standings: Mapping[int, Standing],
    fresh: Collection[int],
    now: datetime,
) -> tuple[Snapshot, Snapshot]:
    """Link on a copy that nobody keeps; exact, since it is the same engine."""
    kept = SqlStore(session, workspace_id, now)
    handed_on = [
        link
        for standing in standings.values()
        for link in standing.by_rules
        if link.key_result_id == key_result_id
        and (winner := standing.verdict(Claim(DRAFT, key_result_id, draft.kind, now)).winner) is not None
        and winner.rule_id == DRAFT
    ]
    kept.read_around({*fresh, *(link.issue_id for link in handed_on)}, {key_result_id})
    scratch = Scratch(kept)
    options = scratch.options(key_result_id)
    before = scratch.sums(key_result_id).snapshot(options)
    for issue_id in sorted(fresh):
        running.add_link(scratch, LinkRecord(key_result_id, issue_id, draft.weight))
    for link in handed_on:
        running.set_weight(scratch, key_result_id, link.issue_id, draft.weight)
    return before, scratch.sums(key_result_id).snapshot(options)


def _first(session: Session, fates: Mapping[int, Fate]) -> list[tuple[Issue, Fate]]:
    chosen = sorted(fates, key=lambda issue_id: (fates[issue_id] is not Fate.LINKED, issue_id))[:SHOWN]
    query = select(Issue).where(Issue.id.in_(chosen)).options(joinedload(Issue.connection))
    rows = {row.id: row for row in session.scalars(query)}
    return [(rows[issue_id], fates[issue_id]) for issue_id in chosen]


def _ids(session: Session, connection_id: str, external_ids: Collection[str]) -> list[int]:
    found: list[int] = []
    for chunk in chunks(sorted(external_ids)):
        chosen = select(Issue.id).where(Issue.connection_id == connection_id, Issue.external_id.in_(chunk))
        found.extend(session.scalars(chosen))
    return found
