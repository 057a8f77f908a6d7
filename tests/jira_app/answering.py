"""A Jira site that answers as a test tells it, once each request was found to be one that Atlassian documents."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import responses
from requests import PreparedRequest

from tests.jira_app.acme import Acme
from tests.jira_app.official import judge


class Jira:
    """Answers as told, in turn, once each request was found to be an official one."""

    def __init__(self, network: responses.RequestsMock, site: Acme) -> None:
        self.site = site
        self.requests: list[PreparedRequest] = []
        self.operations: list[str] = []
        self._answers: list[tuple[int, dict[str, str], Any]] = []
        for method in ("GET", "POST", "PUT", "DELETE"):
            network.add_callback(method, re.compile(re.escape(site.site)), self._answer)

    def says(self, body: Any = None, status: int = 200, **headers: str) -> Jira:
        """Queue an answer."""
        self._answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))
        return self

    def asked(self, at: int = -1) -> dict[str, str]:
        """Return the query of a request."""
        return {name: value[0] for name, value in parse_qs(urlsplit(str(self.requests[at].url)).query).items()}

    def sent(self, at: int = -1) -> Any:
        """Return the body of a request."""
        return json.loads(self.requests[at].body or "null")

    def _answer(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.operations.append(judge(request, self.site))
        self.requests.append(request)
        status, headers, body = self._answers.pop(0)
        if isinstance(body, Exception):
            raise body
        return status, headers, body if isinstance(body, str) else "" if body is None else json.dumps(body)


def issue(number: int, parent: int | None = None, **fields: Any) -> dict[str, Any]:
    """Return an issue as the REST interface writes it."""
    given = {
        "summary": f"Issue {number}",
        "updated": "2026-11-20T10:00:00.000+0000",
        "status": {"id": "3", "name": "In Progress", "statusCategory": {"key": "indeterminate"}},
        "issuetype": {"id": "1", "name": "Story", "subtask": False, "hierarchyLevel": 0},
        "project": {"key": "ATL"},
        "parent": {"id": str(parent)} if parent else None,
        "resolution": None,
        "labels": [],
        "assignee": None,
        "customfield_10016": 3.0,
    } | fields
    return {"id": str(number), "key": f"ATL-{number}", "fields": given}


def grants(**permissions: list[int]) -> dict[str, Any]:
    """Return the answer of a permission check."""
    found = [{"permission": name, "issues": ids, "projects": []} for name, ids in permissions.items()]
    return {"globalPermissions": [], "projectPermissions": found}
