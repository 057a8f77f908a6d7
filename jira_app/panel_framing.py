"""What an answer of the panel needs to stand in Jira's iframe, and nowhere else."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, current_app, url_for

from connector.core import Core

NEVER_CACHED = "no-cache, no-store"


def framed(core: Core, response: Response, ancestors: str) -> Response:
    """Let `ancestors` frame a page, and let the page run our script and Jira's bridge, nothing inline.

    `ancestors` come from what we have proven or configured, never from the address (`xdm_e` is written by whoever
    frames us, so it would invite clickjacking).
    """
    bridge = _origin(core.settings.connect_script_url)
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {bridge}",
            # The bridge brings Jira's theme as style sheets of its own.
            f"style-src 'self' {bridge}",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors " + (ancestors or "'none'"),
        )
    )
    response.headers["Cache-Control"] = NEVER_CACHED
    # The page's address holds a token; nothing that is followed from here may learn it.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def any_site(core: Core) -> str:
    """Return every site that we may serve, as frame-ancestors, for words that tell nothing to anybody.

    Who comes without a proven token comes from no proven site; with 'none' the browser would show its own broken
    frame in place of what to do.
    """
    return " ".join(host if "://" in host else f"https://{host}" for host in core.settings.jira_hosts)


def fragment(response: Response, etag: str = "") -> Response:
    """Mark an answer to the page's own script."""
    response.headers["Cache-Control"] = NEVER_CACHED
    if etag:
        response.headers["ETag"] = etag
    return response


def asset(name: str) -> str:
    """Return the address of a static file, changing with its content."""
    return url_for("static", filename=name, v=_digest(Path(str(current_app.static_folder), name)))


@lru_cache(maxsize=64)
def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
