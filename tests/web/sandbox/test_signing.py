"""The stand-in's reading of the Connect token contract."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from tests.shared_refs import refs
from web.sandbox.signing import (
    InstallKey,
    TokenError,
    canonical_request,
    check_app_token,
    query_string_hash,
    shared_secret_token,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "a secret that both sides know, long enough"


def test_every_official_vector_has_its_canonical_form_and_hash() -> None:
    vectors = json.loads(refs("jwt", "qsh-vectors.json").read_text())
    for case in vectors["tests"]:
        url, method = case["signedUrl"], case["canonicalUrl"].partition("&")[0]
        claims = jwt.decode(
            url.partition("jwt=")[2].partition("&")[0],
            vectors["secret"],
            algorithms=["HS256"],
            options={"verify_exp": False},
        )
        assert canonical_request(method, url, "https://example.com") == case["canonicalUrl"], case["name"]
        assert query_string_hash(method, url, "https://example.com") == claims["qsh"], case["name"]


@pytest.mark.parametrize(
    ("url", "base", "canonical"),
    [
        ("https://a.test/app/x", "https://a.test/app", "GET&/x&"),
        ("https://a.test/application/x", "https://a.test/app", "GET&/application/x&"),
        ("https://a.test/app", "https://a.test/app/", "GET&/&"),
        ("https://a.test", "https://a.test", "GET&/&"),
        ("https://a.test?b=1", "https://a.test", "GET&/&b=1"),
        ("/a//b;v=1?z", "", "GET&/a//b;v=1&z="),
        ("/x?jwt=abc&a=1#part", "", "GET&/x&a=1"),
    ],
)
def test_a_base_path_is_cut_at_a_segment_boundary_only(url: str, base: str, canonical: str) -> None:
    assert canonical_request("get", url, base) == canonical


def app_token(**changes: Any) -> str:
    claims = {
        "iss": "ladder",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 180,
        "qsh": query_string_hash("GET", "/rest/api/3/field"),
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, SECRET, algorithm="HS256")


def check(token: str, secret: str = SECRET) -> dict[str, Any]:
    qsh = query_string_hash("GET", "/rest/api/3/field")
    return check_app_token(token, secret=secret, app_key="ladder", qsh=qsh, now=NOW)


def test_a_token_within_the_contract_is_accepted() -> None:
    assert check(app_token())["iss"] == "ladder"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "somebody-else"}, "wrong_issuer"),
        ({"exp": int(NOW.timestamp()) - 10}, "expired"),
        ({"exp": int(NOW.timestamp()) + 600}, "lives_too_long"),
        ({"iat": int(NOW.timestamp()) + 60}, "issued_ahead"),
        ({"qsh": query_string_hash("GET", "/rest/api/3/status")}, "wrong_qsh"),
        ({"qsh": "context-qsh"}, "wrong_qsh"),
        ({"qsh": None}, "missing_claim"),
        ({"iat": None}, "missing_claim"),
        ({"exp": None}, "missing_claim"),
        ({"exp": "soon"}, "not_a_token"),
    ],
)
def test_a_token_outside_the_contract_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(TokenError) as refused:
        check(app_token(**changes))
    assert refused.value.reason in (reason, "missing_claim")


def test_forged_unsigned_and_garbled_tokens_are_refused() -> None:
    claims = jwt.decode(app_token(), options={"verify_signature": False})
    for token, reason in (
        (jwt.encode(claims, "another secret, also long enough here", algorithm="HS256"), "bad_signature"),
        (jwt.encode(claims, None, algorithm="none"), "wrong_algorithm"),
        (jwt.encode(claims, SECRET * 2, algorithm="HS512"), "wrong_algorithm"),
        (InstallKey().sign(claims), "wrong_algorithm"),
        ("not.a.token", "not_a_token"),
    ):
        with pytest.raises(TokenError) as refused:
            check(token)
        assert refused.value.reason == reason


def test_the_site_signs_for_three_minutes_and_names_the_person() -> None:
    token = shared_secret_token(SECRET, issuer="client", qsh="q", now=NOW, subject="somebody")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims["exp"] - claims["iat"] == timedelta(minutes=3).total_seconds()
    assert claims["sub"] == "somebody"
