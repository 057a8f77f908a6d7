"""The access log keeps what helps and nothing that lets somebody in."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask

from connector import telemetry
from tests.web.test_front import Scope, Wire
from web.front import Front


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logging as a server has it; put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("json")
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_sign_in_link_never_reaches_the_access_log(lines: pytest.CaptureFixture[str]) -> None:
    front = Front(Flask("empty"), {}, largest_body=1000, threads=1, access_log=True)
    for path in ("/sign-in/very-secret", "/sign-in", "/key-results/1"):
        asyncio.run(front.__rsgi__(Scope(path=path, query_string="to=/secret"), Wire()))
    said = [json.loads(line)["path"] for line in lines.readouterr().err.splitlines()]
    assert said == ["/sign-in/[hidden]", "/sign-in", "/key-results/1"]
