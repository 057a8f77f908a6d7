"""Asking Linear: our operations, our token, and an eye on the budget.

https://linear.app/developers/graphql , https://linear.app/developers/rate-limiting
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import requests
from gql import GraphQLRequest
from gql.transport.exceptions import TransportError, TransportServerError
from gql.transport.requests import RequestsHTTPTransport
from graphql import DocumentNode, OperationDefinitionNode, parse
from graphql.utilities import separate_operations

from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable

OPERATIONS = Path(__file__).with_name("operations.graphql")
# Seconds to connect and to wait.
PATIENCE = (4, 20)
# Below this share of the hour's budget the connection pauses by itself, so that people's clicks still get through.
RESERVE = 0.02
# Codes in `extensions.code`, or words in `extensions.type`, as Linear writes them.
RATE_LIMITED = {"RATELIMITED"}
NOT_SIGNED_IN = {"AUTHENTICATION_ERROR"}
PASSING = {"INTERNAL_SERVER_ERROR", "LOCK_TIMEOUT", "SERVICE_UNAVAILABLE"}


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class LinearClient:
    """Runs the operations of operations.graphql for one workspace.

    `token()` gives an access token, `renewed(rejected)` another one. Answers are whole or an error: data that comes
    beside errors is never used.
    """

    def __init__(
        self,
        address: str,
        token: Callable[[], str],
        renewed: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._token = token
        self._renewed = renewed
        self._clock = clock
        self._local = threading.local()

    def run(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Run one operation and return its data.

        Raises TrackerUnavailable (down, slow, rate-limited with the time to wait), TrackerRefused (an invalid request,
        rights, reconnect needed), IssueUnreadable (the entity is not there or not for us).
        """
        token = self._token()
        try:
            return self._ask(operation, variables, token)
        except _TokenRejected:
            return self._ask(operation, variables, self._renewed(token), last=True)

    def pages(self, operation: str, field: str, **variables: Any) -> Iterator[list[dict[str, Any]]]:
        """Run a paged operation to its end, page by page; raises in the middle rather than ending early."""
        after: str | None = None
        while True:
            found = self.run(operation, after=after, **variables)[field]
            yield list(found["nodes"])
            after = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                return
            if not after:
                raise TrackerUnavailable("Linear says that there is more, but not where")

    def _ask(self, operation: str, variables: Mapping[str, Any], token: str, *, last: bool = False) -> dict[str, Any]:
        transport = self._transport()
        transport.auth = _Bearer(token)
        question = GraphQLRequest(document(operation), variable_values=dict(variables), operation_name=operation)
        try:
            answer = transport.execute(question)
        except TransportServerError as error:
            raise self._by_status(error.code or 0, transport, last) from None
        except TransportError as error:
            # HTML from a proxy, or something else that is no GraphQL.
            raise TrackerUnavailable(f"Linear's answer can't be read ({type(error).__name__})") from None
        except requests.RequestException as error:
            # Not the error itself: its text may quote the request.
            raise TrackerUnavailable(f"Linear does not answer ({type(error).__name__})") from None
        if answer.errors:
            raise self._by_code(operation, list(answer.errors), transport, last)
        if not isinstance(answer.data, dict):
            raise TrackerUnavailable("Linear answered without data")
        return answer.data

    def _by_status(self, status: int, transport: RequestsHTTPTransport, last: bool) -> Exception:
        if status == 401:
            return TrackerRefused("Linear does not accept a new token either") if last else _TokenRejected()
        if status == 429:
            return self._limited(transport)
        if status >= 500 or status == 0:
            return TrackerUnavailable(f"Linear answered {status}")
        return TrackerRefused(f"Linear answered {status}")

    def _by_code(self, operation: str, errors: list[Any], transport: RequestsHTTPTransport, last: bool) -> Exception:
        first = errors[0] if isinstance(errors[0], dict) else {}
        extensions = first.get("extensions")
        extensions = extensions if isinstance(extensions, dict) else {}
        codes = {str(extensions.get(name, "")).upper().replace(" ", "_") for name in ("code", "type")}
        said = str(extensions.get("userPresentableMessage") or first.get("message") or "no reason given")[:200]
        if codes & RATE_LIMITED:
            return self._limited(transport)
        if codes & NOT_SIGNED_IN:
            return TrackerRefused("Linear does not accept a new token either") if last else _TokenRejected()
        if codes & PASSING or extensions.get("statusCode") in (500, 502, 503, 504):
            return TrackerUnavailable(f"Linear could not do it: {said}")
        if "ENTITY_NOT_FOUND" in codes or "not found" in said.lower() or "FORBIDDEN" in codes:
            return IssueUnreadable(f"Linear: {said}")
        return TrackerRefused(f"Linear refused {operation}: {said}")

    def _limited(self, transport: RequestsHTTPTransport) -> TrackerUnavailable:
        """Wait for the latest of the resets that the headers name: requests and complexity have a budget each."""
        headers: Mapping[str, str] = transport.response_headers or {}
        hints = [_number(headers.get("Retry-After"))]
        for name, value in headers.items():
            if name.lower().startswith("x-ratelimit") and name.lower().endswith("reset"):
                reset = _number(value)
                # Milliseconds since 1970.
                hints.append(reset / 1000 - self._clock() if reset is not None else None)
        waits = [hint for hint in hints if hint is not None and 0 < hint <= 4000]
        return TrackerUnavailable("Linear's rate limit is reached", max(waits, default=60.0), whole_connection=True)

    def _transport(self) -> RequestsHTTPTransport:
        """One connection per thread: a transport keeps the headers of its last answer."""
        found: RequestsHTTPTransport | None = getattr(self._local, "transport", None)
        if found is None:
            found = RequestsHTTPTransport(self._address, timeout=PATIENCE, allow_redirects=False)  # type: ignore[arg-type]  # requests takes a pair
            found.connect()  # type: ignore[no-untyped-call]  # gql leaves it without types
            self._local.transport = found
        return found


class _TokenRejected(Exception):
    """Linear does not take this token; one other may be tried."""


@cache
def operations() -> Mapping[str, DocumentNode]:
    """Return each operation of the file with the fragments that it needs, by name."""
    return separate_operations(parse(OPERATIONS.read_text()))


def document(operation: str) -> DocumentNode:
    """Return one operation as a document of its own; raises KeyError."""
    return operations()[operation]


def operation_names() -> list[str]:
    """Return the names of all operations."""
    parsed = parse(OPERATIONS.read_text())
    return [one.name.value for one in parsed.definitions if isinstance(one, OperationDefinitionNode) and one.name]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
