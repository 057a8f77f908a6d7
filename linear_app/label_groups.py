"""Groups of labels that Ladder keeps in a workspace: found again, joined, or made under a name that is free.

Label names are unique in a workspace, whatever group they are in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from connector.telemetry import logger
from connector.tracker import IssueUnreadable, TrackerRefused
from linear_app.client import LinearClient, LinearRefused

COLOR = "#5E6AD2"

Label = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is to be made: the first of `names` that is not somebody's ordinary label is its name."""

    names: Sequence[str]
    kind: Literal["singleSelect", "multiSelect"]
    about: str


def find_group(client: LinearClient, known: object, group: Group) -> str:
    """Return the group's id: the known one if it is still there, one of its name, or a new one."""
    if isinstance(known, str):
        if any(label["isGroup"] for label in labels(client, {"id": {"eq": known}})):
            return known
        logger.info("linear_label_group_deleted", label=known)
    taken = {label["name"]: label for label in labels(client, {"name": {"in": list(group.names)}})}
    for name in group.names:
        found = taken.get(name)
        if found is not None and found["isGroup"] and found["team"] is None and found["retiredAt"] is None:
            return str(found["id"])
        if found is None:
            return _create(client, name=name, isGroup=True, groupType=group.kind, color=COLOR, description=group.about)
    raise TrackerRefused(f"Linear has ordinary labels named {', '.join(group.names)}: rename one of them")


def children(client: LinearClient, group: str) -> dict[str, Label]:
    """Return the labels of a group by their id."""
    return {label["id"]: label for label in labels(client, {"parent": {"id": {"eq": group}}})}


def labels(client: LinearClient, wanted: Mapping[str, Any]) -> list[Label]:
    """Read the labels that a filter matches."""
    return [label for page in client.pages("Labels", "issueLabels", filter=wanted) for label in page]


def is_usable(client: LinearClient, label_id: str, label: Label | None, *, retired: bool = False) -> bool:
    """Tell whether a label can be put on issues, bringing a retired one back; False if it was deleted."""
    if label is not None and label["retiredAt"] is None and not retired:
        return True
    try:
        # Whether retired labels are listed is not documented, so absence alone does not mean that it was deleted.
        client.run("RestoreLabel", id=label_id)
    except (IssueUnreadable, TrackerRefused):
        return False
    return True


def make(client: LinearClient, group: str, names: Sequence[str], *, about: str | None = None) -> str:
    """Make a label in a group, under the first of these names that Linear takes; raises TrackerRefused."""
    described = {"description": about} if about else {}
    for name in names[:-1]:
        try:
            return _create(client, name=name, parentId=group, color=COLOR, **described)
        except LinearRefused as error:
            logger.info("linear_label_name_taken", name=name, why=str(error))
    return _create(client, name=names[-1], parentId=group, color=COLOR, **described)


def _create(client: LinearClient, **fields: Any) -> str:
    made = client.run("CreateLabel", input={"id": str(uuid4()), **fields})["issueLabelCreate"]
    return str(made["issueLabel"]["id"])
