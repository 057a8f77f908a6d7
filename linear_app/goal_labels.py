"""A label for every key result, in a group of its own: people link an issue inside Linear by putting the label on it.

Labels are known by id. One that somebody renamed keeps its new name; one that somebody deleted is made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from connector.telemetry import logger
from connector.tracker import IssueUnreadable, TrackerRefused
from linear_app.client import LinearClient

# Label names are unique in a workspace: the first of these that is not somebody's ordinary label becomes the group.
GROUP_NAMES = ("OKR", "OKR goals", "Ladder OKR")
COLOR = "#5E6AD2"
ABOUT = "Put one of these on an issue, and the issue counts for that key result. Kept by Ladder."


def sync(client: LinearClient, wanted: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Make, restore, rename and retire labels until there is one for each of `wanted` (key result id -> name).

    Returns what to hand in next time: `group`, `labels` (label id -> key result id) and, for ourselves, `names` (label
    id -> the name that we gave it) and `retired` (like `labels`).
    """
    group = _group(client, known.get("group"))
    there = _children(client, group)
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
        if holder is not None and _kept(client, holder, there.get(holder), retired=holder in retired):
            _rename(client, holder, there.get(holder, {}).get("name", names.get(holder)), name, names)
        else:
            if holder is not None:
                logger.info("linear_label_deleted", label=holder, key_result=key_result_id)
                labels.pop(holder, None)
                retired.pop(holder, None)
            # One of that name without an owner: we made it and died before writing it down, or somebody was faster.
            holder = free.pop(name, None) or _make(client, group, name)
            names[holder] = name
        retired.pop(holder, None)
        labels[holder] = key_result_id
    return {
        "group": group,
        "labels": labels,
        "retired": retired,
        "names": {id_: name for id_, name in names.items() if id_ in labels or id_ in retired},
    }


def _group(client: LinearClient, known: object) -> str:
    """Return the group's id: the known one if it is still there, one of its name, or a new one."""
    if isinstance(known, str):
        if any(label["isGroup"] for label in _labels(client, {"id": {"eq": known}})):
            return known
        logger.info("linear_label_group_deleted", label=known)
    taken = {label["name"]: label for label in _labels(client, {"name": {"in": list(GROUP_NAMES)}})}
    for name in GROUP_NAMES:
        found = taken.get(name)
        if found is not None and found["isGroup"] and found["team"] is None and found["retiredAt"] is None:
            return str(found["id"])
        if found is None:
            # Several: an issue may serve more than one key result.
            return _create(client, name=name, isGroup=True, groupType="multiSelect", color=COLOR, description=ABOUT)
    raise TrackerRefused(f"Linear has ordinary labels named {', '.join(GROUP_NAMES)}: rename one of them")


def _children(client: LinearClient, group: str) -> dict[str, dict[str, Any]]:
    return {label["id"]: label for label in _labels(client, {"parent": {"id": {"eq": group}}})}


def _labels(client: LinearClient, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [label for page in client.pages("Labels", "issueLabels", filter=wanted) for label in page]


def _kept(client: LinearClient, label_id: str, label: Mapping[str, Any] | None, *, retired: bool) -> bool:
    """Tell whether the label still is to be used, bringing a retired one back; False if it was deleted."""
    if label is not None and label["retiredAt"] is None and not retired:
        return True
    try:
        # Whether retired labels are listed is not documented, so absence alone does not mean that it was deleted.
        client.run("RestoreLabel", id=label_id)
    except (IssueUnreadable, TrackerRefused):
        return False
    return True


def _make(client: LinearClient, group: str, name: str) -> str:
    return _create(client, name=name, parentId=group, color=COLOR)


def _create(client: LinearClient, **fields: Any) -> str:
    made = client.run("CreateLabel", input={"id": str(uuid4()), **fields})["issueLabelCreate"]
    return str(made["issueLabel"]["id"])


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
    names = {str(id_): str(name) for id_, name in (known.get("names") or {}).items()}
    labels = {id_: names.get(id_, "") for id_ in (*(known.get("labels") or ()), *(known.get("retired") or ()))}
    group = {str(known["group"]): GROUP_NAMES[0]} if known.get("group") else {}
    return {**labels, **group}
