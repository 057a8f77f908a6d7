"""Which links of one issue follow from the rules that match it, from people's links and from exceptions.

Pure and independent of the order in which anything came: the same facts give the same links. People go first. Then
the narrower kind of rule wins (a named epic, a label that somebody put on the issue, a query, a whole project), and of
two rules of the same kind the older one. An issue is linked by rules to one key result at most; who wants it in two
links it by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

NARROWNESS: Mapping[str, int] = {"epic": 0, "label": 1, "query": 2, "project": 3}


class Fate(StrEnum):
    """What becomes of one rule's match."""

    LINKED = "linked"
    """The rule's link is there."""
    SECOND = "second"
    """Another rule of the same key result links it; this one takes over when that one stops matching."""
    BY_HAND = "by_hand"
    """A person has linked it to the same key result."""
    KEPT_AWAY = "kept_away"
    """A person has linked it to another key result."""
    EXCEPTED = "excepted"
    """A person took the link away."""
    LOST = "lost"
    """A rule of another key result goes first."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One rule that matches the issue."""

    rule_id: str
    key_result_id: str
    kind: str
    made_at: datetime

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The lowest goes first."""
        return NARROWNESS[self.kind], self.made_at, self.rule_id


@dataclass(frozen=True, slots=True)
class Verdict:
    """`winner` is the claim whose rule links the issue, if any; `fates` has every claim's, by rule."""

    winner: Claim | None = None
    fates: Mapping[str, Fate] = field(default_factory=dict)


def decide(claims: Sequence[Claim], by_people: Collection[str], excepted: Collection[str]) -> Verdict:
    """Judge the claims on one issue.

    `by_people` are the open key results that people have linked it to, `excepted` those from which a person took a
    rule's link away.
    """
    fates: dict[str, Fate] = {}
    winner: Claim | None = None
    for claim in sorted(claims, key=lambda one: one.rank):
        if claim.key_result_id in by_people:
            fates[claim.rule_id] = Fate.BY_HAND
        elif by_people:
            fates[claim.rule_id] = Fate.KEPT_AWAY
        elif claim.key_result_id in excepted:
            fates[claim.rule_id] = Fate.EXCEPTED
        elif winner is None:
            winner = claim
            fates[claim.rule_id] = Fate.LINKED
        else:
            same = claim.key_result_id == winner.key_result_id
            fates[claim.rule_id] = Fate.SECOND if same else Fate.LOST
    return Verdict(winner, fates)
