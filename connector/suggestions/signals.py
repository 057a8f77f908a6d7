"""The signals: numbers from 0 to 1 that say, each in its own way, which key result an issue serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np

from connector.suggestions.model import Habit, Model
from connector.suggestions.reading import OUT, Kin, Seen
from connector.suggestions.texts import Numbers

# A rule's link among relatives, beside a person's: a rule that covers the sibling does not cover this one.
RULE_AMONG_KIN = 0.3
# Pulls thin evidence towards 0: one sibling of one is half a proof, five of five are five sixths of one.
DOUBT = 1.0
# The same for likeness, which is far below 1 for short titles even where they clearly mean the same.
DOUBT_TEXT = 0.05
DOUBT_LIKE = 0.3
# How much the step from nobody to somebody says beside the step from some to many. In the folds of the tuning 100 told
# more than 30, and 30 more than counting straight.
STEEPNESS = 100.0


class Signal(IntEnum):
    """What can speak for a key result; the number is its row in the table of numbers."""

    ABOVE = 0  # what its epic and everything above it are linked to
    BELOW = 1  # what its children are linked to
    BESIDE = 2  # what its siblings are linked to
    AROUND = 3  # what its epic's siblings are linked to
    LABEL = 4  # what issues with one of its labels serve
    ASSIGNEE = 5  # what people linked of the same assignee
    PROJECT = 6  # what people linked of the same project
    TEAM = 7  # whose goals people linked issues of the same project to
    TEXT = 8  # its title and the key result's
    LIKE = 9  # its title and those of issues that serve the key result
    EPIC_TEXT = 10  # its epic's title and the key result's
    LABEL_TEXT = 11  # its labels and the key result's title


class Table:
    """The signals of issues for every group of a model, issues × signals × groups, and what it takes to say why."""

    def __init__(self, issues: Sequence[Seen], kin: Kin, model: Model) -> None:
        self.issues = issues
        self.kin = kin
        self.model = model
        self.above = [kin.above(issue) for issue in issues]
        self.epics = [next((one for one in above if one.title and one.cls not in OUT), None) for above in self.above]
        self.numbers = np.zeros((len(issues), len(Signal), len(model.groups)))
        self._column = {group: number for number, group in enumerate(model.groups)}
        self._teams = [*(one.team for one in model.key_results), model.groups[-1]]
        # Many issues have one epic, one label, one project: what that says is worked out once.
        self._known: dict[tuple[int, object], Numbers] = {}
        for row, issue in enumerate(issues):
            self._relatives(row, issue)
            self._habits(row, issue)
        self._texts()

    def _relatives(self, row: int, issue: Seen) -> None:
        numbers = self.numbers[row]
        for distance, one in enumerate(self.above[row]):
            for key_result_id, by_hand in self.kin.own.get(one.id, {}).items():
                column = self._column.get(key_result_id)
                if column is not None:
                    near = (1.0 if by_hand else RULE_AMONG_KIN) / (1 + distance)
                    numbers[Signal.ABOVE, column] = max(numbers[Signal.ABOVE, column], near)
            if one.cls not in OUT:
                signal = Signal.BESIDE if distance == 0 else Signal.AROUND
                np.maximum(numbers[signal], self._children(one.id) / max(1, distance), out=numbers[signal])
        numbers[Signal.BELOW] = self._children(issue.id)

    def _habits(self, row: int, issue: Seen) -> None:
        numbers, model = self.numbers[row], self.model
        for label in issue.labels:
            np.maximum(numbers[Signal.LABEL], self._habit(model.by_label, label), out=numbers[Signal.LABEL])
        numbers[Signal.ASSIGNEE] = _steep(self._habit(model.by_assignee, issue.assignee))
        numbers[Signal.PROJECT] = self._habit(model.by_project, issue.project)
        numbers[Signal.TEAM] = self._habit(model.teams_by_project, issue.project, self._teams)

    def _texts(self) -> None:
        texts = [
            *(issue.title for issue in self.issues),
            *(epic.title if epic is not None else "" for epic in self.epics),
            *(" ".join(issue.labels) for issue in self.issues),
        ]
        alike = self.model.texts.compare(texts)
        count = len(self.issues)
        self.nearest = alike.nearest[:count]
        for place, signal in enumerate((Signal.TEXT, Signal.EPIC_TEXT, Signal.LABEL_TEXT)):
            self.numbers[:, signal, :-1] = _share(alike.to_texts[place * count : (place + 1) * count], DOUBT_TEXT)
        self.numbers[:, Signal.LIKE] = _share(alike.to_examples[:count], DOUBT_LIKE)

    def _children(self, parent_id: int) -> Numbers:
        """What the children of an issue say: how much of what they serve goes to each group."""
        known = self._known.get((0, parent_id))
        if known is None:
            groups = self.kin.children.get(parent_id, {})
            strength = {
                group: one.by_hand + RULE_AMONG_KIN * (one.times - one.by_hand) for group, one in groups.items()
            }
            known = _steep(self._row(strength, self.model.groups))
            self._known[0, parent_id] = known
        return known

    def _habit(self, habits: Mapping[str, Habit], name: str | None, groups: Sequence[str] | None = None) -> Numbers:
        known = self._known.get((id(habits), name))
        if known is None:
            habit = habits.get(name) if name else None
            known = self._row(habit.strength if habit is not None else {}, groups or self.model.groups)
            self._known[id(habits), name] = known
        return known

    @staticmethod
    def _row(strength: Mapping[str, float], groups: Sequence[str]) -> Numbers:
        """Shares of the strength, what goes to groups that can't be linked to (any more) included in the whole."""
        total = sum(strength.values()) + DOUBT
        return np.array([strength.get(group, 0.0) / total for group in groups])


def _steep(shares: Numbers) -> Numbers:
    return np.asarray(np.log1p(STEEPNESS * shares) / np.log1p(STEEPNESS))


def _share(likeness: Numbers, doubt: float) -> Numbers:
    """How alike one is beside the others: a short title is alike to little, and may still clearly mean one of them."""
    return np.asarray(likeness / (likeness.sum(axis=1, keepdims=True) + doubt))
