"""The tree of issues: who hangs below whom, and the few counts about each subtree that progress needs.

Source: design/progress.md section 3. Everything is iterative: a chain of a hundred thousand parents is only data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from mapping.issue_class import ABSENT, COUNTABLE, OPEN, IssueClass

IssueId = Hashable


@dataclass(frozen=True, slots=True)
class Issue:
    """What the numbers know of an issue. `estimate` is >= 0 or None; `level` 0 is standard, below 0 a sub-task."""

    cls: IssueClass
    estimate: Fraction | None = None
    parent: IssueId | None = None
    level: int = 0


class Below(NamedTuple):
    """Counts over what hangs below an issue and is not hidden by a gone one."""

    countable_children: int = 0
    countable_standard_children: int = 0
    """Those of them that stand at the standard level or above (level >= 0)."""
    estimated: int = 0
    """Countable descendants that carry an estimate."""
    parts: int = 0
    """Countable descendants without a countable child: the parts that sub-task credit looks at."""
    parts_done: int = 0
    open: int = 0
    """Countable descendants that are todo or doing."""

    def plus(self, other: Below) -> Below:
        return Below(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Below) -> Below:
        return Below(*(a - b for a, b in zip(self, other, strict=True)))


NOTHING_BELOW = Below()


def adds_to_parent(cls: IssueClass, estimate: Fraction | None, level: int, below: Below) -> Below:
    """What an issue, with all that hangs below it, adds to the counts of its parent.

    An absent issue adds nothing: it hides its subtree. A dropped one is a countable child if countable work hangs
    below it.
    """
    if cls in ABSENT:
        return NOTHING_BELOW
    counts_itself = cls in COUNTABLE
    countable = counts_itself or below.countable_children > 0
    is_part = counts_itself and below.countable_children == 0
    return Below(
        countable_children=int(countable),
        countable_standard_children=int(countable and level >= 0),
        estimated=below.estimated + int(counts_itself and estimate is not None),
        parts=below.parts + int(is_part),
        parts_done=below.parts_done + int(is_part and cls is IssueClass.DONE),
        open=below.open + int(cls in OPEN),
    )


class Forest:
    """All issues of a case with their parents put in order and their counts made, in time linear in their number.

    A parent that is not among the issues is no parent. Issues whose parents run in a circle are bad data:
    each issue on the circle is taken as having no parent, so that the answer does not depend on where one starts.
    """

    def __init__(self, issues: Mapping[IssueId, Issue]) -> None:
        self.issues = issues
        self.parent = parents_in_order({id_: issue.parent for id_, issue in issues.items()})
        self.children: dict[IssueId, list[IssueId]] = {id_: [] for id_ in issues}
        for id_, parent in self.parent.items():
            if parent is not None:
                self.children[parent].append(id_)
        self.below: dict[IssueId, Below] = dict.fromkeys(issues, NOTHING_BELOW)
        for id_ in reversed(list(self.from_the_top())):
            issue, parent = issues[id_], self.parent[id_]
            if parent is not None:
                added = adds_to_parent(issue.cls, issue.estimate, issue.level, self.below[id_])
                self.below[parent] = self.below[parent].plus(added)

    def from_the_top(self) -> Iterator[IssueId]:
        """Every issue, each after its parent."""
        waiting = [id_ for id_, parent in self.parent.items() if parent is None]
        while waiting:
            id_ = waiting.pop()
            yield id_
            waiting.extend(self.children[id_])


def parents_in_order(named: Mapping[IssueId, IssueId | None]) -> dict[IssueId, IssueId | None]:
    """The parents to go by, from the parents as they were named: None for a missing one and on every circle."""
    parent = {id_: above if above in named else None for id_, above in named.items()}
    on_circle: set[IssueId] = set()
    settled: set[IssueId] = set()
    for start in parent:
        path: dict[IssueId, int] = {}
        here: IssueId | None = start
        while here is not None and here not in settled and here not in path:
            path[here] = len(path)
            here = parent[here]
        if here is not None and here in path:
            on_circle.update(list(path)[path[here] :])
        settled.update(path)
    return {id_: None if id_ in on_circle else above for id_, above in parent.items()}
