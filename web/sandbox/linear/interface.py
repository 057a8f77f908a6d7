"""The API host of the stand-in: GraphQL at /graphql, tokens at /oauth/token and /oauth/revoke."""

from __future__ import annotations

import base64
import binascii
import json
import socket
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution import ExecutionResult

from .engine import complexity, schema_without
from .faults import Answer, error, not_signed_in
from .filters import snake
from .look_ups import Asker
from .mutations import Mutations
from .oauth import OAuthError
from .rate_limits import exhausted
from .workspace import Call, LinearWorkspace

JSON = "application/json; charset=utf-8"


def api_interface(workspace: LinearWorkspace) -> Blueprint:
    """The blueprint for one workspace."""
    api = Blueprint("api", __name__)

    @api.post("/graphql")
    def graphql() -> Response:
        if workspace.faults.delay:
            time.sleep(workspace.faults.delay)
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            return _answer(
                400, error("POST body missing, invalid Content-Type, or JSON object has no keys.", "BAD_REQUEST")
            )
        question = _Question(workspace, body)
        said = question.answer()
        status, content, headers = said
        workspace.calls.append(
            Call(question.name, question.variables, status, _code_in(content), int(headers.get("X-Complexity", 0)))
        )
        return hang_up() if status == 0 else _answer(status, content, headers)

    @api.post("/oauth/token")
    def token() -> Response:
        fault = workspace.faults.take_token()
        if fault is not None and fault.status is not None:
            return _answer(fault.status, fault.body)
        form = {**request.form.to_dict(), **_basic_credentials()}
        try:
            given = workspace.oauth.token(form)
        except OAuthError as refusal:
            return _oauth_refusal(refusal)
        if fault is not None:
            return hang_up()
        answer = _answer(200, given)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @api.post("/oauth/revoke")
    def revoke() -> Response:
        form = request.form
        header = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        wanted = form.get("token") or form.get("access_token") or form.get("refresh_token") or header
        try:
            workspace.oauth.revoke(wanted)
        except OAuthError as refusal:
            return _oauth_refusal(refusal)
        return _answer(200, {})

    return api


class _Question:
    """One GraphQL request on its way through the door."""

    def __init__(self, workspace: LinearWorkspace, body: Mapping[str, Any]) -> None:
        self._workspace = workspace
        self._text = str(body["query"])
        given = body.get("variables")
        self.variables: dict[str, Any] = given if isinstance(given, dict) else {}
        self._wanted = body.get("operationName") if isinstance(body.get("operationName"), str) else None
        self.name = self._wanted or ""

    def answer(self) -> tuple[int, Any, dict[str, str]]:
        """HTTP status (0 for none), body and headers."""
        document: DocumentNode | None = None
        broken: GraphQLError | None = None
        operation: OperationDefinitionNode | None = None
        try:
            document = parse(self._text, max_tokens=20_000)
            operation = get_operation_ast(document, self._wanted)
        except GraphQLError as trouble:
            broken = trouble
        if operation is not None and operation.name is not None:
            self.name = operation.name.value
        fault = self._workspace.faults.take(self.name)
        if fault is not None and fault.kind not in ("rate_limited", "errors_with_data"):
            return fault.status or 0, fault.body, fault.headers
        asker = self._asker()
        if asker is None:
            return 401, not_signed_in(401), {}
        if document is None or operation is None:
            return 400, _failed(broken or GraphQLError("Unknown operation."), "GRAPHQL_PARSE_FAILED"), {}
        schema = schema_without(self._workspace.faults.dropped)
        problems = validate(schema, document)
        if problems:
            return 400, _failed(problems[0], "GRAPHQL_VALIDATION_FAILED"), {}
        return self._run(document, operation, asker, fault)

    def _run(
        self, document: DocumentNode, operation: OperationDefinitionNode, asker: Asker, fault: Answer | None
    ) -> tuple[int, Any, dict[str, str]]:
        workspace = self._workspace
        points = complexity(document, operation, self.variables)
        enough, headers = workspace.limits.spend(asker.grant.id, points, workspace.now())
        if not enough or (fault is not None and fault.kind == "rate_limited"):
            said = error("Rate limit exceeded", "RATELIMITED", kind="ratelimited")
            if fault is None:
                return 400, said, headers
            return (
                fault.status or 400,
                said,
                {**headers, **exhausted(workspace.now() + timedelta(seconds=fault.seconds))},
            )
        if points > workspace.limits.query_complexity:
            text = f"Query too complex: {points} points, {workspace.limits.query_complexity} are allowed"
            return 400, error(text, "INPUT_ERROR", kind="invalid input", status=400), headers
        mutations = Mutations(workspace, asker)

        def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            if info.parent_type.name == "Mutation":
                return mutations.mutate(info.field_name, arguments)
            if info.parent_type.name == "Query":
                asker.demand("read", "write", "admin")
                given = {snake(name): value for name, value in arguments.items()}
                return getattr(mutations, _query_name(info.field_name))(**given)
            return mutations.field(source, info, **arguments)

        with workspace.lock:
            result = execute(
                schema_without(workspace.faults.dropped),
                document,
                variable_values=self.variables,
                operation_name=operation.name.value if operation.name else None,
                field_resolver=resolve,
            )
        if not isinstance(result, ExecutionResult):
            raise TypeError("no resolver here is asynchronous")
        if result.data is None and result.errors and all(one.path is None for one in result.errors):
            # Variables that do not fit: nothing was run.
            return 400, _failed(result.errors[0], "BAD_USER_INPUT"), headers
        whole: dict[str, Any] = dict(result.formatted)
        for one in whole.get("errors", []):
            one.setdefault("extensions", {"type": "internal error", "code": "INTERNAL_SERVER_ERROR"})
        if fault is not None and isinstance(fault.body, dict):
            _thin_out(whole.get("data"))
            whole["errors"] = fault.body["errors"]
        # As in the real API: what a resolver refuses is said with 200, unless it is about who asks.
        return 200, whole, headers

    def _asker(self) -> Asker | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        try:
            grant = self._workspace.oauth.identify(token)
        except OAuthError:
            return None
        user = self._workspace.users[grant.user_id]
        return Asker(grant, user) if user.active else None


def _query_name(name: str) -> str:
    return "attachments_for_url" if name == "attachmentsForURL" else snake(name)


def _thin_out(data: Any) -> None:
    """Take the last node out of every list of an answer: data that look whole and are not."""
    if isinstance(data, dict):
        nodes = data.get("nodes")
        if isinstance(nodes, list) and nodes:
            nodes.pop()
        for value in data.values():
            _thin_out(value)


def _failed(problem: GraphQLError, code: str) -> dict[str, Any]:
    extensions = {"code": code, "type": "graphql error", "userError": True, "http": {"status": 400}}
    return {"errors": [{**problem.formatted, "extensions": extensions}]}


def _code_in(content: Any) -> str | None:
    if not isinstance(content, dict) or not content.get("errors"):
        return None if isinstance(content, dict) else "NOT_JSON"
    return str(content["errors"][0].get("extensions", {}).get("code"))


def _answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return Response(text, status, headers={"Content-Type": JSON, **(headers or {})})


def _oauth_refusal(refusal: OAuthError) -> Response:
    return _answer(refusal.status, {"error": refusal.error, "error_description": refusal.description})


def _basic_credentials() -> dict[str, str]:
    """Client id and secret from HTTP Basic, which the token endpoint takes as well."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return {}
    return {"client_id": client_id, "client_secret": secret}


def hang_up() -> Response:
    """Close the connection under the server, so that the app sees a network error; 503 where there is no socket."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    return _answer(503, error("The stand-in is down.", "SERVICE_UNAVAILABLE"))
