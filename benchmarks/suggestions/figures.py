"""How often the right key result is suggested for the held-out tickets, and how long a whole sprint takes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from benchmarks.ground import Figure, median
from benchmarks.suggestions import former
from benchmarks.suggestions.crowd import ISSUES, KEY_RESULTS, crowd
from benchmarks.suggestions.labelled import NONE, WORKSPACE, Ticket, furnish, goals, tickets
from connector.models import Base
from connector.suggestions import suggest
from connector.suggestions.model import Models
from connector.suggestions.ranking import believed
from connector.suggestions.reading import read_kin
from connector.suggestions.signals import Signal, Table
from connector.suggestions.weights import WEIGHTS

GOAL = 0.8
SHOWN = 3
ROUNDS = 9
TEXTS = frozenset({Signal.TEXT, Signal.LIKE, Signal.EPIC_TEXT, Signal.LABEL_TEXT})
RELATIVES = frozenset({Signal.ABOVE, Signal.BELOW, Signal.BESIDE, Signal.AROUND})

Answers = Mapping[str, Sequence[str]]


def figures() -> Iterator[Figure]:
    """Right answers beside the former method and beside parts of this one; then a sprint's time and statements."""
    everyone = tickets()
    known = {one.key for one in everyone if one.part == "linked"}
    held_out = [one for one in everyone if one.part == "held out"]
    serving = [one for one in held_out if one.answer != NONE]
    answers, parts = suggested(held_out)
    before = {one.key: former.ranked(one, everyone, known, goals()) for one in held_out}
    words = {one.key: former.by_words(one, goals()) for one in held_out}
    for places, said in ((1, "first"), (SHOWN, "among the first three")):
        ours = right(serving, answers, places)
        for called, others in (
            ("the former method", before),
            ("its words in common alone", words),
            ("text alone", parts["text"]),
            ("relatives alone", parts["relatives"]),
        ):
            beside = right(serving, others, places)
            goal = (f">= {GOAL:.0%}", ours >= GOAL) if places == SHOWN and others is before else ("", None)
            yield Figure(
                f"right key result {said}, {len(serving)} held-out tickets, beside {called}",
                f"{ours:.1%}", f"{beside:.1%}", f"{ours / beside:.2f}", *goal,
            )  # fmt: skip
    nothing = [one for one in held_out if one.answer == NONE]
    silent = [sum(not method[one.key] for one in nothing) / len(nothing) for method in (answers, before)]
    yield Figure(
        f"nothing suggested for {len(nothing)} tickets that serve no goal", f"{silent[0]:.0%}", f"{silent[1]:.0%}", ""
    )
    yield from sprint()


def suggested(asked: Sequence[Ticket]) -> tuple[Answers, Mapping[str, Answers]]:
    """Return what Ladder suggests for the tickets, and what it would by text alone and by relatives alone."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        numbers = furnish(session)
        found = suggest(session, WORKSPACE, [numbers[one.key] for one in asked], limit=SHOWN)
        model = Models().of(session, WORKSPACE)
        kin = read_kin(session, WORKSPACE, [numbers[one.key] for one in asked])
        table = Table([kin.issues[numbers[one.key]] for one in asked], kin, model)
    parts = {}
    for name, signals in (("text", TEXTS), ("relatives", RELATIVES)):
        weights = np.array([WEIGHTS[one] if one in signals else 0.0 for one in Signal])
        said = table.numbers * weights[:, None]
        belief = believed(said)[:, :-1]
        parts[name] = {
            one.key: [
                model.groups[column]
                for column in np.argsort(-belief[row], kind="stable")
                if said[row, :, column].sum() > 0
            ]
            for row, one in enumerate(asked)
        }
    return {one.key: [each.key_result.id for each in found[numbers[one.key]]] for one in asked}, parts


def right(asked: Collection[Ticket], answers: Answers, places: int) -> float:
    """Return the share of the tickets whose key result is among the first places."""
    return sum(one.answer in answers[one.key][:places] for one in asked) / len(asked)


def sprint() -> Iterator[Figure]:
    """A sprint of 500 issues and 60 key results, and of 5: first time, with titles never seen, and once more."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    sent: list[str] = []
    with Session(engine) as session:
        asked, others = crowd(session)
        event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
        learning, _ = _timed(session, asked[:1])
        unseen, _ = _timed(session, others)
        first, _ = _timed(session, asked)
        sent.clear()
        _timed(session, asked[:5])
        few = len(sent)
        sent.clear()
        _, found = _timed(session, asked)
        many = len(sent)
        again = median([_timed(session, asked)[0] for _ in range(ROUNDS)])
        single = median([_timed(session, asked[:1])[0] for _ in range(ROUNDS)])
    what = f"suggest, {ISSUES} issues × {KEY_RESULTS} key results"
    assert sum(map(bool, found.values())) > ISSUES / 2, "the crowd is too strange to be timed with"
    yield Figure(
        f"{what}, warm", f"{again * 1000:.0f} ms", f"one issue {single * 1000:.1f} ms", "", "< 500 ms", again < 0.5
    )
    new = max(unseen, first)
    yield Figure(f"{what}, titles never seen", f"{new * 1000:.0f} ms", "", "", "< 500 ms", new < 0.5)
    yield Figure(f"learning {KEY_RESULTS} key results and what is linked to them", f"{learning * 1000:.0f} ms", "", "")
    yield Figure("suggest, SQL statements, 500 issues beside 5", str(many), str(few), "", "equal", many == few)


def _timed(session: Session, asked: Sequence[int]) -> tuple[float, Mapping[int, Sequence[object]]]:
    begun = time.perf_counter()
    found = suggest(session, WORKSPACE, asked)
    return time.perf_counter() - begun, found
