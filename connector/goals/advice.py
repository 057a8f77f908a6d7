"""What the rules at entry say about goals: findings for people, which warn and never block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.errors import Invalid
from connector.models import Cycle, KeyResult, Objective
from mapping import lint
from mapping.phrases import Days


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason: the rule that it cites, what it is about, and how to fix it."""

    rule: str
    subject: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a draft, its reasons and what to do about each."""

    verdict: str
    why: Sequence[str]
    findings: Sequence[Finding]


def on_objective(objective: Objective) -> list[Finding]:
    """Return what the rules say about an objective's title."""
    return findings("objective", lint.on_objective(objective.title))


def on_key_result(key_result: KeyResult) -> list[Finding]:
    """Return what the rules say about a key result; what its fields say need not stand in its title."""
    fields = {
        "title": key_result.title,
        "kind": key_result.kind,
        "baseline": key_result.baseline,
        "target": key_result.target,
        "due_on": key_result.due_on,
    }
    return findings("key_result", lint.on_key_result_fields(fields, days_of(key_result.objective.cycle)))


def on_draft(kind: str, text: str | Mapping[str, Any], cycle: Cycle | None = None) -> Judgement:
    """Return the judgement of a draft in the shape of `mapping.lint.judge`. Raises Invalid (bad_draft)."""
    case: dict[str, Any] = {"kind": kind, "text": text}
    if cycle is not None:
        case["cycle"] = {"starts_on": cycle.starts_on, "ends_on": cycle.ends_on}
    try:
        ruled = lint.judge(case)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Invalid("bad_draft", str(error) or "This draft has another shape than its kind.", "text") from None
    return Judgement(verdict=ruled["verdict"], why=ruled["why"], findings=findings(kind, ruled["why"]))


def findings(subject: str, reasons: Sequence[str]) -> list[Finding]:
    """Return the finding of each reason."""
    return [Finding(lint.REMEDIES[reason].rule, subject, reason, lint.REMEDIES[reason].fix) for reason in reasons]


def days_of(cycle: Cycle) -> Days:
    """Return the days that a cycle's dates are judged in."""
    return Days(cycle.starts_on, cycle.ends_on)
