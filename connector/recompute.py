"""Prove the running values against a computation from nothing, or put them right by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.core import Core
from connector.ledger import Occasion, record_work, state_at
from connector.models import CountedUnit, Issue, KeyResult, Link, WorkProgress, Workspace
from connector.store import BELOW_COLUMNS, SqlStore, options_of, sums_of
from connector.turns import take_turn
from mapping.forest import Below, Forest, IssueId
from mapping.forest import Issue as IssueRecord
from mapping.issue_class import IssueClass
from mapping.progress import Work, work_progress
from mapping.recount import rebuild
from mapping.running import Change
from mapping.store import Sums

# Later than any row: the whole ledger.
LATEST = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a running value is not what a computation from nothing gives."""

    subject: str
    what: str
    running: str
    computed: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.what} is {self.running}, computed {self.computed}"


@dataclass(slots=True)
class Recomputed:
    """How much was looked at, and every difference found."""

    key_results: int = 0
    issues: int = 0
    differences: list[Difference] = field(default_factory=list)


def recompute(core: Core, *, check: bool) -> Recomputed:
    """Compute every key result of every workspace from its issues and links alone.

    With `check` nothing is written; without it running values that differ are replaced, and a ledger row with cause
    rule_changed says so.
    """
    result = Recomputed()
    with core.database.reading() as session:
        workspaces = session.scalars(select(Workspace.id).order_by(Workspace.id)).all()
    for workspace_id in workspaces:
        with core.database.reading() if check else core.database.writing() as session:
            take_turn(session, workspace_id)
            _recompute_workspace(core, session, workspace_id, check, result)
    return result


def _recompute_workspace(core: Core, session: Session, workspace_id: str, check: bool, result: Recomputed) -> None:
    rows = session.scalars(select(Issue).where(Issue.workspace_id == workspace_id)).all()
    records: dict[IssueId, IssueRecord] = {
        row.id: IssueRecord(cls=IssueClass(row.cls), estimate=row.estimate, parent=row.raw_parent_id, level=row.level)
        for row in rows
    }
    forest = Forest(records)
    result.issues += len(rows)
    tree = [difference for row in rows for difference in _tree_differences(row, forest)]
    result.differences += tree
    if tree and not check:
        for row in rows:
            _put_right(row, forest)
        session.flush()
    links: dict[str, list[Link]] = {}
    for link in session.scalars(select(Link).where(Link.workspace_id == workspace_id, Link.state == "active")):
        links.setdefault(link.key_result_id, []).append(link)
    for key_result in session.scalars(
        select(KeyResult).where(KeyResult.workspace_id == workspace_id).order_by(KeyResult.id)
    ).all():
        result.key_results += 1
        pairs = [(link.issue_id, link.weight) for link in links.get(key_result.id, ())]
        computed = work_progress(records, pairs, options_of(key_result))
        found = _differences(session, key_result, computed)
        result.differences += found
        if found and not check:
            _rebuild(core, session, key_result)


def _tree_differences(row: Issue, forest: Forest) -> Sequence[Difference]:
    running = Below(*(getattr(row, column) for column in BELOW_COLUMNS))
    computed = forest.below[row.id]
    name = f"issue {row.key or row.external_id}"
    found = []
    if running != computed:
        found.append(Difference(name, "counts below it", str(tuple(running)), str(tuple(computed))))
    if row.parent_id != forest.parent[row.id]:
        found.append(Difference(name, "parent", str(row.parent_id), str(forest.parent[row.id])))
    return found


def _put_right(row: Issue, forest: Forest) -> None:
    row.parent_id = forest.parent[row.id]  # type: ignore[assignment]  # ids are integers here
    for column, count in zip(BELOW_COLUMNS, forest.below[row.id], strict=True):
        setattr(row, column, count)


def _differences(session: Session, key_result: KeyResult, computed: Work) -> list[Difference]:
    progress = session.get(WorkProgress, key_result.id)
    running = (sums_of(progress) if progress is not None else Sums()).snapshot(options_of(key_result))
    units = sorted(
        session.scalars(select(CountedUnit.issue_id).where(CountedUnit.key_result_id == key_result.id)), key=str
    )
    folded = state_at(session, key_result.workspace_id, key_result.id, LATEST)
    pairs = [
        ("numerator", running.num, computed.num),
        ("denominator", running.den, computed.den),
        ("units", units, list(computed.units)),
        ("number of units", running.units, len(computed.units)),
        ("finished units", running.done_units, computed.done_units),
        ("flags", list(running.flags), list(computed.flags)),
        ("sum of the ledger's numerators", folded.numerator, computed.num),
        ("sum of the ledger's denominators", folded.denominator, computed.den),
    ]
    return [
        Difference(f"key result {key_result.id} “{key_result.title}”", what, str(one), str(other))
        for what, one, other in pairs
        if one != other
    ]


def _rebuild(core: Core, session: Session, key_result: KeyResult) -> None:
    now = core.clock()
    store = SqlStore(session, key_result.workspace_id, now)
    before = store.sums(key_result.id).snapshot(store.options(key_result.id))
    after = rebuild(store, key_result.id)
    store.flush()
    change = Change(key_result.id, None, before, after)
    record_work(session, [change], Occasion("rule_changed", "", now, now, detail={"why": "recomputed"}), None)
