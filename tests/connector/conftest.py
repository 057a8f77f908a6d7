"""A small organisation on the toy tracker: one connection, one objective chain, three key results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from connector.apply import apply_entry
from connector.core import Core, build_core
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import (
    Connection,
    Cycle,
    InboxEntry,
    KeyResult,
    Objective,
    Person,
    Team,
    WorkProgress,
    Workspace,
)
from connector.recompute import recompute
from connector.scorecard import Scorecard, scorecards
from connector.settings import Settings
from connector.tracker import (
    Capabilities,
    GoalCard,
    IssueQuery,
    IssueSnapshot,
    PanelLabel,
    SiteOption,
    SnapshotPage,
    TrackerRefused,
)
from tests.tables import make_tables
from tests.toy_tracker import ToyTracker

NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)
START = int(NOW.timestamp())


class AbleToy(ToyTracker):
    """The toy with everything that a tracker may be able to do; `labels` is what was shown, `cards` too (by id).

    Cards and labels to link by are off unless a test sets `capabilities`. A query to link by is NAME=VALUE, of what an
    issue's reports say; `asked` counts what was asked of it, by rule kind.
    """

    capabilities = Capabilities(
        queries=True,
        panel_label=True,
        rules=frozenset({"epic", "project", "label", "query"}),
        decided_by_snapshot=frozenset({"epic", "project", "label"}),
    )
    page_size = 50

    def __init__(self, services: object = None) -> None:
        super().__init__(services)
        self.labels: dict[str, PanelLabel | None] = {}
        self.cards: dict[str, tuple[str, GoalCard]] = {}
        self.calls: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def snapshot(self, said: dict[str, Any]) -> IssueSnapshot:
        return replace(super().snapshot(said), project_key=said.get("project", "TOY"))

    def resolve(self, connection: Connection, query: IssueQuery) -> IssueQuery:
        self.issues()
        if query.kind == "epic":
            return IssueQuery("epic", query.text, query.external_id or query.text.removeprefix("TOY-"))
        if query.kind == "query" and "=" not in query.text:
            raise TrackerRefused(f"What is {query.text}?")
        return query

    def find(self, connection: Connection, query: IssueQuery) -> Iterator[SnapshotPage]:
        self.asked.append(("find", query.text))
        found = [said for said in self.issues() if self.matches(said, query)]
        for start in range(0, max(1, len(found)), self.page_size):
            yield SnapshotPage([self.snapshot(said) for said in found[start : start + self.page_size]])

    def matching(self, connection: Connection, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
        self.asked.append(("matching", query.text))
        assert len(external_ids) <= 100
        wanted = set(external_ids)
        return frozenset(
            str(said["id"]) for said in self.issues() if str(said["id"]) in wanted and self.matches(said, query)
        )

    @staticmethod
    def matches(said: dict[str, Any], query: IssueQuery) -> bool:
        match query.kind:
            case "epic":
                return str(said["id"]) == query.external_id
            case "label":
                return query.text in said.get("labels", ())
            case "project":
                return said.get("project", "TOY") == query.text
        name, _, value = query.text.partition("=")
        return str(said.get(name)) == value

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        return Fraction(sum(said["cls"] == query for said in self.issues()))

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        self.issues()
        self.labels[external_id] = label

    def show_card(self, connection: Connection, external_id: str, card: GoalCard, known_id: str | None) -> str:
        self.issues()
        self.calls.append("update" if known_id in self.cards else "create")
        card_id = known_id if known_id in self.cards else f"card-{external_id}-{card.key_result_id}"
        self.cards[card_id] = (external_id, card)
        return card_id

    def remove_card(self, connection: Connection, card_id: str) -> None:
        self.issues()
        self.calls.append("remove")
        self.cards.pop(card_id, None)

    def sync_goal_labels(
        self, connection: Connection, wanted: Mapping[str, str], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        self.issues()
        return {"group": "okr", "labels": {f"label-{one}": one for one in wanted}, "names": dict(wanted)}

    def discover(self, connection: Connection) -> dict[str, Any]:
        return {"estimate_field": "points"}

    def site_options(self, connection: Connection) -> list[SiteOption]:
        return [SiteOption("dropped", "Dropped", "", tuple(connection.settings.get("dropped", ())))]


@dataclass
class Organisation:
    """Handles on the seeded rows, and the few verbs that tests speak in."""

    core: Core
    tracker: AbleToy
    deliveries: int = 0

    def tell(self, issue: str, cls: str | None = None, *, at: int, kind: str = "issue", **more: Any) -> str:
        """Deliver one report about an issue and apply it; `at` is in seconds since the story's start."""
        said = {"id": issue, "at": START + at, **({"cls": cls} if cls else {}), **more}
        if cls is not None:
            self.tracker.site[issue] = said
        elif more.get("gone"):
            self.tracker.site.pop(issue, None)
        self.deliveries += 1
        return self.deliver(said, f"d{self.deliveries}", kind)

    def deliver(self, said: dict[str, Any], key: str, kind: str = "issue") -> str:
        with self.core.database.writing() as session:
            entry = InboxEntry(connection_id="c", delivery_key=key, kind=kind, body=json.dumps(said).encode())
            entry.received_at = self.core.clock()
            return apply_entry(self.core, session, entry)

    def link(self, issue: str, key_result: str = "ratio", **more: Any) -> str:
        with self.core.database.writing() as session:
            row = ensure_issue(session, session.get_one(Connection, "c"), issue)
            return link_issue(session, "w", key_result, row, actor="ada", now=self.core.clock(), **more).id

    def progress(self, key_result: str = "ratio") -> str | None:
        value = self.card(key_result).work.progress
        return None if value is None else str(value)

    def card(self, key_result: str = "ratio") -> Scorecard:
        with self.core.database.reading() as session:
            row = session.get_one(KeyResult, key_result)
            return scorecards(session, "w", [row], self.core.clock().date())[key_result]

    def differences(self) -> list[str]:
        return [str(one) for one in recompute(self.core, check=True).differences]


@pytest.fixture
def org(settings: Settings) -> Iterator[Organisation]:
    """Seeded and empty of issues; key results `ratio` (issue_ratio), `points` (by estimate), `metric` (22 to 35 %)."""
    moment = [NOW]

    def clock() -> datetime:
        moment[0] += timedelta(milliseconds=1)
        return moment[0]

    core = build_core(settings, trackers={"toy": AbleToy}, clock=clock)
    make_tables(core.database)
    with core.database.writing() as session:
        session.add(Workspace(id="w", name="Acme", timezone="Europe/Berlin"))
        session.flush()
        session.add_all(
            [
                Connection(id="c", workspace_id="w", tracker="toy", tenant_key="t", site="https://toy.example",
                           installed_at=NOW - timedelta(days=30)),
                Person(id="p", workspace_id="w", name="Ada"),
                Team(id="co", workspace_id="w", name="Acme", level="company"),
                Cycle(id="q", workspace_id="w", name="Q3", starts_on=date(2026, 7, 1), ends_on=date(2026, 9, 30)),
            ]
        )  # fmt: skip
        session.flush()
        session.add(Team(id="t", workspace_id="w", name="Atlas", parent_id="co"))
        session.add(Objective(id="top", workspace_id="w", title="Win regulated markets", cycle_id="q", team_id="co"))
        session.flush()
        session.add(Objective(id="o", workspace_id="w", title="Win trust", cycle_id="q", team_id="t", parent_id="top"))
        session.flush()
        made = NOW - timedelta(days=20)
        session.add_all(
            [
                KeyResult(id="ratio", kind="issue_ratio", title="Ship the audit", created_at=made,
                          workspace_id="w", objective_id="o", driver_id="p"),
                KeyResult(id="points", kind="issue_ratio", title="Points", size_by="estimate", created_at=made,
                          workspace_id="w", objective_id="o", driver_id="p"),
                KeyResult(id="metric", kind="metric", title="Activation", unit="%", created_at=made, weight=Fraction(2),
                          baseline=Fraction(22), target=Fraction(35),
                          workspace_id="w", objective_id="o", driver_id="p"),
            ]
        )  # fmt: skip
        session.flush()
        session.add_all(WorkProgress(key_result_id=name, workspace_id="w") for name in ("ratio", "points"))
    yield Organisation(core, core.trackers["toy"])  # type: ignore[arg-type]  # the toy is what we registered
    core.close()
