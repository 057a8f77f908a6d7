"""Which sites we are willing to send requests to, and what of a site's address is kept.

An install call names its own site. Without a list, a forged or mistaken one could point us into our own network (SSRF).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit


class SiteNotAllowed(Exception):
    """The site's address is unusable or not on the list LADDER_JIRA_HOSTS."""

    reason = "site_not_allowed"


def allowed_site(address: object, patterns: Sequence[str]) -> str:
    """Return the site's address without a trailing slash; raises SiteNotAllowed.

    A pattern is a host (`jira.example.com`), any one below a domain (`*.atlassian.net`), or, where https can't be had,
    a whole origin with its scheme (`http://127.0.0.1:8081`).
    """
    if not isinstance(address, str) or len(address) > 400 or not address.isascii() or not address.isprintable():
        raise SiteNotAllowed("no usable address")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SiteNotAllowed("no usable address") from None
    # `https://good.atlassian.net@evil.example`, or a query that swallows the paths that we append.
    if parts.username is not None or parts.password is not None or "?" in address or "#" in address or "\\" in address:
        raise SiteNotAllowed("address with more than an origin and a path")
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    for pattern in patterns:
        pattern = pattern.lower().rstrip("/")
        if "://" in pattern:
            matches = origin == pattern
        else:
            matches = parts.scheme == "https" and port in (None, 443) and _host_matches(host, pattern)
        if matches:
            return address.rstrip("/")
    raise SiteNotAllowed(f"{host or 'the site'} is not on the list LADDER_JIRA_HOSTS")


def named_exactly(address: str, patterns: Sequence[str]) -> bool:
    """Tell whether the operator listed this very site, rather than a whole domain of them."""
    parts = urlsplit(address)
    names = {f"{parts.scheme}://{parts.netloc}".lower(), (parts.hostname or "").lower()}
    return any(pattern.lower().rstrip("/") in names for pattern in patterns)


def browsable(address: object) -> str:
    """Return an address that people may be sent to, or an empty text if it is none."""
    if not isinstance(address, str) or len(address) > 400:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    # It ends up in href: `javascript:` would run in our page.
    usable = parts.scheme == "https" and parts.hostname and address.isprintable() and " " not in address
    return address.rstrip("/") if usable else ""


def _host_matches(host: str, pattern: str) -> bool:
    # The dot stays in the comparison: `*.atlassian.net` must not take evilatlassian.net.
    return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1 if pattern.startswith("*.") else host == pattern
