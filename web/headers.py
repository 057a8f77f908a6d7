"""Response headers that every answer carries, unless its view set a stricter or more fitting one."""

from __future__ import annotations

from flask import Flask, Response

# Two years. Browsers ignore it over plain http, so a trial on a loopback address is not locked out.
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"

# Nothing inline and nothing from elsewhere: an injected script or style has no way to run. Pages in a tracker's iframe
# replace the whole policy, because they need another frame-ancestors and the tracker's own bridge script.
CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"

# Both words: no-store keeps an answer out of caches on disk, no-cache covers those that only know the older one.
NEVER_CACHED = "no-cache, no-store"


def set_headers(response: Response) -> Response:
    """Add the security headers to one answer; what a view has set stays."""
    headers = response.headers
    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # A page's own address can hold a one-time token: other sites must not learn it from a link that was followed.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", PERMISSIONS)
    headers.setdefault("Cache-Control", NEVER_CACHED)
    if "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = CONTENT_SECURITY
        # For browsers that know no frame-ancestors: clickjacking. A page that may be framed has its own policy.
        headers.setdefault("X-Frame-Options", "DENY")
    return response


def for_file(headers: dict[str, str], _path: str, _url: str) -> None:
    """Add to files what makes sense for them; used by the file server, which answers before Flask sees the request."""
    headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    # An SVG opened by itself is a document: no script in it may run with our origin.
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def register(app: Flask) -> None:
    """Make every answer of `app` carry the headers."""
    app.after_request(set_headers)
