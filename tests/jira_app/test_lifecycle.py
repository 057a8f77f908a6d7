"""Installing and removing: who may say so, and what stays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from connector.core import Core, build_core
from connector.models import Base, Connection, InboxEntry, OutboxEntry, Workspace, utcnow
from connector.settings import load_settings
from jira_app import TRACKER, lifecycle
from jira_app.install_tokens import FETCHES_AT_ONCE, InstallKeys, KeyHostsUnavailable
from tests.jira_app.acme import KEY_HOST, LADDER, SECOND_KEY_HOST, Acme, by_hand, public_pem, rsa_key, signed
from tests.jira_app.conftest import Stored

INSTALLED = "/jira/installed"
UNINSTALLED = "/jira/uninstalled"
HOOK = "/jira/webhooks"
BODY = b'{"webhookEvent": "jira:issue_updated"}'


def install(door: FlaskClient, site: Acme, token: str | None = None, **body: Any) -> TestResponse:
    """Make an `installed` call."""
    return door.post(INSTALLED, json=site.body(**body), headers=signed(token or site.lifecycle_token()))


def uninstall(door: FlaskClient, site: Acme) -> TestResponse:
    """Make an `uninstalled` call."""
    headers = signed(site.lifecycle_token(UNINSTALLED))
    return door.post(UNINSTALLED, json=site.body(sharedSecret=None, eventType="uninstalled"), headers=headers)


def test_an_installed_site_is_stored_with_its_secret_sealed(core: Core, installed: Acme, stored: Stored) -> None:
    (connection,) = stored.connections()
    assert (connection.tracker, connection.tenant_key, connection.state) == ("jira", installed.client_key, "active")
    assert (connection.site, connection.cloud_id) == (installed.site, installed.cloud_id)
    assert connection.credential is not None
    assert installed.secret not in connection.credential
    assert core.vault.open(installed.client_key, "connection.credential", connection.credential) == installed.secret


def test_the_first_installation_makes_a_workspace_and_asks_for_what_it_must_learn(core: Core, installed: Acme) -> None:
    with core.database.reading() as session:
        assert session.scalars(select(Workspace.name)).all() == ["acme"]
        assert sorted(session.scalars(select(OutboxEntry.kind))) == ["discover", "reconcile"]


FORGERIES: dict[str, Callable[[Acme], str]] = {
    "nothing": lambda acme: "",
    "not a token": lambda acme: "a.b.c",
    "HS256 with the shared secret": lambda acme: by_hand(acme.lifecycle_claims(INSTALLED), acme.secret, kid=acme.kid),
    "HS256 with the public key": lambda acme: by_hand(
        acme.lifecycle_claims(INSTALLED), public_pem(rsa_key()), kid=acme.kid
    ),
    "none": lambda acme: (
        by_hand(acme.lifecycle_claims(INSTALLED), "", alg="none", kid=acme.kid).rpartition(".")[0] + "."
    ),
    "another key": lambda acme: replace(acme, key=rsa_key("somebody else")).lifecycle_token(),
    "without kid": lambda acme: jwt.encode(acme.lifecycle_claims(INSTALLED), acme.key, algorithm="RS256"),
    "PS256": lambda acme: jwt.encode(
        acme.lifecycle_claims(INSTALLED), acme.key, algorithm="PS256", headers={"kid": acme.kid}
    ),
    "expired": lambda acme: acme.lifecycle_token(exp=int(time.time()) - 10, iat=None),
    "without expiry": lambda acme: acme.lifecycle_token(exp=None),
    "for another app": lambda acme: acme.lifecycle_token(aud=["https://other.example.com"]),
    "for an app whose address begins like ours": lambda acme: acme.lifecycle_token(aud=[LADDER + ".evil.example"]),
    "for several apps": lambda acme: acme.lifecycle_token(aud=[LADDER, "https://other.example.com"]),
    "for nobody": lambda acme: acme.lifecycle_token(aud=None),
    "for another address": lambda acme: acme.lifecycle_token(UNINSTALLED),
    "without qsh": lambda acme: acme.lifecycle_token(qsh=None),
    "context qsh": lambda acme: acme.lifecycle_token(qsh="context-qsh"),
    "from another site": lambda acme: acme.lifecycle_token(iss="globex-client-key"),
    "from nobody": lambda acme: acme.lifecycle_token(iss=None),
    "lives for years": lambda acme: acme.lifecycle_token(exp=int(time.time()) + 10**8),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_installation_leaves_nothing(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored, name: str
) -> None:
    assert door.post(INSTALLED, json=acme.body(), headers=signed(FORGERIES[name](acme))).status_code == 401
    assert stored.connections() == []


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_installation_does_not_replace_the_secret(
    door: FlaskClient, installed: Acme, stored: Stored, name: str
) -> None:
    # HS256 with the genuine secret included: the downgrade to how installations were signed until 2021.
    token = FORGERIES[name](installed)
    answer = door.post(INSTALLED, json=installed.body(sharedSecret="of-a-thief" * 5), headers=signed(token))
    assert answer.status_code == 401
    assert stored.connections()[0].previous_credential is None
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 204


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "for another address"])
def test_a_forged_removal_removes_nothing(door: FlaskClient, installed: Acme, stored: Stored, name: str) -> None:
    installed.lifecycle_claims = lambda path, **claims: type(installed).lifecycle_claims(  # type: ignore[method-assign]  # a test's own site
        installed, UNINSTALLED, **claims
    )
    token = FORGERIES[name](installed)
    assert door.post(UNINSTALLED, json=installed.body(), headers=signed(token)).status_code == 401
    assert stored.connections()[0].state == "active"


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "qsh", "sub", "iss", "aud", "jti"])
@pytest.mark.parametrize("value", [{}, [7], True, "\ud800", 1e400, 10**400])
def test_signed_nonsense_is_never_a_crash(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, name: str, value: Any
) -> None:
    token = jwt.PyJWS().encode(
        json.dumps(acme.lifecycle_claims(INSTALLED, **{name: value})).encode(),
        acme.key,
        algorithm="RS256",
        headers={"kid": acme.kid},
    )
    assert install(door, acme, token).status_code in (204, 401)


def test_a_missing_token_is_refused(door: FlaskClient, acme: Acme, stored: Stored) -> None:
    assert door.post(INSTALLED, json=acme.body()).status_code == 401
    assert door.post(UNINSTALLED, json=acme.body()).status_code == 401
    assert stored.connections() == []


def test_a_genuine_token_of_one_site_does_not_install_for_another(
    door: FlaskClient, installed: Acme, stored: Stored
) -> None:
    thief = Acme(client_key="thief-client-key", secret="thief" * 10)
    answer = door.post(
        INSTALLED, json=thief.body(clientKey=installed.client_key), headers=signed(thief.lifecycle_token())
    )
    assert answer.status_code == 401
    assert uninstall_as(door, thief, installed).status_code == 401
    assert [one.state for one in stored.connections()] == ["active"]


def uninstall_as(door: FlaskClient, signer: Acme, named: Acme) -> TestResponse:
    """Make an `uninstalled` call in which token and body name two sites."""
    return door.post(UNINSTALLED, json=named.body(), headers=signed(signer.lifecycle_token(UNINSTALLED)))


@pytest.mark.parametrize(
    "site",
    [
        "http://acme.atlassian.net",
        "https://acme.atlassian.net.evil.example",
        "https://evilatlassian.net",
        "https://atlassian.net",
        "https://acme.atlassian.net@evil.example",
        "https://evil.example/?.atlassian.net",
        "https://evil.example#.atlassian.net",
        "https://evil.example\\.atlassian.net",
        "https://acme.atlassian.net:8443",
        "https://127.0.0.1",
        "http://127.0.0.1:8080",
        "http://169.254.169.254",
        "https://[::1]",
        "file:///etc/passwd",
        "//acme.atlassian.net",
        "https://аcme.atlassian.net",
        "https://acme.atlassian.net\n",
        "",
        None,
        7,
        ["https://acme.atlassian.net"],
    ],
)
def test_a_site_that_is_not_on_the_list_is_refused(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored, site: object
) -> None:
    body = acme.body() | {"baseUrl": site}
    assert door.post(INSTALLED, json=body, headers=signed(acme.lifecycle_token())).status_code == 403
    assert stored.connections() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"x"', b"{", b"[" * 5000, b'{"clientKey":' * 3000, b"\xff\xfe", b'{"clientKey": 7}'],
)
def test_a_broken_body_is_refused(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored, body: bytes
) -> None:
    assert door.post(INSTALLED, data=body, headers=signed(acme.lifecycle_token())).status_code == 400
    assert stored.connections() == []


@pytest.mark.parametrize(
    "change",
    [
        {"sharedSecret": None},
        {"sharedSecret": ""},
        {"sharedSecret": 7},
        {"sharedSecret": "x" * 600},
        {"key": "another-app"},
        {"productType": "confluence"},
    ],
)
def test_an_unusable_installation_is_refused(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored, change: dict[str, Any]
) -> None:
    assert install(door, acme, **change).status_code == 400
    assert stored.connections() == []


def test_a_huge_body_is_refused_before_the_token_is_looked_at(door: FlaskClient, acme: Acme) -> None:
    assert door.post(INSTALLED, data=b"x" * 70_000).status_code == 413


def test_a_trailing_slash_in_the_audience_is_the_same_address(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme
) -> None:
    assert install(door, acme, acme.lifecycle_token(aud=[LADDER + "/"])).status_code == 204
    assert install(door, acme, acme.lifecycle_token(aud=LADDER)).status_code == 204


def test_the_second_key_host_is_asked_when_the_first_has_no_such_key(
    door: FlaskClient, network: responses.RequestsMock, acme: Acme
) -> None:
    network.get(f"{KEY_HOST}/{acme.kid}", status=404)
    network.get(f"{SECOND_KEY_HOST}/{acme.kid}", body=public_pem(acme.key))
    assert install(door, acme).status_code == 204
    assert [call.request.url for call in network.calls] == [
        f"{KEY_HOST}/{acme.kid}",
        f"{SECOND_KEY_HOST}/{acme.kid}",
    ]


def test_a_key_is_fetched_once(door: FlaskClient, installed: Acme, key_host: responses.RequestsMock) -> None:
    assert install(door, installed).status_code == 204
    assert uninstall(door, installed).status_code == 204
    (call,) = key_host.calls
    assert call.request.req_kwargs["timeout"] == 5


def test_an_unknown_key_is_refused(door: FlaskClient, network: responses.RequestsMock, acme: Acme) -> None:
    for host in (KEY_HOST, SECOND_KEY_HOST):
        network.get(f"{host}/{acme.kid}", status=404)
    assert install(door, acme).status_code == 401


def test_when_no_key_host_answers_the_call_is_neither_accepted_nor_refused(
    door: FlaskClient, network: responses.RequestsMock, acme: Acme
) -> None:
    network.get(f"{KEY_HOST}/{acme.kid}", body=requests.ConnectTimeout())
    network.get(f"{SECOND_KEY_HOST}/{acme.kid}", status=500)
    assert install(door, acme).status_code == 503


def test_key_hosts_cannot_send_us_elsewhere(door: FlaskClient, network: responses.RequestsMock, acme: Acme) -> None:
    network.get(f"{KEY_HOST}/{acme.kid}", status=302, headers={"Location": "https://evil.example/key"})
    network.get(f"{SECOND_KEY_HOST}/{acme.kid}", status=404)
    network.get("https://evil.example/key", body=public_pem(acme.key))
    assert install(door, acme).status_code == 401


@pytest.mark.parametrize(
    "kid",
    ["../../evil", "a/b", "a%2Fb", "//evil.example/k", "https://evil.example/k", "k?x=", "k#", "", "..", "k" * 200],
)
def test_a_key_id_cannot_climb_out_of_its_host(
    door: FlaskClient, network: responses.RequestsMock, acme: Acme, kid: str
) -> None:
    assert install(door, replace(acme, kid=kid)).status_code == 401
    assert len(network.calls) == 0


def test_strangers_cannot_make_us_call_out(door: FlaskClient, network: responses.RequestsMock, acme: Acme) -> None:
    for claims in ({"aud": ["https://other.example.com"]}, {"qsh": "0" * 64}, {"exp": 1000, "iat": None}):
        assert install(door, acme, acme.lifecycle_token(**claims)).status_code == 401
    assert len(network.calls) == 0


def weak_keys() -> dict[str, str]:
    """Return public keys that no genuine host would serve."""
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "too short": public_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - the key that must be refused
        "elliptic": curve.public_bytes(*form).decode(),
        "no key": "<html>not found</html>",
        "endless": "x" * 100_000,
    }


@pytest.mark.parametrize("name", weak_keys())
def test_a_key_that_is_no_rsa_key_of_2048_bits_is_refused(
    door: FlaskClient, network: responses.RequestsMock, acme: Acme, name: str
) -> None:
    network.get(f"{KEY_HOST}/{acme.kid}", body=weak_keys()[name])
    assert install(door, acme).status_code == 401


def test_installing_again_takes_the_new_secret_at_once_and_the_old_one_for_a_while(
    door: FlaskClient, installed: Acme, core: Core, stored: Stored
) -> None:
    again = replace(installed, secret="a-new-shared-secret" * 3)
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 204
    assert install(door, again).status_code == 204
    assert door.post(HOOK, data=BODY, headers=signed(again.token())).status_code == 204
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 204
    with core.database.writing() as session:
        session.query(Connection).one().previous_credential_until = utcnow() - timedelta(seconds=1)
    core.trackers["jira"].tenants.forget(installed.client_key)  # type: ignore[attr-defined]  # two seconds pass
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 401
    assert len(stored.connections()) == 1


def test_a_secret_that_another_process_replaced_works_at_once(
    door: FlaskClient, installed: Acme, core: Core, stored: Stored
) -> None:
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 204
    again = replace(installed, secret="written-by-another-process" * 2)
    with core.database.writing() as session:
        connection = session.query(Connection).one()
        connection.credential = core.vault.seal(again.client_key, "connection.credential", again.secret)
    assert door.post(HOOK, data=BODY, headers=signed(again.token())).status_code == 204


def test_removing_forgets_the_secrets_and_keeps_the_rest(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 204
    assert uninstall(door, installed).status_code == 204
    (connection,) = stored.connections()
    assert (connection.state, connection.credential, connection.previous_credential) == ("uninstalled", None, None)
    assert len(stored.deliveries()) == 1


def test_a_site_that_comes_back_is_the_same_connection_and_is_read_again(
    door: FlaskClient, installed: Acme, core: Core, stored: Stored
) -> None:
    (before,) = stored.connections()
    assert uninstall(door, installed).status_code == 204
    with core.database.writing() as session:
        for errand in session.scalars(select(OutboxEntry)):
            errand.state = "done"
    back = replace(installed, secret="after-coming-back" * 3)
    assert install(door, back).status_code == 204
    (after,) = stored.connections()
    assert (after.id, after.workspace_id, after.state) == (before.id, before.workspace_id, "active")
    assert door.post(HOOK, data=BODY, headers=signed(back.token())).status_code == 204
    assert door.post(HOOK, data=BODY, headers=signed(installed.token())).status_code == 401
    with core.database.reading() as session:
        waiting = session.scalars(select(OutboxEntry.kind).where(OutboxEntry.state == "waiting"))
        assert sorted(waiting) == ["discover", "reconcile"]


def test_made_up_keys_hold_a_few_threads_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = Semaphore(0), Event()

    def slow(*_args: Any, **_options: Any) -> None:
        asked.release()
        over.wait(20)
        raise requests.ConnectionError

    monkeypatch.setattr("jira_app.install_tokens.requests.get", slow)
    keys = InstallKeys(["https://keys.example"])
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        busy = [pool.submit(keys.find, f"made-up-{number}") for number in range(FETCHES_AT_ONCE)]
        assert all(asked.acquire(timeout=20) for _ in busy)
        with pytest.raises(KeyHostsUnavailable, match="too many"):
            keys.find("one-more")
        over.set()
        assert all(isinstance(one.exception(), KeyHostsUnavailable) for one in busy)
    with pytest.raises(KeyHostsUnavailable, match="afterwards"):
        keys.find("afterwards")


def test_removing_what_was_never_installed_is_no_error(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored
) -> None:
    assert uninstall(door, acme).status_code == 204
    assert stored.connections() == []


def test_one_site_with_a_new_client_key_stays_one_tenant(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    moved = replace(installed, client_key="acme-new-client-key", secret="moved" * 10)
    assert install(door, moved).status_code == 204
    (connection,) = stored.connections()
    assert connection.tenant_key == "acme-new-client-key"
    assert door.post(HOOK, data=BODY, headers=signed(moved.token())).status_code == 204


def test_a_cloud_id_alone_does_not_take_over_another_site(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    thief = Acme(client_key="thief-client-key", site="https://thief.atlassian.net", secret="thief" * 10)
    assert install(door, thief).status_code == 204
    assert sorted(one.tenant_key for one in stored.connections()) == ["acme-client-key", "thief-client-key"]


def test_another_site_of_an_allowed_domain_gets_a_workspace_of_its_own(
    door: FlaskClient, installed: Acme, stored: Stored
) -> None:
    stranger = Acme("globex-client-key", "https://globex.atlassian.net", "globex" * 8, cloud_id="globex")
    assert install(door, stranger).status_code == 204
    first, second = stored.connections()
    assert first.workspace_id != second.workspace_id


def test_the_first_site_joins_the_workspace_that_is_there(
    door: FlaskClient, key_host: responses.RequestsMock, core: Core, acme: Acme, stored: Stored
) -> None:
    with core.database.writing() as session:
        workspace = Workspace(name="Ours")
        session.add(workspace)
    assert install(door, acme).status_code == 204
    assert stored.connections()[0].workspace_id == workspace.id


def test_a_site_that_the_operator_named_joins_the_workspace(
    tmp_path: Path, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, acme: Acme
) -> None:
    monkeypatch.setattr("jira_app.routes.PAGES", ())
    settings = load_settings(
        env_file=None,
        database_url=f"sqlite:///{tmp_path / 'named.db'}",
        base_url=LADDER,
        connect_key_hosts=KEY_HOST,
        jira_hosts="acme.atlassian.net,http://127.0.0.1:8081",
    )
    core = build_core(settings, trackers={"jira": TRACKER})
    Base.metadata.create_all(core.database.engine)
    network.get(f"{KEY_HOST}/{acme.kid}", body=public_pem(acme.key))
    app = Flask("door")
    app.register_blueprint(core.trackers["jira"].blueprint(core))  # type: ignore[attr-defined]  # trackers may have one
    door = app.test_client()
    loopback = Acme("local-client-key", "http://127.0.0.1:8081", "local" * 10, cloud_id="local")
    stranger = Acme("globex-client-key", "https://globex.atlassian.net", "globex" * 8, cloud_id="globex")
    assert [install(door, site).status_code for site in (acme, loopback, stranger)] == [204, 204, 403]
    first, second = Stored(core).connections()
    assert first.workspace_id == second.workspace_id
    core.close()


def test_a_display_address_that_runs_a_script_is_not_kept(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored
) -> None:
    assert install(door, acme, displayUrl="javascript:alert(1)//").status_code == 204
    assert stored.connections()[0].display_site == acme.site


def test_two_processes_that_store_the_same_new_site_agree_on_one(
    door: FlaskClient, key_host: responses.RequestsMock, acme: Acme, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(door, acme).status_code == 204
    look, blind = lifecycle._known_site, [True]

    def first_blind(session: Any, installation: Any) -> Connection | None:
        return None if blind and blind.pop() else look(session, installation)

    monkeypatch.setattr(lifecycle, "_known_site", first_blind)
    assert install(door, replace(acme, secret="second" * 8)).status_code == 204
    assert len(stored.connections()) == 1


@pytest.mark.parametrize("mounted", ["", "/ladder"])
def test_ladder_may_live_below_a_path(
    tmp_path: Path, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, acme: Acme, mounted: str
) -> None:
    # Whether the proxy cuts the path off before it hands the request on or not.
    monkeypatch.setattr("jira_app.routes.PAGES", ())
    base = f"{LADDER}/ladder"
    settings = load_settings(
        env_file=None, database_url=f"sqlite:///{tmp_path / 'l.db'}", base_url=base, connect_key_hosts=KEY_HOST
    )
    core = build_core(settings, trackers={"jira": TRACKER})
    Base.metadata.create_all(core.database.engine)
    network.get(f"{KEY_HOST}/{acme.kid}", body=public_pem(acme.key))
    app = Flask("door")
    app.register_blueprint(core.trackers["jira"].blueprint(core), url_prefix=mounted or None)  # type: ignore[attr-defined]  # trackers may have one
    token = acme.lifecycle_token(aud=[base])
    answer = app.test_client().post(f"{mounted}{INSTALLED}", json=acme.body(), headers=signed(token))
    assert answer.status_code == 204
    core.close()


def test_refused_calls_leave_no_row_at_all(door: FlaskClient, core: Core, key_host: responses.RequestsMock) -> None:
    site = Acme()
    for token in (name(site) for name in FORGERIES.values()):
        door.post(INSTALLED, json=site.body(), headers=signed(token))
        door.post(UNINSTALLED, json=site.body(), headers=signed(token))
        door.post(HOOK, data=json.dumps(site.body()), headers=signed(token))
    with core.database.reading() as session:
        for table in (Connection, Workspace, InboxEntry, OutboxEntry):
            assert session.query(table).count() == 0
