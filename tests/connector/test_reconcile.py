"""What was never delivered is found and repaired; what cannot be proved wrong is left alone."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from connector.ledger import read_ledger
from connector.models import Connection, CountedUnit, Issue, WorkProgress
from connector.recompute import recompute
from connector.reconcile import UnknownConnection, reconcile
from connector.tracker import TrackerUnavailable
from tests.connector.conftest import START


def connection(org) -> Connection:
    with org.core.database.reading() as session:
        return session.get_one(Connection, "c")


def test_a_lost_delivery_is_repaired_under_its_real_cause_and_time(org):
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue)
    org.tracker.site["1"] = {"id": "1", "cls": "done", "at": START + 60}

    result = reconcile(org.core, "c")

    assert (result.seen, result.repaired, org.progress()) == (2, 1, "1/2")
    with org.core.database.reading() as session:
        row = read_ledger(session, "w", "ratio", limit=1)[0]
        assert (row.cause, row.source_event) == ("completed", "reconcile")
    assert reconcile(org.core, "c").repaired == 0, "a second look finds nothing new"


def test_the_mark_advances_only_when_every_page_was_read(org):
    reconcile(org.core, "c")
    before = connection(org).reconciled_to

    org.tracker.down = TrackerUnavailable("down")
    with pytest.raises(TrackerUnavailable):
        reconcile(org.core, "c")
    assert connection(org).reconciled_to == before

    org.tracker.down = None
    reconcile(org.core, "c")
    assert connection(org).reconciled_to > before


def test_each_look_overlaps_the_one_before(org, monkeypatch):
    asked = []
    real = org.tracker.updated_since
    monkeypatch.setattr(org.tracker, "updated_since", lambda c, since: asked.append(since) or real(c, since))

    reconcile(org.core, "c")
    mark = connection(org).reconciled_to
    reconcile(org.core, "c")

    assert mark - asked[1] == timedelta(minutes=10)


@pytest.mark.parametrize("state", ["uninstalled", "absent"])
def test_a_connection_that_is_gone_cannot_be_reconciled(org, state):
    if state == "uninstalled":
        with org.core.database.writing() as session:
            session.get_one(Connection, "c").state = state

    with pytest.raises(UnknownConnection):
        reconcile(org.core, "c" if state == "uninstalled" else "nope")


def epic(org):
    org.tell("E", "todo", at=1, level=1)
    for issue, cls in [("a", "done"), ("b", "todo")]:
        org.tell(issue, cls, at=1, parent="E", points=2)
    org.link("E")
    org.link("E", "points")


def test_a_recompute_agrees_with_the_running_values(org):
    epic(org)

    result = recompute(org.core, check=True)

    assert (result.key_results, result.issues, result.differences) == (3, 3, [])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (update(WorkProgress).values(units=7), "number of units"),
        (update(WorkProgress).values(broken_links=1), "flags"),
        (delete(CountedUnit), "units"),
        (update(Issue).where(Issue.external_id == "E").values(below_open=5), "counts below it"),
        (update(Issue).where(Issue.external_id == "b").values(parent_id=None), "parent"),
    ],
)
def test_a_recompute_finds_damage_names_it_and_puts_it_right(org, damage, named):
    epic(org)
    with org.core.database.writing() as session:
        session.execute(damage.execution_options(synchronize_session=False))

    assert named in {difference.what for difference in recompute(org.core, check=True).differences}
    recompute(org.core, check=False)

    assert org.differences() == []
    assert org.progress() == "1/2"


def test_a_check_writes_nothing(org):
    epic(org)
    with org.core.database.writing() as session:
        session.execute(update(WorkProgress).values(units=7))

    recompute(org.core, check=True)

    with org.core.database.reading() as session:
        assert set(session.scalars(select(WorkProgress.units))) == {7}


def test_changes_that_only_looking_finds_are_noted_until_something_is_delivered_again(org):
    reconcile(org.core, "c")
    assert "silent_since" not in connection(org).settings, "the first look finds everything"
    with org.core.database.writing() as session:
        session.get_one(Connection, "c").last_event_at = org.core.clock() - timedelta(hours=3)
    org.tracker.site["9"] = {"id": "9", "at": int(org.core.clock().timestamp()) + 1, "cls": "done"}
    reconcile(org.core, "c")
    assert "silent_since" in connection(org).settings
    with org.core.database.writing() as session:
        session.get_one(Connection, "c").last_event_at = org.core.clock()
    reconcile(org.core, "c")
    assert "silent_since" not in connection(org).settings
