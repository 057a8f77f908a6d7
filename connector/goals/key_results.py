"""Key results: how one knows that an objective is reached. Exactly one driver, and that is a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Fault, Invalid
from connector.goal_marks import look_at_key_results
from connector.goals import scope
from connector.goals.effects import count_anew, recorded
from connector.goals.kinds import (
    DEFINITION_FIELDS,
    MEASURED_KINDS,
    OPTION_FIELDS,
    SETTING_NAMES,
    Definition,
    WorkOptions,
    definition_from,
    faults_of_definition,
    faults_of_options,
    settings_of,
)
from connector.label_links import offer_labels
from connector.ledger import pass_label_on, show_anew
from connector.models import CheckIn, Connection, KeyResult, LedgerEntry, Link, Objective, Person, Team
from connector.outbox import enqueue
from connector.turns import take_turn

STATES = ("open", "closed")
OWN_FIELDS = frozenset({"title", "objective_id", "drivers", "unit", "weight", "due_on", "state"})
EDITABLE = OWN_FIELDS | DEFINITION_FIELDS | OPTION_FIELDS
LONGEST_UNIT = 40
# How somebody who enters a driver by hand may name a team; it is answered with the rule, not with "unknown".
TEAM_PREFIX = "team:"


@dataclass(frozen=True, slots=True)
class CreateKeyResult:
    """A key result. `drivers` is what was entered, however many; only one of them, a person, is accepted.

    `by_id` is the person who typed the first `value`; without one, a program told it.
    """

    objective_id: str
    title: str
    drivers: Sequence[str]
    definition: Definition = field(default_factory=Definition)
    options: WorkOptions = field(default_factory=WorkOptions)
    unit: str = ""
    value: Fraction | None = None
    by_id: str | None = None
    weight: Fraction = Fraction(1)
    due_on: date | None = None
    state: str = "open"


def create_key_result(
    session: Session, workspace_id: str, command: CreateKeyResult, *, actor: str, now: datetime
) -> KeyResult:
    """Make a key result; a first `value` is kept as its first measurement.

    Raises Invalid with every fault found (no_named_driver, more_than_one_driver, driver_must_be_a_person, zero_width,
    and what the kind lacks), or Conflict (cycle_closed, objective_closed).
    """
    objective = scope.find_named(session, Objective, workspace_id, command.objective_id, "objective_id")
    _require_open_objective(objective)
    title = scope.clean_line(command.title, "title", scope.LONGEST_TITLE)
    definition = _with_defaults(command.definition)
    driver, faults = _driver(session, workspace_id, command.drivers)
    faults += faults_of_definition(definition)
    faults += _faults_of_connection(session, workspace_id, definition)
    faults += faults_of_options(command.options)
    faults += _faults_of_rest(command.unit, command.weight)
    if command.value is not None and definition.kind not in MEASURED_KINDS:
        faults.append(Fault("value_is_derived", "The value of this kind follows from its work.", "value"))
    if faults or driver is None:
        raise Invalid.of(faults)
    key_result = KeyResult(
        workspace_id=workspace_id,
        objective=objective,
        title=title,
        kind=definition.kind,
        driver=driver,
        unit=command.unit.strip(),
        baseline=definition.baseline,
        target=definition.target,
        weight=command.weight,
        due_on=command.due_on,
        state=scope.choose(command.state, STATES, "state"),
        size_by=command.options.size_by,
        started_credit=command.options.started_credit,
        unestimated=command.options.unestimated,
        sub_task_credit=command.options.sub_task_credit,
        settings=settings_of(definition),
    )
    session.add(key_result)
    session.flush()
    if command.value is not None:
        with recorded(session, key_result, "measured", actor=actor, now=now):
            session.add(
                CheckIn(
                    workspace_id=workspace_id,
                    key_result_id=key_result.id,
                    at=now,
                    source="person" if command.by_id else "api",
                    by_id=command.by_id,
                    value=command.value,
                )
            )
            key_result.value = command.value
    _ask_query(session, key_result, definition)
    offer_labels(session, workspace_id)
    return key_result


def edit_key_result(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    changes: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    expected_version: scope.Versions = None,
) -> KeyResult:
    """Change a key result; each change to what is measured or counted leaves its own ledger row.

    `changes` may name the fields of CreateKeyResult but `value` (check-ins tell it), flat: those of `definition` and
    `options` beside the others. Raises NotFound, LostUpdate, Invalid, Conflict (cycle_closed, key_result_closed, ...).
    """
    scope.refuse_unknown(changes, EDITABLE)
    take_turn(session, workspace_id)
    key_result = scope.find(session, KeyResult, workspace_id, key_result_id, lock=True)
    scope.check_version(key_result, expected_version)
    _require_open_objective(key_result.objective)
    state = scope.choose(changes.get("state", key_result.state), STATES, "state")
    if key_result.state == "closed" and state == "closed" and set(changes) - {"state"}:
        scope.require_open(key_result)
    old = definition_of(key_result)
    new = _with_defaults(replace(old, **{name: changes[name] for name in DEFINITION_FIELDS & changes.keys()}))
    if new.kind != old.kind:
        new = _without_leftovers(new, set(changes))
        _refuse_changing_kind(session, key_result)
    options = replace(options_of(key_result), **{name: changes[name] for name in OPTION_FIELDS & changes.keys()})
    unit, weight = changes.get("unit", key_result.unit), changes.get("weight", key_result.weight)
    driver, faults = key_result.driver, list[Fault]()
    if "drivers" in changes:
        named, faults = _driver(session, workspace_id, changes["drivers"])
        driver = named or driver
    faults += faults_of_definition(new) + _faults_of_connection(session, workspace_id, new)
    faults += faults_of_options(options) + _faults_of_rest(unit, weight)
    if faults:
        raise Invalid.of(faults)
    known_by = (key_result.title, key_result.objective_id, key_result.state)
    if "objective_id" in changes:
        objective = scope.find_named(session, Objective, workspace_id, changes["objective_id"], "objective_id")
        _require_open_objective(objective)
        key_result.objective = objective
    key_result.title = scope.clean_line(changes.get("title", key_result.title), "title", scope.LONGEST_TITLE)
    key_result.driver, key_result.unit, key_result.weight = driver, unit.strip(), weight
    reopened_or_closed = key_result.state != state
    key_result.due_on, key_result.state = changes.get("due_on", key_result.due_on), state
    scope.touch(key_result)
    _redefine(session, key_result, old, new, actor=actor, now=now)
    if options != options_of(key_result):
        count_anew(session, key_result, options, actor=actor, now=now)
    session.flush()
    if known_by != (key_result.title, key_result.objective_id, key_result.state):
        look_at_key_results(session, workspace_id, [key_result.id], now)
    if reopened_or_closed:
        show_anew(session, key_result, now)
    # Cards name the driver, and both they and the labels to link by the title.
    pass_label_on(session, key_result)
    offer_labels(session, workspace_id)
    return key_result


def delete_key_result(
    session: Session, workspace_id: str, key_result_id: str, *, expected_version: scope.Versions = None
) -> None:
    """Remove a key result that has no history yet. Raises NotFound, LostUpdate, Conflict (has_history, closed)."""
    key_result = scope.find(session, KeyResult, workspace_id, key_result_id, lock=True)
    scope.check_version(key_result, expected_version)
    scope.require_open(key_result)
    if _has_history(session, key_result):
        raise Conflict("Work or measurements hang on this key result. Close it instead.", "has_history")
    session.delete(key_result)
    session.flush()
    offer_labels(session, workspace_id)


def definition_of(key_result: KeyResult) -> Definition:
    """Return what is measured, as it was entered."""
    return definition_from(key_result.kind, key_result.baseline, key_result.target, key_result.settings)


def options_of(key_result: KeyResult) -> WorkOptions:
    """Return how linked work is counted, as it was entered."""
    return WorkOptions(
        size_by=key_result.size_by,
        started_credit=key_result.started_credit,
        unestimated=key_result.unestimated,
        sub_task_credit=key_result.sub_task_credit,
    )


def _redefine(
    session: Session, key_result: KeyResult, old: Definition, new: Definition, *, actor: str, now: datetime
) -> None:
    """Take over what changed in the definition, one ledger row per cause, each telling only its own effect."""
    if settings_of(new) != settings_of(old) or new.kind != old.kind:
        with recorded(session, key_result, "rule_changed", actor=actor, now=now):
            key_result.kind, key_result.settings = new.kind, _resettled(key_result, old, new)
        if new.query != old.query:
            _ask_query(session, key_result, new)
    steps = []
    if new.baseline != old.baseline:
        steps.append(("baseline_edited", "baseline", new.baseline))
    if new.target != old.target:
        steps.append(("target_edited", "target", new.target))
    if len(steps) == 2 and new.baseline == old.target:
        # Baseline first would pass through "baseline equals target", where there is no number at all.
        steps.reverse()
    for cause, name, number in steps:
        detail = {"from": _text(getattr(key_result, name)), "to": _text(number)}
        with recorded(session, key_result, cause, actor=actor, now=now, detail=detail):
            setattr(key_result, name, number)


def _resettled(key_result: KeyResult, old: Definition, new: Definition) -> dict[str, Any]:
    """Return the settings with the definition's part replaced; what is kept beside it stays, but for an old query's."""
    beside = {name: value for name, value in key_result.settings.items() if name not in SETTING_NAMES}
    if new.query != old.query:
        beside = {name: value for name, value in beside.items() if not name.startswith("query_")}
    return {**beside, **settings_of(new)}


def _text(number: Fraction | None) -> str | None:
    return None if number is None else str(number)


def _with_defaults(definition: Definition) -> Definition:
    # "Finish 20 issues" starts at none finished unless somebody says otherwise.
    if definition.kind == "issue_count" and definition.baseline is None:
        return replace(definition, baseline=Fraction(0))
    return definition


def _without_leftovers(definition: Definition, named: set[str]) -> Definition:
    """Drop what belonged to the earlier kind and was not entered anew."""
    if definition.kind != "maintain" and "band" not in named:
        definition = replace(definition, band=None)
    if definition.kind != "query_metric" and "query" not in named:
        definition = replace(definition, query=None)
    if definition.kind in ("maintain", "milestone", "issue_ratio") and "checkpoints" not in named:
        definition = replace(definition, checkpoints=())
    return definition


def _driver(session: Session, workspace_id: str, named: Sequence[str]) -> tuple[Person | None, list[Fault]]:
    drivers = [one.strip() for one in dict.fromkeys(named) if one and one.strip()]
    if not drivers:
        return None, [Fault("no_named_driver", "Name the one person who drives this key result.", "driver_id")]
    if len(drivers) > 1:
        message = "Exactly one person drives a key result. Others can co-own the objective."
        return None, [Fault("more_than_one_driver", message, "driver_id")]
    driver = session.scalars(
        select(Person).where(Person.id == drivers[0], Person.workspace_id == workspace_id)
    ).one_or_none()
    if driver is not None:
        return driver, []
    team = select(Team.id).where(Team.id == drivers[0], Team.workspace_id == workspace_id)
    if drivers[0].startswith(TEAM_PREFIX) or session.scalars(team).one_or_none() is not None:
        message = "A team cannot drive a key result. Name the person who answers for it."
        return None, [Fault("driver_must_be_a_person", message, "driver_id")]
    return None, [Fault("unknown_person", "There is no such person.", "driver_id")]


def _faults_of_connection(session: Session, workspace_id: str, definition: Definition) -> list[Fault]:
    if definition.kind != "query_metric" or definition.query is None:
        return []
    query = select(Connection.id).where(
        Connection.id == definition.query.connection_id, Connection.workspace_id == workspace_id
    )
    if session.scalars(query).one_or_none() is None:
        return [Fault("unknown_connection", "There is no such connection.", "query")]
    return []


def _faults_of_rest(unit: str, weight: Fraction) -> list[Fault]:
    faults = []
    if len(unit.strip()) > LONGEST_UNIT:
        faults.append(Fault("too_long", f"At most {LONGEST_UNIT} characters.", "unit"))
    if weight < 0:
        faults.append(Fault("bad_weight", "A weight cannot be negative.", "weight"))
    return faults


def _require_open_objective(objective: Objective) -> None:
    scope.require_open_cycle(objective.cycle)
    if objective.state == "closed":
        raise Conflict("The objective is closed. Open it again to change its key results.", "objective_closed")


def _refuse_changing_kind(session: Session, key_result: KeyResult) -> None:
    # Earlier ledger rows say what another rule made of the same facts; a history under two rules explains nothing.
    if _has_history(session, key_result):
        raise Conflict("The kind cannot change once there is history. Close this one and make another.", "has_history")


def _has_history(session: Session, key_result: KeyResult) -> bool:
    return any(
        session.scalars(query.limit(1)).first() is not None
        for query in (
            select(LedgerEntry.id).where(LedgerEntry.key_result_id == key_result.id),
            select(Link.id).where(Link.key_result_id == key_result.id),
            select(CheckIn.id).where(CheckIn.key_result_id == key_result.id),
        )
    )


def _ask_query(session: Session, key_result: KeyResult, definition: Definition) -> None:
    if definition.query is not None:
        enqueue(session, definition.query.connection_id, "measure", key_result.id)
