"""The inbox on both databases: durable, unique, shared commits, leases, and what becomes of failures."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from connector.core import Core, build_core
from connector.database import Database
from connector.inbox import TRIES, Inbox, InboxUnavailable, finish, take
from connector.models import Connection, InboxEntry
from connector.settings import load_settings
from tests.postgres import MovableClock, furnish, rows, running_server
from tests.toy_tracker import ToyTracker


def test_a_delivery_is_on_disk_when_accept_returns(toy_core: Core):
    assert toy_core.inbox.accept("c", "k1", "issue", b'{"id": 1}') is True
    elsewhere = Database(toy_core.settings.effective_database_url)
    with elsewhere.reading() as session:
        entry = session.scalars(select(InboxEntry)).one()
    elsewhere.close()
    assert (entry.connection_id, entry.delivery_key, entry.kind, entry.body) == ("c", "k1", "issue", b'{"id": 1}')
    assert (entry.state, entry.attempts, entry.received_at) == ("waiting", 0, toy_core.clock())


def test_a_repeated_delivery_is_stored_once_and_accepted_again(toy_core: Core):
    answers = [toy_core.inbox.accept("c", "k1", "issue", body) for body in (b"first", b"again")]
    assert answers == [True, False]
    assert [entry.body for entry in rows(toy_core, InboxEntry)] == [b"first"]


def test_the_same_key_from_another_connection_is_another_delivery(toy_core: Core):
    assert [toy_core.inbox.accept(name, "k1", "issue", b"") for name in ("c", "d")] == [True, True]


def test_deliveries_at_once_each_get_their_own_answer(toy_core: Core):
    keys = [f"k{number % 40}" for number in range(120)]
    commits = []
    event.listen(toy_core.database.engine, "commit", commits.append)
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda key: (key, toy_core.inbox.accept("c", key, "issue", key.encode())), keys))
    assert Counter(key for key, new in answers if new) == Counter(dict.fromkeys(keys, 1))
    assert sorted(entry.delivery_key for entry in rows(toy_core, InboxEntry)) == sorted(set(keys))
    if toy_core.database.is_sqlite:
        assert len(commits) < len(keys) / 2, "requests that arrive together share a commit"


def test_a_connection_removed_meanwhile_costs_only_its_own_deliveries(toy_core: Core):
    names = ["c", "gone", "d", "gone", "c"]
    with ThreadPoolExecutor(5) as pool:

        def accept(numbered: tuple[int, str]) -> bool | str:
            try:
                return toy_core.inbox.accept(numbered[1], f"k{numbered[0]}", "issue", b"")
            except InboxUnavailable as error:
                return error.reason

        answers = list(pool.map(accept, enumerate(names)))
    assert answers == [True, "inbox_unavailable", True, "inbox_unavailable", True]
    assert len(rows(toy_core, InboxEntry)) == 3


@pytest.mark.parametrize("kind", ["issue\x00", "issue\ud800", "x" * 500])
def test_a_hostile_kind_is_stored_in_a_form_that_both_databases_hold(toy_core: Core, kind: str):
    assert toy_core.inbox.accept("c", "k1", kind, b"")
    assert len(rows(toy_core, InboxEntry)[0].kind) <= 64


def test_long_delivery_keys_stay_distinct(toy_core: Core):
    long = "k" * 300
    assert [toy_core.inbox.accept("c", key, "issue", b"") for key in (long + "1", long + "2", long + "1")] == [
        True, True, False,
    ]  # fmt: skip


def test_a_locked_database_is_unavailable_and_everything_resumes(settings, clock: MovableClock):
    core = build_core(settings, trackers={"toy": ToyTracker}, clock=clock)
    furnish(core)

    def broken(statement: str, *_: object) -> None:
        raise OperationalError(statement, {}, Exception("disk I/O error"))

    begin = core.database.write_connection
    core.database.write_connection = lambda: broken("BEGIN")  # type: ignore[method-assign]
    with pytest.raises(InboxUnavailable):
        core.inbox.accept("c", "k1", "issue", b"")
    core.database.write_connection = begin  # type: ignore[method-assign]
    assert core.inbox.accept("c", "k1", "issue", b"")
    core.close()


def test_a_stopped_postgresql_is_unavailable_and_everything_resumes(clock: MovableClock):
    with running_server() as own:
        key = "M" * 43 + "="  # made up
        settings = load_settings(env_file=None, database_url=own.database(template=None), secret_keys=key)
        core = build_core(settings, trackers={"toy": ToyTracker}, clock=clock)
        furnish(core)
        assert core.inbox.accept("c", "before", "issue", b"")
        own.stop()
        with pytest.raises(InboxUnavailable):
            core.inbox.accept("c", "during", "issue", b"")
        own.start()
        assert core.inbox.accept("c", "during", "issue", b"")
        assert [entry.delivery_key for entry in rows(core, InboxEntry)] == ["before", "during"]
        core.close()


def test_listeners_hear_of_new_deliveries_only(toy_core: Core):
    heard = []
    toy_core.inbox.subscribe(lambda: heard.append(1))
    for key in ("k1", "k1", "k2"):
        toy_core.inbox.accept("c", key, "issue", b"")
    assert len(heard) == 2


def test_a_claimed_entry_is_leased_and_falls_due_again_when_its_worker_died(toy_core: Core, clock: MovableClock):
    toy_core.inbox.accept("c", "k1", "issue", b"")
    lease = timedelta(seconds=30)
    assert [entry.delivery_key for entry in toy_core.inbox.claim(lease=lease)] == ["k1"]
    assert toy_core.inbox.claim(lease=lease) == []
    clock.forward(seconds=31)
    assert [(entry.delivery_key, entry.attempts) for entry in toy_core.inbox.claim(lease=lease)] == [("k1", 2)]


def test_entries_of_a_dead_worker_are_handed_out_one_at_a_time(toy_core: Core, clock: MovableClock):
    for key in ("k1", "k2", "k3"):
        toy_core.inbox.accept("c", key, "issue", b"")
    assert len(toy_core.inbox.claim()) == 3
    clock.forward(minutes=1)
    toy_core.inbox.accept("c", "fresh", "issue", b"")
    claims = [[entry.delivery_key for entry in toy_core.inbox.claim()] for _ in range(5)]
    assert claims == [["fresh"], ["k1"], ["k2"], ["k3"], []]


def test_many_workers_never_claim_the_same_entry(toy_core: Core):
    for number in range(60):
        toy_core.inbox.accept("c", f"k{number}", "issue", b"")
    start = threading.Barrier(4)

    def claim_all(_: int) -> list[int]:
        start.wait()
        claimed = []
        while batch := toy_core.inbox.claim(limit=4):
            claimed += [entry.id for entry in batch]
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [number for part in pool.map(claim_all, range(4)) for number in part]
    assert len(claimed) == len(set(claimed)) == 60


def test_a_released_entry_is_due_at_once_and_its_claim_was_no_try(toy_core: Core):
    toy_core.inbox.accept("c", "k1", "issue", b"")
    toy_core.inbox.release(toy_core.inbox.claim())
    assert [entry.attempts for entry in toy_core.inbox.claim()] == [1]


def test_an_entry_takes_effect_in_one_transaction_only(toy_core: Core):
    toy_core.inbox.accept("c", "k1", "issue", b"")
    (entry,) = toy_core.inbox.claim()
    with toy_core.database.writing() as session:
        assert take(session, entry)
        finish(session, entry, "handled", toy_core.clock())
    with toy_core.database.writing() as session:
        assert not take(session, entry)
    assert rows(toy_core, InboxEntry)[0].outcome == "handled"


def test_a_failing_entry_is_put_off_ever_longer_then_set_aside_and_can_be_replayed(toy_core: Core, clock: MovableClock):
    toy_core.inbox.accept("c", "k1", "issue", b"")
    waits = []
    for _ in range(TRIES):
        (entry,) = toy_core.inbox.claim()
        if toy_core.inbox.retry_later(entry, "KeyError"):
            break
        due = rows(toy_core, InboxEntry)[0].due_at
        waits.append((due - clock()).total_seconds())
        clock.now = due
    assert waits == sorted(waits)
    assert len(waits) == TRIES - 1
    (entry,) = rows(toy_core, InboxEntry)
    assert (entry.state, entry.outcome) == ("failed", "failed:KeyError")
    assert toy_core.inbox.claim() == []
    with toy_core.database.writing() as session:
        assert toy_core.inbox.backlog(session) == {"waiting": 0, "failed": 1}
        assert toy_core.inbox.replay(session, "d") == 0
        assert toy_core.inbox.replay(session, "c", [entry.id]) == 1
    assert [one.attempts for one in toy_core.inbox.claim()] == [1]


def test_old_finished_entries_are_forgotten_and_failed_ones_kept(toy_core: Core, clock: MovableClock):
    for key in ("done", "failed", "waiting"):
        toy_core.inbox.accept("c", key, "issue", b"")
    done, failed, _ = toy_core.inbox.claim()
    with toy_core.database.writing() as session:
        finish(session, done, "handled", clock())
    toy_core.inbox.set_aside(failed, "bad_delivery: no id")
    clock.forward(days=8)
    assert toy_core.inbox.clean_up() == 1
    assert [entry.delivery_key for entry in rows(toy_core, InboxEntry)] == ["failed", "waiting"]


def test_a_closed_inbox_refuses_and_has_written_what_it_took(settings, clock: MovableClock):
    core = build_core(settings, trackers={"toy": ToyTracker}, clock=clock)
    furnish(core)
    inbox = Inbox(core.database, clock)
    assert inbox.accept("c", "k1", "issue", b"")
    inbox.close()
    with pytest.raises(InboxUnavailable):
        inbox.accept("c", "k2", "issue", b"")
    assert [entry.delivery_key for entry in rows(core, InboxEntry)] == ["k1"]
    core.close()


def test_removing_a_connection_removes_its_deliveries(toy_core: Core):
    toy_core.inbox.accept("c", "k1", "issue", b"")
    with toy_core.database.writing() as session:
        session.delete(session.get_one(Connection, "c"))
    assert rows(toy_core, InboxEntry) == []
