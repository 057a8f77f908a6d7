"""Long-running tasks: what Jira does beside a request, and how far it is."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from .site import JiraSite


class Tasks:
    """The tasks of one site; each is complete `site.task_seconds` after it was submitted."""

    def __init__(self, site: JiraSite) -> None:
        self._site = site
        self._tasks: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, tuple[float, dict[str, Any]]] = {}

    def submit(self, description: str, result: dict[str, Any]) -> str:
        """Begin a task that will have this result; return its address."""
        task, moment = str(uuid4()), self._moment()
        self._tasks[task] = {
            "self": self._site.payloads.link(f"task/{task}"),
            "id": task,
            "description": description,
            "status": "RUNNING",
            "submittedBy": 10000,
            "progress": 0,
            "elapsedRuntime": 0,
            "submitted": moment,
            "started": moment,
            "lastUpdate": moment,
        }
        self._outcomes[task] = (time.monotonic() + self._site.task_seconds, result)
        return str(self._tasks[task]["self"])

    def look(self, task: str) -> dict[str, Any] | None:
        """How far a task is; None for one that does not exist."""
        found = self._tasks.get(task)
        if found is not None and found["status"] == "RUNNING":
            until, result = self._outcomes[task]
            if time.monotonic() >= until:
                moment = self._moment()
                found |= {"status": "COMPLETE", "progress": 100, "result": result}
                found |= {"finished": moment, "lastUpdate": moment}
        return found

    def _moment(self) -> int:
        return int(self._site.now().timestamp() * 1000)
