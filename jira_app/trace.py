"""The mark on our own writes, by which their webhooks are recognised.

https://developer.atlassian.com/cloud/jira/platform/webhooks/#response-headers
"""

from __future__ import annotations

from uuid import uuid4

HEADER = "X-Atlassian-Webhook-Trace"
_OURS = "ladder-"


def new_trace() -> str:
    """Return a mark for one write."""
    return f"{_OURS}{uuid4()}"


def is_ours(trace: str) -> bool:
    """Tell whether a webhook was caused by one of our own writes."""
    return trace.startswith(_OURS)
