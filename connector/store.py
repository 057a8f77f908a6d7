"""The database as the place where mapping's engine keeps its nodes, links, units and sums."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator
from datetime import datetime
from typing import cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from connector.models import CountedUnit, Issue, KeyResult, Link, WorkProgress
from mapping.forest import Below, IssueId
from mapping.issue_class import IssueClass
from mapping.progress import Options, SizeBy, Unestimated
from mapping.store import KeyResultId, Node, Sums, Unit
from mapping.store import Link as LinkRecord

# How many ids one IN (...) may carry; SQLite stops at 32,766 variables, PostgreSQL at 65,535.
CHUNK = 5_000

BELOW_COLUMNS = (
    "below_countable",
    "below_countable_standard",
    "below_estimated",
    "below_parts",
    "below_parts_done",
    "below_open",
)
SUM_COLUMNS = (
    "units",
    "done_units",
    "unestimated",
    "nonzero",
    "num",
    "den",
    "num_by_count",
    "den_by_count",
    "containers_done_open",
    "containers_dropped_open",
    "broken_links",
)
LINK_COLUMNS = ("weight", "units", "done_units", "num", "den", "num_by_count", "den_by_count")


class SqlStore:
    """`mapping.store.Store` over one session; call `flush()` at the end of the operation.

    Records are read once and kept for the life of the store, so use one store per transaction.
    """

    def __init__(self, session: Session, workspace_id: str, now: datetime) -> None:
        self._session = session
        self._workspace_id = workspace_id
        self._now = now
        self._nodes: dict[IssueId, Node] = {}
        self._issues: dict[IssueId, Issue] = {}
        self._links: dict[tuple[KeyResultId, IssueId], tuple[LinkRecord, Link]] = {}
        self._removed: set[tuple[KeyResultId, IssueId]] = set()
        self._links_known: set[IssueId] = set()
        self._sums: dict[KeyResultId, tuple[Sums, WorkProgress | None]] = {}
        self._units: dict[tuple[KeyResultId, IssueId], Unit | None] = {}

    def prime(self, issues: Iterable[Issue], links: Iterable[Link], progress: Iterable[WorkProgress]) -> None:
        """Take rows that were read already: a chain of issues, all links on it, and their key results' progress.

        For reading without a statement of its own, as the issue panel does.
        """
        for issue in issues:
            self._keep(issue)
            self._links_known.add(issue.id)
        for link in links:
            if link.state == "active":
                self._keep_link(link)
                self._sums.setdefault(link.key_result_id, (Sums(), None))
        for row in progress:
            self._sums[row.key_result_id] = (sums_of(row), row)

    # -- issues

    def node(self, issue: IssueId) -> Node:
        """Return the record of an issue; raises KeyError."""
        if issue not in self._nodes:
            row = self._session.get(Issue, issue)
            if row is None:
                raise KeyError(issue)
            self._keep(row)
        return self._nodes[issue]

    def children(self, issues: Collection[IssueId]) -> Iterable[Node]:
        """Return every node whose effective parent is one of `issues`."""
        for chunk in _chunks(issues):
            rows = self._session.scalars(select(Issue).where(Issue.parent_id.in_(chunk)).order_by(Issue.id)).all()
            yield from [self._keep(row) for row in rows]

    def save_node(self, node: Node) -> None:
        """Copy a changed record to its row."""
        row = self._issues[node.id]
        row.cls = node.cls.value
        row.estimate = node.estimate
        row.level = node.level
        row.raw_parent_id = cast(int | None, node.named_parent)
        row.parent_id = cast(int | None, node.parent)
        for column, count in zip(BELOW_COLUMNS, node.below, strict=True):
            setattr(row, column, count)

    def _keep(self, row: Issue) -> Node:
        if row.id not in self._nodes:
            self._issues[row.id] = row
            self._nodes[row.id] = Node(
                id=row.id,
                cls=IssueClass(row.cls),
                estimate=row.estimate,
                level=row.level,
                named_parent=row.raw_parent_id,
                parent=row.parent_id,
                below=Below(*(getattr(row, column) for column in BELOW_COLUMNS)),
            )
        return self._nodes[row.id]

    # -- links

    def links_on(self, issues: Collection[IssueId]) -> Iterable[LinkRecord]:
        """Return every link that counts, of whatever key result, on one of `issues`."""
        if self._links_known.issuperset(issues):
            yield from [link for (_, issue), (link, _) in self._links.items() if issue in issues]
            return
        for chunk in _chunks(issues):
            rows = self._session.scalars(select(Link).where(Link.issue_id.in_(chunk), Link.state == "active")).all()
            yield from [self._keep_link(row) for row in rows]

    def links_of(self, key_result: KeyResultId) -> Iterable[LinkRecord]:
        """Return every link of a key result that counts."""
        rows = self._session.scalars(select(Link).where(Link.key_result_id == key_result, Link.state == "active")).all()
        return [self._keep_link(row) for row in rows]

    def save_link(self, link: LinkRecord) -> None:
        """Copy a changed record to its row; a link that was waiting counts from now on."""
        at = (link.key_result, link.issue)
        if at in self._removed:
            return
        if at not in self._links:
            row = self._session.scalars(
                select(Link).where(Link.key_result_id == link.key_result, Link.issue_id == link.issue)
            ).one()
            self._links[at] = (link, row)
        row = self._links[at][1]
        row.state = "active"
        for column in LINK_COLUMNS:
            setattr(row, column, getattr(link, column))

    def remove_link(self, link: LinkRecord) -> None:
        """Delete the link's row."""
        at = (link.key_result, link.issue)
        _, row = self._links.pop(at)
        self._removed.add(at)
        self._session.delete(row)
        self._session.flush()

    def _keep_link(self, row: Link) -> LinkRecord:
        at = (row.key_result_id, row.issue_id)
        if at not in self._links:
            values = {column: getattr(row, column) for column in LINK_COLUMNS}
            self._links[at] = (LinkRecord(key_result=row.key_result_id, issue=row.issue_id, **values), row)
        return self._links[at][0]

    # -- units

    def units_of(self, key_result: KeyResultId) -> Iterable[Unit]:
        """Return every unit of a key result."""
        self.flush()
        rows = self._session.scalars(select(CountedUnit).where(CountedUnit.key_result_id == key_result)).all()
        return [Unit(row.key_result_id, row.issue_id, row.link_issue_id, row.size, row.credit) for row in rows]

    def save_unit(self, unit: Unit) -> None:
        """Keep a unit, in place of the one with the same key result and issue."""
        self._units[(unit.key_result, unit.issue)] = unit

    def remove_unit(self, key_result: KeyResultId, issue: IssueId) -> None:
        """Forget a unit."""
        self._units[(key_result, issue)] = None

    # -- key results

    def options(self, key_result: KeyResultId) -> Options:
        """Return how a key result counts its work."""
        return options_of(self._session.get_one(KeyResult, key_result))

    def save_options(self, key_result: KeyResultId, options: Options) -> None:
        """Keep how a key result counts its work."""
        row = self._session.get_one(KeyResult, key_result)
        row.size_by = options.size_by.value
        row.started_credit = options.kappa
        row.sub_task_credit = options.sub_credit
        row.unestimated = options.unestimated.value

    def sums(self, key_result: KeyResultId) -> Sums:
        """Return the running sums of a key result; all zero for one that never had work."""
        if key_result not in self._sums:
            row = self._session.get(WorkProgress, key_result)
            self._sums[key_result] = (sums_of(row) if row is not None else Sums(), row)
        return self._sums[key_result][0]

    def save_sums(self, key_result: KeyResultId, sums: Sums) -> None:
        """Copy the running sums to their row."""
        row = self._sums[key_result][1]
        if row is None:
            row = WorkProgress(key_result_id=key_result, workspace_id=self._workspace_id, revision=0)
            self._session.add(row)
        self._sums[key_result] = (sums, row)
        for column in SUM_COLUMNS:
            setattr(row, column, getattr(sums, column))
        row.revision += 1
        row.changed_at = self._now

    def flush(self) -> None:
        """Write what is still held back."""
        if self._units:
            changed = sorted(self._units, key=str)
            for key_result in sorted({at[0] for at in changed}, key=str):
                # Per key result, since SQLite does not use its index for a list of pairs.
                for chunk in _chunks([at[1] for at in changed if at[0] == key_result]):
                    self._session.execute(
                        delete(CountedUnit).where(
                            CountedUnit.key_result_id == key_result, CountedUnit.issue_id.in_(chunk)
                        )
                    )
            rows = [
                {
                    "key_result_id": unit.key_result,
                    "issue_id": unit.issue,
                    "link_issue_id": unit.link,
                    "size": unit.size,
                    "credit": unit.credit,
                }
                for unit in (self._units[at] for at in changed)
                if unit is not None
            ]
            if rows:
                self._session.execute(insert(CountedUnit), rows)
            self._units.clear()
        self._session.flush()


def sums_of(row: WorkProgress) -> Sums:
    """Return the running sums kept in a row."""
    return Sums(**{column: getattr(row, column) for column in SUM_COLUMNS})


def options_of(row: KeyResult) -> Options:
    """Return how a key result counts its work."""
    return Options(
        size_by=SizeBy(row.size_by),
        kappa=row.started_credit,
        sub_credit=row.sub_task_credit,
        unestimated=Unestimated(row.unestimated),
    )


def _chunks(items: Collection[Hashable]) -> Iterator[list[Hashable]]:
    ordered = list(items)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
