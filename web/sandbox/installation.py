"""Installing the app: reads its descriptor and does the signed `installed` and `uninstalled` calls."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests

from .signing import query_string_hash

if TYPE_CHECKING:
    from .events import EventedSite

TIME_OUT = 10.0
SCOPES = ("READ", "WRITE", "DELETE", "PROJECT_ADMIN", "ADMIN")
"""Each scope grants the ones before it, except that ADMIN stands above PROJECT_ADMIN."""


class InstallError(Exception):
    """The app could not be installed; `reason` names the step, `status` is the app's answer if it gave one."""

    def __init__(self, reason: str, detail: str, status: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.status = status


@dataclass(slots=True)
class Installation:
    """An installed app: its descriptor as read at install time and the secret both sides share."""

    descriptor: dict[str, Any]
    source_url: str
    shared_secret: str
    installed_at: datetime

    @property
    def key(self) -> str:
        return str(self.descriptor["key"])

    @property
    def name(self) -> str:
        return str(self.descriptor.get("name") or self.key)

    @property
    def base_url(self) -> str:
        return str(self.descriptor["baseUrl"]).rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port of the app: the only origin its iframes may speak from."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def url(self, path: str) -> str:
        """A descriptor URL made absolute: those of modules are relative to `baseUrl`."""
        return path if path.startswith(("http://", "https://")) else self.base_url + "/" + path.lstrip("/")

    def allows(self, scope: str) -> bool:
        """Whether the descriptor asked for a scope, or for one that includes it."""
        granted = {SCOPES.index(one.upper()) for one in self.descriptor.get("scopes", []) if one.upper() in SCOPES}
        return scope == "NONE" or (scope in SCOPES and max(granted, default=-1) >= SCOPES.index(scope))

    def modules(self, kind: str) -> list[dict[str, Any]]:
        found = self.descriptor.get("modules", {}).get(kind, [])
        return [found] if isinstance(found, dict) else list(found)

    def module(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """The kind and body of the module with this key."""
        for kind in self.descriptor.get("modules", {}):
            for module in self.modules(kind):
                if module.get("key") == key:
                    return kind, module
        return None

    def webhooks(self, event: str) -> list[dict[str, Any]]:
        return [module for module in self.modules("webhooks") if module.get("event") == event]


def read_descriptor(app_url: str) -> tuple[dict[str, Any], str]:
    """The descriptor behind an app's address (its root or the descriptor itself) and where it was found."""
    url = app_url if app_url.endswith(".json") else urljoin(app_url.rstrip("/") + "/", "atlassian-connect.json")
    try:
        answer = _http().get(url, timeout=TIME_OUT, allow_redirects=False)
    except requests.RequestException as error:
        raise InstallError("descriptor_unreachable", f"{url}: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise InstallError("descriptor_unreachable", url, answer.status_code)
    try:
        descriptor = answer.json()
    except ValueError as error:
        raise InstallError("descriptor_broken", "not JSON") from error
    check_descriptor(descriptor)
    return descriptor, url


def check_descriptor(descriptor: Mapping[str, Any]) -> None:
    """Refuse what Jira refuses at installation; https is waived for loopback addresses only."""

    def demand(condition: bool, detail: str) -> None:
        if not condition:
            raise InstallError("descriptor_broken", detail)

    demand(isinstance(descriptor, Mapping), "not an object")
    key = str(descriptor.get("key", ""))
    demand(bool(re.fullmatch(r"[a-zA-Z0-9._-]{1,64}", key)), "key: 1 to 64 letters, digits, dots, dashes")
    base = urlsplit(str(descriptor.get("baseUrl", "")))
    loopback = base.hostname in ("127.0.0.1", "localhost", "::1")
    demand(base.scheme == "https" or (base.scheme == "http" and loopback), "baseUrl: https, or http on loopback")
    demand(not base.query and not base.fragment, "baseUrl: no query")
    demand(descriptor.get("authentication", {}).get("type", "").lower() == "jwt", "authentication: type jwt")
    lifecycle = descriptor.get("lifecycle", {})
    demand(str(lifecycle.get("installed", "")).startswith("/"), "lifecycle.installed: a path relative to baseUrl")
    migrations = descriptor.get("apiMigrations", {})
    demand(migrations.get("signed-install") is True, "apiMigrations: signed-install")
    seen: set[str] = set()
    modules = descriptor.get("modules", {})
    demand(isinstance(modules, Mapping), "modules: an object")
    for kind, found in modules.items():
        for module in [found] if isinstance(found, dict) else found:
            name = module.get("key")
            if kind == "webhooks":
                demand(bool(module.get("event")) and bool(module.get("url")), "webhooks: event and url")
                continue
            demand(
                bool(re.fullmatch(r"[a-zA-Z0-9-]{1,100}", str(name or ""))), f"{kind}: key with letters, digits, dashes"
            )
            demand(name not in seen, f"{kind}: key {name} used twice")
            seen.add(str(name))


def new_secret() -> str:
    return secrets.token_urlsafe(48)


def lifecycle_body(site: EventedSite, installation: Installation, event: str) -> dict[str, Any]:
    """The body of a lifecycle call; only `installed` carries the secret."""
    body = {
        "key": installation.key,
        "clientKey": site.client_key,
        "oauthClientId": site.oauth_client_id,
        "publicKey": site.legacy_public_key,
        "serverVersion": "100302",
        "pluginsVersion": "1001.0.0-SNAPSHOT",
        "baseUrl": site.base_url,
        "displayUrl": site.base_url,
        "productType": "jira",
        "description": f"Stand-in Jira site {site.name} - not Atlassian",
        "eventType": event,
        "cloudId": site.cloud_id,
        "displayUrlServicedeskHelpCenter": site.base_url,
    }
    if event == "installed":
        body["sharedSecret"] = installation.shared_secret
    return body


def lifecycle_token(site: EventedSite, installation: Installation, url: str, **overrides: Any) -> str:
    """The RS256 token of a lifecycle call; `overrides` replaces claims, for tests that forge."""
    now = site.now()
    claims = {
        "iss": site.client_key,
        "aud": [installation.base_url],
        "sub": site.admin.account_id,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=3)).timestamp()),
        "qsh": query_string_hash("POST", url, installation.base_url),
        "context": {},
        **overrides,
    }
    return site.install_key.sign({name: value for name, value in claims.items() if value is not None})


def call_lifecycle(site: EventedSite, installation: Installation, event: str) -> int | None:
    """Do the signed call for `installed` or `uninstalled`; the app's status, None if it did not ask for the call."""
    path = installation.descriptor.get("lifecycle", {}).get(event)
    if not path:
        return None
    url = installation.url(path)
    try:
        answer = _http().post(
            url,
            json=lifecycle_body(site, installation, event),
            headers={"Authorization": f"JWT {lifecycle_token(site, installation, url)}"},
            timeout=TIME_OUT,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise InstallError("app_unreachable", f"{url}: {type(error).__name__}") from error
    return answer.status_code


def _http() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
