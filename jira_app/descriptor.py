"""The Connect descriptor: what Ladder is to Jira. The file `atlassian-connect.json` is the template.

https://developer.atlassian.com/cloud/jira/platform/connect-app-descriptor/
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE_NAME = "atlassian-connect.json"
# In a wheel the template lies inside this package, in a checkout at its root.
_PLACES = (Path(__file__).parent / FILE_NAME, Path(__file__).parent.parent / FILE_NAME)
PANEL_MODULE = "ladder-panel"


def descriptor(base_url: str) -> dict[str, Any]:
    """Return the descriptor for a Ladder that Jira reaches at `base_url`."""
    return {**template(), "baseUrl": base_url, "links": {"self": f"{base_url}/{FILE_NAME}"}}


def app_key() -> str:
    """Return the key under which sites know Ladder, which is also who our tokens are from."""
    return str(template()["key"])


@cache
def template() -> dict[str, Any]:
    """Return the descriptor as written, with its placeholder for the base URL."""
    found: dict[str, Any] = json.loads(next(place for place in _PLACES if place.exists()).read_text("utf-8"))
    return found
