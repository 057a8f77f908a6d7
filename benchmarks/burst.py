"""One bulk edit in Linear: thousands of deliveries at once, to a server that applies them meanwhile."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from benchmarks.ground import Figure, environment, free_port, furnished, percentile, process, settings_in
from connector.core import Core
from connector.models import Connection, InboxEntry
from linear_app.signature import sign

# What was once seen of one bulk edit. Linear takes an answer after five seconds for none.
DELIVERIES = 3500
ISSUES = 700
SENDERS = 16
GOAL_SECONDS = 5.0
# Linear sent them within eight minutes; they should have taken effect by then.
GOAL_DRAINED = 480.0
ORGANIZATION = "bench-organization"
SIGNED_WITH = "bench-webhook-secret"


def figures() -> Iterator[Figure]:
    """Send them all at once, then wait until the last one took effect."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        settings = settings_in(folder, port)
        with furnished(settings) as core:
            _connect(core)
            command = [sys.executable, "-m", "web.cli", "serve", "--port", str(port)]
            env = environment(settings) | {"LADDER_LINEAR_WEBHOOK_SECRETS": SIGNED_WITH}
            with process(command, port, env, folder):
                began = time.monotonic()
                with ThreadPoolExecutor(SENDERS) as pool:
                    took = list(pool.map(_Sender(port), range(DELIVERIES)))
                accepted = time.monotonic() - began
                drained = _drained(core, began)
    yield Figure(
        f"Linear's burst of {DELIVERIES}: slowest answer",
        f"{max(took):.2f} s (99 %: {percentile(took, 0.99):.2f} s, {DELIVERIES / accepted:.0f} a second)",
        "",
        "",
        f"< {GOAL_SECONDS:.0f} s",
        max(took) < GOAL_SECONDS,
    )
    yield Figure(
        "the same burst: until all took effect",
        f"{drained:.0f} s",
        "",
        "",
        f"< {GOAL_DRAINED:.0f} s",
        drained < GOAL_DRAINED,
    )


class _Sender:
    """Sends one delivery and returns how long its answer took; every thread keeps its connection."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/linear/webhooks"
        self._local = threading.local()

    def __call__(self, number: int) -> float:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        body = json.dumps(_delivery(number)).encode()
        headers = {"Linear-Signature": sign(SIGNED_WITH, body), "Linear-Delivery": f"burst-{number}"}
        began = time.monotonic()
        session.post(self._url, data=body, headers=headers, timeout=60).raise_for_status()
        return time.monotonic() - began


def _delivery(number: int) -> dict[str, Any]:
    issue, step = number % ISSUES, number // ISSUES
    return {
        "type": "Issue",
        "action": "update",
        "createdAt": f"2026-11-20T10:00:{step:02}.000Z",
        "organizationId": ORGANIZATION,
        "webhookTimestamp": int(time.time() * 1000),
        "updatedFrom": {"priority": step},
        "data": {
            "id": f"issue-{issue}",
            "identifier": f"ENG-{issue}",
            "title": f"Issue {issue}",
            "updatedAt": f"2026-11-20T10:00:{step:02}.000Z",
            "state": {"id": "s", "name": "In Progress", "type": "started"},
            "team": {"id": "t", "key": "ENG", "name": "Engineering"},
            "labelIds": [],
            "description": "x" * 1500,
        },
    }


def _connect(core: Core) -> None:
    with core.database.writing() as session:
        site = "https://linear.app/bench"
        session.add(Connection(id="l", workspace_id="w", tracker="linear", tenant_key=ORGANIZATION, site=site))


def _drained(core: Core, began: float) -> float:
    waiting = select(func.count()).where(InboxEntry.state == "waiting")
    while time.monotonic() - began < GOAL_DRAINED:
        with core.database.reading() as session:
            if not session.scalar(waiting):
                break
        time.sleep(0.5)
    return time.monotonic() - began
