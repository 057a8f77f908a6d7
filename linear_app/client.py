"""Asking Linear: our operations, our token, and an eye on the budget.

https://linear.app/developers/graphql , https://linear.app/developers/rate-limiting
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import requests
from gql import GraphQLRequest
from gql.transport.exceptions import TransportError, TransportProtocolError, TransportServerError
from gql.transport.requests import RequestsHTTPTransport
from graphql import DocumentNode, parse
from graphql.utilities import separate_operations

from connector.telemetry import logger
from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable
from linear_app.answer_shape import lacking
from linear_app.budget import Budget

OPERATIONS = Path(__file__).with_name("operations.graphql")
# Seconds to connect and to wait.
PATIENCE = (4, 20)
# Codes in `extensions.code`, or words in `extensions.type`, as Linear writes them.
RATE_LIMITED = {"RATELIMITED"}
NOT_SIGNED_IN = {"AUTHENTICATION_ERROR"}
PASSING = {"INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "LOCK_TIMEOUT", "SERVICE_UNAVAILABLE"}
DRIFT = {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}
# Operations whose filter a person wrote: what Linear says of that is no drift of its schema.
WRITTEN_BY_PEOPLE = {"CheckFilter", "IssuesOfQuery", "SizesOfQuery"}
NOT_FOR_US = {"ENTITY_NOT_FOUND", "FORBIDDEN"}
NOT_FOUND = re.compile(r"(?i)\bnot found\b|could not find")


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class LinearClient:
    """Runs the operations of operations.graphql for one workspace.

    `token()` gives an access token, `renewed(rejected)` another one, and `dead(why)` is told when Linear takes neither.
    Answers are whole or an error: data that comes beside errors, or lacks a field, is never used.
    """

    def __init__(
        self,
        address: str,
        token: Callable[[], str],
        renewed: Callable[[str], str],
        dead: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._token = token
        self._renewed = renewed
        self._dead = dead
        self._budget = Budget(clock)
        self._local = threading.local()

    def run(self, operation: str, *, urgent: bool = False, **variables: Any) -> dict[str, Any]:
        """Run one operation and return its data. `urgent`: somebody waits for it, so it may use the last of the budget.

        Raises TrackerUnavailable (down, slow, rate-limited with the time to wait), TrackerRefused (an invalid request,
        rights, reconnect needed), IssueUnreadable (the entity is not there or not for us).
        """
        if not urgent and (rest := self._budget.rest()) > 0:
            raise TrackerUnavailable("Linear's budget for this hour is nearly spent", rest, whole_connection=True)
        token = self._token()
        try:
            return self._ask(operation, variables, token)
        except _TokenRejected:
            try:
                return self._ask(operation, variables, self._renewed(token))
            except _TokenRejected:
                why = "Linear does not accept a new token either"
                self._dead(why)
                raise TrackerUnavailable(f"{why}; it must be connected again", 60.0) from None

    def pages(
        self, operation: str, field: str, *, urgent: bool = False, **variables: Any
    ) -> Iterator[list[dict[str, Any]]]:
        """Run a paged operation to its end, page by page; raises in the middle rather than ending early."""
        after: str | None = None
        while True:
            found = self.run(operation, urgent=urgent, after=after, **variables)[field]
            yield list(found["nodes"])
            following = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                return
            if not following or following == after:
                raise TrackerUnavailable("Linear says that there is more, but not where")
            after = following

    def _ask(self, operation: str, variables: Mapping[str, Any], token: str) -> dict[str, Any]:
        transport = self._transport()
        transport.auth = _Bearer(token)
        question = GraphQLRequest(document(operation), variable_values=dict(variables), operation_name=operation)
        try:
            answer = transport.execute(question)
        except TransportServerError as error:
            raise self._by_status(error.code or 0, transport) from None
        except TransportProtocolError:
            raise TrackerUnavailable("Linear answered with something that is not GraphQL") from None
        except TransportError as error:
            # Not the error itself: its text may quote the request.
            raise TrackerUnavailable(f"Linear does not answer ({type(error.__cause__ or error).__name__})") from None
        self._budget.note(transport.response_headers or {})
        if answer.errors:
            raise self._by_code(operation, answer.errors, transport)
        if not isinstance(answer.data, dict):
            raise TrackerUnavailable("Linear answered without data")
        missing = lacking(document(operation), answer.data)
        if missing:
            logger.error("linear_schema_drift", operation=operation, field=missing)
            raise TrackerRefused(f"Linear's answer to {operation} lacks {missing}")
        return answer.data

    def _by_status(self, status: int, transport: RequestsHTTPTransport) -> Exception:
        if status == 401:
            return _TokenRejected()
        if status == 429:
            return self._limited(transport)
        if status >= 500 or status == 0:
            return TrackerUnavailable(f"Linear answered {status}")
        return TrackerRefused(f"Linear answered {status}")

    def _by_code(self, operation: str, errors: Any, transport: RequestsHTTPTransport) -> Exception:
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        extensions = first.get("extensions")
        extensions = extensions if isinstance(extensions, dict) else {}
        codes = {str(extensions.get(name, "")).upper().replace(" ", "_") for name in ("code", "type")}
        whole = str(extensions.get("userPresentableMessage") or first.get("message") or "no reason given")[:5000]
        said = whole[:200]
        if codes & RATE_LIMITED:
            return self._limited(transport)
        if codes & NOT_SIGNED_IN:
            return _TokenRejected()
        if codes & PASSING or extensions.get("statusCode") in (500, 502, 503, 504):
            return TrackerUnavailable(f"Linear could not do it: {said}")
        if codes & DRIFT and operation not in WRITTEN_BY_PEOPLE:
            # What was valid against the published schema no longer is: this operation is out of order until Ladder
            # learns the new one, and everybody should see it; the others go on.
            logger.error("linear_schema_drift", operation=operation, problem=said)
            return TrackerRefused(f"Linear no longer understands {operation}: {said}")
        if codes & NOT_FOR_US or NOT_FOUND.search(f"{first.get('message')} {said}"):
            return IssueUnreadable(f"Linear: {said}")
        return LinearRefused(operation, whole)

    def _limited(self, transport: RequestsHTTPTransport) -> TrackerUnavailable:
        wait = self._budget.wait(transport.response_headers or {})
        return TrackerUnavailable("Linear's rate limit is reached", wait, whole_connection=True)

    def _transport(self) -> RequestsHTTPTransport:
        """One connection per thread: a transport keeps the headers of its last answer."""
        found: RequestsHTTPTransport | None = getattr(self._local, "transport", None)
        if found is None:
            options: dict[str, Any] = {"timeout": PATIENCE, "allow_redirects": False, "json_deserialize": _object}
            found = RequestsHTTPTransport(self._address, **options)
            found.connect()  # type: ignore[no-untyped-call]  # gql leaves it without types
            self._local.transport = found
        found.response_headers = None
        return found


class LinearRefused(TrackerRefused):
    """Linear takes a request for invalid; `said` is what it says of it."""

    def __init__(self, operation: str, said: str) -> None:
        super().__init__(f"Linear refused {operation}: {said[:200]}")
        self.said = said


class _TokenRejected(Exception):
    """Linear does not take this token; one other may be tried."""


@cache
def operations() -> Mapping[str, DocumentNode]:
    """Return each operation of the file with the fragments that it needs, by name."""
    return separate_operations(parse(OPERATIONS.read_text()))


def document(operation: str) -> DocumentNode:
    """Return one operation as a document of its own; raises KeyError."""
    return operations()[operation]


def _object(text: str) -> dict[str, Any]:
    """Read an answer; a list, a number or a page for people is no GraphQL (ValueError)."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
