"""The webhook engine: signatures, retries, and the knobs for bad days."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta

import jwt
import pytest

from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite


def identifiers(ladder: FakeLadder) -> list[str]:
    return [one.headers["X-Atlassian-Webhook-Identifier"] for one in ladder.calls("webhooks")]


def test_a_webhook_carries_a_token_for_exactly_this_request(site: JiraSite, installed: FakeLadder) -> None:
    site.create_issue("New", by="712020:7be2f913-engineer")
    site.webhooks.flush()
    (call,) = installed.calls("webhooks")
    assert site.installation is not None
    claims = jwt.decode(
        call.headers["Authorization"].removeprefix("JWT "), site.installation.shared_secret, algorithms=["HS256"]
    )
    assert claims["iss"] == site.client_key
    assert claims["qsh"] == hashlib.sha256(b"POST&/jira/webhooks&").hexdigest()
    assert claims["sub"] == call.body["user"]["accountId"] == "712020:7be2f913-engineer"
    assert claims["exp"] - claims["iat"] == 180
    assert call.headers["X-Atlassian-Webhook-Flow"] == "Primary"
    assert "X-Atlassian-Webhook-Retry" not in call.headers


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 599])
def test_a_retry_keeps_the_identifier_and_counts(site: JiraSite, installed: FakeLadder, status: int) -> None:
    installed.answers.extend([status, status])
    site.create_issue("New")
    site.webhooks.flush()
    calls = installed.calls("webhooks")
    assert len(calls) == 3
    assert len(set(identifiers(installed))) == 1
    assert [one.headers.get("X-Atlassian-Webhook-Retry") for one in calls] == [None, "1", "2"]
    (delivery,) = site.webhooks.log
    assert [attempt.status for attempt in delivery.attempts] == [status, status, 204]
    assert delivery.state == "delivered"


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413])
def test_other_refusals_are_final_and_recorded(site: JiraSite, installed: FakeLadder, status: int) -> None:
    installed.answers.append(status)
    site.create_issue("New")
    site.webhooks.flush()
    (delivery,) = site.webhooks.log
    assert (delivery.state, delivery.status, len(delivery.attempts)) == ("failed", status, 1)
    assert site.webhooks.failed == [delivery]


def test_jira_gives_up_after_five_retries(site: JiraSite, installed: FakeLadder) -> None:
    installed.answers.extend([503] * 20)
    site.create_issue("New")
    site.webhooks.flush()
    assert len(installed.calls("webhooks")) == 6
    assert [one.state for one in site.webhooks.log] == ["failed"]


def test_a_time_out_is_retried(site: JiraSite, installed: FakeLadder) -> None:
    site.webhooks.time_out, installed.slow = 0.1, 0.4
    site.webhooks.retry_delay = lambda _: 60.0
    site.create_issue("New")
    for _ in range(500):
        if site.webhooks.log[0].attempts:
            break
        time.sleep(0.02)
    delivery = site.webhooks.log[0]
    assert (delivery.state, delivery.status) == ("retrying", None)
    assert delivery.attempts[0].error == "ReadTimeout"
    installed.slow = 0.0
    site.webhooks.hurry()
    site.webhooks.flush()
    assert delivery.state == "delivered"


def test_a_paused_queue_can_be_shuffled_and_repeats_its_order(site: JiraSite, installed: FakeLadder) -> None:
    site.webhooks.pause()
    made = [site.create_issue(f"Issue {number}") for number in range(8)]
    assert not installed.calls("webhooks")
    with pytest.raises(RuntimeError, match="paused"):
        site.webhooks.flush()
    site.webhooks.shuffle(seed=1)
    order = [one.payload["issue"]["id"] for one in site.webhooks.waiting]
    assert order != [issue.id for issue in made]
    assert sorted(order) == sorted(issue.id for issue in made)
    site.webhooks.resume()
    site.webhooks.flush()
    assert [body["issue"]["id"] for body in installed.events()] == order


def test_duplicates_share_the_identifier(site: JiraSite, installed: FakeLadder) -> None:
    site.webhooks.duplicate(2)
    for number in range(3):
        site.create_issue(f"Issue {number}")
    site.webhooks.flush()
    seen = identifiers(installed)
    assert len(seen) == 5
    assert len(set(seen)) == 3


def test_lost_deliveries_are_never_sent_but_listed(site: JiraSite, installed: FakeLadder) -> None:
    site.webhooks.drop(1)
    site.create_issue("Lost")
    site.create_issue("Sent")
    site.webhooks.flush()
    assert [body["issue"]["fields"]["summary"] for body in installed.events()] == ["Sent"]
    assert [one.payload["issue"]["fields"]["summary"] for one in site.webhooks.failed] == ["Lost"]
    later = site.now() + timedelta(hours=73)
    site.now = lambda: later
    assert site.webhooks.failed == []


def test_an_earlier_delivery_and_a_hand_made_one_can_be_sent_at_once(site: JiraSite, installed: FakeLadder) -> None:
    site.create_issue("New")
    site.webhooks.flush()
    again = site.webhooks.deliver(site.webhooks.log[0])
    made = site.webhooks.deliver({"webhookEvent": "jira:issue_updated", "hello": 1})
    assert identifiers(installed) == [again.identifier, again.identifier, made.identifier]
    assert installed.events()[-1]["hello"] == 1


def test_events_that_nobody_asked_for_are_not_sent(site: JiraSite, ladder: FakeLadder) -> None:
    ladder.changes = {
        "modules": {"webhooks": [{"event": "jira:issue_updated", "url": "/jira/webhooks", "filter": "project = PLAT"}]}
    }
    site.install(ladder.url)
    site.create_issue("No such hook")
    site.edit("ATL-3", summary="Filtered out")
    site.edit("PLAT-2", summary="Wanted")
    site.webhooks.flush()
    assert [body["issue"]["key"] for body in ladder.events()] == ["PLAT-2"]


def test_nothing_is_sent_before_installation_and_after_uninstallation(site: JiraSite, installed: FakeLadder) -> None:
    site.uninstall()
    site.create_issue("Unheard")
    site.webhooks.flush()
    assert not installed.calls("webhooks")


def test_silent_changes_happen_without_a_trace(site: JiraSite, installed: FakeLadder) -> None:
    with site.silently():
        site.transition("ATL-3", "Done")
    site.webhooks.flush()
    assert site.issue("ATL-3").status.name == "Done"
    assert not installed.calls("webhooks")
    assert not site.webhooks.log


def test_two_changes_can_share_one_time_stamp(site: JiraSite, installed: FakeLadder) -> None:
    site.edit("ATL-3", summary="One")
    site.freeze_updated = True
    site.edit("ATL-3", summary="Two")
    site.edit("ATL-3", summary="Three")
    site.freeze_updated = False
    site.edit("ATL-3", summary="Four")
    site.webhooks.flush()
    times = [(body["timestamp"], body["issue"]["fields"]["updated"]) for body in installed.events()]
    assert times[0] == times[1] == times[2]
    assert times[3] > times[2]


def test_what_waited_while_the_site_was_stopped_is_sent_afterwards(site: JiraSite, installed: FakeLadder) -> None:
    site.webhooks.stop()
    site.create_issue("While stopped")
    time.sleep(0.05)
    assert not installed.events()
    site.webhooks.start()
    site.webhooks.flush()
    assert len(installed.events()) == 1
