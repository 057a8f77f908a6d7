"""Measures the weights of `connector/suggestions/weights.py`: `python -m benchmarks.suggestions.tuning`.

The held-out tickets are not looked at. The others are dealt into three folds; each fold in turn is asked about while
people's words on the other two are known. A third of the epics is dealt out whole, so that there are epics in which
nothing was linked yet. What all folds answer together is fitted by logistic regression over the key results and "no
goal work", each weight drawn towards what we believed beforehand, so that a signal of which the tickets tell little (no
ticket hangs below a linked epic, it would be linked by that) keeps the weight that common sense gave it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks.suggestions.labelled import NONE, WORKSPACE, Ticket, below_linked_epics, furnish, tickets
from connector.models import Base
from connector.suggestions.model import Models
from connector.suggestions.reading import NOT_GOAL_WORK, read_kin
from connector.suggestions.signals import Signal, Table
from connector.suggestions.texts import Numbers

FOLDS = 3
# Share of the epics whose tickets are dealt out together.
WHOLE_EPICS = 1 / 3
BELIEVED = {
    Signal.ABOVE: 6.0,
    Signal.BELOW: 5.0,
    Signal.BESIDE: 5.0,
    Signal.AROUND: 2.0,
    Signal.LABEL: 3.0,
    Signal.ASSIGNEE: 2.0,
    Signal.PROJECT: 2.0,
    Signal.TEAM: 2.0,
    Signal.TEXT: 3.0,
    Signal.LIKE: 2.0,
    Signal.EPIC_TEXT: 3.0,
    Signal.LABEL_TEXT: 2.0,
}
# How firmly: as if a signal off by one had cost this much of a ticket's likelihood.
FIRMNESS = 0.003
STEPS = 4_000


def folds() -> list[tuple[Numbers, Numbers]]:
    """Return per fold the numbers (tickets × signals × groups) and which group is right."""
    among = [one for one in tickets() if one.part != "held out" and not below_linked_epics(one)]
    dealt = {one.key: _deal(one) for one in among}
    found = []
    for fold in range(FOLDS):
        asked = [one for one in among if dealt[one.key] == fold]
        known = {one.key for one in among if dealt[one.key] != fold}
        found.append(measured(asked, known))
    return found


def measured(asked: Sequence[Ticket], known: set[str]) -> tuple[Numbers, Numbers]:
    """Return the signals of the tickets asked about, where people have spoken about the known ones."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        numbers = furnish(session, known)
        model = Models().of(session, WORKSPACE)
        kin = read_kin(session, WORKSPACE, [numbers[one.key] for one in asked])
        table = Table([kin.issues[numbers[one.key]] for one in asked], kin, model)
    right = [model.groups.index(NOT_GOAL_WORK if one.answer == NONE else one.answer) for one in asked]
    return table.numbers, np.array(right)


def fit(signals: Numbers, right: Numbers) -> tuple[Numbers, float]:
    """Return the weights, none below 0, and what "no goal work" has ahead of every key result."""
    believed = np.array([BELIEVED[one] for one in Signal])
    at = np.append(believed, 0.0)
    drift, spread = np.zeros_like(at), np.zeros_like(at)
    rows = np.arange(len(right))
    for step in range(1, STEPS + 1):
        off = shares(signals, at[:-1], float(at[-1]))
        off[rows, right] -= 1
        slope = np.append(
            np.einsum("nsg,ng->s", signals, off) / len(right) + FIRMNESS * (at[:-1] - believed), off[:, -1].mean()
        )
        # Adam (Kingma and Ba, 2015): no tuning of steps needed for a dozen weights.
        drift, spread = 0.9 * drift + 0.1 * slope, 0.999 * spread + 0.001 * slope**2
        at -= 0.05 * (drift / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.999**step)) + 1e-8)
        at[:-1] = np.maximum(0, at[:-1])
    return at[:-1], float(at[-1])


def shares(signals: Numbers, weights: Numbers, ahead: float) -> Numbers:
    """Return the belief in each group: tickets × groups, each row adds up to 1."""
    total = np.einsum("nsg,s->ng", signals, weights)
    total[:, -1] += ahead
    raised = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def top(signals: Numbers, right: Numbers, weights: Numbers, places: int) -> float:
    """Return the share of the tickets with a goal whose key result is among the first."""
    goals = right < signals.shape[2] - 1
    order = np.argsort(-np.einsum("nsg,s->ng", signals[goals], weights)[:, :-1], axis=1, kind="stable")
    return float((order[:, :places] == right[goals][:, None]).any(axis=1).mean())


def main() -> None:
    """Print the weights, and what weights from two folds reach on the third."""
    parts = folds()
    for fold, (signals, right) in enumerate(parts):
        others = [part for number, part in enumerate(parts) if number != fold]
        weights, _ = fit(*(np.concatenate(column) for column in zip(*others, strict=True)))
        first, three = (top(signals, right, weights, places) for places in (1, 3))
        print(f"fold {fold}: first {first:.0%}, first three {three:.0%}")
    weights, ahead = fit(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    for signal in Signal:
        print(f"{signal.name:<12}{weights[signal]:.1f}")
    print(f"{'ahead':<12}{ahead:.1f}")


def _deal(ticket: Ticket) -> int:
    whole = ticket.epic and _chance(f"whole {ticket.epic}") < WHOLE_EPICS
    return int(_chance(ticket.epic if whole else ticket.key) * FOLDS)


def _chance(text: str) -> float:
    """A number from 0 to 1 that is always the same for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32


if __name__ == "__main__":
    main()
