"""The page of one key result: both numbers, the chart, its links, its ledger and how it stood on any day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload
from werkzeug.wrappers import Response

from connector import ledger, scorecard
from connector.errors import NotFound
from connector.goals.kinds import MEASURED_KINDS
from connector.models import (
    Account,
    CheckIn,
    Connection,
    Issue,
    KeyResult,
    LedgerEntry,
    Link,
    Milestone,
    Objective,
    Person,
)
from connector.page_revision import key_result_revision
from connector.rules.editing import exceptions_of, may_make_rules
from connector.rules.telling import view_rules
from connector.wording import CAUSE_WORDS
from mapping import display
from web.pages.entry import Entry
from web.pages.guard import core, person, workspace
from web.pages.history import read_chart
from web.pages.site import blueprint, not_modified, page, unchanged

ROWS_A_PAGE = 50
MOST_LINKS = 200


@dataclass(slots=True)
class Forms:
    """The forms that live on the page, as they were sent if one of them has an error."""

    check_in: Entry = field(default_factory=Entry)
    link: Entry = field(default_factory=lambda: Entry.showing({"issue": "", "weight": "1"}))
    milestone: Entry = field(default_factory=Entry)


@blueprint.get("/key-results/<key_result_id>")
def key_result(key_result_id: str) -> Response:
    """Show a key result; `at` (a day) folds its ledger to the end of that day, `cause` filters it."""
    with core().database.reading() as session:
        day = scorecard.today(workspace(), core().clock())
        revision = key_result_revision(session, workspace().id, key_result_id, day, person().role)
        if unchanged(revision):
            return not_modified(revision)
        return show(session, key_result_id, Forms(), revision=revision)


def show(session: Session, key_result_id: str, forms: Forms, *, revision: str = "", status: int = 200) -> Response:
    """Render the page, with the forms as they stand."""
    found = find_shown(session, key_result_id)
    zone = ZoneInfo(workspace().timezone)
    today = scorecard.today(workspace(), core().clock())
    card = scorecard.scorecards(session, workspace().id, [found], today)[found.id]
    at = _asked_day()
    end_of_day = (
        datetime.combine(at + timedelta(days=1), time(), tzinfo=zone) - timedelta(microseconds=1) if at else None
    )
    cause = request.args.get("cause", "") if request.args.get("cause") in CAUSE_WORDS else ""
    before_id = request.args.get("before", "")
    rows = ledger.read_ledger(
        session,
        workspace().id,
        found.id,
        at=end_of_day,
        cause=cause or None,
        limit=ROWS_A_PAGE + 1,
        before_id=int(before_id) if before_id.isdigit() and len(before_id) < 19 else None,
    )
    links, link_count = _links(session, found)
    return page(
        "pages/key_result.html",
        section="pages.goals",
        revision=revision,
        status=status,
        key_result=found,
        cycle=found.objective.cycle,
        chain=_chain(session, found.objective),
        card=card,
        chart=read_chart(session, workspace(), found, today),
        at=at,
        past=ledger.state_at(session, workspace().id, found.id, end_of_day) if end_of_day else None,
        percent_of=display.percent,
        cause=cause,
        causes=CAUSE_WORDS,
        rows=rows[:ROWS_A_PAGE],
        older=rows[ROWS_A_PAGE - 1].id if len(rows) > ROWS_A_PAGE else None,
        newest=not before_id,
        actors=_names(session, rows),
        links=links,
        link_count=link_count,
        milestones=_milestones(session, found),
        check_ins=_check_ins(session, found),
        rules=view_rules(session, workspace().id, found.id),
        excepted=len(exceptions_of(session, workspace().id, found.id)),
        may_make_rules=may_make_rules(person()),
        connections=active_connections(session),
        measured_here=found.kind in MEASURED_KINDS,
        is_open=found.state == "open" and found.objective.state == "open" and found.objective.cycle.state == "open",
        forms=forms,
        today=today,
    )


def find_shown(session: Session, key_result_id: str) -> KeyResult:
    """Return a key result with all that its page says about it; raises NotFound."""
    query = (
        select(KeyResult)
        .where(KeyResult.id == key_result_id, KeyResult.workspace_id == workspace().id)
        .options(
            joinedload(KeyResult.driver),
            joinedload(KeyResult.objective).joinedload(Objective.cycle),
            joinedload(KeyResult.objective).joinedload(Objective.team),
        )
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound("There is no such key result.")
    return found


def active_connections(session: Session) -> Sequence[Connection]:
    """Return the trackers from which issues can be linked."""
    query = select(Connection).where(Connection.workspace_id == workspace().id, Connection.state == "active")
    return session.scalars(query.order_by(Connection.installed_at, Connection.id)).all()


def _chain(session: Session, objective: Objective) -> list[Objective]:
    """Return what the objective ladders into, the top first, itself last; a circle in bad data ends it."""
    chain, seen = [objective], {objective.id}
    while chain[0].parent_id and chain[0].parent_id not in seen:
        above = session.scalars(
            select(Objective).where(Objective.id == chain[0].parent_id).options(joinedload(Objective.team))
        ).one_or_none()
        if above is None:
            break
        seen.add(above.id)
        chain.insert(0, above)
    return chain


def _links(session: Session, found: KeyResult) -> tuple[Sequence[Link], int]:
    mine = Link.key_result_id == found.id
    query = (
        select(Link)
        .join(Issue)
        .where(mine)
        .options(selectinload(Link.issue).selectinload(Issue.connection))
        .order_by(Link.state.desc(), Issue.key, Issue.id)
        .limit(MOST_LINKS)
    )
    links = session.scalars(query).all()
    if len(links) < MOST_LINKS:
        return links, len(links)
    return links, session.scalar(select(func.count()).select_from(Link).where(mine)) or 0


def _milestones(session: Session, found: KeyResult) -> Sequence[Milestone]:
    if found.kind != "milestone":
        return ()
    query = select(Milestone).where(Milestone.key_result_id == found.id).order_by(Milestone.created_at, Milestone.id)
    return session.scalars(query).all()


def _check_ins(session: Session, found: KeyResult) -> Sequence[tuple[CheckIn, str | None]]:
    query = (
        select(CheckIn, Person.name)
        .outerjoin(Person, Person.id == CheckIn.by_id)
        .where(CheckIn.key_result_id == found.id)
        .order_by(CheckIn.at.desc(), CheckIn.created_at.desc())
        .limit(12)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def _names(session: Session, rows: Sequence[LedgerEntry]) -> dict[str, str]:
    """Return names for those actors that are accounts in a tracker."""
    actors = {row.actor for row in rows if row.actor}
    query = (
        select(Account.account_id, Person.name)
        .join(Person, Person.id == Account.person_id)
        .where(Account.workspace_id == workspace().id, Account.account_id.in_(actors))
    )
    return {row.account_id: row.name for row in session.execute(query)} if actors else {}


def _asked_day() -> date | None:
    try:
        asked = date.fromisoformat(request.args.get("at", ""))
    except ValueError:
        return None
    # The last and first days of the calendar have no next day, or none in another zone.
    return asked if MINYEAR < asked.year < MAXYEAR else None
