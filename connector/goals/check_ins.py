"""Check-ins: the driver's word and measured values. What counts now is always the latest of each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from connector.errors import Fault, Invalid, NotFound
from connector.goals import scope
from connector.goals.effects import recorded
from connector.goals.kinds import MEASURED_KINDS
from connector.ledger import show_anew
from connector.models import CheckIn, KeyResult, Person
from connector.turns import take_turn

STATUSES = ("green", "yellow", "red")
ANSWERS = ("changed", "working", "stuck", "next", "need")
LONGEST_ANSWER = 10_000


@dataclass(frozen=True, slots=True)
class RecordCheckIn:
    """One check-in. The three questions: what changed; what works or is stuck; what is next or needed.

    `full` says that a person went through the three questions, so that none may stay open; a pushed value or a quick
    word about the status is no full check-in. `at` is when it held true (default: now).
    """

    value: Fraction | None = None
    confidence: Fraction | None = None
    status: str | None = None
    changed: str = ""
    working: str = ""
    stuck: str = ""
    next: str = ""
    need: str = ""
    plan: str = ""
    at: datetime | None = None
    by_id: str | None = None
    source: str = "person"
    full: bool = False


EDITABLE = frozenset(field.name for field in fields(RecordCheckIn)) - {"at", "by_id", "source"}


def record_check_in(
    session: Session, workspace_id: str, key_result_id: str, command: RecordCheckIn, *, actor: str, now: datetime
) -> CheckIn:
    """Keep a check-in and let it move the key result.

    Raises NotFound, Invalid with every fault (q1_empty, q2_empty, q3_empty, red_needs_plan, value_is_derived, ...) or
    Conflict (cycle_closed, key_result_closed).
    """
    take_turn(session, workspace_id)
    key_result = scope.find(session, KeyResult, workspace_id, key_result_id, lock=True)
    scope.require_open(key_result)
    at = command.at or now
    faults = _faults(key_result, command)
    if at > now:
        faults.append(Fault("in_the_future", "A check-in cannot lie in the future.", "at"))
    if faults:
        raise Invalid.of(faults)
    by = None
    if command.by_id is not None:
        by = scope.find_named(session, Person, workspace_id, command.by_id, "by_id")
    check_in = CheckIn(
        workspace_id=workspace_id,
        key_result_id=key_result.id,
        at=at,
        by_id=by.id if by else None,
        source=command.source,
        value=command.value,
        confidence=command.confidence,
        status=command.status,
        plan=command.plan.strip(),
        **{name: getattr(command, name).strip() for name in ANSWERS},
    )
    measures = command.value is not None
    with recorded(session, key_result, "measured", actor=actor, now=now, happened_at=at) if measures else nullcontext():
        session.add(check_in)
        session.flush()
        _take_latest(session, key_result)
    if not measures:
        show_anew(session, key_result, now)
    return check_in


def correct_check_in(
    session: Session,
    workspace_id: str,
    key_result_id: str,
    check_in_id: str,
    changes: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    expected_version: scope.Versions = None,
) -> CheckIn:
    """Replace what an earlier check-in said; a changed value is a correction in the ledger, never a rewritten row.

    Raises NotFound, LostUpdate, Invalid, Conflict.
    """
    scope.refuse_unknown(changes, EDITABLE)
    take_turn(session, workspace_id)
    key_result = scope.find(session, KeyResult, workspace_id, key_result_id, lock=True)
    scope.require_open(key_result)
    check_in = find_check_in(session, workspace_id, key_result_id, check_in_id)
    scope.check_version(check_in, expected_version)
    said = {name: getattr(check_in, name) for name in EDITABLE - {"full"}}
    corrected = RecordCheckIn(**{**said, **changes})
    faults = _faults(key_result, corrected)
    if faults:
        raise Invalid.of(faults)
    corrects = corrected.value != check_in.value
    with recorded(session, key_result, "corrected", actor=actor, now=now) if corrects else nullcontext():
        check_in.value, check_in.confidence, check_in.status = corrected.value, corrected.confidence, corrected.status
        for name in (*ANSWERS, "plan"):
            setattr(check_in, name, getattr(corrected, name).strip())
        scope.touch(check_in)
        session.flush()
        _take_latest(session, key_result)
    if not corrects:
        show_anew(session, key_result, now)
    return check_in


def find_check_in(session: Session, workspace_id: str, key_result_id: str, check_in_id: str) -> CheckIn:
    """Return one check-in of a key result; raises NotFound."""
    check_in = session.scalars(
        select(CheckIn).where(
            CheckIn.id == check_in_id, CheckIn.key_result_id == key_result_id, CheckIn.workspace_id == workspace_id
        )
    ).one_or_none()
    if check_in is None:
        raise NotFound("There is no such check-in.")
    return check_in


def faults_of_answers(command: RecordCheckIn) -> list[Fault]:
    """Return which of the three questions stayed open."""
    faults = []
    if not command.changed.strip():
        faults.append(Fault("q1_empty", "Say what changed since the last check-in.", "changed"))
    if not (command.working.strip() or command.stuck.strip()):
        faults.append(Fault("q2_empty", "Say what works, or what is stuck.", "working"))
    if not (command.next.strip() or command.need.strip()):
        faults.append(Fault("q3_empty", "Say what comes next, or what you need.", "next"))
    return faults


def _faults(key_result: KeyResult, command: RecordCheckIn) -> list[Fault]:
    faults = []
    if command.status is not None and command.status not in STATUSES:
        faults.append(Fault("unknown_choice", f"Must be one of {', '.join(STATUSES)}.", "status"))
    if command.status == "red" and not command.plan.strip():
        faults.append(Fault("red_needs_plan", "Red needs a plan: say what will be done about it.", "plan"))
    if command.confidence is not None and not 0 <= command.confidence <= 1:
        faults.append(Fault("out_of_range", "Confidence lies between 0 and 1.", "confidence"))
    if command.value is not None and key_result.kind not in MEASURED_KINDS:
        faults.append(Fault("value_is_derived", "The value of this kind follows from its work.", "value"))
    faults += [
        Fault("too_long", f"At most {LONGEST_ANSWER} characters.", name)
        for name in (*ANSWERS, "plan")
        if len(getattr(command, name)) > LONGEST_ANSWER
    ]
    if command.full:
        faults += faults_of_answers(command)
    elif not _says_anything(command):
        faults.append(Fault("empty", "A check-in says something: a value, a status, or the answers."))
    return faults


def _says_anything(command: RecordCheckIn) -> bool:
    given = (command.value, command.confidence, command.status)
    return any(one is not None for one in given) or any(getattr(command, name).strip() for name in ANSWERS)


def _take_latest(session: Session, key_result: KeyResult) -> None:
    """Let the key result say what its latest check-ins say; older news about an earlier day changes nothing."""
    key_result.value = _latest(session, key_result, CheckIn.value)
    key_result.confidence = _latest(session, key_result, CheckIn.confidence)
    key_result.status = _latest(session, key_result, CheckIn.status)
    spoken = session.scalars(_newest_first(key_result).where(CheckIn.status.is_not(None)).limit(1)).first()
    key_result.plan = (spoken.plan or None) if spoken is not None else None
    heard = session.scalars(
        _newest_first(key_result).where((CheckIn.source == "person") | CheckIn.status.is_not(None)).limit(1)
    ).first()
    key_result.last_check_in_at = heard.at if heard is not None else None
    session.flush()


def _latest(session: Session, key_result: KeyResult, column: Any) -> Any:
    found: ColumnElement[bool] = column.is_not(None)
    check_in = session.scalars(_newest_first(key_result).where(found).limit(1)).first()
    return None if check_in is None else getattr(check_in, column.key)


def _newest_first(key_result: KeyResult) -> Any:
    return (
        select(CheckIn)
        .where(CheckIn.key_result_id == key_result.id)
        .order_by(CheckIn.at.desc(), CheckIn.created_at.desc(), CheckIn.id.desc())
    )
