"""From an accepted delivery to the moved number on the panel's poll endpoint, everything on this machine."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from benchmarks.apply_cost import BEGIN
from benchmarks.ground import (
    Figure,
    add_key_result,
    environment,
    free_port,
    furnished,
    median,
    percentile,
    process,
    settings_in,
)
from benchmarks.payload import context_token, webhook_body, webhook_token
from connector.core import Core
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import Connection
from connector.worker import Worker

A_SECOND = 20
SECONDS = 15
WATCHED = "1"
EPIC = "1000"
# How often the watching panel asks; its own script asks every second.
POLL_SECONDS = 0.25


def figures() -> Iterator[Figure]:
    """One epic's stories are closed one after the other while a panel of one of them is watched."""
    total = A_SECOND * SECONDS
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        settings = settings_in(folder, port)
        site = stack.enter_context(willing_site())
        with furnished(settings, site) as core:
            prepare(core, total)
        command = [sys.executable, "-m", "web.cli", "serve", "--port", str(port)]
        with process(command, port, environment(settings), folder):
            accepted: dict[int, float] = {}
            watcher = Watcher(port, total)
            watcher.start()
            asyncio.run(deliver(port, total, accepted))
            watcher.join(30)
        waits = [watcher.seen_at(number) - accepted[number] for number in range(1, total + 1)]
        slow = percentile(waits, 0.95) * 1000
        shown, half = f"{slow:.0f} ms", f"p50 {median(waits) * 1000:.0f} ms"
        yield Figure(f"accepted -> number on the panel at {A_SECOND}/s, p95", shown, half, "", "< 2000 ms", slow < 2000)


def prepare(core: Core, total: int) -> None:
    add_key_result(core, "kr")
    core.inbox.accept("c", "made", "jira:issue_updated", webhook_body(EPIC, "todo", BEGIN, level=1))
    for number in range(1, total + 1):
        core.inbox.accept("c", f"made-{number}", "jira:issue_updated", webhook_body(str(number), "todo", BEGIN, EPIC))
    worker = Worker(core, handlers={})
    while worker.run_once():
        pass
    with core.database.writing() as session:
        epic = ensure_issue(session, session.get_one(Connection, "c"), EPIC)
        link_issue(session, "w", "kr", epic, actor="bench", now=BEGIN)


class WillingSite(BaseHTTPRequestHandler):
    """Lets everybody do everything and knows nothing else."""

    def do_POST(self) -> None:
        """Answer the permission check for the watched issue."""
        self.rfile.read(int(self.headers["Content-Length"]))
        held = [{"permission": name, "issues": [int(WATCHED)]} for name in ("BROWSE_PROJECTS", "EDIT_ISSUES")]
        self._answer(200, {"projectPermissions": held, "globalPermissions": []})

    def do_PUT(self) -> None:
        """Take a label."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {})

    def do_GET(self) -> None:
        """Find no issue at all."""
        self._answer(200, {"issues": [], "isLast": True})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@contextmanager
def willing_site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), WillingSite)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Watcher(threading.Thread):
    """Polls the panel and notes when each count of finished units was first seen."""

    def __init__(self, port: int, total: int) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}/jira/panel/live?issueId={WATCHED}"
        self._total = total
        self._seen: list[tuple[float, int]] = []

    def run(self) -> None:
        etag, done = "", 0
        with requests.Session() as session:
            token = context_token(WATCHED)
            while done < self._total:
                headers = {"Authorization": f"JWT {token}", "If-None-Match": etag}
                answer = session.get(self._url, headers=headers, timeout=30)
                if answer.status_code == 200:
                    etag = answer.headers["ETag"]
                    done = finished_units(answer.text, self._total)
                    self._seen.append((time.perf_counter(), done))
                time.sleep(POLL_SECONDS)

    def seen_at(self, number: int) -> float:
        """When the panel first counted at least `number`; raises StopIteration if it never did."""
        return next(moment for moment, done in self._seen if done >= number)


def finished_units(html: str, total: int) -> int:
    """Read "37 of 300" off the panel."""
    found = re.search(rf"(\d+) of {total}", re.sub(r"<[^>]*>|,", "", html))
    return int(found[1]) if found else 0


async def deliver(port: int, total: int, accepted: dict[int, float]) -> None:
    token, begun = webhook_token(), time.perf_counter()

    def send(number: int) -> None:
        body = webhook_body(str(number), "done", datetime.now(UTC), EPIC)
        headers = {
            "Authorization": f"JWT {token}",
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": f"closed-{number}",
        }
        answer = requests.post(f"http://127.0.0.1:{port}/jira/webhooks", body, headers=headers, timeout=30)
        answer.raise_for_status()
        accepted[number] = time.perf_counter()

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, total + 1):
            await asyncio.sleep(max(0.0, begun + number / A_SECOND - time.perf_counter()))
            tasks.create_task(asyncio.to_thread(send, number))
