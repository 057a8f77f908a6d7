"""What a sprint will do to the goals, put together from what is stored; the numbers themselves are mapping's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from connector.models import KeyResult, Team, Workspace
from connector.outcome import outcome_from_work
from connector.planning import held_work
from connector.planning.held_work import LinkRow, Served
from connector.planning.plan import (
    Block,
    PlannedIssue,
    PlannedKeyResult,
    PlannedSprint,
    Serving,
    Shares,
    SprintPlan,
    TeamChoice,
    WhatIf,
)
from connector.planning.revision import plan_revision
from connector.planning.sprint_choice import alongside, following, team_of
from connector.scorecard import today
from connector.store import SqlStore, options_of
from mapping.forest import IssueId
from mapping.issue_class import ABSENT, OPEN
from mapping.overlay import Alignment, Overlay, Side, SprintItem, alignment, in_words
from mapping.progress import ONE, Options
from mapping.rollup import Kind
from mapping.running import add_link
from mapping.scratch import Scratch
from mapping.sprint import Finished, claimed_gain, finish, newly_complete, whole_of
from mapping.store import KeyResultId, Node, Sums, Unit
from mapping.store import Link as LinkRecord

LIVE = ("active", "waiting")
# Stands for the key of an issue above, where whoever looks may see what is below it only.
UNNAMED = "an issue above it"


@dataclass(slots=True)
class _Work:
    """All that was read of the sprint's work, and what it serves."""

    held: Mapping[int, Row[Any]]
    at: Mapping[int, int]
    nodes: dict[IssueId, Node]
    keys: Mapping[int, str]
    links: Sequence[LinkRow]
    units: dict[tuple[KeyResultId, IssueId], Unit]
    key_results: dict[str, Served]
    serves: dict[int, list[Serving]]
    declaring: Mapping[str, Sequence[LinkRow]]
    """By key result, the links that say what they should do to its metric."""


def read_plan(
    session: Session,
    workspace_id: str,
    sprint_ids: Sequence[int],
    now: datetime,
    *,
    what_if: WhatIf = WhatIf(),  # noqa: B008 - frozen, so one for all calls is safe
    team_id: str | None = None,
    beside_next: bool = False,
    seen: frozenset[int] | None = None,
) -> SprintPlan:
    """Read the overlay of one or several sprints, by a number of statements that does not grow with what they hold.

    `seen` are the issues that whoever looks may see in their trackers; None is all. Raises NotFound for a sprint that
    is not there.
    """
    sprints = held_work.planned_sprints(session, workspace_id, sprint_ids)
    workspace = session.get_one(Workspace, workspace_id)
    day = today(workspace, now)
    open_ones = held_work.open_sprints(session, workspace_id)
    nexts = following(sprints, open_ones)
    tried_issues = {issue for issue, _ in what_if.links} | what_if.into
    work = _read_work(session, workspace_id, [*sprints, *(nexts if beside_next else ())], tried_issues, what_if, seen)

    own = {one.id for one in sprints}
    there = {id_ for id_, sprint in work.at.items() if sprint in own}
    planned = (there - what_if.out) | {id_ for id_ in what_if.into if id_ in work.held}
    later = {id_ for id_, sprint in work.at.items() if sprint not in own} - planned

    before = alignment(_items(work, there, tried=False))
    shares = alignment(_items(work, planned))
    chosen = team_id or team_of(session, sprints, _team_efforts(work, before))
    of_team = held_work.key_results_of_team(session, workspace_id, chosen, day) if chosen else {}
    for id_, one in of_team.items():
        work.key_results.setdefault(id_, one)

    scope = _with_scope(session, workspace_id, work, what_if, planned, now)
    done = _finish(work, scope, planned)
    after_next = _finish(work, scope, planned | later) if beside_next and later else {}
    behind = _behind(work, planned)
    listed = _key_results(session, work, scope, done, after_next, behind, shares, set(of_team))
    listed = [one for one in listed if one.of_the_team or one.issue_ids or one.with_scope != one.now]
    shown = there | planned
    issues = _issues(work, shown, planned, seen, listed)
    return SprintPlan(
        sprints=sprints,
        key_results=listed,
        issues=issues,
        blocks=_blocks(session, work, planned, seen),
        shares=_shares(work, planned, shares),
        shares_before=_shares(work, there, before),
        next_sprints=nexts,
        next_issues=_issues(work, later | (shown - there), planned, seen, listed) if beside_next else (),
        next_shares=_shares(work, later, alignment(_items(work, later))) if beside_next and nexts else None,
        alongside=alongside(sprints, open_ones),
        team_id=chosen,
        teams=_teams(session, workspace_id),
        zone=workspace.timezone,
        # What is tried out is nobody else's, so nobody asks later whether it changed.
        revision=""
        if what_if
        else plan_revision(session, workspace_id, sprint_ids, now, team_id=team_id, beside_next=beside_next),
        what_if=what_if,
    )


def _read_work(
    session: Session,
    workspace_id: str,
    sprints: Sequence[PlannedSprint],
    more: Collection[int],
    what_if: WhatIf,
    seen: frozenset[int] | None,
) -> _Work:
    held, at = held_work.issues_held(session, workspace_id, sprints, more)
    nodes, keys = held_work.nodes_above(session, held)
    ids = set(keys)
    links = held_work.links_on(session, ids) if ids else []
    units = {(unit.key_result, unit.issue): unit for unit in held_work.units_on(session, ids)} if ids else {}
    wanted = {one.key_result_id for one in links} | {key_result for _, key_result in what_if.links}
    key_results = held_work.key_results_served(session, workspace_id, wanted) if wanted else {}
    past = all(one.state == "closed" for one in sprints)
    key_results = {id_: one for id_, one in key_results.items() if past or _is_live(one.row)}
    shown = {id_: key if seen is None or id_ in seen else UNNAMED for id_, key in keys.items()}
    serves = _serving(held, nodes, shown, links, key_results, what_if)
    declaring: dict[str, list[LinkRow]] = {}
    for link in links:
        if link.declared_change is not None and link.state == "active":
            declaring.setdefault(link.key_result_id, []).append(link)
    return _Work(held, at, nodes, keys, links, units, key_results, serves, declaring)


def _is_live(row: KeyResult) -> bool:
    return row.state == row.objective.state == row.objective.cycle.state == "open"


def _serving(
    held: Mapping[int, Row[Any]],
    nodes: Mapping[IssueId, Node],
    keys: Mapping[int, str],
    links: Iterable[LinkRow],
    key_results: Mapping[str, Served],
    what_if: WhatIf,
) -> dict[int, list[Serving]]:
    """How each issue comes to serve key results: by the nearest link on its chain, up to what is gone or unknown."""
    by_issue: dict[IssueId, list[LinkRow]] = {}
    for link in links:
        if link.key_result_id in key_results:
            by_issue.setdefault(link.issue_id, []).append(link)
    tried: dict[IssueId, list[str]] = {}
    for issue, key_result in what_if.links:
        if key_result in key_results:
            tried.setdefault(issue, []).append(key_result)
    serves: dict[int, list[Serving]] = {}
    for id_ in held:
        found: dict[str, Serving] = {}
        here: IssueId | None = id_
        while here is not None and here in nodes and nodes[here].cls not in ABSENT:
            through = None if here == id_ else keys[nodes[here].id]  # type: ignore[index]  # ids here are ours
            for link in by_issue.get(here, ()):
                # A link above that still waits counts nothing yet, so nothing inherits it.
                if through is None or link.state == "active":
                    own = link.id if through is None else None
                    serving = Serving(
                        link.key_result_id, own, link.source, through, link.rule_id, link.rule, link.state == "waiting"
                    )
                    found.setdefault(link.key_result_id, serving)
            for key_result in tried.get(here, ()):
                found.setdefault(key_result, Serving(key_result, None, "tried", through))
            here = nodes[here].parent
        serves[id_] = sorted(found.values(), key=lambda one: one.key_result_id)
    return serves


def _pieces(work: _Work, ids: Collection[int]) -> list[int]:
    """The issues among these that are work of their own: neither a part of another one of them nor a roof over some."""
    whole = whole_of(work.nodes, ids)
    return sorted(id_ for id_ in ids if whole.get(id_) is None)


def _items(work: _Work, ids: Collection[int], *, tried: bool = True) -> list[SprintItem]:
    """The pieces of work among these issues, for `alignment`."""
    items = []
    for id_ in _pieces(work, ids):
        row = work.held[id_]
        serves = [one.key_result_id for one in work.serves[id_] if tried or one.source != "tried"]
        items.append(SprintItem(row.estimate, serves if row.cls != "dropped" else (), _side(row)))
    return items


def _side(row: Row[Any]) -> Side:
    if row.cls == "dropped":
        return Side.DROPPED
    return Side.BUSINESS_AS_USUAL if row.category else Side.UNALIGNED


def _team_efforts(work: _Work, aligned: Alignment) -> dict[str, Fraction]:
    """Effort by team, largest first."""
    efforts: dict[str, Fraction] = {}
    for key_result, effort in aligned.effort.items():
        team = work.key_results[str(key_result)].row.objective.team_id
        efforts[team] = efforts.get(team, Fraction(0)) + effort
    return dict(sorted(efforts.items(), key=lambda one: (-one[1], one[0])))


@dataclass(slots=True)
class _Scope:
    """Sums, units and weights with the links that are tried out or wait."""

    sums: dict[KeyResultId, Sums]
    units: dict[tuple[KeyResultId, IssueId], Unit]
    weights: dict[tuple[KeyResultId, IssueId], Fraction]
    options: dict[KeyResultId, Options]


def _with_scope(
    session: Session, workspace_id: str, work: _Work, what_if: WhatIf, planned: Collection[int], now: datetime
) -> _Scope:
    scope = _Scope(
        sums={id_: one.sums for id_, one in work.key_results.items()},
        units=dict(work.units),
        weights={(one.key_result_id, one.issue_id): one.weight for one in work.links if one.state == "active"},
        options={id_: options_of(one.row) for id_, one in work.key_results.items()},
    )
    known = {(one.key_result_id, one.issue_id) for one in work.links if one.state == "active"}
    new = {
        (key_result, issue): ONE
        for issue, key_result in what_if.links
        if key_result in work.key_results and issue in work.held
    }
    new |= {
        (one.key_result_id, one.issue_id): one.weight
        for one in work.links
        if one.state == "waiting" and one.key_result_id in work.key_results and one.issue_id in planned
    }
    new = {at: weight for at, weight in new.items() if at not in known}
    if not new:
        return scope
    store = SqlStore(session, workspace_id, now)
    store.read_around({issue for _, issue in new}, set(work.key_results))
    scratch = Scratch(store)
    for (key_result, issue), weight in sorted(new.items()):
        add_link(scratch, LinkRecord(key_result, issue, weight))
        scope.weights[key_result, issue] = weight
        scope.sums[key_result] = scratch.sums(key_result)
    for at, unit in scratch.changed_units.items():
        if unit is None:
            scope.units.pop(at, None)
        else:
            scope.units[at] = unit
    return scope


def _finish(work: _Work, scope: _Scope, sprint: Collection[int]) -> dict[KeyResultId, Finished]:
    return finish(work.nodes, scope.units.values(), scope.weights, scope.sums, scope.options, sprint)


def _behind(work: _Work, planned: Collection[int]) -> dict[str, list[int]]:
    behind: dict[str, list[int]] = {}
    for id_ in sorted(planned):
        if work.held[id_].cls == "dropped":
            continue
        for serving in work.serves[id_]:
            behind.setdefault(serving.key_result_id, []).append(id_)
    return behind


def _key_results(
    session: Session,
    work: _Work,
    scope: _Scope,
    done: Mapping[KeyResultId, Finished],
    after_next: Mapping[KeyResultId, Finished],
    behind: Mapping[str, Sequence[int]],
    shares: Alignment,
    of_team: Collection[str],
) -> list[PlannedKeyResult]:
    listed = []
    for id_, served in work.key_results.items():
        row, options = served.row, scope.options[id_]
        now, then = served.sums.snapshot(options), done[id_].snapshot
        seen = Overlay(now.progress, scope.sums[id_].snapshot(options).progress, then.progress)
        kind = Kind(row.kind)
        further = after_next.get(id_)
        listed.append(
            PlannedKeyResult(
                id=row.id,
                title=row.title,
                objective_id=row.objective_id,
                objective=row.objective.title,
                team_id=row.objective.team_id,
                team=row.objective.team.name,
                kind=row.kind,
                badge="output" if kind.counts_output else "",
                flags=now.flags,
                now=seen.now,
                with_scope=seen.after_adding_scope,
                if_done=seen.if_all_sprint_work_finishes,
                gain=seen.gain,
                words=in_words(kind, seen.gain, _effect_on_metric(session, work, row, done[id_], served.sums, options)),
                after_next=further.snapshot.progress if further is not None else None,
                effort=shares.effort.get(id_, Fraction(0)),
                issue_ids=behind.get(id_, ()),
                nothing_behind=id_ in of_team and not behind.get(id_),
                of_the_team=id_ in of_team,
            )
        )
    return sorted(listed, key=lambda one: (one.nothing_behind, -one.effort, one.objective, one.title, one.id))


def _effect_on_metric(
    session: Session, work: _Work, row: KeyResult, done: Finished, sums: Sums, options: Options
) -> Fraction | None:
    """What finishing does to the outcome, where that is known or claimed; never invented."""
    if row.kind == Kind.ISSUE_COUNT:
        before = outcome_from_work(session, row, sums.snapshot(options))
        after = outcome_from_work(session, row, done.snapshot)
        if before is None or after is None:
            return None
        return Overlay(before.progress, None, after.progress).gain
    declaring = work.declaring.get(row.id, ())
    records = [LinkRecord(row.id, one.issue_id, units=one.units, done_units=one.done_units) for one in declaring]
    complete = newly_complete(records, done)
    changes = [one.declared_change for one in declaring if one.issue_id in complete]
    return claimed_gain(row.baseline, row.target, [change for change in changes if change is not None])


def _issues(
    work: _Work,
    ids: Collection[int],
    planned: Collection[int],
    seen: frozenset[int] | None,
    key_results: Sequence[PlannedKeyResult],
) -> list[PlannedIssue]:
    order = {one.id: at for at, one in enumerate(key_results)}
    whole = whole_of(work.nodes, ids)
    issues = [_issue(work, id_, planned, seen, whole.get(id_)) for id_ in ids]
    sides = {"aligned": 0, "unaligned": 1, "bau": 2, "dropped": 3}
    last = len(order)

    def place(one: PlannedIssue) -> tuple[object, ...]:
        first = min([order.get(serving.key_result_id, last) for serving in one.serves], default=0)
        return (sides[one.side], first, one.connection_id, len(one.key), one.key, one.id)

    return sorted(issues, key=place)


def _issue(
    work: _Work, id_: int, planned: Collection[int], seen: frozenset[int] | None, whole: IssueId | None
) -> PlannedIssue:
    row = work.held[id_]
    hidden = seen is not None and id_ not in seen
    dropped = row.cls == "dropped"
    serves = work.serves[id_]
    part_of = whole if isinstance(whole, int) and whole != id_ else None
    side = "dropped" if dropped else "aligned" if serves else "bau" if row.category else "unaligned"
    return PlannedIssue(
        id=id_,
        sprint_id=work.at.get(id_, 0),
        connection_id=row.connection_id,
        external_id=row.external_id,
        key="" if hidden else row.key,
        title="" if hidden else row.title,
        url="" if hidden else row.url,
        issue_type=row.issue_type,
        status_name=row.status_name,
        cls=row.cls,
        estimate=row.estimate,
        size=SprintItem(row.estimate).size,
        assignee=None if hidden else row.assignee,
        labels=() if hidden else row.labels,
        side=side,
        category=row.category,
        serves=serves,
        included=id_ in planned,
        hidden=hidden,
        part_of=part_of,
        whole_key=work.keys[part_of] if part_of is not None and (seen is None or part_of in seen) else "",
        is_roof=whole == id_,
        stale_since=row.stale_since,
    )


def _blocks(session: Session, work: _Work, planned: Collection[int], seen: frozenset[int] | None) -> list[Block]:
    """What holds up work of the sprint that serves a key result."""
    serving = [id_ for id_ in planned if work.serves[id_] and work.held[id_].cls in OPEN]
    if not serving:
        return []
    found = []
    for row in held_work.blocks_on(session, serving):
        hidden = seen is not None and row.id not in seen
        blocked_hidden = seen is not None and row.blocked_id not in seen
        found.append(
            Block(
                blocker_id=row.id,
                blocker_key="" if hidden else row.key,
                blocker_title="" if hidden else row.title,
                blocker_url="" if hidden else row.url,
                blocked_id=row.blocked_id,
                blocked_key="" if blocked_hidden else work.held[row.blocked_id].key,
                key_result_ids=[one.key_result_id for one in work.serves[row.blocked_id]],
                inside=row.id in planned,
            )
        )
    return found


def _shares(work: _Work, ids: Collection[int], found: Alignment) -> Shares:
    pieces = [work.held[id_] for id_ in _pieces(work, ids) if work.held[id_].cls != "dropped"]
    return Shares(
        total=found.total,
        aligned=found.aligned,
        bau=found.declared_bau,
        unaligned=found.unaligned,
        issues=len(pieces),
        open_issues=sum(row.cls in OPEN for row in pieces),
        unestimated=sum(row.estimate is None for row in pieces),
    )


def _teams(session: Session, workspace_id: str) -> list[TeamChoice]:
    rows = session.execute(
        select(Team.id, Team.name, Team.level).where(Team.workspace_id == workspace_id).order_by(Team.name)
    )
    return [TeamChoice(row.id, row.name, row.level) for row in rows]
