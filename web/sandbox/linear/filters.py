"""Linear's filters, evaluated on records: comparators on fields, filters on relations, `and` and `or`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .records import Cycle, Issue, Label, Project, Team, User, View, WorkflowState

if TYPE_CHECKING:
    from .state import WorkspaceState

Filter = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: bool(value == wanted),
    "neq": lambda value, wanted: bool(value != wanted),
    "in": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
    "lt": lambda value, wanted: value is not None and value < wanted,
    "lte": lambda value, wanted: value is not None and value <= wanted,
    "gt": lambda value, wanted: value is not None and value > wanted,
    "gte": lambda value, wanted: value is not None and value >= wanted,
    "null": lambda value, wanted: (value is None) is wanted,
    "eqIgnoreCase": lambda value, wanted: _folded(value) == _folded(wanted),
    "neqIgnoreCase": lambda value, wanted: _folded(value) != _folded(wanted),
    "contains": lambda value, wanted: wanted in (value or ""),
    "containsIgnoreCase": lambda value, wanted: _folded(wanted) in _folded(value),
    "notContains": lambda value, wanted: wanted not in (value or ""),
    "startsWith": lambda value, wanted: (value or "").startswith(wanted),
    "endsWith": lambda value, wanted: (value or "").endswith(wanted),
}


class Filters:
    """Tells whether a record of one workspace fits a filter."""

    def __init__(self, workspace: WorkspaceState) -> None:
        self._workspace = workspace

    def issue(self, issue: Issue | None, wanted: Filter | None) -> bool:
        if issue is None:
            return _only_null(wanted)
        workspace = self._workspace
        relations: dict[str, Callable[[Any], bool]] = {
            "id": lambda value: self._issue_id(issue, value),
            "state": lambda value: self.state(workspace.state(issue), value),
            "team": lambda value: self.team(workspace.teams[issue.team_id], value),
            "parent": lambda value: self.issue(workspace.issues.get(issue.parent_id or ""), value),
            "cycle": lambda value: self.cycle(workspace.cycles.get(issue.cycle_id or ""), value),
            "project": lambda value: self.project(workspace.projects.get(issue.project_id or ""), value),
            "assignee": lambda value: self.user(workspace.users.get(issue.assignee_id or ""), value),
            "creator": lambda value: self.user(workspace.users.get(issue.creator_id), value),
            "labels": lambda value: self._labels(issue, value),
        }
        return self._fits(issue, wanted, self.issue, relations)

    def label(self, label: Label | None, wanted: Filter | None) -> bool:
        if label is None:
            return _only_null(wanted)
        parent = self._workspace.labels.get(label.parent_id or "")
        return self._fits(label, wanted, self.label, {"parent": lambda value: self.label(parent, value)})

    def team(self, team: Team, wanted: Filter | None) -> bool:
        return self._fits(team, wanted, self.team, {})

    def state(self, state: WorkflowState, wanted: Filter | None) -> bool:
        team = self._workspace.teams[state.team_id]
        return self._fits(state, wanted, self.state, {"team": lambda value: self.team(team, value)})

    def user(self, user: User | None, wanted: Filter | None) -> bool:
        if user is None:
            return _only_null(wanted)
        return self._fits(user, wanted, self.user, {})

    def cycle(self, cycle: Cycle | None, wanted: Filter | None) -> bool:
        if cycle is None:
            return _only_null(wanted)
        phase = self._workspace.cycle_phase(cycle)
        phases = {"isActive": "active", "isFuture": "future", "isPast": "past"}
        relations = {name: _phase_test(phase == word) for name, word in phases.items()}
        team = self._workspace.teams[cycle.team_id]
        relations["isNext"] = _phase_test(cycle is self._workspace.next_cycle(team))
        relations["team"] = lambda value: self.team(team, value)
        return self._fits(cycle, wanted, self.cycle, relations)

    def project(self, project: Project | None, wanted: Filter | None) -> bool:
        return _only_null(wanted) if project is None else self._fits(project, wanted, self.project, {})

    def view(self, view: View, wanted: Filter | None) -> bool:
        return self._fits(view, wanted, self.view, {})

    def _labels(self, issue: Issue, wanted: Filter) -> bool:
        labels = self._workspace.labels_of(issue)
        special = ("some", "every", "length", "null", "and", "or")
        plain = {name: value for name, value in wanted.items() if name not in special}
        return (
            (not plain or any(self.label(one, plain) for one in labels))
            and ("some" not in wanted or any(self.label(one, wanted["some"]) for one in labels))
            and ("every" not in wanted or all(self.label(one, wanted["every"]) for one in labels))
            and ("length" not in wanted or compares(len(labels), wanted["length"]))
            and ("null" not in wanted or (not labels) is wanted["null"])
            and all(self._labels(issue, one) for one in wanted.get("and") or ())
            and ("or" not in wanted or any(self._labels(issue, one) for one in wanted["or"]))
        )

    def _issue_id(self, issue: Issue, wanted: Filter) -> bool:
        """Issues may be named by UUID or by identifier, here too."""
        names = {issue.id, issue.identifier}
        tests = {
            "eq": lambda value: value in names,
            "neq": lambda value: value not in names,
            "in": lambda value: bool(names & set(value)),
            "nin": lambda value: not names & set(value),
        }
        return all(tests[name](value) for name, value in wanted.items())

    def _fits(
        self,
        record: Any,
        wanted: Filter | None,
        again: Callable[[Any, Filter | None], bool],
        relations: Mapping[str, Callable[[Any], bool]],
    ) -> bool:
        for name, value in (wanted or {}).items():
            if value is None:
                continue
            if name == "and":
                good = all(again(record, one) for one in value)
            elif name == "or":
                good = any(again(record, one) for one in value)
            elif name == "null":
                good = value is False
            elif name in relations:
                good = relations[name](value)
            else:
                good = compares(getattr(record, snake(name)), value)
            if not good:
                return False
        return True


def compares(value: Any, comparator: Filter) -> bool:
    """Whether a value passes every test of a comparator."""
    if isinstance(value, datetime):
        # Times are compared as they are written: whole milliseconds.
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    return all(_COMPARE[name](value, wanted) for name, wanted in comparator.items() if wanted is not None)


def snake(name: str) -> str:
    """`updatedAt` as our attributes are called."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _phase_test(actual: bool) -> Callable[[Any], bool]:
    return lambda comparator: compares(actual, comparator)


def _only_null(wanted: Filter | None) -> bool:
    """Nothing fits a filter on a relation that is empty, unless the filter asks for that, or for nothing."""
    return not wanted or wanted.get("null") is True


def _folded(text: Any) -> str:
    return str(text or "").casefold()
