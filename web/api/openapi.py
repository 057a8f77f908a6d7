"""What APIFlask leaves out of /openapi.json: problems, preconditions, idempotency, security."""

from __future__ import annotations

from typing import Any

from web import problems
from web.api.blueprint import API
from web.api.exchange import KEY_HEADER, REPEATED_HEADER

PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details. `reason` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason", "message"],
                "properties": {name: {"type": "string"} for name in ("field", "reason", "message")},
            },
        },
    },
}
DESCRIPTION = (
    "Goals, the issues linked to them, and the ledger of what moved each number.\n\n"
    "Lists page by `limit` and `cursor`; the last page's `next_cursor` is null. PATCH and DELETE take `If-Match` with "
    "the `ETag` of what was read and answer 412 when somebody else was faster. POST takes an `Idempotency-Key`: the "
    "same request under the same key is done once and answered alike for a day.\n\n"
    "Numbers are exact. An exact number is read as a JSON number or as text (`12.5`, `1/3`), and answered as a JSON "
    "number where every reader gets it exactly (15 significant digits), otherwise as text. Progress and its parts are "
    "always rationals as text (`8/15`) or null."
)
ANY_TIME = {
    "401": "No token, or one that is not valid.",
    "422": "Not the documented shape, or against a rule; `errors` names each field.",
    "429": "Too many requests; wait as `Retry-After` says.",
    "503": "The database or the tracker does not answer; try again.",
}
WITH_PATH = {"404": "There is no such thing in this workspace."}
WITH_BODY = {
    "400": "The body is not JSON.",
    "409": "The state of things forbids it: closed, in use, a name that is taken.",
    "413": "The body is too large.",
    "415": "The body is not announced as application/json.",
}
WITH_CONDITION = {"409": WITH_BODY["409"], "412": "Somebody else changed it since it was read."}
LINKING = {"403": "Not allowed by the tracker.", "502": "The tracker refused."}
# Nothing is made by these, so they may be sent as often as one likes.
DOING_NOTHING = ("/lint", "/preview", "/runs")
ASKING_THE_TRACKER = ("/links", "/links/bulk", "/rules", "/preview")
ETAG = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "Where it is.", "schema": {"type": "string", "format": "uri-reference"}}}
REPEATED = {REPEATED_HEADER: {"description": "true: this answer was given before.", "schema": {"type": "string"}}}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read. Without it the edit is made whatever happened since.",
    "schema": {"type": "string", "examples": ['"3"']},
}
IDEMPOTENCY_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Any string of your own; the same request under the same key is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x21-\x7e]{1,200}$"},
}


def describe(spec: dict[str, Any] | str) -> dict[str, Any] | str:
    """Return the description with everything that all operations share."""
    if isinstance(spec, str):
        raise TypeError("the description is JSON")
    spec = _with_plain_names(spec)
    spec["info"]["description"] = DESCRIPTION
    spec["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    spec["servers"] = [{"url": "/"}]
    components = spec.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for path, operations in spec["paths"].items():
        if not path.startswith(API):
            continue
        for method, operation in operations.items():
            _describe_operation(path, method, operation)
    return spec


def _with_plain_names(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the description with each shape once.

    APIFlask registers a nested shape anew under every shape that holds it ("CyclePage.CycleOut", "CycleOut").
    """
    names = {name: name.rsplit(".", 1)[-1] for name in spec.get("components", {}).get("schemas", {})}

    def renamed(part: Any) -> Any:
        if isinstance(part, list):
            return [renamed(one) for one in part]
        if not isinstance(part, dict):
            return part
        copied = {name: renamed(inner) for name, inner in part.items()}
        head, _, name = str(part.get("$ref", "")).rpartition("/")
        if name in names:
            copied["$ref"] = f"{head}/{names[name]}"
        return copied

    spec = renamed(spec)
    schemas = spec["components"]["schemas"]
    # Sorted, so that the description of one version is the same in every process.
    spec["components"]["schemas"] = {names[name]: schemas[name] for name in sorted(schemas)}
    return spec


def _describe_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    operation["security"] = [{"token": []}]
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "format": "uuid"}
    failures = dict(ANY_TIME)
    if "{" in path or path.endswith("/overlay"):
        failures |= WITH_PATH
    if method in ("post", "patch"):
        failures |= WITH_BODY
        operation["requestBody"]["required"] = True
    if method in ("patch", "delete"):
        failures |= WITH_CONDITION
        parameters.append(IF_MATCH)
    if method == "post" and not path.endswith(DOING_NOTHING):
        parameters.append(IDEMPOTENCY_KEY)
        failures |= WITH_PATH
    if method == "post" and path.endswith(ASKING_THE_TRACKER):
        failures |= LINKING
    responses = operation["responses"]
    for status in [status for status in responses if not status.startswith("2")]:
        del responses[status]
    for status, description in sorted(failures.items()):
        responses[status] = {
            "description": description,
            "content": {problems.MEDIA_TYPE: {"schema": PROBLEM_REF}},
        }
    for status, response in responses.items():
        if status == "201":
            response["headers"] = {**ETAG, **LOCATION, **REPEATED}
        elif status == "200" and path.endswith("}"):
            response["headers"] = dict(ETAG)
        elif status == "204":
            response.pop("content", None)
