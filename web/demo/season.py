"""A quarter under way: people, goals and seven weeks of work and check-ins, so that there is something to look at.

Everything goes through the doors that real use goes through: the stand-in changes its issues and sends webhooks, goals
and check-ins are made by the use cases. Only the dates lie in the past.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from connector import goals
from connector.issues import find_issue_by_id_or_key
from connector.linking import read_with_subtree
from connector.links import declare_business_as_usual, link_issue
from connector.models import Connection, Milestone
from connector.sign_in import ensure_workspace
from web.demo.acme import (
    BLOCKERS,
    CHECK_INS,
    ESTIMATES,
    INES,
    KEY_RESULTS,
    LINKS,
    MIRA,
    MOVES,
    NEW_WORK,
    OBJECTIVES,
    PEOPLE,
    STEPS,
    TEAMS,
    UNALIGNED,
)
from web.demo.stage import Stage
from web.sandbox import JiraSite
from web.sandbox.seeding import seed_work

WEEKS = 7


class PastSite(JiraSite):
    """A stand-in site whose changes can be dated back; only for the thread that asked for it, and not for tokens."""

    def __init__(self, **arguments: Any) -> None:
        self._past = threading.local()
        super().__init__(**arguments)

    @contextmanager
    def dated(self, moment: datetime) -> Iterator[None]:
        """Date what this thread changes at `moment`, each change a minute after the one before."""
        self._past.moment = moment
        try:
            yield
        finally:
            self._past.moment = None

    def stamp(self) -> datetime:
        """The time of a change."""
        moment: datetime | None = getattr(self._past, "moment", None)
        if moment is None:
            return super().stamp()
        self._past.moment = moment + timedelta(minutes=1)
        return moment


def past_site(base_url: str, today: date) -> PastSite:
    """Return a site with the seeded issues, made a week before the season began and planned into a running sprint."""
    site = PastSite(name="Acme", base_url=base_url, seed=False)
    with site.dated(at(first_day(today), -7)):
        seed_work(site)
    monday = today - timedelta(days=today.weekday())
    for sprint in site.sprints.values():
        if sprint.state == "active":
            sprint.start = at(monday - timedelta(days=7), 0)
            sprint.end = sprint.start + timedelta(days=14)
    return site


def first_day(today: date) -> date:
    """Return the Monday on which the season began."""
    return today - timedelta(days=today.weekday(), weeks=WEEKS)


def at(day: date, days: int = 0, hour: int = 10) -> datetime:
    """Return a working hour some days after `day`."""
    return datetime.combine(day + timedelta(days=days), time(hour), UTC)


@dataclass(slots=True)
class Season:
    """Plays the season on a stage whose site is a PastSite. `key_results` has the ids by a short name."""

    stage: Stage
    site: PastSite
    today: date
    workspace_id: str = ""
    people: dict[str, str] = field(default_factory=dict)
    key_results: dict[str, str] = field(default_factory=dict)
    objectives: dict[str, str] = field(default_factory=dict)

    @property
    def start(self) -> date:
        """The first day of the cycle."""
        return first_day(self.today)

    def play(self) -> None:
        """Make the goals, then let seven weeks pass."""
        with self.stage.core.database.writing() as session:
            workspace = ensure_workspace(session)
            workspace.name = "Acme"
            self.workspace_id = workspace.id
        self._make_people_and_goals()
        for name, keys in LINKS.items():
            self._link(name, keys)
        for week in range(WEEKS):
            self._work(week)
            self._check_in(week)
        self._fill_sprint()
        self._declare("ATL-17", "maintenance")
        self.stage.settle()

    def _make_people_and_goals(self) -> None:
        end = self.start + timedelta(weeks=13, days=-1)
        begun = at(self.start, 0, 8)
        with self.stage.core.database.writing() as session:
            scope = (session, self.workspace_id)
            cycle = goals.create_cycle(*scope, goals.CreateCycle(f"{self.start:%b} – {end:%b %Y}", self.start, end))
            for name, role, account in PEOPLE:
                accounts = (("jira", account),) if account else ()
                self.people[name] = goals.create_person(*scope, goals.CreatePerson(name, None, role, accounts)).id
            teams: dict[str, str] = {}
            for name, level, above in TEAMS:
                teams[name] = goals.create_team(*scope, goals.CreateTeam(name, level, teams.get(above))).id
            for short, title, team, owner, above in OBJECTIVES:
                command = goals.CreateObjective(
                    title, cycle.id, teams[team], self.people[owner], parent_id=self.objectives.get(above)
                )
                self.objectives[short] = goals.create_objective(*scope, command).id
            for short, objective, title, driver, details in KEY_RESULTS:
                milestones: Sequence[tuple[str, int]] = details.get("milestones", ())
                command_for_key_result = goals.CreateKeyResult(
                    self.objectives[objective],
                    title.format(end=end),
                    (self.people[driver],),
                    definition=details.get("definition", goals.Definition()),
                    options=details.get("options", goals.WorkOptions()),
                    unit=details.get("unit", ""),
                    due_on=end,
                )
                made = goals.create_key_result(*scope, command_for_key_result, actor=MIRA, now=begun)
                self.key_results[short] = made.id
                for step, weight in milestones:
                    goals.add_milestone(
                        *scope, made.id, goals.AddMilestone(step, Fraction(weight)), actor=MIRA, now=begun
                    )

    def _link(self, name: str, keys: Sequence[tuple[str, str | None]]) -> None:
        core = self.stage.core
        connection = self._connection()
        for key, change in keys:
            external_id = read_with_subtree(core, connection, key, None)
            with core.database.writing() as session:
                issue = find_issue_by_id_or_key(session, connection.id, external_id)
                if issue is None:
                    raise LookupError(key)
                link_issue(
                    session,
                    self.workspace_id,
                    self.key_results[name],
                    issue,
                    actor=MIRA,
                    now=at(self.start, 1),
                    declared_change=Fraction(change) if change else None,
                )

    def _declare(self, key: str, category: str) -> None:
        core = self.stage.core
        connection = self._connection()
        external_id = read_with_subtree(core, connection, key, None)
        with core.database.writing() as session:
            issue = find_issue_by_id_or_key(session, connection.id, external_id)
            if issue is not None:
                now = at(self.start, 2)
                declare_business_as_usual(session, self.workspace_id, issue, category, actor=MIRA, now=now)

    def _connection(self) -> Connection:
        with self.stage.core.database.reading() as session:
            return session.scalars(select(Connection).where(Connection.tracker == "jira")).one()

    def _work(self, week: int) -> None:
        site = self.site
        with site.dated(at(self.start, 7 * week + 1)):
            for summary, kind, parent, points in NEW_WORK.get(week, ()):
                site.create_issue(summary, kind, project=parent.split("-")[0], parent=parent, points=points)
            for summary, status, resolution in MOVES.get(week, ()):
                issue = next(one for one in site.issues.values() if one.summary == summary)
                site.transition(issue, status, resolution)
            for summary, points in ESTIMATES.get(week, ()):
                site.estimate(next(one for one in site.issues.values() if one.summary == summary), points)
        self.stage.settle()

    def _fill_sprint(self) -> None:
        """Put into the running sprint what no goal asked for, and let something outside of it hold it up."""
        site = self.site
        running = next(one for one in site.sprints.values() if one.state == "active")
        with site.dated(at(self.start, 7 * WEEKS - 2)):
            for summary, kind, points, labels in UNALIGNED:
                site.create_issue(summary, kind, points=points, labels=labels, sprint=running)
            for summary, kind, points, labels, blocked in BLOCKERS:
                site.link_issues(site.create_issue(summary, kind, points=points, labels=labels), blocked, "Blocks")
        self.stage.settle()

    def _check_in(self, week: int) -> None:
        friday = at(self.start, 7 * week + 4, 15)
        with self.stage.core.database.writing() as session:
            for name, driver, values in CHECK_INS:
                said = values[week] if week < len(values) else None
                if said is None:
                    continue
                value, status, confidence, words = said
                command = goals.RecordCheckIn(
                    value=Fraction(value) if value else None,
                    status=status,
                    confidence=Fraction(confidence) if confidence else None,
                    plan=words if status == "red" else "",
                    changed=words,
                    at=friday,
                    by_id=self.people[driver],
                )
                goals.record_check_in(
                    session, self.workspace_id, self.key_results[name], command, actor=driver, now=friday
                )
            for title in STEPS.get(week, ()):
                step = session.scalars(
                    select(Milestone.id).where(
                        Milestone.key_result_id == self.key_results["soc2"], Milestone.title == title
                    )
                ).one()
                goals.edit_milestone(
                    session,
                    self.workspace_id,
                    self.key_results["soc2"],
                    step,
                    {"finished": True},
                    actor=INES,
                    now=friday,
                )
