"""A stand-in workspace, with and without an application that listens, and a browser where there is one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from flask import Flask, Response, request
from graphql import GraphQLSchema, build_schema
from werkzeug.serving import make_server

from tests.shared_refs import refs
from tests.web.chromium import chromium
from web.sandbox.linear import LinearWorkspace, WorkspaceServer

SECRET = "lin_wh_test"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook as it came in."""

    headers: dict[str, str]
    raw: bytes
    body: Any


@dataclass
class Listener:
    """An application under `url`. `answers` holds the statuses of the next webhooks; 200 when it is empty."""

    received: list[Received] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    slow: float = 0.0
    icon: bytes = PNG

    def __post_init__(self) -> None:
        app = Flask("listener")
        app.add_url_rule("/linear/webhooks", view_func=self.take, methods=["POST"])
        app.add_url_rule("/linear/callback", view_func=self.callback)
        app.add_url_rule("/icon.png", "icon", lambda: Response(self.icon, mimetype="image/png"))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self) -> Response:
        self.received.append(Received(dict(request.headers), request.get_data(), request.get_json(silent=True)))
        time.sleep(self.slow)
        return Response(status=self.answers.popleft() if self.answers else 200)

    def callback(self) -> str:
        return f"back with {', '.join(sorted(request.args))}"

    def bodies(self, kind: str = "Issue") -> list[Any]:
        """The bodies of one type, oldest first."""
        return [one.body for one in self.received if one.body["type"] == kind]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def workspace() -> Iterator[LinearWorkspace]:
    """A seeded workspace that nobody serves."""
    workspace = LinearWorkspace()
    yield workspace
    workspace.webhooks.stop()


@pytest.fixture
def served(workspace: LinearWorkspace) -> Iterator[WorkspaceServer]:
    """The workspace behind a real port."""
    with WorkspaceServer(workspace) as server:
        yield server


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An application that is not registered yet."""
    listener = Listener()
    yield listener
    listener.stop()


@pytest.fixture
def registered(workspace: LinearWorkspace, listener: Listener) -> Listener:
    """An application that Linear knows, but no workspace has installed."""
    workspace.oauth.register(
        redirect_uri=f"{listener.url}/linear/callback",
        webhook_url=f"{listener.url}/linear/webhooks",
        webhook_secret=SECRET,
    )
    return listener


@pytest.fixture
def installed(workspace: LinearWorkspace, registered: Listener) -> Listener:
    """An application that hears of everything from now on."""
    workspace.oauth.install()
    return registered


class Api:
    """Asks the workspace's API as the installed application."""

    def __init__(self, workspace: LinearWorkspace, server: WorkspaceServer) -> None:
        self.workspace, self.server = workspace, server
        self.token = workspace.oauth.install()["access_token"]

    def __call__(self, query: str, name: str | None = None, /, **variables: Any) -> requests.Response:
        body = {"query": query, "variables": variables, "operationName": name}
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.post(self.server.api_url, json=body, headers=headers, timeout=5)

    def data(self, query: str, **variables: Any) -> Any:
        """The data of an answer that must be good."""
        answer = self(query, **variables).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def code(self, query: str, **variables: Any) -> tuple[int, str]:
        """HTTP status and code of an answer that must be an error."""
        answer = self(query, **variables)
        return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


@pytest.fixture
def api(workspace: LinearWorkspace, served: WorkspaceServer, registered: Listener) -> Api:
    """The API, seen by the installed application."""
    return Api(workspace, served)


@pytest.fixture(scope="session")
def official() -> GraphQLSchema:
    """Linear's published schema."""
    return build_schema(refs("linear", "schema-98.0.0.graphql").read_text("utf-8"), assume_valid=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium, or a skip that says so."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, served: WorkspaceServer) -> Iterator[Any]:
    """A page on the served workspace that fails the test on a script error."""
    context = browser.new_context(base_url=served.url, viewport={"width": 1360, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(5000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors
