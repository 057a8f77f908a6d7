"""What finishing a sprint's work will do to the running values, read off them without touching them.

Source: design/progress.md section 8: the sprint's own todo and doing issues become done, nothing else. Since a done
issue counts where an open one counts, no unit comes or goes; only credits rise. So the cost is that of the sprint's own
units, whatever the size of the key result; the answer equals mapping/overlay.py over the whole case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from mapping.forest import IssueId
from mapping.issue_class import ABSENT, OPEN
from mapping.progress import ONE, ZERO, Options, SizeBy, credit_of, is_unit
from mapping.store import KeyResultId, Link, Node, Snapshot, Sums, Unit

# How an issue without a key result of its own to ask is told to be one piece of work or several: by its points.
AS_PLANNED = Options(size_by=SizeBy.ESTIMATE)


@dataclass(frozen=True, slots=True)
class Finished:
    """One key result with the sprint's work done; `links` are how many units became done, by linked issue."""

    snapshot: Snapshot
    links: Mapping[IssueId, int] = field(default_factory=dict)


def finish(
    nodes: Mapping[IssueId, Node],
    units: Iterable[Unit],
    weights: Mapping[tuple[KeyResultId, IssueId], Fraction],
    sums: Mapping[KeyResultId, Sums],
    options: Mapping[KeyResultId, Options],
    sprint: Collection[IssueId],
) -> dict[KeyResultId, Finished]:
    """Every key result of `sums` with the open issues of `sprint` done.

    `nodes` are those issues and all their ancestors, `units` the counted units among these, `weights` those of the
    links that the units go by (key result, linked issue).
    """
    finishing = {issue for issue in sprint if issue in nodes and nodes[issue].cls in OPEN}
    parts = _parts_above(nodes, finishing) if any(one.sub_credit for one in options.values()) else Counter[IssueId]()
    after = {key_result: replace(one) for key_result, one in sums.items()}
    links: dict[KeyResultId, Counter[IssueId]] = {}
    for unit in units:
        key_result = unit.key_result
        if key_result not in after or not (unit.issue in finishing or unit.issue in parts):
            continue
        credit = _credit_then(nodes[unit.issue], unit, finishing, parts, options[key_result])
        risen = credit - unit.credit
        if risen == 0:
            continue
        weight, of = weights[key_result, unit.link], after[key_result]
        of.num += weight * unit.size * risen
        of.num_by_count += weight * risen
        if unit.issue in finishing:
            of.done_units += 1
            links.setdefault(key_result, Counter())[unit.link] += 1
    return {k: Finished(one.snapshot(options[k]), links.get(k, {})) for k, one in after.items()}


def _credit_then(
    node: Node, unit: Unit, finishing: Collection[IssueId], parts: Mapping[IssueId, int], options: Options
) -> Fraction:
    if unit.issue in finishing:
        return ONE
    if not options.sub_credit:
        return unit.credit
    return credit_of(node.cls, node.below._replace(parts_done=node.below.parts_done + parts[unit.issue]), options)


def _parts_above(nodes: Mapping[IssueId, Node], finishing: Iterable[IssueId]) -> Counter[IssueId]:
    """How many parts of each issue will be finished: sub-task credit looks at what has no countable child."""
    parts: Counter[IssueId] = Counter()
    for issue in finishing:
        if nodes[issue].below.countable_children:
            continue
        above = nodes[issue].parent
        # What stands above an absent issue does not know of what hangs below it.
        while above is not None and above in nodes and nodes[above].cls not in ABSENT:
            parts[above] += 1
            above = nodes[above].parent
    return parts


def newly_complete(links: Iterable[Link], finished: Finished) -> list[IssueId]:
    """The linked issues of one key result under which nothing is left open then, and something was before."""
    return [
        link.issue
        for link in links
        if finished.links.get(link.issue) and link.done_units + finished.links[link.issue] == link.units
    ]


def claimed_gain(baseline: Fraction | None, target: Fraction | None, declared: Sequence[Fraction]) -> Fraction | None:
    """The outcome progress that declared changes of the metric add up to, unclamped; None if nothing was declared or
    the metric leads nowhere.
    """
    if baseline is None or target is None or baseline == target or not declared:
        return None
    return sum(declared, ZERO) / (target - baseline)


def whole_of(nodes: Mapping[IssueId, Node], sprint: Collection[IssueId]) -> dict[IssueId, IssueId | None]:
    """Which issues of a sprint are pieces of work of their own (None), and which belong to another one of it.

    Trackers list sub-tasks beside their story, and an epic beside its stories; work is counted once. A piece below
    another piece is a part of it. What is only a roof over others of the sprint (an epic) points at itself: it weighs
    nothing. What is gone or unknown is no work and left out.
    """
    whole: dict[IssueId, IssueId | None] = {}
    roofs: set[IssueId] = set()
    held = {issue for issue in sprint if issue in nodes and nodes[issue].cls not in ABSENT}
    for issue in held:
        top: IssueId | None = None
        for above in _above(nodes, issue):
            if above not in held:
                continue
            if _is_piece(nodes[above]):
                top = above
            else:
                roofs.add(above)
        whole[issue] = top
    return {issue: issue if issue in roofs and top is None else top for issue, top in whole.items()}


def _above(nodes: Mapping[IssueId, Node], issue: IssueId) -> Iterable[IssueId]:
    above = nodes[issue].parent
    while above is not None and above in nodes and nodes[above].cls not in ABSENT:
        yield above
        above = nodes[above].parent


def _is_piece(node: Node) -> bool:
    return is_unit(node.cls, node.estimate is not None, node.below, AS_PLANNED)
