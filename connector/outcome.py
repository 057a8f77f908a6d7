"""A key result's outcome: what was measured (or counted, or claimed), gathered for `mapping.metric` to judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.models import CheckIn, KeyResult, Link, Milestone, WorkProgress, Workspace
from mapping import metric
from mapping.metric import Why
from mapping.store import Snapshot

# Kinds whose outcome follows from linked work, so that an issue's event can move it.
FOLLOWS_WORK = frozenset({"issue_count", "issue_delta"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """`progress` 0..1 or None with its reason in `why`; `raw` before clamping; `value` in the metric's unit.

    `claimed`: nobody measured it; finished work claims it. `trouble`: why the last query failed, the value being older.
    """

    progress: Fraction | None
    raw: Fraction | None = None
    why: str | None = None
    value: Fraction | None = None
    claimed: bool = False
    trouble: str | None = None


@dataclass(slots=True)
class OutcomeFacts:
    """What a key result's outcome depends on beside its own row."""

    finished_units: int = 0
    period_values: list[Fraction] = field(default_factory=list)
    milestones: list[tuple[Fraction, bool]] = field(default_factory=list)
    declared: list[tuple[Fraction, bool]] = field(default_factory=list)


def outcome_of(session: Session, key_result: KeyResult) -> Outcome:
    """Return the outcome of one key result as it is now."""
    progress = session.get(WorkProgress, key_result.id)
    facts = gather_facts(session, [key_result], {key_result.id: progress.done_units if progress else 0})
    return judge(key_result, facts[key_result.id])


def outcome_from_work(session: Session, key_result: KeyResult, work: Snapshot) -> Outcome | None:
    """Return the outcome that `work` gives, for kinds whose outcome follows from work; None for the others."""
    if key_result.kind not in FOLLOWS_WORK:
        return None
    if key_result.kind == "issue_count":
        return judge(key_result, OutcomeFacts(finished_units=work.done_units))
    return judge(key_result, gather_facts(session, [key_result], {})[key_result.id])


def gather_facts(
    session: Session, key_results: Sequence[KeyResult], finished_units: dict[str, int]
) -> dict[str, OutcomeFacts]:
    """Read what the outcomes depend on, with at most one statement per kind of fact, however many key results."""
    facts = {row.id: OutcomeFacts(finished_units=finished_units.get(row.id, 0)) for row in key_results}
    kept = _of_kind(key_results, "maintain")
    if kept:
        zone = ZoneInfo(session.get_one(Workspace, key_results[0].workspace_id).timezone)
        periods: dict[str, dict[tuple[int, int], Fraction]] = {}
        for row in session.execute(
            select(CheckIn.key_result_id, CheckIn.at, CheckIn.value)
            .where(CheckIn.key_result_id.in_(kept), CheckIn.value.is_not(None))
            .order_by(CheckIn.at, CheckIn.created_at)
        ):
            # A check-in period is a week; its last word counts.
            week = row.at.astimezone(zone).isocalendar()
            periods.setdefault(row.key_result_id, {})[(week.year, week.week)] = row.value
        for key_result_id, values in periods.items():
            facts[key_result_id].period_values = [values[week] for week in sorted(values)]
    stepped = _of_kind(key_results, "milestone")
    if stepped:
        for milestone in session.scalars(select(Milestone).where(Milestone.key_result_id.in_(stepped))):
            facts[milestone.key_result_id].milestones.append((milestone.weight, milestone.finished_at is not None))
    claiming = _of_kind(key_results, "issue_delta")
    if claiming:
        for link in session.scalars(
            select(Link).where(Link.key_result_id.in_(claiming), Link.declared_change.is_not(None))
        ):
            if link.declared_change is not None and link.state == "active":
                finished = link.units > 0 and link.done_units == link.units
                facts[link.key_result_id].declared.append((link.declared_change, finished))
    return facts


def judge(key_result: KeyResult, facts: OutcomeFacts) -> Outcome:
    """Return the outcome by the rules of the key result's kind (progress.md sections 1 and 4)."""
    trouble = key_result.settings.get("query_trouble")
    match key_result.kind:
        case "maintain":
            lowest, highest = (_exact(end) for end in key_result.settings.get("band") or (None, None))
            held = metric.maintain(lowest, highest, facts.period_values)
            progress: Fraction | None = getattr(held, key_result.settings.get("maintain_by", "average"))
            why = Why.NOT_MEASURED if progress is None else None
            return Outcome(progress, progress, why, facts.period_values[-1] if facts.period_values else None)
        case "milestone":
            progress = metric.milestone(facts.milestones)
            return Outcome(progress, progress, None if progress is not None else "no_milestones")
        case "issue_count":
            return _by_metric_rule(key_result, (key_result.baseline or Fraction(0)) + facts.finished_units)
        case "issue_delta" if key_result.value is None and key_result.baseline is not None and facts.declared:
            claim = metric.claimed_value(key_result.baseline, facts.declared)
            return _by_metric_rule(key_result, claim, claimed=True)
    return _by_metric_rule(key_result, key_result.value, trouble=trouble)


def _by_metric_rule(
    key_result: KeyResult, value: Fraction | None, *, claimed: bool = False, trouble: str | None = None
) -> Outcome:
    baseline = key_result.baseline if key_result.baseline is not None else Fraction(0)
    if key_result.target is None or (key_result.baseline is None and key_result.kind != "issue_count"):
        return Outcome(None, None, Why.NOT_MEASURED if value is None else "no_target", value, trouble=trouble)
    points = [(Fraction(at), Fraction(worth)) for at, worth in key_result.settings.get("checkpoints") or ()]
    found = metric.checkpoints(baseline, key_result.target, value, points)
    return Outcome(found.progress, found.raw, found.why, value, claimed, trouble)


def _of_kind(key_results: Iterable[KeyResult], kind: str) -> list[str]:
    return [row.id for row in key_results if row.kind == kind]


def _exact(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)
