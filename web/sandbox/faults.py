"""Bad days on demand: what the REST interface answers when Jira is slow, busy, down or says no."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

WRITES_PER_ISSUE = 20
WRITE_WINDOW = 2.0
"""Jira allows 20 writes per issue in 2 seconds."""


@dataclass(slots=True)
class Answer:
    """What to answer instead of the real thing; `status` None closes the connection without an answer."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    left: int | None = None


class Faults:
    """Switched by tests and by the controls page; nothing is broken at first. Only `/rest/` is hit, never the pages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._writes: dict[str, deque[float]] = {}
        self._hidden: set[str] = set()
        self._forbidden: set[str] = set()
        self._denied: set[tuple[str, str, str | None]] = set()
        self.delay = 0.0
        """Seconds before each answer."""
        self.limits_writes = True
        """Whether more than 20 writes to one issue in 2 seconds answer 429, as in real Jira."""

    # -- the whole interface

    def slow(self, seconds: float) -> None:
        self.delay = seconds

    def unavailable(self, times: int | None = None) -> None:
        """Answer 503; `times` None means until `clear`."""
        self._set(Answer(503, {}, times))

    def down(self, times: int | None = None) -> None:
        """Close the connection without an answer."""
        self._set(Answer(None, {}, times))

    def rate_limit(
        self, times: int | None = None, *, retry_after: int = 5, reason: str = "jira-burst-based", limit: int = 100
    ) -> None:
        """Answer 429 with Jira's headers. `reason` jira-quota-... means that nothing works before the reset."""
        headers = {
            "Retry-After": str(retry_after),
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            "RateLimit-Reason": reason,
            "Beta-RateLimit": f'"{reason}";r=0;t={retry_after}',
            "Beta-RateLimit-Policy": f'"{reason}";q={limit};w=3600',
        }
        self._set(Answer(429, headers, times))

    def clear(self) -> None:
        """Everything works again."""
        with self._lock:
            self._answer = None
            self.delay = 0.0
            self._hidden.clear()
            self._forbidden.clear()
            self._denied.clear()

    @property
    def active(self) -> str | None:
        """A word for what is broken now, for the controls page."""
        answer = self._answer
        if answer is not None:
            return {503: "unavailable", 429: "rate_limited", None: "down"}.get(answer.status, str(answer.status))
        return "slow" if self.delay else None

    def _set(self, answer: Answer) -> None:
        with self._lock:
            self._answer = answer

    def take(self) -> Answer | None:
        """The fault that hits this request, if any."""
        with self._lock:
            answer = self._answer
            if answer is not None and answer.left is not None:
                answer.left -= 1
                if answer.left <= 0:
                    self._answer = None
            return answer

    # -- single issues and people

    def hide(self, issue_id: str) -> None:
        """Reading the issue answers 404, as if the app may not browse it; webhooks still arrive."""
        self._hidden.add(issue_id)

    def forbid(self, issue_id: str) -> None:
        """Writing to the issue answers 403."""
        self._forbidden.add(issue_id)

    def deny(self, account_id: str, permission: str, issue_id: str | None = None) -> None:
        """`permissions/check` says no for this person: on one issue, or on all."""
        self._denied.add((account_id, permission, issue_id))

    def hides(self, issue_id: str) -> bool:
        return issue_id in self._hidden

    def forbids(self, issue_id: str) -> bool:
        return issue_id in self._forbidden

    def denies(self, account_id: str, permission: str, issue_id: str | None) -> bool:
        return bool({(account_id, permission, None), (account_id, permission, issue_id)} & self._denied)

    def too_many_writes(self, issue_id: str, now: float) -> bool:
        """Count a write to an issue at `now` (monotonic seconds); true when it is one too many."""
        if not self.limits_writes:
            return False
        with self._lock:
            times = self._writes.setdefault(issue_id, deque(maxlen=WRITES_PER_ISSUE))
            if len(times) == WRITES_PER_ISSUE and now - times[0] < WRITE_WINDOW:
                return True
            times.append(now)
            return False
