"""Who stands above whom while issues are moved about: chains of ancestors, circles, counts carried upwards."""

from __future__ import annotations

from collections.abc import Iterable

from mapping.forest import Below, IssueId, adds_to_parent
from mapping.store import Node, Store


def from_the_top(store: Store, starts: Iterable[IssueId]) -> list[Node]:
    """All nodes on the chains above `starts`, each after its parent."""
    seen: set[IssueId] = set()
    chains = [chain(store, start, seen) for start in starts]
    # A later chain ends where an earlier one passed, so the earlier goes first.
    return [node for chain in chains for node in reversed(chain)]


def chain(store: Store, start: IssueId, seen: set[IssueId]) -> list[Node]:
    """An issue and its ancestors, without what was seen before; beyond absent ones too."""
    upwards: list[Node] = []
    here: IssueId | None = start
    while here is not None and here not in seen:
        node = store.node(here)
        seen.add(here)
        upwards.append(node)
        here = node.parent
    return upwards


def adds(node: Node) -> Below:
    return adds_to_parent(node.cls, node.estimate, node.level, node.below)


def negative(below: Below) -> Below:
    return Below().minus(below)


def settle(store: Store, node: Node, old: Below) -> None:
    """Saves a node whose own record changed and tells its ancestors."""
    store.save_node(node)
    add_above(store, node.parent, adds(node).minus(old))


def add_above(store: Store, parent: IssueId | None, more: Below) -> None:
    """Adds to the counts below `parent` and on upwards, as far as anything changes."""
    while parent is not None and any(more):
        node = store.node(parent)
        old = adds(node)
        node.below = node.below.plus(more)
        store.save_node(node)
        more = adds(node).minus(old)
        parent = node.parent


def moves_of(store: Store, node: Node, parent: IssueId | None) -> dict[IssueId, IssueId | None]:
    """The parents to go by that change when `node` names another parent; a circle broken or closed moves more."""
    moves: dict[IssueId, IssueId | None] = {}
    if node.named_parent is not None and node.parent is None:
        # It stood on a circle: the others on it get their parents back.
        on_circle: IssueId | None = node.named_parent
        while on_circle is not None and on_circle != node.id:
            following = store.node(on_circle).named_parent
            moves[on_circle] = following
            on_circle = following
    path: list[IssueId] = []
    above = parent
    while above is not None and above != node.id:
        here = store.node(above)
        path.append(above)
        if here.named_parent is not None and here.parent is None and here.id not in moves:
            break  # another circle further up: not ours
        above = here.named_parent
    closes_a_circle = above is not None and above == node.id
    if closes_a_circle:
        moves.update(dict.fromkeys(path))
    moves[node.id] = None if closes_a_circle else parent
    return {id_: new for id_, new in moves.items() if store.node(id_).parent != new}
