"""The signals: numbers from 0 to 1 that say, each in its own way, which key result an issue serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np

from connector.suggestions.model import Habit, Model
from connector.suggestions.reading import OUT, Group, Kin, Seen
from connector.suggestions.texts import Numbers

# A rule's link among relatives, beside a person's: a rule that covers the sibling does not cover this one.
RULE_AMONG_KIN = 0.3
# Pulls thin evidence towards 0: one sibling of one is half a proof, five of five are five sixths of one.
DOUBT = {"kin": 1.0, "label": 1.0, "assignee": 3.0, "project": 3.0, "text": 0.05, "like": 0.3}


class Signal(IntEnum):
    """What can speak for a key result; the number is its row in the table of numbers."""

    ABOVE = 0  # what its epic and everything above it are linked to
    BELOW = 1  # what its children are linked to
    BESIDE = 2  # what its siblings are linked to
    AROUND = 3  # what its epic's siblings are linked to
    LABEL = 4  # what issues with one of its labels serve
    ASSIGNEE = 5  # what people linked of the same assignee
    PROJECT = 6  # what people linked of the same project
    TEXT = 7  # its title and the key result's
    LIKE = 8  # its title and those of issues that serve the key result
    EPIC_TEXT = 9  # its epic's title and the key result's
    LABEL_TEXT = 10  # its labels and the key result's title


class Table:
    """The signals of some issues for all groups of a model, with what is needed to say why."""

    def __init__(self, issues: Sequence[Seen], kin: Kin, model: Model) -> None:
        self.issues = issues
        self.kin = kin
        self.model = model
        self._column = {group: number for number, group in enumerate(model.groups)}
        self.above = [kin.above(issue) for issue in issues]
        self.label_texts = [" ".join(issue.labels) for issue in issues]
        self.epics = [
            next((one for one in above if one.title and one.cls not in OUT), None) for above in self.above
        ]  # fmt: skip
        self.numbers = np.zeros((len(issues), len(Signal), len(model.groups)))
        titles = [issue.title for issue in issues]
        epic_titles = [epic.title if epic is not None else "" for epic in self.epics]
        alike = model.texts.compare([*titles, *epic_titles, *self.label_texts])
        self.likeness = alike[: len(issues)]
        epic_likeness = alike[len(issues) : 2 * len(issues)]
        label_likeness = alike[2 * len(issues) :]
        for row, issue in enumerate(issues):
            self._relatives(row, issue)
            self._habits(row, issue)
            own = self.likeness[row]
            self.numbers[row, Signal.TEXT, :-1] = _share(own.to_texts, DOUBT["text"])
            self.numbers[row, Signal.LIKE] = _share(own.to_examples, DOUBT["like"])
            self.numbers[row, Signal.EPIC_TEXT, :-1] = _share(epic_likeness[row].to_texts, DOUBT["text"])
            self.numbers[row, Signal.LABEL_TEXT, :-1] = _share(label_likeness[row].to_texts, DOUBT["text"])

    def _relatives(self, row: int, issue: Seen) -> None:
        above = self.above[row]
        for distance, one in enumerate(above):
            for key_result_id, by_hand in self.kin.own.get(one.id, {}).items():
                self._raise(row, Signal.ABOVE, key_result_id, (1.0 if by_hand else RULE_AMONG_KIN) / (1 + distance))
        self._shares(row, Signal.BELOW, self.kin.children.get(issue.id, {}))
        for distance, one in enumerate(above):
            if one.cls in OUT:
                continue
            signal = Signal.BESIDE if distance == 0 else Signal.AROUND
            self._shares(row, signal, self.kin.children.get(one.id, {}), distance)

    def _shares(self, row: int, signal: Signal, groups: Mapping[str, Group], distance: int = 0) -> None:
        strengths = {
            group: one.by_hand + RULE_AMONG_KIN * (one.times - one.by_hand) for group, one in groups.items()
        }  # fmt: skip
        total = sum(strengths.values()) + DOUBT["kin"]
        for group, strength in strengths.items():
            self._raise(row, signal, group, strength / total / max(1, distance))

    def _habits(self, row: int, issue: Seen) -> None:
        for label in issue.labels:
            self._habit(row, Signal.LABEL, self.model.by_label.get(label), DOUBT["label"])
        self._habit(row, Signal.ASSIGNEE, self.model.by_assignee.get(issue.assignee or ""), DOUBT["assignee"])
        self._habit(row, Signal.PROJECT, self.model.by_project.get(issue.project), DOUBT["project"])

    def _habit(self, row: int, signal: Signal, habit: Habit | None, doubt: float) -> None:
        if habit is not None:
            for group in habit.strength:
                self._raise(row, signal, group, habit.share(group, doubt))

    def _raise(self, row: int, signal: Signal, group: str, value: float) -> None:
        """The strongest of several counts; a group that can't be linked to (any more) has no column."""
        column = self._column.get(group)
        if column is not None:
            self.numbers[row, signal, column] = max(self.numbers[row, signal, column], value)


def _share(likeness: Numbers, doubt: float) -> Numbers:
    """How alike one is beside the others: a short title is alike to little, and may still clearly mean one of them."""
    return np.asarray(likeness / (likeness.sum() + doubt))
