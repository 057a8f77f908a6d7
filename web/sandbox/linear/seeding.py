"""What a new stand-in workspace holds: the people of a small company, three teams, and two weeks of their work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from .records import Issue, User

if TYPE_CHECKING:
    from .workspace import LinearWorkspace


def _person_id(handle: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"stand-in-linear-user:{handle}"))


LEAD, ENGINEER, SECOND_ENGINEER, GUEST, FORMER = (
    _person_id(handle) for handle in ("mira", "jonas", "priya", "tomas", "lena")
)

PEOPLE = (
    (LEAD, "Mira Okafor", "mira", "Team lead, workspace admin", "admin", ("WEB", "MOB", "SEC"), True),
    (ENGINEER, "Jonas Weber", "jonas", "Engineer", "member", ("WEB", "MOB"), True),
    (SECOND_ENGINEER, "Priya Raman", "priya", "Engineer", "member", ("WEB", "MOB", "SEC"), True),
    (GUEST, "Tomás Silva", "tomas", "Guest, Web only", "guest", ("WEB",), True),
    (FORMER, "Lena Fischer", "lena", "Left the company", "member", ("WEB",), False),
)

# title, estimate, state, parent (a position in this list), labels, assignee, which cycle, project, priority
Row = tuple[str, float | None, str, int | None, tuple[str, ...], str | None, str | None, str | None, int]
WEB: list[Row] = [
    ("A new team invites its first five people", 8, "In Progress", None, ("Feature",), LEAD, "now", "Onboarding", 2),
    ("Invite by link", 3, "Done", 0, ("Feature",), ENGINEER, "now", "Onboarding", 2),
    ("Invite by e-mail domain", 5, "In Review", 0, ("Feature",), SECOND_ENGINEER, "now", "Onboarding", 2),
    ("Remind people who did not accept", 2, "Todo", 0, (), None, "now", "Onboarding", 3),
    ("Empty states that show the next step", 3, "In Progress", None, ("Design",), ENGINEER, "now", "Onboarding", 3),
    ("Sample data for a new workspace", 5, "Todo", None, ("Feature",), SECOND_ENGINEER, "now", "Onboarding", 3),
    ("Sign-up form loses the typed name on error", 1, "Done", None, ("Bug",), ENGINEER, "now", None, 1),
    ("Wrong time zone in the welcome mail", 1, "Canceled", None, ("Bug",), None, "now", None, 4),
    ("Checklist for the first week", 5, "Backlog", None, ("Feature",), None, "next", "Onboarding", 3),
    ("Import from a spreadsheet", 8, "Backlog", None, ("Feature",), None, "next", "Onboarding", 2),
    ("Upgrade the bundler", 3, "Todo", None, (), SECOND_ENGINEER, "next", None, 4),
    ("Somebody says that sign-up is slow", None, "Triage", None, (), None, None, None, 0),
    ("Dark theme for mails", 2, "Backlog", None, ("Design",), None, None, None, 4),
]
MOBILE: list[Row] = [
    ("Sign in with a passkey", 5, "In Progress", None, ("Feature",), ENGINEER, "now", "Mobile sign-in", 2),
    ("Passkey: fall back to a code", 2, "Todo", 0, (), SECOND_ENGINEER, "now", "Mobile sign-in", 3),
    ("Open invitations from a notification", 3, "Todo", None, ("Feature",), None, "now", "Onboarding", 2),
    ("Crash when the token ended in the background", 2, "Done", None, ("Bug",), ENGINEER, "now", None, 1),
    ("Offline queue for comments", 8, "Backlog", None, ("Feature",), None, None, None, 3),
]
SECURITY: list[Row] = [
    ("Rotate the signing keys", 3, "Todo", None, (), SECOND_ENGINEER, None, None, 1),
    ("Answer the auditors' questions", 2, "Backlog", None, (), LEAD, None, None, 2),
]


def seed_people(workspace: LinearWorkspace) -> None:
    """People with different rights and their teams: present in every workspace, seeded or not."""
    workspace.clock.freeze(workspace.created_at)
    moment = workspace.stamp()
    for person_id, name, handle, title, role, _, active in PEOPLE:
        user = User(person_id, name, handle, f"{handle}@acme.test", title, moment, moment, role, active)
        workspace.users[user.id] = user
    for key, name, private in (("WEB", "Web", False), ("MOB", "Mobile", False), ("SEC", "Security", True)):
        team = workspace.add_team(key, name, private=private)
        for person_id, *_, keys, _ in PEOPLE:
            if key in keys:
                workspace.users[person_id].team_ids.add(team.id)
    workspace.clock.catch_up()


def seed_work(workspace: LinearWorkspace) -> None:
    """Cycles before, now and next, two projects, labels, and issues of every kind; made over the last days."""
    start = workspace.now() - timedelta(days=6)
    clock = workspace.clock
    clock.freeze(start - timedelta(days=15))
    try:
        for key in ("WEB", "MOB"):
            for at in range(3):
                workspace.create_cycle(key, starts_at=start + timedelta(weeks=2 * (at - 1), hours=-1))
        for team in ("WEB", "MOB"):
            first = workspace.cycles_of(workspace.team(team))[0]
            clock.freeze(first.ends_at - timedelta(minutes=1))
            workspace.complete_cycle(first)
        for name, color in (("Bug", "#eb5757"), ("Feature", "#bb87fc"), ("Design", "#26b5ce")):
            workspace.create_label(name, color=color)
        workspace.create_project("Onboarding", teams=["WEB", "MOB"], description="From sign-up to a team that works")
        workspace.create_project("Mobile sign-in", teams=["MOB"], description="No passwords on phones")
        for key, rows in (("WEB", WEB), ("MOB", MOBILE), ("SEC", SECURITY)):
            _seed_team(workspace, key, rows)
    finally:
        clock.catch_up()


def _seed_team(workspace: LinearWorkspace, key: str, rows: list[Row]) -> None:
    team = workspace.team(key)
    cycles = workspace.cycles_of(team)
    planned = {"now": cycles[1] if cycles else None, "next": cycles[2] if cycles else None, None: None}
    made: list[Issue] = []
    for title, estimate, state, parent, labels, assignee, cycle, project, priority in rows:
        workspace.clock.advance(minutes=7)
        issue = workspace.create_issue(
            title,
            team=team,
            parent=None if parent is None else made[parent],
            estimate=estimate,
            state=state if state in ("Triage", "Backlog") else "Todo",
            labels=labels,
            assignee=assignee,
            cycle=planned[cycle],
            project=project,
            priority=priority,
        )
        made.append(issue)
    for issue, row in zip(made, rows, strict=True):
        if row[2] not in ("Triage", "Backlog", "Todo"):
            workspace.clock.advance(minutes=11)
            if row[2] in ("In Review", "Done"):
                workspace.transition(issue, "In Progress")
            workspace.transition(issue, row[2])
