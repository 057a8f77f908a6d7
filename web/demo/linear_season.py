"""The demo's Linear workspace: installed by OAuth as an admin would, feeding the same key results as Jira.

Its teams plan in cycles of the same dates as the stand-in Jira's sprints, so that one overlay can be held over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sqlalchemy import select

from connector.issues import find_issue_by_id_or_key
from connector.linking import link_through_tracker, read_with_subtree
from connector.links import declare_business_as_usual
from connector.models import Account, Connection, Sprint
from connector.planning.sprints import refresh_sprint, sprints_of_board
from connector.sign_in import create_link
from web.demo.acme import JONAS, MIRA, PRIYA
from web.demo.linear_acts import Visitor
from web.demo.season import PastSite, Season
from web.demo.stage import Stage
from web.sandbox.linear import LinearWorkspace
from web.sandbox.linear.seeding import ENGINEER, LEAD, SECOND_ENGINEER

# Key result -> issues of the Linear workspace.
LINKS = {"activation": ("WEB-1", "WEB-5", "WEB-6", "WEB-9"), "sso": ("MOB-1",), "bugs": ("MOB-4",)}
ACCOUNTS = {MIRA: LEAD, JONAS: ENGINEER, PRIYA: SECOND_ENGINEER}
# What else is in the cycles: title, team, estimate, state, which cycle, and what it is declared to be instead of goal
# work. The others ladder into no goal yet.
MORE: Sequence[tuple[str, str, float, str, str, str | None]] = (
    ("Pin the versions of the build image", "WEB", 2, "In Progress", "now", "maintenance"),
    ("Answer the mails of the waiting list", "WEB", 1, "Todo", "now", "support"),
    ("A bolder picker for avatars", "WEB", 3, "Todo", "now", None),
    ("Confetti when a team is complete", "WEB", 2, "In Progress", "now", None),
    ("Tour of the new sidebar", "WEB", 3, "Backlog", "next", None),
    ("Renew the push certificate", "MOB", 1, "Todo", "now", "security"),
    ("Haptics on every button", "MOB", 3, "Todo", "now", None),
)
# In no cycle, and yet something in one waits for it.
OUTSIDE = ("A licence for the pictures of the sample data", "WEB", 2.0)
# What waits, and what for.
WAITS = (("WEB-6", OUTSIDE[0]), ("WEB-5", "Invite by e-mail domain"))


def add_linear(stage: Stage, season: Season) -> None:
    """Connect the workspace, let its people be known, and link some of its issues."""
    core = stage.core
    plan_alike(season.site, stage.linear)
    add_work(stage.linear)
    with core.database.writing() as session:
        secret = create_link(session, season.workspace_id, now=core.clock(), person_id=season.people[MIRA])
    Visitor(stage, f"{stage.ladder_url}/sign-in/{secret}").connect_linear()
    with core.database.writing() as session:
        session.add_all(
            Account(
                workspace_id=season.workspace_id, person_id=season.people[name], tracker="linear", account_id=account
            )
            for name, account in ACCOUNTS.items()
        )
        connection = session.scalars(select(Connection).where(Connection.tracker == "linear")).one()
    stage.settle()
    for key_result, keys in LINKS.items():
        for key in keys:
            link_through_tracker(core, season.workspace_id, connection, season.key_results[key_result], key, actor=MIRA)
    for title, _, _, _, _, category in MORE:
        if category is not None:
            _declare(stage, season, connection, title, category)
    stage.settle()
    # As if somebody had opened their plans: what blocks what is read with a whole cycle.
    sprints_of_board(core, connection, None)
    with core.database.reading() as session:
        cycles = session.scalars(select(Sprint.external_id).where(Sprint.connection_id == connection.id)).all()
    for external_id in sorted(cycles):
        refresh_sprint(core, connection, external_id)
    stage.settle()


def plan_alike(site: PastSite, linear: LinearWorkspace) -> None:
    """Let cycles run when the sprints do: the last one, this one and the next."""
    running = next(one for one in site.sprints.values() if one.state == "active")
    if running.start is None or running.end is None:
        raise LookupError("the running sprint has no dates")
    length = running.end - running.start
    for sprint in site.sprints.values():
        if sprint.state == "future":
            sprint.start, sprint.end = running.end, running.end + length
            site.edit_sprint(sprint, name=sprint.name)
    borders = [running.start - length, running.start, running.end, running.end + length]
    for team in list(linear.teams.values()):
        for cycle, (start, end) in zip(linear.cycles_of(team), pairwise(borders), strict=False):
            linear.edit_cycle(cycle, starts_at=start, ends_at=end)


def add_work(linear: LinearWorkspace) -> None:
    """Put into the cycles what no goal asked for, and let some of it wait for other work."""
    with linear.lock:
        for title, key, points, state, when, _ in MORE:
            team = linear.team(key)
            cycle = linear.active_cycle(team) if when == "now" else linear.next_cycle(team)
            issue = linear.create_issue(title, team=team, estimate=points, state="Todo", cycle=cycle)
            linear.transition(issue, state)
        title, key, points = OUTSIDE
        linear.create_issue(title, team=key, estimate=points)
        titles = {one.title: one for one in linear.issues.values()}
        for waiting, wanted in WAITS:
            linear.block(waiting, titles[wanted])


def _declare(stage: Stage, season: Season, connection: Connection, title: str, category: str) -> None:
    core = stage.core
    key = next(one.identifier for one in stage.linear.issues.values() if one.title == title)
    external_id = read_with_subtree(core, connection, key, None)
    with core.database.writing() as session:
        issue = find_issue_by_id_or_key(session, connection.id, external_id)
        if issue is None:
            raise LookupError(key)
        declare_business_as_usual(session, season.workspace_id, issue, category, actor=MIRA, now=core.clock())
