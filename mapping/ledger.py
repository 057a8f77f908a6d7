"""The ledger: every movement of a key result under the cause that it really had. Source: design/progress.md section 5.

A change to an issue is taken apart into steps of one cause each, in a fixed order; each step that moves a key result,
or starts one of its units, is one entry. Entries hold numerators and denominators, which are additive: the state at
any date is their sum, in whatever order they were learned. An outcome is held the same way, as itself over 1, or 0
over 0 for no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final

from mapping import running
from mapping.forest import Issue, IssueId
from mapping.issue_class import ABSENT, OPEN, IssueClass
from mapping.progress import ONE, ZERO, ratio
from mapping.running import Change
from mapping.store import KeyResultId, Store

FORMULA_VERSION: Final = 1
"""Goes up whenever the same issues and links would come to another number than before."""


class Cause(StrEnum):
    COMPLETED = "completed"
    REOPENED = "reopened"
    STARTED = "started"
    SCOPE_ADDED = "scope_added"
    SCOPE_REMOVED = "scope_removed"
    DROPPED = "dropped"
    DELETED = "deleted"
    RESIZED = "resized"
    REWEIGHTED = "reweighted"
    MEASURED = "measured"
    CORRECTED = "corrected"
    TARGET_EDITED = "target_edited"
    BASELINE_EDITED = "baseline_edited"
    RULE_CHANGED = "rule_changed"


class Number(StrEnum):
    WORK = "work"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Placed:
    """The issue moved in the tree, or to another level."""

    parent: IssueId | None
    level: int


@dataclass(frozen=True, slots=True)
class Resized:
    estimate: Fraction | None


@dataclass(frozen=True, slots=True)
class Classed:
    before: IssueClass
    after: IssueClass


Step = Placed | Resized | Classed


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: what one cause did to one number of one key result. `delta` = after - before, None if either is no
    number.
    """

    key_result: KeyResultId
    number: Number
    cause: Cause
    issue: IssueId | None
    num_before: Fraction
    den_before: Fraction
    num_after: Fraction
    den_after: Fraction
    happened_at: datetime
    """In the tracker, or where a person did it; UTC."""
    learned_at: datetime
    actor: str | None = None
    source_event: str | None = None
    formula_version: int = FORMULA_VERSION

    @property
    def before(self) -> Fraction | None:
        return ratio(self.num_before, self.den_before)

    @property
    def after(self) -> Fraction | None:
        return ratio(self.num_after, self.den_after)

    @property
    def delta(self) -> Fraction | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class Movement:
    """One step's effect on one key result, before anyone said when and by whom."""

    cause: Cause
    change: Change

    def entry(
        self,
        happened_at: datetime,
        learned_at: datetime,
        actor: str | None = None,
        source_event: str | None = None,
    ) -> Entry:
        before, after = self.change.before, self.change.after
        return Entry(
            self.change.key_result, Number.WORK, self.cause, self.change.issue,
            before.num, before.den, after.num, after.den, happened_at, learned_at, actor, source_event,
        )  # fmt: skip


# ------------------------------------------------------------------ from a change to its causes


def decompose(before: Issue | None, after: Issue) -> list[Step]:
    """The steps from one state of an issue to the next: place, estimate, class; `before` None is an issue never heard
    of.

    An issue that vanishes does so first: what else changed about it moves nothing any more and claims nothing.
    """
    old = before if before is not None else Issue(IssueClass.UNKNOWN)
    steps: list[Step] = []
    if (old.parent, old.level) != (after.parent, after.level):
        steps.append(Placed(after.parent, after.level))
    if old.estimate != after.estimate:
        steps.append(Resized(after.estimate))
    if old.cls is not after.cls:
        classed = Classed(old.cls, after.cls)
        steps = [classed, *steps] if after.cls in ABSENT else [*steps, classed]
    return steps


def cause_of(step: Step, change: Change) -> Cause:
    """The one cause of what a step did to a key result."""
    if isinstance(step, Resized):
        return Cause.RESIZED
    if isinstance(step, Placed):
        grown = change.after.units - change.before.units
        if grown == 0:
            return Cause.REWEIGHTED
        return Cause.SCOPE_ADDED if grown > 0 else Cause.SCOPE_REMOVED
    return _cause_of_class(step.before, step.after)


def _cause_of_class(old: IssueClass, new: IssueClass) -> Cause:
    if new in ABSENT:
        return Cause.DELETED
    if old in ABSENT:
        return Cause.SCOPE_ADDED
    if new is IssueClass.DROPPED:
        return Cause.DROPPED
    if new is IssueClass.DONE:
        return Cause.COMPLETED
    if old not in OPEN:
        return Cause.REOPENED
    return Cause.STARTED if new is IssueClass.DOING else Cause.CORRECTED  # the start was taken back


def deserves_an_entry(cause: Cause, change: Change) -> bool:
    """An entry is written when the sums moved, or when a unit was started, even where a start gives no credit."""
    before, after = change.before, change.after
    return (before.num, before.den) != (after.num, after.den) or (cause is Cause.STARTED and change.counted)


def apply_issue(store: Store, issue: IssueId, after: Issue) -> tuple[list[Movement], list[Change]]:
    """Brings the store to a new state of an issue, step by step.

    Answers the movements to be entered, in order, and all changes, those of flags alone among them. `after.parent`
    may be a stub but must have a node.
    """
    node = store.node(issue)
    movements: list[Movement] = []
    changes: list[Change] = []
    for step in decompose(Issue(node.cls, node.estimate, node.named_parent, node.level), after):
        done = list(_take(store, issue, step))
        changes += done
        causes = [(cause_of(step, change), change) for change in done]
        movements += [Movement(cause, change) for cause, change in causes if deserves_an_entry(cause, change)]
    return movements, changes


def _take(store: Store, issue: IssueId, step: Step) -> Iterator[Change]:
    match step:
        case Placed(parent, level):
            yield from running.place(store, issue, parent, level)
        case Resized(estimate):
            yield from running.set_estimate(store, issue, estimate)
        case Classed(_, cls):
            yield from running.set_class(store, issue, cls)


# ------------------------------------------------------------------ outcomes


@dataclass(frozen=True, slots=True)
class Shift:
    """What a reading changes at one moment; `corrected` undoes, from the next reading on, what a late one brought."""

    at: datetime
    cause: Cause
    before: Fraction | None
    after: Fraction | None

    def entry(
        self,
        key_result: KeyResultId,
        learned_at: datetime,
        actor: str | None = None,
        source_event: str | None = None,
    ) -> Entry:
        (num_before, den_before), (num_after, den_after) = _over_one(self.before), _over_one(self.after)
        return Entry(
            key_result, Number.OUTCOME, self.cause, None,
            num_before, den_before, num_after, den_after, self.at, learned_at, actor, source_event,
        )  # fmt: skip


def place_reading(
    known: Sequence[tuple[datetime, Fraction | None]],
    at: datetime,
    progress: Fraction | None,
    cause: Cause = Cause.MEASURED,
) -> list[Shift]:
    """What a new outcome does to the ledger, among the outcomes known so far as (when, progress) in order of time.

    The newest is one shift. A late one holds from its moment to the next known reading only, so a second shift there
    takes it back: every date folds to what was true then, and the running value stays.
    """
    before = next((progress_ for when, progress_ in reversed(known) if when <= at), None)
    if before == progress:
        return []
    shifts = [Shift(at, cause, before, progress)]
    following = next((when for when, _ in known if when > at), None)
    if following is not None:
        shifts.append(Shift(following, Cause.CORRECTED, progress, before))
    return shifts


def _over_one(progress: Fraction | None) -> tuple[Fraction, Fraction]:
    return (ZERO, ZERO) if progress is None else (progress, ONE)


# ------------------------------------------------------------------ reading it back


@dataclass(frozen=True, slots=True)
class Folded:
    num: Fraction
    den: Fraction

    @property
    def progress(self) -> Fraction | None:
        return ratio(self.num, self.den)


def fold(entries: Iterable[Entry], at: datetime | None = None) -> Folded:
    """The state at a moment (None: now), from the entries of one number of one key result in any order."""
    num = den = ZERO
    for entry in entries:
        if at is None or entry.happened_at <= at:
            num += entry.num_after - entry.num_before
            den += entry.den_after - entry.den_before
    return Folded(num, den)
