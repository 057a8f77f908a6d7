"""The demo as somebody runs it: a process that prints addresses, serves both sides, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from rich.console import Console

from tests.ports import free_port
from web.demo import story
from web.demo.command import choose_ports
from web.demo.script import SCENES, Numbers
from web.demo.stage import Stage
from web.demo.story import Story, empty_site, empty_workspace


@contextmanager
def demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `ladder demo` in a process of its own, among settings that are none of its business, and end it."""
    command = [sys.executable, "-m", "web.cli", "demo", *arguments]
    strange = os.environ | {"LADDER_COLOUR": "blue", "LADDER_SECRET_KEYS": "short"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=strange, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with the server that it has started, which would go on for ever
        process.communicate()


def ports() -> list[int]:
    """Return three free ports."""
    return [free_port() for _ in range(3)]


def test_the_story_comes_out_as_specified() -> None:
    ladder, jira, linear = ports()
    with demo("--script", "--port", str(ladder), "--jira-port", str(jira), "--linear-port", str(linear)) as process:
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert "All as specified" in printed


def test_a_story_that_comes_out_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(SCENES[3], numbers={"sso": Numbers("1/2", "1 of 2", None)})
    monkeypatch.setattr(story, "SCENES", (*SCENES[:3], wrong))
    monkeypatch.setattr(story, "LINEAR_SCENES", ())
    monkeypatch.setattr(story, "PATIENCE_SECONDS", 0.2)
    said = io.StringIO()
    ladder, jira, linear = ports()
    with Stage(tmp_path, empty_site(jira), empty_workspace(linear), ladder_port=ladder) as stage:
        told = Story(stage, Console(file=said, width=300))
        assert not told.play()
    assert told.faults[0] == (
        "link_epic: sso: should be Numbers(work='1/2', sums='1 of 2', outcome=None, flags=()), "
        "is Numbers(work='1/3', sums='1 of 3', outcome=None, flags=())"
    )
    assert told.faults[0] in said.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_prints_addresses_that_answer_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    ladder, jira, linear = ports()
    with demo(
        "--port",
        str(ladder),
        "--jira-port",
        str(jira),
        "--linear-port",
        str(linear),
        "--folder",
        str(tmp_path / "kept"),
    ) as process:
        printed = ""
        assert process.stdout is not None
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        for address in re.findall(r"http://127\.0\.0\.1:\d+/\S*", printed):
            answer = requests.get(address, timeout=10)
            assert answer.status_code == 200, address
        folder = tmp_path / "kept"
        own = f"LADDER_BASE_URL=http://127.0.0.1:{ladder} LADDER_DATABASE_URL=sqlite:///{folder / 'ladder.db'}"
        assert f"export {own}\n" in printed
        for port in (jira, linear):
            assert "stand-in" in requests.get(f"http://127.0.0.1:{port}/", timeout=10).text.lower()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    for port in (ladder, jira, linear):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert (tmp_path / "kept" / "ladder.db").exists()


def test_the_demo_refuses_a_folder_that_holds_a_database_already(tmp_path: Path) -> None:
    (tmp_path / "ladder.db").write_bytes(b"somebody's goals")
    ladder, jira, linear = ports()
    with demo(
        "--port", str(ladder), "--jira-port", str(jira), "--linear-port", str(linear), "--folder", str(tmp_path)
    ) as process:
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "holds a database already" in " ".join(printed.split())
    assert (tmp_path / "ladder.db").read_bytes() == b"somebody's goals"


def test_taken_ports_are_replaced_and_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        ladder, jira, linear = choose_ports(wanted, wanted, wanted)
    assert len({wanted, ladder, jira, linear}) == 4
    said = capsys.readouterr().err
    assert f"Port {wanted} is taken; Ladder gets {ladder}." in said
    assert f"The stand-in Jira site gets {jira}." in said
    assert f"The stand-in Linear workspace gets {linear}." in said


def test_a_server_that_cannot_start_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _, jira, linear = ports()
        stage = Stage(tmp_path, empty_site(jira), empty_workspace(linear), ladder_port=taken.getsockname()[1])
        begun = time.monotonic()
        with pytest.raises(Exception, match="can't listen"):
            stage.__enter__()
        assert time.monotonic() - begun < 25
