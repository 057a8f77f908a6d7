"""Fixtures of the Linear door: a core with the Linear tracker, its route, a connected workspace, and its API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from connector.core import Core, build_core
from connector.models import Connection, InboxEntry, OutboxEntry, Workspace, utcnow
from connector.settings import Settings, load_settings
from linear_app import TRACKER
from linear_app.oauth import Tokens
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import APP_USER, LADDER, ORGANIZATION, SECRETS, Linear
from tests.tables import make_tables

SETTINGS = {
    "app_user_id": APP_USER,
    "workflow_states": {"state-started": ["started", "In Progress"], "state-done": ["completed", "Done"]},
    "team_keys": {"team-eng": "ENG", "team-ops": "OPS"},
}


@dataclass
class Now:
    """A clock that can be moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def now() -> Now:
    """The present moment, movable: webhooks are signed with the real time."""
    return Now(utcnow())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an OAuth application and two webhook secrets."""
    return load_settings(
        env_file=None,
        database_url=f"sqlite:///{tmp_path / 'ladder.db'}",
        base_url=LADDER,
        linear_client_id="client-1",
        linear_client_secret="client-secret",
        linear_webhook_secrets=",".join(SECRETS),
    )


@pytest.fixture
def core(settings: Settings, now: Now) -> Iterator[Core]:
    """A core that knows Linear, with empty tables but for a workspace `w`."""
    core = build_core(settings, trackers={"linear": TRACKER}, clock=now)
    make_tables(core.database)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
    yield core
    core.close()


@pytest.fixture
def tracker(core: Core) -> LinearTracker:
    """The Linear tracker."""
    tracker = core.trackers["linear"]
    assert isinstance(tracker, LinearTracker)
    return tracker


@pytest.fixture
def door(core: Core, tracker: LinearTracker) -> FlaskClient:
    """A client of Linear's route."""
    app = Flask("door")
    app.testing = True
    app.register_blueprint(tracker.blueprint(core))
    return app.test_client()


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    """Answers outgoing requests; one that no test expects is an error."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        yield network


@pytest.fixture
def linear(network: responses.RequestsMock) -> Linear:
    """Linear's API and OAuth."""
    return Linear(network)


@pytest.fixture
def connection(core: Core, tracker: LinearTracker, now: Now) -> Connection:
    """A workspace that connected Ladder an hour ago (detached)."""
    with core.database.writing() as session:
        row = Connection(
            id="c",
            workspace_id="w",
            tracker="linear",
            tenant_key=ORGANIZATION,
            site="https://linear.app/acme",
            settings=dict(SETTINGS),
            installed_at=now() - timedelta(hours=1),
        )
        tracker.tokens.seal(row, Tokens("access-0", "refresh-0", now() + timedelta(hours=20), ("read", "write")))
        session.add(row)
        session.flush()
        session.expunge(row)
    return row


@dataclass
class Stored:
    """What is in the database."""

    core: Core

    def connection(self) -> Connection:
        """Return the only connection."""
        with self.core.database.reading() as session:
            return session.scalars(select(Connection)).one()

    def deliveries(self) -> list[InboxEntry]:
        """Return every delivery, oldest first."""
        with self.core.database.reading() as session:
            return list(session.scalars(select(InboxEntry).order_by(InboxEntry.id)))

    def errands(self) -> list[tuple[str, str]]:
        """Return kind and subject of what waits to be done, sorted."""
        with self.core.database.reading() as session:
            waiting = select(OutboxEntry.kind, OutboxEntry.subject).where(OutboxEntry.state == "waiting")
            return sorted((row.kind, row.subject) for row in session.execute(waiting))


@pytest.fixture
def stored(core: Core) -> Stored:
    """A look into the database."""
    return Stored(core)
