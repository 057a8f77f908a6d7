"""The one reason that a suggestion is shown with: what speaks for this key result more than for the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from connector.suggestions.history import BY_PERSON
from connector.suggestions.model import Habit
from connector.suggestions.reading import OUT, Group, Seen
from connector.suggestions.signals import Signal, Table
from connector.suggestions.texts import LONGEST_TITLE, WORD, Numbers, plain, telling_words

QUOTED_AT_MOST = 2
# What a relative serves can be looked up, so it makes a better reason than words in common that say as much.
LOOKED_UP = (Signal.ABOVE, Signal.BELOW, Signal.BESIDE)
LOOKED_UP_COUNTS = 2.0
# Letters. Two words that begin alike this far, and for this share of the longer one, are forms of one word.
SAME_BEGINNING = 4
SAME_SHARE = 0.6
# A word that stands in "sign-on" brings the rest of it along.
COMPOUND = re.compile(r"(?:[-‐‑]\w+)*")
# Linear names labels by their ids, which tell people nothing.
UNNAMED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def reason(table: Table, row: int, column: int, said: Numbers, usual: Numbers) -> str:
    """Say why, in one clause to follow a title; "" where only letters are alike, which is no reason.

    `said` is what each signal says for this key result, `usual` what it says for all of them on average.
    """
    ahead = (said - usual).tolist()
    for signal in LOOKED_UP:
        ahead[signal] *= LOOKED_UP_COUNTS
    # What the team says, it says of all its key results, so it is the last thing to be told of one.
    for signal in sorted(Signal, key=lambda one: (one is Signal.TEAM, -ahead[one], one)):
        words = _in_words(table, row, column, signal) if said[signal] > 0 else ""
        if words:
            return words
    return ""


def _in_words(table: Table, row: int, column: int, signal: Signal) -> str:
    issue, group = table.issues[row], table.model.groups[column]
    key_result = table.model.key_results[column]
    goal = f"{key_result.title} {key_result.objective}"
    match signal:
        case Signal.ABOVE:
            return _above(table, row, group)
        case Signal.BELOW:
            return _below(table.kin.children.get(issue.id, {}).get(group))
        case Signal.BESIDE | Signal.AROUND:
            return _beside(table, row, group, signal)
        case Signal.LABEL:
            return _label(table.model.by_label, issue, group)
        case Signal.ASSIGNEE:
            return _habit(table.model.by_assignee[issue.assignee or ""], group, "of the same assignee")
        case Signal.PROJECT:
            return _habit(table.model.by_project[issue.project], group, f"of {issue.project}")
        case Signal.TEAM:
            return _habit(
                table.model.teams_by_project[issue.project], key_result.team, f"of {issue.project}", key_result.team
            )
        case Signal.TEXT:
            return _both_say(issue.title, goal)
        case Signal.LIKE:
            return _like(table, row, column)
        case Signal.EPIC_TEXT:
            epic = table.epics[row]
            return _epic_says(epic, goal) if epic is not None else ""
        case Signal.LABEL_TEXT:
            named = next((label for label in issue.labels if common_words(label, goal)), "")
            return f"because of its label “{named}”" if named else ""


def _above(table: Table, row: int, group: str) -> str:
    for distance, one in enumerate(table.above[row]):
        if group in table.kin.own.get(one.id, {}):
            # A parent that was never read has no key and no type yet.
            return f"because {_named(one)} does" if distance == 0 else f"because {one.key or 'an issue'} above it does"
    return ""


def _below(group: Group | None) -> str:
    if group is None:
        return ""
    one = f"because {group.example or 'an issue'} below it does"
    return one if group.times == 1 else f"because {group.times} issues below it do"


def _beside(table: Table, row: int, group: str, signal: Signal) -> str:
    above = [one for one in table.above[row] if one.cls not in OUT]
    for one in above:
        found = table.kin.children.get(one.id, {}).get(group)
        if found is None:
            continue
        if one is table.above[row][0]:
            if signal is Signal.BESIDE:
                sibling = f"because its sibling {found.example}".rstrip() + " does"
                return sibling if found.times == 1 else f"because {found.times} of its siblings do"
        elif signal is Signal.AROUND:
            beside = f"beside its {_type_of(table.above[row][0])}"
            if found.times == 1:
                return f"because {found.example or 'an issue'} {beside} does"
            return f"because {found.times} issues {beside} do"
    return ""


def _label(habits: Mapping[str, Habit], issue: Seen, group: str) -> str:
    known = [label for label in issue.labels if label in habits and habits[label].serving.get(group)]
    if not known:
        return ""
    label = max(known, key=lambda one: (habits[one].strength[group] / sum(habits[one].strength.values()), one))
    return _habit(habits[label], group, "with its label" if UNNAMED.fullmatch(label) else f"labelled “{label}”")


def _habit(habit: Habit, group: str, what: str, serve: str = "") -> str:
    """In words how many of the linked issues serve the group; `serve` names a whole team's goals, if it is that."""
    serving = habit.serving.get(group, 0)
    if not serving:
        return ""
    alone, together = (f"serves goals of {serve}", f"serve goals of {serve}") if serve else ("does", "do")
    verb = alone if serving == 1 else together
    if habit.issues == 1:
        return f"because {habit.example[group].issue.key or 'the one linked issue'} {what} {verb}"
    many = f"all {serving}" if serving == habit.issues else f"{serving} of {habit.issues}"
    return f"because {many} linked issues {what} {verb}"


def _like(table: Table, row: int, column: int) -> str:
    number = int(table.nearest[row, column])
    if number < 0:
        return ""
    example = table.model.examples[number]
    # Never its title: whoever reads this may not be allowed to see that issue.
    named = example.issue.key or "an issue"
    if example.strength < BY_PERSON:
        return f"like {named}, which counts for it"
    return f"like {named}, which {example.linked_by} linked" if example.linked_by else f"like {named}, which is linked"


def _both_say(title: str, goal: str) -> str:
    found = common_words(title, goal)
    if not found:
        return ""
    if found[0].other:
        return f"because “{found[0].own}” is close to “{found[0].other}”"
    said = "”, “".join(one.own for one in found if not one.other)
    return f"because both say “{said}”"


def _epic_says(epic: Seen, goal: str) -> str:
    found = common_words(epic.title, goal)
    if not found:
        return ""
    close = f", close to “{found[0].other}”" if found[0].other else ""
    return f"because {_named(epic)} says “{found[0].own}”{close}"


def _named(above: Seen) -> str:
    return f"its {_type_of(above)} {above.key}".strip()


def _type_of(above: Seen) -> str:
    return above.issue_type.lower() or "parent"


@dataclass(frozen=True, slots=True)
class Common:
    """Words as one text writes them; `other` is the other's, where it only begins alike."""

    own: str
    other: str = ""


def common_words(text: str, other: str) -> list[Common]:
    """Return what two texts both say, the longest first: at most two phrases; failing that one word that is close."""
    text = unicodedata.normalize("NFC", text[:LONGEST_TITLE])
    theirs = telling_words(plain(other))
    pairs = set(pairwise(theirs))
    telling = [(one, word) for one in WORD.finditer(text) for word in telling_words(plain(one.group()))]
    spans: list[tuple[int, int]] = []
    before = ""
    for found, word in telling:
        if word in theirs:
            begun = spans.pop()[0] if (before, word) in pairs and spans else found.start()
            spans.append((begun, found.end()))
        before = word
    if spans:
        phrases = dict.fromkeys(text[begun:end] + _rest(text, end) for begun, end in spans)
        longest = sorted(phrases, key=lambda phrase: (-len(phrase.split()), -len(phrase), phrase))
        return [Common(phrase) for phrase in longest[:QUOTED_AT_MOST]]
    close = [
        (found.group(), their) for found, word in telling for their in dict.fromkeys(theirs) if _close(word, their)
    ]
    return [Common(*max(close, key=lambda pair: (len(pair[1]), pair)))] if close else []


def _rest(text: str, end: int) -> str:
    found = COMPOUND.match(text, end)
    return found.group() if found is not None else ""


def _close(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) < SAME_BEGINNING:
        return False
    same = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short in long or (same >= SAME_BEGINNING and same >= SAME_SHARE * len(long))
