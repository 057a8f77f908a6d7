"""A stand-in site, with and without an app that plays Ladder, and a browser where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.shared_refs import refs
from tests.web.chromium import chromium
from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite, SiteServer
from web.sandbox.signing import InstallKey, query_string_hash, shared_secret_token


@pytest.fixture(scope="session")
def install_key() -> InstallKey:
    """One key pair for all tests: making one takes longer than most tests."""
    return InstallKey()


@pytest.fixture
def site(install_key: InstallKey) -> Iterator[JiraSite]:
    """A seeded site that nobody serves."""
    site = JiraSite()
    site.install_key = install_key
    site.webhooks.retry_delay = lambda _: 0.01
    yield site
    site.webhooks.stop()


@pytest.fixture
def served(site: JiraSite) -> Iterator[SiteServer]:
    """The site behind a real port."""
    with SiteServer(site) as server:
        yield server


@pytest.fixture
def ladder() -> Iterator[FakeLadder]:
    """An app that is not installed yet."""
    ladder = FakeLadder()
    yield ladder
    ladder.stop()


@pytest.fixture
def installed(site: JiraSite, ladder: FakeLadder) -> FakeLadder:
    """An app that is installed; what it received so far is forgotten."""
    site.install(ladder.url)
    ladder.host = site.base_url
    ladder.received.clear()
    return ladder


class Rest:
    """Calls the site's REST interface as the app: a fresh token for every request, no redirects followed."""

    def __init__(self, site: JiraSite, server: SiteServer) -> None:
        self.site, self.server = site, server

    def token(self, method: str, path: str, **changes: Any) -> str:
        installation = self.site.installation
        assert installation is not None
        values: dict[str, Any] = {
            "issuer": installation.key,
            "qsh": query_string_hash(method, path),
            "now": self.site.now(),
            **changes,
        }
        return shared_secret_token(values.pop("secret", installation.shared_secret), **values)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        return requests.request(
            method,
            self.server.url + path,
            json=body,
            headers={"Authorization": f"JWT {self.token(method, path)}", **headers},
            allow_redirects=False,
            timeout=5,
        )

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST that must succeed."""
        answer = self("POST", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def rest(site: JiraSite, served: SiteServer, installed: FakeLadder) -> Rest:
    """The REST interface, seen by the installed app."""
    return Rest(site, served)


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """The official descriptions of Jira's two REST interfaces, as {"platform": ..., "software": ...}."""
    folder = refs("openapi")
    platform = json.loads((folder / "jira-platform-v3.2026-04-20.json").read_text())
    software = json.loads((folder / "jira-software-agile.2026-05-28.json").read_text())
    return {"platform": platform, "software": software}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium, or a skip that says so."""
    with chromium() as browser:
        from playwright.sync_api import expect

        expect.set_options(timeout=15_000)  # a busy machine is no defect
        yield browser


@pytest.fixture
def page(browser: Any, served: SiteServer) -> Iterator[Any]:
    """A page on the served site that fails the test on a script error."""
    context = browser.new_context(base_url=served.url, viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(15000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors
