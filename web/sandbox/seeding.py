"""The people and the work that a fresh stand-in site starts with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .records import Board, Issue, Person, Project

if TYPE_CHECKING:
    from .site import JiraSite

LEAD = "712020:4a1c6d0e-lead"
ENGINEER = "712020:7be2f913-engineer"
SECOND_ENGINEER = "712020:91d0c7aa-engineer"
VIEWER = "712020:c35e8842-viewer"
FORMER = "712020:e77b10f4-former"

ATLAS = [
    # A row holds summary, type, points, status, index of the parent, labels, assignee and number of the sprint.
    ("Enterprise sign-in", "Epic", None, "In Progress", None, ["sso"], LEAD, None),
    ("Faster first value", "Epic", None, "To Do", None, ["activation"], LEAD, None),
    ("SSO set-up wizard", "Story", 5, "In Progress", 0, ["sso"], ENGINEER, 42),
    ("Map groups to roles", "Story", 3, "Done", 0, ["sso"], SECOND_ENGINEER, 42),
    ("SCIM: create and deactivate accounts", "Story", 8, "To Do", 0, ["sso", "security"], None, 43),
    ("Audit log of sign-ins", "Story", 3, "To Do", 0, ["security"], ENGINEER, 42),
    ("Sign-in loops when a session ends", "Bug", 2, "In Progress", 0, [], SECOND_ENGINEER, 42),
    ("Empty states that teach", "Story", 2, "Done", 1, ["activation"], SECOND_ENGINEER, 42),
    ("Import sample data with one click", "Story", 3, "In Review", 1, ["activation"], ENGINEER, 42),
    ("Checklist for the first week", "Story", 5, "To Do", 1, ["activation"], SECOND_ENGINEER, 42),
    ("Invite teammates while signing up", "Story", 3, "To Do", 1, ["activation", "growth"], None, 43),
    ("Measure time to first project", "Task", 1, "Done", 1, ["activation"], ENGINEER, 42),
    ("Wizard: upload provider metadata", "Sub-task", None, "Done", 2, [], ENGINEER, None),
    ("Wizard: test the connection", "Sub-task", None, "In Progress", 2, [], ENGINEER, None),
    ("Wizard: explain errors in plain words", "Sub-task", None, "To Do", 2, [], None, None),
    ("Export fails for more than 10,000 rows", "Bug", 2, "To Do", None, ["export"], ENGINEER, 42),
    ("Upgrade the web framework", "Task", 3, "In Progress", None, ["maintenance"], SECOND_ENGINEER, 42),
    ("Dates show in the wrong zone in reports", "Bug", None, "To Do", None, [], None, None),
    ("Dark theme for charts", "Story", 2, "To Do", None, [], None, None),
]
PLATFORM = [
    ("Cheaper storage", "Epic", None, "In Progress", None, [], LEAD, None),
    ("Move old files to cold storage", "Story", 5, "In Progress", 0, [], SECOND_ENGINEER, None),
    ("Delete orphaned uploads every night", "Task", 2, "Done", 0, [], SECOND_ENGINEER, None),
    ("Alert before the quota is full", "Story", 3, "To Do", 0, ["on-call"], ENGINEER, None),
    ("Alert: pick the threshold", "Subtask", None, "To Do", 3, [], None, None),
    ("Backups take longer than the night", "Bug", 3, "To Do", None, ["on-call"], None, None),
]
OPERATIONS = [
    ("Renew certificates", "Task", 1, "To Do", None, ["maintenance"], SECOND_ENGINEER, None),
    ("Write the on-call handbook", "Task", 2, "To Do", None, ["on-call"], None, None),
]


def seed_people(site: JiraSite) -> None:
    """People with different rights, three projects and their boards: present on every site, seeded or not."""
    for person in (
        Person(
            LEAD, "Mira Okafor", "Team lead", "mira@acme.test", {"ATL": "lead", "PLAT": "lead", "OPS": "lead"}, True
        ),
        Person(ENGINEER, "Jonas Weber", "Engineer", "jonas@acme.test", {"ATL": "member", "PLAT": "member"}),
        Person(
            SECOND_ENGINEER,
            "Priya Raman",
            "Engineer",
            "priya@acme.test",
            {"ATL": "member", "PLAT": "member", "OPS": "member"},
        ),
        Person(VIEWER, "Tomás Silva", "Viewer, may not edit", "tomas@acme.test", {"ATL": "viewer"}),
        Person(FORMER, "Lena Fischer", "Left the company", "lena@acme.test", {"ATL": "member"}, active=False),
    ):
        site.people[person.account_id] = person
    for project in (
        Project("10000", "ATL", "Atlas", team_managed=False, lead=LEAD),
        Project("10001", "PLAT", "Platform", team_managed=True, lead=LEAD),
        Project("10002", "OPS", "Operations", team_managed=False, lead=SECOND_ENGINEER),
    ):
        site.projects[project.id] = project
        board = Board(site.next_id("board"), f"{project.key} board", project.id)
        site.boards[board.id] = board


def seed_work(site: JiraSite) -> None:
    """Two weeks of a small team: epics, stories, sub-tasks, bugs, a running and a future sprint."""
    real = site.now
    start = real() - timedelta(days=6)
    ticks = iter(range(1, 10_000))
    site.now = lambda: start + timedelta(minutes=7 * next(ticks))
    try:
        running = site.create_sprint("Sprint 42", "ATL", goal="Sign-in works for the first three enterprise customers")
        later = site.create_sprint("Sprint 43", "ATL", goal="A new team is productive in its first week")
        site.start_sprint(running)
        for key, rows in (("ATL", ATLAS), ("PLAT", PLATFORM), ("OPS", OPERATIONS)):
            made: list[Issue] = []
            for summary, kind, points, status, parent, labels, assignee, sprint in rows:
                issue = site.create_issue(
                    summary,
                    kind,
                    project=key,
                    parent=None if parent is None else made[parent],
                    points=points,
                    labels=labels,
                    assignee=assignee,
                    sprint={42: running, 43: later, None: None}[sprint],
                )
                if status != "To Do":
                    site.transition(issue, status)
                made.append(issue)
        site.link_issues("ATL-5", "ATL-11", "Blocks")
    finally:
        site.now = real
