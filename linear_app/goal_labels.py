"""A label for every key result, in a group of its own: people link an issue inside Linear by putting the label on it.

Labels are known by id. One that somebody renamed keeps its new name; one that somebody deleted is made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.telemetry import logger
from connector.tracker import IssueUnreadable, TrackerRefused
from linear_app import goal_marks
from linear_app.client import LinearClient, LinearRefused
from linear_app.label_groups import Group, children, find_group, is_usable, make

LONGEST_NAME = 80
GROUP = Group(
    ("OKR", "OKR goals", "Ladder OKR"),
    # An issue may serve more than one key result.
    "multiSelect",
    "Put one of these on an issue, and the issue counts for that key result. Kept by Ladder.",
)


def sync(client: LinearClient, wanted: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Make, restore, rename and retire labels until there is one for each of `wanted` (key result id -> name).

    Returns what to hand in next time: `group`, `labels` (label id -> key result id) and, for ourselves, `names` (label
    id -> the name that we gave it), `retired` (like `labels`), `marks` and `view` (see goal_marks).
    """
    group = find_group(client, known.get("group"), GROUP)
    there = children(client, group)
    labels: dict[str, str] = dict(known.get("labels", {}))
    retired: dict[str, str] = dict(known.get("retired", {}))
    names: dict[str, str] = dict(known.get("names", {}))
    for label_id, key_result_id in list(labels.items()):
        if key_result_id not in wanted:
            _retire(client, label_id)
            retired[label_id] = labels.pop(label_id)
    holders = {key_result_id: label_id for label_id, key_result_id in (*retired.items(), *labels.items())}
    free = {label["name"]: id_ for id_, label in there.items() if id_ not in labels and id_ not in retired}
    for key_result_id, name in sorted(wanted.items()):
        holder = holders.get(key_result_id)
        if holder is not None and is_usable(client, holder, there.get(holder), retired=holder in retired):
            _rename(client, holder, there.get(holder, {}).get("name", names.get(holder)), name, names)
        else:
            if holder is not None:
                logger.info("linear_label_deleted", label=holder, key_result=key_result_id)
                labels.pop(holder, None)
                retired.pop(holder, None)
            # One of that name without an owner: we made it and died before writing it down, or somebody was faster.
            possible = possible_names(name)
            found = next((free.pop(one) for one in possible if one in free), None)
            try:
                holder = found or make(client, group, possible)
            except LinearRefused as error:
                # The others get theirs; people can link to this one in Ladder.
                logger.warning("linear_label_refused", key_result=key_result_id, why=str(error))
                continue
            names[holder] = name
        retired.pop(holder, None)
        labels[holder] = key_result_id
    return {
        **_marks(client, known),
        "group": group,
        "labels": labels,
        "retired": retired,
        "names": {id_: name for id_, name in names.items() if id_ in labels or id_ in retired},
    }


def possible_names(name: str) -> list[str]:
    """Return how a label may be called, best first: somebody's ordinary label may have a key result's title."""
    return [name, *(f"{name[: LONGEST_NAME - len(tail)].rstrip()}{tail}" for tail in (" (OKR)", " (key result)"))]


def _marks(client: LinearClient, known: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what Linear's filters know goals by; whatever stands in its way, people can still link by labels."""
    before: Mapping[str, Any] = known.get("marks") or {}
    try:
        marks = goal_marks.sync(client, before)
    except TrackerRefused as error:
        logger.warning("linear_marks_refused", why=str(error))
        return {"marks": before, "view": known.get("view")}
    return {"marks": marks, "view": goal_marks.sync_view(client, known.get("view"), marks["labels"].values())}


def _rename(client: LinearClient, label_id: str, called: str | None, name: str, names: dict[str, str]) -> None:
    """Follow a key result's new title, unless somebody gave the label a name of their own."""
    given = names.get(label_id)
    if called is not None and given is not None and called != given:
        logger.info("linear_label_renamed", label=label_id)
        return
    if given != name:
        client.run("UpdateLabel", id=label_id, input={"name": name})
        names[label_id] = name


def _retire(client: LinearClient, label_id: str) -> None:
    try:
        client.run("RetireLabel", id=label_id)
    except IssueUnreadable:
        return


def ours(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that Ladder itself puts on issues, and their groups: id -> name."""
    known: Mapping[str, Any] = settings.get("goal_labels") or {}
    given: Mapping[str, str] = known.get("names") or {}
    found = {id_: given.get(id_, "") for id_ in (*(known.get("labels") or ()), *(known.get("retired") or ()))}
    marks: Mapping[str, Any] = known.get("marks") or {}
    for goal_work, id_ in (marks.get("labels") or {}).items():
        found[id_] = goal_marks.NAMES[goal_work][0]
    for group, one in ((GROUP, known), (goal_marks.GROUP, marks)):
        if one.get("group"):
            found[str(one["group"])] = group.names[0]
    return found
