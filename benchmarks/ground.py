"""What the benchmarks stand on: a fresh database with one site and one objective, and server processes."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from benchmarks.payload import CLIENT_KEY, SECRET
from connector import migrate
from connector.core import Core, build_core
from connector.models import Connection, Cycle, KeyResult, Objective, Person, Team, WorkProgress, Workspace
from connector.settings import Settings, load_settings
from jira_app.sealing import seal_secret


@dataclass(frozen=True)
class Figure:
    """One line of the table. `met` is None where there is no goal."""

    what: str
    ours: str
    beside: str
    ratio: str
    goal: str = ""
    met: bool | None = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_in(folder: Path, port: int) -> Settings:
    return load_settings(
        env_file=None,
        database_url=f"sqlite:///{folder / 'ladder.db'}",
        base_url=f"http://127.0.0.1:{port}",
        secret_keys=Fernet.generate_key().decode(),
    )


@contextmanager
def furnished(settings: Settings, site: str = "http://127.0.0.1:1") -> Iterator[Core]:
    """Make the tables, an installed site and an objective; yield the core."""
    migrate.upgrade(settings)
    core = build_core(settings)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Bench"))
        session.flush()
        session.add_all(
            [
                Connection(
                    id="c",
                    workspace_id="w",
                    tracker="jira",
                    tenant_key=CLIENT_KEY,
                    site=site,
                    credential=seal_secret(core.vault, CLIENT_KEY, SECRET),
                ),
                Person(id="p", workspace_id="w", name="Ada"),
                Team(id="t", workspace_id="w", name="Atlas"),
                Cycle(id="q", workspace_id="w", name="Q3", starts_on=date(2026, 7, 1), ends_on=date(2026, 9, 30)),
            ]
        )
        session.flush()
        session.add(Objective(id="o", workspace_id="w", title="Be fast", cycle_id="q", team_id="t"))
    yield core
    core.close()


def add_key_result(core: Core, name: str) -> None:
    with core.database.writing() as session:
        session.add(
            KeyResult(
                id=name,
                workspace_id="w",
                objective_id="o",
                driver_id="p",
                title=name,
                kind="issue_ratio",
                weight=Fraction(1),
            )
        )
        session.flush()
        if session.get(WorkProgress, name) is None:
            session.add(WorkProgress(key_result_id=name, workspace_id="w"))


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process of ours reads them."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LADDER_")} | {
        "LADDER_DATABASE_URL": settings.database_url,
        "LADDER_BASE_URL": settings.base_url,
        "LADDER_SECRET_KEYS": ",".join(settings.secret_keys),
    }


@contextmanager
def process(command: Sequence[str], port: int, env: dict[str, str], folder: Path) -> Iterator[None]:
    """Run a server until the block ends; enters once it answers /readyz."""
    with (folder / "server.log").open("ab") as log:
        running = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_until_ready(running, port, folder)
        yield
    finally:
        running.terminate()
        try:
            running.wait(40)
        except subprocess.TimeoutExpired:
            running.kill()


def _wait_until_ready(running: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if running.poll() is not None:
            break
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{(folder / 'server.log').read_text()[-2000:]}")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
