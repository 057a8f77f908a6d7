"""The append-only ledger: one row per cause, written in the transaction that moved the number, and read back as a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from connector.models import Connection, Issue, KeyResult, LedgerEntry
from connector.outbox import enqueue
from connector.outcome import Outcome, outcome_from_work
from mapping.ledger import FORMULA_VERSION
from mapping.progress import ratio
from mapping.running import Change

# Rows whose delta is 0 that are still worth a line: somebody did something to a counted issue.
TELLING_AT_ZERO = frozenset({"started", "corrected", "completed", "reopened"})

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
    """Write what an operation did to each key result's work progress, and to an outcome that follows from work."""
    for change in changes:
        before, after = change.before, change.after
        key_result = session.get_one(KeyResult, change.key_result)
        moved = (before.num, before.den) != (after.num, after.den)
        if moved or (change.counted and occasion.cause in TELLING_AT_ZERO):
            session.add(
                _row(
                    key_result,
                    occasion,
                    issue,
                    number="work",
                    before=before.progress,
                    after=after.progress,
                    delta=change.delta,
                    numerator_before=before.num,
                    denominator_before=before.den,
                    numerator_after=after.num,
                    denominator_after=after.den,
                )
            )
        outcomes = outcome_from_work(session, key_result, before), outcome_from_work(session, key_result, after)
        if outcomes[0] is not None and outcomes[1] is not None:
            _record_if_moved(session, key_result, outcomes[0], outcomes[1], occasion, issue)
        _pass_label_on(session, key_result)
    session.flush()


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
    """Write what a measurement or an edit (measured, corrected, target_edited, baseline_edited, rule_changed) did to the
    outcome.

    A measurement is written even if it moved nothing: it says that somebody looked.
    """
    occasion = Occasion(cause, actor, happened_at, now, detail=detail or {})
    _record_if_moved(session, key_result, before, after, occasion, None, always=True)
    _pass_label_on(session, key_result)
    session.flush()


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

    Work: numerators and denominators are additive, so the fold is exact in whatever order the rows were learned.
    Outcome: the last row that happened by then.
    """
    numerator = denominator = Fraction(0)
    outcome: Fraction | None = None
    rows = 0
    for row in session.execute(_fold_rows(workspace_id, key_result_id).where(LedgerEntry.happened_at <= at)):
        rows += 1
        if row.number == "work":
            numerator += row.numerator_after - row.numerator_before
            denominator += row.denominator_after - row.denominator_before
        else:
            outcome = row.after
    return StateAt(at, ratio(numerator, denominator), numerator, denominator, outcome, rows)


def _fold_rows(workspace_id: str, key_result_id: str) -> Select[Any]:
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


def _record_if_moved(
    session: Session,
    key_result: KeyResult,
    before: Outcome,
    after: Outcome,
    occasion: Occasion,
    issue: Issue | None,
    *,
    always: bool = False,
) -> None:
    if not always and (before.progress, before.value) == (after.progress, after.value):
        return
    values = {"value_from": _text(before.value), "value_to": _text(after.value)}
    both = before.progress is not None and after.progress is not None
    session.add(
        _row(
            key_result,
            replace(occasion, detail={**occasion.detail, **values}),
            issue,
            number="outcome",
            before=before.progress,
            after=after.progress,
            delta=after.progress - before.progress if both else None,  # type: ignore[operator]  # `both` says so
        )
    )


def _row(key_result: KeyResult, occasion: Occasion, issue: Issue | None, **numbers: Any) -> LedgerEntry:
    return LedgerEntry(
        workspace_id=key_result.workspace_id,
        key_result_id=key_result.id,
        issue_id=issue.id if issue is not None else None,
        cause=occasion.cause,
        actor=occasion.actor,
        happened_at=occasion.happened_at,
        learned_at=occasion.learned_at,
        source_event=occasion.source,
        detail=dict(occasion.detail),
        formula_version=FORMULA_VERSION,
        **numbers,
    )


def _pass_label_on(session: Session, key_result: KeyResult) -> None:
    active = select(Connection.id).where(
        Connection.workspace_id == key_result.workspace_id, Connection.state == "active"
    )
    for connection_id in session.scalars(active.order_by(Connection.id)):
        enqueue(session, connection_id, "refresh_labels", key_result.id, delay=LABEL_DELAY_SECONDS)


def _text(number: Fraction | None) -> str | None:
    return None if number is None else str(number)
