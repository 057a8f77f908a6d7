"""A run that must be complete fails for a skipped test, in whichever process it was skipped, and says which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SKIPPING = """
import pytest

def test_that_has_what_it_needs():
    pass

def test_that_lacks_something():
    pytest.skip("no browser here")

@pytest.mark.xfail(strict=True)
def test_that_fails_as_expected():
    assert False
"""
CONTENT = """
def test_that_has_what_it_needs():
    pass
"""


def run(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Run the tests in a folder of their own; return the exit status and the lines that it wrote."""
    plugins = [part for name in ("xdist", "tests.completeness", "tests.workers") for part in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--rootdir", ".", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.strip().splitlines()


@pytest.mark.parametrize("processes", [(), ("--numprocesses", "2", "--dist", "loadfile")], ids=["one", "two"])
def test_a_skipped_test_fails_a_complete_run_and_is_named(tmp_path: Path, processes: tuple[str, ...]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_content.py").write_text(CONTENT)
    (tmp_path / "test_skipping.py").write_text(SKIPPING)

    assert run(tmp_path, *processes)[0] == pytest.ExitCode.OK
    status, said = run(tmp_path, *processes, "--complete")

    assert status == pytest.ExitCode.TESTS_FAILED
    named = [line for line in said if line.startswith("test_skipping.py::")]
    assert named == ["test_skipping.py::test_that_lacks_something: Skipped: no browser here"]
    assert said[-1].strip("= ").startswith("2 passed, 1 skipped, 1 xfailed in ")


def test_a_complete_run_without_a_skip_is_green(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_content.py").write_text(CONTENT)

    assert run(tmp_path, "--numprocesses", "2", "--dist", "loadfile", "--complete")[0] == pytest.ExitCode.OK
