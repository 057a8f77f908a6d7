"""How links reach an issue, read along one path from the top: the local form of progress.md section 3.

Take the chain of an issue: itself, its parent, and so on up to a gone or unknown issue. A key result reaches down
this chain from its highest link; the first unit on the way down is the one that counts, all below it is absorbed, all
above it is container; its weight is that of the nearest link at or above it. So what a node brings in depends on
nothing but the state in which its parent leaves the path, and an event touches only the nodes whose state changes.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from mapping.forest import IssueId
from mapping.issue_class import ABSENT, IssueClass
from mapping.progress import Flag, Options, SizeBy, credit_of, flag_of_container, is_unit, size_of
from mapping.store import Link, Node


class Reach(Enum):
    NONE = "no link at or above"
    EXPANDED = "only containers since the highest link"
    COVERED = "a counted unit stands at or above"


class State(NamedTuple):
    """How a key result leaves a node downwards."""

    reach: Reach
    link: IssueId | None = None
    """While expanded: the nearest linked issue, whose weight holds."""
    descends: bool = False
    """While covered: whether a link below the covering unit still descends here through containers (they can raise
    flags).
    """


NOT_REACHED = State(Reach.NONE)


class Share(NamedTuple):
    """What one counted unit adds to the sums, before the weight of its link."""

    size: Fraction
    credit: Fraction
    done: bool
    nonzero: bool


class Brought(NamedTuple):
    """What one node brings to one key result. `share` is None for all but counted units that are not left out."""

    link: Link | None = None
    share: Share | None = None
    unestimated: bool = False
    flag: Flag | None = None
    broken: bool = False

    def same_as(self, other: Brought) -> bool:
        mine = None if self.link is None else self.link.issue
        theirs = None if other.link is None else other.link.issue
        return mine == theirs and self[1:] == other[1:]


NOTHING = Brought()


def pass_down(entry: State, node: Node, links: dict[IssueId, Link], options: Options) -> tuple[State, Brought]:
    """The state below `node` and what it brings, from the state above; `links` are one key result's, by issue."""
    linked = node.id in links
    if node.cls in ABSENT:
        return NOT_REACHED, Brought(broken=True) if linked else NOTHING
    state = entry
    if linked:
        state = State(Reach.COVERED, descends=True) if entry.reach is Reach.COVERED else State(Reach.EXPANDED, node.id)
    if state.reach is Reach.NONE:
        return state, NOTHING
    if is_unit(node.cls, node.estimate is not None, node.below, options):
        brought = NOTHING if state.reach is Reach.COVERED else counted(node, links[state.link], options)
        return State(Reach.COVERED), brought
    descends = state.reach is Reach.EXPANDED or state.descends
    return state, Brought(flag=flag_of_container(node.cls, node.below)) if descends else NOTHING


def counted(node: Node, link: Link, options: Options) -> Brought:
    """What a counted unit brings under the link whose weight it takes."""
    unestimated = options.size_by is SizeBy.ESTIMATE and node.estimate is None
    size = size_of(node.estimate, options)
    if size is None:
        return Brought(unestimated=True)
    credit = credit_of(node.cls, node.below, options)
    return Brought(link, Share(size, credit, node.cls is IssueClass.DONE, size != 0), unestimated)
