"""What a sprint will do to the goals. Source: design/progress.md section 8."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from math import lcm

from mapping.display import signed_points
from mapping.forest import Issue, IssueId
from mapping.issue_class import OPEN, IssueClass
from mapping.progress import ONE, Options, work_progress
from mapping.rollup import Kind


@dataclass(frozen=True, slots=True)
class Overlay:
    """Work progress of one key result, 0..1 or None: now, with the sprint's new scope, and with the sprint's work
    done.
    """

    now: Fraction | None
    after_adding_scope: Fraction | None
    if_all_sprint_work_finishes: Fraction | None

    @property
    def gain(self) -> Fraction | None:
        if self.now is None or self.if_all_sprint_work_finishes is None:
            return None
        return self.if_all_sprint_work_finishes - self.now


def overlay(
    issues: Mapping[IssueId, Issue],
    links: Iterable[tuple[IssueId, Fraction]],
    options: Options,
    sprint: Collection[IssueId],
    new: Iterable[tuple[IssueId, Fraction | None]] = (),
) -> Overlay:
    """One key result over a sprint.

    `new` are (issue, estimate) to be linked with weight 1; one that is not among the issues is taken as an open issue
    without a parent. Finishing makes the sprint's own open issues done and nothing else: neither a parent nor a part
    that is not in the sprint, nor new scope that is not.
    """
    linked = list(links)
    scope = list(linked)
    scoped = dict(issues)
    for id_, estimate in new:
        scoped.setdefault(id_, Issue(IssueClass.TODO, estimate))
        scope.append((id_, ONE))
    finished = {
        id_: replace(issue, cls=IssueClass.DONE) if id_ in sprint and issue.cls in OPEN else issue
        for id_, issue in scoped.items()
    }
    return Overlay(
        now=work_progress(issues, linked, options).progress,
        after_adding_scope=work_progress(scoped, scope, options).progress,
        if_all_sprint_work_finishes=work_progress(finished, scope, options).progress,
    )


class Side(StrEnum):
    """Where an issue of a sprint belongs that ladders into no key result."""

    BUSINESS_AS_USUAL = "bau"
    UNALIGNED = "unaligned"
    DROPPED = "dropped"
    """Not work of the sprint any more; it leaves every share."""


@dataclass(frozen=True, slots=True)
class SprintItem:
    """One issue of a sprint; `key_results` are those that it ladders into, and then `side` says nothing."""

    estimate: Fraction | None
    key_results: Sequence[Hashable] = ()
    side: Side = Side.UNALIGNED

    @property
    def size(self) -> Fraction:
        return ONE if self.estimate is None else self.estimate


@dataclass(frozen=True, slots=True)
class Alignment:
    """Shares of a sprint by size, summing to 1, or None for a sprint without work; `effort` in sizes, by key result."""

    total: Fraction
    aligned: Fraction | None
    declared_bau: Fraction | None
    unaligned: Fraction | None
    effort: dict[Hashable, Fraction] = field(default_factory=dict)


def alignment(items: Iterable[SprintItem]) -> Alignment:
    """How a sprint divides. An issue on two key results is split evenly for effort, so that efforts sum to what is
    aligned.

    An issue without an estimate weighs 1; if all weigh 0, they count equally.
    """
    counted = [item for item in items if item.key_results or item.side is not Side.DROPPED]
    serves = [tuple(dict.fromkeys(item.key_results)) for item in counted]
    sizes = [item.size for item in counted]
    if counted and not any(sizes):
        sizes = [ONE] * len(counted)
    # In whole parts, small enough that each size and each even split is a whole number of them: adding integers is
    # many times faster than adding rationals, and a planning page does it at every click.
    part = lcm(*(size.denominator for size in sizes)) * lcm(*(len(one) or 1 for one in serves))
    total = aligned = bau = 0
    effort: dict[Hashable, int] = {}
    for item, size, served in zip(counted, sizes, serves, strict=True):
        parts = size.numerator * (part // size.denominator)
        total += parts
        if served:
            aligned += parts
        elif item.side is Side.BUSINESS_AS_USUAL:
            bau += parts
        for key_result in served:
            effort[key_result] = effort.get(key_result, 0) + parts // len(served)
    return Alignment(
        Fraction(total, part),
        _share(aligned, total),
        _share(bau, total),
        _share(total - aligned - bau, total),
        {key_result: Fraction(parts, part) for key_result, parts in effort.items()},
    )


def _share(some: int, whole: int) -> Fraction | None:
    return Fraction(some, whole) if whole else None


def in_words(kind: Kind, gain: Fraction | None, outcome: Fraction | None = None) -> str:
    """What a sprint will do to a key result, in words; an effect on the metric that nobody declared is never invented.

    `outcome`: the outcome progress that its links claim to add, if they declare one; for a key result that counts
    finished work what the count adds, which nobody has to claim.
    """
    name = "output" if kind.counts_output else "work"
    work = "no linked work" if gain is None else f"{name} {signed_points(gain)}"
    if kind is Kind.ISSUE_RATIO:
        return work
    if outcome is not None:
        effect = "the count adds" if kind is Kind.ISSUE_COUNT else "claimed effect on the metric"
        return f"{work}; {effect} {signed_points(outcome)}"
    return f"{work}; effect on the metric not declared"
