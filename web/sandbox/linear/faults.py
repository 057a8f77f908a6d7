"""Bad days on demand: what the API answers when Linear is slow, busy, down, or says something odd."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

HTML = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(slots=True)
class Answer:
    """What to answer instead of the real thing; `status` None closes the connection without an answer."""

    kind: str
    status: int | None = 200
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict)
    left: int | None = None
    seconds: float = 0.0


class Faults:
    """Switched by tests and by the controls page; nothing is broken at first. Pages are never hit.

    `times` None means until `clear`. With `only` a fault hits one GraphQL operation and lets the others through.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._only: str | None = None
        self._token_answer: Answer | None = None
        self._hidden: set[str] = set()
        self._dropped: frozenset[str] = frozenset()
        self.delay = 0.0
        """Seconds before each answer."""

    # -- GraphQL

    def slow(self, seconds: float) -> None:
        self.delay = seconds

    def unavailable(self, times: int | None = None, *, only: str | None = None) -> None:
        """Answer 503."""
        self._set(Answer("unavailable", 503, error("Service unavailable", "INTERNAL_SERVER_ERROR"), left=times), only)

    def down(self, times: int | None = None, *, only: str | None = None) -> None:
        """Close the connection without an answer."""
        self._set(Answer("down", None, left=times), only)

    def html(self, times: int | None = None, *, status: int = 200, only: str | None = None) -> None:
        """Answer a proxy's page in place of JSON."""
        self._set(Answer("html", status, HTML, {"Content-Type": "text/html"}, times), only)

    def rate_limit(
        self, times: int | None = None, *, status: int = 400, seconds: float = 30, only: str | None = None
    ) -> None:
        """Answer RATELIMITED, as HTTP 400 unless told otherwise; headers say that the budget is back in `seconds`."""
        said = error("Rate limit exceeded", "RATELIMITED", kind="ratelimited")
        self._set(Answer("rate_limited", status, said, left=times, seconds=seconds), only)

    def errors_with_data(
        self, times: int | None = None, *, code: str = "INTERNAL_SERVER_ERROR", only: str | None = None
    ) -> None:
        """Answer 200 with an error beside the data, of which the last node of every list is missing."""
        said = error("Something went wrong on one of the nodes", code)
        self._set(Answer("errors_with_data", 200, said, left=times), only)

    def lock_timeout(self, times: int | None = 1, *, only: str | None = None) -> None:
        """Answer that the row was busy."""
        self._set(Answer("lock_timeout", 200, error("Lock timeout", "LOCK_TIMEOUT"), left=times), only)

    def reject_tokens(self, times: int | None = None, *, status: int = 401, only: str | None = None) -> None:
        """Take no access token, however fresh: AUTHENTICATION_ERROR with 401, 400 or 200."""
        self._set(Answer("rejects_tokens", status, not_signed_in(status), left=times), only)

    def drop_field(self, *names: str) -> None:
        """Take fields out of the schema, named as in "Issue.estimate": operations that ask for them are invalid."""
        self._dropped = frozenset(names)

    def hide(self, issue_id: str) -> None:
        """Reading the issue finds nothing, as if it were not open to the application; webhooks still arrive."""
        self._hidden.add(issue_id)

    # -- tokens

    def tokens_unavailable(self, times: int | None = None) -> None:
        """The token endpoint answers 503."""
        self._token_answer = Answer("tokens_unavailable", 503, {"error": "server_error"}, left=times)

    def tokens_down(self, times: int | None = None) -> None:
        """The token endpoint does its work and closes the connection: the answer is lost on the way."""
        self._token_answer = Answer("tokens_down", None, left=times)

    def tokens_refused(self, times: int | None = None) -> None:
        """The token endpoint answers invalid_grant."""
        said = {"error": "invalid_grant", "error_description": "The stand-in refuses every grant."}
        self._token_answer = Answer("tokens_refused", 400, said, left=times)

    # -- use

    def clear(self) -> None:
        """Everything works again."""
        with self._lock:
            self._answer = self._token_answer = self._only = None
            self.delay = 0.0
            self._hidden.clear()
            self._dropped = frozenset()

    @property
    def active(self) -> str | None:
        """A word for what is broken now, for the controls page."""
        for answer in (self._answer, self._token_answer):
            if answer is not None:
                return answer.kind
        if self._dropped:
            return "field_dropped"
        return "slow" if self.delay else None

    @property
    def dropped(self) -> frozenset[str]:
        return self._dropped

    def take(self, operation: str) -> Answer | None:
        """The fault that hits this GraphQL request, if any."""
        with self._lock:
            answer = self._answer
            if answer is None or (self._only is not None and self._only != operation):
                return None
            if _used_up(answer):
                self._answer = None
            return answer

    def take_token(self) -> Answer | None:
        """The fault that hits this token request, if any."""
        with self._lock:
            answer = self._token_answer
            if answer is not None and _used_up(answer):
                self._token_answer = None
            return answer

    def hides(self, issue_id: str) -> bool:
        return issue_id in self._hidden

    def _set(self, answer: Answer, only: str | None) -> None:
        with self._lock:
            self._answer, self._only = answer, only


def _used_up(answer: Answer) -> bool:
    if answer.left is None:
        return False
    answer.left -= 1
    return answer.left <= 0


def error(message: str, code: str, *, kind: str = "internal error", status: int | None = None) -> dict[str, Any]:
    """An error in Linear's shape."""
    extensions: dict[str, Any] = {"type": kind, "code": code, "userError": kind != "internal error"}
    if status is not None:
        extensions["statusCode"] = status
    extensions["userPresentableMessage"] = message
    return {"errors": [{"message": message, "extensions": extensions}]}


def not_signed_in(status: int) -> dict[str, Any]:
    """What Linear says to a token that it does not take."""
    text = "Authentication required, not authenticated"
    return error(text, "AUTHENTICATION_ERROR", kind="authentication error", status=status)
