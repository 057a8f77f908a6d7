"""The cost of one event for a key result with a hundred thousand units, beside one with a hundred."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from benchmarks.ground import Figure, add_key_result, free_port, furnished, median, percentile, settings_in
from benchmarks.payload import webhook_body
from connector.core import Core
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import Connection, Issue
from connector.recompute import recompute
from connector.worker import Worker

SIZES = {"small": 100, "large": 100_000}
EVENTS = 150
BEGIN = datetime(2026, 7, 1, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    """Time from claim to commit of single deliveries, small and large by turns."""
    with tempfile.TemporaryDirectory() as name, furnished(settings_in(Path(name), free_port())) as core:
        for number, (called, size) in enumerate(SIZES.items(), start=1):
            grow(core, called, size, first=number * 1_000_000)
        recompute(core, check=False)
        worker = Worker(core, handlers={})
        took: dict[str, list[float]] = {called: [] for called in SIZES}
        for event in range(EVENTS + 10):
            for number, (called, size) in enumerate(SIZES.items(), start=1):
                issue = str(number * 1_000_000 + 1 + event * 7 % size)
                body = webhook_body(issue, "done", BEGIN + timedelta(days=1, seconds=event), f"{number * 1_000_000}")
                core.inbox.accept("c", f"{called}-{event}", "jira:issue_updated", body)
                begun = time.perf_counter()
                worker.run_once()
                if event >= 10:
                    took[called].append(time.perf_counter() - begun)
        small, large = (median(took[called]) * 1000 for called in ("small", "large"))
        yield Figure(
            "apply one event, 100,000 units beside 100", f"{large:.1f} ms", f"{small:.1f} ms", f"{large / small:.2f}",
            "<= 1.5", large <= 1.5 * small,
        )  # fmt: skip
        slow = percentile(took["large"], 0.95) * 1000
        yield Figure("apply one event, 100,000 units, p95", f"{slow:.1f} ms", "", "")


def grow(core: Core, called: str, size: int, first: int) -> None:
    """A key result linked to an epic with `size` stories below it."""
    add_key_result(core, called)
    with core.database.writing() as session:
        connection = session.get_one(Connection, "c")
        epic = ensure_issue(session, connection, str(first))
        epic.cls, epic.level, epic.key, epic.watermark = "todo", 1, f"BENCH-{first}", BEGIN
        session.flush()
        common = {"workspace_id": "w", "connection_id": "c", "cls": "todo", "parent_id": epic.id,
                  "raw_parent_id": epic.id, "watermark": BEGIN, "level": 0}  # fmt: skip
        for start in range(1, size + 1, 5000):
            numbers = range(first + start, first + min(start + 5000, size + 1))
            rows = [common | {"external_id": str(one), "key": f"BENCH-{one}"} for one in numbers]
            session.execute(insert(Issue), rows)
        link_issue(session, "w", called, epic, actor="bench", now=BEGIN)
