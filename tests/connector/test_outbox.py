"""The outbox on both databases: asked for once, done at least once, patient with trackers, never lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from connector.core import Core
from connector.models import Connection, OutboxEntry
from connector.outbox import LEASE, LEASES, PATIENCE, TRIES, Errand, Outbox, backlog, enqueue, replay
from connector.tracker import TrackerUnavailable
from tests.postgres import MovableClock, rows


@pytest.fixture
def outbox(toy_core: Core) -> Outbox:
    return Outbox(toy_core.database, toy_core.clock)


def ask(core: Core, kind: str = "fetch_issue", subject: str = "1", connection: str = "c", **more) -> None:
    with core.database.writing() as session:
        enqueue(session, connection, kind, subject, now=core.clock(), **more)


def only(core: Core) -> OutboxEntry:
    (entry,) = rows(core, OutboxEntry)
    return entry


def connection(core: Core, name: str = "c") -> Connection:
    with core.database.reading() as session:
        return session.get_one(Connection, name)


def claim_one(outbox: Outbox) -> Errand:
    (errand,) = outbox.claim()
    return errand


def test_asking_twice_makes_one_errand_with_the_newest_detail(toy_core: Core, outbox: Outbox):
    ask(toy_core, detail={"why": "first"})
    ask(toy_core, detail={"why": "second"})
    ask(toy_core)
    assert (only(toy_core).generation, only(toy_core).detail) == (3, {"why": "second"})
    assert len(outbox.claim()) == 1


def test_an_errand_asked_for_in_a_transaction_that_fails_is_never_done(toy_core: Core, outbox: Outbox):
    def ask_and_fail() -> None:
        with toy_core.database.writing() as session:
            enqueue(session, "c", "fetch_issue", "1", now=toy_core.clock())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_fail()
    assert outbox.claim() == []


def test_asking_again_and_again_cannot_put_an_errand_off_for_ever(toy_core: Core, outbox: Outbox, clock: MovableClock):
    ask(toy_core, delay=5)
    for _ in range(4):
        clock.forward(seconds=1)
        ask(toy_core, delay=5)
    assert outbox.claim() == []
    clock.forward(seconds=1)
    assert len(outbox.claim()) == 1


def test_an_urgent_wish_overtakes_a_patient_one(toy_core: Core, outbox: Outbox):
    ask(toy_core, delay=60)
    ask(toy_core)
    assert len(outbox.claim()) == 1


def test_asking_during_delivery_makes_it_run_once_more(toy_core: Core, outbox: Outbox):
    ask(toy_core)
    errand = claim_one(outbox)
    ask(toy_core)
    assert outbox.claim() == [], "it is still under way"
    outbox.succeed(errand)
    outbox.succeed(claim_one(outbox))
    assert (only(toy_core).state, outbox.claim()) == ("done", [])


def test_asking_for_a_done_errand_makes_it_wait_again(toy_core: Core, outbox: Outbox):
    ask(toy_core)
    outbox.succeed(claim_one(outbox))
    assert only(toy_core).state == "done"
    ask(toy_core)
    assert claim_one(outbox).entry.attempts == 1


def test_an_errand_of_a_dead_worker_falls_due_again(toy_core: Core, outbox: Outbox, clock: MovableClock):
    ask(toy_core)
    ask(toy_core, "reconcile", "")
    assert len(outbox.claim()) == 2
    clock.forward(seconds=LEASE.total_seconds() + 1)
    assert [errand.entry.kind for errand in outbox.claim()] == ["fetch_issue"], "long errands have longer leases"
    clock.now += LEASES["reconcile"]
    assert "reconcile" in [errand.entry.kind for errand in outbox.claim()]


def test_many_workers_never_run_the_same_errand(toy_core: Core, outbox: Outbox):
    for number in range(40):
        ask(toy_core, subject=str(number))
    start = threading.Barrier(4)

    def claim_all(_: int) -> list[int]:
        start.wait()
        claimed = []
        while batch := outbox.claim(limit=3):
            claimed += [errand.entry.id for errand in batch]
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [number for part in pool.map(claim_all, range(4)) for number in part]
    assert len(claimed) == len(set(claimed)) == 40


def test_a_failing_errand_backs_off_and_is_buried_after_ten_tries_within_three_days(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    ask(toy_core)
    begun, waits = clock(), []
    while True:
        errand = claim_one(outbox)
        if outbox.fail(errand, "KeyError"):
            break
        due = only(toy_core).due_at
        waits.append(due - clock())
        clock.now = due
    assert len(waits) == TRIES - 1
    assert waits[0] < timedelta(minutes=1)
    assert timedelta(days=1.5) < clock() - begun <= PATIENCE
    assert (only(toy_core).state, only(toy_core).trouble) == ("buried", "KeyError")
    assert outbox.claim() == []


def test_an_errand_is_given_up_after_three_days_however_few_tries_it_had(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    ask(toy_core)
    clock.now += PATIENCE
    assert outbox.fail(claim_one(outbox), "late")


def test_buried_errands_are_counted_and_can_be_replayed(toy_core: Core, outbox: Outbox):
    ask(toy_core)
    outbox.bury(claim_one(outbox), "refused: no such issue")
    with toy_core.database.writing() as session:
        assert backlog(session) == {"waiting": 0, "buried": 1}
        assert replay(session, "d", now=toy_core.clock()) == 0
        assert replay(session, "c", now=toy_core.clock()) == 1
    assert claim_one(outbox).entry.trouble is None


def test_being_told_to_wait_delays_the_errand_without_using_up_a_try(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    ask(toy_core, subject="1")
    ask(toy_core, subject="2")
    first, second = outbox.claim()
    outbox.postpone(first, TrackerUnavailable("slow down", retry_after=90))
    outbox.succeed(second)
    assert connection(toy_core).paused_until is None, "one endpoint's limit is not the whole site's"
    clock.forward(seconds=89)
    assert outbox.claim() == []
    clock.forward(seconds=2)
    assert claim_one(outbox).entry.attempts == 1


def test_a_used_up_quota_stops_the_connection_until_its_reset_but_no_other(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    for name in ("c", "d"):
        ask(toy_core, connection=name)
    errands = {errand.connection.id: errand for errand in outbox.claim()}
    outbox.postpone(errands["c"], TrackerUnavailable("quota", retry_after=600, whole_connection=True))
    assert not outbox.is_open("c")
    ask(toy_core, "show_label", "9", connection="c")
    ask(toy_core, "show_label", "9", connection="d")
    assert [errand.connection.id for errand in outbox.claim()] == ["d"]
    assert connection(toy_core).offline_since is None, "it answers, only not to us"
    clock.forward(seconds=601)
    assert outbox.is_open("c")
    assert [errand.entry.kind for errand in outbox.claim() if errand.connection.id == "c"] == [
        "fetch_issue",
        "show_label",
    ]


def test_a_silent_tracker_is_shown_since_when_asked_ever_more_rarely_and_forgiven_at_once(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    since, pauses = clock(), []
    for number in range(6):
        ask(toy_core, subject=str(number))
        errand = next(one for one in outbox.claim() if one.entry.subject == str(number))
        outbox.postpone(errand, TrackerUnavailable("connection refused"))
        row = connection(toy_core)
        assert (row.offline_since, row.trouble) == (since, "connection refused")
        pauses.append(row.paused_until - clock())
        clock.now = row.paused_until
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=5)
    clock.forward(minutes=2)
    ask(toy_core, subject="probe")
    probe = next(one for one in outbox.claim() if one.entry.subject == "probe")
    outbox.succeed(probe)
    row = connection(toy_core)
    assert (row.offline_since, row.paused_until, row.trouble) == (None, None, None)
    waiting = [entry for entry in rows(toy_core, OutboxEntry) if entry.state == "waiting"]
    assert {entry.due_at for entry in waiting} == {clock()}, "what failed meanwhile is not kept waiting any longer"
    assert len(waiting) == 6


def test_what_was_buried_because_the_tracker_was_away_for_days_comes_back_with_it(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    ask(toy_core, subject="1")
    outbox.postpone(claim_one(outbox), TrackerUnavailable("down"))
    clock.now += PATIENCE
    outbox.postpone(claim_one(outbox), TrackerUnavailable("down"))
    assert only(toy_core).state == "buried"
    clock.forward(hours=1)
    ask(toy_core, subject="2")
    outbox.succeed(claim_one(outbox))
    assert claim_one(outbox).entry.subject == "1"


def test_one_issue_that_always_fails_does_not_keep_the_site_offline(
    toy_core: Core, outbox: Outbox, clock: MovableClock
):
    ask(toy_core, subject="poison")
    outbox.postpone(claim_one(outbox), TrackerUnavailable("500"))
    clock.forward(seconds=6)
    ask(toy_core, subject="fine")
    outbox.succeed(claim_one(outbox))
    assert connection(toy_core).offline_since is None
    assert outbox.claim() == [], "the failing one keeps to its own back-off"


def test_nothing_is_sent_to_a_connection_that_was_uninstalled(toy_core: Core, outbox: Outbox, clock: MovableClock):
    ask(toy_core)
    with toy_core.database.writing() as session:
        session.get_one(Connection, "c").state = "uninstalled"
    assert outbox.claim() == []
    assert not outbox.is_open("c")
    clock.forward(days=8)
    assert outbox.clean_up() == 1


def test_old_done_errands_are_forgotten_and_buried_ones_kept(toy_core: Core, outbox: Outbox, clock: MovableClock):
    for subject in ("done", "buried", "waiting"):
        ask(toy_core, subject=subject)
    errands = {errand.entry.subject: errand for errand in outbox.claim()}
    outbox.succeed(errands["done"])
    outbox.bury(errands["buried"], "refused")
    clock.forward(days=8)
    assert outbox.clean_up() == 1
    assert [entry.subject for entry in rows(toy_core, OutboxEntry)] == ["buried", "waiting"]
