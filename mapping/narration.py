"""The ledger in words: every delta names its cause ("+8 pp: 3 issues done"). Source: design/ui.md, rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mapping.display import percent, signed_points
from mapping.ledger import Cause, Entry
from mapping.progress import ZERO

COUNTED: Final[dict[Cause, tuple[str, str]]] = {
    Cause.COMPLETED: ("1 issue done", "{} issues done"),
    Cause.REOPENED: ("1 issue reopened", "{} issues reopened"),
    Cause.STARTED: ("1 issue started", "{} issues started"),
    Cause.SCOPE_ADDED: ("1 issue added", "{} issues added"),
    Cause.SCOPE_REMOVED: ("1 issue unlinked", "{} issues unlinked"),
    Cause.DROPPED: ("1 issue dropped", "{} issues dropped"),
    Cause.DELETED: ("1 issue deleted", "{} issues deleted"),
    Cause.RESIZED: ("1 issue re-estimated", "{} issues re-estimated"),
    Cause.REWEIGHTED: ("1 issue weighs differently", "{} issues weigh differently"),
    Cause.MEASURED: ("measured", "measured {} times"),
    Cause.CORRECTED: ("1 correction", "{} corrections"),
    Cause.TARGET_EDITED: ("target edited", "target edited {} times"),
    Cause.BASELINE_EDITED: ("baseline edited", "baseline edited {} times"),
    Cause.RULE_CHANGED: ("counted by another rule", "counted by other rules, {} times"),
}
"""What one and what several entries of a cause are called."""

OPEN_WORK_LEAVES: Final = {
    Cause.SCOPE_REMOVED: "last open issue unlinked",
    Cause.DROPPED: "last open issue dropped",
    Cause.DELETED: "last open issue deleted",
}


def in_words(entry: Entry) -> str:
    """One entry: "+8 pp: 1 issue done". A first or a lost number claims no delta and says where it stands instead."""
    return f"{_movement(entry)}: {_happening(entry)}"


def summary(entries: Iterable[Entry]) -> list[str]:
    """Entries of one number of one key result, gathered by cause in order of first appearance, one sentence each."""
    by_cause: dict[Cause, list[Entry]] = {}
    for entry in entries:
        by_cause.setdefault(entry.cause, []).append(entry)
    sentences: list[str] = []
    for cause, group in by_cause.items():
        if len(group) == 1 or any(entry.delta is None for entry in group):
            sentences.extend(in_words(entry) for entry in group)
            continue
        total = sum((entry.delta for entry in group if entry.delta is not None), ZERO)
        issues = {entry.issue for entry in group if entry.issue is not None}
        number = len(issues) if issues else len(group)
        one, several = COUNTED[cause]
        sentences.append(f"{signed_points(total)}: {one if number == 1 else several.format(number)}")
    return sentences


def _movement(entry: Entry) -> str:
    if entry.delta is not None:
        return signed_points(entry.delta)
    return f"now {percent(entry.after)}" if entry.after is not None else "no number any more"


def _happening(entry: Entry) -> str:
    """A rise to 100 per cent because the last open work left is said to be that, so that it never looks like
    delivery.
    """
    left = entry.num_after == entry.num_before and entry.den_after < entry.den_before
    if entry.cause in OPEN_WORK_LEAVES and entry.after == 1 and left:
        return OPEN_WORK_LEAVES[entry.cause]
    return COUNTED[entry.cause][0]
