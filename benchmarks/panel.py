"""Drawing the issue panel: SQL statements and server time, for an issue with one link and with fifty."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.apply_cost import BEGIN
from benchmarks.ground import Figure, add_key_result, free_port, furnished, median, settings_in
from benchmarks.payload import context_token, webhook_body
from connector.core import Core
from connector.issue_panel import read_panel
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import Connection
from connector.worker import Worker
from web.app import create_app

LINKS = {"11": 1, "12": 50}
DRAWINGS = 150


def figures() -> Iterator[Figure]:
    """The poll endpoint's whole answer, through the app, by turns."""
    with tempfile.TemporaryDirectory() as name, furnished(settings_in(Path(name), free_port())) as core:
        link(core)
        # The site's word on rights is kept for a minute; what it costs to ask is not ours.
        core.trackers["jira"].may = lambda *_: True  # type: ignore[method-assign]
        client = create_app(core).test_client()
        counts = {issue: statements(core, issue) for issue in LINKS}
        took: dict[str, list[float]] = {issue: [] for issue in LINKS}
        busy: dict[str, list[float]] = {issue: [] for issue in LINKS}
        for number in range(DRAWINGS + 10):
            for issue in LINKS:
                headers = {"Authorization": f"JWT {context_token(issue)}"}
                begun, used = time.perf_counter(), time.process_time()
                answer = client.get(f"/jira/panel/live?issueId={issue}", headers=headers)
                if number >= 10:
                    took[issue].append(time.perf_counter() - begun)
                    busy[issue].append(time.process_time() - used)
                if answer.status_code != 200:
                    raise RuntimeError(answer.get_data(as_text=True))
        few, many = (counts[issue] for issue in LINKS)
        yield Figure("panel, SQL statements, 50 links beside 1", str(many), str(few), "", "<= 8", many <= 8)
        one, fifty = (median(took[issue]) * 1000 for issue in LINKS)
        computing = f"{median(busy['11']) * 1000:.1f} ms of it computing"
        yield Figure("panel, server time p50, 1 link", f"{one:.1f} ms", computing, "", "< 15 ms", one < 15)
        yield Figure("panel, server time p50, 50 links", f"{fifty:.1f} ms", f"{one:.1f} ms", f"{fifty / one:.2f}")


def link(core: Core) -> None:
    for issue, number in LINKS.items():
        core.inbox.accept("c", f"known-{issue}", "jira:issue_updated", webhook_body(issue, "doing", BEGIN))
        for one in range(number):
            add_key_result(core, f"{issue}-{one}")
    while Worker(core, handlers={}).run_once():
        pass
    with core.database.writing() as session:
        connection = session.get_one(Connection, "c")
        for issue, number in LINKS.items():
            row = ensure_issue(session, connection, issue)
            for one in range(number):
                link_issue(session, "w", f"{issue}-{one}", row, actor="bench", now=BEGIN)


def statements(core: Core, issue: str) -> int:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            sent.append(statement)

    event.listen(core.database.engine, "before_cursor_execute", note)
    with core.database.reading() as session:
        read_panel(session, session.get_one(Connection, "c"), issue, core.clock())
    event.remove(core.database.engine, "before_cursor_execute", note)
    return len(sent) - 1  # the connection was read by us
