"""The append-only ledger: one row per cause, written where the number moved, and read back as a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session, joinedload

from connector.cards import look_at_cards_again
from connector.models import Connection, Issue, KeyResult, LedgerEntry, WorkProgress
from connector.outbox import enqueue
from connector.outcome import Outcome, outcome_from_work
from mapping.ledger import FORMULA_VERSION, Cause, Entry, Movement, Number, Shift, deserves_an_entry, fold
from mapping.running import Change

# A key result's label is passed on to its issues this long after it moved, so that a burst costs one look.
LABEL_DELAY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and when something moved: cause (progress.md section 5), who did it, when it happened in the tracker, when
    we learned of it, and which delivery told us."""

    cause: str
    actor: str
    happened_at: datetime
    learned_at: datetime
    source: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def because(self, cause: str, detail: Mapping[str, Any]) -> Occasion:
        """Return the same occasion with another cause."""
        return replace(self, cause=cause, detail=detail)


def record_work(session: Session, changes: Sequence[Change], occasion: Occasion, issue: Issue | None) -> None:
    """Write what one cause did to each key result's work progress, and to an outcome that follows from work."""
    record_work_of_many(session, [(changes, issue)], occasion)


def record_work_of_many(
    session: Session, moved: Sequence[tuple[Sequence[Change], Issue | None]], occasion: Occasion
) -> None:
    """The same for many issues under one cause, in the order in which they moved: a row for each and key result.

    An outcome that follows from work gets one row for all of them together, which names the issue if there is just one.
    """
    ids = {str(change.key_result) for changes, _ in moved for change in changes}
    key_results = (
        {row.id: row for row in session.scalars(select(KeyResult).where(KeyResult.id.in_(ids)))} if ids else {}
    )
    last: dict[str, tuple[Change, Issue | None]] = {}
    rows: list[dict[str, Any]] = []
    for changes, issue in moved:
        for change in changes:
            key_result = key_results[str(change.key_result)]
            last[key_result.id] = (change, None if key_result.id in last else issue)
            if deserves_an_entry(Cause(occasion.cause), change):
                rows.append(_work_row(key_result, change, occasion, issue))
    if rows:
        # Nobody asks for their numbers, so they go in at once; SQLite would number objects one by one.
        session.execute(insert(LedgerEntry), rows)
    for key_result_id, (change, issue) in last.items():
        follows = outcome_from_work(session, key_results[key_result_id], change.after)
        if follows is not None:
            _record_outcome_if_moved(session, key_results[key_result_id], follows, occasion, issue)
    session.flush()
    if occasion.cause == Cause.SCOPE_REMOVED:
        # Their words may be as before, but some issues no longer serve the key result at all.
        look_at_cards_again(session, sorted(last))
    pass_labels_on(session, [change for change, _ in last.values()])


def record_outcome(
    session: Session,
    key_result: KeyResult,
    cause: str,
    before: Outcome,
    after: Outcome,
    *,
    actor: str,
    happened_at: datetime,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write what a measurement or an edit did to the outcome.

    Causes: measured, corrected, target_edited, baseline_edited, rule_changed. A measurement is written even if it moved
    nothing: it says that somebody looked.
    """
    occasion = Occasion(cause, actor, happened_at, now, detail=detail or {})
    session.add(LedgerEntry(**_outcome_row(key_result, before, after, occasion, None)))
    show_anew(session, key_result, now)


def show_anew(session: Session, key_result: KeyResult, now: datetime) -> None:
    """Have whoever shows a key result look again: what is polled gets another revision, and its label is passed on.

    For what changes how it looks without being an edit of its own row: a measurement, the driver's word, its cycle.
    """
    progress = session.get(WorkProgress, key_result.id)
    if progress is None:
        session.add(WorkProgress(key_result_id=key_result.id, workspace_id=key_result.workspace_id, revision=1))
    else:
        progress.revision += 1
        progress.changed_at = now
    session.flush()
    pass_label_on(session, key_result)


def read_ledger(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    *,
    at: datetime | None = None,
    cause: str | None = None,
    number: str | None = None,
    limit: int | None = None,
    before_id: int | None = None,
) -> Sequence[LedgerEntry]:
    """Return rows newest first (by when we learned them), each with its issue loaded.

    `at` leaves out what happened later; `before_id` continues after the last row of the previous page.
    """
    query = (
        select(LedgerEntry)
        .where(LedgerEntry.workspace_id == workspace_id, LedgerEntry.key_result_id == key_result_id)
        .options(joinedload(LedgerEntry.issue))
        .order_by(LedgerEntry.id.desc())
    )
    if at is not None:
        query = query.where(LedgerEntry.happened_at <= at)
    if cause is not None:
        query = query.where(LedgerEntry.cause == cause)
    if number is not None:
        query = query.where(LedgerEntry.number == number)
    if before_id is not None:
        query = query.where(LedgerEntry.id < before_id)
    if limit is not None:
        query = query.limit(limit)
    return session.scalars(query).all()


@dataclass(frozen=True, slots=True)
class StateAt:
    """Both numbers of a key result at one moment, folded from its rows."""

    at: datetime
    work: Fraction | None
    numerator: Fraction
    denominator: Fraction
    outcome: Fraction | None
    rows: int


def state_at(session: Session, workspace_id: str, key_result_id: str, at: datetime) -> StateAt:
    """Return the state at a moment by the tracker's own times.

    Numerators and denominators are additive, so the fold is exact in whatever order the rows were learned.
    """
    rows = session.execute(fold_rows(workspace_id, key_result_id).where(LedgerEntry.happened_at <= at)).all()
    work = fold(entry_of(row) for row in rows if row.number == "work")
    outcome = fold(entry_of(row) for row in rows if row.number == "outcome")
    return StateAt(at, work.progress, work.num, work.den, outcome.progress, len(rows))


def entry_of(row: Any) -> Entry:
    """Return a row of `fold_rows` as what `mapping.ledger` folds."""
    return Entry(
        key_result=None,
        number=Number(row.number),
        cause=Cause(row.cause),
        issue=None,
        num_before=row.numerator_before,
        den_before=row.denominator_before,
        num_after=row.numerator_after,
        den_after=row.denominator_after,
        happened_at=row.happened_at,
        learned_at=row.happened_at,
    )


def fold_rows(workspace_id: str, key_result_id: str) -> Select[*tuple[Any, ...]]:
    """Select what a fold needs of a key result's rows, in order of when it happened."""
    return (
        select(
            LedgerEntry.number,
            LedgerEntry.cause,
            LedgerEntry.happened_at,
            LedgerEntry.after,
            LedgerEntry.numerator_before,
            LedgerEntry.numerator_after,
            LedgerEntry.denominator_before,
            LedgerEntry.denominator_after,
        )
        .where(LedgerEntry.workspace_id == workspace_id, LedgerEntry.key_result_id == key_result_id)
        .order_by(LedgerEntry.happened_at, LedgerEntry.id)
    )


def _record_outcome_if_moved(
    session: Session, key_result: KeyResult, after: Outcome, occasion: Occasion, issue: Issue | None
) -> None:
    last = session.scalars(
        select(LedgerEntry)
        .where(LedgerEntry.key_result_id == key_result.id, LedgerEntry.number == "outcome")
        .order_by(LedgerEntry.id.desc())
        .limit(1)
    ).one_or_none()
    value = last.detail.get("value_to") if last is not None else None
    before = Outcome(last.after if last else None, value=Fraction(value) if value is not None else None)
    if (before.progress, before.value) != (after.progress, after.value):
        session.add(LedgerEntry(**_outcome_row(key_result, before, after, occasion, issue)))


def _outcome_row(
    key_result: KeyResult, before: Outcome, after: Outcome, occasion: Occasion, issue: Issue | None
) -> dict[str, Any]:
    values = {"value_from": _text(before.value), "value_to": _text(after.value)}
    shift = Shift(occasion.happened_at, Cause(occasion.cause), before.progress, after.progress)
    entry = shift.entry(key_result.id, occasion.learned_at)
    return _row(
        key_result,
        replace(occasion, detail={**occasion.detail, **values}),
        issue,
        number="outcome",
        before=entry.before,
        after=entry.after,
        delta=entry.delta,
        numerator_before=entry.num_before,
        denominator_before=entry.den_before,
        numerator_after=entry.num_after,
        denominator_after=entry.den_after,
    )


def _work_row(key_result: KeyResult, change: Change, occasion: Occasion, issue: Issue | None) -> dict[str, Any]:
    entry = Movement(Cause(occasion.cause), change).entry(occasion.happened_at, occasion.learned_at)
    return _row(
        key_result,
        occasion,
        issue,
        number="work",
        before=entry.before,
        after=entry.after,
        delta=entry.delta,
        numerator_before=entry.num_before,
        denominator_before=entry.den_before,
        numerator_after=entry.num_after,
        denominator_after=entry.den_after,
    )


def _row(key_result: KeyResult, occasion: Occasion, issue: Issue | None, **numbers: Any) -> dict[str, Any]:
    return {
        "workspace_id": key_result.workspace_id,
        "key_result_id": key_result.id,
        "issue_id": issue.id if issue is not None else None,
        "cause": occasion.cause,
        "actor": occasion.actor,
        "happened_at": occasion.happened_at,
        "learned_at": occasion.learned_at,
        "source_event": occasion.source,
        "detail": dict(occasion.detail),
        "formula_version": FORMULA_VERSION,
        **numbers,
    }


def pass_labels_on(session: Session, changes: Sequence[Change]) -> None:
    """Have the issues of every key result that moved look whether their label still fits."""
    for key_result_id in sorted({str(change.key_result) for change in changes}):
        pass_label_on(session, session.get_one(KeyResult, key_result_id))


def pass_label_on(session: Session, key_result: KeyResult) -> None:
    """Have the issues of one key result look whether what their tracker shows of it still fits."""
    active = select(Connection.id).where(
        Connection.workspace_id == key_result.workspace_id, Connection.state == "active"
    )
    for connection_id in session.scalars(active.order_by(Connection.id)):
        enqueue(session, connection_id, "refresh_labels", key_result.id, delay=LABEL_DELAY_SECONDS)


def _text(number: Fraction | None) -> str | None:
    return None if number is None else str(number)
