"""Change items of Jira's changelog, with the field names and the from/to habits of each field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .catalogue import COMPANY_POINTS, RANK_FIELD, SPRINT_FIELD, TEAM_POINTS
from .records import Issue, IssueType, Person, Project, Resolution, Sprint, Status

Item = dict[str, Any]


def _item(
    field: str,
    before: tuple[str | None, str | None],
    after: tuple[str | None, str | None],
    *,
    field_id: str | None = None,
    field_type: str = "jira",
) -> Item:
    return {
        "field": field,
        "fieldtype": field_type,
        "fieldId": field_id or field,
        "from": before[0],
        "fromString": before[1],
        "to": after[0],
        "toString": after[1],
    }


def summary(before: str | None, after: str) -> Item:
    return _item("summary", (None, before), (None, after))


def description(before: str | None, after: str) -> Item:
    return _item("description", (None, before or None), (None, after or None))


def labels(before: Sequence[str], after: Sequence[str]) -> Item:
    return _item("labels", (None, " ".join(before)), (None, " ".join(after)))


def status(before: Status | None, after: Status) -> Item:
    return _item("status", (before.id, before.name) if before else (None, None), (after.id, after.name))


def resolution(before: Resolution | None, after: Resolution | None) -> Item:
    return _item(
        "resolution",
        (before.id, before.name) if before else (None, None),
        (after.id, after.name) if after else (None, None),
    )


def assignee(before: Person | None, after: Person | None) -> Item:
    return _item(
        "assignee",
        (before.account_id, before.name) if before else (None, None),
        (after.account_id, after.name) if after else (None, None),
    )


def points(field_id: str, before: float | None, after: float | None) -> Item:
    name = {COMPANY_POINTS: "Story Points", TEAM_POINTS: "Story point estimate"}[field_id]
    return _item(name, (None, _number(before)), (None, _number(after)), field_id=field_id, field_type="custom")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def parent(before: Issue | None, after: Issue | None, *, of_subtask: bool) -> Item:
    return _item(
        "Parent" if of_subtask else "IssueParentAssociation",
        (before.id, before.key) if before else (None, None),
        (after.id, after.key) if after else (None, None),
        field_id="parent" if of_subtask else "IssueParentAssociation",
    )


def project(before: Project, after: Project) -> Item:
    return _item("project", (before.id, before.name), (after.id, after.name))


def key(before: str, after: str) -> Item:
    return _item("Key", (None, before), (None, after))


def issue_type(before: IssueType, after: IssueType) -> Item:
    return _item("issuetype", (before.id, before.name), (after.id, after.name))


def sprints(before: Sequence[Sprint], after: Sequence[Sprint]) -> Item:
    def side(sprints: Sequence[Sprint]) -> tuple[str, str]:
        return ", ".join(str(one.id) for one in sprints), ", ".join(one.name for one in sprints)

    return _item("Sprint", side(before), side(after), field_id=SPRINT_FIELD, field_type="custom")


def rank(higher: bool) -> Item:
    words = "Ranked higher" if higher else "Ranked lower"
    return _item("Rank", ("", ""), ("", words), field_id=RANK_FIELD, field_type="custom")


def link(added: bool, other: Issue, phrase: str) -> Item:
    side = (other.key, f"This issue {phrase} {other.key}")
    return _item("Link", (None, None) if added else side, side if added else (None, None), field_id="issuelinks")
