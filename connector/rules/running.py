"""A rule compared with its tracker: all of it at once (`run_rule`), or for issues that changed (`ask_about_changes`).

Everything is done in small transactions with a breath in between, so that deliveries go on being applied, and each may
be done again: a run that was killed is simply repeated, and finds done what is done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from connector import due
from connector.bulk_links import reweigh_many
from connector.core import Core
from connector.models import Connection, Issue, KeyResult, Link, LinkRule, OutboxEntry, RuleMatch
from connector.outbox import enqueue
from connector.rules.following import (
    DECIDED_BY_SNAPSHOT,
    DUE,
    forget_match,
    matches_by_snapshot,
    note_match,
    over_bound_words,
)
from connector.rules.matches import breathing, read_matches
from connector.rules.settling import actor_of, read_standings, settle
from connector.store import chunks
from connector.telemetry import logger
from connector.tracker import IssueQuery, TrackerError, TrackerRefused, TrackerUnavailable
from connector.turns import take_turn

# Links made or taken away in one transaction: a tenth of a second on a small machine.
CHUNK = 100
# How long a run may go without a sign of life before another worker takes it over.
LEASE = timedelta(minutes=2)
# A rule is run again this long after it ran, for every thousand issues that it matches: trackers count what is read.
INTERVAL = timedelta(minutes=15)
ISSUES_AN_INTERVAL = 1_000
# Clocks differ: an issue that changed so shortly before a run may have changed during it.
SKEW = timedelta(minutes=1)
# Issues asked about at once, and how often in one errand before others have their turn.
ASKED_AT_ONCE = 100
ROUNDS = 10
# Bounds of `LinkRule.at_most`.
USUAL_BOUND = 1_000
HIGHEST_BOUND = 20_000


def query_of(rule: LinkRule) -> IssueQuery:
    """Return what a rule asks its tracker for."""
    return IssueQuery(rule.kind, rule.text, rule.external_id)


def run_rule(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Make a rule's matches what its tracker finds now, and all links what follows (errand; subject is the rule).

    While the tracker does not answer, or refuses, or finds more than the rule may link, everything stays as it was and
    the rule says why. Raises TrackerUnavailable, so that the outbox tries again.
    """
    with core.database.reading() as session:
        rule = session.get(LinkRule, entry.subject)
        if rule is None or rule.connection_id != connection.id:
            return
        is_open = session.get_one(KeyResult, rule.key_result_id).state == "open"
    if rule.state in ("paused", "ending") or not is_open:
        _settle_all(core, rule, _unsettled(core, rule, _linked(core, rule)), entry)
        _end(core, rule)
        return
    try:
        _compare(core, connection, rule, entry)
    except TrackerUnavailable as error:
        _fail(core, rule, f"{connection.display_site or connection.site} does not answer: {error}")
        raise
    except TrackerError as error:
        _fail(core, rule, str(error))


def ask_for_run(session: Session, rule: LinkRule, now: datetime, *, delay: float = 0) -> None:
    """Have a rule compared with its tracker."""
    enqueue(session, rule.connection_id, "run_rule", rule.id, delay=delay, now=now)


def ask_for_runs(session: Session, connection: Connection, now: datetime) -> None:
    """Have those rules of a connection run that have not for long enough; asked with every reconcile."""
    if DECIDED_BY_SNAPSHOT not in connection.settings:
        return
    matched = select(func.count()).select_from(RuleMatch).where(RuleMatch.rule_id == LinkRule.id).scalar_subquery()
    rows = session.execute(
        select(LinkRule, matched.label("matched"))
        .where(LinkRule.connection_id == connection.id, LinkRule.state != "paused")
        .order_by(LinkRule.id)
    ).all()
    for rule, number in rows:
        times = max(1, -(-number // ISSUES_AN_INTERVAL)) if rule.state == "active" else 1
        if rule.ran_at is None or rule.ran_at <= now - INTERVAL * times + SKEW:
            ask_for_run(session, rule, now)


def ask_about_changes(core: Core, connection: Connection, entry: OutboxEntry) -> None:
    """Match issues that changed against what only the tracker can judge, and settle them (errand `rules`).

    Raises TrackerUnavailable; the issues then go on waiting.
    """
    for _ in range(ROUNDS):
        with core.database.reading() as session:
            asked = due.waiting(session, DUE, connection.id, ASKED_AT_ONCE)
        if not asked:
            return
        answers = _ask(core, connection, sorted(asked))
        with breathing():
            _take_in(core, connection, asked, answers)
    with core.database.writing() as session:
        enqueue(session, connection.id, DUE, "", now=core.clock())


def _compare(core: Core, connection: Connection, rule: LinkRule, entry: OutboxEntry) -> None:
    started = core.clock()
    tracker = core.tracker_of(connection)
    if rule.kind not in tracker.capabilities.rules:
        raise TrackerRefused(f"This tracker can't be asked for a {rule.kind}.")
    query = tracker.resolve(connection, query_of(rule))
    # How many there are is counted once, for whoever made or changed the rule; after that it fails for what it said.
    counted = rule.state == "active"
    matches = read_matches(
        core,
        connection,
        query,
        at_most=rule.at_most,
        count_to=HIGHEST_BOUND if counted else rule.at_most,
        rule_id=rule.id,
        progressed=lambda: _renew(core, entry),
    )
    if matches.number > rule.at_most:
        if counted or matches.exact:
            _fail(core, rule, over_bound_words(rule, matches.number, more=not matches.exact))
        return
    with core.database.reading() as session:
        found: dict[int, datetime] = {}
        for chunk in chunks(sorted(matches.seen)):
            rows = session.execute(
                select(Issue.id, Issue.external_id).where(
                    Issue.connection_id == connection.id, Issue.external_id.in_(chunk)
                )
            )
            found.update((row.id, matches.seen[row.external_id]) for row in rows)
        matched = set(session.scalars(select(RuleMatch.issue_id).where(RuleMatch.rule_id == rule.id)))
    news = sorted(found.keys() ^ matched)
    for start in range(0, len(news), CHUNK):
        with breathing():
            if not _take_news(core, rule, query, news[start : start + CHUNK], found, started, entry):
                return  # edited, paused or deleted meanwhile: that has asked for a run of its own
    _settle_all(core, rule, _unsettled(core, rule, (found.keys() & matched) | _linked(core, rule)), entry)
    _bring_weights(core, rule, entry)
    with core.database.writing() as session:
        row = session.get(LinkRule, rule.id, with_for_update=True)
        if row is not None and row.version == rule.version and row.state != "paused":
            row.state, row.trouble, row.ran_at = "active", None, core.clock()
            row.text, row.external_id = query.text, query.external_id
    logger.info("rule_ran", rule=rule.id, matched=len(found), news=len(news))


def _take_news(
    core: Core,
    rule: LinkRule,
    query: IssueQuery,
    ids: Sequence[int],
    found: dict[int, datetime],
    started: datetime,
    entry: OutboxEntry,
) -> bool:
    """Take in what a run found of some issues; False if the rule is not what it was when the run began."""
    now = core.clock()
    with core.database.writing() as session:
        take_turn(session, rule.workspace_id)
        row = session.get(LinkRule, rule.id)
        if row is None or row.version != rule.version or row.state in ("paused", "ending"):
            return False
        decided = session.get_one(Connection, rule.connection_id).settings.get(DECIDED_BY_SNAPSHOT) or ()
        row.text, row.external_id = query.text, query.external_id
        gained, lost, unsure = list[int](), list[int](), list[int]()
        for issue in session.scalars(select(Issue).where(Issue.id.in_(ids)).order_by(Issue.id)):
            there = issue.id in found
            said: bool | None = there
            changed_since = found[issue.id] if there else started - SKEW
            if issue.watermark is not None and issue.watermark > changed_since:
                # A delivery overtook the run: what it said of the issue is newer.
                said = matches_by_snapshot(row, issue, (), not there, decided)
            if said is None:
                unsure.append(issue.id)
            elif said and there:
                gained.append(issue.id)
            elif not said and not there:
                lost.append(issue.id)
        _insert_matches(session, rule.id, gained)
        session.execute(delete(RuleMatch).where(RuleMatch.rule_id == rule.id, RuleMatch.issue_id.in_(lost)))
        settle(session, rule.workspace_id, [*gained, *lost], now)
        if unsure:
            due.put_due(session, DUE, unsure, now)
        _note_life(session, entry, now)
    return True


def _settle_all(core: Core, rule: LinkRule, ids: Collection[int], entry: OutboxEntry) -> None:
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        with breathing(), core.database.writing() as session:
            settle(session, rule.workspace_id, ordered[start : start + CHUNK], core.clock())
            _note_life(session, entry, core.clock())


def _bring_weights(core: Core, rule: LinkRule, entry: OutboxEntry) -> None:
    while True:
        with breathing(), core.database.writing() as session:
            take_turn(session, rule.workspace_id)
            row = session.get(LinkRule, rule.id)
            if row is None or not bring_weights(session, row, core.clock()):
                return
            _note_life(session, entry, core.clock())


def bring_weights(session: Session, rule: LinkRule, now: datetime) -> bool:
    """Give some of a rule's links its present weight; False if all have it."""
    other = select(Link).where(Link.rule_id == rule.id, Link.weight != rule.weight)
    links = session.scalars(other.order_by(Link.issue_id).limit(CHUNK)).all()
    reweigh_many(session, rule.workspace_id, links, rule.weight, actor=actor_of(rule), now=now)
    return bool(links)


def _end(core: Core, rule: LinkRule) -> None:
    """Forget a deleted rule once nothing is left of it."""
    with core.database.writing() as session:
        row = session.get(LinkRule, rule.id)
        if row is not None and row.state == "ending":
            forget_rule(session, row)


def forget_rule(session: Session, rule: LinkRule) -> None:
    """Delete a rule that has no links any more; a connection without rules costs its deliveries nothing."""
    connection = session.get_one(Connection, rule.connection_id)
    session.delete(rule)
    session.flush()
    left = session.scalar(select(func.count()).select_from(LinkRule).where(LinkRule.connection_id == connection.id))
    if not left:
        connection.settings = {
            name: value for name, value in connection.settings.items() if name != DECIDED_BY_SNAPSHOT
        }


def _unsettled(core: Core, rule: LinkRule, ids: Collection[int]) -> set[int]:
    """Return those issues whose links are not what they should be; reading only."""
    found: set[int] = set()
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        with core.database.reading() as session:
            standings = read_standings(session, rule.workspace_id, ordered[start : start + CHUNK])
            for issue_id, standing in standings.items():
                winner = standing.verdict().winner
                wanted = [(winner.rule_id, winner.key_result_id)] if winner is not None else []
                if [(link.rule_id, link.key_result_id) for link in standing.by_rules] != wanted:
                    found.add(issue_id)
    return found


def _linked(core: Core, rule: LinkRule) -> set[int]:
    with core.database.reading() as session:
        return set(session.scalars(select(Link.issue_id).where(Link.rule_id == rule.id)))


def _ask(core: Core, connection: Connection, ids: Sequence[int]) -> dict[str, dict[int, bool]]:
    """Ask the tracker which rules match these issues; {rule: {issue: matches}} for what only it can say."""
    tracker = core.tracker_of(connection)
    with core.database.reading() as session:
        decided = session.get_one(Connection, connection.id).settings.get(DECIDED_BY_SNAPSHOT) or ()
        live = (Issue.id.in_(ids), Issue.cls.not_in(("gone", "unknown")))
        issues = session.scalars(select(Issue).where(*live).order_by(Issue.id)).all()
        rules = session.scalars(
            select(LinkRule)
            .join(KeyResult, KeyResult.id == LinkRule.key_result_id)
            .where(LinkRule.connection_id == connection.id, LinkRule.state == "active", KeyResult.state == "open")
            .order_by(LinkRule.id)
        ).all()
        pairs = session.execute(select(RuleMatch.rule_id, RuleMatch.issue_id).where(RuleMatch.issue_id.in_(ids)))
        matched = {(row.rule_id, row.issue_id) for row in pairs}
    answers: dict[str, dict[int, bool]] = {}
    for rule in rules:
        unsure = {
            issue.external_id: issue.id
            for issue in issues
            if matches_by_snapshot(rule, issue, (), (rule.id, issue.id) in matched, decided) is None
        }
        if not unsure:
            continue
        try:
            found = tracker.matching(connection, query_of(rule), sorted(unsure))
        except TrackerUnavailable:
            raise
        except TrackerError as error:
            _fail(core, rule, str(error))
            continue
        answers[rule.id] = {issue_id: external_id in found for external_id, issue_id in unsure.items()}
    return answers


def _take_in(
    core: Core, connection: Connection, asked: Mapping[int, datetime], answers: Mapping[str, Mapping[int, bool]]
) -> None:
    ids = sorted(asked)
    with core.database.writing() as session:
        take_turn(session, connection.workspace_id)
        # What changed again since it was asked about goes on waiting.
        due.settle(session, DUE, asked)
        chosen = select(LinkRule).where(LinkRule.id.in_(sorted(answers)), LinkRule.state == "active")
        for rule in session.scalars(chosen.order_by(LinkRule.id)).all():
            held = select(RuleMatch.issue_id).where(RuleMatch.rule_id == rule.id, RuleMatch.issue_id.in_(ids))
            matched = set(session.scalars(held))
            for issue_id, matches in sorted(answers[rule.id].items()):
                if matches and issue_id not in matched:
                    if not note_match(session, rule, issue_id):
                        break  # over its bound
                elif not matches and issue_id in matched:
                    forget_match(session, rule, issue_id)
        settle(session, connection.workspace_id, ids, core.clock())


def _fail(core: Core, rule: LinkRule, trouble: str) -> None:
    with core.database.writing() as session:
        row = session.get(LinkRule, rule.id)
        if row is not None and row.version == rule.version and row.state in ("active", "failing"):
            row.state, row.trouble = "failing", trouble[:1000]
    logger.info("rule_failing", rule=rule.id, trouble=trouble)


def _insert_matches(session: Session, rule_id: str, issue_ids: Sequence[int]) -> None:
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    if issue_ids:
        rows = [{"rule_id": rule_id, "issue_id": issue_id} for issue_id in issue_ids]
        session.execute(insert(RuleMatch).on_conflict_do_nothing(), rows)


def _renew(core: Core, entry: OutboxEntry) -> None:
    with core.database.writing() as session:
        _note_life(session, entry, core.clock())


def _note_life(session: Session, entry: OutboxEntry, now: datetime) -> None:
    """Keep the errand from being taken for dead: a run takes as long as its rule is big."""
    if entry.id is not None:
        mine = (OutboxEntry.id == entry.id, OutboxEntry.state == "waiting", OutboxEntry.due_at > now)
        session.execute(update(OutboxEntry).where(*mine).values(due_at=now + LEASE))
