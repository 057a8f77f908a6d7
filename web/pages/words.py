"""What pages say beyond `connector.wording`: moments, typed numbers, counts, and addresses that are safe to follow."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from markupsafe import Markup

from connector import wording
from connector.models import KeyResult

MINUTE, HOUR, DAY = 60, 3600, 86400

KIND_WORDS = {
    "metric": "metric",
    "maintain": "kept in a band",
    "milestone": "milestones",
    "issue_ratio": "share of issues",
    "issue_count": "number of issues",
    "query_metric": "measured by a query",
    "issue_delta": "claimed per issue",
}
CLASS_WORDS = {
    "todo": "to do",
    "doing": "in progress",
    "done": "done",
    "dropped": "won't do",
    "gone": "deleted",
    "unknown": "not read yet",
}
SOURCE_WORDS = {"manual": "by hand", "rule": "by a rule", "label": "by label"}
FLAG_WORDS = {
    "link_broken": "a linked issue was deleted or cannot be found",
    "container_done_open_children": "an issue is done while work below it is open",
    "container_dropped_open_children": "an issue was dropped while work below it is open",
    "unestimated_units": "some issues have no estimate and count as 1",
    "all_zero_estimates": "all estimates are 0, so every issue counts as 1",
}


def relative(value: datetime, now: datetime) -> str:
    """Say how long ago, or how soon: "12 s ago", "in 3 min", "5 days ago"."""
    seconds = int((now - value).total_seconds())
    size = abs(seconds)
    if size < 2:
        return "now"
    if size < MINUTE:
        words = f"{size} s"
    elif size < HOUR:
        words = f"{size // MINUTE} min"
    elif size < 2 * DAY:
        words = f"{size // HOUR} h"
    else:
        words = f"{size // DAY} days"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def exact_moment(value: datetime, zone: str) -> str:
    """Say a moment in full, in the zone: "3 Aug 2026, 14:02:07 CEST"."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def moment(value: datetime | None, now: datetime, zone: str) -> Markup:
    """Return a <time> that reads relative and shows the exact moment on hover."""
    if value is None:
        return Markup("<span>never</span>")
    return Markup('<time datetime="{}" title="{}" data-moment>{}</time>').format(
        value.astimezone(UTC).isoformat(timespec="seconds"), exact_moment(value, zone), relative(value, now)
    )


def plain_number(value: Fraction | None, places: int = 20) -> str:
    """Write a number as somebody would type it: "28.5"; half up at `places` if it has no end; "" for None."""
    if value is None:
        return ""
    with localcontext() as context:
        context.prec = 400
        number = Decimal(value.numerator) / Decimal(value.denominator)
        number = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(key_result: KeyResult) -> str:
    """Say between what a key result moves, or within what it stays: "22 % → 35 %", "at most 0.5 %"; "" if nothing."""
    unit = key_result.unit
    if key_result.kind == "maintain":
        low, high = [exact(end) for end in key_result.settings.get("band", (None, None))]
        if low is None or high is None:
            end = high if low is None else low
            return "" if end is None else f"at {'most' if low is None else 'least'} {wording.measured(end, unit)}"
        return f"{wording.measured(low, unit)} to {wording.measured(high, unit)}"
    if key_result.baseline is None or key_result.target is None:
        return ""
    return f"{wording.measured(key_result.baseline, unit)} → {wording.measured(key_result.target, unit)}"


def exact(text: str | None) -> Fraction | None:
    """Read a number as the ledger's details keep it ("57/2"); None for none."""
    try:
        return Fraction(text) if text else None
    except ValueError:
        return None


def web_address(url: str | None) -> str | None:
    """Return the address if a browser may follow it, else None.

    Trackers' text can hold `javascript:` and `data:` addresses, which escaping does not disarm.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None


def own_path(path: str | None) -> str:
    """Return a path of ours to go to next, "/" for anything that could lead elsewhere (open redirect)."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or re.search(r"[\x00-\x20\\]", path):
        return "/"
    return path


def count(number: int, one: str, many: str | None = None) -> str:
    """Say a number of things: "1 issue", "3 issues"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


FILTERS: dict[str, Any] = {
    **wording.FILTERS,
    "plain": plain_number,
    "exact": exact,
    "span": span,
    "web_address": web_address,
    "count": count,
    "kind_words": lambda code: KIND_WORDS.get(code, code),
    "class_words": lambda code: CLASS_WORDS.get(code, code),
    "source_words": lambda code: SOURCE_WORDS.get(code, code),
    "flag_words": lambda code: FLAG_WORDS.get(code, code.replace("_", " ")),
}
