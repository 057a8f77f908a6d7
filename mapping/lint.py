"""The rules at entry: how goals are written (product.md, "Rules at entry").

`judge` takes a draft as `ladder calc lint` and `../refs/vectors/rule_cases.json` shape it: {"kind", "text"}, and
optionally "cycle". Each reason code has its rule and its remedy in `REMEDIES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from mapping.phrases import (
    NUMBER_WORD,
    Days,
    from_to,
    has_number,
    has_time,
    last_day,
    only_changes_by,
    without_time,
    words,
)
from mapping.vocabulary import (
    ACTIVITIES,
    ACTIVITY_VERBS,
    CHANGE_VERBS,
    DELIVERABLES,
    DELIVERY_VERBS,
    FINISHED_WORDS,
    KEEPING_VERBS,
    METRIC_NOUNS,
    OPEN_VERBS,
    REACHED_WORDS,
    STEADY_WORDS,
    TASK_VERBS,
    WORK_ITEMS,
    WORK_VERBS,
)

# The cycle in which the rule cases are judged when they name none.
DEFAULT_CYCLE = Days(date(2026, 7, 1), date(2026, 9, 30))

# A title is a line; no more of it than this is read.
LONGEST_TEXT = 1_000

# How many objectives a level can carry (lowest, highest); from DILUTION on nothing is a priority any more.
RANGES = {"company": (2, 3), "department": (3, 5), "team": (2, 3)}
DILUTION = 6
# With this many yes of five, or fewer, a silent killer is at work.
AUDIT_ALARM = 3

# Milestones that are the outcome themselves: somebody outside says yes or no.
OUTCOME_MILESTONE = re.compile(
    r"\b(?:soc[ -]?[123]|iso[ /-]?(?:iec )?\d{4,5}|hipaa|pci(?:[ -]dss)?|fedramp|gdpr|dora|hitrust|tisax|b corp|"
    r"certifi(?:cation|cate|ed)|accredit(?:ation|ed)|attestation|licen[cs]e granted|patent granted|regulatory approval|"
    r"fda (?:approval|clearance)|ce mark(?:ing)?|type approval|ipo)\b",
    re.IGNORECASE,
)
TEAM_LIKE = re.compile(r"^(?:team|group|department|squad|guild|company)\s*:|\b(?:team|squad|department|guild)s?$", re.I)

FAILING = frozenset(
    {
        "no_time_frame",
        "output_verb_first",
        "number_in_objective",
        "maintenance_is_kpi",
        "task_not_outcome",
        "no_from_to",
        "no_baseline",
        "no_date",
        "zero_width",
        "red_needs_plan",
    }
)
BLOCKING = frozenset({"no_named_driver", "more_than_one_driver", "driver_must_be_a_person"})
OPEN_QUESTIONS = frozenset({"q1_empty", "q2_empty", "q3_empty"})


@dataclass(frozen=True, slots=True)
class Remedy:
    """The rule that a reason cites, and what to do about it."""

    rule: str
    fix: str


_OBJECTIVE = "An objective is an action verb, a desired outcome and a time frame, without numbers"
_KEY_RESULT = "A key result is a metric from X to Y by a date"
_DRIVER = "Exactly one driver, a person"
_CHECK_IN = "A check-in answers three questions"
_AMOUNT = "Company 2 to 3 objectives a year, department 3 to 5 and team 2 to 3 a quarter"
REMEDIES: Mapping[str, Remedy] = {
    "no_time_frame": Remedy(_OBJECTIVE, "Say by when, such as “this quarter”."),
    "output_verb_first": Remedy(
        _OBJECTIVE, "It starts with a deliverable. Say what will be different once it is there."
    ),
    "number_in_objective": Remedy(_OBJECTIVE, "Move the number into a key result."),
    "maintenance_is_kpi": Remedy(
        "An objective changes something", "Keeping a level is a health metric; watch it, or say what is to change."
    ),
    "task_not_outcome": Remedy(
        "A key result is an outcome, not a task", "If this is completed, what will be different? Measure that."
    ),
    "no_from_to": Remedy(_KEY_RESULT, "Name the metric, where it stands and where it is to go: from X to Y."),
    "no_baseline": Remedy(_KEY_RESULT, "Say where the metric stands today."),
    "no_date": Remedy(_KEY_RESULT, "Say by which date."),
    "date_outside_cycle": Remedy(_KEY_RESULT, "Choose a date inside the cycle, or put it into the cycle of that date."),
    "zero_width": Remedy(_KEY_RESULT, "Baseline and target are the same: nothing would change."),
    "measures_activity_volume": Remedy(
        "A key result is an outcome, not an activity", "This counts what people do. Measure what it should bring about."
    ),
    "count_of_work_done": Remedy(
        "A key result is an outcome, not output", "This counts finished work. Measure what gets better by it."
    ),
    "milestone_needs_paired_metric": Remedy(
        "A milestone names the metric that it should move", "Add a key result for that metric."
    ),
    "milestone_is_the_outcome": Remedy(
        "A milestone that is the outcome stands by itself", "Fine as it is: use the kind milestone."
    ),
    "too_many": Remedy(_AMOUNT, "Choose: with this many, none is a priority."),
    "below_range": Remedy(_AMOUNT, "Is this all that matters? One more objective is usual."),
    "no_named_driver": Remedy(_DRIVER, "Name the one person who drives it."),
    "more_than_one_driver": Remedy(_DRIVER, "Choose one; others can co-own the objective."),
    "driver_must_be_a_person": Remedy(_DRIVER, "A team cannot answer for it. Name a person."),
    "red_needs_plan": Remedy("Red needs a plan", "Say what will be done about it."),
    "q1_empty": Remedy(_CHECK_IN, "Say what changed."),
    "q2_empty": Remedy(_CHECK_IN, "Say what works, or what is stuck."),
    "q3_empty": Remedy(_CHECK_IN, "Say what comes next, or what you need."),
}


def judge(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"verdict", "why"} for one draft. Raises ValueError for one that makes no sense.

    Verdicts: pass, warn, fail, pass_as_milestone, block_create, incomplete; of an audit ok or silent_killer_active.
    """
    kind, text = str(case.get("kind", "")).replace("-", "_"), case.get("text")
    cycle = _cycle(case.get("cycle"))
    if kind == "objective":
        return _ruled(on_objective(_title(text)))
    if kind == "key_result":
        if isinstance(text, Mapping):
            return _ruled(on_key_result_fields(text, cycle))
        return _ruled(on_key_result(_title(text), cycle, paired=bool(case.get("paired_metric"))))
    if kind in ("checkin", "check_in"):
        return _ruled(on_check_in(_mapping(text)))
    rules = {"set": on_set, "owner": on_owner, "status": on_status}
    if kind in rules:
        why, verdict = rules[kind](_mapping(text)), None
        if kind == "set" and why == ["too_many"] and _count(_mapping(text).get("objectives")) >= DILUTION:
            verdict = "fail"
        return _ruled(why, verdict)
    if kind == "audit":
        return {"verdict": on_audit(_mapping(text)), "why": []}
    raise ValueError(f"unknown kind {kind!r}: one of objective, key_result, set, owner, audit, status, check_in")


def on_objective(text: str) -> list[str]:
    """Return the reasons against an objective's title."""
    why = []
    plain, said = without_time(text), words(text)
    first = said[0] if said else ""
    if has_number(plain) or NUMBER_WORD.search(plain):
        why.append("number_in_objective")
    if first in KEEPING_VERBS or (first == "ensure" and (STEADY_WORDS | METRIC_NOUNS) & set(said)):
        why.append("maintenance_is_kpi")
    if not has_time(text):
        why.append("no_time_frame")
    if _starts_a_task(said) and first not in KEEPING_VERBS:
        why.append("output_verb_first")
    return why


def on_key_result(text: str, cycle: Days = DEFAULT_CYCLE, *, paired: bool = False) -> list[str]:
    """Return the reasons against a key result's title; `paired`: the metric of this milestone is there already."""
    plain, said = without_time(text), words(text)
    dated, first = has_time(text), said[0] if said else ""
    undated = [] if dated else ["no_date"]
    pair = from_to(plain)
    if pair is not None:
        low, high, share = pair
        why = ["zero_width"] if low == high else []
        if high > low and not share:
            if ACTIVITIES & set(said):
                why.append("measures_activity_volume")
            elif WORK_ITEMS & set(said) and FINISHED_WORDS & set(said):
                why.append("count_of_work_done")
        return why + undated + _outside(text, cycle)
    if OUTCOME_MILESTONE.search(text) and not _is_measure(plain, said):
        return ["milestone_is_the_outcome", *undated]
    if has_number(plain):
        if first in WORK_VERBS and (WORK_ITEMS & set(said) or not METRIC_NOUNS & set(said)):
            return ["count_of_work_done", *undated, *_outside(text, cycle)]
        busy = first in ACTIVITY_VERBS or ACTIVITIES & set(said)
        if busy and not re.search(r"\d\s?(?:%|percent|per cent)", plain, re.I):
            return ["measures_activity_volume", *undated, *_outside(text, cycle)]
        if first in KEEPING_VERBS:
            # A band is kept, not travelled: there is no baseline to start from.
            return undated + _outside(text, cycle)
        lacking = "no_from_to" if only_changes_by(plain) else "no_baseline"
        return [lacking, *undated, *_outside(text, cycle)]
    if _is_measure(plain, said):
        return ["no_from_to", *undated, *_outside(text, cycle)]
    if dated and (first in DELIVERY_VERBS or (not _starts_a_task(said) and (DELIVERABLES | REACHED_WORDS) & set(said))):
        return [] if paired else ["milestone_needs_paired_metric"]
    task = ["task_not_outcome"] if _starts_a_task(said) or (DELIVERY_VERBS | DELIVERABLES) & set(said) else []
    return [*task, "no_from_to", *undated, *_outside(text, cycle)]


def on_key_result_fields(fields: Mapping[str, Any], cycle: Days = DEFAULT_CYCLE) -> list[str]:
    """Return the reasons against a key result entered in fields: title, kind, baseline, target, due_on, band, paired.

    What a field says need not stand in the title as well.
    """
    kind = fields.get("kind", "metric")
    why = set(on_key_result(_title(fields.get("title")), cycle, paired=bool(fields.get("paired_metric"))))
    baseline, target = _number(fields.get("baseline")), _number(fields.get("target"))
    due_on = _day(fields.get("due_on"))
    if kind == "milestone":
        why -= {"task_not_outcome", "no_from_to", "no_baseline", "count_of_work_done", "measures_activity_volume"}
        if "milestone_is_the_outcome" not in why and not fields.get("paired_metric"):
            why.add("milestone_needs_paired_metric")
    elif kind in ("issue_ratio", "issue_count"):
        why = (why - {"no_from_to", "no_baseline", "milestone_needs_paired_metric"}) | {"count_of_work_done"}
    elif kind == "maintain":
        why -= {"no_from_to", "no_baseline", "milestone_needs_paired_metric"}
    elif baseline is not None and target is not None:
        why -= {"no_from_to", "no_baseline", "milestone_needs_paired_metric", "zero_width"}
    elif target is not None:
        why = (why - {"no_from_to", "milestone_needs_paired_metric"}) | {"no_baseline"}
    if baseline is not None and baseline == target:
        why.add("zero_width")
    if due_on is not None:
        why -= {"no_date", "date_outside_cycle"}
        if not cycle.starts_on <= due_on <= cycle.ends_on:
            why.add("date_outside_cycle")
    return [reason for reason in REMEDIES if reason in why]


def on_set(fields: Mapping[str, Any]) -> list[str]:
    """Return the reasons against how many objectives a level has: {"level", "horizon", "objectives"}."""
    level = str(fields.get("level"))
    if level not in RANGES:
        raise ValueError(f"unknown level {level!r}: one of {', '.join(RANGES)}")
    lowest, highest = RANGES[level]
    number = _count(fields.get("objectives"))
    return ["below_range"] if number < lowest else ["too_many"] if number > highest else []


def on_owner(fields: Mapping[str, Any]) -> list[str]:
    """Return the reasons against who is to drive: {"drivers": how many, or their names} or {"driver": name}."""
    named = fields.get("drivers", fields.get("driver"))
    if isinstance(named, str):
        named = [named] if named.strip() else []
    if isinstance(named, Sequence):
        names = [str(name).strip() for name in named if str(name).strip()]
        if len(names) == 1 and TEAM_LIKE.search(names[0]):
            return ["driver_must_be_a_person"]
        number = len(names)
    else:
        number = 0 if named is None else _count(named)
    return ["no_named_driver"] if number == 0 else ["more_than_one_driver"] if number > 1 else []


def on_status(fields: Mapping[str, Any]) -> list[str]:
    """Return the reasons against a driver's word: {"status", "plan"}."""
    red = str(fields.get("status", "")).lower() == "red"
    return ["red_needs_plan"] if red and not str(fields.get("plan") or "").strip() else []


def on_check_in(fields: Mapping[str, Any]) -> list[str]:
    """Return which questions stayed open: {"q1", "q2", "q3"}, or the six answers by name; and a red without a plan."""
    answers = fields.get("answers")
    if isinstance(answers, Sequence) and not isinstance(answers, str):
        fields = {**fields, **{f"q{number}": answer for number, answer in enumerate(answers, 1)}}
    questions = {
        "q1_empty": ("q1", "changed"),
        "q2_empty": ("q2", "working", "stuck"),
        "q3_empty": ("q3", "next", "need"),
    }
    why = [
        reason for reason, names in questions.items() if not any(str(fields.get(name) or "").strip() for name in names)
    ]
    return why + on_status(fields)


def on_audit(fields: Mapping[str, Any]) -> str:
    """Return the verdict on the five questions: {"yes", "of"}, or {"answers": [true, ...]}."""
    answers = fields.get("answers")
    if isinstance(answers, Sequence) and not isinstance(answers, str):
        yes = sum(1 for one in answers if one is True or str(one).lower() == "yes")
    else:
        yes = _count(fields.get("yes"))
    return "silent_killer_active" if yes <= AUDIT_ALARM else "ok"


def verdict_on(why: Sequence[str]) -> str:
    """Return the verdict that reasons add up to: the gravest one decides."""
    reasons = set(why)
    for verdict, grave in (("block_create", BLOCKING), ("fail", FAILING), ("incomplete", OPEN_QUESTIONS)):
        if reasons & grave:
            return verdict
    if reasons == {"milestone_is_the_outcome"}:
        return "pass_as_milestone"
    return "warn" if reasons else "pass"


def _ruled(why: Sequence[str], verdict: str | None = None) -> dict[str, Any]:
    return {"verdict": verdict or verdict_on(why), "why": list(why)}


def _starts_a_task(said: Sequence[str]) -> bool:
    first = said[0] if said else ""
    return first in TASK_VERBS or (first in OPEN_VERBS and bool(DELIVERABLES & set(said)))


def _is_measure(plain: str, said: Sequence[str]) -> bool:
    first = said[0] if said else ""
    return first in CHANGE_VERBS or (bool(METRIC_NOUNS & set(said)) and not _starts_a_task(said))


def _outside(text: str, cycle: Days) -> list[str]:
    day = last_day(text, cycle)
    return [] if day is None or cycle.starts_on <= day <= cycle.ends_on else ["date_outside_cycle"]


def _title(text: Any) -> str:
    if isinstance(text, Mapping):
        text = text.get("title", text.get("text"))
    if not isinstance(text, str):
        raise ValueError("text must be a sentence")
    if len(text) > LONGEST_TEXT:
        # The expressions below take quadratic time on text that was made to trouble them.
        raise ValueError(f"text must have at most {LONGEST_TEXT} characters")
    return text


def _mapping(text: Any) -> Mapping[str, Any]:
    if not isinstance(text, Mapping):
        raise ValueError("text must be an object for this kind")
    return text


def _count(number: Any) -> int:
    if isinstance(number, Sequence) and not isinstance(number, str):
        return len(number)
    if isinstance(number, bool) or number is None or number != int(number):
        raise ValueError(f"not a count: {number}")
    return int(number)


def _number(given: Any) -> Fraction | None:
    return None if given is None else Fraction(str(given))


def _day(given: Any) -> date | None:
    return given if given is None or isinstance(given, date) else date.fromisoformat(str(given))


def _cycle(given: Any) -> Days:
    if given is None:
        return DEFAULT_CYCLE
    cycle = _mapping(given)
    starts_on, ends_on = _day(cycle.get("starts_on")), _day(cycle.get("ends_on"))
    if starts_on is None or ends_on is None or ends_on < starts_on:
        raise ValueError("cycle must have starts_on and ends_on, in this order")
    return Days(starts_on, ends_on)
