"""Jira's answers, and what to do about those that are none.

Rate limits: https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable

# Seconds to leave a site alone when it says "too much" without saying for how long.
DEFAULT_PAUSE = 60.0
# A hint beyond a day is a mistake; quotas are counted by the hour.
LONGEST_PAUSE = 24 * 3600.0
_RESET = re.compile(r"(?:^|[;,\s])t=(\d+(?:\.\d+)?)")


class JiraRefused(TrackerRefused):
    """A final no, with the status that said it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def content_of(response: requests.Response, now: datetime, *, about_an_issue: bool = False) -> Any:
    """Return what an answer says, None if it is empty.

    Raises TrackerUnavailable (down, slow, too much), IssueUnreadable (`about_an_issue`: it can't be seen, which is not
    proof that it is gone) or TrackerRefused.
    """
    status = response.status_code
    if 200 <= status < 300:
        return _json(response)
    if status == 429:
        raise _too_much(response.headers, now)
    if status in (408, 425) or status >= 500:
        raise TrackerUnavailable(f"Jira answered {status}", retry_after=_largest_hint(response.headers, now))
    if about_an_issue and status in (403, 404):
        raise IssueUnreadable(f"Jira does not show this issue to Ladder ({status})")
    if status == 401:
        raise TrackerRefused("Jira rejected Ladder's credentials (401): install Ladder again on this site")
    if 300 <= status < 400:
        raise TrackerRefused(f"Jira sent Ladder elsewhere ({status}); redirects are not followed")
    raise JiraRefused(f"Jira refused ({status}){_explanation(response)}", status)


def unreachable(error: requests.RequestException) -> TrackerUnavailable:
    """Return what a request without any answer amounts to; its address is left out, people read this."""
    what = "did not answer in time" if isinstance(error, requests.Timeout) else "can't be reached"
    return TrackerUnavailable(f"Jira {what}")


def _json(response: requests.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        # A proxy's or a maintenance page with status 200.
        raise TrackerUnavailable("Jira answered with something that is not JSON") from None


def _too_much(headers: Mapping[str, str], now: datetime) -> TrackerUnavailable:
    reason = headers.get("RateLimit-Reason", "").lower()
    pause = _largest_hint(headers, now) or DEFAULT_PAUSE
    # A burst concerns one address or one issue. A spent quota concerns everything, and asking on makes it worse.
    return TrackerUnavailable(
        f"Jira asked Ladder to slow down ({reason or 'rate limit'})",
        retry_after=pause,
        whole_connection="quota" in reason,
    )


def _largest_hint(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the longest wait, in seconds, that any of the headers asks for."""
    hints = [_seconds(headers.get("Retry-After"), now), _seconds(headers.get("X-RateLimit-Reset"), now)]
    for name in ("RateLimit", "Beta-RateLimit"):
        hints += [float(seconds) for seconds in _RESET.findall(headers.get(name, "")[:500])]
    waits = [min(hint, LONGEST_PAUSE) for hint in hints if hint is not None and hint > 0]
    return max(waits, default=None)


def _seconds(value: str | None, now: datetime) -> float | None:
    """Read a wait in seconds, or the moment of its end in either of the two usual forms."""
    if not value or len(value) > 100:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value)
        except ValueError:
            continue
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - now).total_seconds()
    return None


def _explanation(response: requests.Response) -> str:
    """Return Jira's own words for a refusal, such as what is wrong with a query."""
    try:
        body = response.json()
    except ValueError:
        return ""
    messages = body.get("errorMessages") if isinstance(body, dict) else None
    words = [one for one in messages if isinstance(one, str)] if isinstance(messages, list) else []
    return f": {' '.join(words)[:300]}" if words else ""
