"""Atlassian's own OpenAPI descriptions as a judge of the requests that we make."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jwt
from jsonschema import Draft202012Validator
from requests import PreparedRequest

from jira_app import query_string_hash
from jira_app.descriptor import template
from tests.jira_app.acme import Acme
from tests.shared_refs import refs

DESCRIPTIONS = ("jira-platform-v3.2026-04-20.json", "jira-software-agile.2026-05-28.json")
# Each scope of a Connect app includes those before it.
SCOPES = ("NONE", "READ", "WRITE", "DELETE")


@cache
def description(name: str) -> dict[str, Any]:
    """Return one official description."""
    found: dict[str, Any] = json.loads(refs("openapi", name).read_text())
    return found


def operation(method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the operation that a request calls, and the description that it is from."""
    for name in DESCRIPTIONS:
        candidates = []
        for template_path, item in description(name)["paths"].items():
            pattern = "/".join(
                "[^/]+" if part.startswith("{") else re.escape(part) for part in template_path.split("/")
            )
            if re.fullmatch(pattern, path) and method.lower() in item:
                candidates.append((template_path.count("{"), template_path))
        if candidates:
            # `/issue/bulkfetch` is not the issue of that name: fewer placeholders win.
            item = description(name)["paths"][min(candidates)[1]]
            return item[method.lower()] | {"shared": item.get("parameters", [])}, description(name)
    raise AssertionError(f"{method} {path} is in no official description")


def judge(request: PreparedRequest, site: Acme) -> str:
    """Assert that a request is one that Jira documents for Connect apps like ours; return its operation id."""
    address = urlsplit(str(request.url))
    assert f"{address.scheme}://{address.netloc}" == site.site
    called, described = operation(str(request.method), unquote(address.path))
    name = str(called["operationId"])
    assert not called.get("deprecated"), name
    needed = called["x-atlassian-connect-scope"]
    assert needed in SCOPES, f"{name} is closed to us: {needed}"
    granted = max(SCOPES.index(scope) for scope in template()["scopes"])
    assert SCOPES.index(needed) <= granted, f"{name} needs the scope {needed}"
    _judge_query(name, parse_qsl(address.query, keep_blank_values=True), called)
    _judge_body(name, request.body, called, described)
    _judge_token(request, site)
    return name


def _judge_query(name: str, given: list[tuple[str, str]], called: dict[str, Any]) -> None:
    known = {one["name"]: one for one in [*called.get("parameters", []), *called["shared"]] if one["in"] == "query"}
    for parameter, value in given:
        assert parameter in known, f"{name} has no query parameter {parameter}"
        schema = known[parameter]["schema"]
        if schema["type"] == "integer":
            assert value.isdecimal(), f"{name}: {parameter}={value}"
        if "enum" in schema:
            assert value in schema["enum"], f"{name}: {parameter}={value}"
    missing = {one for one, described in known.items() if described.get("required")} - {one for one, _ in given}
    assert not missing, f"{name} needs {missing}"


def _judge_body(name: str, body: Any, called: dict[str, Any], described: dict[str, Any]) -> None:
    if "requestBody" not in called:
        assert not body, f"{name} takes no body"
        return
    assert body or not called["requestBody"].get("required"), f"{name} needs a body"
    schema = called["requestBody"]["content"]["application/json"]["schema"]
    # `JsonNode` is described as the innards of a Java class, which the operation's own example contradicts: it is JSON.
    schemas = described["components"]["schemas"] | {"JsonNode": {}}
    Draft202012Validator({**schema, "components": {"schemas": schemas}}).validate(json.loads(body))


def _judge_token(request: PreparedRequest, site: Acme) -> None:
    scheme, _, token = str(request.headers["Authorization"]).partition(" ")
    claims = jwt.decode(token, site.secret, algorithms=["HS256"], options={"require": ["iss", "iat", "exp", "qsh"]})
    assert scheme == "JWT"
    assert claims["iss"] == template()["key"]
    assert claims["exp"] - claims["iat"] <= 180
    assert claims["qsh"] == query_string_hash(str(request.method), str(request.url), site.site)
    assert "jwt" not in str(request.url)
