"""The front before the app: bodies, deliveries answered once they are safe, and everything else as the app says it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, Response, request
from granian.rsgi import ProtocolClosed
from werkzeug.exceptions import Unauthorized

from connector.core import Core
from connector.models import InboxEntry
from tests.postgres import rows
from web import front
from web.front import Front

LIMIT = 1000


@dataclass
class Scope:
    method: str = "GET"
    path: str = "/echo"
    query_string: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    server: str = "127.0.0.1:8080"
    client: str = "127.0.0.1:5000"
    http_version: str = "1.1"
    scheme: str = "http"


@dataclass
class Wire:
    """What granian hands over: the body in parts, and where the answer goes."""

    parts: list[bytes] = field(default_factory=list)
    answered: tuple[int, dict[str, str], bytes] | None = None
    read: int = 0
    stalls: bool = False

    async def __call__(self) -> bytes:
        if self.stalls:
            await asyncio.sleep(60)
        self.read += 1
        return b"".join(self.parts)

    async def __aiter__(self) -> Any:
        for part in self.parts:
            self.read += 1
            yield part

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answered = (status, dict(headers), body)


@pytest.fixture
def app() -> Flask:
    app = Flask("echo")

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> Response:
        seen = f"{request.method} {request.path} {request.query_string.decode()} {request.headers.get('X-Two')} "
        return Response(seen.encode() + request.get_data(), headers={"X-From": "app"})

    @app.post("/deliver")
    def deliver() -> tuple[str, int]:
        return "the app said so", 400

    return app


def ask(front_door: Front, scope: Scope, wire: Wire) -> tuple[int, dict[str, str], bytes]:
    asyncio.run(front_door.__rsgi__(scope, wire))
    assert wire.answered is not None
    return wire.answered


def door_of(app: Flask, door: Any = None) -> Front:
    return Front(app, {"/deliver": door} if door else {}, largest_body=LIMIT, threads=2)


def test_a_request_reaches_the_app_whole(app: Flask):
    scope = Scope("POST", "/echo", "a=1&b=%20", {"content-length": "4", "x-two": "yes"})
    status, headers, body = ask(door_of(app), scope, Wire([b"bo", b"dy"]))
    assert (status, headers["x-from"], body) == (200, "app", b"POST /echo a=1&b=%20 yes body")


def test_a_body_without_a_length_is_gathered(app: Flask):
    scope = Scope("POST", headers={"transfer-encoding": "chunked"})
    assert ask(door_of(app), scope, Wire([b"x" * 400, b"y"]))[2].endswith(b"xy")


@pytest.mark.parametrize("length", [str(LIMIT + 1), "-1", "many", "9" * 30])
def test_what_announces_itself_as_too_large_is_not_read(app: Flask, length: str):
    wire = Wire([b"x"])
    assert ask(door_of(app), Scope("POST", headers={"content-length": length}), wire)[0] == 413
    assert wire.read == 0


def test_what_is_turned_away_here_carries_the_headers_of_every_answer(app: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(front, "BODY_SECONDS", 0.05)
    too_large = ask(door_of(app), Scope("POST", headers={"content-length": "5000"}), Wire())
    too_slow = ask(door_of(app), Scope("POST", headers={"content-length": "4"}), Wire(stalls=True))
    for _status, headers, _body in (too_large, too_slow, front.NOT_STORED):
        told = dict(headers)
        assert {"strict-transport-security", "content-security-policy", "x-content-type-options"} <= set(told)
        assert told["cache-control"] == "no-cache, no-store"


def test_a_header_with_an_underscore_is_not_taken_for_one_with_a_dash(app: Flask):
    scope = Scope(headers={"x-two": "the proxy's", "x_two": "a stranger's"})
    assert ask(door_of(app), scope, Wire())[2] == b"GET /echo  the proxy's "


def test_an_endless_body_is_read_no_further_than_the_limit(app: Flask):
    wire = Wire([b"x" * 100] * 1000)
    assert ask(door_of(app), Scope("POST", headers={"transfer-encoding": "chunked"}), wire)[0] == 413
    assert wire.read == LIMIT // 100 + 1


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(app: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(front, "BODY_SECONDS", 0.05)
    scope = Scope("POST", headers={"content-length": "4"})
    assert ask(door_of(app), scope, Wire(stalls=True))[0] == 408


def test_who_hangs_up_in_the_middle_is_not_answered(app: Flask):
    class HungUp(Wire):
        async def __call__(self) -> bytes:
            raise ProtocolClosed

    wire = HungUp()
    asyncio.run(door_of(app).__rsgi__(Scope("POST", headers={"content-length": "4"}), wire))
    assert wire.answered is None


def post(key: str) -> tuple[Scope, Wire]:
    return Scope("POST", "/deliver", headers={"content-length": "2", "x-key": key}), Wire([b"{}"])


def test_a_delivery_is_answered_once_it_is_on_disk(app: Flask, toy_core: Core):
    if not toy_core.inbox.can_defer:
        assert not toy_core.database.is_sqlite
        return
    seen: list[int] = []

    def door(request: Any) -> None:
        toy_core.inbox.accept("c", request.headers["X-Key"], "issue", request.get_data())
        seen.append(len(rows(toy_core, InboxEntry)))

    status, headers, _ = ask(door_of(app, door), *post("k1"))
    assert status == 204
    assert headers["x-content-type-options"] == "nosniff"
    assert [entry.body for entry in rows(toy_core, InboxEntry)] == [b"{}"]
    assert ask(door_of(app, door), *post("k1"))[0] == 204, "a repeated one is accepted again"
    assert len(rows(toy_core, InboxEntry)) == 1


def test_a_delivery_that_could_not_be_stored_is_asked_for_again(
    app: Flask, core: Core, monkeypatch: pytest.MonkeyPatch
):
    def door(request: Any) -> None:
        core.inbox.accept("no such connection", "k1", "issue", request.get_data())

    assert ask(door_of(app, door), *post("k1"))[0] == 503


def test_a_commit_that_takes_too_long_is_asked_for_again(app: Flask, core: Core, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(front, "COMMIT_SECONDS", 0.05)

    def door(request: Any) -> None:
        core.inbox.accept("c", "k1", "issue", request.get_data())

    with core.database.writing():
        assert ask(door_of(app, door), *post("k1"))[0] == 503


def test_a_refused_delivery_is_told_as_a_problem(app: Flask):
    def door(_request: Any) -> None:
        raise Unauthorized("no token")

    status, headers, _ = ask(door_of(app, door), *post("k1"))
    assert (status, headers["content-type"]) == (401, "application/problem+json")


def test_what_goes_wrong_otherwise_is_left_to_the_app(app: Flask):
    def door(request: Any) -> None:
        request.get_data()
        raise ZeroDivisionError

    assert ask(door_of(app, door), *post("k1"))[2] == b"the app said so"
    assert ask(door_of(app, door), Scope("GET", "/deliver"), Wire())[0] == 405
