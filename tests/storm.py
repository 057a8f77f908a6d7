"""A quarter of a Jira site's life as webhook deliveries, and what must be true after them, worked out independently."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import jwt

from jira_app import query_string_hash
from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.progress import Options
from tests.mapping.oracle import Answer, Oracle

BEGIN = datetime(2026, 7, 1, 8, tzinfo=UTC)
CATEGORY = {"todo": "new", "doing": "indeterminate", "done": "done", "dropped": "done"}
POINTS_FIELD = "customfield_10016"


@dataclass(frozen=True)
class Report:
    """One thing that happened to an issue, as the site reports it."""

    key: str
    issue: str
    at: datetime
    cls: str
    level: int
    parent: str | None
    points: int | None

    def body(self) -> bytes:
        gone = self.cls == "gone"
        milliseconds = int(self.at.timestamp() * 1000)
        fields: dict[str, Any] = {
            "summary": f"Issue {self.issue}, reported {self.key}",
            "status": {"id": self.cls, "name": self.cls, "statusCategory": {"key": CATEGORY.get(self.cls, "new")}},
            "resolution": {"name": "Won't Do"} if self.cls == "dropped" else None,
            "issuetype": {"name": "Sub-task" if self.level < 0 else "Story", "hierarchyLevel": self.level},
            "project": {"key": "STORM"},
            "labels": [],
            "updated": self.at.isoformat(timespec="milliseconds"),
            POINTS_FIELD: self.points,
        }
        if self.parent is not None:
            fields["parent"] = {"id": self.parent, "key": f"STORM-{self.parent}"}
        return json.dumps(
            {
                "timestamp": milliseconds,
                "webhookEvent": "jira:issue_deleted" if gone else "jira:issue_updated",
                "user": {"accountId": "storm"},
                "issue": {"id": self.issue, "key": f"STORM-{self.issue}", "fields": fields},
            }
        ).encode()


@dataclass
class Storm:
    """`reports` in the order in which they happened; `final` is the last word on each issue, by its own time."""

    seed: int
    size: int
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = random.Random(self.seed)
        epics = [str(number) for number in range(1, 5)]
        stories = [str(number) for number in range(10, 50)]
        parts = [str(number) for number in range(100, 130)]
        alive = [*epics, *stories, *parts]
        moment = BEGIN
        while len(self.reports) < self.size:
            moment += timedelta(seconds=dice.randint(1, 600), milliseconds=dice.randint(0, 999))
            issue = dice.choice(alive)
            level = 1 if issue in epics else -1 if issue in parts else 0
            cls = dice.choices(("todo", "doing", "done", "dropped", "gone"), (30, 25, 35, 8, 0.4))[0]
            parent = dice.choice([*epics, None]) if level == 0 else dice.choice(stories) if level < 0 else None
            points = dice.choice((None, 0, 1, 2, 3, 5, 8))
            if cls == "gone":
                if len(alive) < 40 or issue in epics:
                    continue
                alive.remove(issue)
            key = f"storm-{self.seed}-{len(self.reports)}"
            self.reports.append(Report(key, issue, moment, cls, level, parent, points))

    def deliveries(self) -> list[Report]:
        """The reports as they arrive: shuffled, one in ten twice."""
        dice = random.Random(self.seed + 1)
        arriving = [*self.reports, *dice.sample(self.reports, len(self.reports) // 10)]
        dice.shuffle(arriving)
        return arriving

    def final(self) -> dict[str, Report]:
        """The last writer wins, issue by issue."""
        last: dict[str, Report] = {}
        for report in self.reports:
            if report.issue not in last or report.at > last[report.issue].at:
                last[report.issue] = report
        return last

    def expected(self, links: list[tuple[str, Fraction]], options: Options) -> Answer:
        """What a key result with these links must say in the end."""
        final = self.final()
        issues: Mapping[str, Issue] = {
            name: Issue(
                cls=IssueClass(report.cls),
                estimate=None if _before_deletion(self, report).points is None
                else Fraction(_before_deletion(self, report).points or 0),
                parent=_before_deletion(self, report).parent,
                level=_before_deletion(self, report).level,
            )
            for name, report in final.items()
        }  # fmt: skip
        return Oracle(issues, links, options).answer()


def _before_deletion(storm: Storm, last: Report) -> Report:
    """A deletion says only that the issue is gone: where it hung is what was known before."""
    if last.cls != "gone":
        return last
    earlier = [one for one in storm.reports if one.issue == last.issue and one.cls != "gone"]
    return max(earlier, key=lambda one: one.at, default=last)


def signed_headers(client_key: str, secret: str, key: str = "") -> dict[str, str]:
    """The headers of one webhook; the token lives long enough for a whole test."""
    now = int(time.time())
    claims = {"iss": client_key, "iat": now, "exp": now + 3600, "qsh": query_string_hash("POST", "/jira/webhooks")}
    return {
        "Authorization": f"JWT {jwt.encode(claims, secret, algorithm='HS256')}",
        "Content-Type": "application/json",
        "X-Atlassian-Webhook-Identifier": key,
    }


def quarters(total: int, parts: int) -> Iterator[int]:
    """Marks that cut `total` into equal parts, without its ends."""
    yield from (total * number // parts for number in range(1, parts))
