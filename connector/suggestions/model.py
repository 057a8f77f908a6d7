"""What was learned of a workspace, kept in the process as long as nothing that it was learned from has changed."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from connector.suggestions import OpenKeyResult
from connector.suggestions.history import BY_PERSON, Example, read_examples, read_goals
from connector.suggestions.reading import NOT_GOAL_WORK
from connector.suggestions.texts import TextModel

# Workspaces whose model one process keeps; some ten megabytes each, most of it titles that were compared.
KEPT = 8
# Seconds. The revision knows of goals and links, but not of a linked issue that was given another title.
OLDEST = 600.0


@dataclass(frozen=True, slots=True)
class Habit:
    """What issues with something in common (a label, an assignee, a project) serve: strength per key result or team.

    `issues` is how many different issues there are that serve goals, `serving` how many of them each, `example` one.
    """

    strength: Mapping[str, float]
    issues: int
    serving: Mapping[str, int]
    example: Mapping[str, Example]


@dataclass(frozen=True, slots=True)
class Model:
    """Everything known of a workspace that does not depend on the issues asked about.

    `groups` are the key results' ids, then NOT_GOAL_WORK: the columns of every table of numbers.
    """

    key_results: Sequence[OpenKeyResult]
    groups: Sequence[str]
    examples: Sequence[Example]
    texts: TextModel
    by_label: Mapping[str, Habit]
    by_assignee: Mapping[str, Habit]
    by_project: Mapping[str, Habit]
    teams_by_project: Mapping[str, Habit]


def learn(key_results: Sequence[OpenKeyResult], examples: Sequence[Example]) -> Model:
    """Fit a model to what can be linked to and what was linked."""
    groups = [*(one.id for one in key_results), NOT_GOAL_WORK]
    # A key result may have been made while we read.
    examples = [one for one in examples if one.key_result_id in groups]
    teams = {one.id: one.team for one in key_results} | {NOT_GOAL_WORK: NOT_GOAL_WORK}
    by_hand = [one for one in examples if one.strength >= BY_PERSON]
    return Model(
        key_results,
        groups,
        examples,
        TextModel(key_results, groups, examples),
        _habits((label, one.key_result_id, one) for one in examples for label in one.issue.labels),
        _habits((one.issue.assignee, one.key_result_id, one) for one in by_hand if one.issue.assignee),
        _habits((one.issue.project, one.key_result_id, one) for one in by_hand if one.issue.project),
        _habits((one.issue.project, teams[one.key_result_id], one) for one in by_hand if one.issue.project),
    )


class Models:
    """The models of the workspaces of every database in this process, the least recently used given up first."""

    def __init__(self, *, kept: int = KEPT, oldest: float = OLDEST) -> None:
        self._kept = kept
        self._oldest = oldest
        self._lock = threading.Lock()
        self._models: WeakKeyDictionary[Engine, OrderedDict[str, tuple[str, float, Model]]] = WeakKeyDictionary()
        self._learning: WeakKeyDictionary[Engine, dict[str, threading.Lock]] = WeakKeyDictionary()

    def of(self, session: Session, workspace_id: str) -> Model:
        """Return the workspace's model: one statement if it is still true, two if it must be learned."""
        goals = read_goals(session, workspace_id)
        bind = session.get_bind()
        engine = bind.engine if isinstance(bind, Connection) else bind
        known = self._known(engine, workspace_id, goals.revision)
        if known is not None:
            return known
        # Whoever asks for the same workspace meanwhile waits for the one who learns it, instead of learning it as well.
        with self._turn(engine, workspace_id):
            known = self._known(engine, workspace_id, goals.revision)
            if known is None:
                known = learn(goals.key_results, read_examples(session, workspace_id))
                self._keep(engine, workspace_id, goals.revision, known)
        return known

    def _known(self, engine: Engine, workspace_id: str, revision: str) -> Model | None:
        with self._lock:
            models = self._models.get(engine)
            found = models.get(workspace_id) if models is not None else None
            if models is None or found is None or found[0] != revision or time.monotonic() - found[1] > self._oldest:
                return None
            models.move_to_end(workspace_id)
            return found[2]

    def _keep(self, engine: Engine, workspace_id: str, revision: str, model: Model) -> None:
        with self._lock:
            models = self._models.setdefault(engine, OrderedDict())
            models[workspace_id] = (revision, time.monotonic(), model)
            models.move_to_end(workspace_id)
            while len(models) > self._kept:
                gone, _ = models.popitem(last=False)
                self._learning.get(engine, {}).pop(gone, None)

    def _turn(self, engine: Engine, workspace_id: str) -> threading.Lock:
        with self._lock:
            return self._learning.setdefault(engine, {}).setdefault(workspace_id, threading.Lock())


def _habits(cases: Iterable[tuple[str, str, Example]]) -> dict[str, Habit]:
    """Sort by what the issues have in common; each case is that, the group served, and the example."""
    found: defaultdict[str, list[tuple[str, Example]]] = defaultdict(list)
    for name, group, example in cases:
        found[name].append((group, example))
    return {name: _habit(served) for name, served in found.items()}


def _habit(served: Sequence[tuple[str, Example]]) -> Habit:
    strength: defaultdict[str, float] = defaultdict(float)
    serving: Counter[str] = Counter()
    first: dict[str, Example] = {}
    for group, one in served:
        strength[group] += one.strength
        first.setdefault(group, one)
    for group, _ in {(group, one.issue.id) for group, one in served}:
        serving[group] += 1
    return Habit(strength, len({one.issue.id for group, one in served if group != NOT_GOAL_WORK}), serving, first)
