"""The seam itself: every tracker has every call, and refuses what it says that it cannot do."""

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
    GoalCard,
    PanelLabel,
    SiteOption,
    Tracker,
    TrackerRefused,
    registered_trackers,
)
from tests.toy_tracker import ToyTracker

FACTORIES: dict[str, Callable[..., Any]] = {
    "jira": jira_app.TRACKER,
    "linear": linear_app.TRACKER,
    "toy": ToyTracker,
}
CALLS = sorted(name for name, one in vars(Tracker).items() if inspect.isfunction(one) and not name.startswith("_"))


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
