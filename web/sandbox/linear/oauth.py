"""Linear's OAuth as seen from the other side: applications, consent, codes, rotating tokens, revocation.

Life times follow the published contract: access tokens a day, codes ten minutes, and a refresh token that was used
can be sent again for 30 minutes, which then gives the same new pair, for answers that were lost on the way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .records import User
from .state import NotAllowedError

if TYPE_CHECKING:
    from .events import EventedWorkspace

ACCESS_LIFE = timedelta(hours=24)
CODE_LIFE = timedelta(minutes=10)
REPLAY = timedelta(minutes=30)
SCOPES = frozenset(
    {"read", "write", "issues:create", "comments:create", "timeSchedule:write", "admin", "initiative:read",
     "initiative:write", "app:assignable", "app:mentionable", "customer:read", "customer:write"}
)  # fmt: skip
# Scopes that nobody may ask for as an application.
NOT_FOR_APPS = frozenset({"admin"})


class OAuthError(Exception):
    """A refusal with OAuth's `error` word; `status` is the HTTP status of the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(slots=True)
class OAuthApp:
    """An application registered with Linear: one webhook address and one signing secret for all workspaces."""

    client_id: str
    client_secret: str
    name: str
    redirect_uris: list[str]
    webhook_url: str = ""
    webhook_secret: str = ""

    @property
    def origins(self) -> list[str]:
        parts = [urlsplit(address) for address in (*self.redirect_uris, self.webhook_url) if address]
        return sorted({f"{one.scheme}://{one.netloc}" for one in parts})


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """A checked visit to the authorize page."""

    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    actor: str
    challenge: str


@dataclass(slots=True)
class Grant:
    """What somebody agreed to. `user_id` acts in the calls; for actor=app that is the application's own user."""

    id: str
    user_id: str
    agreed_by: str
    actor: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(slots=True)
class _Code:
    request: AuthorizeRequest
    grant: Grant
    issued_at: datetime
    used: bool = False


@dataclass(slots=True)
class _Pair:
    access: str
    refresh: str
    grant: Grant
    issued_at: datetime
    replaced_at: datetime | None = None
    successor: _Pair | None = field(default=None, repr=False)


class OAuthServer:
    """Everything that gives or takes tokens in one workspace."""

    def __init__(self, workspace: EventedWorkspace) -> None:
        self._workspace = workspace
        self.app: OAuthApp | None = None
        self.grants: list[Grant] = []
        self.scope_as_array = False
        """Linear was seen to write `scope` with spaces and as an array."""
        self.pending_error: str | None = "pending_approval"
        """What the callback gets when somebody who may not install asks an admin; None: neither code nor error."""
        self.requests_pending: list[str] = []
        """Ids of the people who asked for approval."""
        self.refreshes = 0
        """How many refresh requests were answered with tokens, replays included."""
        self._app_user_id: str | None = None
        self._codes: dict[str, _Code] = {}
        self._by_access: dict[str, _Pair] = {}
        self._by_refresh: dict[str, _Pair] = {}

    # -- the application

    def register(
        self,
        *,
        redirect_uri: str,
        webhook_url: str = "",
        webhook_secret: str = "lin_wh_stand_in_secret",  # noqa: S107 - a made-up secret of a stand-in
        client_id: str = "stand-in-client",
        client_secret: str = "stand-in-client-secret",  # noqa: S107 - a made-up secret of a stand-in
        name: str = "Ladder",
    ) -> OAuthApp:
        """Register the application, or change its registration."""
        self.app = OAuthApp(client_id, client_secret, name, [redirect_uri], webhook_url, webhook_secret)
        self._workspace.changed()
        return self.app

    @property
    def app_user(self) -> User | None:
        return self._workspace.users.get(self._app_user_id or "")

    @property
    def installed(self) -> bool:
        """Whether the application is a member of this workspace now."""
        user = self.app_user
        return user is not None and user.active

    @property
    def app_grants(self) -> list[Grant]:
        """What keeps the application alive: grants with actor=app that were not revoked."""
        return [one for one in self.grants if one.actor == "app" and one.revoked_at is None]

    # -- the authorize page

    def read_request(self, query: Mapping[str, str]) -> AuthorizeRequest:
        """Check a visit; raises OAuthError, whose page must not send anybody back when the address is not ours."""
        app = self.app
        if app is None or query.get("client_id") != app.client_id:
            raise OAuthError("invalid_client", "There is no application with this client id.")
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in app.redirect_uris:
            raise OAuthError("invalid_redirect_uri", "This callback address is not registered for the application.")
        challenge = query.get("code_challenge", "")
        if query.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code.")
        if challenge and query.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method must be S256.")
        actor = query.get("actor", "user")
        scopes = tuple(part for part in query.get("scope", "read").replace(",", " ").split() if part)
        wrong = [one for one in scopes if one not in SCOPES or (actor == "app" and one in NOT_FOR_APPS)]
        if actor not in ("app", "user") or wrong:
            raise OAuthError("invalid_scope", f"Cannot be asked for: {', '.join(wrong) or actor}.")
        return AuthorizeRequest(redirect_uri, scopes, query.get("state", ""), actor, challenge)

    def agree(self, asked: AuthorizeRequest, person: User) -> str:
        """Say yes; returns where the browser goes. Only an admin may install an application."""
        if asked.actor == "app" and not person.admin:
            raise NotAllowedError(f"{person.name} is not an admin of this workspace and may not install applications.")
        if not person.active:
            raise NotAllowedError(f"{person.name} is no longer a member of this workspace.")
        workspace = self._workspace
        with workspace.lock:
            acting = self._join() if asked.actor == "app" else person
            grant = Grant(workspace.new_id(), acting.id, person.id, asked.actor, asked.scopes, workspace.stamp())
            code = secrets.token_hex(20)
            self._codes[code] = _Code(asked, grant, workspace.now())
            return _address(asked.redirect_uri, code=code, state=asked.state)

    def decline(self, asked: AuthorizeRequest) -> str:
        """Say no; returns where the browser goes."""
        return _address(
            asked.redirect_uri,
            error="access_denied",
            error_description="The user denied the request",
            state=asked.state,
        )

    def ask_admin(self, asked: AuthorizeRequest, person: User) -> str:
        """Leave the decision to an admin; returns where the browser goes."""
        self.requests_pending.append(person.id)
        if self.pending_error is None:
            return _address(asked.redirect_uri, state=asked.state)
        description = "The request waits for the approval of a workspace admin"
        return _address(asked.redirect_uri, error=self.pending_error, error_description=description, state=asked.state)

    def visit(self, address: str, *, person: str | User | None = None, answer: str = "agree") -> str:
        """Do what a person would do on the authorize page at `address`: agree, decline or ask; returns the callback."""
        asked = self.read_request(dict(parse_qsl(urlsplit(address).query, keep_blank_values=True)))
        who = self._workspace.user(person) if person is not None else self._workspace.admin
        match answer:
            case "agree":
                return self.agree(asked, who)
            case "decline":
                return self.decline(asked)
            case "ask":
                return self.ask_admin(asked, who)
            case _:
                raise ValueError(answer)

    # -- the token endpoint

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer POST /oauth/token; raises OAuthError."""
        app = self.app
        known = app is not None and hmac.compare_digest(form.get("client_id", ""), app.client_id)
        if not known or app is None or not hmac.compare_digest(form.get("client_secret", ""), app.client_secret):
            raise OAuthError("invalid_client", "Client id and secret do not fit.", 401)
        with self._workspace.lock:
            match form.get("grant_type"):
                case "authorization_code":
                    pair = self._exchange(form)
                case "refresh_token":
                    pair = self._refresh(form.get("refresh_token", ""))
                case _:
                    raise OAuthError("unsupported_grant_type", "Only authorization_code and refresh_token.")
            return self._answer(pair)

    def revoke(self, token: str) -> None:
        """Answer POST /oauth/revoke; raises OAuthError for a token that is not alive."""
        with self._workspace.lock:
            pair = self._by_access.get(token) or self._by_refresh.get(token)
            if pair is None or pair.grant.revoked_at is not None:
                raise OAuthError("invalid_request", "The token is not known or already revoked.")
            self._end(pair.grant)
            self._tell_authorization(pair.grant)

    def identify(self, access: str) -> Grant:
        """The grant behind an access token; raises OAuthError."""
        pair = self._by_access.get(access)
        if pair is None:
            raise OAuthError("invalid_token", "unknown", 401)
        if pair.grant.revoked_at is not None:
            raise OAuthError("invalid_token", "revoked", 401)
        if self._workspace.now() >= pair.issued_at + ACCESS_LIFE:
            raise OAuthError("invalid_token", "expired", 401)
        return pair.grant

    # -- by hand

    def install(self, scopes: tuple[str, ...] = ("read", "write", "initiative:read")) -> dict[str, Any]:
        """Install the registered application without browser and code; returns what the token endpoint would say."""
        workspace = self._workspace
        if self.app is None:
            raise NotAllowedError("No application is registered.")
        with workspace.lock:
            user = self._join()
            grant = Grant(workspace.new_id(), user.id, workspace.admin.id, "app", scopes, workspace.stamp())
            self.grants.append(grant)
            return self._answer(self._issue(grant))

    def uninstall(self) -> None:
        """An admin removes the application: tokens die, its user leaves, `OAuthApp` revoked is sent."""
        workspace = self._workspace
        with workspace.lock:
            user, app = self.app_user, self.app
            if user is None or app is None or not user.active:
                return
            for grant in self.app_grants:
                self._end(grant)
            user.active = False
            workspace.notice({"type": "OAuthApp", "action": "revoked", "oauthClientId": app.client_id})

    def kill_tokens(self) -> None:
        """Refuse every token there is from now on, without a word to the application."""
        with self._workspace.lock:
            for grant in self.grants:
                self._end(grant)

    def expire_access(self) -> None:
        """End every access token; refresh tokens go on."""
        with self._workspace.lock:
            for pair in self._by_access.values():
                pair.issued_at -= ACCESS_LIFE

    # -- inside

    def _join(self) -> User:
        workspace, app = self._workspace, self.app
        user = self.app_user
        if app is None:
            raise NotAllowedError("No application is registered.")
        if user is None:
            moment = workspace.stamp()
            handle = app.name.casefold()
            address = f"{handle}@oauthapp.{workspace.url_key}.test"
            user = User(workspace.new_id(), app.name, handle, address, "Application", moment, moment, app=True)
            workspace.users[user.id] = user
            self._app_user_id = user.id
        user.active = True
        workspace.changed()
        return user

    def _exchange(self, form: Mapping[str, str]) -> _Pair:
        found = self._codes.get(form.get("code", ""))
        if found is None or self._workspace.now() >= found.issued_at + CODE_LIFE:
            raise OAuthError("invalid_grant", "The code is not known or too old.")
        if found.used:
            # A code that is used twice may have been stolen: nobody keeps what it gave.
            self._end(found.grant)
            raise OAuthError("invalid_grant", "The code was used before.")
        if form.get("redirect_uri") != found.request.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization.")
        if found.request.challenge and not _fits(form.get("code_verifier", ""), found.request.challenge):
            raise OAuthError("invalid_grant", "code_verifier does not fit.")
        found.used = True
        self.grants.append(found.grant)
        return self._issue(found.grant)

    def _refresh(self, token: str) -> _Pair:
        pair = self._by_refresh.get(token)
        now = self._workspace.now()
        if pair is None or pair.grant.revoked_at is not None:
            raise OAuthError("invalid_grant", "The refresh token is not known or was revoked.")
        if pair.successor is None:
            pair.replaced_at, pair.successor = now, self._issue(pair.grant)
        elif pair.replaced_at is None or now >= pair.replaced_at + REPLAY:
            raise OAuthError("invalid_grant", "The refresh token was used before.")
        self.refreshes += 1
        return pair.successor

    def _issue(self, grant: Grant) -> _Pair:
        pair = _Pair(
            f"lin_oauth_{secrets.token_hex(32)}", f"lin_refresh_{secrets.token_hex(32)}", grant, self._workspace.now()
        )
        self._by_access[pair.access] = pair
        self._by_refresh[pair.refresh] = pair
        return pair

    def _answer(self, pair: _Pair) -> dict[str, Any]:
        left = pair.issued_at + ACCESS_LIFE - self._workspace.now()
        return {
            "access_token": pair.access,
            "token_type": "Bearer",
            "expires_in": max(0, math.ceil(left.total_seconds()) - 1),
            "refresh_token": pair.refresh,
            "scope": list(pair.grant.scopes) if self.scope_as_array else " ".join(pair.grant.scopes),
        }

    def _end(self, grant: Grant) -> None:
        if grant.revoked_at is None:
            grant.revoked_at = self._workspace.stamp()

    def _tell_authorization(self, grant: Grant) -> None:
        workspace, app = self._workspace, self.app
        if app is None:
            return
        person = workspace.users[grant.user_id]
        alive = sum(1 for one in self.grants if one.user_id == person.id and one.revoked_at is None)
        body: dict[str, Any] = {
            "type": "OAuthAuthorization",
            "action": "revoked",
            "oauthClientId": app.client_id,
            "oauthClient": {"id": app.client_id, "name": app.name},
            "userId": person.id,
            "user": {
                "id": person.id,
                "name": person.name,
                "email": person.email,
                "url": workspace.user_url(person),
            },
            "activeTokensForUser": alive,
        }
        workspace.notice(body)


def _fits(verifier: str, challenge: str) -> bool:
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return 43 <= len(verifier) <= 128 and hmac.compare_digest(digest, challenge)


def _address(base: str, **values: str) -> str:
    parts = urlsplit(base)
    query = "&".join(filter(None, [parts.query, urlencode({name: value for name, value in values.items() if value})]))
    return urlunsplit(parts._replace(query=query))
