"""The issue property by which Jira's own searches know goals: `objective`, `keyResult` and `goalWork` in JQL.

https://developer.atlassian.com/cloud/jira/platform/modules/entity-property/
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from connector.tracker import GoalMark, TrackerRefused, TrackerUnavailable

PROPERTY = "ladder-goals"
# As the descriptor declares them: alias in JQL -> name inside the property. All are of type `string`, matched whole.
ALIASES = {"objective": "objective", "keyResult": "keyResult", "goalWork": "goalWork"}
# A property holds 32,768 characters; this many titles of 400 stay below it.
MOST_TITLES = 35
# Seconds between looks at a task that writes a batch: 6.2 in all. A batch of 100 takes Jira about one.
LOOKS = (0.1, 0.2, 0.4, 0.8, 1.2, 1.5, 2.0)
# Seconds until a batch that was not finished by then is written again.
LATER = 60.0
# https://.../rest/api/3/task/1f0c...: only the id is taken from the address, which could lead anywhere.
_TASK = re.compile(r"/rest/api/3/task/([A-Za-z0-9-]{1,64})/?(?:\?|$)")


class _Client(Protocol):
    def set_properties(self, name: str, values: Mapping[str, Mapping[str, Any]]) -> str: ...

    def task(self, task_id: str) -> Mapping[str, Any]: ...


def property_value(mark: GoalMark) -> dict[str, Any]:
    """Return what the property holds for an issue; a key without a value is left out, so that `is EMPTY` finds it."""
    value: dict[str, Any] = {"goalWork": mark.goal_work}
    if mark.objectives:
        value["objective"] = list(mark.objectives[:MOST_TITLES])
    if mark.key_results:
        value["keyResult"] = list(mark.key_results[:MOST_TITLES])
    return value


def write_marks(client: _Client, marks: Mapping[str, GoalMark], wait: Callable[[float], None] = time.sleep) -> None:
    """Write the marks of up to 100 issues by one call, and see its task through.

    What this costs of a site's 65,000 points an hour is one for the write and one for each look at the task, mostly
    two: 200 batches for 20,000 issues are about 600 points. An issue is written once per batch, and batches of the
    same issue are at least two seconds apart (connector.due), far from Jira's 20 writes in two seconds. Should Jira
    say "too much" all the same, jira_app.answers reads for how long, and the outbox rests until then.

    Issues that are gone, or that Ladder may not edit, are passed over by Jira. Raises TrackerUnavailable when Jira is
    not done in time, and TrackerRefused when it gave the task up.
    """
    task_id = client.set_properties(PROPERTY, {issue: property_value(mark) for issue, mark in marks.items()})
    for pause in LOOKS:
        wait(pause)
        task = client.task(task_id)
        status = task.get("status")
        if status == "COMPLETE":
            return
        if status in ("FAILED", "DEAD", "CANCELLED", "CANCEL_REQUESTED"):
            message = str(task.get("message") or "no reason given")[:200]
            raise TrackerRefused(f"Jira gave up writing goals to issues ({status}: {message})")
    raise TrackerUnavailable("Jira is still writing goals to issues", retry_after=LATER)


def task_of(location: str) -> str:
    """Return the id of the task that a `Location` header names; raises TrackerUnavailable."""
    found = _TASK.search(location)
    if found is None:
        raise TrackerUnavailable("Jira did not say which task writes goals to issues", retry_after=LATER)
    return found[1]
