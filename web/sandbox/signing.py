"""Connect tokens as the Jira side makes and checks them.

Written apart from Ladder's own verifiers on purpose: when both sides agree, two readings of the specification agree,
and not one piece of code with itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CONTEXT_HASH = "context-qsh"
"""What the `qsh` claim of a context token says instead of a hash."""

TOKEN_LIFE = timedelta(minutes=3)
"""Life of page and webhook tokens, and the longest that the site accepts from an app."""

CLOCK_LEEWAY = 3
"""Seconds by which the clocks of the two sides may differ."""


class TokenError(Exception):
    """The app's token is not acceptable; `reason` says why in one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def query_string_hash(method: str, url: str, base_url: str = "") -> str:
    """The Connect `qsh`: sha256 (hex) of the canonical form of a request.

    `url` is absolute or a path with a query, still percent-encoded as it travels. The path counts from `base_url` on.
    """
    return hashlib.sha256(canonical_request(method, url, base_url).encode()).hexdigest()


def canonical_request(method: str, url: str, base_url: str = "") -> str:
    """`METHOD&path&query`, the text that `query_string_hash` hashes."""
    path, _, query = _after_authority(url).partition("?")
    query = query.partition("#")[0]
    base_path = urlsplit(base_url).path.rstrip("/")
    if base_path and (path == base_path or path.startswith(base_path + "/")):
        path = path[len(base_path) :]
    if not path.startswith("/"):
        path = "/" + path
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    values: dict[str, list[str]] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name != "jwt":
            values.setdefault(_encoded(name), []).append(unquote_plus(value))
    # Names sort as encoded, values as decoded: the published vectors have a case that tells them apart.
    canonical_query = "&".join(f"{name}={','.join(map(_encoded, sorted(values[name])))}" for name in sorted(values))
    return f"{method.upper()}&{path.replace('&', '%26') or '/'}&{canonical_query}"


def _after_authority(url: str) -> str:
    # urlsplit would cut `;` and collapse leading slashes, which the other side hashes as they are.
    if "://" not in url.partition("?")[0]:
        return url
    rest = url.partition("://")[2]
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[cut:]


def _encoded(text: str) -> str:
    return quote(text, safe="~")


@dataclass
class InstallKey:
    """The RSA pair with which the site signs `installed` and `uninstalled`; made when first needed."""

    kid: str = field(default_factory=lambda: str(uuid4()))

    @cached_property
    def private_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def public_pem(self) -> str:
        """The public half as PEM, as a key host serves it."""
        return (
            self.private_key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def sign(self, claims: Mapping[str, Any], **headers: str) -> str:
        """An RS256 token with this key's `kid`; `headers` overrides, for tests that forge."""
        return jwt.encode(dict(claims), self.private_key, algorithm="RS256", headers={"kid": self.kid, **headers})


def shared_secret_token(
    secret: str,
    *,
    issuer: str,
    qsh: str,
    now: datetime,
    life: timedelta = TOKEN_LIFE,
    subject: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> str:
    """An HS256 Connect token; `issuer` is the client key, `subject` an account id."""
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "iat": issued,
        "exp": issued + int(life.total_seconds()),
        "qsh": qsh,
        "context": dict(context or {}),
    }
    if subject is not None:
        claims["sub"] = subject
    return jwt.encode(claims, secret, algorithm="HS256")


def check_app_token(token: str, *, secret: str, app_key: str, qsh: str, now: datetime) -> dict[str, Any]:
    """The claims of a token that the app sent to the REST interface; raises `TokenError`.

    Checked: HS256 and nothing else, signature, issuer, `exp` not past and at most three minutes ahead, `iat` not ahead,
    `qsh`.
    """
    try:
        # Time is checked below against the site's own clock, which tests may turn.
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={
                "require": ["iss", "iat", "exp", "qsh"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
            },
        )
    except jwt.InvalidAlgorithmError as error:
        raise TokenError("wrong_algorithm") from error
    except jwt.InvalidSignatureError as error:
        raise TokenError("bad_signature") from error
    except jwt.MissingRequiredClaimError as error:
        raise TokenError("missing_claim") from error
    except jwt.InvalidTokenError as error:
        raise TokenError("not_a_token") from error
    moment = now.timestamp()
    if not isinstance(claims["exp"], (int, float)) or not isinstance(claims["iat"], (int, float)):
        raise TokenError("missing_claim")
    if claims["iss"] != app_key:
        raise TokenError("wrong_issuer")
    if claims["exp"] + CLOCK_LEEWAY < moment:
        raise TokenError("expired")
    if claims["exp"] > moment + TOKEN_LIFE.total_seconds() + CLOCK_LEEWAY:
        raise TokenError("lives_too_long")
    if claims["iat"] > moment + CLOCK_LEEWAY:
        raise TokenError("issued_ahead")
    if not hmac.compare_digest(str(claims["qsh"]), qsh):
        raise TokenError("wrong_qsh")
    return claims
