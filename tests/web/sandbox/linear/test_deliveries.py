"""Webhooks of the stand-in: signed, retried by the clock, and as unreliable as told."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest

from tests.web.sandbox.linear.conftest import SECRET, Listener
from web.sandbox.linear import LinearWorkspace


def deliveries(listener: Listener) -> list[str]:
    return [one.headers["Linear-Delivery"] for one in listener.received]


def sent_at(listener: Listener) -> list[int]:
    return [one.body["webhookTimestamp"] for one in listener.received]


def wait_for(listener: Listener, count: int) -> None:
    for _ in range(200):
        if len(listener.received) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{len(listener.received)} of {count} arrived")


def test_a_delivery_is_signed_over_its_raw_body(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.edit("WEB-1", title="Größer ✨")
    workspace.webhooks.flush()
    [one] = installed.received
    assert one.headers["Linear-Signature"] == hmac.new(SECRET.encode(), one.raw, hashlib.sha256).hexdigest()
    assert one.headers["Linear-Event"] == "Issue"
    assert "Größer ✨".encode() in one.raw
    assert abs(one.body["webhookTimestamp"] / 1000 - workspace.now().timestamp()) < 5


def test_failures_are_tried_again_after_a_minute_an_hour_and_six_hours(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    workspace.clock.freeze()
    installed.answers.extend([500, 204, 302, 503])
    workspace.edit("WEB-1", title="New")
    workspace.webhooks.flush()
    [delivery] = workspace.webhooks.log
    for step, tries in ((timedelta(minutes=1), 1), (timedelta(hours=1), 2), (timedelta(hours=6), 3)):
        assert (delivery.state, len(delivery.attempts)) == ("retrying", tries)
        assert delivery.due == workspace.now() + step
        workspace.clock.advance(step - timedelta(seconds=1))
        workspace.webhooks.flush()
        assert len(installed.received) == tries
        workspace.clock.advance(seconds=1)
        workspace.webhooks.flush()
    assert (delivery.state, len(delivery.attempts)) == ("failed", 4)
    assert len(set(deliveries(installed))) == 1
    assert len(set(sent_at(installed))) == 1
    workspace.clock.advance(days=2)
    workspace.webhooks.flush()
    assert len(installed.received) == 4


def test_a_retry_may_carry_a_new_time(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.webhooks.retries_keep_timestamp = False
    installed.answers.append(500)
    workspace.edit("WEB-1", title="New")
    workspace.webhooks.flush()
    workspace.clock.advance(minutes=1)
    workspace.webhooks.flush()
    first, second = installed.received
    assert second.body["webhookTimestamp"] - first.body["webhookTimestamp"] >= 60_000
    assert second.headers["Linear-Signature"] == hmac.new(SECRET.encode(), second.raw, hashlib.sha256).hexdigest()
    assert workspace.webhooks.log[0].state == "delivered"


def test_a_slow_answer_is_a_failure(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.webhooks.time_out, installed.slow = 0.1, 0.4
    workspace.edit("WEB-1", title="New")
    workspace.webhooks.flush()
    [delivery] = workspace.webhooks.log
    assert (delivery.state, delivery.status, delivery.attempts[0].error) == ("retrying", None, "ReadTimeout")
    installed.slow = 0.0
    workspace.webhooks.hurry()
    workspace.webhooks.flush()
    assert delivery.state == "delivered"


def test_a_paused_queue_can_be_shuffled(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.webhooks.pause()
    made = [workspace.create_issue(f"Issue {number}") for number in range(8)]
    with pytest.raises(RuntimeError, match="paused"):
        workspace.webhooks.flush()
    workspace.webhooks.shuffle(seed=1)
    order = [one.payload["data"]["id"] for one in workspace.webhooks.waiting]
    assert order != [one.id for one in made]
    workspace.webhooks.resume()
    workspace.webhooks.flush()
    assert [body["data"]["id"] for body in installed.bodies()] == order


def test_duplicates_share_their_name_and_lost_ones_never_come(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.webhooks.duplicate(2)
    for number in range(3):
        workspace.create_issue(f"Issue {number}")
    workspace.webhooks.drop(1)
    workspace.create_issue("Lost")
    workspace.create_issue("Sent")
    workspace.webhooks.flush()
    seen = deliveries(installed)
    assert len(seen) == 6
    assert len(set(seen)) == 4
    assert [one.state for one in workspace.webhooks.log].count("lost") == 1
    assert "Lost" not in [body["data"]["title"] for body in installed.bodies()]


def test_an_old_delivery_can_be_replayed_stale_but_well_signed(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.edit("WEB-1", title="New")
    workspace.webhooks.flush()
    first = workspace.webhooks.log[0]
    workspace.webhooks.deliver(first)
    workspace.webhooks.deliver(first, stale=True)
    one, same, stale = installed.received
    assert same.raw == one.raw
    assert one.body["webhookTimestamp"] - stale.body["webhookTimestamp"] >= 3_590_000
    assert stale.headers["Linear-Signature"] == hmac.new(SECRET.encode(), stale.raw, hashlib.sha256).hexdigest()
    assert {**stale.body, "webhookTimestamp": 0} == {**one.body, "webhookTimestamp": 0}


def test_a_hand_made_body_can_be_forged(workspace: LinearWorkspace, installed: Listener) -> None:
    body = {"type": "Issue", "action": "update", "organizationId": "another"}
    workspace.webhooks.deliver(body, secret="wrong")
    workspace.webhooks.deliver(body, signature="")
    wrong, unsigned = installed.received
    assert wrong.headers["Linear-Signature"] == hmac.new(b"wrong", wrong.raw, hashlib.sha256).hexdigest()
    assert unsigned.headers["Linear-Signature"] == ""
    assert json.loads(wrong.raw)["organizationId"] == "another"


def test_nobody_listens_before_installation_and_after_it_ends(workspace: LinearWorkspace, registered: Listener) -> None:
    workspace.edit("WEB-1", title="Unheard")
    assert not workspace.webhooks.log
    workspace.oauth.install()
    workspace.oauth.uninstall()
    workspace.edit("WEB-1", title="Unheard again")
    workspace.webhooks.flush()
    assert [one.body["type"] for one in registered.received] == ["OAuthApp"]


def test_a_switched_off_webhook_and_a_silent_change_leave_no_trace(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    workspace.webhooks.enabled = False
    workspace.edit("WEB-1", title="One")
    workspace.webhooks.enabled = True
    with workspace.silently():
        workspace.edit("WEB-1", title="Two")
    workspace.webhooks.flush()
    assert not workspace.webhooks.log
    assert not installed.received


def test_what_waited_while_the_server_was_stopped_is_sent_afterwards(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    workspace.webhooks.stop()
    workspace.create_issue("While stopped")
    time.sleep(0.03)
    assert not installed.received
    workspace.webhooks.start()
    wait_for(installed, 1)


def test_several_workers_send_a_burst(listener: Listener) -> None:
    workspace = LinearWorkspace(workers=4)
    workspace.oauth.register(redirect_uri=f"{listener.url}/cb", webhook_url=f"{listener.url}/linear/webhooks")
    workspace.oauth.install()
    for number in range(100):
        workspace.estimate("WEB-1", float(number + 100))
    workspace.webhooks.flush()
    assert len(set(deliveries(listener))) == 100
    workspace.webhooks.stop()
