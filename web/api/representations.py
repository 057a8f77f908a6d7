"""Rows as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy.orm import Session

from connector import goals, scorecard
from connector.goals import advice
from connector.ledger import StateAt
from connector.models import CheckIn, Cycle, KeyResult, LedgerEntry, Link, Milestone, Objective, Person, Team
from connector.scorecard import Scorecard
from connector.sync_health import ConnectionHealth
from connector.tracker import SiteOption
from web.api import history_schemas, schemas


def of_cycle(row: Cycle) -> schemas.CycleOut:
    """Return a cycle's shape."""
    return schemas.CycleOut.model_validate(row)


def of_team(row: Team) -> schemas.TeamOut:
    """Return a team's shape."""
    return schemas.TeamOut.model_validate(row)


def of_person(row: Person) -> schemas.PersonOut:
    """Return a person's shape."""
    return schemas.PersonOut.model_validate(row)


def of_objectives(
    session: Session, workspace_id: str, rows: Sequence[Objective], today: date
) -> list[schemas.ObjectiveOut]:
    """Return the shapes of objectives, their roll-ups read together."""
    held = [key_result for row in rows for key_result in row.key_results]
    cards = scorecard.scorecards(session, workspace_id, held, today)
    numbers = {row.id: scorecard.objective_number(row.key_results, cards) for row in rows}
    return [
        schemas.ObjectiveOut(
            id=row.id,
            title=row.title,
            cycle_id=row.cycle_id,
            team_id=row.team_id,
            owner_id=row.owner_id,
            co_owner_ids=sorted(person.id for person in row.co_owners),
            parent_id=row.parent_id,
            state="closed" if row.state == "closed" else "open",
            progress=numbers[row.id].progress,
            display=numbers[row.id].display,
            measured=numbers[row.id].measured,
            total=numbers[row.id].total,
            findings=[of_finding(finding) for finding in advice.on_objective(row)],
            version=row.version,
        )
        for row in rows
    ]


def of_key_results(
    session: Session, workspace_id: str, rows: Sequence[KeyResult], today: date
) -> list[schemas.KeyResultOut]:
    """Return the shapes of key results, everything about their numbers read together."""
    cards = scorecard.scorecards(session, workspace_id, rows, today)
    return [_of_key_result(row, cards[row.id]) for row in rows]


def _of_key_result(row: KeyResult, card: Scorecard) -> schemas.KeyResultOut:
    definition, options = goals.definition_of(row), goals.options_of(row)
    query = definition.query
    return schemas.KeyResultOut.model_validate(
        {
            "id": row.id,
            "objective_id": row.objective_id,
            "title": row.title,
            "kind": row.kind,
            "driver_id": row.driver_id,
            "unit": row.unit,
            "baseline": row.baseline,
            "target": row.target,
            "value": card.outcome.value,
            "weight": row.weight,
            "due_on": row.due_on,
            "state": row.state,
            "options": schemas.Options(
                size_by="estimate" if options.size_by == "estimate" else "count",
                started_credit=options.started_credit,
                unestimated="exclude" if options.unestimated == "exclude" else "one",
                sub_task_credit=options.sub_task_credit,
            ),
            "band": None if definition.band is None else list(definition.band),
            "maintain_by": definition.maintain_by if row.kind == "maintain" else None,
            "checkpoints": [list(point) for point in definition.checkpoints],
            "query": None
            if query is None
            else schemas.QueryShape(
                connection_id=query.connection_id,
                text=query.text,
                aggregate=query.aggregate,  # type: ignore[arg-type]  # entered through the same shape
                field=query.field,
            ),
            "work": schemas.WorkOut(
                progress=card.work.progress,
                numerator=card.work.numerator,
                denominator=card.work.denominator,
                display=card.work.display,
                units=card.work.units,
                done_units=card.work.done,
                flags=list(card.work.flags),
            ),
            "outcome": schemas.OutcomeOut(
                progress=card.outcome.progress,
                raw=card.outcome.raw,
                display=card.outcome.display,
                raw_display=card.outcome.raw_display,
                why=card.outcome.why,
                claimed=card.outcome.claimed,
                trouble=card.outcome.trouble,
            ),
            "stands_by": card.stands_by,
            "badge": card.badge,
            "confidence": card.confidence,
            "status": card.status,
            "evidence_status": card.evidence_status,
            "disputed": card.disputed,
            "pace": schemas.PaceOut(
                elapsed=card.pace.elapsed,
                projected=card.pace.projected,
                display=card.pace.display,
                status=card.pace.status,
                reason=card.pace.reason,
            ),
            "findings": [of_finding(finding) for finding in advice.on_key_result(row)],
            "version": row.version,
        }
    )


def of_finding(finding: advice.Finding) -> schemas.Finding:
    """Return a finding's shape."""
    return schemas.Finding(
        rule=finding.rule, subject=finding.subject, reason=finding.reason, message=finding.message, evidence=[]
    )


def of_link(row: Link) -> history_schemas.LinkOut:
    """Return a link's shape; the issue and its connection are loaded with it."""
    return history_schemas.LinkOut(
        id=row.id,
        tracker=row.issue.connection.tracker,
        connection_id=row.issue.connection_id,
        external_id=row.issue.external_id,
        key=row.issue.key,
        url=row.issue.url,
        title=row.issue.title,
        cls=row.issue.cls,
        weight=row.weight,
        source=row.source,
        rule_id=row.rule_id,
        declared_change=row.declared_change,
        state=row.state,
        waiting_since=row.waiting_since,
        refusal=row.refusal,
        version=row.version,
    )


def of_ledger_row(row: LedgerEntry) -> history_schemas.LedgerRow:
    """Return a ledger row's shape; the issue and its connection are loaded with it."""
    issue = None
    if row.issue is not None:
        issue = history_schemas.LedgerIssue(
            tracker=row.issue.connection.tracker,
            external_id=row.issue.external_id,
            key=row.issue.key,
            url=row.issue.url,
            title=row.issue.title,
        )
    shape = {name: getattr(row, name) for name in history_schemas.LedgerRow.model_fields if name not in ("id", "issue")}
    return history_schemas.LedgerRow(id=str(row.id), issue=issue, **shape)


def of_ledger_state(state: StateAt) -> history_schemas.LedgerState:
    """Return what the rows fold to."""
    return history_schemas.LedgerState(
        at=state.at,
        work=state.work,
        numerator=state.numerator,
        denominator=state.denominator,
        outcome=state.outcome,
    )


def of_check_in(row: CheckIn) -> history_schemas.CheckInOut:
    """Return a check-in's shape."""
    return history_schemas.CheckInOut.model_validate(row)


def of_milestone(row: Milestone) -> history_schemas.MilestoneOut:
    """Return a milestone's shape."""
    return history_schemas.MilestoneOut(
        id=row.id,
        title=row.title,
        weight=row.weight,
        finished=row.finished_at is not None,
        finished_at=row.finished_at,
        version=row.version,
    )


def of_connection(health: ConnectionHealth, options: Sequence[SiteOption]) -> history_schemas.ConnectionOut:
    """Return a connection's shape; nothing secret is in it."""
    row = health.connection
    return history_schemas.ConnectionOut(
        id=row.id,
        tracker=row.tracker,
        site=row.display_site or row.site,
        state=row.state,
        last_event_at=row.last_event_at,
        last_reconcile_at=row.last_reconcile_at,
        offline_since=row.offline_since,
        trouble=row.trouble,
        backlog=health.backlog,
        failures=[history_schemas.ConnectionFailure.model_validate(failure) for failure in health.failures],
        settings=[
            history_schemas.SiteSetting(name=one.name, label=one.label, values=list(one.values), by_hand=one.by_hand)
            for one in options
        ],
        version=row.version,
    )
