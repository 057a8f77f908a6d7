"""Linear's OAuth: install as an app (actor=app), sign people in (actor=user), keep the rotating tokens.

https://linear.app/developers/oauth-2-0-authentication
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

from connector.settings import Settings
from connector.tracker import TrackerUnavailable

APP_SCOPES = ("read", "write", "initiative:read")
PERSON_SCOPES = ("read",)
# Seconds to connect and to wait.
PATIENCE = (4, 15)
# Linear's access tokens live a day; an answer without a lifetime is taken for the shortest that was ever seen.
SHORTEST_LIFE = 3600

Actor = Literal["app", "user"]


class GrantRefused(Exception):
    """Linear will not give tokens for this any more (invalid_grant): somebody must connect again. Never retried."""

    reason = "reconnect_needed"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens and when the access token ends. `scope` as granted."""

    access: str
    refresh: str | None
    expires_at: datetime
    scope: tuple[str, ...]

    def as_stored(self) -> dict[str, Any]:
        """Return what is sealed into the connection's credential."""
        return {
            "access": self.access,
            "refresh": self.refresh,
            "expires_at": self.expires_at.isoformat(),
            "scope": list(self.scope),
        }

    @classmethod
    def from_stored(cls, kept: Mapping[str, Any]) -> Tokens:
        """Return the tokens from an opened credential."""
        expires_at = datetime.fromisoformat(kept["expires_at"])
        return cls(kept["access"], kept["refresh"], expires_at, tuple(kept["scope"]))


class LinearOAuth:
    """The four calls of OAuth, on addresses from the settings and never from an answer."""

    def __init__(self, settings: Settings) -> None:
        self._id = settings.linear_client_id
        self._secret = settings.linear_client_secret
        self._callback = f"{settings.base_url}/linear/callback"
        self._authorize = f"{settings.linear_oauth_url}/authorize"
        # Tokens are dealt with by the API's host: https://api.linear.app/oauth/token.
        api = urlsplit(settings.linear_api_url)
        self._tokens = f"{api.scheme}://{api.netloc}/oauth/token"
        self._revoke = f"{api.scheme}://{api.netloc}/oauth/revoke"

    @property
    def configured(self) -> bool:
        """Whether the operator registered an OAuth application."""
        return bool(self._id and self._secret)

    def authorize_url(self, state: str, verifier: str, actor: Actor) -> str:
        """Return where to send the browser; PKCE with S256, since the code travels through it."""
        scopes = APP_SCOPES if actor == "app" else PERSON_SCOPES
        with self._session(scope=",".join(scopes)) as session:
            url, _ = session.create_authorization_url(
                self._authorize, state=state, code_verifier=verifier, actor=actor, prompt="consent"
            )
        return str(url)

    def exchange(self, code: str, verifier: str, now: datetime) -> Tokens:
        """Trade the callback's code for tokens; raises GrantRefused, TrackerUnavailable."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._callback}
        return self._ask(form | {"code_verifier": verifier}, now)

    def refresh(self, refresh_token: str, now: datetime) -> Tokens:
        """Trade a refresh token for a new pair; raises GrantRefused, TrackerUnavailable."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token}, now)

    def revoke(self, token: str) -> None:
        """Give a token back; what Linear no longer knows is as good as revoked. Raises TrackerUnavailable."""
        answer = self._post(self._revoke, {"token": token})
        if answer.status_code >= 500:
            raise TrackerUnavailable(f"Linear answered {answer.status_code} to a revocation")

    def _ask(self, form: Mapping[str, str], now: datetime) -> Tokens:
        answer = self._post(self._tokens, {**form, "client_id": self._id, "client_secret": self._secret})
        said = _object(answer)
        if said.get("error") == "invalid_grant":
            raise GrantRefused(str(said.get("error_description") or "invalid_grant")[:200])
        if answer.status_code in (401, 403) or said.get("error") in ("invalid_client", "unauthorized_client"):
            # The operator's mistake, not the workspace's: its grant is as good as before once the setting is right.
            raise TrackerUnavailable("Linear does not accept LADDER_LINEAR_CLIENT_ID and LADDER_LINEAR_CLIENT_SECRET")
        access = said.get("access_token")
        if answer.status_code != 200 or not isinstance(access, str) or not access:
            raise TrackerUnavailable(f"Linear answered {answer.status_code} to a token request")
        life = said.get("expires_in")
        seconds = life if isinstance(life, int) and not isinstance(life, bool) and life > 0 else SHORTEST_LIFE
        refresh = said.get("refresh_token")
        return Tokens(
            access=access,
            refresh=refresh if isinstance(refresh, str) and refresh else None,
            expires_at=now + timedelta(seconds=seconds),
            scope=_scope(said.get("scope")),
        )

    def _post(self, address: str, form: Mapping[str, str]) -> requests.Response:
        try:
            return requests.post(address, data=dict(form), timeout=PATIENCE, allow_redirects=False)
        except requests.RequestException as error:
            # Not the error itself: its text may quote the request.
            raise TrackerUnavailable(f"Linear's sign-in does not answer ({type(error).__name__})") from None

    def _session(self, scope: str) -> OAuth2Session:
        return OAuth2Session(
            self._id, self._secret, scope=scope, redirect_uri=self._callback, code_challenge_method="S256"
        )


def new_verifier() -> str:
    """Return a fresh PKCE verifier."""
    return str(generate_token(64))


def _scope(value: object) -> tuple[str, ...]:
    """Return the granted scopes; Linear writes them with spaces, with commas or as an array."""
    if isinstance(value, str):
        return tuple(part for part in value.replace(",", " ").split() if part)
    return tuple(str(part) for part in value) if isinstance(value, list) else ()


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
