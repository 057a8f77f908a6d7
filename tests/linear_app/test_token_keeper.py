"""The rotating tokens: refreshed early, by one worker, stored before they are used, and never silently dead."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import patch

import pytest
import requests
from cryptography.fernet import Fernet

from connector.core import Core, Services, build_core
from connector.models import Base, Connection, Issue, Workspace
from connector.outbox import enqueue
from connector.settings import Settings
from connector.tracker import TrackerRefused, TrackerUnavailable
from connector.vault import Vault
from connector.worker import Worker
from linear_app import TRACKER
from linear_app.oauth import Tokens
from linear_app.token_keeper import EARLY, TokenKeeper
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import DAY, Linear, issue_node, refusal
from tests.linear_app.conftest import Now, Stored


@pytest.fixture
def keeper(tracker: LinearTracker) -> TokenKeeper:
    """The keeper of the tracker."""
    return tracker.tokens


def expire(core: Core, tracker: LinearTracker, now: Now, *, left: timedelta) -> None:
    """Make the kept access token end in `left`."""
    with core.database.writing() as session:
        row = session.get_one(Connection, "c")
        tracker.tokens.seal(row, Tokens("access-0", "refresh-0", now() + left, ("read", "write")))


def kept(core: Core, tracker: LinearTracker) -> Tokens:
    """Return the tokens in the database."""
    with core.database.reading() as session:
        return tracker.tokens.open(session.get_one(Connection, "c"))


def test_a_token_with_time_left_is_used_as_it_is(keeper: TokenKeeper, connection: Connection, linear: Linear) -> None:
    assert keeper.access_token("c") == "access-0"
    assert linear.token_calls == []


def test_a_token_is_renewed_before_it_ends(
    keeper: TokenKeeper, connection: Connection, linear: Linear, core: Core, tracker: LinearTracker, now: Now
) -> None:
    expire(core, tracker, now, left=EARLY)
    assert keeper.access_token("c") == "access-1"
    assert linear.token_calls == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-0",
            "client_id": "client-1",
            "client_secret": "client-secret",
        }
    ]
    fresh = kept(core, tracker)
    assert (fresh.access, fresh.refresh) == ("access-1", "refresh-1")
    assert fresh.expires_at == now() + timedelta(seconds=DAY)
    assert keeper.access_token("c") == "access-1"
    assert len(linear.token_calls) == 1


def test_tokens_are_sealed_at_rest(connection: Connection, core: Core) -> None:
    with core.database.reading() as session:
        sealed = session.get_one(Connection, "c").credential or ""
    assert "access-0" not in sealed
    assert "refresh-0" not in sealed


def test_two_workers_that_need_a_token_at_once_ask_once(
    either_settings: Settings, linear: Linear, now: Now, settings: Settings
) -> None:
    options = {name: getattr(settings, name) for name in ("linear_client_id", "linear_client_secret")}
    core = build_core(either_settings.model_copy(update=options), trackers={"linear": TRACKER}, clock=now)
    Base.metadata.create_all(core.database.engine)
    keepers = [LinearTracker(_services(core)).tokens for _ in range(4)]
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
        session.flush()
        row = Connection(id="c", workspace_id="w", tracker="linear", tenant_key="org", site="https://linear.app/acme")
        keepers[0].seal(row, Tokens("access-0", "refresh-0", now(), ("read", "write")))
        session.add(row)
    # Long enough for the others to find the lease taken.
    linear.before_token = lambda: time.sleep(0.3)
    with ThreadPoolExecutor(len(keepers)) as pool:
        tokens = list(pool.map(lambda one: one.access_token("c"), keepers))
    assert tokens == ["access-1"] * len(keepers)
    assert len(linear.token_calls) == 1
    core.close()


def test_a_refused_grant_says_so_and_is_not_tried_again(
    keeper: TokenKeeper,
    connection: Connection,
    linear: Linear,
    core: Core,
    tracker: LinearTracker,
    now: Now,
    stored: Stored,
) -> None:
    expire(core, tracker, now, left=timedelta(hours=-1))
    linear.refresh_tokens.clear()
    for _ in range(3):
        with pytest.raises(TrackerUnavailable, match="The grant was revoked"):
            keeper.access_token("c")
    assert len(linear.token_calls) == 1
    row = stored.connection()
    assert row.state == "reconnect_needed"
    assert "The grant was revoked" in (row.trouble or "")
    assert row.renewing_until is None


@pytest.mark.parametrize(
    "answer",
    [
        (500, "oops"),
        (503, {"error": "temporarily_unavailable"}),
        (429, {}),
        (401, {"error": "invalid_client"}),
        (400, {"error": "invalid_request"}),
        (200, "<html>"),
        (200, {"access_token": ""}),
        (200, requests.ConnectionError("no")),
    ],
    ids=str,
)
def test_any_other_failure_keeps_a_token_that_is_still_good(
    keeper: TokenKeeper,
    connection: Connection,
    linear: Linear,
    core: Core,
    tracker: LinearTracker,
    now: Now,
    stored: Stored,
    answer: tuple[int, object],
) -> None:
    expire(core, tracker, now, left=timedelta(minutes=2))
    linear.token_answer = answer
    assert keeper.access_token("c") == "access-0"
    assert stored.connection().renewing_until is None
    now.forward(minutes=3)
    with pytest.raises(TrackerUnavailable):
        keeper.access_token("c")
    assert stored.connection().state == "active"
    linear.token_answer = None
    assert keeper.access_token("c").startswith("access-")


def test_a_token_that_was_replaced_meanwhile_is_not_replaced_again(
    keeper: TokenKeeper, connection: Connection, linear: Linear
) -> None:
    assert keeper.renewed("c", "an older token") == "access-0"
    assert linear.token_calls == []


def test_a_rejected_token_is_not_given_out_again_although_it_has_time_left(
    keeper: TokenKeeper, connection: Connection, linear: Linear, stored: Stored
) -> None:
    linear.token_answer = (503, "busy")
    with pytest.raises(TrackerUnavailable):
        keeper.renewed("c", "access-0")
    assert stored.connection().renewing_until is None


def test_a_crash_after_linear_answered_loses_nothing_since_the_old_refresh_token_is_taken_again(
    keeper: TokenKeeper, connection: Connection, linear: Linear, core: Core, tracker: LinearTracker, now: Now
) -> None:
    expire(core, tracker, now, left=timedelta(0))
    with patch.object(TokenKeeper, "seal", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        keeper.access_token("c")
    assert kept(core, tracker).refresh == "refresh-0"
    now.forward(seconds=31)
    assert LinearTracker(_services(core)).tokens.access_token("c") == "access-2"
    assert [call["refresh_token"] for call in linear.token_calls] == ["refresh-0", "refresh-0"]


def test_a_lease_whose_holder_died_runs_out(
    core: Core, connection: Connection, linear: Linear, tracker: LinearTracker, now: Now
) -> None:
    expire(core, tracker, now, left=timedelta(0))
    with core.database.writing() as session:
        session.get_one(Connection, "c").renewing_until = now() + timedelta(seconds=20)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now.forward(seconds=seconds)

    assert TokenKeeper(_services(core), tracker.oauth, sleep).access_token("c") == "access-1"
    assert 20 <= sum(waits) < 21


def test_a_lease_that_is_never_let_go_of_is_an_error_and_no_endless_wait(
    core: Core, connection: Connection, linear: Linear, tracker: LinearTracker, now: Now
) -> None:
    expire(core, tracker, now, left=timedelta(0))
    with core.database.writing() as session:
        session.get_one(Connection, "c").renewing_until = now() + timedelta(days=1)
    with pytest.raises(TrackerUnavailable, match="renewed elsewhere"):
        TokenKeeper(_services(core), tracker.oauth, lambda _: None).access_token("c")


def test_an_answer_without_a_new_refresh_token_keeps_the_old_one(
    keeper: TokenKeeper, connection: Connection, linear: Linear, core: Core, tracker: LinearTracker, now: Now
) -> None:
    expire(core, tracker, now, left=timedelta(0))
    linear.token_answer = (200, {"access_token": "access-x", "expires_in": 100, "scope": ["read", "write"]})
    assert keeper.access_token("c") == "access-x"
    assert kept(core, tracker) == Tokens("access-x", "refresh-0", now() + timedelta(seconds=100), ("read", "write"))


def test_a_refusal_of_old_tokens_does_not_undo_a_new_connection(
    keeper: TokenKeeper,
    connection: Connection,
    linear: Linear,
    core: Core,
    tracker: LinearTracker,
    now: Now,
    stored: Stored,
) -> None:
    expire(core, tracker, now, left=timedelta(0))
    linear.refresh_tokens.clear()

    def connected_again() -> None:
        with core.database.writing() as session:
            row = session.get_one(Connection, "c")
            tracker.tokens.seal(row, Tokens("access-new", "refresh-new", now() + timedelta(hours=9), ()))

    linear.before_token = connected_again
    with pytest.raises(TrackerUnavailable):
        keeper.access_token("c")
    assert stored.connection().state == "active"
    assert keeper.access_token("c") == "access-new"


def test_a_workspace_that_was_uninstalled_gets_no_token(
    keeper: TokenKeeper, connection: Connection, core: Core, linear: Linear
) -> None:
    with core.database.writing() as session:
        row = session.get_one(Connection, "c")
        row.state, row.credential = "uninstalled", None
    with pytest.raises(TrackerRefused, match="not installed"):
        keeper.access_token("c")


def test_tokens_sealed_with_a_lost_key_are_refused_with_the_reason(
    connection: Connection, core: Core, keeper: TokenKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_vault", Vault([Fernet.generate_key().decode()]))
    with pytest.raises(TrackerRefused, match="LADDER_SECRET_KEYS"):
        keeper.access_token("c")


def test_a_token_that_dies_in_the_middle_of_a_backlog_is_renewed_once_and_the_backlog_goes_on(
    core: Core, connection: Connection, linear: Linear, stored: Stored
) -> None:
    linear.always("Issue", lambda asked: {"issue": issue_node(int(str(asked["id"]).removeprefix("issue-")))})
    _ask_for(core, 12)
    worker = Worker(core)
    worker._pace = lambda _connection_id: None  # type: ignore[method-assign]  # no need to spare the fake
    worker.run_once(5)
    linear.good.discard("access-0")
    while any(kind == "fetch_issue" for kind, _ in stored.errands()):
        assert worker.run_once(5)
    assert len(linear.token_calls) == 1
    assert {one.token for one in linear.asked} == {"access-0", "access-1"}
    with core.database.reading() as session:
        assert session.query(Issue).count() == 12


def test_a_backlog_waits_while_the_workspace_must_be_connected_again(
    core: Core, connection: Connection, linear: Linear, stored: Stored
) -> None:
    linear.always("Issue", lambda asked: {"issue": issue_node(int(str(asked["id"]).removeprefix("issue-")))})
    _ask_for(core, 4)
    linear.good.clear()
    linear.refresh_tokens.clear()
    worker = Worker(core)
    for _ in range(3):
        worker.run_once()
    assert stored.connection().state == "reconnect_needed"
    assert len(stored.errands()) == 4
    assert len(linear.token_calls) == 1


def test_a_workspace_that_accepts_not_even_a_new_token_must_be_connected_again(
    core: Core, connection: Connection, linear: Linear, tracker: LinearTracker, stored: Stored
) -> None:
    linear.says("Issue", refusal("AUTHENTICATION_ERROR")).says("Issue", refusal("AUTHENTICATION_ERROR"))
    with pytest.raises(TrackerUnavailable, match="connected again"):
        tracker.fetch_issue(connection, "issue-1")
    assert len(linear.token_calls) == 1
    assert stored.connection().state == "reconnect_needed"


def _ask_for(core: Core, count: int) -> None:
    with core.database.writing() as session:
        for number in range(1, count + 1):
            enqueue(session, "c", "fetch_issue", f"issue-{number}", now=core.clock())


def _services(core: Core) -> Services:
    return Services(core.settings, core.database, core.vault, core.clock)
