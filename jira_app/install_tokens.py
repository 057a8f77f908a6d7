"""The tokens that sign `installed` and `uninstalled`: RS256, with keys that Atlassian publishes.

Everything else rests on what these calls carry (the shared secret), so nothing weaker is ever accepted on their routes.
https://community.developer.atlassian.com/t/action-required-atlassian-connect-installation-lifecycle-security-improvements/49046
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from werkzeug.wrappers import Request

from jira_app.query_string_hash import query_string_hash, raw_target
from jira_app.refusal import TokenRefused, refusals_told
from jira_app.tokens import LEEWAY, LONGEST_TOKEN, check_life, header_token, same_text

ALGORITHM = "RS256"
# Seconds to connect to a key host, and again to wait for its answer.
TIME_OUT = 5.0
# Keys are remembered for an hour: they never change under one id, but one that was withdrawn must not live on here.
REMEMBERED_FOR = 3600.0
REMEMBERED_KEYS = 64
# Bytes. A 4096-bit key in PEM has 800.
LARGEST_KEY = 16_384
SMALLEST_MODULUS = 2048
# Everybody can write a token for us that names a key of their invention, and have us look for it: without a bound a few
# dozen of them would hold all threads while the key hosts are slow. Installations are rare.
FETCHES_AT_ONCE = 4
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# The audience is compared by `_check_addressed_to_us`, which knows about the trailing slash.
_CLAIMS = jwt.PyJWT({"require": ["iss", "aud", "exp", "qsh"], "verify_aud": False})


class KeyHostsUnavailable(Exception):
    """No key host answered, so the token can be neither accepted nor refused (503)."""

    reason = "key_hosts_unavailable"


class InstallKeys:
    """Fetches install keys by id from the configured hosts, in their order."""

    def __init__(self, hosts: Sequence[str], ticks: Callable[[], float] = time.monotonic) -> None:
        self._hosts = tuple(hosts)
        self._ticks = ticks
        self._remembered: OrderedDict[str, tuple[float, RSAPublicKey]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(FETCHES_AT_ONCE)

    def find(self, key_id: str) -> RSAPublicKey:
        """Return the public key; raises TokenRefused if no host has it, KeyHostsUnavailable if that can't be told."""
        known = self._remembered.get(key_id)
        if known and known[0] > self._ticks():
            return known[1]
        if not self._turns.acquire(blocking=False):
            raise KeyHostsUnavailable("too many keys are being fetched")
        try:
            key = self._fetch(key_id)
        finally:
            self._turns.release()
        with self._lock:
            self._remembered[key_id] = (self._ticks() + REMEMBERED_FOR, key)
            while len(self._remembered) > REMEMBERED_KEYS:
                self._remembered.popitem(last=False)
        return key

    def _fetch(self, key_id: str) -> RSAPublicKey:
        all_answered = True
        for host in self._hosts:
            try:
                # A redirect would let one host hand the choice of key to another.
                with requests.get(
                    f"{host}/{quote(key_id, safe='')}", timeout=TIME_OUT, allow_redirects=False, stream=True
                ) as answer:
                    if answer.status_code == 200:
                        return _public_key(next(answer.iter_content(LARGEST_KEY), b""))
                    all_answered = all_answered and answer.status_code < 500
            except requests.RequestException:
                all_answered = False
        if not all_answered:
            raise KeyHostsUnavailable(key_id)
        raise TokenRefused("unknown_key")


class InstallTokens:
    """Checks the signature of lifecycle calls to one base URL."""

    def __init__(self, keys: InstallKeys, base_url: str) -> None:
        self._keys = keys
        self._base_url = base_url.rstrip("/")

    @refusals_told("install")
    def verified(self, request: Request) -> dict[str, Any]:
        """Return the claims of a lifecycle call; raises TokenRefused or KeyHostsUnavailable.

        The body is not covered by the signature: the caller must still bind it to `iss`.
        """
        token = header_token(request)
        key_id = self._key_id(token)
        self._check_addressed_to_us(jwt_claims(token), request)
        key = self._keys.find(key_id)
        try:
            claims: dict[str, Any] = _CLAIMS.decode(token, key, algorithms=[ALGORITHM], leeway=LEEWAY)
        except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError):
            raise TokenRefused("bad_install_token") from None
        check_life(claims)
        self._check_addressed_to_us(claims, request)
        return claims

    def _key_id(self, token: str) -> str:
        if len(token) > LONGEST_TOKEN:
            raise TokenRefused("token_too_long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenRefused("not_a_token") from None
        # Before any key is fetched. HS256 here is the downgrade to the unsigned-install days: whoever knows the
        # secret of one installation could have written it.
        if header.get("alg") != ALGORITHM:
            raise TokenRefused("wrong_algorithm")
        key_id = header.get("kid")
        # It becomes part of an address that we fetch: no slashes, dots or colons to climb out of the host with.
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id) or ".." in key_id:
            raise TokenRefused("bad_key_id")
        return key_id

    def _check_addressed_to_us(self, claims: Mapping[str, Any], request: Request) -> None:
        """Cheap checks, made before a key is fetched too: strangers can't make us call out with a token for others."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        # Another app's token is as well signed as ours. No prefix or substring: https://ours.evil.example is not us.
        if [str(one).rstrip("/") for one in audiences] != [self._base_url]:
            raise TokenRefused("wrong_audience")
        expected = query_string_hash(request.method, raw_target(request.environ), self._base_url)
        if not same_text(claims.get("qsh"), expected):
            raise TokenRefused("wrong_qsh")
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or expires <= time.time() - LEEWAY:
            raise TokenRefused("expired_signature")


def jwt_claims(token: str) -> dict[str, Any]:
    """Return the claims without any check of who made them; raises TokenRefused when there are none."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise TokenRefused("not_a_token") from None
    return claims


def _public_key(pem: bytes) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise TokenRefused("unusable_key") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_MODULUS:
        raise TokenRefused("unusable_key")
    return key
