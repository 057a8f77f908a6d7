"""The database as the place where mapping's engine keeps its nodes, links, units and sums."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import TypeVar, cast

from sqlalchemy import Select, bindparam, delete, insert, select
from sqlalchemy.orm import Session, aliased

from connector.models import CountedUnit, Issue, KeyResult, Link, WorkProgress
from mapping.forest import Below, IssueId
from mapping.issue_class import IssueClass
from mapping.progress import Options, SizeBy, Unestimated
from mapping.store import KeyResultId, Node, Sums, Unit
from mapping.store import Link as LinkRecord

# How many ids one IN (...) may carry; SQLite stops at 32,766 variables, PostgreSQL at 65,535.
CHUNK = 5_000
T = TypeVar("T")

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
        self._links: dict[IssueId, dict[KeyResultId, tuple[LinkRecord, Link]]] = {}
        self._expected: dict[tuple[KeyResultId, IssueId], Link] = {}
        self._removed: set[tuple[KeyResultId, IssueId]] = set()
        self._links_known: set[IssueId] = set()
        self._below: dict[IssueId, dict[IssueId, Node]] = {}
        self._key_results: dict[KeyResultId, KeyResult] = {}
        self._options: dict[KeyResultId, Options] = {}
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

    def read_around(
        self, issues: Collection[int], key_results: Collection[str], *, trees: bool = True
    ) -> dict[int, Issue]:
        """Read ahead all that linking and unlinking these issues asks for, and return their rows.

        That is whatever stands above and (with `trees`) below them, the links there, and what those links move: a few
        statements for hundreds of issues, after which nothing of it is read again.
        """
        family: dict[int, Issue] = {}
        for chunk in chunks(sorted(issues)):
            family.update((row.id, row) for row in self._session.scalars(select(Issue).where(Issue.id.in_(chunk))))
            if trees:
                family.update((row.id, row) for row in self._session.scalars(_above(), {"ids": chunk}))
                below = self._session.scalars(_below(), {"ids": chunk}).all()
                family.update((row.id, row) for row in below)
                for id_ in {*chunk, *(row.id for row in below)}:
                    self._below.setdefault(id_, {})
        for row in family.values():
            node = self._keep(row)
            if node.parent in self._below:
                self._below[node.parent][node.id] = node
        moved = set(key_results)
        for chunk in chunks(sorted(family)):
            for link in self._session.scalars(select(Link).where(Link.issue_id.in_(chunk), Link.state == "active")):
                self._keep_link(link)
                moved.add(link.key_result_id)
        self._links_known.update(family)
        for group in chunks(sorted(moved - self._sums.keys())):
            for key_result in self._session.scalars(select(KeyResult).where(KeyResult.id.in_(group))):
                self._key_results[key_result.id] = key_result
                self._sums[key_result.id] = (Sums(), None)
            for progress in self._session.scalars(select(WorkProgress).where(WorkProgress.key_result_id.in_(group))):
                self._sums[progress.key_result_id] = (sums_of(progress), progress)
        return {id_: family[id_] for id_ in issues if id_ in family}

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
        if self._below.keys() >= set(issues):
            for issue in issues:
                yield from [node for node in self._below[issue].values() if node.parent == issue]
            return
        for chunk in chunks(issues):
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
        if node.parent in self._below:
            self._below[node.parent][node.id] = node

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
            for issue in issues:
                yield from [link for link, _ in self._links.get(issue, {}).values()]
            return
        for chunk in chunks(issues):
            rows = self._session.scalars(select(Link).where(Link.issue_id.in_(chunk), Link.state == "active")).all()
            yield from [self._keep_link(row) for row in rows]

    def links_of(self, key_result: KeyResultId) -> Iterable[LinkRecord]:
        """Return every link of a key result that counts."""
        rows = self._session.scalars(select(Link).where(Link.key_result_id == key_result, Link.state == "active")).all()
        return [self._keep_link(row) for row in rows]

    def expect(self, row: Link) -> None:
        """Take the row of a link that is about to be saved for the first time, so that it need not be looked for."""
        self._expected[row.key_result_id, row.issue_id] = row

    def save_link(self, link: LinkRecord) -> None:
        """Copy a changed record to its row; a link that was waiting counts from now on."""
        at = (link.key_result, link.issue)
        if at in self._removed:
            return
        here = self._links.setdefault(link.issue, {})
        if link.key_result not in here:
            expected = self._expected.pop(at, None)
            here[link.key_result] = (link, expected if expected is not None else self._row_of(link))
        row = here[link.key_result][1]
        row.state = "active"
        for column in LINK_COLUMNS:
            setattr(row, column, getattr(link, column))

    def remove_link(self, link: LinkRecord) -> None:
        """Delete the link's row."""
        _, row = self._links[link.issue].pop(link.key_result)
        self._removed.add((link.key_result, link.issue))
        self._session.delete(row)

    def _row_of(self, link: LinkRecord) -> Link:
        chosen = select(Link).where(Link.key_result_id == link.key_result, Link.issue_id == link.issue)
        return self._session.scalars(chosen).one()

    def _keep_link(self, row: Link) -> LinkRecord:
        here = self._links.setdefault(row.issue_id, {})
        if row.key_result_id not in here:
            values = {column: getattr(row, column) for column in LINK_COLUMNS}
            here[row.key_result_id] = (LinkRecord(key_result=row.key_result_id, issue=row.issue_id, **values), row)
        return here[row.key_result_id][0]

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
        if key_result not in self._options:
            row = self._key_results.get(key_result) or self._session.get_one(KeyResult, key_result)
            self._options[key_result] = options_of(row)
        return self._options[key_result]

    def save_options(self, key_result: KeyResultId, options: Options) -> None:
        """Keep how a key result counts its work."""
        row = self._session.get_one(KeyResult, key_result)
        row.size_by = options.size_by.value
        row.started_credit = options.kappa
        row.sub_task_credit = options.sub_credit
        row.unestimated = options.unestimated.value
        self._options[key_result] = options

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
                for chunk in chunks([at[1] for at in changed if at[0] == key_result]):
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


@cache
def _above() -> Select[Issue]:
    """Whatever stands above some issues; built once, since putting it together takes longer than running it."""
    chain = select(Issue.parent_id).where(Issue.id.in_(bindparam("ids", expanding=True))).cte("above", recursive=True)
    higher = aliased(Issue)
    chain = chain.union(select(higher.parent_id).join(chain, higher.id == chain.c.parent_id))
    return select(Issue).join(chain, chain.c.parent_id == Issue.id)


@cache
def _below() -> Select[Issue]:
    """Whatever hangs below some issues."""
    start = select(Issue.id).where(Issue.parent_id.in_(bindparam("ids", expanding=True)))
    tree = start.cte("below", recursive=True)
    lower = aliased(Issue)
    tree = tree.union(select(lower.id).join(tree, lower.parent_id == tree.c.id))
    return select(Issue).join(tree, tree.c.id == Issue.id)


def chunks(items: Collection[T]) -> Iterator[list[T]]:
    """Cut what goes into an IN (...) into pieces that both databases take."""
    ordered = list(items)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
