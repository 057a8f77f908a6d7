"""The signed install handshake, seen from the app."""

from __future__ import annotations

import hashlib
from typing import Any

import jwt
import pytest
import requests

from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import InstallError, JiraSite, SiteServer


def opened(call: Any, site: JiraSite) -> dict[str, Any]:
    """The claims of a lifecycle call, verified as an app must: key from the key host, RS256, own audience."""
    token = call.headers["Authorization"].removeprefix("JWT ")
    kid = jwt.get_unverified_header(token)["kid"]
    key = requests.get(f"{site.base_url}/keyhost/{kid}", timeout=5)
    assert key.headers["Content-Type"].startswith("application/x-pem-file")
    audience = site.installation.base_url if site.installation else None
    return jwt.decode(
        token,
        key.text,
        algorithms=["RS256"],
        audience=audience,
        options={"require": ["iss", "aud", "exp", "iat", "qsh"], "verify_aud": audience is not None},
    )


def test_installed_is_signed_with_the_key_of_the_key_host(
    site: JiraSite, served: SiteServer, ladder: FakeLadder
) -> None:
    site.install(ladder.url)
    (call,) = ladder.calls("installed")
    claims = opened(call, site)
    assert claims["iss"] == call.body["clientKey"] == site.client_key
    assert claims["aud"] == [ladder.url]
    assert claims["qsh"] == hashlib.sha256(b"POST&/jira/installed&").hexdigest()
    assert call.body["eventType"] == "installed"
    assert call.body["baseUrl"] == served.url
    assert len(call.body["sharedSecret"]) >= 32
    assert {
        "key",
        "publicKey",
        "displayUrl",
        "productType",
        "description",
        "serverVersion",
        "cloudId",
        "oauthClientId",
    } <= (call.body.keys())


def test_an_unknown_key_is_not_served(served: SiteServer) -> None:
    assert requests.get(f"{served.url}/keyhost/unknown", timeout=5).status_code == 404


def test_every_installation_brings_a_new_secret_for_the_same_client(
    site: JiraSite, served: SiteServer, ladder: FakeLadder
) -> None:
    site.install(ladder.url)
    site.reinstall()
    first, second = ladder.calls("installed")
    assert first.body["sharedSecret"] != second.body["sharedSecret"]
    assert first.body["clientKey"] == second.body["clientKey"]


def test_uninstalled_is_signed_too_and_carries_no_secret(
    site: JiraSite, served: SiteServer, installed: FakeLadder
) -> None:
    assert site.uninstall() == 204
    (call,) = installed.calls("uninstalled")
    assert opened(call, site)["iss"] == call.body["clientKey"]
    assert "sharedSecret" not in call.body
    assert site.installation is None


def test_an_app_that_fails_is_uninstalled_all_the_same(site: JiraSite, installed: FakeLadder) -> None:
    installed.install_answer = 500
    assert site.uninstall() == 500
    assert site.installation is None


def test_a_refused_reinstall_leaves_the_old_secret_in_force(site: JiraSite, installed: FakeLadder) -> None:
    before = site.installation
    installed.install_answer = 401
    with pytest.raises(InstallError) as refused:
        site.reinstall()
    assert (refused.value.reason, refused.value.status) == ("app_refused", 401)
    assert site.installation is before


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "a key with blanks"},
        {"key": "k" * 65},
        {"baseUrl": "http://ladder.example.com"},
        {"authentication": {"type": "none"}},
        {"lifecycle": {"installed": "https://elsewhere.example/installed"}},
        {"apiMigrations": {}},
        {"modules": {"generalPages": [{"key": "same"}], "adminPages": [{"key": "same"}]}},
        {"modules": {"webhooks": [{"event": "jira:issue_created"}]}},
    ],
)
def test_a_descriptor_that_jira_would_refuse_is_refused(
    site: JiraSite, ladder: FakeLadder, changes: dict[str, Any]
) -> None:
    ladder.changes = changes
    with pytest.raises(InstallError) as refused:
        site.install(ladder.url)
    assert refused.value.reason == "descriptor_broken"
    assert not ladder.calls("installed")


def test_an_app_that_does_not_answer_is_named(site: JiraSite) -> None:
    with pytest.raises(InstallError) as refused:
        site.install("http://127.0.0.1:9")
    assert refused.value.reason == "descriptor_unreachable"
