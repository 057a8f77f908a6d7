"""What every tracker owes the core, held against Jira's, Linear's and the toy alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

import jira_app
import linear_app
from connector.core import Core, build_core
from connector.models import Base, Connection, Workspace
from connector.settings import load_settings
from connector.tracker import (
    BadDelivery,
    Capabilities,
    GoalCard,
    Ignored,
    IssueTouched,
    PanelLabel,
    SiteOption,
    Tracker,
    TrackerRefused,
    Unsupported,
    registered_trackers,
)
from tests.toy_tracker import ToyTracker

FACTORIES: dict[str, Callable[..., Any]] = {
    "jira": jira_app.TRACKER,
    "linear": linear_app.TRACKER,
    "toy": ToyTracker,
}
CALLS = sorted(name for name, one in vars(Tracker).items() if inspect.isfunction(one) and not name.startswith("_"))
NONSENSE = (b"", b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"issue": 1, "data": []}')


@pytest.fixture(params=sorted(FACTORIES))
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    """A core with one tracker, and one connection of its."""
    settings = load_settings(env_file=None, database_url=f"sqlite:///{tmp_path / 'ladder.db'}")
    core = build_core(settings, trackers={request.param: FACTORIES[request.param]})
    Base.metadata.create_all(core.database.engine)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
        session.flush()
        site = f"https://{request.param}.example"
        session.add(Connection(id="c", workspace_id="w", tracker=request.param, tenant_key="t", site=site))
    yield core
    core.close()


@pytest.fixture
def tracker(core: Core) -> Tracker:
    return next(iter(core.trackers.values()))


@pytest.fixture
def connection(core: Core) -> Connection:
    with core.database.reading() as session:
        return session.get_one(Connection, "c")


def test_every_call_is_there_with_the_protocols_own_parameters(tracker: Tracker) -> None:
    for name in CALLS:
        promised = list(inspect.signature(getattr(Tracker, name)).parameters)[1:]
        assert list(inspect.signature(getattr(tracker, name)).parameters) == promised, name


def test_it_says_its_name_and_what_it_can(core: Core, tracker: Tracker) -> None:
    assert core.trackers[tracker.name] is tracker
    assert isinstance(tracker.capabilities, Capabilities)


def test_nonsense_is_a_bad_delivery_or_left_alone_and_never_a_crash(tracker: Tracker, connection: Connection) -> None:
    for kind in ("issue", "Issue.update", "jira:issue_updated", "Cycle.create", "sprint_started"):
        for body in NONSENSE:
            try:
                events = tracker.parse(connection, kind, body)
            except BadDelivery:
                continue
            assert all(isinstance(event, Ignored | Unsupported | IssueTouched) for event in events), (kind, body[:20])


def test_a_kind_from_the_future_is_told_as_unsupported(tracker: Tracker, connection: Connection) -> None:
    body = b'{"type": "Teleport", "action": "create", "webhookEvent": "teleport_created", "data": {"id": "x"}}'
    events = tracker.parse(connection, "Teleport.create", body)
    assert [type(event) for event in events] == [Unsupported]


@responses.activate
def test_what_can_be_set_is_told_without_asking_anybody(tracker: Tracker, connection: Connection) -> None:
    assert all(isinstance(option, SiteOption) for option in tracker.site_options(connection))
    assert len(responses.calls) == 0


@responses.activate
def test_what_it_cannot_do_it_refuses_without_asking_anybody(tracker: Tracker, connection: Connection) -> None:
    can, card = tracker.capabilities, GoalCard("kr", "https://ladder.example/x", "KR", "0%")
    refused: list[Callable[[], object]] = []
    if not can.cards:
        refused += [
            lambda: tracker.show_card(connection, "1", card, None),
            lambda: tracker.remove_card(connection, "card"),
        ]
    if not can.goal_labels:
        refused.append(lambda: tracker.sync_goal_labels(connection, {}, {}))
    if not can.queries:
        refused.append(lambda: tracker.measure(connection, "everything", "count", None))
    for call in refused:
        with pytest.raises(TrackerRefused):
            call()
    if not can.panel_label:
        tracker.show_label(connection, "1", PanelLabel("on track"))
    assert len(responses.calls) == 0


def test_every_tracker_of_the_package_is_registered_under_its_name() -> None:
    registered = registered_trackers()
    assert {name: registered.get(name) for name in ("jira", "linear")} == {
        "jira": jira_app.TRACKER,
        "linear": linear_app.TRACKER,
    }
