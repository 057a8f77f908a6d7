"""The query string hash (`qsh`) that ties a Connect token to one request, and the address that it is taken over.

Rules: https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

# Names that servers give the request target as it came over the wire; WSGI itself only promises the decoded path.
RAW_TARGETS = ("RAW_URI", "REQUEST_URI")


def query_string_hash(method: str, url: str, base_url: str = "") -> str:
    """Return the hash (64 hexadecimal digits) of a request to `url`, still percent-encoded as it travels.

    The path counts relative to `base_url`. `url` may be absolute or begin with its path.
    """
    return hashlib.sha256(canonical_request(method, url, base_url).encode()).hexdigest()


def canonical_request(method: str, url: str, base_url: str = "") -> str:
    """Return `METHOD&path&query`, the text that is hashed."""
    path, query = _target(url)
    return "&".join((method.upper(), _canonical_path(path, urlsplit(base_url).path), _canonical_query(query)))


def raw_target(environ: Mapping[str, Any]) -> str:
    """Return path and query of a WSGI request as they came over the wire.

    Decoding and encoding again is not the same: `%2F` and `/`, or `;` and `%3B`, would hash alike. Servers that hand
    on the raw target (gunicorn, werkzeug) are asked first; for others (granian) the decoded path is encoded again,
    which gives the same text for every path that Ladder serves, as those need no escapes.
    """
    for name in RAW_TARGETS:
        target = environ.get(name)
        # It has to be the request that was routed: what is checked here must be what is answered.
        if isinstance(target, str) and unquote(_target(target)[0], "latin-1").endswith(environ.get("PATH_INFO", "")):
            return target
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1", "replace")
    encoded = quote(path, safe="/!$&'()*+,;=:@~")
    query = environ.get("QUERY_STRING", "")
    return f"{encoded}?{query}" if query else encoded


def _target(url: str) -> tuple[str, str]:
    """Split into path and query by hand: urlsplit drops what it takes for parameters, and `//` would be a host."""
    url = url.partition("#")[0]
    if absolute := re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?]*", url):
        url = url[absolute.end() :]
    path, _, query = url.partition("?")
    return path, query


def _canonical_path(path: str, base_path: str) -> str:
    base_path = base_path.rstrip("/")
    # Only on a segment boundary: /jira must not be cut off /jirafish.
    if base_path and (path == base_path or path.startswith(base_path + "/")):
        path = path[len(base_path) :]
    if not path.startswith("/"):
        path = "/" + path
    if len(path) > 1:
        path = path.removesuffix("/")
    return path.replace("&", "%26")


def _canonical_query(query: str) -> str:
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if pair and name != "jwt":
            values.setdefault(_encode(name), []).append(unquote_plus(value))
    # Names sort as they are encoded, values as they are meant, in UTF-16 order as the senders' languages compare text.
    return "&".join(f"{name}={','.join(map(_encode, sorted(values[name], key=_utf_16)))}" for name in sorted(values))


def _encode(text: str) -> str:
    return quote(text, safe="~", errors="replace")


def _utf_16(text: str) -> bytes:
    return text.encode("utf-16-be", "replace")
