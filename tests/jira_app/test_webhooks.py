"""Accepting webhooks: on disk before the answer, once, and nothing else on the way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from connector.core import Core
from connector.inbox import Inbox, InboxUnavailable
from tests.jira_app.acme import Acme, signed
from tests.jira_app.conftest import Stored
from tests.shared_refs import refs

HOOK = "/jira/webhooks"
BODY = b'{"webhookEvent": "jira:issue_updated", "issue": {"id": "1"}}'


def headers(site: Acme, **more: str) -> dict[str, str]:
    """Return the headers of a genuine delivery."""
    return signed(site.token()) | {name.replace("_", "-"): value for name, value in more.items()}


def test_a_delivery_is_stored_as_it_came(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    body = refs("payloads", "jira", "issue-updated-resolved.json").read_bytes()
    answer = door.post(HOOK, data=body, headers=headers(installed, X_Atlassian_Webhook_Identifier="w-1"))
    assert (answer.status_code, answer.data) == (204, b"")
    (entry,) = stored.deliveries()
    assert (entry.delivery_key, entry.kind, entry.body) == ("w-1", "jira:issue_updated", body)
    assert entry.connection_id == stored.connections()[0].id


def test_a_repeated_delivery_is_answered_alike_and_stored_once(
    door: FlaskClient, installed: Acme, stored: Stored
) -> None:
    for _ in range(3):
        again = headers(installed, X_Atlassian_Webhook_Identifier="w-1", X_Atlassian_Webhook_Retry="1")
        assert door.post(HOOK, data=BODY, headers=again).status_code == 204
    assert len(stored.deliveries()) == 1


def test_a_replayed_request_has_no_second_effect(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    captured = headers(installed, X_Atlassian_Webhook_Identifier="w-1")
    assert [door.post(HOOK, data=BODY, headers=captured).status_code for _ in range(2)] == [204, 204]
    assert len(stored.deliveries()) == 1


def test_without_an_identifier_the_content_tells_deliveries_apart(
    door: FlaskClient, installed: Acme, stored: Stored
) -> None:
    for body in (BODY, BODY, BODY + b" "):
        assert door.post(HOOK, data=body, headers=headers(installed)).status_code == 204
    assert [one.delivery_key for one in stored.deliveries()] == [
        f"sha256:{hashlib.sha256(body).hexdigest()}" for body in (BODY, BODY + b" ")
    ]


def test_the_same_identifier_at_two_sites_is_two_deliveries(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    other = Acme("globex-client-key", "https://globex.atlassian.net", "globex" * 8, cloud_id="globex")
    assert door.post("/jira/installed", json=other.body(), headers=signed(other.lifecycle_token())).status_code == 204
    for site in (installed, other):
        hook = headers(site, X_Atlassian_Webhook_Identifier="w-1")
        assert door.post(HOOK, data=BODY, headers=hook).status_code == 204
    assert len({one.connection_id for one in stored.deliveries()}) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"7",
        b'{"a": NaN}',
        b'{"webhookEvent": "x"',
        b"\x00",
        b"\xff\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"webhookEvent": "x", "a": ' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_broken_or_deep_body_is_refused_and_leaves_no_row(
    door: FlaskClient, installed: Acme, stored: Stored, body: bytes
) -> None:
    assert door.post(HOOK, data=body, headers=headers(installed)).status_code == 400
    assert stored.deliveries() == []


def test_a_title_cut_in_the_middle_of_an_emoji_is_accepted(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    body = b'{"webhookEvent": "jira:issue_updated", "issue": {"fields": {"summary": "\\ud83d"}}}'
    assert door.post(HOOK, data=body, headers=headers(installed)).status_code == 204
    assert stored.deliveries()[0].body == body


class Watched(io.BytesIO):
    """A body that remembers how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        self.taken += len(part)
        return part

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer)
        self.taken += size
        return size


def test_a_huge_body_is_refused_before_any_of_it_is_read(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    body = Watched(b"x" * (1024 * 1024 + 1))
    answer = door.post(HOOK, input_stream=body, content_length=1024 * 1024 + 1, headers=headers(installed))
    assert (answer.status_code, body.taken) == (413, 0)
    assert stored.deliveries() == []


def test_a_huge_body_of_unknown_length_is_cut_off_at_the_limit(
    door: FlaskClient, installed: Acme, stored: Stored
) -> None:
    body = Watched(b" " * (8 * 1024 * 1024))
    answer = door.post(
        HOOK,
        input_stream=body,
        headers=headers(installed, Transfer_Encoding="chunked"),
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413
    assert body.taken <= 1024 * 1024 + 64 * 1024
    assert stored.deliveries() == []


def test_the_body_of_an_unsigned_delivery_is_not_even_read(door: FlaskClient, installed: Acme) -> None:
    body = Watched(b"x" * 1000)
    assert door.post(HOOK, input_stream=body, content_length=1000).status_code == 401
    assert body.taken == 0


def test_when_the_inbox_is_unavailable_jira_is_asked_to_send_again(door: FlaskClient, installed: Acme) -> None:
    with patch.object(Inbox, "accept", side_effect=InboxUnavailable):
        assert door.post(HOOK, data=BODY, headers=headers(installed)).status_code == 503


def test_without_a_database_jira_is_asked_to_send_again(door: FlaskClient, installed: Acme, core: Core) -> None:
    gone = OperationalError("SELECT", {}, Exception("gone"))
    with patch.object(core.database, "reading", side_effect=gone):
        assert door.post(HOOK, data=BODY, headers=headers(installed)).status_code == 503
    assert door.post(HOOK, data=BODY, headers=headers(installed)).status_code == 204


def test_the_echo_of_our_own_write_is_marked(door: FlaskClient, installed: Acme, stored: Stored) -> None:
    assert (
        door.post(HOOK, data=BODY, headers=headers(installed, X_Atlassian_Webhook_Trace="ladder-1")).status_code == 204
    )
    assert stored.deliveries()[0].kind == "jira:issue_updated;echo"


@pytest.mark.parametrize("kind", ["null", "7", '"' + "x" * 300 + '"', '"a b"', '"\\u0000"', '{"a": 1}'])
def test_a_delivery_without_a_usable_name_is_kept_as_unnamed(
    door: FlaskClient, installed: Acme, stored: Stored, kind: str
) -> None:
    body = f'{{"webhookEvent": {kind}}}'.encode()
    assert door.post(HOOK, data=body, headers=headers(installed)).status_code == 204
    assert stored.deliveries()[0].kind == "unnamed"


def test_only_the_delivery_itself_touches_the_database(
    door: FlaskClient, installed: Acme, statements: Callable[[], list[str]], core: Core
) -> None:
    assert door.post(HOOK, data=BODY, headers=headers(installed)).status_code == 204
    statements()
    with patch.object(core.database, "reading", side_effect=AssertionError("a look into the database")):
        assert door.post(HOOK, data=BODY + b" ", headers=headers(installed)).status_code == 204
    assert [one for one in statements() if not one.startswith(("BEGIN", "INSERT INTO inbox"))] == []
