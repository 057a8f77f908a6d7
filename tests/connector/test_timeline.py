"""Day by day: the chart's numbers are the ledger's, in the workspace's zone."""

from datetime import date, timedelta
from fractions import Fraction

from connector.goals.check_ins import RecordCheckIn, record_check_in
from connector.models import KeyResult, Workspace
from connector.timeline import timeline
from tests.connector.conftest import NOW

DAY = 24 * 3600


def read(org, key_result="ratio", day=None):
    with org.core.database.reading() as session:
        row = session.get_one(KeyResult, key_result)
        return timeline(session, session.get_one(Workspace, "w"), row, day or NOW.date() + timedelta(days=3))


def test_each_day_ends_with_what_the_ledger_folds_to(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=-DAY)
        org.link(issue)
    org.tell("1", "done", at=DAY)
    org.tell("2", "done", at=2 * DAY)

    days = {day.on: day.work for day in read(org).days}

    assert len(days) == 37, "from 1 July to 6 August"
    assert days[date(2026, 8, 2)] is None
    assert [days[date(2026, 8, on)] for on in (3, 4, 5, 6)] == [0, Fraction(1, 2), 1, 1]


def test_a_day_ends_at_midnight_in_the_workspaces_zone(org):
    org.tell("1", "todo", at=-DAY)
    org.link("1")
    # 22:30 UTC on 4 August is half past midnight on the 5th in Berlin.
    org.tell("1", "done", at=DAY + 13 * 3600 + 1800)

    days = {day.on: day.work for day in read(org).days}

    assert (days[date(2026, 8, 4)], days[date(2026, 8, 5)]) == (0, 1)


def test_the_days_stop_with_the_cycle(org):
    assert read(org, day=date(2027, 1, 1)).days[-1].on == date(2026, 9, 30)


def test_scope_changes_target_edits_and_check_ins_are_marked_but_not_the_first_link(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=-DAY)
        org.link(issue, "metric")
    with org.core.database.writing() as session:
        record_check_in(session, "w", "metric", RecordCheckIn(value=Fraction(28)), actor="ada", now=org.core.clock())
    org.tell("2", "dropped", at=DAY)

    found = read(org, "metric")

    assert [(one.on.day, one.kind, one.causes) for one in found.happenings] == [
        (3, "check_in", {"check_in": 1}),
        (3, "scope", {"scope_added": 1}),
        (4, "scope", {"dropped": 1}),
    ]
    assert found.days[-1].outcome == Fraction(6, 13)
