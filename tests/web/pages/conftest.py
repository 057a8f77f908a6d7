"""People in front of Ladder's own pages: signed in by a one-time link, reading pages and sending their forms."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from werkzeug.test import TestResponse

from connector.database import Database
from connector.models import Account, Base, Person
from connector.settings import Settings, load_settings
from connector.sign_in import create_link
from tests.connector.conftest import NOW, Organisation, org
from web.app import create_app

__all__ = ["NOW", "Organisation", "org"]

TOKEN = re.compile(r'name="token" value="([^"]+)"')


@dataclass
class Visitor:
    """Somebody with a browser. `seen` is the page last read; forms go out with its token."""

    client: FlaskClient
    seen: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Accept": "text/html"})

    def read(self, path: str, status: int = 200, **headers: str) -> str:
        """Read a page and return its text."""
        answer = self.client.get(path, headers={**self.headers, **headers})
        assert answer.status_code == status, answer.text
        self.seen = answer.text
        return self.seen

    def send(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        """Send a form with the token of the page last read."""
        token = TOKEN.search(self.seen)
        given = {"token": token[1] if token else "", **(form or {})}
        answer = self.client.post(path, data=given, headers={**self.headers, **headers})
        if "text/html" in answer.content_type and answer.status_code != 303:
            self.seen = answer.text
        return answer

    def do(self, path: str, form: dict[str, Any] | None = None) -> str:
        """Send a form that works, and return the page that follows."""
        answer = self.send(path, form)
        assert answer.status_code == 303, answer.text
        return self.read(answer.location)

    def fields(self) -> dict[str, str]:
        """Return the hidden fields and texts of the forms on the page last read, as a browser would send them back."""
        found: dict[str, str] = {}
        for tag in re.findall(r"<input[^>]*>", self.seen):
            named = re.search(r' name="([^"]+)"', tag)
            if named and (' type="checkbox"' not in tag or " checked" in tag):
                value = re.search(r' value="([^"]*)"', tag)
                found[named[1]] = value[1] if value else ""
        found |= dict(re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>([^<]*)</', self.seen))
        for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', self.seen, re.DOTALL):
            picked = re.search(r'value="([^"]*)" selected', options)
            found[name] = picked[1] if picked else ""
        return {name: _unescaped(text) for name, text in found.items()}


def _unescaped(text: str) -> str:
    for code, sign in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(code, sign)
    return text


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with empty tables, made once and copied for each test: making it takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "ladder.db"
    database = Database(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    """Settings on a database of the test's own."""
    shutil.copy(empty_database, tmp_path / "ladder.db")
    return load_settings(env_file=None, database_url=f"sqlite:///{tmp_path / 'ladder.db'}")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates compiled once for all tests, each of which has an app of its own."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def site(org: Organisation, compiled: BytecodeCache) -> Flask:
    """The whole web app over the small organisation."""
    app = create_app(org.core)
    app.jinja_env.bytecode_cache = compiled
    app.testing = False  # errors must be answered as they are in production
    return app


@pytest.fixture
def enter(org: Organisation, site: Flask) -> Callable[..., Visitor]:
    """Let somebody of a role in."""

    def come_in(role: str = "member", name: str = "Grace", account: str | None = "toy-user") -> Visitor:
        with org.core.database.writing() as session:
            person = Person(workspace_id="w", name=name, role=role)
            if account:
                person.accounts.append(Account(workspace_id="w", tracker="toy", account_id=account))
            session.add(person)
            session.flush()
            secret = create_link(session, "w", now=org.core.clock(), person_id=person.id)
        visitor = Visitor(site.test_client())
        visitor.read(f"/sign-in/{secret}")
        assert visitor.send(f"/sign-in/{secret}").location == "/"
        return visitor

    return come_in


@pytest.fixture
def member(enter: Callable[..., Visitor]) -> Visitor:
    """Somebody who may make and edit goals, and edit every issue of the toy tracker."""
    return enter()


@pytest.fixture
def admin(enter: Callable[..., Visitor]) -> Visitor:
    """Somebody who may also set things up; without an account in the tracker."""
    return enter("admin", "Root", None)


@pytest.fixture
def viewer(enter: Callable[..., Visitor]) -> Visitor:
    """Somebody who may only look."""
    return enter("viewer", "Eve", None)
