"""Everything that a rule's query matches now, read from the tracker; what is read on the way is applied as news."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select

from connector.apply import apply_snapshot
from connector.core import Core
from connector.linking import read_subtree
from connector.models import Connection, Issue
from connector.rules.following import RUNNING
from connector.store import chunks
from connector.tracker import IssueQuery, IssueSnapshot

# Whoever waits for the database must get a turn: no transaction here lasts much longer than this (seconds).
TRANSACTION_SECONDS = 0.1
# After each, others have the database for as long as half of it took, and for so long at least (seconds).
SHORTEST_BREATH = 0.005
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@contextmanager
def breathing() -> Iterator[None]:
    """Rest after a transaction: whoever waits for the write lock of SQLite, or for the workspace, gets it then."""
    began = time.monotonic()
    yield
    time.sleep(max(SHORTEST_BREATH, (time.monotonic() - began) / 2))


@dataclass(slots=True)
class Matches:
    """`seen` are the issues (external id -> when updated), at most as many as asked for.

    `number` is how many there are, `exact` whether all were counted.
    """

    seen: dict[str, datetime] = field(default_factory=dict)
    number: int = 0
    exact: bool = True


def read_matches(
    core: Core,
    connection: Connection,
    query: IssueQuery,
    *,
    at_most: int,
    count_to: int,
    rule_id: str | None = None,
    progressed: Callable[[], None] = lambda: None,
) -> Matches:
    """Read what a clean query matches, and go on counting up to `count_to` if it is more than `at_most`.

    `rule_id` is the rule that runs: applying the snapshots settles all others. Epics, but for those of a whole project,
    are read with what hangs below them. Raises the tracker's errors.
    """
    matches = Matches()
    counted: set[str] = set()
    tracker = core.tracker_of(connection)
    for page in tracker.find(connection, query):
        fresh = [one for one in page.snapshots if one.external_id not in counted]
        counted.update(one.external_id for one in fresh)
        if len(counted) <= at_most:
            apply_readings(core, connection, fresh, rule_id)
            matches.seen.update((one.external_id, one.updated_at) for one in fresh)
            if query.kind != "project":
                for epic in sorted(one.external_id for one in fresh if one.level > 0):
                    read_subtree(core, connection, epic)
        progressed()
        if len(counted) > count_to:
            matches.exact = False
            break
    matches.number = len(counted)
    return matches


def apply_readings(core: Core, connection: Connection, snapshots: Sequence[IssueSnapshot], rule_id: str | None) -> None:
    """Apply those snapshots that are news, a few at a time, so that deliveries are applied in between."""
    known: dict[str, datetime | None] = {}
    with core.database.reading() as session:
        for chunk in chunks([one.external_id for one in snapshots]):
            chosen = select(Issue.external_id, Issue.watermark).where(
                Issue.connection_id == connection.id, Issue.external_id.in_(chunk), Issue.stale_since.is_(None)
            )
            known.update((row.external_id, row.watermark) for row in session.execute(chosen))
    waiting = [one for one in snapshots if (known.get(one.external_id) or LONG_AGO) < one.updated_at]
    waiting.sort(key=lambda one: one.external_id)
    while waiting:
        until = time.monotonic() + TRANSACTION_SECONDS
        with breathing(), core.database.writing() as session:
            session.info[RUNNING] = rule_id
            row = session.get_one(Connection, connection.id)
            while waiting:
                snapshot = waiting.pop()
                apply_snapshot(
                    session, row, snapshot,
                    happened_at=snapshot.updated_at, source="read", now=core.clock(), fresh=True,
                )  # fmt: skip
                if time.monotonic() > until:
                    break
