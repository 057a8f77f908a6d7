"""Killing everything with -9 in the middle of two thousand deliveries loses nothing and changes nothing."""

from __future__ import annotations

import http.client
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connector import migrate
from connector.core import Core, build_core
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import (
    Connection,
    Cycle,
    InboxEntry,
    Issue,
    KeyResult,
    LedgerEntry,
    Objective,
    Person,
    Team,
    Workspace,
)
from connector.recompute import recompute
from connector.scorecard import scorecards
from connector.settings import Settings, load_settings
from jira_app.sealing import seal_secret
from mapping.progress import Options, SizeBy
from tests.ports import free_port
from tests.postgres import rows
from tests.storm import BEGIN, POINTS_FIELD, Report, Storm, quarters, signed_headers

CLIENT_KEY, SECRET = "storm-site", "a-made-up-shared-secret-of-some-length-0123456789"
DELIVERIES = 2000
KILLS = 4
# By key result: how it counts, and what is linked to it with which weight.
GOALS = {
    "counted": (Options(), [("1", Fraction(1)), ("2", Fraction(1)), ("11", Fraction(3))]),
    "estimated": (Options(size_by=SizeBy.ESTIMATE), [("2", Fraction(1)), ("3", Fraction(1, 4)), ("12", Fraction(1))]),
    "started": (Options(kappa=Fraction(1, 4), sub_credit=True), [(str(n), Fraction(1)) for n in range(10, 30)]),
}


@dataclass
class Processes:
    """What an operator runs: the web with its worker inside, or the web alone and workers beside it."""

    settings: Settings
    port: int
    apart: bool
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        commands = [["serve", "--port", str(self.port), *(["--no-worker"] if self.apart else [])]]
        commands += [["worker"], ["worker"]] if self.apart else []
        environment = {
            **os.environ,
            "LADDER_DATABASE_URL": self.settings.database_url,
            "LADDER_SECRET_KEYS": ",".join(self.settings.secret_keys),
            "LADDER_BASE_URL": self.settings.base_url,
        }
        with self.log.open("ab") as log:
            self.running = [
                subprocess.Popen(
                    [sys.executable, "-m", "web.cli", *command],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for command in commands
            ]

    def wait_until_ready(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        raise AssertionError(f"not ready:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """Like a power cut for all of them, children included."""
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
        self.reap()

    def stop(self) -> list[int]:
        for process in self.running:
            process.terminate()
        return self.reap()

    def reap(self) -> list[int]:
        codes = [process.wait(60) for process in self.running]
        self.running = []
        return codes


@dataclass
class Sender:
    """A site that delivers, again and again, until it is answered 2xx."""

    port: int
    work: queue.SimpleQueue[Report]
    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    open_ended: int = 0

    def run(self) -> None:
        headers = signed_headers(CLIENT_KEY, SECRET)
        while True:
            try:
                report = self.work.get_nowait()
            except queue.Empty:
                return
            body = report.body()
            while not self._deliver(report, body, headers):
                time.sleep(0.05)

    def _deliver(self, report: Report, body: bytes, headers: dict[str, str]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/jira/webhooks", body, headers | {"X-Atlassian-Webhook-Identifier": report.key})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            self.open_ended += 1
            return False
        finally:
            connection.close()
        if not 200 <= status < 300:
            self.refused[status] += 1
            return False
        self.acknowledged[report.key] += 1
        return True


def prepare(core: Core) -> None:
    """An installed site and three key results, linked before anything was heard of their issues."""
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Storm"))
        session.flush()
        session.add_all(
            [
                Connection(
                    id="c", workspace_id="w", tracker="jira", tenant_key=CLIENT_KEY, site="http://127.0.0.1:1",
                    credential=seal_secret(core.vault, CLIENT_KEY, SECRET), settings={"estimate_field": POINTS_FIELD},
                ),
                Person(id="p", workspace_id="w", name="Ada"),
                Team(id="t", workspace_id="w", name="Atlas"),
                Cycle(id="q", workspace_id="w", name="Q3", starts_on=date(2026, 7, 1), ends_on=date(2026, 9, 30)),
            ]
        )  # fmt: skip
        session.flush()
        session.add(Objective(id="o", workspace_id="w", title="Weather it", cycle_id="q", team_id="t"))
        session.flush()
        connection = session.get_one(Connection, "c")
        for name, (options, links) in GOALS.items():
            session.add(
                KeyResult(
                    id=name, workspace_id="w", objective_id="o", driver_id="p", title=name, kind="issue_ratio",
                    size_by=options.size_by.value, started_credit=options.kappa, sub_task_credit=options.sub_credit,
                )
            )  # fmt: skip
            session.flush()
            for issue, weight in links:
                row = ensure_issue(session, connection, issue)
                link_issue(session, "w", name, row, actor="Ada", now=BEGIN, weight=weight)


@pytest.fixture(params=["sqlite", "postgresql"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    apart = request.param == "postgresql"
    url = request.getfixturevalue("postgres").database(template=None) if apart else f"sqlite:///{tmp_path}/ladder.db"
    port = free_port()
    settings = load_settings(
        env_file=None,
        database_url=url,
        base_url=f"http://127.0.0.1:{port}",
        secret_keys=Fernet.generate_key().decode(),
    )
    migrate.upgrade(settings)
    running = Processes(settings, port, apart, tmp_path / "ladder.log")
    yield running
    running.kill()


def test_nothing_is_lost_when_everything_is_killed_in_the_middle_of_it(processes: Processes):
    core = build_core(processes.settings)
    prepare(core)
    storm = Storm(seed=7, size=DELIVERIES * 10 // 11)
    arriving = storm.deliveries()
    work: queue.SimpleQueue[Report] = queue.SimpleQueue()
    for report in arriving:
        work.put(report)
    sender = Sender(processes.port, work)
    processes.start()
    processes.wait_until_ready()
    threads = [threading.Thread(target=sender.run, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for mark in quarters(len(arriving), KILLS + 1):
        _wait(lambda mark=mark: sender.acknowledged.total() >= mark, "the storm stopped")
        processes.kill()
        processes.start()
        processes.wait_until_ready()
    for thread in threads:
        thread.join(240)
        assert not thread.is_alive()
    _wait(lambda: _waiting(core) == 0, "the inbox was not worked off")
    codes = processes.stop()

    assert set(codes) == {0}, "asked to stop, all of them end in good order"
    assert sender.acknowledged.total() == len(arriving)
    entries = rows(core, InboxEntry)
    assert {entry.delivery_key for entry in entries} == {report.key for report in storm.reports}
    assert {(entry.state, entry.outcome) for entry in entries} <= {("done", "handled"), ("done", "late")}

    final = storm.final()
    issues = {row.external_id: row for row in rows(core, Issue)}
    assert {name: issues[name].cls for name in final} == {name: report.cls for name, report in final.items()}
    assert {name: issues[name].watermark for name in final} == {name: report.at for name, report in final.items()}

    with core.database.reading() as session:
        goals = [session.get_one(KeyResult, name) for name in GOALS]
        cards = scorecards(session, "w", goals, date(2026, 8, 1))
    for name, (options, links) in GOALS.items():
        expected = storm.expected(links, options)
        work_now = cards[name].work
        assert (name, work_now.numerator, work_now.denominator) == (name, expected.num, expected.den)
        assert sorted(work_now.flags) == sorted(expected.flags)
        moves = [row for row in rows(core, LedgerEntry) if row.key_result_id == name and row.number == "work"]
        told = sum((row.delta for row in moves if row.delta is not None), Fraction(0))
        first = next(row.after for row in moves if row.before is None and row.after is not None)
        assert moves[-1].after == expected.num / expected.den
        if all(row.delta is not None for row in moves[1:]):
            assert first + told == moves[-1].after, "every move is accounted for"
    assert recompute(core, check=True).differences == []
    core.close()


def _waiting(core: Core) -> int:
    with core.database.reading() as session:
        return core.inbox.backlog(session)["waiting"]


def _wait(truth, complaint: str, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < until, complaint
        time.sleep(0.05)
