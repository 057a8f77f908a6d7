"""Connect tokens that a site signs with its shared secret: one verifier for each kind, none of which takes another's.

| kind    | where it travels          | `qsh`                  | who says it                      |
|---------|---------------------------|------------------------|----------------------------------|
| page    | `?jwt=` of an iframe      | hash of the request    | Jira, for the person looking     |
| webhook | `Authorization: JWT`      | hash of the request    | Jira itself                      |
| context | `Authorization: JWT`      | the word `context-qsh` | Jira's page bridge, for a person |

The tokens that sign `installed` and `uninstalled` are another matter: see install_tokens.py.
https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
from werkzeug.wrappers import Request

from connector.core import Core
from connector.models import Connection
from jira_app.query_string_hash import query_string_hash, raw_target
from jira_app.refusal import TokenRefused, refusals_told
from jira_app.tenants import Tenant, Tenants

ALGORITHM = "HS256"
CONTEXT_HASH = "context-qsh"
# Seconds by which the site's clock and ours may differ.
LEEWAY = 3
# Jira's own live for 3 to 15 minutes. One made to live longer than a day was made by somebody else, to be kept.
LONGEST_LIFE = 24 * 60 * 60
# Characters. Real ones have under 2,000; decoding is work that anybody can ask for.
LONGEST_TOKEN = 16_384
LONGEST_ACCOUNT_ID = 128
_CLAIMS = jwt.PyJWT({"require": ["iss", "exp", "qsh"], "verify_aud": False})


@dataclass(frozen=True, slots=True)
class JiraCaller:
    """A proven caller: their site, their account there (empty: nobody signed in) and what Jira says they look at."""

    connection: Connection
    account_id: str
    origin: str
    context: Mapping[str, Any] = field(default_factory=dict)


@refusals_told("page")
def verified_page(core: Core, request: Request) -> JiraCaller:
    """Prove who looks at an iframe page, by its `?jwt=`; raises TokenRefused."""
    tenant, claims = _proven(_tenants(core), _token_in_query(request))
    _check_request_hash(core.settings.base_url, request, claims)
    return _caller(tenant, claims)


@refusals_told("context")
def verified_context(core: Core, request: Request) -> JiraCaller:
    """Prove who makes a call from inside a page, by the token that the page bridge gave it; raises TokenRefused."""
    tenant, claims = _proven(_tenants(core), header_token(request))
    # A page or webhook token is bound to one address; taken here, a leaked one would open every call instead.
    if claims["qsh"] != CONTEXT_HASH:
        raise TokenRefused("not_a_context_token")
    return _caller(tenant, claims)


@refusals_told("webhook")
def verified_webhook(tenants: Tenants, base_url: str, request: Request) -> Tenant:
    """Prove which site delivers a webhook; raises TokenRefused."""
    tenant, claims = _proven(tenants, header_token(request))
    _check_request_hash(base_url, request, claims)
    return tenant


def _token_in_query(request: Request) -> str:
    # Two tokens at once: whatever reads the one that we did not check would be fooled.
    tokens = request.args.getlist("jwt")
    if "Authorization" in request.headers or len(tokens) > 1:
        raise TokenRefused("two_tokens")
    if not tokens:
        raise TokenRefused("no_token")
    return tokens[0]


def header_token(request: Request) -> str:
    """Return what follows `Authorization: JWT`; raises TokenRefused, also when a second token is in the query."""
    scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if request.environ.get("QUERY_STRING") and "jwt" in request.args:
        raise TokenRefused("two_tokens" if token else "token_in_wrong_place")
    if scheme.upper() != "JWT" or not token:
        raise TokenRefused("no_token")
    return str(token)


def _proven(tenants: Tenants, token: str) -> tuple[Tenant, dict[str, Any]]:
    """Return the site that signed the token, and its claims."""
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("token_too_long")
    issuer = _alleged_issuer(token)
    tenant = tenants.find(issuer)
    if tenant is None:
        raise TokenRefused("unknown_tenant")
    try:
        return tenant, _signed_claims(token, tenant)
    except jwt.InvalidSignatureError:
        # The secret that we remember may be a moment old: installed again, the site signs with the new one at once.
        tenant = tenants.read(issuer)
    except jwt.InvalidTokenError as error:
        raise TokenRefused(_reason(error)) from None
    if tenant is None:
        raise TokenRefused("unknown_tenant")
    try:
        return tenant, _signed_claims(token, tenant)
    except jwt.InvalidTokenError as error:
        raise TokenRefused(_reason(error)) from None


def _alleged_issuer(token: str) -> str:
    """Return who the token says it is from: only good for choosing the secret that then proves it."""
    header, _, rest = token.partition(".")
    # Pinned before any key is looked up: `none` needs no key, and RS256 would make a public key do as a secret.
    if _algorithm(header) != ALGORITHM:
        raise TokenRefused("wrong_algorithm")
    issuer = _unproven(rest.partition(".")[0]).get("iss")
    if not isinstance(issuer, str) or not 0 < len(issuer) <= 255 or not issuer.isprintable():
        raise TokenRefused("no_issuer")
    return issuer


# The few headers that sites write are the same in every token.
@lru_cache(maxsize=64)
def _algorithm(header: str) -> object:
    return _unproven(header).get("alg")


def _unproven(segment: str) -> dict[str, Any]:
    """Decode a part of a token without knowing who wrote it."""
    try:
        found = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):
        raise TokenRefused("not_a_token") from None
    if not isinstance(found, dict):
        raise TokenRefused("not_a_token")
    return found


def _signed_claims(token: str, tenant: Tenant) -> dict[str, Any]:
    """Check signature and times; one signed with the secret before the last installation passes during its grace."""
    for secret in tenant.secrets[:-1]:
        try:
            return _claims(token, secret)
        except jwt.InvalidSignatureError:
            continue
    return _claims(token, tenant.secrets[-1])


def _claims(token: str, secret: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = _CLAIMS.decode(token, secret, algorithms=[ALGORITHM], leeway=LEEWAY)
    except jwt.InvalidKeyError:
        # Installed with a "secret" that looks like a public key, with which PyJWT signs nothing.
        raise TokenRefused("unusable_secret") from None
    except (TypeError, ValueError, OverflowError):
        # Signed, but with a time that is a list or infinite: PyJWT only expects numbers.
        raise TokenRefused("unreadable_claim") from None
    check_life(claims)
    return claims


def check_life(claims: Mapping[str, Any]) -> None:
    """Refuse a token that was made to live longer than Jira makes them; raises TokenRefused."""
    issued = claims.get("iat")
    if issued is not None and not 0 <= int(claims["exp"]) - int(issued) <= LONGEST_LIFE:
        raise TokenRefused("lives_too_long")


def _check_request_hash(base_url: str, request: Request, claims: Mapping[str, Any]) -> None:
    # Without it a token for one address, such as one seen in a browser's history, would be good for all.
    expected = query_string_hash(request.method, raw_target(request.environ), base_url)
    if not same_text(claims["qsh"], expected):
        raise TokenRefused("context_token" if claims["qsh"] == CONTEXT_HASH else "wrong_qsh")


def same_text(said: object, expected: str) -> bool:
    """Compare in constant time, whatever was said."""
    return hmac.compare_digest(str(said).encode("utf-8", "replace"), expected.encode())


def _caller(tenant: Tenant, claims: Mapping[str, Any]) -> JiraCaller:
    context = claims.get("context")
    account_id = str(claims.get("sub") or "")
    if len(account_id) > LONGEST_ACCOUNT_ID or not account_id.isprintable():
        raise TokenRefused("unusable_account")
    return JiraCaller(
        connection=tenant.connection,
        account_id=account_id,
        origin=tenant.origin,
        context=context if isinstance(context, dict) else {},
    )


def _tenants(core: Core) -> Tenants:
    tenants = getattr(core.trackers["jira"], "tenants", None)
    if not isinstance(tenants, Tenants):
        raise TypeError("the tracker registered as jira is another package's")
    return tenants


def _reason(error: jwt.InvalidTokenError) -> str:
    """Return PyJWT's error as a metric label: ExpiredSignatureError is expired_signature."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
