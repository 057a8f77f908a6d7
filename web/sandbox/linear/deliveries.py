"""The webhook engine: signs, sends, retries and records, with knobs to play the bad days.

Linear sends at least once and in no promised order, waits five seconds for HTTP 200, and tries three more times: after
a minute, an hour and six hours. These times pass on the workspace's own clock, which tests move.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

if TYPE_CHECKING:
    from .events import EventedWorkspace

RETRIES = (timedelta(minutes=1), timedelta(hours=1), timedelta(hours=6))
STALE_BY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: `status` is None when no answer came, then `error` says why."""

    at: datetime
    status: int | None
    error: str | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Delivery:
    """One webhook on its way; `identifier` (Linear-Delivery) is the same in every try.

    `state` is waiting, retrying, delivered, failed (given up) or lost (never sent).
    """

    identifier: str
    event: str
    action: str
    url: str
    secret: str
    payload: dict[str, Any]
    queued_at: datetime
    state: str = "waiting"
    due: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    sent: bytes = b""

    @property
    def status(self) -> int | None:
        """The last HTTP status, None when there was none."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        data = self.payload.get("data") or {}
        return str(data.get("identifier") or data.get("title") or data.get("name") or "")


@dataclass(slots=True)
class _Entry:
    due: datetime
    delivery: Delivery


def sign(secret: str, body: bytes) -> str:
    """Linear-Signature: HMAC-SHA256 of the raw body, lower-case hexadecimal."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


class WebhookDeliveries:
    """The queue of one workspace. Sending happens in daemon threads that start with the first delivery."""

    def __init__(self, workspace: EventedWorkspace, workers: int = 1) -> None:
        self._workspace = workspace
        self._workers = workers
        self._queue: list[_Entry] = []
        self._in_flight = 0
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._session = threading.local()
        self._paused = False
        self._stopped = False
        self._to_duplicate = 0
        self._to_drop = 0
        self.log: deque[Delivery] = deque(maxlen=5000)
        """Every delivery, oldest first."""
        self.retries: tuple[timedelta, ...] = RETRIES
        """Waiting times before the second, third and fourth try."""
        self.time_out = 5.0
        """Real seconds that the receiver has for its answer."""
        self.retries_keep_timestamp = True
        """Whether a retry carries the first try's `webhookTimestamp`; nobody outside of Linear knows."""
        self.enabled = True
        """Linear may switch off a webhook that keeps failing; nothing is sent or kept then."""
        workspace.clock.on_move(self._wake)

    # -- knobs

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> None:
        """Hold everything back; events pile up in the queue."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._employ()
            self._changed.notify_all()

    def duplicate(self, count: int = 1) -> None:
        """Send each of the next `count` deliveries twice, with the same identifier."""
        with self._changed:
            self._to_duplicate += count

    def drop(self, count: int = 1) -> None:
        """Lose the next `count` deliveries: they are never sent."""
        with self._changed:
            self._to_drop += count

    def shuffle(self, seed: int | None = None) -> None:
        """Put what waits in the queue in another order (a seed makes it repeatable)."""
        with self._changed:
            before = list(self._queue)
            chance = random.Random(seed)
            for _ in range(20):
                chance.shuffle(self._queue)
                if self._queue != before or len(self._queue) < 2:
                    break

    def hurry(self) -> None:
        """Make every waiting retry due now, without moving the clock."""
        with self._changed:
            for entry in self._queue:
                entry.due = self._workspace.now()
            self._changed.notify_all()

    # -- in and out

    @property
    def waiting(self) -> list[Delivery]:
        """What is in the queue, retries for later included, in the order of sending."""
        with self._changed:
            return [entry.delivery for entry in self._queue]

    def publish(self, payload: Mapping[str, Any]) -> Delivery | None:
        """Queue an event for the registered application; None when nobody listens."""
        app = self._workspace.oauth.app
        if app is None or not app.webhook_url or not self.enabled:
            return None
        delivery = self._delivery(payload, app.webhook_url, app.webhook_secret)
        self._enqueue(delivery)
        return delivery

    def deliver(
        self,
        event: Delivery | Mapping[str, Any],
        *,
        stale: bool = False,
        secret: str | None = None,
        signature: str | None = None,
    ) -> Delivery:
        """Send one now, in this thread, without retry: an earlier delivery again, or a hand-made payload.

        `stale` sends it as written an hour ago and properly signed, as a replay of a recorded delivery would be.
        `secret` signs with another secret, `signature` sends something else in place of a signature.
        """
        if isinstance(event, Delivery):
            delivery = event
        else:
            app = self._workspace.oauth.app
            if app is None or not app.webhook_url:
                raise RuntimeError("no application is registered with a webhook address")
            delivery = self._delivery(event, app.webhook_url, app.webhook_secret)
            self.log.append(delivery)
        body = delivery.sent or self._body(delivery)
        if stale:
            old = self._workspace.now() - STALE_BY
            body = _written({**delivery.payload, "webhookTimestamp": _millis(old)})
        elif not isinstance(event, Delivery) and "webhookTimestamp" in event:
            body = _written(dict(event))
        self._post(delivery, body, signature if signature is not None else sign(secret or delivery.secret, body))
        delivery.state = "delivered" if delivery.status == 200 else "failed"
        return delivery

    def flush(self, time_out: float = 30.0) -> None:
        """Wait until all that is due by the clock has been sent; TimeoutError otherwise. Later retries stay."""
        deadline = time.monotonic() + time_out
        with self._changed:
            while self._in_flight or any(entry.due <= self._workspace.now() for entry in self._queue):
                if self._paused and not self._in_flight:
                    raise RuntimeError(f"{len(self._queue)} deliveries wait, but sending is paused")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(self._queue)} deliveries still wait")
                self._employ()
                self._changed.wait(min(left, 0.5))

    def stop(self) -> None:
        """End the sending threads; what waits stays unsent until `start`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=self.time_out + 1)
        self._threads.clear()

    def start(self) -> None:
        """Send again after `stop`."""
        with self._changed:
            self._stopped = False
            self._employ()

    def _delivery(self, payload: Mapping[str, Any], url: str, secret: str) -> Delivery:
        event, action = str(payload.get("type", "")), str(payload.get("action", ""))
        return Delivery(str(uuid4()), event, action, url, secret, dict(payload), self._workspace.now())

    def _enqueue(self, delivery: Delivery) -> None:
        with self._changed:
            self.log.append(delivery)
            if self._to_drop:
                self._to_drop -= 1
                delivery.state = "lost"
                return
            copies = 1
            if self._to_duplicate:
                self._to_duplicate -= 1
                copies = 2
            self._queue += [_Entry(self._workspace.now(), delivery) for _ in range(copies)]
            self._employ()
            self._changed.notify_all()

    def _employ(self) -> None:
        while self._queue and len(self._threads) < self._workers and not self._stopped:
            thread = threading.Thread(target=self._run, name="stand-in-linear-webhooks", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                entry = self._take()
                while entry is None:
                    if self._stopped:
                        return
                    self._changed.wait(self._pause_length())
                    entry = self._take()
                self._in_flight += 1
            again_at: datetime | None = None
            try:
                again_at = self._send(entry.delivery)
            finally:
                with self._changed:
                    if again_at is not None:
                        self._queue.append(_Entry(again_at, entry.delivery))
                    self._in_flight -= 1
                    self._changed.notify_all()

    def _take(self) -> _Entry | None:
        if self._paused or self._stopped:
            return None
        now = self._workspace.now()
        for at, entry in enumerate(self._queue):
            if entry.due <= now:
                return self._queue.pop(at)
        return None

    def _pause_length(self) -> float | None:
        if self._paused or not self._queue:
            return None
        left = (min(entry.due for entry in self._queue) - self._workspace.now()).total_seconds()
        return max(0.0, min(left, 60.0))

    def _send(self, delivery: Delivery) -> datetime | None:
        """Send once; answers when to try next, None when there is no next time."""
        if not delivery.sent or not self.retries_keep_timestamp:
            delivery.sent = self._body(delivery)
        self._post(delivery, delivery.sent, sign(delivery.secret, delivery.sent))
        if delivery.status == 200:
            delivery.state, delivery.due = "delivered", None
            return None
        if delivery.state == "delivered":
            return None
        if len(delivery.attempts) <= len(self.retries):
            delivery.state = "retrying"
            delivery.due = self._workspace.now() + self.retries[len(delivery.attempts) - 1]
            return delivery.due
        delivery.state, delivery.due = "failed", None
        return None

    def _body(self, delivery: Delivery) -> bytes:
        return _written({**delivery.payload, "webhookTimestamp": _millis(self._workspace.now())})

    def _post(self, delivery: Delivery, body: bytes, signature: str) -> None:
        delivery.sent = delivery.sent or body
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Accept-Charset": "utf-8",
            "User-Agent": "Stand-in Linear Webhook",
            "Linear-Delivery": delivery.identifier,
            "Linear-Event": delivery.event,
            "Linear-Signature": signature,
        }
        status: int | None = None
        error: str | None = None
        began = time.monotonic()
        try:
            answer = self._http().post(
                delivery.url, data=body, headers=headers, timeout=self.time_out, allow_redirects=False
            )
            status = answer.status_code
        except requests.RequestException as trouble:
            error = type(trouble).__name__
        seconds = time.monotonic() - began
        delivery.attempts.append(Attempt(self._workspace.now(), status, error, seconds))

    def _http(self) -> requests.Session:
        if not hasattr(self._session, "http"):
            self._session.http = requests.Session()
            self._session.http.trust_env = False
        session: requests.Session = self._session.http
        return session


def _written(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
