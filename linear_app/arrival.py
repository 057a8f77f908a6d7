"""Webhooks about the app itself: it was removed, teams were opened or closed to it, labels changed.

They are no news of issues, so they take effect when they arrive, before they are answered; what fails then is sent
again by Linear. All of it may happen twice without harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from connector.core import Core
from connector.models import Connection, Issue
from connector.outbox import enqueue
from connector.telemetry import logger
from linear_app.payloads import actor_of, own_actors
from linear_app.signature import moment

# Linear's clock and ours differ. A removal that seems to be so shortly after an installation may have come before it,
# so nothing is thrown away on its word: Linear is asked whether our tokens still work.
DOUBT = timedelta(minutes=2)
REMOVED = {"revoked", "revoke", "remove", "removed", "delete", "deleted"}
CLOSED_TEAM = "Ladder may no longer see this team in Linear"
# Errands that one change of access may ask for.
MOST_ERRANDS = 2000


def take_note(core: Core, connection: Connection, body: Mapping[str, Any], *, fresh: bool) -> None:
    """Let a delivery about the app take effect. One that is not `fresh` may be a replay, and only makes us ask."""
    now = core.clock()
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id, with_for_update=True)
        if row.state == "uninstalled":
            return
        match body.get("type"):
            case "OAuthApp" | "OAuthAuthorization":
                _authorization(session, row, body, now, fresh=fresh)
            case "PermissionChange":
                _access(session, row, body, now, fresh=fresh)
            case "IssueLabel" if actor_of(body) not in own_actors(row, core.settings.linear_client_id):
                # With a delay, since people rename and delete several in a row.
                enqueue(session, row.id, "sync_goal_labels", "labels", delay=2, now=now)


def _authorization(
    session: Session, connection: Connection, body: Mapping[str, Any], now: datetime, *, fresh: bool
) -> None:
    if body.get("action") not in REMOVED:
        return
    person = body.get("userId")
    if body.get("type") == "OAuthAuthorization" and person != connection.settings.get("app_user_id"):
        # Somebody took back their own sign-in; the installation is the app user's.
        return
    happened_at = moment(body.get("createdAt"))
    if happened_at is not None and happened_at <= connection.installed_at:
        logger.info("linear_late_revoke", connection=connection.id)
        return
    if not fresh or happened_at is None or happened_at <= connection.installed_at + DOUBT:
        enqueue(session, connection.id, "discover", "", now=now)
        return
    connection.state, connection.credential, connection.renewing_until = "uninstalled", None, None
    logger.info("linear_uninstalled", connection=connection.id, workspace=connection.workspace_id)


def _access(session: Session, connection: Connection, body: Mapping[str, Any], now: datetime, *, fresh: bool) -> None:
    """Mark what can't be seen any more, and read again what can."""
    enqueue(session, connection.id, "discover", "", now=now)
    enqueue(session, connection.id, "reconcile", "", now=now)
    keys: Mapping[str, str] = connection.settings.get("team_keys", {})
    closed = [keys[team] for team in _ids(body.get("removedTeamIds")) if team in keys]
    opened = [keys[team] for team in _ids(body.get("addedTeamIds")) if team in keys]
    issues = (Issue.connection_id == connection.id, Issue.cls.not_in(("gone", "unknown")))
    if closed and fresh:
        session.execute(
            update(Issue)
            .where(*issues, Issue.project_key.in_(closed), Issue.stale_since.is_(None))
            .values(stale_since=now, stale_reason=CLOSED_TEAM)
        )
    wanted = select(Issue.external_id).where(*issues, Issue.project_key.in_(opened), Issue.stale_since.is_not(None))
    for external_id in session.scalars(wanted.order_by(Issue.id).limit(MOST_ERRANDS)).all():
        enqueue(session, connection.id, "fetch_issue", external_id, now=now)
    logger.info("linear_access_changed", connection=connection.id, closed=closed, opened=opened)


def _ids(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
