"""A workspace with a connected toy tracker, and a program with a token that talks to the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector import tokens
from connector.core import Core, Services, build_core
from connector.models import Connection, Workspace
from connector.settings import Settings
from tests.tables import make_tables
from tests.toy_tracker import ToyTracker
from web.app import create_app

START = datetime(2026, 8, 3, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that only moves when a test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass
class Program:
    """A program that calls the API of one workspace with its token."""

    client: FlaskClient
    workspace_id: str
    token: str
    made: dict[str, int] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        extra = {} if body is None else {"json": body}
        return self.client.open(f"/api/v1{path}", method=method, headers=sent, **extra)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        answer = self.call("POST", path, body, headers)
        assert answer.status_code == 201, answer.text
        return json.loads(answer.text)

    def patch(self, path: str, body: Any, version: int | None = None) -> Any:
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        answer = self.call("PATCH", path, body, headers)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Return status and reason of a problem, checked to be one."""
        answer = self.call(method, path, body, headers)
        assert answer.content_type == "application/problem+json", answer.text
        problem = answer.get_json(force=True)
        assert problem["status"] == answer.status_code
        assert problem["type"].endswith(f"#{problem['reason']}")
        return answer.status_code, problem["reason"]

    def cycle(self, **fields: Any) -> Any:
        given = {"name": self._named("Cycle"), "starts_on": "2026-07-01", "ends_on": "2026-09-30"}
        return self.post("/cycles", {**given, **fields})

    def team(self, **fields: Any) -> Any:
        return self.post("/teams", {"name": self._named("Team"), **fields})

    def person(self, **fields: Any) -> Any:
        return self.post("/people", {"name": self._named("Person"), **fields})

    def objective(self, **fields: Any) -> Any:
        given = {"title": "Win the trust of enterprise admins this quarter"}
        if "cycle_id" not in fields:
            given["cycle_id"] = self.cycle()["id"]
        if "team_id" not in fields:
            given["team_id"] = self.team()["id"]
        return self.post("/objectives", {**given, **fields})

    def draft(self, **fields: Any) -> dict[str, Any]:
        """Return a key result's body, not sent yet."""
        given: dict[str, Any] = {"title": "Activation rate", "baseline": 22, "target": 35, "unit": "%"}
        if "objective_id" not in fields:
            given["objective_id"] = self.objective()["id"]
        if "driver_id" not in fields:
            given["driver_id"] = self.person()["id"]
        return {**given, **fields}

    def key_result(self, **fields: Any) -> Any:
        return self.post("/key-results", self.draft(**fields))

    def _named(self, thing: str) -> str:
        self.made[thing] = self.made.get(thing, 0) + 1
        return f"{thing} {self.made[thing]}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def toy() -> ToyTracker:
    return ToyTracker()


@pytest.fixture
def core(settings: Settings, toy: ToyTracker, clock: Clock) -> Iterator[Core]:
    """A core whose only tracker is the toy."""

    def factory(_services: Services) -> ToyTracker:
        return toy

    core = build_core(settings, trackers={"toy": factory}, clock=clock)
    make_tables(core.database)
    yield core
    core.close()


def new_program(core: Core, app: Flask, name: str) -> Program:
    with core.database.writing() as session:
        workspace = Workspace(name=name)
        session.add(workspace)
        session.flush()
        _, secret = tokens.create_token(session, workspace.id, "tests")
        return Program(app.test_client(), workspace.id, secret)


@pytest.fixture
def app(core: Core) -> Flask:
    app = create_app(core)
    app.testing = True
    return app


@pytest.fixture
def program(core: Core, app: Flask) -> Program:
    return new_program(core, app, "Acme")


@pytest.fixture
def stranger(core: Core, app: Flask) -> Program:
    """A program of another workspace."""
    return new_program(core, app, "Umbrella")


@pytest.fixture
def connection(core: Core, program: Program) -> Connection:
    """The workspace's one connected site."""
    with core.database.writing() as session:
        connection = Connection(
            workspace_id=program.workspace_id,
            tracker="toy",
            tenant_key="toy-1",
            site="https://toy.example",
            installed_at=core.clock(),
        )
        session.add(connection)
    return connection
