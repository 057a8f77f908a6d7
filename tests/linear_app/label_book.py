"""A workspace that keeps labels and views as Linear does, behind the API of `tests.linear_app.acme`."""

from __future__ import annotations

from typing import Any

from linear_app import goal_labels, goal_marks
from tests.linear_app.acme import Linear, page, refusal


class Labels:
    """Linear's labels: names are unique, retired ones may or may not be listed."""

    def __init__(self, linear: Linear, *, lists_retired: bool) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.lists_retired = lists_retired
        self.writes: list[str] = []
        self.fail_after: int | None = None
        linear.always("Labels", self._list)
        linear.always("CreateLabel", self._create)
        linear.always("UpdateLabel", self._update)
        linear.always("RetireLabel", lambda asked: self._retire(asked, "issueLabelRetire", "2026-11-20T10:00:00Z"))
        linear.always("RestoreLabel", lambda asked: self._retire(asked, "issueLabelRestore", None))
        self.views: dict[str, dict[str, Any]] = {}
        linear.always("Views", lambda asked: {"customViews": page(*self.views.values())})
        linear.always("CreateView", self._create_view)
        linear.always("UpdateView", self._update_view)

    def add(self, label_id: str, name: str, *, group: bool = False, parent: str | None = None) -> None:
        """Put a label there by hand."""
        self.kept[label_id] = {
            "id": label_id,
            "name": name,
            "isGroup": group,
            "retiredAt": None,
            "team": None,
            "parent": {"id": parent} if parent else None,
        }

    def live(self) -> dict[str, str]:
        """Return the names of labels that can be put on issues to link them, with their ids."""
        return {
            one["name"]: id_ for id_, one in self._usable().items() if self._group_of(one) not in goal_marks.GROUP.names
        }

    def marks(self) -> dict[str, str]:
        """Return the names of the labels that say what an issue is, with their ids."""
        return {
            one["name"]: id_ for id_, one in self._usable().items() if self._group_of(one) in goal_marks.GROUP.names
        }

    def _usable(self) -> dict[str, dict[str, Any]]:
        return {id_: one for id_, one in self.kept.items() if not one["isGroup"] and not one["retiredAt"]}

    def _group_of(self, label: dict[str, Any]) -> str:
        group = self.kept.get((label["parent"] or {}).get("id", ""))
        return str(group["name"]) if group is not None else ""

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked["filter"]
        found = [
            one
            for one in self.kept.values()
            if (self.lists_retired or not one["retiredAt"])
            and ("name" not in wanted or one["name"] in wanted["name"]["in"])
            and ("id" not in wanted or one["id"] == wanted["id"]["eq"])
            and ("parent" not in wanted or (one["parent"] or {}).get("id") == wanted["parent"]["id"]["eq"])
        ]
        return {"issueLabels": page(*found)}

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        said = asked["input"]
        if self._broken("create"):
            return refusal("INTERNAL_SERVER_ERROR")
        if any(one["name"] == said["name"] for one in self.kept.values()):
            return refusal("INVALID_INPUT", "Duplicate label name")
        if said.get("isGroup"):
            kinds = {**dict.fromkeys(goal_labels.GROUP.names, "multiSelect")}
            kinds |= dict.fromkeys(goal_marks.GROUP.names, "singleSelect")
            assert said["groupType"] == kinds[said["name"]]
        self.add(said["id"], said["name"], group=said.get("isGroup", False), parent=said.get("parentId"))
        return {"issueLabelCreate": {"success": True, "issueLabel": {"id": said["id"]}}}

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._broken("update")
        self.kept[asked["id"]]["name"] = asked["input"]["name"]
        return {"issueLabelUpdate": {"success": True}}

    def _retire(self, asked: dict[str, Any], field: str, at: str | None) -> dict[str, Any]:
        self._broken(field)
        if asked["id"] not in self.kept:
            return refusal("ENTITY_NOT_FOUND")
        self.kept[asked["id"]]["retiredAt"] = at
        return {field: {"success": True}}

    def _broken(self, what: str) -> bool:
        self.writes.append(what)
        return self.fail_after is not None and len(self.writes) > self.fail_after

    def _create_view(self, asked: dict[str, Any]) -> dict[str, Any]:
        said = asked["input"]
        self.writes.append("view")
        self.views[said["id"]] = said
        return {"customViewCreate": {"success": True, "customView": {"id": said["id"]}}}

    def _update_view(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.writes.append("view")
        if asked["id"] not in self.views:
            return refusal("ENTITY_NOT_FOUND")
        self.views[asked["id"]] |= asked["input"]
        return {"customViewUpdate": {"success": True}}
