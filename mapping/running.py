"""The running values: an event moves them at a cost that does not grow with the size of the key result.

Every operation changes one thing, keeps the counts below each ancestor, corrects the units and sums of the key
results it touches, and answers what that did to each: a `Change` is the stuff of one ledger row. The result always
equals mapping/progress.py over the same issues and links, in whatever order the operations came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from mapping.forest import IssueId
from mapping.issue_class import IssueClass
from mapping.lineage import add_above, adds, from_the_top, moves_of, negative, settle
from mapping.progress import Options
from mapping.reach import NOT_REACHED, NOTHING, Brought, State, pass_down
from mapping.recount import rebuild
from mapping.store import KeyResultId, Link, Node, Snapshot, Store
from mapping.tally import Tally, Turned, by_key_result, sweep


@dataclass(frozen=True, slots=True)
class Change:
    """What one operation did to one key result.

    It comes for every key result that moved, flags included, and for each of which the issue is a counted unit.
    """

    key_result: KeyResultId
    issue: IssueId | None
    before: Snapshot
    after: Snapshot
    counted: bool = False
    """Whether the issue itself is a counted unit of the key result, before or after."""

    @property
    def delta(self) -> Fraction | None:
        """After minus before, in units of 1; None where either is no number (a first link claims no delta)."""
        before, after = self.before.progress, self.after.progress
        return None if before is None or after is None else after - before


def set_class(store: Store, issue: IssueId, cls: IssueClass) -> list[Change]:
    node = store.node(issue)
    if node.cls is cls:
        return []

    def change() -> None:
        old = adds(node)
        node.cls = cls
        settle(store, node, old)

    return _operate(store, issue, [issue], change)


def set_estimate(store: Store, issue: IssueId, estimate: Fraction | None) -> list[Change]:
    """`estimate` is >= 0, or None for an issue without one."""
    if estimate is not None and estimate < 0:
        raise ValueError(f"an estimate must not be negative: {estimate}")
    node = store.node(issue)
    if node.estimate == estimate:
        return []

    def change() -> None:
        old = adds(node)
        node.estimate = estimate
        settle(store, node, old)

    return _operate(store, issue, [issue], change)


def place(store: Store, issue: IssueId, parent: IssueId | None, level: int) -> list[Change]:
    """Puts an issue below `parent`, as the tracker names it, and at a level: one change, one cause.

    The parent may be a stub, and may close a circle.
    """
    node = store.node(issue)
    if node.named_parent == parent and node.level == level:
        return []
    moves = moves_of(store, node, parent) if node.named_parent != parent else {}
    starts: list[IssueId] = [issue]
    for moved, new in moves.items():
        starts.extend(id_ for id_ in (moved, store.node(moved).parent, new) if id_ is not None)

    def change() -> None:
        old = adds(node)
        node.level = level
        node.named_parent = parent
        settle(store, node, old)
        # First all loose, then all fastened: in between there is never a circle to run in.
        for moved in moves:
            loose = store.node(moved)
            add_above(store, loose.parent, negative(adds(loose)))
            loose.parent = None
        for moved, new in moves.items():
            fastened = store.node(moved)
            fastened.parent = new
            store.save_node(fastened)
            add_above(store, new, adds(fastened))

    return _operate(store, issue, starts, change)


def set_parent(store: Store, issue: IssueId, parent: IssueId | None) -> list[Change]:
    return place(store, issue, parent, store.node(issue).level)


def set_level(store: Store, issue: IssueId, level: int) -> list[Change]:
    return place(store, issue, store.node(issue).named_parent, level)


def add_link(store: Store, link: Link) -> list[Change]:
    """Links an issue (a stub will do) to a key result; a second link between the two is a ValueError.

    The link comes fresh, with its sums at 0.
    """
    if any(other.key_result == link.key_result for other in store.links_on([link.issue])):
        raise ValueError("an issue is linked at most once to a key result")
    _refuse_negative(link.weight)
    return _operate(store, link.issue, [link.issue], lambda: store.save_link(link), only=link.key_result)


def remove_link(store: Store, key_result: KeyResultId, issue: IssueId) -> list[Change]:
    link = _link(store, key_result, issue)
    return _operate(store, issue, [issue], lambda: store.remove_link(link), only=key_result)


def set_weight(store: Store, key_result: KeyResultId, issue: IssueId, weight: Fraction) -> list[Change]:
    """Costs the same however much work hangs below the link: what it counts is summed with the link itself."""
    _refuse_negative(weight)
    link = _link(store, key_result, issue)
    sums, options = store.sums(key_result), store.options(key_result)
    before = sums.snapshot(options)
    more = weight - link.weight
    sums.num += more * link.num
    sums.den += more * link.den
    sums.num_by_count += more * link.num_by_count
    sums.den_by_count += more * link.den_by_count
    link.weight = weight
    store.save_link(link)
    store.save_sums(key_result, sums)
    after = sums.snapshot(options)
    return [] if before == after else [Change(key_result, issue, before, after)]


def set_options(store: Store, key_result: KeyResultId, options: Options) -> list[Change]:
    """Counts the key result anew under other options."""
    before = store.sums(key_result).snapshot(store.options(key_result))
    store.save_options(key_result, options)
    after = rebuild(store, key_result)
    return [] if before == after else [Change(key_result, None, before, after)]


def _operate(
    store: Store,
    issue: IssueId,
    starts: Iterable[IssueId],
    change: Callable[[], None],
    only: KeyResultId | None = None,
) -> list[Change]:
    """Reads the chains above `starts` before and after `change`, and corrects what the difference touches.

    `starts` are the issues whose own record changes, with their parents of before and after, so that both readings
    cover the same nodes.
    """
    ordered = from_the_top(store, starts)
    touched = {node.id for node in ordered}
    links_before = by_key_result(store.links_on(touched), only)
    options = {key_result: store.options(key_result) for key_result in links_before}
    readings = {k: _read(ordered, links, options[k]) for k, links in links_before.items()}

    change()

    ordered = from_the_top(store, starts)
    links_after = by_key_result(store.links_on(touched), only)
    options |= {k: store.options(k) for k in links_after if k not in options}
    tallies: dict[KeyResultId, Tally] = {}
    snapshots: dict[KeyResultId, Snapshot] = {}
    turned: Turned = {}
    counted: set[KeyResultId] = set()
    for k in [*links_before, *(k for k in links_after if k not in links_before)]:
        sums = store.sums(k)
        snapshots[k] = sums.snapshot(options[k])
        tallies[k] = tally = Tally(k, sums)
        after = _read(ordered, links_after.get(k, {}), options[k])
        for node in ordered:
            was, was_brought = readings[k][node.id] if k in readings else (NOT_REACHED, NOTHING)
            is_, is_brought = after[node.id]
            tally.exchange(node.id, was_brought, is_brought)
            if was != is_ and node.below.countable_children:
                turned.setdefault(node.id, {})[k] = (was, is_)
            if node.id == issue and (was_brought.share or is_brought.share):
                counted.add(k)
    known = {k: links_before.get(k, {}) | links_after.get(k, {}) for k in tallies}
    sweep(store, turned, touched, options, tallies, known)

    changes: list[Change] = []
    for k, tally in tallies.items():
        for removed in links_before.get(k, {}).keys() - links_after.get(k, {}).keys():
            tally.links.pop(removed, None)
        tally.save(store)
        now = tally.sums.snapshot(options[k])
        if now != snapshots[k] or k in counted:
            changes.append(Change(k, issue, snapshots[k], now, k in counted))
    return changes


def _read(ordered: list[Node], links: dict[IssueId, Link], options: Options) -> dict[IssueId, tuple[State, Brought]]:
    """State and contribution of every node on the touched chains; `ordered` has each after its parent."""
    read: dict[IssueId, tuple[State, Brought]] = {}
    for node in ordered:
        entry = read[node.parent][0] if node.parent in read else NOT_REACHED
        read[node.id] = pass_down(entry, node, links, options)
    return read


def _link(store: Store, key_result: KeyResultId, issue: IssueId) -> Link:
    for link in store.links_on([issue]):
        if link.key_result == key_result:
            return link
    raise KeyError((key_result, issue))


def _refuse_negative(weight: Fraction) -> None:
    if weight < 0:
        raise ValueError(f"a weight must not be negative: {weight}")
