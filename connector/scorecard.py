"""Everything that a page, a panel or the API says about a key result's numbers, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.models import Cycle, KeyResult, LedgerEntry, WorkProgress, Workspace
from connector.outcome import gather_facts, judge
from connector.store import options_of, sums_of
from mapping import display
from mapping.pace import SLOPE_WINDOW, Opinion, elapsed, pace, second_opinion
from mapping.rollup import Kind, Rollup, roll_up, stands_for
from mapping.status import Facts, Word, is_disputed, shown_status
from mapping.store import Sums

# Check-ins are weekly; the first is due a week after the cycle started or the key result was made.
CHECK_IN_EVERY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class WorkNumber:
    """How much of the linked work is finished. All of it null where nothing is linked."""

    progress: Fraction | None
    numerator: Fraction | None
    denominator: Fraction | None
    display: str
    units: int
    done: int
    flags: Sequence[str]


@dataclass(frozen=True, slots=True)
class OutcomeNumber:
    """Whether the metric has moved. `why` is a reason code where there is no number; `value` in the metric's unit."""

    progress: Fraction | None
    raw: Fraction | None
    display: str
    raw_display: str
    why: str | None
    value: Fraction | None
    claimed: bool
    trouble: str | None


@dataclass(frozen=True, slots=True)
class PaceNumber:
    """`elapsed` 0..1 of the cycle; `projected` 0..1 or null; `status` green, yellow, red, too_early, not_measured.

    `reason`: since_start, or last_28_days where the recent slope is the worse opinion.
    """

    elapsed: Fraction
    projected: Fraction | None
    display: str
    status: str
    reason: str

    @property
    def because_of_slope(self) -> bool:
        """Whether the slope of the last 28 days is what speaks."""
        return self.reason == Opinion.LAST_28_DAYS


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One key result at one moment. `progress` is the number that stands for its kind, `stands_by` says which."""

    key_result_id: str
    work: WorkNumber
    outcome: OutcomeNumber
    progress: Fraction | None
    display: str
    stands_by: str
    confidence: Fraction | None
    status: str
    evidence_status: str
    disputed: bool
    pace: PaceNumber
    badge: str
    revision: int


@dataclass(frozen=True, slots=True)
class ObjectiveNumber:
    """The weighted mean over an objective's measured key results; always with its coverage ("3 of 4 measured")."""

    progress: Fraction | None
    display: str
    measured: int
    total: int
    coverage: str


def today(workspace: Workspace, now: datetime) -> date:
    """Return the day it is in the workspace's zone: cycles and weeks follow it."""
    return now.astimezone(ZoneInfo(workspace.timezone)).date()


def scorecards(
    session: Session,
    workspace_id: str,
    key_results: Sequence[KeyResult],
    day: date,
    *,
    progress: dict[str, WorkProgress] | None = None,
) -> dict[str, Scorecard]:
    """Return a scorecard per key result id, by a number of statements that does not depend on how many there are.

    The key results must come with their objective and its cycle loaded, or those are read one by one. `progress` may be
    handed in if it was read already.
    """
    if not key_results:
        return {}
    ids = [row.id for row in key_results]
    if progress is None:
        found = session.scalars(select(WorkProgress).where(WorkProgress.key_result_id.in_(ids)))
        progress = {row.key_result_id: row for row in found}
    facts = gather_facts(session, key_results, {id_: row.done_units for id_, row in progress.items()})
    readings = _readings(session, workspace_id, ids, day)
    zone = ZoneInfo(session.get_one(Workspace, workspace_id).timezone)
    cards = {}
    for row in key_results:
        kept = progress.get(row.id)
        work = (sums_of(kept) if kept is not None else Sums()).snapshot(options_of(row))
        outcome = judge(row, facts[row.id])
        kind = Kind(row.kind)
        measured = None if outcome.claimed else outcome.progress
        standing = stands_for(kind, outcome=measured, work=work.progress)
        cycle = row.objective.cycle
        passed = elapsed(cycle.starts_on, cycle.ends_on, day)
        speed = second_opinion(
            pace(standing, passed),
            [(at.astimezone(zone).date(), value) for at, value in readings.get(row.id, ())],
            cycle.ends_on,
            day,
        )
        said = Facts(
            word=Word(row.status) if row.status else None,
            has_plan=bool(row.plan),
            days_late=_days_late(row, cycle, zone, day),
            closed=row.state == "closed" or row.objective.state == "closed" or cycle.state == "closed",
            evidence=speed.status,
        )
        cards[row.id] = Scorecard(
            key_result_id=row.id,
            work=WorkNumber(
                progress=work.progress,
                numerator=work.num if work.progress is not None else None,
                denominator=work.den if work.progress is not None else None,
                display=display.percent(work.progress),
                units=work.units,
                done=work.done_units,
                flags=work.flags,
            ),
            outcome=OutcomeNumber(
                progress=outcome.progress,
                raw=outcome.raw,
                display=display.percent(outcome.progress),
                raw_display=display.raw_percent(outcome.raw),
                why=str(outcome.why) if outcome.why is not None else None,
                value=outcome.value,
                claimed=outcome.claimed,
                trouble=outcome.trouble,
            ),
            progress=standing,
            display=display.percent(standing),
            stands_by="work" if kind is Kind.ISSUE_RATIO else "outcome",
            confidence=row.confidence,
            status=shown_status(said).value,
            evidence_status=speed.status.value,
            disputed=is_disputed(said),
            pace=PaceNumber(
                elapsed=passed,
                projected=speed.projected,
                display=display.percent(speed.projected),
                status=speed.status.value,
                reason=speed.rests_on.value,
            ),
            badge="output" if kind.counts_output else "",
            revision=kept.revision if kept is not None else 0,
        )
    return cards


def objective_number(key_results: Sequence[KeyResult], cards: dict[str, Scorecard]) -> ObjectiveNumber:
    """Roll an objective's key results up."""
    rolled: Rollup = roll_up((cards[row.id].progress, row.weight) for row in key_results)
    return ObjectiveNumber(
        rolled.progress, display.percent(rolled.progress), rolled.measured, rolled.of, rolled.coverage
    )


def _readings(
    session: Session, workspace_id: str, ids: Sequence[str], day: date
) -> dict[str, list[tuple[datetime, Fraction]]]:
    """Measured outcomes of the last 28 days, in order; one day more than needed, as zones differ."""
    since = datetime.combine(day, datetime.min.time(), tzinfo=ZoneInfo("UTC")) - SLOPE_WINDOW - timedelta(days=1)
    found: dict[str, list[tuple[datetime, Fraction]]] = {}
    for row in session.execute(
        select(LedgerEntry.key_result_id, LedgerEntry.happened_at, LedgerEntry.after)
        .where(LedgerEntry.workspace_id == workspace_id, LedgerEntry.key_result_id.in_(ids))
        .where(LedgerEntry.number == "outcome", LedgerEntry.happened_at >= since, LedgerEntry.after.is_not(None))
        .where(LedgerEntry.cause.in_(("measured", "corrected")))
        .order_by(LedgerEntry.happened_at, LedgerEntry.id)
    ):
        if row.after is not None:
            found.setdefault(row.key_result_id, []).append((row.happened_at, row.after))
    return found


def _days_late(row: KeyResult, cycle: Cycle, zone: ZoneInfo, day: date) -> int | None:
    """Days since a check-in was due that has not come; null while none is due, or after the cycle."""
    last = row.last_check_in_at.astimezone(zone).date() if row.last_check_in_at else None
    since = last or max(cycle.starts_on, row.created_at.astimezone(zone).date())
    due = since + CHECK_IN_EVERY
    late = (min(day, cycle.ends_on) - due).days
    return late if late > 0 else None
