"""The real server in a process of its own: limits, draining, the worker inside, and what it writes down."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector import migrate
from connector.core import Core, build_core
from connector.models import Connection, InboxEntry, Workspace
from connector.settings import Settings, load_settings
from jira_app.sealing import seal_secret
from tests.ports import free_port
from tests.postgres import rows
from tests.storm import Storm, signed_headers

CLIENT_KEY, SECRET = "served-site", "another-made-up-shared-secret-0123456789-abcdef"
MEBIBYTE = 1024 * 1024


@dataclass
class Served:
    """A running server: where it listens, its process, its log, and a core on the same database."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    core: Core

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def head(self, key: str, **more: str) -> bytes:
        headers = signed_headers(CLIENT_KEY, SECRET, key) | {"Host": "x", **more}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return f"POST /jira/webhooks HTTP/1.1\r\n{lines}\r\n".encode()

    def children(self) -> list[int]:
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]


def wait_for(truth: Callable[[], object], seconds: float = 40) -> object:
    until = time.monotonic() + seconds
    while not (found := truth()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)
    return found


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def start(settings: Settings, port: int, log: Path, *options: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "LADDER_DATABASE_URL": settings.database_url,
        "LADDER_BASE_URL": settings.base_url,
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "web.cli", "serve", "--port", str(port), *options],
            env=environment,
            stdout=output,
            stderr=output,
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The server with its worker and its access log, on a database with one installed site."""
    port = free_port()
    settings = load_settings(
        env_file=None, database_url=f"sqlite:///{tmp_path / 'ladder.db'}", base_url=f"http://127.0.0.1:{port}"
    )
    migrate.upgrade(settings)
    core = build_core(settings)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
        session.flush()
        sealed = seal_secret(core.vault, CLIENT_KEY, SECRET)
        session.add(
            Connection(
                id="c",
                workspace_id="w",
                tracker="jira",
                tenant_key=CLIENT_KEY,
                site="http://127.0.0.1:1",
                credential=sealed,
            )
        )
    log = tmp_path / "serve.log"
    process = start(settings, port, log, "--access-log")
    wait_for(lambda: answers(port) or process.poll() is not None)
    running = Served(port, process, log, core)
    yield running
    process.terminate()
    process.wait(40)
    core.close()


def test_a_body_that_announces_itself_as_huge_is_refused_before_it_is_sent(served: Served):
    with served.connect() as wire:
        wire.sendall(served.head("huge", Content_Length=str(50 * MEBIBYTE)))
        begun = time.monotonic()
        answer = wire.recv(200)
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert time.monotonic() - begun < 5
    assert rows(served.core, InboxEntry) == []


def test_an_endless_body_is_cut_off_at_the_limit(served: Served):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with served.connect() as wire:
        wire.sendall(served.head("endless", Transfer_Encoding="chunked"))
        try:
            while sent < 100 * MEBIBYTE:
                wire.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass  # the server hung up on us, as it should
    assert sent < 20 * MEBIBYTE
    assert rows(served.core, InboxEntry) == []
    assert answers(served.port)


def test_clients_that_send_their_bodies_slowly_keep_nobody_waiting(served: Served):
    wires = [served.connect() for _ in range(60)]
    for wire in wires:
        wire.sendall(
            b"POST /sign-in/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 1000\r\n\r\ntoken="
        )
    assert answers(served.port)
    for wire in wires:
        wire.close()


def test_silent_http_2_connections_are_not_kept(served: Served):
    with served.connect() as wire:
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        said = b""
        while part := wire.recv(1000):
            said += part
    assert not said.startswith(b"\0"), "it speaks HTTP/2"


def test_asked_to_stop_it_lets_requests_under_way_finish(served: Served):
    body = Storm(seed=3, size=1).reports[0].body()
    with served.connect() as wire:
        wire.sendall(served.head("under-way", Content_Length=str(len(body)), Expect="100-continue"))
        assert wire.recv(200).startswith(b"HTTP/1.1 100"), "it has begun to read"
        wire.sendall(body[:100])
        served.process.terminate()
        wait_for(lambda: not answers(served.port))
        wire.sendall(body[100:])
        answer = wire.recv(200)
    assert answer.startswith(b"HTTP/1.1 204"), answer
    assert served.process.wait(40) == 0
    assert [entry.delivery_key for entry in rows(served.core, InboxEntry)] == ["under-way"]


def test_a_delivery_takes_effect_at_once_with_the_worker_inside(served: Served):
    report = Storm(seed=3, size=1).reports[0]
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("POST", "/jira/webhooks", report.body(), signed_headers(CLIENT_KEY, SECRET, "k1"))
    assert connection.getresponse().status == 204
    connection.close()
    wait_for(lambda: [entry.state for entry in rows(served.core, InboxEntry)] == ["done"])


def test_killed_with_minus_nine_it_leaves_nothing_behind_on_its_port(served: Served):
    children = served.children()
    assert children
    os.kill(served.process.pid, signal.SIGKILL)
    wait_for(lambda: not answers(served.port))
    again = start(served.core.settings, served.port, served.log)
    wait_for(lambda: answers(served.port))
    again.terminate()
    assert again.wait(40) == 0


def test_a_dead_child_is_replaced(served: Served):
    (child,) = served.children()
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: served.children() not in ([child], []) and answers(served.port))


def test_an_address_that_is_taken_is_said_in_one_line(served: Served, tmp_path: Path):
    log = tmp_path / "second.log"
    second = start(served.core.settings, served.port, log)
    assert second.wait(40) != 0
    said = log.read_text().strip().splitlines()
    assert str(served.port) in said[-1]
    assert "Traceback" not in log.read_text()


def test_the_access_log_names_paths_without_their_queries(served: Served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", "/healthz?jwt=eyJhbGciOiJIUzI1NiJ9.secret.secret")
    assert connection.getresponse().status == 200
    connection.close()
    wait_for(lambda: "/healthz" in served.log.read_text())
    assert "secret.secret" not in served.log.read_text()
    assert "jwt" not in served.log.read_text()
