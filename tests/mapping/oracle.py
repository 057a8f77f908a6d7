"""Section 3 of progress.md once more, as slowly and literally as it reads: sets of descendants, no counts, no sharing.

It shares no code with mapping.progress but the types, so that a slip in one does not hide in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mapping.forest import Issue
from mapping.progress import Options

COUNTABLE = ("todo", "doing", "done")
ABSENT = ("gone", "unknown")


@dataclass(frozen=True)
class Answer:
    num: Fraction
    den: Fraction
    units: tuple[str, ...]
    flags: tuple[str, ...]


class Oracle:
    def __init__(self, issues: Mapping[str, Issue], links: Sequence[tuple[str, Fraction]], options: Options) -> None:
        self.issues = issues
        self.links = dict(links)
        self.options = options

    def named(self, x: str) -> str | None:
        parent = self.issues[x].parent
        return str(parent) if parent is not None and parent in self.issues else None

    def on_circle(self, x: str) -> bool:
        here = self.named(x)
        for _ in self.issues:
            if here is None:
                return False
            if here == x:
                return True
            here = self.named(here)
        return False

    def parent(self, x: str) -> str | None:
        return None if self.on_circle(x) else self.named(x)

    def children(self, x: str) -> list[str]:
        return [y for y in self.issues if self.parent(y) == x]

    def cls(self, x: str) -> str:
        return str(self.issues[x].cls)

    def countable_descendants(self, x: str) -> list[str]:
        """Todo/doing/done issues below, not hidden by a gone one."""
        found: list[str] = []
        for child in self.children(x):
            if self.cls(child) in ABSENT:
                continue
            if self.cls(child) in COUNTABLE:
                found.append(child)
            found += self.countable_descendants(child)
        return found

    def countable_children(self, x: str) -> list[str]:
        return [
            child
            for child in self.children(x)
            if self.cls(child) not in ABSENT and (self.cls(child) in COUNTABLE or self.countable_descendants(child))
        ]

    def is_unit(self, x: str) -> bool:
        if self.cls(x) not in COUNTABLE:
            return False
        children = self.countable_children(x)
        if not children or all(self.issues[child].level < 0 for child in children):
            return True
        if str(self.options.size_by) != "estimate" or self.issues[x].estimate is None:
            return False
        return all(self.issues[y].estimate is None for y in self.countable_descendants(x))

    def ancestors(self, x: str) -> list[str]:
        chain: list[str] = []
        here = self.parent(x)
        while here is not None and self.cls(here) not in ABSENT:
            chain.append(here)
            here = self.parent(here)
        return chain

    def walk(self, x: str, weight: Fraction, reached: dict[str, Fraction], flags: set[str]) -> None:
        if self.is_unit(x):
            reached[x] = weight
            return
        if any(self.cls(y) in ("todo", "doing") for y in self.countable_descendants(x)):
            if self.cls(x) == "done":
                flags.add("container_done_open_children")
            if self.cls(x) == "dropped":
                flags.add("container_dropped_open_children")
        for child in self.children(x):
            if child not in self.links and self.cls(child) not in ABSENT:
                self.walk(child, weight, reached, flags)

    def credit(self, x: str) -> Fraction:
        if self.cls(x) == "done":
            return Fraction(1)
        kappa = self.options.kappa if self.cls(x) == "doing" else Fraction(0)
        if not self.options.sub_credit:
            return kappa
        parts = [y for y in self.countable_descendants(x) if not self.countable_children(y)]
        done = [y for y in parts if self.cls(y) == "done"]
        return max(kappa, Fraction(len(done), len(parts) + 1))

    def answer(self) -> Answer:
        flags: set[str] = set()
        reached: dict[str, Fraction] = {}
        for x, weight in self.links.items():
            if x not in self.issues or self.cls(x) in ABSENT:
                flags.add("link_broken")
            else:
                self.walk(x, weight, reached, flags)
        units = [x for x in reached if not any(above in reached for above in self.ancestors(x))]
        by_estimate = str(self.options.size_by) == "estimate"
        if by_estimate and any(self.issues[x].estimate is None for x in units):
            flags.add("unestimated_units")
            if str(self.options.unestimated) == "exclude":
                units = [x for x in units if self.issues[x].estimate is not None]
        sizes = {x: Fraction(1) for x in units}
        if by_estimate:
            sizes = {x: e if (e := self.issues[x].estimate) is not None else Fraction(1) for x in units}
            if units and not any(sizes.values()):
                flags.add("all_zero_estimates")
                sizes = {x: Fraction(1) for x in units}
        num = sum((reached[x] * sizes[x] * self.credit(x) for x in units), Fraction(0))
        den = sum((reached[x] * sizes[x] for x in units), Fraction(0))
        return Answer(num, den, tuple(sorted(units)), tuple(sorted(flags)))
