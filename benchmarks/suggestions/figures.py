"""How often the right key result is suggested for the held-out tickets, and how long a whole sprint takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from benchmarks.ground import Figure, median
from benchmarks.suggestions import former
from benchmarks.suggestions.crowd import ISSUES, KEY_RESULTS, crowd
from benchmarks.suggestions.labelled import NONE, WORKSPACE, Ticket, furnish, goals, tickets
from connector.database import Database
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
            ("former method", before),
            ("its words alone", words),
            ("text alone", parts["text"]),
            ("relatives alone", parts["relatives"]),
        ):
            beside = right(serving, others, places)
            goal = (f">= {GOAL:.0%}", ours >= GOAL) if places == SHOWN and others is before else ("", None)
            yield Figure(
                f"right one {said}, {len(serving)} held-out tickets",
                f"{ours:.1%}", f"{called} {beside:.1%}", f"{ours / beside:.2f}", *goal,
            )  # fmt: skip
    nothing = [one for one in held_out if one.answer == NONE]
    silent = [sum(not method[one.key] for one in nothing) / len(nothing) for method in (answers, before)]
    yield Figure(
        f"nothing suggested, {len(nothing)} tickets that serve no goal",
        f"{silent[0]:.0%}",
        f"former method {silent[1]:.0%}",
        "",
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
    """A sprint of 500 issues and 60 key results: for the first time, with titles never seen, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'ladder.db'}")
        Base.metadata.create_all(database.engine)
        with database.writing() as session:
            asked, others = crowd(session)
        with database.reading() as session:
            learning = _timed(session, asked[:1])
            unseen = [_timed(session, sprint) for sprint in (others, asked)]
            again = [_timed(session, asked) for _ in range(ROUNDS)]
            single = [_timed(session, asked[:1]) for _ in range(ROUNDS)]
            few, many = (_statements(database.engine, session, asked[:count]) for count in (5, ISSUES))
            found = suggest(session, WORKSPACE, asked)
        database.close()
    assert sum(map(bool, found.values())) > ISSUES / 2, "the crowd is too strange to be timed with"
    yield _time(f"suggest, {ISSUES} issues × {KEY_RESULTS} key results", again, within=0.5)
    yield _time("the same, titles never seen", unseen, within=0.5)
    yield _time("suggest for one issue", single)
    yield _time(f"learning {KEY_RESULTS} key results and what is linked to them", [learning])
    yield Figure("suggest, SQL statements, 500 issues beside 5", str(many), str(few), "", "equal", many == few)


def _time(what: str, took: Sequence[tuple[float, float]], within: float | None = None) -> Figure:
    """The median of what the clock said, beside what the processor did; with other work on it they are far apart."""
    clock, computing = (median(column) for column in zip(*took, strict=True))
    goal = ("", None) if within is None else (f"< {within * 1000:.0f} ms", clock < within)
    return Figure(what, f"{clock * 1000:.0f} ms", f"{computing * 1000:.0f} ms of it computing", "", *goal)


def _timed(session: Session, asked: Sequence[int]) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    suggest(session, WORKSPACE, asked)
    return time.perf_counter() - begun, time.process_time() - used


def _statements(engine: Engine, session: Session, asked: Sequence[int]) -> int:
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    suggest(session, WORKSPACE, asked)
    event.remove(engine, "before_cursor_execute", note)
    return len(sent)
