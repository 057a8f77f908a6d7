"""Ladder's API as a program uses it: over HTTP, with a token."""

from __future__ import annotations

from typing import Any

import requests

from web.demo.stage import StageFailed


class Api:
    """Ladder's API v1 as a program uses it, with a token; raises StageFailed with the problem's own words."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base = f"{base_url}/api/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at `path`."""
        return self._call("GET", path, params=query)

    def all(self, path: str, **query: Any) -> list[Any]:
        """Return every item of a list, page by page."""
        items: list[Any] = []
        cursor = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Create something and return it."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something as it is now and return it."""
        current = self._session.get(self._base + path, timeout=10)
        return self._call("PATCH", path, json=body, headers={"If-Match": current.headers.get("ETag", "*")})

    def delete(self, path: str) -> None:
        """Take something away."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._session.request(method, self._base + path, timeout=10, **arguments)
        if not answer.ok:
            raise StageFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None
