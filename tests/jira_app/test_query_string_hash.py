"""The hash that ties a token to a request."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from jira_app import query_string_hash
from jira_app.query_string_hash import canonical_request, raw_target
from tests.shared_refs import refs

BASE = "https://example.com"


def vectors() -> list[Any]:
    """Return the official vectors, none where they are absent."""
    try:
        return list(json.loads(refs("jwt", "qsh-vectors.json").read_text())["tests"])
    except pytest.skip.Exception:
        return []


def test_the_official_vectors_are_all_there() -> None:
    assert len(json.loads(refs("jwt", "qsh-vectors.json").read_text())["tests"]) == 39


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_the_canonical_form_is_the_official_one(vector: dict[str, str]) -> None:
    assert canonical_request("GET", vector["signedUrl"], BASE) == vector["canonicalUrl"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_the_hash_is_the_one_that_atlassian_signed(vector: dict[str, str]) -> None:
    token = vector["signedUrl"].rpartition("jwt=")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert query_string_hash("GET", vector["signedUrl"], BASE) == claims["qsh"]


def test_a_base_path_is_cut_off_on_a_segment_boundary_only() -> None:
    assert canonical_request("GET", "https://x.example/jira/a?b=c", "https://x.example/jira/") == "GET&/a&b=c"
    assert canonical_request("GET", "https://x.example/jirafish", "https://x.example/jira") == "GET&/jirafish&"
    assert canonical_request("GET", "https://x.example/jira", "https://x.example/jira") == "GET&/&"


def test_a_target_without_host_hashes_like_the_whole_address() -> None:
    assert query_string_hash("post", "/a//b;c=1?d=e", "https://x.example") == query_string_hash(
        "POST", "https://x.example/a//b;c=1?d=e", "https://x.example"
    )


def test_a_path_that_begins_with_two_slashes_is_not_taken_for_a_host() -> None:
    assert canonical_request("GET", "//evil.example/a", BASE) == "GET&//evil.example/a&"


def test_values_outside_the_basic_plane_sort_as_the_senders_sort_them() -> None:
    # UTF-16 puts an emoji (a surrogate pair) before U+FF5E; code points would put it after.
    assert canonical_request("GET", "/t?a=%EF%BD%9E&a=%F0%9F%98%80", BASE) == "GET&/t&a=%F0%9F%98%80,%EF%BD%9E"


def test_broken_escapes_do_not_break_the_hash() -> None:
    assert canonical_request("GET", "/t?a=%ZZ&%FF=1&&=", BASE) == "GET&/t&=&%EF%BF%BD=1&a=%25ZZ"


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
def test_the_raw_target_is_taken_where_the_server_hands_it_on(name: str) -> None:
    environ = {name: "/a%2Fb;c?d=%2C", "PATH_INFO": "/a/b;c", "QUERY_STRING": "d=%2C"}
    assert raw_target(environ) == "/a%2Fb;c?d=%2C"


def test_without_a_raw_target_the_decoded_path_is_encoded_again() -> None:
    environ = {"PATH_INFO": "/jira/caf\u00c3\u00a9 (1)", "QUERY_STRING": "a=b%20c", "SCRIPT_NAME": "/ladder"}
    assert raw_target(environ) == "/ladder/jira/caf%C3%A9%20(1)?a=b%20c"
    assert raw_target({"PATH_INFO": "/jira/webhooks"}) == "/jira/webhooks"


def test_a_raw_target_of_another_request_is_not_believed() -> None:
    environ = {"REQUEST_URI": "/jira/panel", "PATH_INFO": "/jira/webhooks", "QUERY_STRING": "a=b"}
    assert raw_target(environ) == "/jira/webhooks?a=b"


def test_an_absolute_target_is_one_too() -> None:
    environ = {"RAW_URI": "http://x.example/a%20b?c", "PATH_INFO": "/a b"}
    assert canonical_request("GET", raw_target(environ), BASE) == "GET&/a%20b&c="
