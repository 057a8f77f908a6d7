"""Queries in Jira's language, built so that nobody's words can become part of the query."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

# Words that Jira's text search takes for operators.
_OPERATORS = frozenset({"and", "or", "not"})
_KEY = re.compile(r"(?:^|/browse/|selectedIssue=)([A-Za-z][A-Za-z0-9_]{0,63}-[0-9]{1,19})(?=$|[?#&/\s])")


def children_of(ids: Sequence[str]) -> str:
    """Find what hangs directly below some issues."""
    return f"parent in ({', '.join(str(int(one)) for one in ids)}) ORDER BY id ASC"


def updated_since(since: datetime, now: datetime) -> str:
    """Find what changed since a moment.

    JQL's own dates are read in the asking account's time zone, which an app can't be sure of; being wrong by hours
    would lose changes without a word. Minutes counted back from now mean the same everywhere.
    """
    minutes = max(1, math.ceil((now - since).total_seconds() / 60) + 1)
    return f'updated >= "-{minutes}m" ORDER BY updated ASC, id ASC'


def with_words(text: str) -> str | None:
    """Find issues with all the words of `text` in their title or description; None if there are none to look for."""
    words = [word for word in re.findall(r"\w+", text)[:12] if word.lower() not in _OPERATORS]
    if not words:
        return None
    # The last word may still be being typed.
    return f'text ~ "{" ".join(words)}*" ORDER BY updated DESC'


def quoted(text: str) -> str:
    """Return a text as a value that can be nothing else, whatever it holds."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def key_in(text: str) -> str | None:
    """Return the issue key that `text` is, or that the address of an issue holds."""
    match = _KEY.search(text.strip())
    return match[1].upper() if match else None
