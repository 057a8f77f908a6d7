"""Correcting the sums and units of a key result, node by node, and carrying a changed state down the tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mapping.forest import IssueId
from mapping.issue_class import ABSENT
from mapping.progress import ONE, Flag, Options
from mapping.reach import NOTHING, Brought, State, pass_down
from mapping.store import KeyResultId, Link, Store, Sums, Unit

LinksByKeyResult = dict[KeyResultId, dict[IssueId, Link]]
Turned = dict[IssueId, dict[KeyResultId, tuple[State | None, State]]]
"""Issues whose state towards some key results came out differently; before is None in a count from nothing."""


@dataclass(slots=True)
class Tally:
    """Sums of one key result under correction."""

    key_result: KeyResultId
    sums: Sums
    units: dict[IssueId, Unit | None] = field(default_factory=dict)
    """What became of each issue that changed: a unit, or None where it is one no more."""
    links: dict[IssueId, Link] = field(default_factory=dict)
    """The links whose own sums changed."""
    changed: bool = False

    def exchange(self, issue: IssueId, old: Brought, new: Brought) -> None:
        if old.same_as(new):
            return
        self.changed = True
        self._count(old, -1)
        self._count(new, 1)
        if new.share is not None and new.link is not None:
            self.units[issue] = Unit(self.key_result, issue, new.link.issue, new.share.size, new.share.credit)
        elif old.share is not None:
            self.units[issue] = None

    def _count(self, brought: Brought, sign: int) -> None:
        sums = self.sums
        sums.unestimated += sign * brought.unestimated
        sums.broken_links += sign * brought.broken
        sums.containers_done_open += sign * (brought.flag is Flag.CONTAINER_DONE_OPEN_CHILDREN)
        sums.containers_dropped_open += sign * (brought.flag is Flag.CONTAINER_DROPPED_OPEN_CHILDREN)
        link, share = brought.link, brought.share
        if link is None or share is None:
            return
        sums.nonzero += sign * share.nonzero
        num = share.size * share.credit
        for place_, weight in ((link, ONE), (sums, link.weight)):
            place_.units += sign
            place_.done_units += sign * share.done
            place_.num += sign * weight * num
            place_.den += sign * weight * share.size
            place_.num_by_count += sign * weight * share.credit
            place_.den_by_count += sign * weight
        self.links[link.issue] = link

    def save(self, store: Store) -> None:
        if not self.changed:
            return
        for issue, unit in self.units.items():
            if unit is None:
                store.remove_unit(self.key_result, issue)
            else:
                store.save_unit(unit)
        for link in self.links.values():
            store.save_link(link)
        store.save_sums(self.key_result, self.sums)


def sweep(
    store: Store,
    turned: Turned,
    touched: set[IssueId],
    options: dict[KeyResultId, Options],
    tallies: dict[KeyResultId, Tally],
    known: LinksByKeyResult,
) -> None:
    """Carries changed states down, level by level, until they come out the same or nothing countable follows."""
    while turned:
        # Whatever reaches an absent child, nothing passes it.
        children = [c for c in store.children(turned) if c.id not in touched and c.cls not in ABSENT]
        here = by_key_result(store.links_on([child.id for child in children]), None) if children else {}
        below: Turned = {}
        for child in children:
            for k, (was, is_) in turned[child.parent].items():
                own = here.get(k, {}).get(child.id)
                links = known[k]
                if own is not None:
                    links.setdefault(child.id, own)
                was_out, was_brought = (None, NOTHING) if was is None else pass_down(was, child, links, options[k])
                is_out, is_brought = pass_down(is_, child, links, options[k])
                tallies[k].exchange(child.id, was_brought, is_brought)
                if was_out != is_out and child.below.countable_children:
                    below.setdefault(child.id, {})[k] = (was_out, is_out)
        turned = below


def by_key_result(links: Iterable[Link], only: KeyResultId | None) -> LinksByKeyResult:
    by: LinksByKeyResult = {}
    for link in links:
        if only is None or link.key_result == only:
            by.setdefault(link.key_result, {})[link.issue] = link
    return by
