"""A tracker in sixty lines: proof that the seam is enough, and the core's plaything in tests.

A delivery is JSON: {"id", "cls", "at" (seconds), "points", "parent", "level", "gone"}; its site is a dictionary.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from connector.basic_tracker import BasicTracker
from connector.models import Connection
from connector.tracker import (
    BadDelivery,
    Event,
    Ignored,
    IssueChanged,
    IssueDeleted,
    IssueSnapshot,
    IssueTouched,
    IssueUnreadable,
    SnapshotPage,
    TrackerUnavailable,
    Unsupported,
)  # fmt: skip


class ToyTracker(BasicTracker):
    name = "toy"

    def __init__(self, services: object = None) -> None:
        self.site: dict[str, dict[str, Any]] = {}
        self.down: TrackerUnavailable | None = None

    def parse(self, connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
        if kind != "issue":
            return [Ignored("noise") if kind == "noise" else Unsupported(kind)]
        try:
            said = json.loads(body)
            if said.get("gone"):
                return [IssueDeleted(str(said["id"]), datetime.fromtimestamp(said["at"], UTC))]
            if "cls" not in said:
                return [IssueTouched(str(said["id"]), "incomplete")]
            return [IssueChanged(snapshot := self.snapshot(said), snapshot.updated_at, actor="toy-user")]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BadDelivery(type(error).__name__) from error

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        for said in self.issues():
            if id_or_key in (str(said["id"]), f"TOY-{said['id']}"):
                return self.snapshot(said)
        raise IssueUnreadable(f"no issue {id_or_key}")

    def fetch_subtree(self, connection: Connection, external_id: str) -> Iterator[SnapshotPage]:
        below = [said for said in self.issues() if str(said.get("parent")) == external_id]
        yield SnapshotPage([self.snapshot(said) for said in below])
        for said in below:
            yield from self.fetch_subtree(connection, str(said["id"]))

    def updated_since(self, connection: Connection, since: datetime) -> Iterator[SnapshotPage]:
        yield SnapshotPage([one for one in map(self.snapshot, self.issues()) if one.updated_at >= since])

    def may(self, connection: Connection, account_id: str, external_id: str, action: str) -> bool:
        return any(str(said["id"]) == external_id for said in self.issues()) and account_id != "stranger"

    def issues(self) -> list[dict[str, Any]]:
        if self.down is not None:
            raise self.down
        return list(self.site.values())

    def snapshot(self, said: dict[str, Any]) -> IssueSnapshot:
        points, parent, key = said.get("points"), said.get("parent"), f"TOY-{said['id']}"
        return IssueSnapshot(
            external_id=str(said["id"]), key=key, title=f"Toy issue {said['id']}", url=f"https://toy.example/{key}",
            cls=said["cls"], updated_at=datetime.fromtimestamp(said["at"], UTC), level=int(said.get("level", 0)),
            estimate=None if points is None else Fraction(points),
            parent_external_id=None if parent is None else str(parent), project_key="TOY",
            labels=tuple(said.get("labels", ())), sprints=tuple(said.get("sprints", ())),
            blocked_by=said.get("blocked_by"),
        )  # fmt: skip
