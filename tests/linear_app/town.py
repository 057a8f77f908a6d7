"""Ladder beside a stand-in workspace, over real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from connector.core import Core, build_core
from connector.models import (
    Connection,
    Cycle,
    Issue,
    KeyResult,
    Objective,
    OutboxEntry,
    Person,
    Team,
    Workspace,
    utcnow,
)
from connector.settings import load_settings
from connector.worker import Worker
from linear_app import TRACKER, install
from linear_app.round_trip import begin, come_back
from linear_app.tracker import LinearTracker
from tests.tables import make_tables
from web.sandbox.linear.server import WorkspaceServer
from web.sandbox.linear.workspace import LinearWorkspace

SECRET = "a webhook secret of the stand-in"
BROWSER = "browser"
KEY_RESULT = "Ship single sign-on"


@dataclass
class Town:
    """Ladder beside the stand-in workspace."""

    core: Core
    tracker: LinearTracker
    acme: LinearWorkspace
    worker: Worker

    def settle(self) -> None:
        """Let everything that was set off come to an end."""
        for _ in range(40):
            self.acme.webhooks.flush()
            with self.core.database.writing() as session:
                for entry in session.scalars(select(OutboxEntry).where(OutboxEntry.state == "waiting")):
                    entry.due_at = min(entry.due_at, self.core.clock())
            if not self.worker.run_once() and not self.acme.webhooks.waiting:
                return
        raise AssertionError("it never came to an end")

    def connect(self) -> str:
        """Install as an admin of the stand-in would; return the connection's id."""
        with self.core.database.writing() as session:
            address = begin(
                session,
                self.tracker.oauth,
                self.core.vault,
                purpose="install",
                workspace_id="w",
                browser=BROWSER,
                now=self.core.clock(),
            )
        query = dict(parse_qsl(urlsplit(self.acme.oauth.visit(address)).query))
        connection_id = install.install_finished(self.core, self.tracker, come_back(self.core, query, browser=BROWSER))
        with self.core.database.writing() as session:
            # Removals right after an installation are a matter of their own: test_arrival.
            session.get_one(Connection, connection_id).installed_at -= timedelta(hours=1)
        self.settle()
        return connection_id

    def cards(self, issue_id: str) -> list[tuple[str, str]]:
        """Return what an issue in the stand-in shows of us."""
        mine = [one for one in self.acme.attachments.values() if one.issue_id == issue_id]
        return [(one.title, (one.subtitle or "").partition(" · ")[0]) for one in mine]

    def issue(self, external_id: str) -> Issue:
        """Return what we know of an issue."""
        with self.core.database.reading() as session:
            return session.scalars(select(Issue).where(Issue.external_id == external_id)).one()

    def connection(self) -> Connection:
        with self.core.database.reading() as session:
            return session.scalars(select(Connection)).one()

    def buried(self) -> list[tuple[str, str]]:
        """Return what was given up."""
        with self.core.database.reading() as session:
            rows = session.scalars(select(OutboxEntry).where(OutboxEntry.state == "buried"))
            return [(row.kind, row.trouble or "") for row in rows]


@contextmanager
def town_of(folder: Path) -> Iterator[Town]:
    """Both servers on ports of their own, Ladder (its files in `folder`) with one key result."""
    acme = LinearWorkspace("Acme", seed=False)
    doors: list[Callable[[], Flask]] = []
    server = make_server("127.0.0.1", 0, lambda *call: doors[0]()(*call), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # of the threading mixin
    base_url = f"http://127.0.0.1:{server.server_port}"
    with_stand_in = WorkspaceServer(acme).start()
    acme.oauth.register(
        redirect_uri=f"{base_url}/linear/callback", webhook_url=f"{base_url}/linear/webhooks", webhook_secret=SECRET
    )
    settings = load_settings(
        env_file=None,
        database_url=f"sqlite:///{folder / 'ladder.db'}",
        base_url=base_url,
        linear_client_id="stand-in-client",
        linear_client_secret="stand-in-client-secret",
        linear_webhook_secrets=SECRET,
        linear_api_url=with_stand_in.api_url,
        linear_oauth_url=with_stand_in.oauth_url,
    )
    core = build_core(settings, trackers={"linear": TRACKER})
    make_tables(core.database)
    _furnish(core)
    tracker = core.trackers["linear"]
    assert isinstance(tracker, LinearTracker)
    app = Flask("door")
    app.register_blueprint(tracker.blueprint(core))
    doors.append(lambda: app)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    worker = Worker(core)
    worker._pace = lambda _connection_id: None  # type: ignore[method-assign]  # no need to spare the stand-in
    yield Town(core, tracker, acme, worker)
    with_stand_in.stop()
    server.shutdown()
    server.server_close()
    thread.join()
    core.close()


def _furnish(core: Core) -> None:
    today = utcnow().date()
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme"))
        session.flush()
        session.add_all([Person(id="p", workspace_id="w", name="Ada"), Team(id="t", workspace_id="w", name="Web")])
        ends_on = today + timedelta(days=60)
        session.add(Cycle(id="q", workspace_id="w", name="Q", starts_on=today - timedelta(days=9), ends_on=ends_on))
        session.flush()
        session.add(Objective(id="o", workspace_id="w", title="Everybody gets in", cycle_id="q", team_id="t"))
        session.flush()
        kind = {"kind": "issue_ratio", "title": KEY_RESULT}
        session.add(KeyResult(id="kr", workspace_id="w", objective_id="o", driver_id="p", **kind))
