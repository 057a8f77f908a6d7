"""The worker on both databases: applies, isolates failures, runs errands, hears the doorbell, keeps the minute."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from connector import worker as worker_module
from connector.core import Core
from connector.doorbell import Doorbell, open_queue
from connector.models import Connection, IdempotentAnswer, InboxEntry, Issue, OutboxEntry, utcnow
from connector.outbox import enqueue
from connector.settings import BadSettings, Settings, load_settings
from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable
from connector.worker import Worker
from tests.postgres import MovableClock, rows

AT = 1_785_000_000


def deliver(core: Core, key: str, issue: str = "1", cls: str = "todo", *, at: int = AT, connection: str = "c") -> None:
    core.inbox.accept(connection, key, "issue", json.dumps({"id": issue, "cls": cls, "at": at}).encode())


def outcomes(core: Core) -> dict[str, tuple[str, str | None]]:
    return {entry.delivery_key: (entry.state, entry.outcome) for entry in rows(core, InboxEntry)}


def eventually(truth: Callable[[], object], seconds: float = 15.0) -> object:
    until = time.monotonic() + seconds
    while not (found := truth()) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def test_a_delivery_takes_effect_and_is_finished(toy_core: Core):
    deliver(toy_core, "k1", cls="done")
    assert Worker(toy_core).run_once() > 0
    assert outcomes(toy_core) == {"k1": ("done", "handled")}
    assert [(issue.external_id, issue.cls) for issue in rows(toy_core, Issue)] == [("1", "done")]


def test_ignored_and_unsupported_deliveries_say_so(toy_core: Core):
    toy_core.inbox.accept("c", "k1", "noise", b"{}")
    toy_core.inbox.accept("c", "k2", "news", b"{}")
    Worker(toy_core).run_once()
    assert outcomes(toy_core) == {"k1": ("done", "ignored:noise"), "k2": ("done", "unsupported:news")}


def test_a_delivery_that_makes_no_sense_is_kept_as_failed_and_the_others_go_on(toy_core: Core):
    deliver(toy_core, "k1", "1")
    toy_core.inbox.accept("c", "k2", "issue", b"{broken")
    deliver(toy_core, "k3", "3")
    Worker(toy_core).run_once()
    assert {key: state for key, (state, _) in outcomes(toy_core).items()} == {
        "k1": "done", "k2": "failed", "k3": "done",
    }  # fmt: skip
    assert outcomes(toy_core)["k2"][1].startswith("bad_delivery")
    assert [issue.external_id for issue in rows(toy_core, Issue)] == ["1", "3"]


def test_a_delivery_that_we_fail_to_apply_leaves_no_trace_and_is_tried_again(
    toy_core: Core, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
):
    apply_entry = worker_module.apply_entry
    failing = {"k2"}

    def sometimes(core, session, entry):
        outcome = apply_entry(core, session, entry)
        if entry.delivery_key in failing:
            raise ValueError("ours, not theirs")
        return outcome

    monkeypatch.setattr(worker_module, "apply_entry", sometimes)
    for number in (1, 2, 3):
        deliver(toy_core, f"k{number}", str(number))
    worker = Worker(toy_core)
    worker.run_once()
    assert outcomes(toy_core)["k2"] == ("waiting", "retry:ValueError")
    assert [issue.external_id for issue in rows(toy_core, Issue)] == ["1", "3"]
    failing.clear()
    clock.forward(seconds=2)
    worker.run_once()
    assert outcomes(toy_core)["k2"] == ("done", "handled")


def test_an_entry_that_breaks_the_database_connection_does_not_hold_up_the_others(
    toy_core: Core, monkeypatch: pytest.MonkeyPatch
):
    apply_entry = worker_module.apply_entry

    def breaking(core, session, entry):
        if entry.delivery_key == "k2":
            raise OperationalError("INSERT", {}, Exception("server closed the connection"))
        return apply_entry(core, session, entry)

    monkeypatch.setattr(worker_module, "apply_entry", breaking)
    for number in (1, 2, 3):
        deliver(toy_core, f"k{number}", str(number))
    worker = Worker(toy_core)
    with pytest.raises(OperationalError):
        worker.run_once()
    worker.run_once()
    states = {key: state for key, (state, _) in outcomes(toy_core).items()}
    assert states == {"k1": "done", "k2": "waiting", "k3": "done"}


def test_a_body_that_the_database_cannot_hold_costs_only_itself(toy_core: Core, monkeypatch: pytest.MonkeyPatch):
    apply_entry = worker_module.apply_entry

    def hostile(core, session, entry):
        outcome = apply_entry(core, session, entry)
        if entry.delivery_key == "k1":
            session.execute(text("INSERT INTO inbox (delivery_key) VALUES ('without all the rest')"))
        return outcome

    monkeypatch.setattr(worker_module, "apply_entry", hostile)
    deliver(toy_core, "k1", "1")
    deliver(toy_core, "k2", "2")
    Worker(toy_core).run_once()
    assert [issue.external_id for issue in rows(toy_core, Issue)] == ["2"]


def run_errand(core: Core, handler: Callable[..., None], kind: str = "fetch_issue") -> OutboxEntry:
    with core.database.writing() as session:
        enqueue(session, "c", kind, "1", now=core.clock())
    Worker(core, handlers={"fetch_issue": handler}).run_once()
    (entry,) = rows(core, OutboxEntry)
    return entry


def raising(error: Exception) -> Callable[..., None]:
    def handler(*_: object) -> None:
        raise error

    return handler


def test_an_errand_runs_outside_of_any_transaction(toy_core: Core):
    def handler(core: Core, connection: Connection, entry: OutboxEntry) -> None:
        with core.database.writing() as session:  # would wait for ever inside another one on SQLite
            session.get_one(Connection, connection.id).settings = {"seen": entry.subject}

    assert run_errand(toy_core, handler).state == "done"
    assert rows(toy_core, Connection)[0].settings == {"seen": "1"}


@pytest.mark.parametrize(
    ("error", "state", "trouble"),
    [
        (TrackerRefused("no scope"), "buried", "refused: no scope"),
        (IssueUnreadable("403"), "buried", "unreadable: 403"),
        (TrackerUnavailable("timed out"), "waiting", "unavailable: timed out"),
        (TrackerUnavailable("429", retry_after=5), "waiting", "unavailable: 429"),
        (ZeroDivisionError(), "waiting", "ZeroDivisionError"),
    ],
)
def test_a_failed_errand_waits_or_is_buried_with_its_reason(toy_core: Core, error, state, trouble):
    entry = run_errand(toy_core, raising(error))
    assert (entry.state, entry.trouble) == (state, trouble)


def test_an_errand_that_this_version_does_not_know_is_buried(toy_core: Core):
    assert run_errand(toy_core, raising(ZeroDivisionError()), kind="paint").trouble.startswith("unknown_errand")


def test_a_pause_stops_the_errands_already_claimed(toy_core: Core):
    with toy_core.database.writing() as session:
        for subject in ("1", "2", "3"):
            enqueue(session, "c", "fetch_issue", subject, now=toy_core.clock())
    tried = []

    def handler(_core: Core, _connection: Connection, entry: OutboxEntry) -> None:
        tried.append(entry.subject)
        raise TrackerUnavailable("down")

    Worker(toy_core, handlers={"fetch_issue": handler}).run_once()
    assert len(tried) == 1


def test_every_minute_asks_for_the_reconciles_that_are_due(toy_core: Core, clock: MovableClock):
    with toy_core.database.writing() as session:
        session.get_one(Connection, "d").last_reconcile_at = clock() - timedelta(minutes=3)
    worker = Worker(toy_core, handlers={})
    worker.every_minute()
    worker.every_minute()
    assert [(one.connection_id, one.kind, one.generation) for one in rows(toy_core, OutboxEntry)] == [
        ("c", "reconcile", 1)
    ]
    worker.run_once()
    assert rows(toy_core, Connection)[0].last_reconcile_at == clock()
    clock.forward(minutes=13)
    worker.every_minute()
    assert [one.connection_id for one in rows(toy_core, OutboxEntry) if one.state == "waiting"] == ["d"]


def test_a_reconcile_that_was_refused_is_asked_for_again_a_quarter_of_an_hour_later(
    toy_core: Core, clock: MovableClock
):
    tracker = toy_core.trackers["toy"]
    tracker.down = TrackerRefused("401")
    worker = Worker(toy_core, handlers={})
    worker.every_minute()
    worker.run_once()
    assert {one.state for one in rows(toy_core, OutboxEntry)} == {"buried"}
    clock.forward(minutes=5)
    worker.every_minute()
    assert {one.state for one in rows(toy_core, OutboxEntry)} == {"buried"}
    clock.forward(minutes=11)
    worker.every_minute()
    assert {one.state for one in rows(toy_core, OutboxEntry)} == {"waiting"}


def test_every_hour_old_answers_are_forgotten(toy_core: Core, clock: MovableClock):
    worker = Worker(toy_core, handlers={})
    with toy_core.database.writing() as session:
        for age in (1, 30):
            session.add(
                IdempotentAnswer(
                    workspace_id="w",
                    key=str(age),
                    request_hash="",
                    status=201,
                    body="{}",
                    created_at=clock() - timedelta(hours=age),
                )
            )
    clock.forward(hours=2)
    worker.every_minute()
    assert [answer.key for answer in rows(toy_core, IdempotentAnswer)] == ["1"]


@pytest.fixture
def live_core(toy_core: Core) -> Core:
    """The same core by the real clock, for threads that really wait."""
    object.__setattr__(toy_core, "clock", utcnow)
    toy_core.inbox._clock = utcnow
    return toy_core


def test_a_started_worker_applies_at_once_and_stops_when_asked(live_core: Core):
    worker = Worker(live_core, handlers={}, doorbell=Doorbell(live_core.settings))
    worker.start()
    deliver(live_core, "warm-up")
    assert eventually(lambda: outcomes(live_core)["warm-up"][0] == "done")
    begun = time.monotonic()
    deliver(live_core, "k1", "2")
    assert eventually(lambda: outcomes(live_core)["k1"][0] == "done")
    assert time.monotonic() - begun < 1.5, "it was rung for, not found by the sweep"
    assert worker.stop(timeout=20)
    deliver(live_core, "k2", "3")
    time.sleep(0.1)
    assert outcomes(live_core)["k2"][0] == "waiting"


def test_a_ring_in_another_process_is_heard_through_the_queue(either_settings: Settings):
    rung, minutes = threading.Event(), threading.Event()
    listening, ringing = Doorbell(either_settings), Doorbell(either_settings)
    listening.attend(rung.set, minutes.set)
    assert minutes.wait(15), "the clock ticks as soon as it starts"
    for _ in range(100):
        ringing.ring()
    assert rung.wait(15)
    ringing.close()
    listening.close()


def test_rings_that_nobody_hears_do_not_pile_up(either_settings: Settings):
    doorbell = Doorbell(either_settings)
    for _ in range(30):
        doorbell.ring()
        time.sleep(0.02)
    doorbell.close()
    queue = open_queue(either_settings)
    assert 1 <= queue.pending_count() <= 3
    queue.storage.close()


def test_a_doorbell_without_its_queue_never_disturbs_the_one_who_rings(tmp_path):
    settings = load_settings(
        env_file=None, database_url=f"sqlite:///{tmp_path}/a.db", queue_url="postgresql://nobody@127.0.0.1:1/none"
    )
    doorbell = Doorbell(settings)
    begun = time.monotonic()
    doorbell.ring()
    assert time.monotonic() - begun < 0.5
    doorbell.close(timeout=5)


def test_a_redis_queue_without_the_redis_package_is_a_bad_setting(tmp_path):
    settings = load_settings(env_file=None, database_url=f"sqlite:///{tmp_path}/a.db", queue_url="redis://127.0.0.1:1")
    with pytest.raises(BadSettings, match="LADDER_QUEUE_URL"):
        open_queue(settings)


def test_the_queue_holds_json_not_pickle(either_settings: Settings):
    queue = open_queue(either_settings)
    queue.task(name="ring")(lambda: None)()
    (stored,) = queue.storage.enqueued_items()
    assert isinstance(json.loads(bytes(stored)), list)
    queue.storage.close()


def test_a_database_that_comes_back_finds_the_worker_still_there(live_core: Core, monkeypatch: pytest.MonkeyPatch):
    claim = live_core.inbox.claim
    monkeypatch.setattr(
        live_core.inbox, "claim", raising(OperationalError("SELECT", {}, Exception("connection refused")))
    )
    worker = Worker(live_core, handlers={})
    worker.start()
    deliver(live_core, "k1")
    time.sleep(0.2)
    monkeypatch.setattr(live_core.inbox, "claim", claim)
    assert eventually(lambda: outcomes(live_core)["k1"][0] == "done")
    assert worker.stop()
    with live_core.database.reading() as session:
        assert session.scalars(select(InboxEntry.attempts)).one() == 1
