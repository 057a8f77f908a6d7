"""A Jira site as tests see it: it signs whatever a test wants signed, genuine or forged."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from jira_app import query_string_hash

LADDER = "https://ladder.example.com"
KEY_HOST = "https://keys.example.com"
SECOND_KEY_HOST = "https://more-keys.example.com"


@cache
def rsa_key(name: str = "atlassian") -> rsa.RSAPrivateKey:
    """Return a key pair, made once per run and name: making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the public half, as a key host serves it."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@dataclass
class Acme:
    """One site; `claims` given to a method replace what it would say, and None leaves a claim out."""

    client_key: str = "acme-client-key"
    site: str = "https://acme.atlassian.net"
    secret: str = "acme-shared-secret-of-forty-eight-characters-or-so"
    cloud_id: str = "12473c50-19c6-51bf-9873-5fcc7a481b99"
    kid: str = "0f8fad5b-d9cb-469f-a165-70867728950e"
    key: rsa.RSAPrivateKey = field(default_factory=rsa_key, repr=False)

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return the body of an `installed` call."""
        body = {
            "key": "ladder-okr",
            "clientKey": self.client_key,
            "sharedSecret": self.secret,
            "publicKey": "legacy",
            "baseUrl": self.site,
            "displayUrl": self.site,
            "productType": "jira",
            "description": "Acme",
            "eventType": "installed",
            "serverVersion": "100302",
            "cloudId": self.cloud_id,
            "oauthClientId": "legacy",
        } | changes
        return {name: value for name, value in body.items() if value is not None}

    def lifecycle_claims(self, path: str, **claims: Any) -> dict[str, Any]:
        """Return the claims of a lifecycle call to `path`."""
        now = int(time.time())
        return _without_none(
            {
                "iss": self.client_key,
                "aud": [LADDER],
                "iat": now,
                "exp": now + 180,
                "qsh": query_string_hash("POST", LADDER + path, LADDER),
            }
            | claims
        )

    def lifecycle_token(self, path: str = "/jira/installed", **claims: Any) -> str:
        """Return the RS256 token of a lifecycle call."""
        signed = self.lifecycle_claims(path, **claims)
        return jwt.encode(signed, self.key, algorithm="RS256", headers={"kid": self.kid})

    def claims(self, method: str, target: str, **claims: Any) -> dict[str, Any]:
        """Return the claims of a page or webhook token for one request."""
        now = int(time.time())
        return _without_none(
            {
                "iss": self.client_key,
                "iat": now,
                "exp": now + 180,
                "qsh": query_string_hash(method, LADDER + target, LADDER),
            }
            | claims
        )

    def token(self, method: str = "POST", target: str = "/jira/webhooks", **claims: Any) -> str:
        """Return an HS256 token for one request."""
        return by_hand(self.claims(method, target, **claims), self.secret)

    def context_token(self, **claims: Any) -> str:
        """Return what the page bridge gives out."""
        return self.token("GET", "/", **({"qsh": "context-qsh", "sub": "712020:ada", "context": {}} | claims))

    def page(self, target: str, **claims: Any) -> str:
        """Return `target` with a page token in its query."""
        token = self.token("GET", target, **({"sub": "712020:ada", "context": {}} | claims))
        return f"{target}{'&' if '?' in target else '?'}jwt={quote(token)}"


def signed(token: str) -> dict[str, str]:
    """Return the header in which tokens travel."""
    return {"Authorization": f"JWT {token}"}


def by_hand(claims: dict[str, Any], secret: str, **header: Any) -> str:
    """Return an HS256 token, also one that a careful library refuses to make."""
    parts = ({"alg": "HS256", "typ": "JWT"} | header, claims)
    content = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return b".".join((content, _base64(hmac.digest(secret.encode(), content, "sha256")))).decode()


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """Return a token with `alg: none`."""
    return by_hand(claims, "", alg="none", **header).rpartition(".")[0] + "."


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _without_none(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
