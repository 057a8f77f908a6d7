"""Counting a key result from its links down: to rebuild its running values, and to prove them."""

from __future__ import annotations

from mapping.forest import IssueId
from mapping.issue_class import ABSENT
from mapping.reach import NOT_REACHED, NOTHING, pass_down
from mapping.store import KeyResultId, Link, Node, Snapshot, Store, Sums, Unit
from mapping.tally import Tally, Turned, sweep


def count(store: Store, key_result: KeyResultId) -> tuple[Sums, dict[IssueId, Link], dict[IssueId, Unit]]:
    """Sums, links with their sums, and units of a key result, counted from its links down and written nowhere."""
    options = store.options(key_result)
    links = {link.issue: Link(key_result, link.issue, link.weight) for link in store.links_of(key_result)}
    tally = Tally(key_result, Sums())
    tops: Turned = {}
    for issue in links:
        node = store.node(issue)
        if node.cls in ABSENT:
            tally.sums.broken_links += 1
        elif not linked_above(store, node, links):
            exit_, brought = pass_down(NOT_REACHED, node, links, options)
            tally.exchange(issue, NOTHING, brought)
            tops[issue] = {key_result: (None, exit_)}
    sweep(store, tops, set(), {key_result: options}, {key_result: tally}, {key_result: links})
    units = {issue: unit for issue, unit in tally.units.items() if unit is not None}
    return tally.sums, links, units


def rebuild(store: Store, key_result: KeyResultId) -> Snapshot:
    """Counts a key result from nothing and keeps what was found in place of the running values."""
    options = store.options(key_result)
    sums, links, units = count(store, key_result)
    for stale in [unit.issue for unit in store.units_of(key_result) if unit.issue not in units]:
        store.remove_unit(key_result, stale)
    for unit in units.values():
        store.save_unit(unit)
    for link in list(store.links_of(key_result)):
        _copy(links[link.issue], link)
        store.save_link(link)
    running = store.sums(key_result)
    _copy(sums, running)
    store.save_sums(key_result, running)
    return running.snapshot(options)


def differences(store: Store, key_result: KeyResultId) -> list[str]:
    """Where the running values of a key result differ from a count from nothing; empty is what it must be."""
    sums, links, units = count(store, key_result)
    found = [f"sums.{name}: {was}, counted {is_}" for name, was, is_ in _unequal(store.sums(key_result), sums)]
    for link in store.links_of(key_result):
        wrong = _unequal(link, links[link.issue])
        found += [f"link {link.issue} {name}: {was}, counted {is_}" for name, was, is_ in wrong]
    kept = {unit.issue: unit for unit in store.units_of(key_result)}
    for issue in kept.keys() | units.keys():
        if kept.get(issue) != units.get(issue):
            found.append(f"unit {issue}: {kept.get(issue)}, counted {units.get(issue)}")
    return sorted(found)


def linked_above(store: Store, node: Node, links: dict[IssueId, Link]) -> bool:
    """Whether some ancestor, short of the first absent one, carries a link too."""
    above = node.parent
    while above is not None:
        here = store.node(above)
        if here.cls in ABSENT:
            return False
        if above in links:
            return True
        above = here.parent
    return False


_SUMS = ("units", "done_units", "unestimated", "nonzero", "num", "den", "num_by_count", "den_by_count",
         "containers_done_open", "containers_dropped_open", "broken_links")  # fmt: skip
_LINK = ("units", "done_units", "num", "den", "num_by_count", "den_by_count")


def _copy(source: Sums | Link, target: Sums | Link) -> None:
    for name in _SUMS if isinstance(source, Sums) else _LINK:
        setattr(target, name, getattr(source, name))


def _unequal(one: Sums | Link, other: Sums | Link) -> list[tuple[str, object, object]]:
    names = _SUMS if isinstance(one, Sums) else _LINK
    return [(n, getattr(one, n), getattr(other, n)) for n in names if getattr(one, n) != getattr(other, n)]
