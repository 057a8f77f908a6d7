"""`--complete`: a run in which a test was skipped fails, so that a green one can't hide what it did not try."""

from __future__ import annotations

import pytest
from xdist import is_xdist_worker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--complete",
        action="store_true",
        help="fail when a test was skipped because a browser, a peer or reference data is missing",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("complete"):
        config.pluginmanager.register(Completeness())


class Completeness:
    """Remembers who was skipped for lack of something, whichever process of the run has found that out."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped too, but without a place and a reason.
        if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
            self.skipped.append(f"{report.nodeid}: {report.longrepr[2]}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # A process that is sent tests by another one leaves the verdict to that.
        if self.skipped and not session.exitstatus and not is_xdist_worker(session):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("--complete: these were skipped, which fails the run", red=True)
            for line in self.skipped:
                terminalreporter.write_line(line)
