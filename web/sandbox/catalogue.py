"""What every Jira Cloud site has from the start: status categories, types, resolutions, fields, permissions."""

from __future__ import annotations

from typing import Any

from .records import IssueType, LinkType, Project, Resolution, Status, StatusCategory

UNDEFINED = StatusCategory(1, "undefined", "No Category", "medium-gray")
NEW = StatusCategory(2, "new", "To Do", "blue-gray")
INDETERMINATE = StatusCategory(4, "indeterminate", "In Progress", "yellow")
DONE = StatusCategory(3, "done", "Done", "green")
CATEGORIES = (UNDEFINED, NEW, INDETERMINATE, DONE)

GLOBAL_STATUSES = (
    Status("10000", "To Do", NEW),
    Status("3", "In Progress", INDETERMINATE),
    Status("10002", "In Review", INDETERMINATE),
    Status("10001", "Done", DONE),
)
GLOBAL_TYPES = (
    IssueType("10000", "Epic", 1),
    IssueType("10001", "Story", 0),
    IssueType("10002", "Task", 0),
    IssueType("10004", "Bug", 0),
    IssueType("10003", "Sub-task", -1),
)
RESOLUTIONS = (
    Resolution("10000", "Done", "The work has been finished."),
    Resolution("10001", "Won't Do", "Nobody is going to work on this."),
    Resolution("10002", "Duplicate", "Another issue asks for the same."),
    Resolution("10003", "Cannot Reproduce", "The fault did not show again."),
    Resolution("10004", "Declined", "The request was turned down."),
)
SUBTASK_LINK = LinkType("10100", "jira_subtask_link", "jira_subtask_outward", "jira_subtask_inward", system=True)
LINK_TYPES = (
    LinkType("10000", "Blocks", "blocks", "is blocked by"),
    LinkType("10002", "Duplicate", "duplicates", "is duplicated by"),
    LinkType("10003", "Relates", "relates to", "relates to"),
)

COMPANY_POINTS = "customfield_10028"
TEAM_POINTS = "customfield_10016"
RANK_FIELD = "customfield_10019"
SPRINT_FIELD = "customfield_10020"

ROLE_PERMISSIONS: dict[str, frozenset[str]] = {
    "viewer": frozenset({"BROWSE_PROJECTS"}),
    "member": frozenset(
        {
            "ADD_COMMENTS",
            "ASSIGN_ISSUES",
            "BROWSE_PROJECTS",
            "CREATE_ISSUES",
            "DELETE_OWN_COMMENTS",
            "EDIT_ISSUES",
            "LINK_ISSUES",
            "MOVE_ISSUES",
            "RESOLVE_ISSUES",
            "SCHEDULE_ISSUES",
            "TRANSITION_ISSUES",
        }
    ),
}
ROLE_PERMISSIONS["lead"] = ROLE_PERMISSIONS["member"] | {
    "ADMINISTER_PROJECTS",
    "CLOSE_ISSUES",
    "DELETE_ISSUES",
    "MANAGE_SPRINTS_PERMISSION",
}
PROJECT_PERMISSIONS = ROLE_PERMISSIONS["lead"]
GLOBAL_PERMISSIONS = frozenset({"ADMINISTER", "BULK_CHANGE", "CREATE_PROJECT", "SYSTEM_ADMIN", "USER_PICKER"})


def statuses_of(project: Project) -> tuple[Status, ...]:
    """The statuses of a project's workflow, in board order; a team-managed project has ids of its own."""
    if not project.team_managed:
        return GLOBAL_STATUSES
    first = 10000 + int(project.id) % 1000 * 100
    return tuple(
        Status(str(first + step), status.name, status.category, project.id)
        for step, status in enumerate(GLOBAL_STATUSES)
    )


def types_of(project: Project) -> tuple[IssueType, ...]:
    """The issue types of a project; team-managed projects spell "Subtask" without the hyphen."""
    if not project.team_managed:
        return GLOBAL_TYPES
    first = 10050 + int(project.id) % 1000 * 100
    return tuple(
        IssueType(str(first + step), "Subtask" if kind.is_subtask else kind.name, kind.level, project.id)
        for step, kind in enumerate(GLOBAL_TYPES)
    )


def points_field_of(project: Project) -> str:
    """The field that holds estimates: company-managed and team-managed projects use different ones."""
    return TEAM_POINTS if project.team_managed else COMPANY_POINTS


def field_list() -> list[dict[str, Any]]:
    """The answer of `GET /rest/api/3/field`."""
    system = [
        ("summary", "Summary", {"type": "string", "system": "summary"}),
        ("description", "Description", {"type": "string", "system": "description"}),
        ("status", "Status", {"type": "status", "system": "status"}),
        ("statusCategory", "Status Category", {"type": "statusCategory", "system": "statusCategory"}),
        ("resolution", "Resolution", {"type": "resolution", "system": "resolution"}),
        ("resolutiondate", "Resolved", {"type": "datetime", "system": "resolutiondate"}),
        ("issuetype", "Issue Type", {"type": "issuetype", "system": "issuetype"}),
        ("project", "Project", {"type": "project", "system": "project"}),
        ("parent", "Parent", None),
        ("labels", "Labels", {"type": "array", "items": "string", "system": "labels"}),
        ("assignee", "Assignee", {"type": "user", "system": "assignee"}),
        ("reporter", "Reporter", {"type": "user", "system": "reporter"}),
        ("created", "Created", {"type": "datetime", "system": "created"}),
        ("updated", "Updated", {"type": "datetime", "system": "updated"}),
        ("subtasks", "Sub-tasks", {"type": "array", "items": "issuelinks", "system": "subtasks"}),
        ("issuelinks", "Linked Issues", {"type": "array", "items": "issuelinks", "system": "issuelinks"}),
    ]
    custom = [
        (TEAM_POINTS, "Story point estimate", "number", None, "com.pyxis.greenhopper.jira:jsw-story-points"),
        (RANK_FIELD, "Rank", "any", None, "com.pyxis.greenhopper.jira:gh-lexo-rank"),
        (SPRINT_FIELD, "Sprint", "array", "json", "com.pyxis.greenhopper.jira:gh-sprint"),
        (COMPANY_POINTS, "Story Points", "number", None, "com.atlassian.jira.plugin.system.customfieldtypes:float"),
        # A number field that is not an estimate: whoever looks for points by type alone picks the wrong one.
        (
            "customfield_10031",
            "Customer votes",
            "number",
            None,
            "com.atlassian.jira.plugin.system.customfieldtypes:float",
        ),
    ]
    fields: list[dict[str, Any]] = []
    for key, name, schema in system:
        fields.append(
            {
                "id": key,
                "key": key,
                "name": name,
                "custom": False,
                "orderable": True,
                "navigable": True,
                "searchable": True,
                "clauseNames": [key],
                **({"schema": schema} if schema else {}),
            }
        )
    for key, name, kind, items, plugin in custom:
        number = int(key.rpartition("_")[2])
        details: dict[str, Any] = {"type": kind, "custom": plugin, "customId": number}
        if items:
            details["items"] = items
        fields.append(
            {
                "id": key,
                "key": key,
                "name": name,
                "custom": True,
                "orderable": True,
                "navigable": True,
                "searchable": True,
                "clauseNames": [f"cf[{number}]", name],
                "schema": details,
            }
        )
    return fields
