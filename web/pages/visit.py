"""Who is looking: a sealed cookie with the person, the anti-forgery token and what is to be said on the next page."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Request, Response

from connector.core import Core
from connector.vault import SealBroken

LASTS = timedelta(days=14)
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Browsers drop cookies beyond 4096 bytes without a word; notices are cut so that sealing stays below it.
MAX_NOTICES = 2
MAX_NOTICE_TEXT = 300


@dataclass(slots=True)
class Notice:
    """One sentence for the next page; `undo` is a form to be sent back: {"action": path, "fields": {...}}."""

    text: str
    tone: str = "done"
    undo: dict[str, Any] | None = None


@dataclass(slots=True)
class Visit:
    """What the cookie holds. `changed` tells whether it must be written again."""

    token: str
    person_id: str | None = None
    until: float = 0.0
    notices: list[Notice] = field(default_factory=list)
    changed: bool = False

    def sign_in(self, person_id: str, now: datetime) -> None:
        """Let the person in, with a fresh anti-forgery token.

        A token from before the sign-in may be known to whoever prepared the browser (session fixation).
        """
        self.token = secrets.token_urlsafe(24)
        self.person_id = person_id
        self.until = (now + LASTS).timestamp()
        self.changed = True

    def sign_out(self) -> None:
        """Forget the person."""
        self.token = secrets.token_urlsafe(24)
        self.person_id = None
        self.notices = []
        self.changed = True

    def say(self, text: str, tone: str = "done", undo: dict[str, Any] | None = None) -> None:
        """Keep a sentence for the next page that is shown."""
        self.notices = [*self.notices, Notice(text[:MAX_NOTICE_TEXT], tone, undo)][-MAX_NOTICES:]
        self.changed = True

    def take_notices(self) -> list[Notice]:
        """Return what is to be said now, once."""
        said, self.notices = self.notices, []
        self.changed = self.changed or bool(said)
        return said


def is_secure(core: Core) -> bool:
    """Tell whether cookies must be Secure: always, except for a trial on this very machine."""
    address = urlsplit(core.settings.base_url)
    return address.scheme == "https" or address.hostname not in LOOPBACK


def cookie_name(core: Core) -> str:
    """Return the cookie's name; with `__Host-` a neighbouring subdomain can't plant one (cookie tossing)."""
    return "__Host-ladder" if is_secure(core) else "ladder"


def read_visit(core: Core, request: Request) -> Visit:
    """Open the visitor's cookie; one that is missing, damaged, forged or too old gives a fresh, nameless visit."""
    sealed = request.cookies.get(cookie_name(core), "")
    fresh = Visit(token=secrets.token_urlsafe(24))
    if not sealed:
        return fresh
    try:
        kept = json.loads(core.vault.open("pages", "visit", sealed))
        visit = Visit(
            token=kept["token"],
            person_id=kept["person_id"],
            until=kept["until"],
            notices=[Notice(**notice) for notice in kept["notices"]],
        )
    except (SealBroken, KeyError, TypeError, ValueError):
        return fresh
    if visit.person_id and visit.until < core.clock().timestamp():
        return fresh
    return visit


def write_visit(core: Core, response: Response, visit: Visit) -> None:
    """Send the cookie if anything in it changed."""
    if not visit.changed:
        return
    kept = {
        "token": visit.token,
        "person_id": visit.person_id,
        "until": visit.until,
        "notices": [asdict(notice) for notice in visit.notices],
    }
    response.set_cookie(
        cookie_name(core),
        core.vault.seal("pages", "visit", json.dumps(kept, ensure_ascii=False)),
        max_age=LASTS,
        secure=is_secure(core),
        httponly=True,
        samesite="Lax",
        path="/",
    )
