"""What the running values are kept in: the records, and the Protocol that a place to keep them fulfils.

The operations of mapping/running.py read and write through `Store` only, so that a database and a dictionary run the
same code. Records are mutable and live: within one operation a store answers the same object for the same id, the
operation assigns its fields and hands it to `save_...` once for each change. Ids are opaque: anything hashable.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mapping.forest import NOTHING_BELOW, Below, IssueId
from mapping.issue_class import IssueClass
from mapping.progress import ONE, ZERO, Flag, Options, SizeBy, ratio

KeyResultId = Hashable


@dataclass(slots=True, eq=False)
class Node:
    """One issue. A stub (class `unknown`) stands for an issue that was only named so far."""

    id: IssueId
    cls: IssueClass = IssueClass.UNKNOWN
    estimate: Fraction | None = None
    level: int = 0
    named_parent: IssueId | None = None
    """The parent as the tracker last named it, even where it closes a circle."""
    parent: IssueId | None = None
    """The parent to go by: `named_parent`, or None for every issue on a circle. `Store.children` goes by this one."""
    below: Below = NOTHING_BELOW
    """Kept up to date by the operations; six integers to a database."""


@dataclass(slots=True, eq=False)
class Link:
    """One link of a key result to an issue, with what is counted under it (sizes and credits before the weight)."""

    key_result: KeyResultId
    issue: IssueId
    weight: Fraction = ONE
    units: int = 0
    done_units: int = 0
    num: Fraction = ZERO
    den: Fraction = ZERO
    num_by_count: Fraction = ZERO
    """The same with size 1 for every unit: what counts where all estimates are 0."""
    den_by_count: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class Unit:
    """One counted unit of a key result: `link` is the linked issue whose weight it takes; `size` and `credit` before
    the weight.
    """

    key_result: KeyResultId
    issue: IssueId
    link: IssueId
    size: Fraction
    credit: Fraction


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Work progress of a key result at one moment, as the running sums have it. `done_units` is for key results that
    count.
    """

    num: Fraction
    den: Fraction
    units: int
    done_units: int
    flags: tuple[str, ...]

    @property
    def progress(self) -> Fraction | None:
        return ratio(self.num, self.den)


@dataclass(slots=True, eq=False)
class Sums:
    """The running sums of one key result, weights applied. All exact; all additive."""

    units: int = 0
    done_units: int = 0
    unestimated: int = 0
    """Units without an estimate where sizes are estimates, those that are left out among them."""
    nonzero: int = 0
    """Units whose size is not 0."""
    num: Fraction = ZERO
    den: Fraction = ZERO
    num_by_count: Fraction = ZERO
    den_by_count: Fraction = ZERO
    containers_done_open: int = 0
    containers_dropped_open: int = 0
    broken_links: int = 0

    def snapshot(self, options: Options) -> Snapshot:
        all_zero = options.size_by is SizeBy.ESTIMATE and self.units > 0 and self.nonzero == 0
        raised = {
            Flag.ALL_ZERO_ESTIMATES: all_zero,
            Flag.CONTAINER_DONE_OPEN_CHILDREN: self.containers_done_open > 0,
            Flag.CONTAINER_DROPPED_OPEN_CHILDREN: self.containers_dropped_open > 0,
            Flag.LINK_BROKEN: self.broken_links > 0,
            Flag.UNESTIMATED_UNITS: self.unestimated > 0,
        }
        num, den = (self.num_by_count, self.den_by_count) if all_zero else (self.num, self.den)
        return Snapshot(num, den, self.units, self.done_units, tuple(sorted(flag for flag, up in raised.items() if up)))


class Store(Protocol):
    """Where nodes, links, units and sums are kept.

    An event asks for the issue, its chain of ancestors one `node` after another, and the links on that chain at once;
    a store may load the chain ahead. `children` is asked only where what hangs below an issue really changes, level
    by level.
    """

    def node(self, issue: IssueId) -> Node:
        """The record of an issue. The caller makes a stub first for an issue that was never heard of; a missing one
        is a KeyError.
        """
        ...

    def children(self, issues: Collection[IssueId]) -> Iterable[Node]:
        """Every node whose `parent` is one of these issues, whatever its class."""
        ...

    def links_on(self, issues: Collection[IssueId]) -> Iterable[Link]:
        """Every link, of whatever key result, on one of these issues."""
        ...

    def links_of(self, key_result: KeyResultId) -> Iterable[Link]:
        """Every link of a key result; asked only by a rebuild."""
        ...

    def units_of(self, key_result: KeyResultId) -> Iterable[Unit]:
        """Every unit of a key result; asked only by a rebuild and a check."""
        ...

    def options(self, key_result: KeyResultId) -> Options: ...

    def sums(self, key_result: KeyResultId) -> Sums: ...

    def save_node(self, node: Node) -> None: ...

    def save_sums(self, key_result: KeyResultId, sums: Sums) -> None: ...

    def save_link(self, link: Link) -> None:
        """Keeps the changed fields of a link, or the link itself if it is new."""
        ...

    def remove_link(self, link: Link) -> None: ...

    def save_options(self, key_result: KeyResultId, options: Options) -> None: ...

    def save_unit(self, unit: Unit) -> None:
        """Keeps a unit, in place of the one with the same key result and issue if there is one."""
        ...

    def remove_unit(self, key_result: KeyResultId, issue: IssueId) -> None: ...
