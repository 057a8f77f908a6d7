"""What if: the operations of mapping/running.py on a copy that nobody keeps.

Source: design/progress.md section 8, design/ui.md "Closing this ticket". Only what an operation reads is copied, so
asking about one issue costs what its event would cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from mapping.forest import IssueId
from mapping.issue_class import IssueClass
from mapping.lineage import chain
from mapping.progress import Options, is_unit
from mapping.reach import NOT_REACHED, Reach, State, pass_down
from mapping.running import set_class
from mapping.store import KeyResultId, Link, Node, Snapshot, Store, Sums, Unit
from mapping.tally import by_key_result


class Scratch:
    """A Store over another one: reads come from below once, writes stay here and vanish with it."""

    def __init__(self, kept: Store) -> None:
        self._kept = kept
        self._nodes: dict[IssueId, Node] = {}
        self._placed: dict[IssueId, Node] = {}
        self._links: dict[IssueId, dict[KeyResultId, Link | None]] = {}
        self._sums: dict[KeyResultId, Sums] = {}
        self._options: dict[KeyResultId, Options] = {}
        self._units: dict[tuple[KeyResultId, IssueId], Unit | None] = {}

    def _node(self, kept: Node) -> Node:
        if kept.id not in self._nodes:
            self._nodes[kept.id] = replace(kept)
        return self._nodes[kept.id]

    def node(self, issue: IssueId) -> Node:
        return self._nodes[issue] if issue in self._nodes else self._node(self._kept.node(issue))

    def children(self, issues: Collection[IssueId]) -> Iterable[Node]:
        found = {node.id: self._node(node) for node in self._kept.children(issues)}
        found |= self._placed  # some may have moved here
        return [node for node in found.values() if node.parent is not None and node.parent in issues]

    def _copies(self, kept: Iterable[Link]) -> None:
        for link in kept:
            here = self._links.setdefault(link.issue, {})
            if link.key_result not in here:
                here[link.key_result] = replace(link)

    def links_on(self, issues: Collection[IssueId]) -> Iterable[Link]:
        self._copies(self._kept.links_on(issues))
        return [link for issue in issues for link in self._links.get(issue, {}).values() if link is not None]

    def links_of(self, key_result: KeyResultId) -> Iterable[Link]:
        self._copies(self._kept.links_of(key_result))
        return [link for here in self._links.values() if (link := here.get(key_result)) is not None]

    def units_of(self, key_result: KeyResultId) -> Iterable[Unit]:
        found: dict[tuple[KeyResultId, IssueId], Unit | None] = {
            (key_result, unit.issue): unit for unit in self._kept.units_of(key_result)
        }
        found |= self._units
        return [unit for unit in found.values() if unit is not None and unit.key_result == key_result]

    @property
    def changed_units(self) -> Mapping[tuple[KeyResultId, IssueId], Unit | None]:
        """What became of each unit that the operations touched; None for one that counts no more."""
        return self._units

    def options(self, key_result: KeyResultId) -> Options:
        return self._options[key_result] if key_result in self._options else self._kept.options(key_result)

    def sums(self, key_result: KeyResultId) -> Sums:
        if key_result not in self._sums:
            self._sums[key_result] = replace(self._kept.sums(key_result))
        return self._sums[key_result]

    def save_node(self, node: Node) -> None:
        self._nodes[node.id] = self._placed[node.id] = node

    def save_sums(self, key_result: KeyResultId, sums: Sums) -> None:
        self._sums[key_result] = sums

    def save_link(self, link: Link) -> None:
        self._links.setdefault(link.issue, {})[link.key_result] = link

    def remove_link(self, link: Link) -> None:
        self._links.setdefault(link.issue, {})[link.key_result] = None

    def save_options(self, key_result: KeyResultId, options: Options) -> None:
        self._options[key_result] = options

    def save_unit(self, unit: Unit) -> None:
        self._units[unit.key_result, unit.issue] = unit

    def remove_unit(self, key_result: KeyResultId, issue: IssueId) -> None:
        self._units[key_result, issue] = None


class Standing(StrEnum):
    """How one issue stands towards one key result."""

    UNIT = "unit"
    CONTAINER = "container"
    ABSORBED = "absorbed"
    """Part of a unit above it."""
    NOT_COUNTED = "not_counted"
    """Dropped, gone, left out for want of an estimate, or not reached."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What closing one issue will do to one key result; `delta` in units of 1, None where either side is no number."""

    key_result: KeyResultId
    standing: Standing
    now: Snapshot
    then: Snapshot

    @property
    def delta(self) -> Fraction | None:
        now, then = self.now.progress, self.then.progress
        return None if now is None or then is None else then - now


def effect_of_closing(store: Store, issue: IssueId) -> dict[KeyResultId, Effect]:
    """For every key result that reaches an issue: its progress now and with this one issue done, nothing else changed.

    A container counts nothing itself, so closing it changes nothing until its parts close.
    """
    scratch = Scratch(store)
    upwards = chain(scratch, issue, set())
    node = upwards[0]
    effects: dict[KeyResultId, Effect] = {}
    before: dict[KeyResultId, tuple[Standing, Snapshot]] = {}
    for k, links in by_key_result(scratch.links_on([above.id for above in upwards]), None).items():
        options = scratch.options(k)
        entry = NOT_REACHED
        for above in reversed(upwards[1:]):
            entry, _ = pass_down(entry, above, links, options)
        standing = _standing(entry, node, links, options)
        if standing is not None:
            before[k] = standing, scratch.sums(k).snapshot(options)
    if node.cls is not IssueClass.DONE:
        set_class(scratch, issue, IssueClass.DONE)
    for k, (standing, now) in before.items():
        effects[k] = Effect(k, standing, now, scratch.sums(k).snapshot(scratch.options(k)))
    return effects


def _standing(entry: State, node: Node, links: dict[IssueId, Link], options: Options) -> Standing | None:
    """None where no link of the key result stands at or above the issue."""
    state, brought = pass_down(entry, node, links, options)
    if entry.reach is Reach.NONE and node.id not in links:
        return None
    if entry.reach is Reach.COVERED:
        return Standing.ABSORBED
    if brought.share is not None:
        return Standing.UNIT
    unit = is_unit(node.cls, node.estimate is not None, node.below, options)
    if state.reach is Reach.EXPANDED and not unit and node.below.countable_children:
        return Standing.CONTAINER
    return Standing.NOT_COUNTED
