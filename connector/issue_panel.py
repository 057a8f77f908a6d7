"""What an issue's panel shows: which key results the issue counts for, how they stand, and what closing it will do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any, Literal

from sqlalchemy import BindParameter, Select, bindparam, func, literal, select
from sqlalchemy.orm import Session, aliased, joinedload

from connector.issues import read_ancestry
from connector.models import (
    BusinessAsUsual,
    Connection,
    Issue,
    KeyResult,
    Link,
    LinkRule,
    Objective,
    Person,
    Team,
    WorkProgress,
    Workspace,
)
from connector.rules.naming import name_of_rule
from connector.scorecard import Scorecard, scorecards, today
from connector.store import SqlStore
from mapping.display import signed_points
from mapping.issue_class import ABSENT, OPEN
from mapping.rollup import Kind
from mapping.scratch import Effect, Standing, effect_of_closing

State = Literal["linked", "unlinked", "not_goal_work"]


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One objective on the way from the key result's own up to the company's, and whose it is."""

    title: str
    team: str
    level: str


@dataclass(frozen=True, slots=True)
class EffectOfClosing:
    """What closing the issue will do to work progress; `delta` in units of 1, null where there is no number."""

    delta: Fraction | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class PanelEntry:
    """A key result that the issue counts for; `inherited_from` is the linked ancestor's key, if not linked itself.

    `rule` is what the rule is called that made the link, None if a person did.
    """

    link: Link
    key_result: KeyResult
    scorecard: Scorecard
    chain: Sequence[ChainLink]
    effect: EffectOfClosing
    inherited_from: str | None = None
    inherited_url: str | None = None
    waiting_since: datetime | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class IssuePanel:
    """`issue` is null while it was never heard of. `revision` changes whenever anything shown does."""

    workspace: Workspace
    issue: Issue | None
    state: State
    entries: Sequence[PanelEntry]
    business_as_usual: str | None
    offline_since: datetime | None
    revision: str


@dataclass(frozen=True, slots=True)
class _Served:
    """A link somewhere on the issue's chain, with the running sums of its key result."""

    link: Link
    progress: WorkProgress | None
    rule: str | None = None


def read_panel(session: Session, connection: Connection, external_id: str, now: datetime) -> IssuePanel:
    """Read the panel of one issue, by at most eight statements whatever the number of links."""
    workspace, goals = _workspace_and_goals(session, connection.workspace_id)
    ancestry = read_ancestry(session, connection.id, external_id)
    if not ancestry:
        revision = _digest(goals, connection, today(workspace, now), [], [], None)
        return IssuePanel(workspace, None, "unlinked", (), None, connection.offline_since, revision)
    served, category = _served(session, ancestry)
    issue = ancestry[0]
    day = today(workspace, now)
    revision = _digest(goals, connection, day, ancestry, served, category)
    shown = _nearest(ancestry, served)
    entries: list[PanelEntry] = []
    if shown:
        key_results = [one.link.key_result for one in shown]
        progress = {one.link.key_result_id: one.progress for one in shown if one.progress is not None}
        cards = scorecards(session, connection.workspace_id, key_results, day, progress=progress)
        chains = objective_chains(session, connection.workspace_id, [row.objective for row in key_results])
        effects = _effects(session, connection.workspace_id, ancestry, served, now)
        keys = {above.id: above for above in ancestry}
        for one in shown:
            key_result = one.link.key_result
            linked = keys[one.link.issue_id]
            own = linked is issue
            entries.append(
                PanelEntry(
                    link=one.link,
                    key_result=key_result,
                    scorecard=cards[key_result.id],
                    chain=chains[key_result.objective_id],
                    effect=_in_words(effects.get(key_result.id), Kind(key_result.kind)),
                    inherited_from=None if own else linked.key or linked.external_id,
                    inherited_url=None if own else linked.url,
                    waiting_since=one.link.waiting_since,
                    rule=one.rule,
                )
            )
    entries.sort(key=lambda entry: (entry.key_result.objective.title, entry.key_result.title, entry.key_result.id))
    state: State = "linked" if entries else "not_goal_work" if category else "unlinked"
    return IssuePanel(workspace, issue, state, entries, category, connection.offline_since, revision)


def panel_revision(session: Session, connection: Connection, external_id: str, now: datetime) -> str:
    """Return the panel's present revision, by three statements; equal to what `read_panel` would carry."""
    workspace, goals = _workspace_and_goals(session, connection.workspace_id)
    ancestry = read_ancestry(session, connection.id, external_id)
    day = today(workspace, now)
    if not ancestry:
        return _digest(goals, connection, day, [], [], None)
    served, category = _served(session, ancestry)
    return _digest(goals, connection, day, ancestry, served, category)


def objective_chains(
    session: Session, workspace_id: str, objectives: Sequence[Objective]
) -> Mapping[str, Sequence[ChainLink]]:
    """Return, per objective id, the chain from it up to the company's objective; one statement."""
    chains: dict[str, list[ChainLink]] = {row.id: [] for row in objectives}
    for row in session.execute(_upwards(), {"workspace_id": workspace_id, "ids": sorted(chains)}):
        chains[row.start].append(ChainLink(row.title, row.name, row.level))
    return chains


# Statements are built once: putting a recursive or many-columned query together takes longer than running it.


@cache
def _upwards() -> Select[str, str, str, str]:
    start = (
        select(Objective.id, Objective.parent_id, Objective.id.label("start"), literal(0).label("distance"))
        .where(Objective.workspace_id == bindparam("workspace_id"), Objective.id.in_(bindparam("ids", expanding=True)))
        .cte("upwards", recursive=True)
    )
    above = aliased(Objective)
    upwards = start.union_all(
        select(above.id, above.parent_id, start.c.start, start.c.distance + 1).join(
            start, above.id == start.c.parent_id
        )
    )
    return (
        select(upwards.c.start, Objective.title, Team.name, Team.level)
        .join(Objective, Objective.id == upwards.c.id)
        .join(Team, Team.id == Objective.team_id)
        .order_by(upwards.c.start, upwards.c.distance)
    )


def _workspace_and_goals(session: Session, workspace_id: str) -> tuple[Workspace, str]:
    """Read the workspace, and a mark that changes whenever any of its objectives, teams or key results is edited."""
    row = session.execute(_marked(), {"workspace_id": workspace_id}).one()
    return row[0], ":".join(str(mark) for mark in row[1:])


@cache
def _marked() -> Select[*tuple[Any, ...]]:
    workspace_id: BindParameter[str] = bindparam("workspace_id")
    marks = [
        select(func.coalesce(func.sum(table.version), 0) * 100_000 + func.count())
        .where(table.workspace_id == workspace_id)
        .scalar_subquery()
        for table in (Objective, KeyResult, Team)
    ]
    return select(Workspace, *marks).where(Workspace.id == workspace_id)


def _served(session: Session, ancestry: Sequence[Issue]) -> tuple[list[_Served], str | None]:
    """Read every link on the chain with what the panel says of its key result, and the issue's business-as-usual."""
    rows = session.execute(_links_and_more(), {"ids": [issue.id for issue in ancestry]}).all()
    served = [
        _Served(row[1], row[2], name_of_rule(row[4], row[5]) if row[4] is not None else None)
        for row in rows
        if row[1] is not None
    ]
    category = next((row[3] for row in rows if row[0] == ancestry[0].id), None)
    return served, category


@cache
def _links_and_more() -> Select[int, Link, WorkProgress, str, str, str]:
    return (
        select(Issue.id, Link, WorkProgress, BusinessAsUsual.category, LinkRule.kind, LinkRule.text)
        .outerjoin(Link, Link.issue_id == Issue.id)
        .outerjoin(LinkRule, LinkRule.id == Link.rule_id)
        .outerjoin(WorkProgress, WorkProgress.key_result_id == Link.key_result_id)
        .outerjoin(BusinessAsUsual, BusinessAsUsual.issue_id == Issue.id)
        .where(Issue.id.in_(bindparam("ids", expanding=True)))
        .options(
            joinedload(Link.key_result).joinedload(KeyResult.driver).lazyload(Person.accounts),
            joinedload(Link.key_result).joinedload(KeyResult.objective).joinedload(Objective.cycle),
            joinedload(Link.key_result).joinedload(KeyResult.objective).joinedload(Objective.team),
        )
    )


def _nearest(ancestry: Sequence[Issue], served: Sequence[_Served]) -> list[_Served]:
    """Of several links to one key result the nearest holds; a gone or unknown ancestor ends the chain."""
    reach = [ancestry[0].id]
    for above in ancestry[1:]:
        if above.cls in ABSENT:
            break
        reach.append(above.id)
    nearest: dict[str, _Served] = {}
    for one in sorted(
        (one for one in served if one.link.issue_id in reach), key=lambda one: reach.index(one.link.issue_id)
    ):
        inherits_nothing_yet = one.link.issue_id != ancestry[0].id and one.link.state != "active"
        if not inherits_nothing_yet:
            nearest.setdefault(one.link.key_result_id, one)
    return list(nearest.values())


def _effects(
    session: Session, workspace_id: str, ancestry: Sequence[Issue], served: Sequence[_Served], now: datetime
) -> Mapping[object, Effect]:
    if ancestry[0].cls not in OPEN:
        return {}
    store = SqlStore(session, workspace_id, now)
    store.prime(ancestry, (one.link for one in served), (one.progress for one in served if one.progress is not None))
    return effect_of_closing(store, ancestry[0].id)


def _in_words(effect: Effect | None, kind: Kind) -> EffectOfClosing:
    if effect is None:
        return EffectOfClosing(None, "")
    match effect.standing:
        case Standing.CONTAINER:
            return EffectOfClosing(None, "nothing by itself; the issues below it are what counts")
        case Standing.ABSORBED:
            return EffectOfClosing(None, "nothing by itself; it is a part of the issue above it")
        case Standing.NOT_COUNTED:
            return EffectOfClosing(None, "nothing; it has no estimate and is left out")
    if effect.delta is None:
        return EffectOfClosing(None, "")
    name = "output" if kind.counts_output else "work"
    return EffectOfClosing(effect.delta, f"{name} {signed_points(effect.delta)}")


def _digest(
    goals: str,
    connection: Connection,
    day: object,
    ancestry: Sequence[Issue],
    served: Sequence[_Served],
    category: str | None,
) -> str:
    parts: list[object] = [goals, day, category, connection.state, connection.offline_since]
    if ancestry:
        issue = ancestry[0]
        parts += [issue.cls, issue.content_hash, issue.watermark, issue.stale_since]
        parts += [(above.id, above.key, above.cls in ABSENT) for above in ancestry]
    for one in sorted(served, key=lambda one: one.link.id):
        parts += [one.link.id, one.link.version, one.link.state, one.progress.revision if one.progress else 0, one.rule]
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
