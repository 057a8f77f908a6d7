"""The method that Ladder used before: what relatives are linked to, the most frequent first, then words in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from benchmarks.suggestions.labelled import NONE, Goal, Ticket, below_linked_epics

SHORTEST_WORD = 4
WORDS_AT_MOST = 8
WORDS = (
    "about after also before from have into make more most only over should that their them then this when with "
    "without issue story task ticket update support create improve increase reduce implement feature customer "
    "customers user users"
)
COMMON = frozenset(WORDS.split())


def ranked(ticket: Ticket, among: Sequence[Ticket], known: Collection[str], goals: Sequence[Goal]) -> list[str]:
    """Return ids of key results, best first."""
    served = Counter(
        one.answer
        for one in among
        if one.epic and one.epic == ticket.epic and one.key in known and not below_linked_epics(one)
    )
    del served[NONE]
    titles = {goal.id: goal.title for goal in goals}
    relatives = sorted(served, key=lambda one: (-served[one], titles[one]))
    return [*relatives, *(one for one in by_words(ticket, goals) if one not in served)]


def by_words(ticket: Ticket, goals: Sequence[Goal]) -> list[str]:
    """Return ids of key results by the number of telling words in common with the ticket's title."""
    words = telling_words(ticket.title)
    found = []
    for goal in goals:
        text = f"{goal.title} {goal.objective}".casefold()
        common = sum(word in text for word in words)
        if common:
            found.append((-common, goal.title, goal.id))
    return [one for _, _, one in sorted(found)]


def telling_words(title: str) -> list[str]:
    """Return the words of a title that may say what it is about, longest first, in lower case."""
    words = dict.fromkeys(re.findall(rf"[^\W\d_]{{{SHORTEST_WORD},}}", title.casefold()))
    return sorted((word for word in words if word not in COMMON), key=lambda word: (-len(word), word))[:WORDS_AT_MOST]
