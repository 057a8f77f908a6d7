"""A store in dictionaries: the running values without a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mapping.forest import IssueId
from mapping.progress import Options
from mapping.store import KeyResultId, Link, Node, Sums, Unit


class DictStore:
    """Fulfils mapping.store.Store; makes stubs by itself and counts how often it is asked for nodes."""

    def __init__(self, options: dict[KeyResultId, Options]) -> None:
        self.nodes: dict[IssueId, Node] = {}
        self.links: dict[tuple[KeyResultId, IssueId], Link] = {}
        self.units: dict[tuple[KeyResultId, IssueId], Unit] = {}
        self.kept_options = dict(options)
        self.kept_sums: dict[KeyResultId, Sums] = {key_result: Sums() for key_result in options}
        self.asked = 0

    def node(self, issue: IssueId) -> Node:
        self.asked += 1
        return self.nodes.setdefault(issue, Node(issue))

    def children(self, issues: Collection[IssueId]) -> Iterable[Node]:
        found = [node for node in self.nodes.values() if node.parent in issues]
        self.asked += len(found)
        return found

    def links_on(self, issues: Collection[IssueId]) -> Iterable[Link]:
        return [link for link in self.links.values() if link.issue in issues]

    def links_of(self, key_result: KeyResultId) -> Iterable[Link]:
        return [link for link in self.links.values() if link.key_result == key_result]

    def units_of(self, key_result: KeyResultId) -> Iterable[Unit]:
        return [unit for unit in self.units.values() if unit.key_result == key_result]

    def options(self, key_result: KeyResultId) -> Options:
        return self.kept_options[key_result]

    def sums(self, key_result: KeyResultId) -> Sums:
        return self.kept_sums[key_result]

    def save_node(self, node: Node) -> None:
        assert self.nodes[node.id] is node

    def save_sums(self, key_result: KeyResultId, sums: Sums) -> None:
        assert self.kept_sums[key_result] is sums

    def save_link(self, link: Link) -> None:
        self.links[link.key_result, link.issue] = link

    def remove_link(self, link: Link) -> None:
        del self.links[link.key_result, link.issue]

    def save_options(self, key_result: KeyResultId, options: Options) -> None:
        self.kept_options[key_result] = options

    def save_unit(self, unit: Unit) -> None:
        self.units[unit.key_result, unit.issue] = unit

    def remove_unit(self, key_result: KeyResultId, issue: IssueId) -> None:
        del self.units[key_result, issue]
