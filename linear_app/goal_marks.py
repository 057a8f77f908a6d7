"""What Linear's own filters know of goals: a label on what ladders into a goal, another on business as usual, and a
shared view of what has neither.

An issue that should have neither has no label, so that nothing is written on most of a backlog.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from connector.telemetry import logger
from connector.tracker import GoalMark, IssueUnreadable, TrackerRefused, TrackerUnavailable
from linear_app import issue_labels
from linear_app.client import LinearClient
from linear_app.label_groups import Group, children, find_group, is_usable, make

GROUP = Group(
    ("Goal work", "Goal work (Ladder)", "Ladder goal work"),
    # One or the other, never both.
    "singleSelect",
    "Whether an issue ladders into a key result. Kept by Ladder: link issues there, or by a label of the group OKR.",
)
# `GoalMark.goal_work` -> the names that its label may have; the first that is free is taken.
NAMES: Mapping[str, Sequence[str]] = {
    "aligned": ("Aligned", "Aligned with goals", "Aligned (Ladder)"),
    "business as usual": ("Business as usual", "Business as usual (goals)", "Business as usual (Ladder)"),
}
ABOUT = {
    "aligned": "Ladders into a key result, itself or through an issue above it. Kept by Ladder.",
    "business as usual": "Declared not to be goal work. Kept by Ladder.",
}
VIEW = "Unaligned issues in this cycle"
ABOUT_VIEW = "Open issues of the running cycle that ladder into no key result and are not declared business as usual."
# Seconds, after which the labels should be there.
MADE_IN = 10.0
FINISHED = ("completed", "canceled", "duplicate")


def sync(client: LinearClient, known: Mapping[str, Any]) -> dict[str, Any]:
    """Make or restore the group and its labels; return them: `group` (id) and `labels` (goal work -> label id)."""
    group = find_group(client, known.get("group"), GROUP)
    there = children(client, group)
    before: Mapping[str, str] = known.get("labels") or {}
    kept: dict[str, str] = {}
    for goal_work, names in NAMES.items():
        label_id = before.get(goal_work)
        if label_id is None or not is_usable(client, label_id, there.get(label_id)):
            # One of that name without an owner: we made it and died before writing it down.
            named = (id_ for id_, one in there.items() if one["name"] in names and one["retiredAt"] is None)
            label_id = next(named, None) or make(client, group, names, about=ABOUT[goal_work])
        kept[goal_work] = label_id
    return {"group": group, "labels": kept}


def sync_view(client: LinearClient, known: Mapping[str, Any] | None, labels: Iterable[str]) -> dict[str, Any] | None:
    """Make the shared view once, and have it follow the labels; return what to hand in next time.

    One that somebody deleted is never made again. None while Linear does not let us make it.
    """
    wanted = sorted(labels)
    try:
        if known is None:
            return {"id": _existing(client, wanted) or _create(client, wanted), "labels": wanted}
        if known["labels"] != wanted:
            client.run("UpdateView", id=known["id"], input={"filterData": unaligned(wanted)})
    except IssueUnreadable:
        logger.info("linear_view_deleted", view=known["id"] if known else None)
    except TrackerRefused as error:
        # A convenience: the labels are of use without it.
        logger.warning("linear_view_refused", why=str(error))
        return dict(known) if known else None
    return {**(known or {}), "labels": wanted} if known else None


def unaligned(labels: Sequence[str]) -> dict[str, Any]:
    """Return the filter of what is open in the running cycle and has none of these labels."""
    return {
        "cycle": {"isActive": {"eq": True}},
        "state": {"type": {"nin": list(FINISHED)}},
        # Said twice for issues without any label: whether "every label" is true of none is not documented.
        "or": [{"labels": {"length": {"eq": 0}}}, {"labels": {"every": {"id": {"nin": list(labels)}}}}],
    }


def labels_in(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels as they are known: goal work -> label id. Raises TrackerUnavailable while they are being made,
    TrackerRefused if they can't be.
    """
    kept: Mapping[str, Any] = settings.get("goal_labels") or {}
    if "marks" not in kept:
        # Made by one errand at a time, so that there are never two of a kind.
        raise TrackerUnavailable("The labels of goal work are still to be made in Linear", MADE_IN)
    labels: Mapping[str, str] = kept["marks"].get("labels") or {}
    if not labels:
        raise TrackerRefused(f"Linear has ordinary labels named {', '.join(GROUP.names)}: rename one of them")
    return labels


def show(client: LinearClient, labels: Mapping[str, str], marks: Mapping[str, GoalMark]) -> None:
    """Put the right one of the two labels on each issue, or take both off; what is right already is left alone.

    `labels`: goal work -> label id. Archived issues are left as they are: no view of a cycle shows them.
    """
    ours = set(labels.values())
    changes: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for nodes in client.pages("LabelsOfIssues", "issues", filter={"id": {"in": sorted(marks)}}):
        for node in nodes:
            if node["trashed"] or node["archivedAt"] is not None or node["id"] not in marks:
                continue
            has = ours & set(node["labelIds"])
            wanted = {labels[word] for word in (marks[node["id"]].goal_work,) if word in labels}
            if has != wanted:
                change = tuple(sorted(wanted - has)), tuple(sorted(has - wanted))
                changes.setdefault(change, []).append(node["id"])
    for (add, remove), issue_ids in sorted(changes.items()):
        issue_labels.change(client, sorted(issue_ids), add, remove)


def _existing(client: LinearClient, labels: Sequence[str]) -> str | None:
    """Return the view that we made and died before writing it down: it has our name and goes by our labels."""
    named = {"name": {"eq": VIEW}, "shared": {"eq": True}}
    for nodes in client.pages("Views", "customViews", filter=named):
        for node in nodes:
            if all(label in json.dumps(node["filterData"]) for label in labels):
                return str(node["id"])
    return None


def _create(client: LinearClient, labels: Sequence[str]) -> str:
    fresh = {"id": str(uuid4()), "name": VIEW, "description": ABOUT_VIEW, "shared": True}
    made = client.run("CreateView", input={**fresh, "filterData": unaligned(labels)})["customViewCreate"]
    return str(made["customView"]["id"])
