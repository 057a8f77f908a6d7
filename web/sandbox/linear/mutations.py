"""What the application may change. Everything is done in the name of the user behind its token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .filters import snake
from .look_ups import Refused
from .records import Issue, Label
from .resolvers import Resolvers
from .state import NotAllowedError, NotFoundError

Input = Mapping[str, Any]
MOST_AT_ONCE = 50


class Mutations(Resolvers):
    """The mutations of the schema, on top of what can be asked."""

    def mutate(self, name: str, arguments: Input) -> dict[str, Any]:
        """Run a mutation by its name in the schema."""
        self.asker.demand("write", "admin", "issues:create") if name == "issueCreate" else self.asker.demand("write")
        try:
            answer = self._commands()[name](**arguments)
        except NotAllowedError as error:
            raise Refused("INPUT_ERROR", str(error)) from error
        except NotFoundError as error:
            raise self.not_found(error.entity) from error
        return {"success": True, "lastSyncId": float(self.workspace.version), **answer}

    def _commands(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {
            "issueCreate": self._create_issue,
            "issueUpdate": self._update_issue,
            "issueBatchUpdate": self._update_issues,
            "issueRelationCreate": self._create_relation,
            "issueRelationDelete": self._delete_relation,
            "entityExternalLinkCreate": self._create_external_link,
            "entityExternalLinkUpdate": self._update_external_link,
            "entityExternalLinkDelete": self._delete_external_link,
            "customViewCreate": self._create_view,
            "customViewUpdate": self._update_view,
            "customViewDelete": self._delete_view,
            "issueArchive": self._archive_issue,
            "issueUnarchive": self._unarchive_issue,
            "issueDelete": self._delete_issue,
            "issueAddLabel": self._add_label,
            "issueRemoveLabel": self._remove_label,
            "issueLabelCreate": self._create_label,
            "issueLabelUpdate": self._update_label,
            "issueLabelRetire": self._retire_label,
            "issueLabelRestore": self._restore_label,
            "issueLabelDelete": self._delete_label,
            "attachmentCreate": self._create_attachment,
            "attachmentUpdate": self._update_attachment,
            "attachmentDelete": self._delete_attachment,
        }

    # -- issues

    def _create_issue(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - the argument's name in the schema
        if not input.get("title"):
            raise Refused("INPUT_ERROR", "title should not be empty")
        team = self.team(input["teamId"])
        labels = [self.find_label(one) for one in input.get("labelIds") or ()]
        self._check_exclusive(labels)
        issue = self.workspace.create_issue(
            input["title"],
            team=team,
            parent=self.find_issue(input["parentId"]) if input.get("parentId") else None,
            estimate=input.get("estimate"),
            state=input.get("stateId") or "backlog",
            labels=labels,
            assignee=input.get("assigneeId"),
            cycle=input.get("cycleId"),
            project=input.get("projectId"),
            priority=input.get("priority") or 0,
            description=input.get("description"),
            id=input.get("id"),
            by=self.asker.user,
        )
        return {"issue": issue}

    def _update_issue(self, *, id: str, input: Input) -> dict[str, Any]:  # noqa: A002 - the arguments' names
        issue, workspace, by = self.find_issue(id), self.workspace, self.asker.user
        labels = _labels_after(issue, input)
        found = [self.find_label(one) for one in labels]
        self._check_exclusive(found)
        if labels != issue.label_ids:
            workspace.set_labels(issue, found, by=by)
        words = {name: input[name] for name in ("title", "description", "priority") if name in input}
        if words:
            workspace.edit(issue, **words, by=by)
        if input.get("stateId"):
            workspace.transition(issue, input["stateId"], by=by)
        if "estimate" in input:
            workspace.estimate(issue, input["estimate"], by=by)
        if "parentId" in input:
            above = self.find_issue(input["parentId"]) if input["parentId"] else None
            workspace.set_parent(issue, above, by=by)
        if "assigneeId" in input:
            workspace.assign(issue, input["assigneeId"], by=by)
        if "cycleId" in input:
            workspace.set_cycle(issue, input["cycleId"], by=by)
        if "projectId" in input:
            workspace.set_project(issue, input["projectId"], by=by)
        return {"issue": issue}

    def _update_issues(self, *, ids: Sequence[str], input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        """The same change for many: all of them or none."""
        if not 1 <= len(ids) <= MOST_AT_ONCE:
            raise Refused("INVALID_INPUT", f"Argument Validation Error: ids must have 1 to {MOST_AT_ONCE} elements")
        # Identifiers are not taken here, unlike elsewhere.
        if any(one not in self.workspace.issues for one in ids):
            raise self.not_found("Issue")
        found = [self.find_issue(one) for one in ids]
        cycle = self.find_cycle(input["cycleId"]) if input.get("cycleId") else None
        if cycle is not None and any(one.team_id != cycle.team_id for one in found):
            raise NotAllowedError(f"{cycle.title} belongs to another team.")
        for one in found:
            self._check_exclusive([self.find_label(label) for label in _labels_after(one, input)])
        for one in found:
            self._update_issue(id=one.id, input=input)
        return {"issues": found}

    def _create_relation(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        issue, related = self.find_issue(input["issueId"]), self.find_issue(input["relatedIssueId"])
        made = self.workspace.relate(issue, input["type"], related, id=input.get("id"), by=self.asker.user)
        return {"issueRelation": made}

    def _delete_relation(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        relation = self.find_relation(id)
        self.workspace.unrelate(relation, by=self.asker.user)
        return {"entityId": relation.id}

    # -- links on cycles, views

    def _create_external_link(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        if not input.get("cycleId"):
            raise Refused("INPUT_ERROR", "Exactly one of the entities that can carry a link is needed")
        cycle = self.find_cycle(input["cycleId"])
        more = {"id": input.get("id"), "sort_order": input.get("sortOrder")}
        link = self.workspace.add_external_link(cycle, input["url"], input["label"], **more, by=self.asker.user)
        return {"entityExternalLink": link}

    def _update_external_link(self, *, id: str, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        names = {"url": "url", "label": "label", "sortOrder": "sort_order"}
        changes = {names[name]: value for name, value in input.items() if value is not None}
        link = self.workspace.edit_external_link(self.find_external_link(id), **changes)
        return {"entityExternalLink": link}

    def _delete_external_link(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        link = self.find_external_link(id)
        self.workspace.remove_external_link(link)
        return {"entityId": link.id}

    def _create_view(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        view = self.workspace.create_view(
            input["name"],
            input.get("filterData") or {},
            shared=bool(input.get("shared")),
            description=input.get("description"),
            icon=input.get("icon"),
            color=input.get("color"),
            team=self.team(input["teamId"]) if input.get("teamId") else None,
            id=input.get("id"),
            by=self.asker.user,
        )
        return {"customView": view}

    def _update_view(self, *, id: str, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        return {"customView": self.workspace.edit_view(self.find_view(id), **{snake(k): v for k, v in input.items()})}

    def _delete_view(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        view = self.find_view(id)
        self.workspace.delete_view(view)
        return {"entityId": view.id}

    def _archive_issue(self, *, id: str, trash: bool | None = None) -> dict[str, Any]:  # noqa: A002 - as above
        issue = self.find_issue(id)
        command = self.workspace.trash if trash else self.workspace.archive
        return {"entity": command(issue, by=self.asker.user)}

    def _unarchive_issue(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        return {"entity": self.workspace.unarchive(self.find_issue(id), by=self.asker.user)}

    def _delete_issue(self, *, id: str, permanentlyDelete: bool | None = None) -> dict[str, Any]:  # noqa: A002, N803 - as above
        issue = self.find_issue(id)
        if not permanentlyDelete:
            return {"entity": self.workspace.trash(issue, by=self.asker.user)}
        self.workspace.delete(issue, by=self.asker.user)
        return {"entity": None}

    def _add_label(self, *, id: str, labelId: str) -> dict[str, Any]:  # noqa: A002, N803 - as above
        issue, label = self.find_issue(id), self.find_label(labelId)
        self._check_exclusive([*self.workspace.labels_of(issue), label])
        return {"issue": self.workspace.add_label(issue, label, by=self.asker.user)}

    def _remove_label(self, *, id: str, labelId: str) -> dict[str, Any]:  # noqa: A002, N803 - as above
        issue: Issue = self.find_issue(id)
        return {"issue": self.workspace.remove_label(issue, self.find_label(labelId), by=self.asker.user)}

    def _check_exclusive(self, labels: list[Label]) -> None:
        """Pages change one label of a group for another; through the API, two of them at once are refused."""
        ids = {one.id for one in labels}
        for label in labels:
            if self.workspace.siblings(label) & ids:
                raise Refused("INPUT_ERROR", f"Labels of the same group exclude each other: {label.name}")

    # -- labels

    def _create_label(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - the argument's name in the schema
        label = self.workspace.create_label(
            input["name"],
            group=input.get("parentId"),
            is_group=bool(input.get("isGroup")),
            group_type=input.get("groupType"),
            team=input.get("teamId"),
            color=input.get("color"),
            description=input.get("description"),
            id=input.get("id"),
            by=self.asker.user,
        )
        return {"issueLabel": label}

    def _update_label(self, *, id: str, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        label = self.find_label(id)
        names = {"name": "name", "color": "color", "description": "description", "parentId": "group"}
        changes = {names[name]: value for name, value in input.items() if name in names}
        self.workspace.edit_label(label, **changes, by=self.asker.user)
        if "retiredAt" in input:
            command = self.workspace.retire_label if input["retiredAt"] else self.workspace.restore_label
            command(label, by=self.asker.user)
        return {"issueLabel": label}

    def _retire_label(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        return {"issueLabel": self.workspace.retire_label(self.find_label(id), by=self.asker.user)}

    def _restore_label(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        return {"issueLabel": self.workspace.restore_label(self.find_label(id), by=self.asker.user)}

    def _delete_label(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        label = self.find_label(id)
        self.workspace.delete_label(label, by=self.asker.user)
        return {"entityId": label.id}

    # -- attachments

    def _create_attachment(self, *, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        attachment = self.workspace.create_attachment(
            self.find_issue(input["issueId"]),
            input["url"],
            input["title"],
            subtitle=input.get("subtitle"),
            icon_url=input.get("iconUrl"),
            group_by_source=bool(input.get("groupBySource")),
            metadata=input.get("metadata"),
            id=input.get("id"),
            by=self.asker.user,
        )
        return {"attachment": attachment}

    def _update_attachment(self, *, id: str, input: Input) -> dict[str, Any]:  # noqa: A002 - as above
        names = {"subtitle": "subtitle", "iconUrl": "icon_url", "metadata": "metadata"}
        changes = {names[name]: value for name, value in input.items() if name in names}
        found = self.workspace.edit_attachment(
            self.find_attachment(id), title=input["title"], **changes, by=self.asker.user
        )
        return {"attachment": found}

    def _delete_attachment(self, *, id: str) -> dict[str, Any]:  # noqa: A002 - as above
        attachment = self.find_attachment(id)
        self.workspace.delete_attachment(attachment, by=self.asker.user)
        return {"entityId": attachment.id}


def _labels_after(issue: Issue, wanted: Input) -> list[str]:
    labels = list(wanted.get("labelIds") or issue.label_ids)
    labels += [one for one in wanted.get("addedLabelIds") or () if one not in labels]
    return [one for one in labels if one not in (wanted.get("removedLabelIds") or ())]
