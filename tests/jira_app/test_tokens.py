"""Page, webhook and context tokens: each kind is taken where it belongs, and nothing else anywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import jwt
import pytest
from flask.testing import FlaskClient

from connector.core import Core
from connector.models import Connection
from tests.jira_app.acme import Acme, by_hand, public_pem, rsa_key, signed, unsigned
from tests.jira_app.conftest import Stored

HOOK = "/jira/webhooks"
BODY = b'{"webhookEvent": "jira:issue_updated"}'
OTHER = Acme(client_key="globex-client-key", site="https://globex.atlassian.net", secret="globex" * 8)


FORGERIES: dict[str, Callable[[Acme, str, str], str | None]] = {
    "missing": lambda acme, method, target: None,
    "empty": lambda acme, method, target: "",
    "not a token": lambda acme, method, target: "a.b.c",
    "json that is no object": lambda acme, method, target: "W10.W10.W10",
    "signed by somebody else": lambda acme, method, target: replace(acme, secret="x" * 48).token(method, target),
    "alg none": lambda acme, method, target: unsigned(acme.claims(method, target)),
    "HS512": lambda acme, method, target: jwt.encode(acme.claims(method, target), acme.secret * 2, algorithm="HS512"),
    "RS256": lambda acme, method, target: jwt.encode(acme.claims(method, target), rsa_key(), algorithm="RS256"),
    "expired": lambda acme, method, target: acme.token(method, target, exp=int(time.time()) - 10, iat=None),
    "without expiry": lambda acme, method, target: acme.token(method, target, exp=None),
    "without issuer": lambda acme, method, target: acme.token(method, target, iss=None),
    "without qsh": lambda acme, method, target: acme.token(method, target, qsh=None),
    "issuer is a list": lambda acme, method, target: acme.token(method, target, iss=[acme.client_key]),
    "qsh of another request": lambda acme, method, target: acme.token(method, target + "/other"),
    "qsh of another method": lambda acme, method, target: acme.token("PUT", target),
    "qsh is a number": lambda acme, method, target: acme.token(method, target, qsh=1),
    "issued in the future": lambda acme, method, target: acme.token(method, target, iat=int(time.time()) + 60),
    "lives for years": lambda acme, method, target: acme.token(method, target, exp=int(time.time()) + 10**8),
    "unknown site": lambda acme, method, target: OTHER.token(method, target),
    "another site's name on it": lambda acme, method, target: acme.token(method, target, iss=OTHER.client_key),
    "far too long": lambda acme, method, target: acme.token(method, target, padding="x" * 20_000),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_webhook_is_refused_and_leaves_no_row(door: FlaskClient, installed: Acme, stored: Stored, name: str) -> None:
    token = FORGERIES[name](installed, "POST", HOOK)
    headers = signed(token) if token is not None else {}
    assert door.post(HOOK, data=BODY, headers=headers).status_code == 401
    assert stored.deliveries() == []


@pytest.mark.parametrize("name", FORGERIES)
def test_a_page_is_refused(door: FlaskClient, installed: Acme, name: str) -> None:
    token = FORGERIES[name](installed, "GET", "/jira/page?issueId=1")
    target = "/jira/page?issueId=1" + ("" if token is None else f"&jwt={quote(token)}")
    assert door.get(target).status_code == 401


@pytest.mark.parametrize("name", [name for name in FORGERIES if not name.startswith("qsh")])
def test_a_call_is_refused(door: FlaskClient, installed: Acme, name: str) -> None:
    genuine = installed.claims
    # Everything else about the forgery stays; the hash is what a context token has to say.
    installed.claims = lambda method, target, **claims: genuine(method, target, **({"qsh": "context-qsh"} | claims))  # type: ignore[method-assign]  # a test's own site
    token = FORGERIES[name](installed, "GET", "/jira/call")
    headers = signed(token) if token is not None else {}
    assert door.get("/jira/call", headers=headers).status_code == 401


def test_a_public_key_does_not_do_as_a_shared_secret(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    # The classic confusion: HS256 keyed with a public key, where a verifier would look keys up by `kid`.
    token = by_hand(installed.claims("POST", HOOK), public_pem(rsa_key()), kid=installed.kid)
    assert door.post(HOOK, data=BODY, headers=signed(token)).status_code == 401
    assert stored.deliveries() == []


def test_a_shared_secret_that_looks_like_a_public_key_opens_nothing(door: FlaskClient, installed: Acme) -> None:
    odd = replace(installed, secret="ssh-rsa " + "a" * 40)
    assert door.post("/jira/installed", json=odd.body(), headers=signed(odd.lifecycle_token())).status_code == 204
    assert door.post(HOOK, data=BODY, headers=signed(odd.token())).status_code == 401


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "qsh", "sub", "iss", "context", "aud", "jti"])
@pytest.mark.parametrize("value", [[], {}, True, "x", "\ud800", 1e400, -1e400, 10**400, "\x00" * 9, "y" * 5000])
def test_signed_nonsense_is_never_a_crash(door: FlaskClient, installed: Acme, name: str, value: object) -> None:
    claims = {name: value}
    for answer in (
        door.get(installed.page("/jira/page", **claims)),
        door.get("/jira/call", headers=signed(installed.context_token(**claims))),
        door.post(HOOK, data=BODY, headers=signed(installed.token(**claims))),
    ):
        assert answer.status_code in (200, 204, 401)


@pytest.mark.parametrize(
    "header",
    ["JWT", "JWT ", "Bearer x", "Basic eDp5", "jwt a", "JWT a b", "JWT é.é.é", "JWT ..", "JWT a,JWT b", ",", "\t"],
)
def test_headers_that_hold_no_token_are_refused(door: FlaskClient, installed: Acme, header: str) -> None:
    for answer in (
        door.get("/jira/call", headers={"Authorization": header}),
        door.post(HOOK, data=BODY, headers={"Authorization": header}),
        door.post("/jira/installed", json=installed.body(), headers={"Authorization": header}),
    ):
        assert answer.status_code == 401


def test_a_genuine_page_token_tells_who_looks_and_from_where(door: FlaskClient, installed: Acme) -> None:
    answer = door.get(installed.page("/jira/page?issueId=10001&x=a%20b", context={"jira": {"issue": {"id": "10001"}}}))
    assert answer.status_code == 200
    assert answer.json == {
        "account": "712020:ada",
        "origin": "https://acme.atlassian.net",
        "context": {"jira": {"issue": {"id": "10001"}}},
    }


def test_a_genuine_context_token_opens_calls(door: FlaskClient, installed: Acme) -> None:
    answer = door.get("/jira/call", headers=signed(installed.context_token()))
    assert (answer.status_code, answer.json["account"]) == (200, "712020:ada")  # type: ignore[index]  # checked by the status


def test_a_context_token_opens_neither_pages_nor_webhooks(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    token = installed.context_token()
    assert door.get(f"/jira/page?jwt={token}").status_code == 401
    assert door.post(HOOK, data=BODY, headers=signed(token)).status_code == 401
    assert stored.deliveries() == []


def test_page_and_webhook_tokens_open_no_calls(door: FlaskClient, installed: Acme) -> None:
    assert door.get("/jira/call", headers=signed(installed.token("GET", "/jira/call"))).status_code == 401
    assert door.get("/jira/call", headers=signed(installed.token("POST", HOOK))).status_code == 401


def test_a_token_in_the_wrong_place_is_refused(door: FlaskClient, installed: Acme) -> None:
    assert door.get("/jira/page", headers=signed(installed.token("GET", "/jira/page"))).status_code == 401
    assert door.get(f"/jira/call?jwt={installed.context_token()}").status_code == 401
    assert door.post(f"{HOOK}?jwt={installed.token()}", data=BODY).status_code == 401


def test_two_tokens_at_once_are_refused(door: FlaskClient, installed: Acme) -> None:
    page = installed.page("/jira/page")
    assert door.get(page).status_code == 200
    assert door.get(page, headers=signed(installed.token("GET", "/jira/page"))).status_code == 401
    assert door.get(f"{page}&jwt={installed.token('GET', '/jira/page')}").status_code == 401
    context = installed.context_token()
    assert door.get(f"/jira/call?jwt={context}", headers=signed(context)).status_code == 401
    hook = installed.token()
    assert door.post(f"{HOOK}?jwt={hook}", data=BODY, headers=signed(hook)).status_code == 401


def test_clocks_may_differ_by_three_seconds(door: FlaskClient, installed: Acme) -> None:
    now = int(time.time())
    assert door.get(installed.page("/jira/page", exp=now - 1, iat=now - 100)).status_code == 200
    assert door.get(installed.page("/jira/page", exp=now - 5, iat=now - 100)).status_code == 401


def test_an_uninstalled_site_is_unknown(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    assert door.get(installed.page("/jira/page")).status_code == 200
    token = installed.lifecycle_token("/jira/uninstalled")
    assert door.post("/jira/uninstalled", json=installed.body(), headers=signed(token)).status_code == 204
    assert door.get(installed.page("/jira/page")).status_code == 401
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 401
    assert stored.deliveries() == []


def test_a_site_uninstalled_by_another_process_is_unknown_within_seconds(
    door: FlaskClient, installed: Acme, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door.get(installed.page("/jira/page")).status_code == 200
    with core.database.writing() as session:
        session.query(Connection).one().state = "uninstalled"
    monkeypatch.setattr("jira_app.tenants.REMEMBERED_FOR", 0.0)
    core.trackers["jira"].tenants._remembered.clear()  # type: ignore[attr-defined]  # two seconds pass
    assert door.get(installed.page("/jira/page")).status_code == 401


def test_no_token_is_ever_logged(
    door: FlaskClient, installed: Acme, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens = [installed.token(), installed.token(qsh="wrong"), installed.context_token(), installed.lifecycle_token()]
    with caplog.at_level(logging.DEBUG):
        for token in tokens:
            door.post(HOOK, data=BODY, headers=signed(token))
            door.get(f"/jira/page?jwt={token}")
            door.post("/jira/installed", json=installed.body(), headers=signed(token))
    written = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + "".join(capfd.readouterr())
    assert "wrong_algorithm" in written
    for secret in (*tokens, installed.secret):
        assert secret not in written
        assert secret.rpartition(".")[2] not in written
