"""The API's description and its reference page: complete, and free of anything from elsewhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.api.conftest import Program


@pytest.fixture
def spec(client: FlaskClient) -> Any:
    return json.loads(client.get("/openapi.json").text)


def test_every_address_of_the_api_is_described(app: Flask, spec: Any) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, operations in spec["paths"].items() for method in operations}
    assert served == described


def test_every_operation_has_a_name_a_summary_and_says_how_it_fails(spec: Any) -> None:
    names = set()
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            names.add(operation["operationId"])
            assert operation["summary"], path
            assert {"401", "429"} <= operation["responses"].keys(), path
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    assert list(response["content"]) == ["application/problem+json"], (path, method, status)
    assert len(names) == sum(len(operations) for operations in spec["paths"].values())


def test_edits_take_if_match_and_creations_an_idempotency_key(spec: Any) -> None:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            headers = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
            if method in ("patch", "delete"):
                assert headers == {"If-Match"}
            elif method == "post" and not path.endswith(("/lint", "/preview", "/runs")):
                assert headers == {"Idempotency-Key"}


def test_every_reference_leads_somewhere_and_every_shape_is_used(spec: Any) -> None:
    text = json.dumps(spec)
    named = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text))
    assert named == set(spec["components"]["schemas"])


def test_the_reference_page_shows_every_operation_without_script_or_foreign_address(
    client: FlaskClient, spec: Any
) -> None:
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page.text)
    for operations in spec["paths"].values():
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page.text
    for anchor in re.findall(r'href="#([^"]+)"', page.text):
        assert f'id="{anchor}"' in page.text, anchor


def test_a_problems_address_leads_to_its_reason(program: Program) -> None:
    problem = program.call("GET", "/cycles/00000000-0000-4000-8000-000000000000").get_json(force=True)
    address, anchor = problem["type"].split("#")
    assert f'id="{anchor}"' in program.client.get(address).text


def test_the_description_needs_no_token(client: FlaskClient) -> None:
    assert client.get("/openapi.json").content_type == "application/json"
