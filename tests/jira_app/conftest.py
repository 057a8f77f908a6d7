"""Fixtures of the Connect door: a core with the Jira tracker, its routes, a key host, and a site that can sign."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import responses
from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from sqlalchemy import select

from connector.core import Core, build_core
from connector.database import Database
from connector.models import Base, Connection, InboxEntry
from connector.settings import Settings, load_settings
from jira_app import TRACKER
from jira_app.tokens import JiraCaller, verified_context, verified_page
from jira_app.tracker import JiraTracker
from tests.jira_app.acme import KEY_HOST, LADDER, SECOND_KEY_HOST, Acme, public_pem, rsa_key, signed
from tests.jira_app.answering import Jira


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with empty tables, made once and copied for each test: making it takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "ladder.db"
    database = Database(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    database.close()
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    """Settings with two key hosts of our own, on a database of the test's own."""
    shutil.copy(empty_database, tmp_path / "ladder.db")
    return load_settings(
        env_file=None,
        database_url=f"sqlite:///{tmp_path / 'ladder.db'}",
        base_url=LADDER,
        connect_key_hosts=f"{KEY_HOST},{SECOND_KEY_HOST}",
    )


@pytest.fixture
def core(settings: Settings) -> Iterator[Core]:
    """A core that knows Jira, with empty tables."""
    core = build_core(settings, trackers={"jira": TRACKER})
    yield core
    core.close()


@pytest.fixture
def door(core: Core, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client of the Jira routes, with a page and a call that only say who was recognised."""
    monkeypatch.setattr("jira_app.routes.PAGES", ())
    app = Flask("door")
    app.testing = True
    app.register_blueprint(core.trackers["jira"].blueprint(core))  # type: ignore[attr-defined]  # trackers may have one

    @app.get("/jira/page")
    def page() -> Any:
        return jsonify(_who(verified_page(core, request)))

    @app.get("/jira/call")
    def call() -> Any:
        return jsonify(_who(verified_context(core, request)))

    return app.test_client()


def _who(caller: JiraCaller) -> dict[str, Any]:
    return {"account": caller.account_id, "origin": caller.origin, "context": dict(caller.context)}


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    """Answers outgoing requests; one that no test expects is an error."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        yield network


@pytest.fixture
def key_host(network: responses.RequestsMock) -> responses.RequestsMock:
    """Atlassian's key hosts, the first of which has the genuine key."""
    network.get(f"{KEY_HOST}/{Acme().kid}", body=public_pem(rsa_key()))
    return network


@pytest.fixture
def acme() -> Acme:
    """A site that has not installed Ladder."""
    return Acme()


@pytest.fixture
def installed(door: FlaskClient, key_host: responses.RequestsMock, acme: Acme) -> Acme:
    """A site that has."""
    answer = door.post("/jira/installed", json=acme.body(), headers=signed(acme.lifecycle_token()))
    assert answer.status_code == 204, answer.data
    return acme


@dataclass
class Stored:
    """What is in the database."""

    core: Core

    def connections(self) -> list[Connection]:
        """Return every connection, oldest first."""
        with self.core.database.reading() as session:
            return list(session.scalars(select(Connection).order_by(Connection.created_at)))

    def deliveries(self) -> list[InboxEntry]:
        """Return every delivery, oldest first."""
        with self.core.database.reading() as session:
            return list(session.scalars(select(InboxEntry).order_by(InboxEntry.id)))


@pytest.fixture
def stored(core: Core) -> Stored:
    """A look into the database."""
    return Stored(core)


@pytest.fixture
def statements(core: Core) -> Iterator[Callable[[], list[str]]]:
    """Return the SQL statements executed since the last call."""
    from sqlalchemy import event

    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(core.database.engine, "before_cursor_execute", note)

    def since_last_call() -> list[str]:
        taken = seen[:]
        seen.clear()
        return taken

    yield since_last_call
    event.remove(core.database.engine, "before_cursor_execute", note)


@pytest.fixture
def jira(network: responses.RequestsMock, acme: Acme) -> Jira:
    """The site's REST interface."""
    return Jira(network, acme)


@pytest.fixture
def tracker(core: Core) -> JiraTracker:
    """The Jira tracker."""
    tracker = core.trackers["jira"]
    assert isinstance(tracker, JiraTracker)
    return tracker


@pytest.fixture
def connection(core: Core, acme: Acme) -> Connection:
    """An installed site that knows its own fields."""
    return Connection(
        id="c-1",
        tracker="jira",
        tenant_key=acme.client_key,
        site=acme.site,
        state="active",
        credential=core.vault.seal(acme.client_key, "connection.credential", acme.secret),
        settings={"estimate_field": "customfield_10016", "sprint_field": "customfield_10020"},
    )
