"""News about the app itself: removed, opened and closed teams, labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from connector.core import Core
from connector.models import Connection, Issue
from linear_app.signature import sign
from tests.linear_app.acme import APP_USER, ORGANIZATION, SECRETS, delivery
from tests.linear_app.conftest import Now, Stored

Send = Callable[..., None]


@pytest.fixture
def send(door: FlaskClient, now: Now) -> Send:
    """Deliver a webhook that was sent `old` seconds ago about something that happened at `at`."""

    def deliver(kind: str, action: str, *, at: datetime | None = None, old: int = 0, **more: Any) -> None:
        stamp = int((now() - timedelta(seconds=old)).timestamp() * 1000)
        said = delivery(kind, action, webhookTimestamp=stamp, createdAt=(at or now()).isoformat(), **more)
        body = json.dumps(said).encode()
        answer = door.post("/linear/webhooks", data=body, headers={"Linear-Signature": sign(SECRETS[0], body)})
        assert answer.status_code == 200

    return deliver


@pytest.mark.parametrize(
    ("kind", "more"),
    [("OAuthApp", {"oauthClientId": "x"}), ("OAuthAuthorization", {"userId": APP_USER, "activeTokensForUser": 0})],
)
def test_a_removed_app_forgets_its_tokens(
    send: Send, connection: Connection, stored: Stored, kind: str, more: dict[str, Any]
) -> None:
    send(kind, "revoked", **more)
    row = stored.connection()
    assert (row.state, row.credential) == ("uninstalled", None)


def test_a_removal_from_before_the_last_installation_comes_too_late(
    send: Send, connection: Connection, stored: Stored
) -> None:
    send("OAuthApp", "revoked", at=connection.installed_at - timedelta(minutes=5))
    row = stored.connection()
    assert (row.state, row.credential) == ("active", connection.credential)
    assert stored.errands() == []


def test_a_removal_right_after_an_installation_is_not_believed_but_looked_into(
    send: Send, connection: Connection, stored: Stored
) -> None:
    send("OAuthApp", "revoked", at=connection.installed_at + timedelta(seconds=90))
    assert stored.connection().state == "active"
    assert stored.errands() == [("discover", "")]


def test_a_replayed_removal_can_only_make_us_ask(send: Send, connection: Connection, stored: Stored) -> None:
    send("OAuthApp", "revoked", old=61)
    assert stored.connection().state == "active"
    assert stored.errands() == [("discover", "")]


def test_somebody_who_takes_back_their_own_sign_in_removes_nothing(
    send: Send, connection: Connection, stored: Stored
) -> None:
    send("OAuthAuthorization", "revoked", userId="user-ada", activeTokensForUser=0)
    assert stored.connection().state == "active"


def test_a_new_authorization_is_no_removal(send: Send, connection: Connection, stored: Stored) -> None:
    send("OAuthAuthorization", "created", userId=APP_USER)
    assert stored.connection().state == "active"


def test_a_delivery_after_a_removal_is_for_nobody(send: Send, connection: Connection, stored: Stored) -> None:
    send("OAuthApp", "revoked")
    before = len(stored.deliveries())
    send("Issue", "update", data={"id": "issue-1"})
    send("OAuthApp", "revoked")
    assert len(stored.deliveries()) == before


@pytest.fixture
def issues(core: Core, connection: Connection) -> None:
    """An issue in each of two teams, and a deleted one."""
    with core.database.writing() as session:
        for name, team, cls in (("eng", "ENG", "doing"), ("ops", "OPS", "done"), ("old", "OPS", "gone")):
            session.add(Issue(workspace_id="w", connection_id="c", external_id=name, project_key=team, cls=cls))


def stale(core: Core) -> dict[str, str | None]:
    """Return which issues are stale, and why."""
    with core.database.reading() as session:
        rows = session.execute(select(Issue.external_id, Issue.stale_reason).where(Issue.stale_since.is_not(None)))
        return {row.external_id: row.stale_reason for row in rows}


def permissions(**more: list[str]) -> dict[str, Any]:
    """Return what a change of access says."""
    return {"appUserId": APP_USER, "canAccessAllPublicTeams": False, "addedTeamIds": [], "removedTeamIds": [], **more}


def test_issues_of_a_team_that_was_closed_to_us_are_stale_and_keep_what_they_were(
    send: Send, core: Core, issues: None, stored: Stored
) -> None:
    send("PermissionChange", "teamAccessChanged", **permissions(removedTeamIds=["team-ops", "team-unknown"]))
    assert list(stale(core)) == ["ops"]
    with core.database.reading() as session:
        assert session.scalars(select(Issue.cls).where(Issue.external_id == "ops")).one() == "done"
    assert stored.errands() == [("discover", ""), ("reconcile", "")]


def test_issues_of_a_team_that_was_opened_again_are_read_again(
    send: Send, core: Core, issues: None, stored: Stored
) -> None:
    send("PermissionChange", "teamAccessChanged", **permissions(removedTeamIds=["team-ops"]))
    send("PermissionChange", "teamAccessChanged", **permissions(addedTeamIds=["team-ops"]))
    assert ("fetch_issue", "ops") in stored.errands()
    assert ("fetch_issue", "eng") not in stored.errands()


def test_a_replayed_change_of_access_marks_nothing(send: Send, core: Core, issues: None) -> None:
    send("PermissionChange", "teamAccessChanged", old=3600, **permissions(removedTeamIds=["team-ops"]))
    assert stale(core) == {}


@pytest.mark.parametrize("odd", [None, "team-ops", {"a": 1}, [7, None]])
def test_a_change_of_access_in_another_form_is_looked_into(
    send: Send, core: Core, issues: None, stored: Stored, odd: Any
) -> None:
    send("PermissionChange", "x", removedTeamIds=odd)
    assert stale(core) == {}
    assert ("reconcile", "") in stored.errands()


@pytest.mark.parametrize("action", ["create", "update", "remove"])
def test_a_label_that_somebody_changed_is_looked_at(
    send: Send, connection: Connection, stored: Stored, action: str
) -> None:
    send("IssueLabel", action, data={"id": "label-1", "name": "OKR"}, actor={"id": "user-ada"})
    assert stored.errands() == [("sync_goal_labels", "labels")]


def test_our_own_label_is_no_news(send: Send, connection: Connection, stored: Stored) -> None:
    send("IssueLabel", "create", data={"id": "label-1", "name": "OKR"}, actor={"id": APP_USER})
    assert stored.errands() == []


def test_everything_about_the_app_is_kept_in_the_inbox_too(send: Send, connection: Connection, stored: Stored) -> None:
    send("IssueLabel", "create", data={"id": "label-1"})
    assert [(one.kind, one.connection_id) for one in stored.deliveries()] == [("IssueLabel.create", "c")]
    assert stored.connection().tenant_key == ORGANIZATION


def test_news_that_cannot_take_effect_now_is_sent_again(
    door: FlaskClient, connection: Connection, core: Core, stored: Stored
) -> None:
    body = json.dumps(delivery("OAuthApp", "revoked")).encode()
    headers = {"Linear-Signature": sign(SECRETS[0], body)}
    with patch.object(core.database, "writing", side_effect=OperationalError("BEGIN", {}, Exception("gone"))):
        assert door.post("/linear/webhooks", data=body, headers=headers).status_code == 503
    assert stored.deliveries() == []
