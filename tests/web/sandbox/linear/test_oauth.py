"""OAuth of the stand-in: consent, codes with PKCE, rotating tokens, revocation."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.web.sandbox.linear.conftest import Listener
from web.sandbox.linear import LinearWorkspace, NotAllowedError, OAuthError, WorkspaceServer
from web.sandbox.linear.pages import COOKIE
from web.sandbox.linear.seeding import ENGINEER, LEAD

VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Client:
    """The application's side of the flow."""

    def __init__(self, workspace: LinearWorkspace, server: WorkspaceServer, listener: Listener) -> None:
        self.workspace, self.server = workspace, server
        self.callback = f"{listener.url}/linear/callback"

    def question(self, **changes: str | None) -> dict[str, str]:
        values = {
            "client_id": "stand-in-client",
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "read,write,initiative:read",
            "state": "state-1",
            "actor": "app",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def address(self, **changes: str | None) -> str:
        return f"{self.server.oauth_url}/authorize?{urlencode(self.question(**changes))}"

    def code(self, **changes: str | None) -> str:
        return answered(self.workspace.oauth.visit(self.address(**changes)))["code"]

    def token(self, **form: str) -> requests.Response:
        secret = {"client_id": "stand-in-client", "client_secret": "stand-in-client-secret"}
        return requests.post(f"{self.server.url}/oauth/token", data={**secret, **form}, timeout=5)

    def exchange(self, code: str, /, **changes: str) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.callback}
        return self.token(**{**form, "code_verifier": VERIFIER, **changes})

    def refresh(self, token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def viewer(self, access: str) -> requests.Response:
        return requests.post(
            self.server.api_url,
            json={"query": "{ viewer { name app } }"},
            headers={"Authorization": f"Bearer {access}"},
            timeout=5,
        )


def answered(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@pytest.fixture
def client(workspace: LinearWorkspace, served: WorkspaceServer, registered: Listener) -> Client:
    return Client(workspace, served, registered)


def test_an_admin_installs_and_the_app_becomes_a_member(client: Client, workspace: LinearWorkspace) -> None:
    back = workspace.oauth.visit(client.address())
    assert back.startswith(f"{client.callback}?")
    assert answered(back)["state"] == "state-1"
    given = client.exchange(answered(back)["code"])
    assert given.headers["Cache-Control"] == "no-store"
    said = given.json()
    assert said["expires_in"] == 86399
    assert said["scope"] == "read write initiative:read"
    assert said["token_type"] == "Bearer"
    assert client.viewer(said["access_token"]).json()["data"]["viewer"] == {"name": "Ladder", "app": True}
    assert workspace.oauth.installed


def test_somebody_signs_in_as_themselves(client: Client, workspace: LinearWorkspace) -> None:
    back = workspace.oauth.visit(client.address(actor="user", scope="read"), person=ENGINEER)
    said = client.exchange(answered(back)["code"]).json()
    assert client.viewer(said["access_token"]).json()["data"]["viewer"] == {"name": "Jonas Weber", "app": False}
    assert not workspace.oauth.installed


def test_no_and_not_yet_come_back_as_errors(client: Client, workspace: LinearWorkspace) -> None:
    said = answered(workspace.oauth.visit(client.address(), answer="decline"))
    assert said["error"] == "access_denied"
    assert said["state"] == "state-1"
    with pytest.raises(NotAllowedError, match="not an admin"):
        workspace.oauth.visit(client.address(), person=ENGINEER)
    said = answered(workspace.oauth.visit(client.address(), person=ENGINEER, answer="ask"))
    assert said["error"] == "pending_approval"
    assert workspace.oauth.requests_pending == [ENGINEER]
    workspace.oauth.pending_error = None
    assert answered(workspace.oauth.visit(client.address(), person=ENGINEER, answer="ask")) == {"state": "state-1"}
    assert not workspace.oauth.installed


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_redirect_uri"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "read,admin"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"actor": "robot"}, "invalid_scope"),
    ],
)
def test_a_wrong_request_stays_on_the_page(client: Client, changes: dict[str, str], error: str) -> None:
    answer = requests.get(client.address(**changes), timeout=5, allow_redirects=False)
    assert answer.status_code == 400
    assert error in answer.text
    with pytest.raises(OAuthError) as refusal:
        client.code(**changes)
    assert refusal.value.error == error


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-verifier-of-at-least-43-characters-012"},
        {"code_verifier": ""},
        {"code_verifier": "short"},
        {"redirect_uri": "http://127.0.0.1/elsewhere"},
        {"code": "guessed"},
    ],
)
def test_a_code_needs_its_verifier_and_its_callback(client: Client, changes: dict[str, str]) -> None:
    answer = client.exchange(client.code(), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_once_and_for_ten_minutes(client: Client, workspace: LinearWorkspace) -> None:
    late = client.code()
    workspace.clock.advance(minutes=10)
    assert client.exchange(late).json()["error"] == "invalid_grant"
    code = client.code()
    access = client.exchange(code).json()["access_token"]
    assert client.viewer(access).status_code == 200
    assert client.exchange(code).json()["error"] == "invalid_grant"
    assert client.viewer(access).status_code == 401


def test_the_client_secret_is_checked_and_may_come_as_basic(client: Client) -> None:
    answer = client.exchange(client.code(), client_secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    form = {
        "grant_type": "authorization_code",
        "code": client.code(),
        "redirect_uri": client.callback,
        "code_verifier": VERIFIER,
    }
    basic = ("stand-in-client", "stand-in-client-secret")
    assert requests.post(f"{client.server.url}/oauth/token", data=form, auth=basic, timeout=5).status_code == 200
    assert client.token(grant_type="password").json()["error"] == "unsupported_grant_type"


def test_access_tokens_live_a_day(client: Client, workspace: LinearWorkspace) -> None:
    said = client.exchange(client.code()).json()
    workspace.clock.advance(hours=23, minutes=59)
    assert client.viewer(said["access_token"]).status_code == 200
    workspace.clock.advance(minutes=1)
    answer = client.viewer(said["access_token"])
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "AUTHENTICATION_ERROR"


def test_refresh_tokens_rotate_and_the_old_one_can_be_replayed_for_half_an_hour(
    client: Client, workspace: LinearWorkspace
) -> None:
    workspace.clock.freeze()
    first = client.exchange(client.code()).json()
    second = client.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    workspace.clock.advance(minutes=29)
    again = client.refresh(first["refresh_token"]).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert again["access_token"] == second["access_token"]
    assert again["expires_in"] == 86399 - 29 * 60
    workspace.clock.advance(minutes=1)
    late = client.refresh(first["refresh_token"])
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
    workspace.clock.advance(days=60)
    assert client.refresh(second["refresh_token"]).status_code == 200


def test_an_answer_lost_on_the_way_is_made_good_by_the_replay(client: Client, workspace: LinearWorkspace) -> None:
    first = client.exchange(client.code()).json()
    workspace.faults.tokens_down(1)
    with pytest.raises(requests.ConnectionError):
        client.refresh(first["refresh_token"])
    assert client.viewer(client.refresh(first["refresh_token"]).json()["access_token"]).status_code == 200
    assert workspace.oauth.refreshes == 2


def test_the_token_endpoint_has_bad_days(client: Client, workspace: LinearWorkspace) -> None:
    first = client.exchange(client.code()).json()
    workspace.faults.tokens_unavailable(1)
    assert client.refresh(first["refresh_token"]).status_code == 503
    workspace.faults.tokens_refused(1)
    assert client.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    workspace.oauth.scope_as_array = True
    assert client.refresh(first["refresh_token"]).json()["scope"] == ["read", "write", "initiative:read"]


def test_revoking_ends_the_grant_and_is_told(client: Client, workspace: LinearWorkspace, registered: Listener) -> None:
    said = client.exchange(client.code()).json()
    address = f"{client.server.url}/oauth/revoke"
    assert requests.post(address, data={"token": said["refresh_token"]}, timeout=5).status_code == 200
    assert client.viewer(said["access_token"]).status_code == 401
    assert client.refresh(said["refresh_token"]).json()["error"] == "invalid_grant"
    assert requests.post(address, data={"token": said["access_token"]}, timeout=5).status_code == 400
    workspace.webhooks.flush()
    told = registered.bodies("OAuthAuthorization")
    assert [one["action"] for one in told] == ["revoked"]
    assert told[0]["activeTokensForUser"] == 0


def test_uninstalling_kills_tokens_and_is_told_with_its_time(
    client: Client, workspace: LinearWorkspace, registered: Listener
) -> None:
    said = client.exchange(client.code()).json()
    workspace.webhooks.pause()
    workspace.oauth.uninstall()
    assert client.viewer(said["access_token"]).status_code == 401
    again = client.exchange(client.code()).json()
    workspace.webhooks.resume()
    workspace.webhooks.flush()
    [late] = registered.bodies("OAuthApp")
    assert late["action"] == "revoked"
    assert late["organizationId"] == workspace.organization_id
    # It arrives after the next installation, but says that it is older.
    assert late["createdAt"] < workspace.oauth.app_grants[0].created_at.isoformat()
    assert client.viewer(again["access_token"]).status_code == 200


def test_silent_deaths_can_be_played(client: Client, workspace: LinearWorkspace, registered: Listener) -> None:
    said = client.exchange(client.code()).json()
    workspace.oauth.expire_access()
    assert client.viewer(said["access_token"]).status_code == 401
    fresh = client.refresh(said["refresh_token"]).json()
    assert client.viewer(fresh["access_token"]).status_code == 200
    workspace.oauth.kill_tokens()
    assert client.refresh(fresh["refresh_token"]).json()["error"] == "invalid_grant"
    workspace.webhooks.flush()
    assert registered.received == []


def test_the_consent_page_knows_who_may_install(client: Client, workspace: LinearWorkspace) -> None:
    def visit(person: str, **form: str) -> requests.Response:
        cookies = {COOKIE: person}
        if not form:
            return requests.get(client.address(), cookies=cookies, timeout=5)
        address = f"{client.server.oauth_url}/authorize"
        data = {**client.question(), **form}
        return requests.post(address, data=data, cookies=cookies, timeout=5, allow_redirects=False)

    assert "Install Ladder in Acme?" in visit(LEAD).text
    page = visit(ENGINEER)
    assert "Ask an admin" in page.text
    assert client.callback.rpartition("/linear")[0] in page.headers["Content-Security-Policy"]
    assert visit(ENGINEER, decision="agree").status_code == 403
    assert "code" in answered(visit(LEAD, decision="agree").headers["Location"])
    assert answered(visit(LEAD, decision="decline").headers["Location"])["error"] == "access_denied"
    assert answered(visit(ENGINEER, decision="ask").headers["Location"])["error"] == "pending_approval"


def test_another_site_cannot_press_the_button(client: Client) -> None:
    form = {**client.question(), "decision": "agree"}
    address = f"{client.server.oauth_url}/authorize"
    answer = requests.post(address, data=form, headers={"Sec-Fetch-Site": "cross-site"}, timeout=5)
    assert answer.status_code == 403


def test_the_clock_can_stand_still_and_go_on(workspace: LinearWorkspace) -> None:
    workspace.clock.freeze()
    first = workspace.now()
    workspace.clock.advance(hours=1)
    assert workspace.now() - first == timedelta(hours=1)
    workspace.clock.run()
    assert workspace.now() > first + timedelta(hours=1)
    workspace.clock.catch_up()
    assert abs(workspace.clock.ahead) < timedelta(seconds=1)
