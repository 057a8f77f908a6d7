"""The calls that the overlay's script makes, the same through every door: JSON in, JSON with drawn parts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.errors import Invalid
from connector.planning.actions import AT_ONCE, Move
from connector.planning.desk import Answer, Desk
from connector.planning.plan import WhatIf
from connector.planning.sheet import Sheet

# Renders a template of the overlay: its name, and what it is to know.
Draw = Callable[..., str]

LONGEST_ID = 64
# Characters. An undo note names every issue that it concerns.
LONGEST_NOTE = 600_000
LARGEST_NUMBER = 2**63 - 1
# One for each sprint of a large overlay, and one for those after them.
MOVES_AT_ONCE = 12
VERBS = ("what-if", "link", "unlink", "not-goal-work", "move", "undo", "team", "suggestions")


def call(desk: Desk, verb: str, body: Mapping[str, Any], draw: Draw) -> dict[str, Any]:
    """Carry out one call and return what the script needs to show it; raises Invalid and those of the desk."""
    what_if = read_what_if(body.get("what_if", {}))
    match verb:
        case "what-if":
            whole = body.get("whole") is True
            sheet, etag = desk.sheet(what_if, whole=whole)
            return drawn(sheet, etag, draw, whole=whole)
        case "link":
            answer = desk.link(_pairs(body.get("pairs")), what_if)
        case "unlink":
            answer = desk.unlink(_texts(body.get("links")), what_if)
        case "not-goal-work":
            answer = desk.declare(_numbers(body.get("issues")), _category(body.get("category")), what_if)
        case "move":
            answer = desk.move(_moves(body.get("moves")), what_if)
        case "undo":
            answer = desk.undo(_text(body.get("undo"), LONGEST_NOTE), what_if)
        case "team":
            desk.remember_team(_text(body.get("team_id"), LONGEST_ID))
            sheet, etag = desk.sheet(what_if)
            return drawn(sheet, etag, draw, whole=True)
        case "suggestions":
            found = desk.suggestions()
            return {
                "suggestions": {
                    str(issue_id): draw("overlay/suggestions.html", issue_id=issue_id, suggestions=suggestions)
                    for issue_id, suggestions in found.items()
                    if suggestions
                }
            }
        case _:
            raise Invalid("unknown_call", "There is no such call.")
    return _after(answer, draw)


def drawn(sheet: Sheet, etag: str, draw: Draw, *, whole: bool) -> dict[str, Any]:
    """Return what changes when something is tried out; with `whole` the rows of the issues too."""
    tried = sheet.plan.what_if
    parts: dict[str, Any] = {
        "etag": etag,
        "summary": draw("overlay/summary.html", sheet=sheet),
        "totals": dict(sheet.totals),
        "trying": sheet.trying,
        "effect": sheet.effect if tried else "",
        "what_if": {
            "out": sorted(tried.out),
            "into": sorted(tried.into),
            "links": [list(pair) for pair in tried.links],
        },
    }
    if whole:
        parts["issues"] = draw("overlay/issues.html", sheet=sheet)
    return parts


def read_what_if(given: Any) -> WhatIf:
    """Read what is tried out: {"out": [issue ids], "into": [...], "links": [[issue id, key result id], ...]}."""
    if not isinstance(given, Mapping):
        raise Invalid("bad_shape", "what_if is not an object.", "what_if")
    links = given.get("links", [])
    return WhatIf(
        out=frozenset(_numbers(given.get("out", []))),
        into=frozenset(_numbers(given.get("into", []))),
        links=tuple(dict.fromkeys(_pairs(links))),
    )


def _after(answer: Answer, draw: Draw) -> dict[str, Any]:
    return {"words": answer.words, "undo": answer.undo, **drawn(answer.sheet, answer.etag, draw, whole=True)}


def _list(given: Any) -> Sequence[Any]:
    if not isinstance(given, list) or len(given) > AT_ONCE:
        raise Invalid("bad_shape", f"A list of at most {AT_ONCE} is expected.")
    return given


def _number(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= LARGEST_NUMBER:
        raise Invalid("bad_shape", "The number of an issue is expected.")
    return given


def _numbers(given: Any) -> list[int]:
    return [_number(one) for one in _list(given)]


def _text(given: Any, longest: int) -> str:
    if not isinstance(given, str) or len(given) > longest or "\x00" in given:
        raise Invalid("bad_shape", "A text is expected.")
    return given


def _texts(given: Any) -> list[str]:
    return [_text(one, LONGEST_ID) for one in _list(given)]


def _pairs(given: Any) -> list[tuple[int, str]]:
    pairs = []
    for one in _list(given):
        if not isinstance(one, list) or len(one) != 2:
            raise Invalid("bad_shape", "Pairs of issue and key result are expected.")
        pairs.append((_number(one[0]), _text(one[1], LONGEST_ID)))
    return pairs


def _category(given: Any) -> str | None:
    return None if given is None else _text(given, LONGEST_ID)


def _moves(given: Any) -> list[Move]:
    moves = []
    # Each is a call of the tracker's; thousands of them would use up what it allows us, and keep others waiting.
    if isinstance(given, list) and len(given) > MOVES_AT_ONCE:
        raise Invalid("bad_shape", f"At most {MOVES_AT_ONCE} moves at once, each of many issues.")
    for one in _list(given):
        if not isinstance(one, Mapping):
            raise Invalid("bad_shape", "Moves are expected: issues and a sprint.")
        to = one.get("sprint")
        moves.append(Move(_numbers(one.get("issues")), None if to is None else _number(to)))
    return moves
