"""Search results page by page: Jira's opaque `nextPageToken`, without a total."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import jql, jql_search
from .gate import RestError
from .records import Issue
from .site import JiraSite

MOST_WITH_FIELDS = 100
"""Issues a page when fields are asked for; real Jira decides by the size of the answer, about this many."""

MOST_IDS = 5000
KEPT = 500


@dataclass(frozen=True, slots=True)
class _Rest:
    question: str
    ids: tuple[str, ...]


class ResultPages:
    """Remembers what is left of each search under its token."""

    def __init__(self, site: JiraSite) -> None:
        self._site = site
        self._rests: OrderedDict[str, _Rest] = OrderedDict()
        self._lock = threading.Lock()

    def search(self, query: str, *, unbounded: bool = False) -> list[Issue]:
        """All issues of a query that the app may see; refuses unbounded queries unless told otherwise."""
        parsed = jql.parse(query)
        if not parsed.bounded and not unbounded:
            raise RestError(
                400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
            )
        with self._site.lock:
            found = jql_search.run(parsed, self._site, list(self._site.issues.values()))
        return [issue for issue in found if not self._site.faults.hides(issue.id)]

    def page(
        self, found: Sequence[Issue], question: str, token: str | None, size: int, fields: Sequence[str]
    ) -> dict[str, Any]:
        """One page in the shape of `/search/jql`.

        `question` binds the token to its search; empty `fields` means ids only.
        """
        site = self._site
        digest = hashlib.sha256("\n".join([question, *sorted(fields)]).encode()).hexdigest()
        if token:
            with self._lock:
                rest = self._rests.get(token)
            if rest is None or rest.question != digest:
                raise RestError(400, "The provided next page token is invalid or expired.")
            ids: tuple[str, ...] = rest.ids
        else:
            ids = tuple(issue.id for issue in found)
        with_fields = bool(set(fields) - {"id", "key"})
        size = max(1, min(size, MOST_WITH_FIELDS if with_fields else MOST_IDS))
        with site.lock:
            shown = [site.issues[one] for one in ids[:size] if one in site.issues]
            issues = [site.payloads.issue(one, fields) if fields else {"id": one.id} for one in shown]
        body: dict[str, Any] = {"issues": issues, "isLast": len(ids) <= size}
        if len(ids) > size:
            following = secrets.token_urlsafe(24)
            with self._lock:
                self._rests[following] = _Rest(digest, ids[size:])
                while len(self._rests) > KEPT:
                    self._rests.popitem(last=False)
            body["nextPageToken"] = following
        return body
