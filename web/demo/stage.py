"""The stage of the demo: stand-ins for both trackers in this process, a real Ladder in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from sqlalchemy import func, select

from connector import migrate
from connector.core import Core, build_core
from connector.models import Connection, InboxEntry, OutboxEntry
from connector.settings import Settings, load_settings
from web.sandbox import JiraSite, SiteServer
from web.sandbox.linear import LinearWorkspace, WorkspaceServer

START_SECONDS = 30.0
SETTLE_SECONDS = 15.0
# Labels follow some seconds later, and nothing that we compare depends on them.
LABEL_ERRANDS = ("show_label", "refresh_labels", "goal_marks", "worn_labels", "sprint_link")


class StageFailed(Exception):
    """The demo cannot go on; the message says what to look at."""

    reason = "demo_failed"


def free_port(wanted: int, *, other_than: Collection[int] = ()) -> int:
    """Return `wanted`, or another port of the loopback address if something listens there already."""
    for port in (wanted, 0, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found not in other_than:
                return found
    raise StageFailed("there is no free port on 127.0.0.1")


class Stage:
    """Both sides, from start to stop; a context manager. `core` opens the database that the Ladder process works on.

    `site` and `linear` must have base URLs on free ports of the loopback address.
    """

    def __init__(self, folder: Path, site: JiraSite, linear: LinearWorkspace, *, ladder_port: int) -> None:
        self.folder = folder
        self.site = site
        self.linear = linear
        self.jira_url = site.base_url
        self.linear_url = linear.base_url
        self.ladder_url = f"http://127.0.0.1:{ladder_port}"
        # What `ladder linear manifest` prints, as an operator registers it.
        self.app = linear.oauth.register(
            redirect_uri=f"{self.ladder_url}/linear/callback", webhook_url=f"{self.ladder_url}/linear/webhooks"
        )
        self.settings = self._settings()
        self.log = folder / "ladder.log"
        self._stack = ExitStack()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            migrate.upgrade(self.settings)
            self.core: Core = build_core(self.settings)
            self._stack.callback(self.core.close)
            self._stack.enter_context(SiteServer(self.site, port=int(self.jira_url.rsplit(":", 1)[1])))
            self._stack.enter_context(WorkspaceServer(self.linear, port=int(self.linear_url.rsplit(":", 1)[1])))
            self._start_ladder()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settle(self) -> None:
        """Wait until every webhook was delivered and Ladder has worked off what it accepted; raises StageFailed."""
        self.site.webhooks.flush()
        self.linear.webhooks.flush()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            if not self._waiting():
                return
            time.sleep(0.02)
        raise StageFailed(f"Ladder did not work off its inbox within {SETTLE_SECONDS:.0f} s; see {self.log}")

    def check_alive(self) -> None:
        """Raise StageFailed if the Ladder process has ended."""
        if self._server is not None and self._server.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise StageFailed(f"ladder serve ended with {self._server.returncode}:\n{tail}")

    def run_ladder(self, *arguments: str) -> str:
        """Run another command of ours on the same database, in a process of its own; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "web.cli", *arguments],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StageFailed(f"ladder {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _settings(self) -> Settings:
        return load_settings(
            env_file=None,
            database_url=f"sqlite:///{self.folder / 'ladder.db'}",
            base_url=self.ladder_url,
            connect_key_hosts=(f"{self.jira_url}/keyhost",),
            connect_script_url=f"{self.jira_url}/atlassian-connect/all.js",
            jira_hosts=(self.jira_url,),
            linear_api_url=f"{self.linear_url}/graphql",
            linear_oauth_url=f"{self.linear_url}/oauth",
            linear_client_id=self.app.client_id,
            linear_client_secret=self.app.client_secret,
            linear_webhook_secrets=(self.app.webhook_secret,),
        )

    def _environment(self) -> dict[str, str]:
        ours = self.settings
        return os.environ | {
            "LADDER_DATABASE_URL": ours.database_url,
            "LADDER_BASE_URL": ours.base_url,
            "LADDER_CONNECT_KEY_HOSTS": ",".join(ours.connect_key_hosts),
            "LADDER_CONNECT_SCRIPT_URL": ours.connect_script_url,
            "LADDER_JIRA_HOSTS": ",".join(ours.jira_hosts),
            "LADDER_LINEAR_API_URL": ours.linear_api_url,
            "LADDER_LINEAR_OAUTH_URL": ours.linear_oauth_url,
            "LADDER_LINEAR_CLIENT_ID": ours.linear_client_id,
            "LADDER_LINEAR_CLIENT_SECRET": ours.linear_client_secret,
            "LADDER_LINEAR_WEBHOOK_SECRETS": ",".join(ours.linear_webhook_secrets),
        }

    def _start_ladder(self) -> None:
        port = self.ladder_url.rsplit(":", 1)[1]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "web.cli", "serve", "--port", port],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._stack.callback(self._stop_ladder)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if requests.get(f"{self.ladder_url}/readyz", timeout=2).ok:
                    return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)  # not listening yet
        raise StageFailed(f"ladder serve did not get ready within {START_SECONDS:.0f} s; see {self.log}")

    def _stop_ladder(self) -> None:
        if self._server is None or self._server.poll() is not None:
            return
        self._server.send_signal(signal.SIGTERM)
        try:
            self._server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _waiting(self) -> int:
        """Count what was accepted and not worked off, and errands that read from the tracker."""
        with self.core.database.reading() as session:
            entries = select(func.count()).select_from(InboxEntry).where(InboxEntry.state == "waiting")
            errands = (
                select(func.count())
                .select_from(OutboxEntry)
                .join(Connection, Connection.id == OutboxEntry.connection_id)
                .where(OutboxEntry.state == "waiting", OutboxEntry.kind.not_in(LABEL_ERRANDS))
                .where(Connection.state == "active")
            )
            return (session.scalar(entries) or 0) + (session.scalar(errands) or 0)
