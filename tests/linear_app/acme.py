"""A Linear workspace for tests: it signs webhooks, answers OAuth and operations, and judges what we ask."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import responses
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from requests import PreparedRequest

from linear_app.signature import sign
from tests.shared_refs import refs

LADDER = "https://ladder.example"
API = "https://api.linear.app/graphql"
TOKEN = "https://api.linear.app/oauth/token"
REVOKE = "https://api.linear.app/oauth/revoke"
SECRETS = ("hook-secret-one", "hook-secret-two")
ORGANIZATION = "7c0221e0-76d2-45eb-b803-6163c046c534"
APP_USER = "app-user-1"
TEAM = {"id": "team-eng", "key": "ENG", "visibility": "public"}
# RFC 7636: what the verifier of a challenge looks like is ours to choose, so tests only look at its shape.
DAY = 86399


@cache
def official_schema() -> GraphQLSchema:
    """Return Linear's published schema."""
    return build_schema(refs("linear", "schema-98.0.0.graphql").read_text(), assume_valid=True)


def delivery(kind: str, action: str, data: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a webhook body as Linear writes it, sent right now."""
    body: dict[str, Any] = {"type": kind, "action": action, "organizationId": ORGANIZATION, "webhookId": "hook-1"}
    body |= {"createdAt": "2026-11-20T10:00:00.000Z", "webhookTimestamp": int(time.time() * 1000)}
    return body | ({"data": dict(data)} if data is not None else {}) | more


def issue_data(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return an issue as webhooks write it."""
    return {
        "id": f"issue-{number}",
        "identifier": f"ENG-{number}",
        "number": number,
        "title": f"Issue {number}",
        "url": f"https://linear.app/acme/issue/ENG-{number}",
        "updatedAt": "2026-11-20T10:00:00.000Z",
        "stateId": "state-started",
        "state": {"id": "state-started", "name": "In Progress", "type": "started"},
        "team": {"id": "team-eng", "key": "ENG", "name": "Engineering"},
        "labelIds": [],
    } | more


def issue_node(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return an issue as the API answers it."""
    return {
        "id": f"issue-{number}",
        "identifier": f"ENG-{number}",
        "title": f"Issue {number}",
        "url": f"https://linear.app/acme/issue/ENG-{number}",
        "estimate": None,
        "updatedAt": "2026-11-20T10:00:00.000Z",
        "archivedAt": None,
        "trashed": None,
        "labelIds": [],
        "state": {"id": "state-started", "name": "In Progress", "type": "started"},
        "parent": None,
        "project": None,
        "cycle": None,
        "team": TEAM,
        "assignee": None,
        "inverseRelations": page(),
    } | more


def page(*nodes: Mapping[str, Any], more_after: str | None = None) -> dict[str, Any]:
    """Return a page of a connection."""
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": more_after is not None, "endCursor": more_after}}


def refusal(code: str, message: str = "no", **more: Any) -> dict[str, Any]:
    """Return an answer with an error in Linear's form."""
    return {"errors": [{"message": message, "extensions": {"code": code, **more}}], "data": None}


@dataclass(frozen=True)
class Asked:
    """One operation that we asked for."""

    name: str
    variables: dict[str, Any]
    token: str


Answer = dict[str, Any] | str | Exception | Callable[[dict[str, Any]], Any]


@dataclass
class Linear:
    """Answers as told, once each request was found valid against the official schema; rotates tokens for real."""

    network: responses.RequestsMock
    asked: list[Asked] = field(default_factory=list)
    token_calls: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    good: set[str] = field(default_factory=lambda: {"access-0"})
    refresh_tokens: set[str] = field(default_factory=lambda: {"refresh-0"})
    token_answer: tuple[int, Any] | Callable[[dict[str, str]], tuple[int, Any]] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    before_token: Callable[[], None] | None = None
    _answers: dict[str, list[tuple[int, Answer]]] = field(default_factory=dict)
    _always: dict[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.add_callback("POST", API, self._api)
        self.network.add_callback("POST", TOKEN, self._token)
        self.network.add_callback("POST", REVOKE, self._revoke)

    def says(self, operation: str, answer: Answer, status: int = 200) -> Linear:
        """Queue one answer to an operation: its data, an error, a text, or an exception of the network."""
        self._answers.setdefault(operation, []).append((status, answer))
        return self

    def always(self, operation: str, answer: Answer) -> Linear:
        """Answer an operation like this whenever nothing is queued for it."""
        self._always[operation] = answer
        return self

    def names(self) -> list[str]:
        """Return the operations that were asked for, in order."""
        return [one.name for one in self.asked]

    def last(self, operation: str) -> dict[str, Any]:
        """Return the variables of the latest request for an operation."""
        return next(one.variables for one in reversed(self.asked) if one.name == operation)

    def _api(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        said = json.loads(request.body or "")
        _judge(said)
        token = str(request.headers["Authorization"]).removeprefix("Bearer ")
        name = said["operationName"]
        self.asked.append(Asked(name, said.get("variables", {}), token))
        if token not in self.good:
            return 400, {}, json.dumps(refusal("AUTHENTICATION_ERROR", "Authentication required"))
        queued = self._answers.get(name)
        status, answer = queued.pop(0) if queued else (200, self._always[name])
        if callable(answer):
            answer = answer(said.get("variables", {}))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return status, self.headers, answer
        whole = answer if "errors" in answer else {"data": answer}
        return status, self.headers, json.dumps(whole)

    def _token(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        form = {name: values[0] for name, values in parse_qs(str(request.body)).items()}
        self.token_calls.append(form)
        if self.before_token is not None:
            self.before_token()
        if self.token_answer is not None:
            status, said = self.token_answer(form) if callable(self.token_answer) else self.token_answer
            if isinstance(said, Exception):
                raise said
            return status, {}, said if isinstance(said, str) else json.dumps(said)
        if form["grant_type"] == "refresh_token" and form["refresh_token"] not in self.refresh_tokens:
            return 400, {}, json.dumps({"error": "invalid_grant", "error_description": "The grant was revoked"})
        number = len(self.token_calls)
        # The old refresh token stays good: Linear lets it be replayed for half an hour.
        self.good.add(f"access-{number}")
        self.refresh_tokens.add(f"refresh-{number}")
        said = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "token_type": "Bearer"}
        return 200, {}, json.dumps({**said, "expires_in": DAY, "scope": "read write initiative:read"})

    def _revoke(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        form = {name: values[0] for name, values in parse_qs(str(request.body)).items()}
        self.revoked.append(form["token"])
        return 200, {}, "{}"


def _judge(said: Mapping[str, Any]) -> None:
    """Fail unless the published schema takes an operation and what is in its variables."""
    asked = parse(said["query"])
    problems = list(validate(official_schema(), asked))
    for one in asked.definitions:
        if isinstance(one, OperationDefinitionNode):
            values = get_variable_values(official_schema(), one.variable_definitions or (), said.get("variables", {}))
            problems += values if isinstance(values, list) else []
    assert not problems, problems


def signed(body: bytes, secret: str = SECRETS[0], **more: str) -> dict[str, str]:
    """Return the headers of a genuine delivery."""
    return {"Linear-Signature": sign(secret, body)} | {name.replace("_", "-"): value for name, value in more.items()}
