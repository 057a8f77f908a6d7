"""The class of an issue: what its tracker's status means for progress, whatever the tracker calls it.

Source: design/progress.md section 2. Trackers translate their own status into one of these; nothing here knows a
tracker.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class IssueClass(StrEnum):
    """`unknown` is an issue that was only named so far (as a parent, or by a link); it behaves as `gone` does."""

    TODO = "todo"
    DOING = "doing"
    DONE = "done"
    DROPPED = "dropped"
    GONE = "gone"
    UNKNOWN = "unknown"


COUNTABLE: Final = frozenset({IssueClass.TODO, IssueClass.DOING, IssueClass.DONE})
"""Classes that can count by themselves; dropped work leaves both sides of the fraction."""

OPEN: Final = frozenset({IssueClass.TODO, IssueClass.DOING})
"""Work that is still to be finished."""

ABSENT: Final = frozenset({IssueClass.GONE, IssueClass.UNKNOWN})
"""Issues that hide what hangs below them, end every chain of ancestors, and break the links they carry."""
