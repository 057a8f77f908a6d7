"""Webhooks of a made-up site: bodies of the size that Jira sends (about nine kilobytes), and their tokens."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import jwt

from jira_app import query_string_hash

CLIENT_KEY = "bench-client-key"
SECRET = "a-made-up-shared-secret-for-the-benchmark-0123456789"  # noqa: S105 - made up, of a site that does not exist
CATEGORIES = {"todo": "new", "doing": "indeterminate", "done": "done"}
# Custom fields that a site of some age carries in every body.
NOISE = {f"customfield_{10100 + number}": None if number % 3 else "Not estimated yet" for number in range(150)}


def webhook_body(issue: str, cls: str, updated: datetime, parent: str | None = None, level: int = 0) -> bytes:
    """One `jira:issue_updated`."""
    person = {
        "accountId": "712020:5b10ac8d-82e0-5b22-cc7d-4ef5",
        "displayName": "Mia Krystof",
        "self": "https://bench.atlassian.net/rest/api/3/user?accountId=712020",
        "avatarUrls": {size: f"https://avatar.example.com/{size}/mia.png" for size in ("16x16", "24x24", "48x48")},
    }
    fields: dict[str, Any] = {
        "summary": f"Issue {issue}",
        "status": {"id": cls, "name": cls, "statusCategory": {"id": 2, "key": CATEGORIES[cls], "name": cls}},
        "issuetype": {"id": "10002", "name": "Story", "subtask": False, "hierarchyLevel": level},
        "project": {"id": "10000", "key": "BENCH", "name": "Bench"},
        "assignee": person,
        "reporter": person,
        "creator": person,
        "labels": ["bench"],
        "updated": updated.isoformat(timespec="milliseconds"),
        "description": "As a benchmark, I want a body of an ordinary size, so that nothing is flattered. " * 20,
        **NOISE,
    }
    if parent is not None:
        fields["parent"] = {"id": parent, "key": f"BENCH-{parent}"}
    return json.dumps(
        {
            "timestamp": int(updated.timestamp() * 1000),
            "webhookEvent": "jira:issue_updated",
            "issue_event_type_name": "issue_generic",
            "user": person,
            "issue": {"id": issue, "key": f"BENCH-{issue}", "fields": fields},
            "changelog": {"id": "1", "items": [{"field": "status", "fieldId": "status", "to": cls}]},
        }
    ).encode()


def webhook_token(client_key: str = CLIENT_KEY, secret: str = SECRET) -> str:
    """A token for POST /jira/webhooks that lives for an hour, so that one can be used for a whole round."""
    now = int(time.time())
    claims = {"iss": client_key, "iat": now, "exp": now + 3600, "qsh": query_string_hash("POST", "/jira/webhooks")}
    return jwt.encode(claims, secret, algorithm="HS256")


def context_token(issue: str, client_key: str = CLIENT_KEY, secret: str = SECRET) -> str:
    """What Jira's page bridge gives to the panel of one issue."""
    now = int(time.time())
    claims = {"iss": client_key, "iat": now, "exp": now + 3600, "qsh": "context-qsh", "sub": "712020:bench"}
    return jwt.encode(claims | {"context": {"jira": {"issue": {"id": issue}}}}, secret, algorithm="HS256")
