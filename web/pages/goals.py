"""The objectives of a cycle, from the company's down to the teams'; and, on a fresh install, what to do first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import request
from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector import scorecard
from connector.goal_tree import objectives_of, plant, sift
from connector.models import Connection, Cycle, KeyResult, Link, Objective, Person, Team
from connector.page_revision import goals_revision
from web.pages.guard import core, person, workspace
from web.pages.site import blueprint, not_modified, page, unchanged
from web.pages.team_forms import all_teams

STATUSES = (
    ("green", "on track"),
    ("yellow", "at risk"),
    ("red", "off track"),
    ("disputed", "disputed: green or red?"),
    ("outdated", "check-in overdue"),
    ("pending", "no check-in yet"),
    ("gap", "with a gap"),
    ("closed", "closed"),
)


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What a fresh install has already."""

    cycle: bool
    team: bool
    people: bool
    objective: bool
    key_result: bool
    link: bool
    connection: bool

    @property
    def over(self) -> bool:
        """Whether the tree says more than the steps would."""
        return self.cycle and self.team and self.objective


@blueprint.get("/")
def goals() -> Response:
    """Show the current cycle."""
    with core().database.reading() as session:
        day = scorecard.today(workspace(), core().clock())
        cycle = use_cases.current_cycle(session, workspace().id, day)
        return _show(session, cycle)


@blueprint.get("/cycles/<cycle_id>")
def cycle_goals(cycle_id: str) -> Response:
    """Show one cycle."""
    with core().database.reading() as session:
        return _show(session, use_cases.find(session, Cycle, workspace().id, cycle_id))


def _show(session: Session, cycle: Cycle | None) -> Response:
    day = scorecard.today(workspace(), core().clock())
    revision = goals_revision(session, workspace().id, day, person().role)
    if unchanged(revision):
        return not_modified(revision)
    steps = _first_steps(session)
    if cycle is None or not steps.over:
        return page("pages/first_steps.html", section="pages.goals", steps=steps, cycle=cycle, revision=revision)
    objectives = objectives_of(session, workspace().id, cycle)
    key_results = [key_result for objective in objectives for key_result in objective.key_results]
    cards = scorecard.scorecards(session, workspace().id, key_results, day)
    rows = plant(objectives, cards, cycle.id)
    chosen = {name: request.args.get(name, "") for name in ("text", "team_id", "status")}
    return page(
        "pages/goals.html",
        section="pages.goals",
        revision=revision,
        cycle=cycle,
        cycles=_cycles(session),
        passed=_passed(cycle, day),
        rows=sift(rows, **chosen),
        total=len(rows),
        chosen=chosen,
        teams=all_teams(),
        statuses=STATUSES,
        steps=steps,
    )


def _cycles(session: Session) -> Sequence[Cycle]:
    query = select(Cycle).where(Cycle.workspace_id == workspace().id)
    return session.scalars(query.order_by(Cycle.starts_on.desc(), Cycle.ends_on.desc())).all()


def _passed(cycle: Cycle, day: date) -> tuple[int, int]:
    """Return which day of the cycle it is, and of how many."""
    total = (cycle.ends_on - cycle.starts_on).days + 1
    return min(max((day - cycle.starts_on).days + 1, 0), total), total


def _first_steps(session: Session) -> FirstSteps:
    mine = workspace().id
    others = Person.id != person().id
    has = [
        exists().where(model.workspace_id == mine, *more)
        for model, more in (
            (Cycle, ()),
            (Team, ()),
            (Person, (others,)),
            (Objective, ()),
            (KeyResult, ()),
            (Link, ()),
            (Connection, ()),
        )
    ]
    found: Sequence[bool] = session.execute(select(*has)).one()
    return FirstSteps(*found)
