"""Changing labels on many issues at once, leaving alone what people put there.

Only additions and removals are sent, never a whole set of labels: that would undo what somebody does meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.tracker import IssueUnreadable, TrackerRefused
from linear_app.client import LinearClient

# Issues that one batch update takes.
BATCH = 50
# Issues that refuse a label one by one before the label itself is taken for the cause.
PATIENCE = 3


def change(
    client: LinearClient, issue_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
) -> list[dict[str, Any]]:
    """Add and remove labels and return the issues as they are then; those that are gone or closed to us are left out.

    Raises TrackerRefused, after the others were changed unless several in a row are refused.
    """
    asked = {"addedLabelIds": list(add), "removedLabelIds": list(remove)}
    wanted = {name: labels for name, labels in asked.items() if labels}
    found: list[dict[str, Any]] = []
    refused: list[TrackerRefused] = []
    waiting = [list(issue_ids[start : start + BATCH]) for start in range(0, len(issue_ids), BATCH)]
    while wanted and waiting and len(refused) < PATIENCE:
        batch = waiting.pop(0)
        try:
            found += _update(client, batch, wanted)
        except (IssueUnreadable, TrackerRefused) as error:
            # One issue spoils the whole batch, so each is tried by itself.
            if len(batch) > 1:
                waiting = [[one] for one in batch] + waiting
            elif isinstance(error, TrackerRefused):
                refused.append(error)
    if refused:
        raise refused[0]
    return found


def _update(client: LinearClient, issue_ids: Sequence[str], wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    answer = client.run("UpdateIssues", ids=list(issue_ids), input=wanted)["issueBatchUpdate"]
    if answer["success"] is not True:
        raise TrackerRefused("Linear did not change the labels, and does not say why")
    return list(answer["issues"])
