"""The webhook engine: signs, sends, retries and records, with knobs to play the bad days.

Jira promises "at least once, in any order"; the knobs (`pause`, `shuffle`, `duplicate`, `drop`) make that come true on
demand. Real Jira waits 5 to 15 minutes between tries; here `retry_delay` says how many seconds.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

from .signing import query_string_hash, shared_secret_token

if TYPE_CHECKING:
    from .events import EventedSite
    from .records import Issue

RETRIED = frozenset({408, 409, 425, 429, *range(500, 600)})
"""Answers after which Jira tries again; every other refusal is final."""

RETRIES = 5
FAILED_KEPT = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: `status` is None when no answer came, then `error` says why."""

    at: datetime
    status: int | None
    error: str | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Delivery:
    """One webhook on its way; `identifier` is the same in every try.

    `state` is waiting, retrying, delivered, failed (given up) or lost (never sent).
    """

    identifier: str
    event: str
    url: str
    body: bytes
    timestamp: datetime
    subject: str | None = None
    flow: str = "Primary"
    trace: str | None = None
    state: str = "waiting"
    ended: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        """The last HTTP status, None when there was none."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def payload(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(slots=True)
class _Entry:
    due: float
    delivery: Delivery


class WebhookDeliveries:
    """The queue of one site. Sending happens in a daemon thread that starts with the first delivery."""

    def __init__(self, site: EventedSite, workers: int = 1) -> None:
        self._site = site
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
        self.retry_delay: Callable[[int], float] = lambda attempt: min(2.0**attempt, 15.0)
        """Seconds to wait after the given try (1, 2, ...); real Jira waits 5 to 15 minutes."""
        self.time_out = 10.0
        """Seconds that the receiver has for its answer."""

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
            self._changed.notify_all()

    def duplicate(self, count: int = 1) -> None:
        """Send each of the next `count` deliveries twice, with the same identifier."""
        with self._changed:
            self._to_duplicate += count

    def drop(self, count: int = 1) -> None:
        """Lose the next `count` deliveries: never sent, listed by `GET /webhook/failed`."""
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
        """Make every waiting retry due now."""
        with self._changed:
            for entry in self._queue:
                entry.due = 0.0
            self._changed.notify_all()

    # -- in and out

    @property
    def waiting(self) -> list[Delivery]:
        """What is in the queue, in the order of sending."""
        with self._changed:
            return [entry.delivery for entry in self._queue]

    @property
    def failed(self) -> list[Delivery]:
        """Deliveries that were lost or given up in the last 72 hours, oldest first."""
        horizon = self._site.now() - FAILED_KEPT
        ended = [
            one for one in list(self.log) if one.state in ("failed", "lost") and one.ended and one.ended >= horizon
        ]
        return sorted(ended, key=lambda one: one.ended or horizon)

    def publish(
        self,
        payload: Mapping[str, Any],
        *,
        issue: Issue | None = None,
        subject: str | None = None,
        flow: str = "Primary",
        trace: str | None = None,
    ) -> list[Delivery]:
        """Queue an event for every webhook module of the installed app that asked for it."""
        installation = self._site.installation
        if installation is None:
            return []
        made = []
        for module in installation.webhooks(str(payload["webhookEvent"])):
            if issue is not None and module.get("filter") and not self._site.matches(issue, module["filter"]):
                continue
            delivery = self._delivery(installation.url(module["url"]), payload, subject, flow, trace)
            if module.get("excludeBody"):
                delivery.body = b""
            self._enqueue(delivery)
            made.append(delivery)
        return made

    def deliver(self, event: Delivery | Mapping[str, Any], *, url: str | None = None) -> Delivery:
        """Send one now, in this thread, without retry: an earlier delivery again, or a hand-made payload."""
        if isinstance(event, Delivery):
            delivery = event
        else:
            installation = self._site.installation
            if installation is None:
                raise RuntimeError("no app is installed")
            modules = installation.webhooks(str(event.get("webhookEvent", "")))
            target = url or (installation.url(modules[0]["url"]) if modules else None)
            if target is None:
                raise RuntimeError(f"the app did not ask for {event.get('webhookEvent')}; name a url")
            delivery = self._delivery(target, event, None, "Primary", None)
            self.log.append(delivery)
        self._send(delivery, may_retry=False)
        return delivery

    def flush(self, time_out: float = 30.0) -> None:
        """Wait until the queue is empty and nothing is under way, retries included; TimeoutError otherwise."""
        deadline = time.monotonic() + time_out
        with self._changed:
            while self._queue or self._in_flight:
                if self._paused and not self._in_flight:
                    raise RuntimeError(f"{len(self._queue)} deliveries wait, but sending is paused")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(self._queue)} deliveries still wait")
                self._changed.wait(left)

    def stop(self) -> None:
        """End the sending thread; what waits stays unsent until `start`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=self.time_out)
        self._threads.clear()

    def start(self) -> None:
        """Send again after `stop`."""
        with self._changed:
            self._stopped = False
            self._employ()

    def _delivery(
        self, url: str, payload: Mapping[str, Any], subject: str | None, flow: str, trace: str | None
    ) -> Delivery:
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        return Delivery(
            str(uuid4()), str(payload.get("webhookEvent", "")), url, body, self._site.now(), subject, flow, trace
        )

    def _enqueue(self, delivery: Delivery) -> None:
        with self._changed:
            self.log.append(delivery)
            if self._to_drop:
                self._to_drop -= 1
                delivery.state, delivery.ended = "lost", self._site.now()
                return
            self._queue.append(_Entry(0.0, delivery))
            if self._to_duplicate:
                self._to_duplicate -= 1
                self._queue.append(_Entry(0.0, delivery))
            self._employ()
            self._changed.notify_all()

    def _employ(self) -> None:
        while self._queue and len(self._threads) < self._workers and not self._stopped:
            thread = threading.Thread(target=self._run, name="stand-in-webhooks", daemon=True)
            self._threads.append(thread)
            thread.start()

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
            try:
                again_in = self._send(entry.delivery, may_retry=True)
            finally:
                with self._changed:
                    self._in_flight -= 1
                    self._changed.notify_all()
            if again_in is not None:
                with self._changed:
                    self._queue.append(_Entry(time.monotonic() + again_in, entry.delivery))
                    self._changed.notify_all()

    def _take(self) -> _Entry | None:
        if self._paused or self._stopped:
            return None
        now = time.monotonic()
        for at, entry in enumerate(self._queue):
            if entry.due <= now:
                return self._queue.pop(at)
        return None

    def _pause_length(self) -> float | None:
        if self._paused or not self._queue:
            return None
        return max(0.0, min(entry.due for entry in self._queue) - time.monotonic())

    def _send(self, delivery: Delivery, *, may_retry: bool) -> float | None:
        """Send once; answers the seconds until the next try, None when there is none."""
        status, error, seconds = self._post(delivery)
        now = self._site.now()
        delivery.attempts.append(Attempt(now, status, error, seconds))
        if status is not None and 200 <= status < 300:
            delivery.state, delivery.ended = "delivered", now
        elif may_retry and len(delivery.attempts) <= RETRIES and (status is None or status in RETRIED):
            delivery.state = "retrying"
            return self.retry_delay(len(delivery.attempts))
        elif delivery.state != "delivered":
            delivery.state, delivery.ended = "failed", now
        return None

    def _post(self, delivery: Delivery) -> tuple[int | None, str | None, float]:
        installation = self._site.installation
        if installation is None:
            return None, "the app was uninstalled", 0.0
        # The token is made anew for each try: the first one would be out of date by the second.
        token = shared_secret_token(
            installation.shared_secret,
            issuer=self._site.client_key,
            qsh=query_string_hash("POST", delivery.url, installation.base_url),
            now=self._site.now(),
            subject=delivery.subject,
        )
        headers = {
            "Authorization": f"JWT {token}",
            "Content-Type": "application/json; charset=UTF-8",
            "User-Agent": "Stand-in Jira HTTP Client",
            "X-Atlassian-Webhook-Identifier": delivery.identifier,
            "X-Atlassian-Webhook-Flow": delivery.flow,
        }
        if delivery.attempts:
            headers["X-Atlassian-Webhook-Retry"] = str(len(delivery.attempts))
        if delivery.trace:
            headers["X-Atlassian-Webhook-Trace"] = delivery.trace
        began = time.monotonic()
        try:
            answer = self._http().post(
                delivery.url, data=delivery.body, headers=headers, timeout=self.time_out, allow_redirects=False
            )
        except requests.RequestException as error:
            return None, type(error).__name__, time.monotonic() - began
        return answer.status_code, None, time.monotonic() - began

    def _http(self) -> requests.Session:
        if not hasattr(self._session, "http"):
            self._session.http = requests.Session()
            self._session.http.trust_env = False
        session: requests.Session = self._session.http
        return session
