"""`ladder calc KIND`: one JSON case a line in, one JSON result a line out; no database.

Source: design/interfaces.md. Numbers are read as exact decimals and leave as exact rationals ("8/15"); a line that
can't be read gives {"error": "..."} and the rest go on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, TypeVar

import click

from mapping.display import percent, points, rational, raw_percent
from mapping.drift import Drift, Silence, drift_of_counts, drift_of_shares
from mapping.forest import Issue, IssueId
from mapping.issue_class import IssueClass
from mapping.metric import checkpoints, clamp, maintain, metric
from mapping.overlay import Side, SprintItem, alignment, overlay
from mapping.pace import band, elapsed, pace, second_opinion
from mapping.progress import ONE, ZERO, Options, SizeBy, Unestimated, work_progress
from mapping.rollup import Mean, roll_up

Case = Mapping[str, Any]
Result = dict[str, Any]
Member = TypeVar("Member", bound=StrEnum)

DIGITS_AT_MOST: Final = 400
"""Digits on either side of the point, at most: 1e999999999 would fill the memory as an exact rational."""


class CaseError(ValueError):
    reason = "case_unreadable"


# ------------------------------------------------------------------ kinds


def work(case: Case) -> Result:
    done = work_progress(_issues(case), _links(case), _options(case))
    return {
        "num": rational(done.num),
        "den": rational(done.den),
        "progress": rational(done.progress),
        "display": percent(done.progress),
        "units": list(done.units),
        "flags": list(done.flags),
    }


def metric_rule(case: Case) -> Result:
    outcome = metric(_number(case, "baseline"), _number(case, "target"), _maybe(case, "value"))
    return {
        "raw": rational(outcome.raw),
        "progress": rational(outcome.progress),
        "display": percent(outcome.progress),
        "raw_display": raw_percent(outcome.raw),
        "why": outcome.why,
    }


def maintained(case: Case) -> Result:
    values = [_as_maybe(value, "a value") for value in _list(case, "values")]
    held = maintain(_maybe(case, "lo"), _maybe(case, "hi"), values)
    return {"average": rational(held.average), "latest": rational(held.latest), "minimum": rational(held.minimum)}


def checkpoint_rule(case: Case) -> Result:
    pairs = [_pair(point, "a point") for point in _list(case, "points")]
    listed = [(_as_number(value, "a point's value"), _as_number(p, "a point's progress")) for value, p in pairs]
    outcome = checkpoints(_number(case, "baseline"), _number(case, "target"), _maybe(case, "value"), listed)
    return {"progress": rational(outcome.progress), "display": percent(outcome.progress), "why": outcome.why}


def rolled_up(case: Case) -> Result:
    pairs = [_pair(entry, "a key result") for entry in _list(case, "krs")]
    listed = [(_as_maybe(progress, "progress"), _weight(weight)) for progress, weight in pairs]
    rolled = roll_up(listed, _choice(case, "aggregate", Mean, Mean.WEIGHTED))
    return {"progress": rational(rolled.progress), "display": percent(rolled.progress), "coverage": rolled.coverage}


def paced(case: Case) -> Result:
    """Also `start`, `end`, `date` in place of `elapsed`, and then `values` [[date, progress], ...] for a second
    opinion.
    """
    if "score" in case:
        return {"status": band(_number(case, "score"))}
    if "date" in case:
        passed = elapsed(_day(case, "start"), _day(case, "end"), _day(case, "date"))
    else:
        passed = clamp(_number(case, "elapsed"))
    judged = pace(_maybe(case, "progress"), passed)
    if "values" in case:
        pairs = [_pair(value, "a value") for value in _list(case, "values")]
        readings = [(_as_day(at, "a value's date"), _as_number(p, "a value's progress")) for at, p in pairs]
        judged = second_opinion(judged, readings, _day(case, "end"), _day(case, "date"))
    return {
        "projected": rational(judged.projected),
        "status": judged.status,
        "elapsed": rational(passed),
        "rests_on": judged.rests_on,
    }


def drifted(case: Case) -> Result:
    """With `counts_by_week` [[aligned, total], ...] those decide; null is a week without work."""
    found: Drift | Silence
    if case.get("counts_by_week") is not None:
        found = drift_of_counts([_counts(week) for week in _list(case, "counts_by_week")])
    else:
        shares = [_as_maybe(share, "a share") for share in _list(case, "aligned_share_by_week")]
        found = drift_of_shares(shares) or Silence.NO_FALL
    if isinstance(found, Silence):
        return {"result": None, "why": found}
    levels = {"before": rational(found.before), "after": rational(found.after)}
    return {"result": {"first_week_after": found.first_week_after, **levels}, "why": None}


def overlaid(case: Case) -> Result:
    if "items" in case:
        return _aligned(case)
    pairs = [_pair(entry, "a new issue") for entry in (_list(case, "new") if case.get("new") is not None else [])]
    new = [(_id(id_), _estimate(estimate)) for id_, estimate in pairs]
    sprint = {_id(id_) for id_ in _list(case, "sprint")}
    seen = overlay(_issues(case), _links(case), _options(case), sprint, new)
    return {
        "now": rational(seen.now),
        "after_adding_scope": rational(seen.after_adding_scope),
        "if_all_sprint_work_finishes": rational(seen.if_all_sprint_work_finishes),
        "gain": rational(seen.gain),
        "gain_pp": None if seen.gain is None else points(seen.gain),
    }


def linted(case: Case) -> Result:
    from mapping.lint import judge

    return dict(judge(dict(case)))


KINDS: Final[dict[str, Callable[[Case], Result]]] = {
    "work": work,
    "metric": metric_rule,
    "maintain": maintained,
    "checkpoints": checkpoint_rule,
    "rollup": rolled_up,
    "pace": paced,
    "drift": drifted,
    "overlay": overlaid,
    "lint": linted,
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
def calc(kind: str) -> None:
    """Judge cases by the rules, one JSON case a line on stdin."""
    for line in sys.stdin.buffer:
        if line.strip():
            click.echo(json.dumps(answer(kind, line)))


def answer(kind: str, line: bytes) -> Result:
    """The result of one case, or {"error": what is wrong with it}."""
    try:
        return KINDS[kind](_read(line))
    except ValueError as problem:
        return {"error": str(problem)}
    except RecursionError:
        return {"error": "nested too deeply"}


# ------------------------------------------------------------------ reading


def _read(line: bytes) -> Case:
    try:
        case = json.loads(line.decode("utf-8-sig"), parse_float=_exact, parse_int=_exact, parse_constant=_not_a_number)
    except UnicodeDecodeError as problem:
        raise CaseError("not UTF-8") from problem
    except json.JSONDecodeError as problem:
        raise CaseError(f"not JSON: {problem.msg} at column {problem.colno}") from problem
    if not isinstance(case, dict):
        raise CaseError(f"a case must be an object, not {_called(case)}")
    return case


def _exact(digits: str) -> Fraction:
    try:
        number = Decimal(digits)
    except InvalidOperation as problem:
        raise CaseError(f"{digits[:20]} is out of range") from problem
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or len(digits) > DIGITS_AT_MOST or abs(number.adjusted()) > DIGITS_AT_MOST:
        raise CaseError(f"{digits[:20]} is out of range")
    return Fraction(number)


def _not_a_number(name: str) -> Fraction:
    raise CaseError(f"{name} is no number")


def _called(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", Fraction: "a number"}
    return "null" if value is None else names.get(type(value), "something else")


def _as_number(value: object, name: str) -> Fraction:
    if not isinstance(value, Fraction):
        raise CaseError(f"{name} must be a number, not {_called(value)}")
    return value


def _as_maybe(value: object, name: str) -> Fraction | None:
    return None if value is None else _as_number(value, name)


def _number(case: Case, name: str) -> Fraction:
    if name not in case:
        raise CaseError(f"{name} is missing")
    return _as_number(case[name], name)


def _maybe(case: Case, name: str) -> Fraction | None:
    return _as_maybe(case.get(name), name)


def _list(case: Case, name: str) -> list[Any]:
    if name not in case:
        raise CaseError(f"{name} is missing")
    value = case[name]
    if not isinstance(value, list):
        raise CaseError(f"{name} must be an array, not {_called(value)}")
    return value


def _pair(value: object, name: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise CaseError(f"{name} must be an array of two")
    return value[0], value[1]


def _object(value: object, name: str) -> Case:
    if not isinstance(value, dict):
        raise CaseError(f"{name} must be an object, not {_called(value)}")
    return value


def _day(case: Case, name: str) -> date:
    if name not in case:
        raise CaseError(f"{name} is missing")
    return _as_day(case[name], name)


def _as_day(value: object, name: str) -> date:
    if not isinstance(value, str):
        raise CaseError(f"{name} must be a date, not {_called(value)}")
    try:
        return date.fromisoformat(value)
    except ValueError as problem:
        raise CaseError(f"{name} must be a date like 2026-07-01") from problem


def _choice(case: Case, name: str, of: type[Member], default: Member) -> Member:
    value = case.get(name)
    if value is None:
        return default
    try:
        return of(value)
    except ValueError as problem:
        allowed = ", ".join(str(member.value) for member in of)
        raise CaseError(f"{name} must be one of {allowed}") from problem


def _id(value: object) -> str:
    """Ids are strings; a whole number is read as its digits."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value)
    if not isinstance(value, str):
        raise CaseError(f"an issue's id must be a string, not {_called(value)}")
    return value


def _issues(case: Case) -> dict[IssueId, Issue]:
    if "issues" not in case:
        raise CaseError("issues is missing")
    return {id_: _issue(id_, _object(said, f"issue {id_}")) for id_, said in _object(case["issues"], "issues").items()}


def _issue(id_: str, said: Case) -> Issue:
    if said.get("cls") is None:
        raise CaseError(f"cls of issue {id_} is missing")
    try:
        cls = _choice(said, "cls", IssueClass, IssueClass.UNKNOWN)
        parent = None if said.get("parent") is None else _id(said["parent"])
        return Issue(cls, _estimate(said.get("est")), parent, _level(said.get("level")))
    except CaseError as problem:
        raise CaseError(f"issue {id_}: {problem}") from problem


def _estimate(value: object) -> Fraction | None:
    estimate = _as_maybe(value, "est")
    if estimate is not None and estimate < 0:
        raise CaseError("est must not be negative")
    return estimate


def _level(value: object) -> int:
    level = _as_maybe(value, "level") or ZERO
    if level.denominator != 1:
        raise CaseError("level must be a whole number")
    return int(level)


def _counts(week: object) -> tuple[int, int]:
    if week is None:
        return 0, 0
    aligned, total = (_as_number(count, "a count") for count in _pair(week, "a week's counts"))
    if aligned.denominator != 1 or total.denominator != 1:
        raise CaseError("counts must be whole numbers")
    return int(aligned), int(total)


def _weight(value: object) -> Fraction:
    weight = _as_maybe(value, "weight")
    if weight is not None and weight < 0:
        raise CaseError("weight must not be negative")
    return ONE if weight is None else weight


def _links(case: Case) -> list[tuple[IssueId, Fraction]]:
    """Links are objects with `issue` and perhaps `weight`, or plain ids."""
    links: list[tuple[IssueId, Fraction]] = []
    for said in _list(case, "links"):
        if isinstance(said, dict):
            if "issue" not in said:
                raise CaseError("issue of a link is missing")
            links.append((_id(said["issue"]), _weight(said.get("weight"))))
        else:
            links.append((_id(said), ONE))
    return links


def _options(case: Case) -> Options:
    said = _object(case["kr"], "kr") if case.get("kr") is not None else {}
    sub_credit = said.get("sub_credit")
    if sub_credit is not None and not isinstance(sub_credit, bool):
        raise CaseError(f"sub_credit must be true or false, not {_called(sub_credit)}")
    return Options(
        size_by=_choice(said, "size_by", SizeBy, SizeBy.COUNT),
        kappa=_maybe(said, "kappa") or ZERO,
        sub_credit=bool(sub_credit),
        unestimated=_choice(said, "unestimated", Unestimated, Unestimated.ONE),
    )


# ------------------------------------------------------------------ writing


def _aligned(case: Case) -> Result:
    """Shares of a sprint from `items`: {id, est, links: [key results] | "bau" | "dropped"}."""
    shares = alignment([_item(_object(item, "an item")) for item in _list(case, "items")])
    return {
        "total": rational(shares.total),
        "aligned": rational(shares.aligned),
        "declared_bau": rational(shares.declared_bau),
        "unaligned": rational(shares.unaligned),
        "effort_by_kr": {str(key_result): rational(effort) for key_result, effort in shares.effort.items()},
    }


def _item(said: Case) -> SprintItem:
    links, estimate = said.get("links"), _estimate(said.get("est"))
    if isinstance(links, list):
        return SprintItem(estimate, [_id(key_result) for key_result in links])
    return SprintItem(estimate, side=_choice(said, "links", Side, Side.UNALIGNED))
