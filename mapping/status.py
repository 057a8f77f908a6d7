"""What is said about a key result: the driver's word, the evidence, and every reason to worry by name.

Source: design/progress.md section 6. Everything a rule looks at comes in as an argument; who asks knows the day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from mapping.display import percent, signed_points
from mapping.pace import Verdict

LATE_AFTER_DAYS: Final = 3
"""Days that a check-in may be late before what was said last no longer stands."""
MISSED_CHECK_INS: Final = 2
SCOPE_GROWTH: Final = Fraction(25, 100)
CONFIDENCE_FALL: Final = Fraction(3, 10)
WORK_NEARLY_DONE: Final = Fraction(80, 100)
OUTCOME_BARELY_MOVED: Final = Fraction(20, 100)


class Shown(StrEnum):
    CLOSED = "closed"
    OUTDATED = "outdated"
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    PENDING = "pending"


class Word(StrEnum):
    """What a driver can say."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Rule(StrEnum):
    PACE_RED = "pace_red"
    DISPUTED = "disputed"
    OUTDATED = "outdated"
    MISSED_CHECK_INS = "missed_check_ins"
    NO_LINKED_WORK = "no_linked_work"
    SCOPE_GREW = "scope_grew"
    CONFIDENCE_FELL = "confidence_fell"
    DONE_NOT_MOVING = "done_not_moving"
    MOVING_WITHOUT_WORK = "moving_without_work"
    NO_DRIVER = "no_driver"
    RED_WITHOUT_PLAN = "red_without_plan"
    PARENT_EDITED = "parent_edited"
    TARGET_EDITED = "target_edited"


@dataclass(frozen=True, slots=True)
class Reason:
    rule: Rule
    words: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at; None is "not known", which raises nothing."""

    word: Word | None = None
    """The driver's last word; it stands until outdated."""
    has_plan: bool = False
    days_late: int | None = None
    """Days since a check-in was due that has not come; None if none is due."""
    missed_check_ins: int = 0
    """Due and not given, one after another, up to now."""
    closed: bool = False
    has_driver: bool = True
    evidence: Verdict = Verdict.NOT_MEASURED
    work: Fraction | None = None
    outcome: Fraction | None = None
    outcome_at_start: Fraction | None = None
    """Outcome progress when the cycle began, or at the first measurement."""
    work_in_sprints: bool | None = None
    """Whether this sprint or the next holds linked work; None where no sprint is known."""
    scope_committed: Fraction | None = None
    """The denominator of work progress when the key result was committed to."""
    scope_now: Fraction | None = None
    confidence_before: Fraction | None = None
    confidence_now: Fraction | None = None
    parent_edited_unconfirmed: bool = False
    target_edited: bool = False


def shown_status(facts: Facts) -> Shown:
    """Closed, else outdated, else the driver's word, else pending. Silence is never green."""
    if facts.closed:
        return Shown.CLOSED
    if is_outdated(facts):
        return Shown.OUTDATED
    return Shown.PENDING if facts.word is None else Shown(facts.word)


def is_outdated(facts: Facts) -> bool:
    return facts.days_late is not None and facts.days_late > LATE_AFTER_DAYS


def is_disputed(facts: Facts) -> bool:
    """The driver says green while the evidence says red."""
    return facts.word is Word.GREEN and facts.evidence is Verdict.RED


def scope_growth(facts: Facts) -> Fraction | None:
    """What was added since commitment as a share of what was committed."""
    if not facts.scope_committed or facts.scope_now is None:
        return None
    return (facts.scope_now - facts.scope_committed) / facts.scope_committed


def at_risk(facts: Facts) -> list[Reason]:
    """Every rule that applies, in a fixed order; a closed key result is past worrying about."""
    if facts.closed:
        return []
    found = [(rule, words(facts)) for rule, words in RULES.items()]
    return [Reason(rule, words) for rule, words in found if words is not None]


def _scope_grew(facts: Facts) -> str | None:
    growth = scope_growth(facts)
    return f"scope {signed_percent(growth)} since commitment" if growth is not None and growth >= SCOPE_GROWTH else None


def _confidence_fell(facts: Facts) -> str | None:
    if facts.confidence_before is None or facts.confidence_now is None:
        return None
    fall = facts.confidence_before - facts.confidence_now
    return f"confidence down {signed_points(fall)[1:]}" if fall >= CONFIDENCE_FALL else None


def _done_not_moving(facts: Facts) -> str | None:
    if facts.work is None or facts.outcome is None:
        return None
    if facts.work >= WORK_NEARLY_DONE and facts.outcome < OUTCOME_BARELY_MOVED:
        return f"done, not moving: work {percent(facts.work)}, outcome {percent(facts.outcome)}"
    return None


def _moving_without_work(facts: Facts) -> str | None:
    if facts.work is not None or facts.outcome is None or facts.outcome_at_start is None:
        return None
    return "the outcome moves without linked work" if facts.outcome > facts.outcome_at_start else None


def signed_percent(share: Fraction) -> str:
    """Growth as read in a sentence: "+25 %"."""
    return signed_points(share).replace("pp", "%")


RULES: Final[dict[Rule, Callable[[Facts], str | None]]] = {
    Rule.PACE_RED: lambda f: "the pace does not reach 40 %" if f.evidence is Verdict.RED else None,
    Rule.DISPUTED: lambda f: "green, says the driver; red, says the evidence" if is_disputed(f) else None,
    Rule.OUTDATED: lambda f: f"check-in {f.days_late} days late" if is_outdated(f) else None,
    Rule.MISSED_CHECK_INS: lambda f: (
        f"{f.missed_check_ins} check-ins missed" if f.missed_check_ins >= MISSED_CHECK_INS else None
    ),
    Rule.NO_LINKED_WORK: lambda f: "no linked work in this and the next sprint" if f.work_in_sprints is False else None,
    Rule.SCOPE_GREW: _scope_grew,
    Rule.CONFIDENCE_FELL: _confidence_fell,
    Rule.DONE_NOT_MOVING: _done_not_moving,
    Rule.MOVING_WITHOUT_WORK: _moving_without_work,
    Rule.NO_DRIVER: lambda f: None if f.has_driver else "no driver",
    Rule.RED_WITHOUT_PLAN: lambda f: "red without a plan" if f.word is Word.RED and not f.has_plan else None,
    Rule.PARENT_EDITED: lambda f: (
        "its parent was edited and it was not confirmed since" if f.parent_edited_unconfirmed else None
    ),
    Rule.TARGET_EDITED: lambda f: "its target was edited" if f.target_edited else None,
}
"""Each rule with its sentence, or None where it does not apply; the order is the order of telling."""
