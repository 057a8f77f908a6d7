"""Accepting webhooks: genuine ones are on disk before the answer, once; stale ones can only make us read."""

from __future__ import annotations

import hashlib
import io
import json
import time
from typing import Any
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from connector.core import Core, build_core
from connector.inbox import Inbox, InboxUnavailable
from connector.models import Base, Connection
from connector.settings import Settings
from linear_app import TRACKER
from linear_app.signature import sign
from tests.linear_app.acme import SECRETS, delivery, issue_data, signed
from tests.linear_app.conftest import Now, Stored

HOOK = "/linear/webhooks"


def body_of(said: dict[str, Any]) -> bytes:
    """Return a body as bytes."""
    return json.dumps(said).encode()


def counted(result: str) -> float:
    """Return how many webhooks ended like this so far."""
    return REGISTRY.get_sample_value("ladder_linear_webhooks_total", {"result": result}) or 0.0


BODY = body_of(delivery("Issue", "update", issue_data()))


def test_a_delivery_is_stored_as_it_came(door: FlaskClient, connection: Connection, stored: Stored) -> None:
    body = body_of(delivery("Issue", "update", issue_data()))
    answer = door.post(HOOK, data=body, headers=signed(body, Linear_Delivery="d-1"))
    assert (answer.status_code, answer.data) == (200, b"")
    (entry,) = stored.deliveries()
    assert (entry.delivery_key, entry.kind, entry.body) == ("d-1", "Issue.update", body)
    assert entry.connection_id == connection.id


@pytest.mark.parametrize("secret", SECRETS)
def test_every_active_secret_is_taken_while_secrets_are_rotated(
    door: FlaskClient, connection: Connection, stored: Stored, secret: str
) -> None:
    body = body_of(delivery("Issue", "update", issue_data()))
    assert door.post(HOOK, data=body, headers=signed(body, secret)).status_code == 200
    assert len(stored.deliveries()) == 1


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "0" * 64,
        sign("another secret", BODY),
        sign(SECRETS[0], BODY).upper(),
        sign(SECRETS[0], BODY)[:-1],
        sign(SECRETS[0], BODY + b" "),
        "sha256=" + sign(SECRETS[0], BODY),
        "é" * 64,
    ],
    ids=["none", "empty", "zeros", "another secret", "capitals", "too short", "another body", "prefix", "no ASCII"],
)
def test_a_delivery_that_is_not_signed_with_one_of_them_is_refused(
    door: FlaskClient, connection: Connection, stored: Stored, signature: str | None
) -> None:
    headers = {"Linear-Signature": signature} if signature is not None else {}
    assert door.post(HOOK, data=BODY, headers=headers).status_code == 401
    assert stored.deliveries() == []


def test_the_signature_is_over_the_raw_bytes_and_not_over_what_they_mean(
    door: FlaskClient, connection: Connection, stored: Stored
) -> None:
    spaced = json.dumps(json.loads(BODY), indent=1).encode()
    assert door.post(HOOK, data=spaced, headers=signed(BODY)).status_code == 401
    assert stored.deliveries() == []


def test_without_any_secret_nothing_is_taken(settings: Settings) -> None:
    core = build_core(settings.model_copy(update={"linear_webhook_secrets": ()}), trackers={"linear": TRACKER})
    Base.metadata.create_all(core.database.engine)
    from flask import Flask

    app = Flask("door")
    app.register_blueprint(core.trackers["linear"].blueprint(core))  # type: ignore[attr-defined]  # trackers may have one
    assert app.test_client().post(HOOK, data=BODY, headers=signed(BODY, "")).status_code == 401
    core.close()


def test_a_repeated_delivery_is_answered_alike_and_stored_once(
    door: FlaskClient, connection: Connection, stored: Stored
) -> None:
    for _ in range(3):
        assert door.post(HOOK, data=BODY, headers=signed(BODY, Linear_Delivery="d-1")).status_code == 200
    assert len(stored.deliveries()) == 1


def test_without_a_delivery_header_the_content_tells_deliveries_apart(
    door: FlaskClient, connection: Connection, stored: Stored
) -> None:
    other = BODY + b" "
    for body in (BODY, BODY, other):
        assert door.post(HOOK, data=body, headers=signed(body)).status_code == 200
    keys = [f"sha256:{hashlib.sha256(body).hexdigest()}" for body in (BODY, other)]
    assert [one.delivery_key for one in stored.deliveries()] == keys


@pytest.mark.parametrize(
    ("stamp", "kind"),
    [
        (lambda: int(time.time() * 1000) - 59_000, "Issue.update"),
        (lambda: int(time.time() * 1000) - 3_600_000, "Issue.update:stale"),
        (lambda: int(time.time() * 1000) + 120_000, "Issue.update:stale"),
        (lambda: "2026-11-20T10:00:00Z", "Issue.update:stale"),
        (lambda: None, "Issue.update:stale"),
        (lambda: True, "Issue.update:stale"),
        (lambda: 1e300, "Issue.update:stale"),
    ],
)
def test_a_signed_delivery_that_is_not_fresh_only_asks_for_a_reading(
    door: FlaskClient, connection: Connection, stored: Stored, stamp: Any, kind: str
) -> None:
    body = body_of(delivery("Issue", "update", issue_data(), webhookTimestamp=stamp()))
    assert door.post(HOOK, data=body, headers=signed(body)).status_code == 200
    assert [one.kind for one in stored.deliveries()] == [kind]


def test_even_the_longest_kind_keeps_its_mark_of_staleness(
    door: FlaskClient, connection: Connection, stored: Stored
) -> None:
    body = body_of(delivery("T" * 300, "a" * 300, {}, webhookTimestamp=0))
    assert door.post(HOOK, data=body, headers=signed(body)).status_code == 200
    assert stored.deliveries()[0].kind.endswith(":stale")


@pytest.mark.parametrize("organization", ["somebody-else", "", None, 7, ["x"]])
def test_an_unknown_organization_is_answered_counted_and_dropped(
    door: FlaskClient, connection: Connection, stored: Stored, organization: Any
) -> None:
    before = counted("unknown_organization")
    body = body_of(delivery("Issue", "update", issue_data(), organizationId=organization))
    assert door.post(HOOK, data=body, headers=signed(body)).status_code == 200
    assert stored.deliveries() == []
    assert counted("unknown_organization") == before + 1


def test_an_uninstalled_organization_is_an_unknown_one(
    door: FlaskClient, connection: Connection, stored: Stored, core: Core
) -> None:
    with core.database.writing() as session:
        session.get_one(Connection, "c").state = "uninstalled"
    assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 200
    assert stored.deliveries() == []


def test_news_is_still_taken_while_the_workspace_must_be_connected_again(
    door: FlaskClient, connection: Connection, stored: Stored, core: Core
) -> None:
    with core.database.writing() as session:
        session.get_one(Connection, "c").state = "reconnect_needed"
    assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 200
    assert len(stored.deliveries()) == 1


@pytest.mark.parametrize("body", [b"no json", b"[]", b"7", b"", b'{"a":' * 50_000, b"\xff"])
def test_a_signed_body_that_is_no_object_is_refused(
    door: FlaskClient, connection: Connection, stored: Stored, body: bytes
) -> None:
    assert door.post(HOOK, data=body, headers=signed(body)).status_code == 400
    assert stored.deliveries() == []


def test_a_huge_body_is_refused(door: FlaskClient, connection: Connection, stored: Stored) -> None:
    body = b" " * (1024 * 1024 + 1)
    assert door.post(HOOK, data=body, headers=signed(body)).status_code == 413
    assert stored.deliveries() == []


def test_the_body_of_an_unsigned_delivery_is_not_even_read(door: FlaskClient, connection: Connection) -> None:
    body = io.BytesIO(b"x" * 1000)
    assert door.post(HOOK, input_stream=body, content_length=1000).status_code == 401
    assert body.tell() == 0


def test_when_nothing_can_be_stored_linear_is_asked_to_send_again(
    door: FlaskClient, connection: Connection, core: Core
) -> None:
    with patch.object(Inbox, "accept", side_effect=InboxUnavailable):
        assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 503
    core.trackers["linear"].organizations.forget(connection.tenant_key)  # type: ignore[attr-defined]  # the Linear one
    gone = OperationalError("SELECT", {}, Exception("gone"))
    with patch.object(core.database, "reading", side_effect=gone):
        assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 503
    assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 200


def test_a_connection_is_found_without_the_database_during_a_burst(
    door: FlaskClient, connection: Connection, core: Core, now: Now
) -> None:
    assert door.post(HOOK, data=BODY, headers=signed(BODY)).status_code == 200
    with patch.object(core.database, "reading", side_effect=AssertionError("a look into the database")):
        assert door.post(HOOK, data=BODY + b" ", headers=signed(BODY + b" ")).status_code == 200
