"""Connecting a workspace and signing in by Linear: PKCE, a state that works once and in one browser, whose tokens."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from connector.core import Core
from connector.models import Account, Connection, OAuthState, OutboxEntry, Person, Workspace
from connector.tracker import TrackerUnavailable
from linear_app import install
from linear_app.install import InstallRefused
from linear_app.round_trip import VALID_FOR, Purpose, Returned, RoundTripEnded, begin, come_back
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import APP_USER, ORGANIZATION, Linear, refusal
from tests.linear_app.conftest import Now, Stored

BROWSER = "a-secret-of-this-browser"
VIEWER = {"id": APP_USER, "name": "Ladder", "displayName": "ladder", "active": True, "app": True, "guest": False}
ADA = {"id": "user-ada", "name": "Ada Lovelace", "displayName": "ada", "active": True, "app": False, "guest": False}


@pytest.fixture
def workspace(linear: Linear) -> Linear:
    """Linear, where the workspace Acme agrees to the installation."""
    linear.always("Organization", {"organization": {"id": ORGANIZATION, "name": "Acme", "urlKey": "acme"}})
    return linear.always("Viewer", {"viewer": VIEWER})


def set_out(core: Core, tracker: LinearTracker, purpose: Purpose = "install", **more: Any) -> dict[str, str]:
    """Begin, and return what is in the address of the consent page."""
    with core.database.writing() as session:
        address = begin(
            session,
            tracker.oauth,
            core.vault,
            **{"purpose": purpose, "workspace_id": "w", "browser": BROWSER, "now": core.clock(), **more},
        )
    assert address.startswith("https://linear.app/oauth/authorize?")
    return dict(parse_qsl(urlsplit(address).query))


def return_from(core: Core, asked: dict[str, str], browser: str = BROWSER, **query: str) -> Returned:
    """Come back with a code."""
    return come_back(core, {"state": asked["state"], "code": "code-1", **query}, browser=browser)


def connect(core: Core, tracker: LinearTracker, **more: Any) -> str:
    """Install, all the way."""
    return install.install_finished(core, tracker, return_from(core, set_out(core, tracker, **more)))


def test_the_consent_page_is_asked_for_an_app_with_our_scopes_and_a_challenge(
    core: Core, tracker: LinearTracker
) -> None:
    asked = set_out(core, tracker)
    assert asked["client_id"] == "client-1"
    assert asked["redirect_uri"] == "https://ladder.example/linear/callback"
    assert (asked["response_type"], asked["actor"]) == ("code", "app")
    assert asked["scope"] == "read,write,initiative:read"
    assert asked["code_challenge_method"] == "S256"
    assert "client_secret" not in asked


def test_people_sign_in_as_themselves_and_only_show_who_they_are(core: Core, tracker: LinearTracker) -> None:
    asked = set_out(core, tracker, "sign_in")
    assert (asked["actor"], asked["scope"]) == ("user", "read")


def test_the_code_is_traded_with_the_verifier_of_its_challenge(
    core: Core, tracker: LinearTracker, workspace: Linear
) -> None:
    asked = set_out(core, tracker)
    install.install_finished(core, tracker, return_from(core, asked))
    (form,) = workspace.token_calls
    assert (form["grant_type"], form["code"]) == ("authorization_code", "code-1")
    assert form["redirect_uri"] == asked["redirect_uri"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
    assert challenge == asked["code_challenge"]
    assert 43 <= len(form["code_verifier"]) <= 128


def test_state_and_verifier_are_not_kept_readable(core: Core, tracker: LinearTracker) -> None:
    asked = set_out(core, tracker)
    with core.database.reading() as session:
        row = session.scalars(select(OAuthState)).one()
    assert asked["state"] not in (row.state_hash, row.verifier)
    assert core.vault.open("w", "oauth_state.verifier", row.verifier) not in row.verifier


def test_a_state_works_once(core: Core, tracker: LinearTracker) -> None:
    asked = set_out(core, tracker)
    assert return_from(core, asked).code == "code-1"
    with pytest.raises(RoundTripEnded) as ended:
        return_from(core, asked)
    assert ended.value.reason == "state_unknown"


@pytest.mark.parametrize("browser", ["another browser", ""])
def test_a_state_works_only_in_the_browser_that_began(core: Core, tracker: LinearTracker, browser: str) -> None:
    with pytest.raises(RoundTripEnded) as ended:
        return_from(core, set_out(core, tracker), browser)
    assert ended.value.reason == "state_unknown"


def test_without_a_cookie_nothing_comes_back_even_if_nothing_was_set_out_with(
    core: Core, tracker: LinearTracker
) -> None:
    with pytest.raises(RoundTripEnded):
        return_from(core, set_out(core, tracker, browser=""), "")


def test_a_state_ends_after_a_quarter_of_an_hour(core: Core, tracker: LinearTracker, now: Now) -> None:
    asked = set_out(core, tracker)
    now.forward(seconds=VALID_FOR.total_seconds())
    with pytest.raises(RoundTripEnded):
        return_from(core, asked)


def test_a_made_up_state_is_unknown(core: Core, tracker: LinearTracker) -> None:
    set_out(core, tracker)
    with pytest.raises(RoundTripEnded):
        come_back(core, {"state": "guess", "code": "x"}, browser=BROWSER)
    with pytest.raises(RoundTripEnded):
        come_back(core, {}, browser=BROWSER)


def test_old_states_are_forgotten(core: Core, tracker: LinearTracker, now: Now) -> None:
    set_out(core, tracker)
    now.forward(hours=1)
    set_out(core, tracker)
    with core.database.reading() as session:
        assert len(session.scalars(select(OAuthState)).all()) == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied"}, "declined"),
        ({"error": "access_denied", "error_description": "Pending approval by an admin"}, "pending_approval"),
        ({"error": "pending_approval"}, "pending_approval"),
        ({"code": ""}, "pending_approval"),
        ({"error": "server_error"}, "failed"),
        ({"error": "invalid_scope", "code": "code-1"}, "failed"),
    ],
)
def test_coming_back_without_a_code_says_which_of_its_reasons_it_is(
    core: Core, tracker: LinearTracker, query: dict[str, str], reason: str, stored: Stored
) -> None:
    asked = set_out(core, tracker)
    with pytest.raises(RoundTripEnded) as ended:
        come_back(core, {"state": asked["state"], **query}, browser=BROWSER)
    assert ended.value.reason == reason
    assert str(ended.value)
    with pytest.raises(RoundTripEnded, match="Begin again"):
        return_from(core, asked)


def test_where_one_was_and_who_one_was_come_back(core: Core, tracker: LinearTracker) -> None:
    with core.database.writing() as session:
        session.add(Person(id="p", workspace_id="w", name="Grace"))
    asked = set_out(core, tracker, "sign_in", person_id="p", return_to="/issues/linear/c/issue-1")
    back = return_from(core, asked)
    assert (back.purpose, back.workspace_id, back.person_id) == ("sign_in", "w", "p")
    assert back.return_to == "/issues/linear/c/issue-1"


def test_an_installation_is_stored_with_what_linear_says_about_itself(
    core: Core, tracker: LinearTracker, workspace: Linear, stored: Stored, now: Now
) -> None:
    connect(core, tracker)
    row = stored.connection()
    assert (row.tracker, row.tenant_key, row.workspace_id, row.state) == ("linear", ORGANIZATION, "w", "active")
    assert row.site == "https://linear.app/acme"
    assert row.settings["app_user_id"] == APP_USER
    assert row.installed_at == now()
    assert tracker.tokens.open(row).access == "access-1"
    assert stored.errands() == [("discover", ""), ("reconcile", ""), ("sync_goal_labels", "labels")]


def test_connecting_again_keeps_the_connection_and_wakes_what_was_given_up(
    core: Core, tracker: LinearTracker, workspace: Linear, stored: Stored, connection: Connection, now: Now
) -> None:
    with core.database.writing() as session:
        row = session.get_one(Connection, "c")
        row.state, row.trouble = "reconnect_needed", "Linear refused: revoked"
        session.add(OutboxEntry(connection_id="c", kind="fetch_issue", subject="issue-1", state="buried"))
    now.forward(hours=5)
    assert connect(core, tracker) == "c"
    row = stored.connection()
    assert (row.state, row.trouble, row.installed_at) == ("active", None, now())
    assert row.settings["team_keys"] == {"team-eng": "ENG", "team-ops": "OPS"}
    assert ("fetch_issue", "issue-1") in stored.errands()


def test_a_second_tracker_joins_the_same_workspace(
    core: Core, tracker: LinearTracker, workspace: Linear, stored: Stored
) -> None:
    with core.database.writing() as session:
        session.add(Connection(workspace_id="w", tracker="other", tenant_key="k", site="https://x.example"))
    connect(core, tracker)
    with core.database.reading() as session:
        assert set(session.scalars(select(Connection.workspace_id))) == {"w"}


def test_an_organization_of_another_workspace_is_refused_and_its_installation_lives(
    core: Core, tracker: LinearTracker, workspace: Linear, stored: Stored, connection: Connection
) -> None:
    with core.database.writing() as session:
        session.add(Workspace(id="w2", name="Globex"))
    with pytest.raises(InstallRefused, match="another workspace") as refused:
        connect(core, tracker, workspace_id="w2")
    assert refused.value.reason == "other_workspace"
    row = stored.connection()
    assert (row.workspace_id, tracker.tokens.open(row).access) == ("w", "access-0")
    assert workspace.revoked == []


@pytest.mark.parametrize("scope", ["read", ["read", "initiative:read"], "read,issues:create"])
def test_less_than_we_need_is_refused(core: Core, tracker: LinearTracker, workspace: Linear, scope: Any) -> None:
    workspace.good.add("a")
    workspace.token_answer = (200, {"access_token": "a", "refresh_token": "r", "expires_in": 9, "scope": scope})
    with pytest.raises(InstallRefused) as refused:
        connect(core, tracker)
    assert refused.value.reason == "scope_missing"


@pytest.mark.parametrize("scope", ["read write", "read,write", ["read", "write"], None])
def test_scopes_are_read_in_every_form(core: Core, tracker: LinearTracker, workspace: Linear, scope: Any) -> None:
    workspace.good.add("a")
    workspace.token_answer = (200, {"access_token": "a", "refresh_token": "r", "expires_in": 9, "scope": scope})
    assert connect(core, tracker)


def test_a_code_that_linear_does_not_know_is_refused(core: Core, tracker: LinearTracker, workspace: Linear) -> None:
    workspace.token_answer = (400, {"error": "invalid_grant", "error_description": "code expired"})
    with pytest.raises(InstallRefused, match="code expired"):
        connect(core, tracker)


def test_while_linear_does_not_answer_nothing_is_stored(core: Core, tracker: LinearTracker, workspace: Linear) -> None:
    workspace.says("Organization", refusal("INTERNAL_SERVER_ERROR"))
    with pytest.raises(TrackerUnavailable):
        connect(core, tracker)
    with core.database.reading() as session:
        assert session.scalars(select(Connection)).all() == []


def sign_in(core: Core, tracker: LinearTracker, linear: Linear, viewer: dict[str, Any], **more: Any) -> Person:
    """Sign in as somebody."""
    linear.says("Viewer", {"viewer": viewer})
    return install.sign_in_finished(core, tracker, return_from(core, set_out(core, tracker, "sign_in", **more)))


def test_a_member_is_made_a_person_and_found_again(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection
) -> None:
    first, again = (sign_in(core, tracker, workspace, ADA) for _ in range(2))
    assert first.id == again.id
    assert (first.name, first.role) == ("ada", "member")
    with core.database.reading() as session:
        account = session.scalars(select(Account)).one()
    assert (account.tracker, account.account_id) == ("linear", "user-ada")


def test_the_tokens_of_a_sign_in_are_given_back(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection
) -> None:
    sign_in(core, tracker, workspace, ADA)
    assert workspace.revoked == ["refresh-1", "access-1"]
    assert tracker.tokens.access_token("c") == "access-0"


def test_somebody_who_was_signed_in_gets_the_account_as_one_more_of_theirs(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection
) -> None:
    with core.database.writing() as session:
        session.add(Person(id="p", workspace_id="w", name="Ada", role="admin"))
    assert sign_in(core, tracker, workspace, ADA, person_id="p").id == "p"
    assert sign_in(core, tracker, workspace, ADA).role == "admin"


@pytest.mark.parametrize("lacks", [{"active": False}, {"guest": True}, {"app": True}], ids=str)
def test_who_is_no_full_member_stays_outside(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection, lacks: dict[str, bool]
) -> None:
    with pytest.raises(InstallRefused) as refused:
        sign_in(core, tracker, workspace, ADA | lacks)
    assert refused.value.reason == "not_a_member"
    with core.database.reading() as session:
        assert session.scalars(select(Person)).all() == []


@pytest.mark.parametrize("organization", ["somebody-else", "uninstalled", "of another workspace"])
def test_members_of_other_organizations_stay_outside(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection, organization: str
) -> None:
    with core.database.writing() as session:
        session.add(Workspace(id="w2", name="Globex"))
        session.flush()
        row = session.get_one(Connection, "c")
        if organization == "uninstalled":
            row.state = "uninstalled"
        elif organization == "of another workspace":
            row.workspace_id = "w2"
        else:
            row.tenant_key = organization
    with pytest.raises(InstallRefused):
        sign_in(core, tracker, workspace, ADA)


def test_disconnecting_gives_the_tokens_back_and_keeps_the_history(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection, stored: Stored
) -> None:
    install.disconnect(core, tracker, "c")
    assert workspace.revoked == ["refresh-0", "access-0"]
    row = stored.connection()
    assert (row.state, row.credential) == ("uninstalled", None)
    assert tracker.organizations.find(ORGANIZATION) is None


def test_a_connection_that_is_dead_already_can_be_disconnected(
    core: Core, tracker: LinearTracker, workspace: Linear, connection: Connection, stored: Stored
) -> None:
    with core.database.writing() as session:
        session.get_one(Connection, "c").state = "reconnect_needed"
    install.disconnect(core, tracker, "c")
    assert stored.connection().state == "uninstalled"
    assert workspace.revoked == []


def test_tokens_live_as_long_as_linear_says(core: Core, tracker: LinearTracker, workspace: Linear, now: Now) -> None:
    workspace.token_answer = (200, {"access_token": "a", "scope": "read write"})
    tokens = tracker.oauth.exchange("code", "verifier", now())
    assert tokens.expires_at == now() + timedelta(hours=1)
    assert tokens.refresh is None
