"""The stage of the demo: a stand-in Jira site in this process and a real Ladder server in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from werkzeug.serving import BaseWSGIServer, make_server

from connector import migrate
from connector.core import Core, build_core
from connector.settings import PREFIX, Settings, load_settings
from web.sandbox import JiraSite, create_site_app

START_SECONDS = 30.0
SETTLE_SECONDS = 15.0


class StageFailed(Exception):
    """The demo cannot go on; the message says what to look at."""

    reason = "demo_failed"


def free_port(wanted: int) -> int:
    """Return `wanted`, or another port of the loopback address if something listens there already."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StageFailed("no free port on 127.0.0.1")


class Stage:
    """Both sides, from start to stop; a context manager. `site` is the stand-in, `core` opens Ladder's database."""

    def __init__(self, folder: Path, *, ladder_port: int, jira_port: int, seed: bool) -> None:
        self.folder = folder
        self.ladder_url = f"http://127.0.0.1:{free_port(ladder_port)}"
        self.jira_url = f"http://127.0.0.1:{free_port(jira_port)}"
        self.site = JiraSite(name="Acme", base_url=self.jira_url, seed=seed)
        self.settings = self._settings()
        self.log = folder / "ladder.log"
        self._stack = ExitStack()
        self._server: subprocess.Popen[bytes] | None = None
        self._web: BaseWSGIServer | None = None

    def __enter__(self) -> Self:
        try:
            migrate.upgrade(self.settings)
            self.core: Core = build_core(self.settings)
            self._stack.callback(self.core.close)
            self._open_site()
            self._start_ladder()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def settle(self) -> None:
        """Wait until every webhook was delivered and Ladder has worked off what it accepted; raises StageFailed."""
        self.site.webhooks.flush()
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
        )

    def _environment(self) -> dict[str, str]:
        ours = self.settings
        return {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)} | {
            "LADDER_DATABASE_URL": ours.database_url,
            "LADDER_BASE_URL": ours.base_url,
            "LADDER_CONNECT_KEY_HOSTS": ",".join(ours.connect_key_hosts),
            "LADDER_CONNECT_SCRIPT_URL": ours.connect_script_url,
            "LADDER_JIRA_HOSTS": ",".join(ours.jira_hosts),
        }

    def _open_site(self) -> None:
        port = int(self.jira_url.rsplit(":", 1)[1])
        self._web = make_server("127.0.0.1", port, create_site_app(self.site), threaded=True)
        thread = threading.Thread(target=self._web.serve_forever, name="stand-in-jira", daemon=True)
        thread.start()
        self._stack.callback(self._close_site)

    def _close_site(self) -> None:
        self.site.webhooks.stop()
        if self._web is not None:
            self._web.shutdown()
            self._web.server_close()

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
            except requests.ConnectionError:
                pass  # not listening yet
            time.sleep(0.05)
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
        raise NotImplementedError


class Api:
    """Ladder's API v1 as a program uses it, with a token; raises StageFailed with the problem's own words."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base = f"{base_url}/api/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at `path`."""
        return self._call("GET", path, params=query)

    def all(self, path: str, **query: Any) -> list[Any]:
        """Return every item of a list, page by page."""
        items: list[Any] = []
        cursor = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Create something and return it."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something as it is now and return it."""
        current = self._session.get(self._base + path, timeout=10)
        return self._call("PATCH", path, json=body, headers={"If-Match": current.headers.get("ETag", "*")})

    def delete(self, path: str) -> None:
        """Take something away."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._session.request(method, self._base + path, timeout=10, **arguments)
        if not answer.ok:
            raise StageFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None
