"""/openapi.json, and /api/v1/docs: a reference rendered from it, with no script and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import Blueprint, Response, current_app, jsonify, render_template
from markupsafe import Markup, escape

from mapping.lint import REMEDIES
from web.api.blueprint import API
from web.api.fields import EXACT_SCHEMA
from web.problems import HTTP_REASONS

blueprint = Blueprint("reference", __name__)

# From what must be there first to what hangs on it.
ORDER = (
    "cycles",
    "teams",
    "people",
    "objectives",
    "key results",
    "links",
    "rules",
    "ledger",
    "check-ins",
    "milestones",
    "connections",
    "lint",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table of fields."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one address, ready to be shown."""

    method: str
    path: str
    summary: str
    description: str
    anchor: str
    parameters: list[Field]
    body: str
    answers: list[tuple[str, str, str]]


@blueprint.get("/openapi.json")
def describe() -> Response:
    """Send the API's OpenAPI description."""
    return jsonify(_description())


@blueprint.get(f"{API}/docs")
def show() -> str:
    """Show the reference page."""
    spec = _description()
    return render_template(
        "api/reference.html",
        info=spec["info"],
        groups=_grouped(spec),
        shapes={name: list(_fields(schema)) for name, schema in sorted(spec["components"]["schemas"].items())},
        known={name.rsplit(".", 1)[-1] for name in spec["components"]["schemas"]},
        notes={name: schema.get("description", "") for name, schema in spec["components"]["schemas"].items()},
        reasons=sorted({*HTTP_REASONS.values()}),
        remedies=REMEDIES,
    )


def _description() -> dict[str, Any]:
    app = cast(APIFlask, current_app)
    for other in app.blueprints.values():
        # APIFlask asks every blueprint that has hooks whether to describe it, and plain Flask ones cannot answer.
        if not isinstance(other, APIBlueprint):
            other.enable_openapi = False  # type: ignore[attr-defined]  # see above
    return cast(dict[str, Any], app._get_spec("json"))  # noqa: SLF001 - `app.spec` would build it for every request


def _grouped(spec: dict[str, Any]) -> dict[str, list[Operation]]:
    groups: dict[str, list[Operation]] = {}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(path, method, operation))
    return {tag: groups[tag] for tag in sorted(groups, key=lambda tag: (tag not in ORDER, (*ORDER, tag).index(tag)))}


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        anchor=operation.get("operationId", ""),
        parameters=[
            Field(
                parameter["name"],
                f"{kind_of(parameter['schema'])}, {parameter['in']}",
                parameter.get("required", False),
                parameter.get("description", ""),
            )
            for parameter in operation.get("parameters", [])
        ],
        body=kind_of(content["schema"]) if content else "",
        answers=[
            (status, response.get("description", ""), _shape_of(response))
            for status, response in sorted(operation["responses"].items())
        ],
    )


@blueprint.app_template_filter("code_marks")
def code_marks(text: str) -> Markup:
    """Set what stands between backticks as code."""
    parts = (escape(part) for part in re.split(r"`([^`]*)`", text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _fields(schema: dict[str, Any]) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        yield Field(name, kind_of(inner), name in required, inner.get("description", ""))


def _shape_of(response: dict[str, Any]) -> str:
    for media in response.get("content", {}).values():
        return kind_of(media.get("schema", {}))
    return ""


def kind_of(schema: dict[str, Any]) -> str:
    """Say in a few words what a schema takes."""
    if schema.get("anyOf") == EXACT_SCHEMA["anyOf"]:
        return "exact number"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(kind_of(one) for one in schema[several]))
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    kind = str(schema.get("type", "anything"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
