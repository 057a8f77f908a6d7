"""A small workspace whose rows tests of suggestions write themselves, in the words of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connector.core import Core
from connector.models import (
    Account,
    Base,
    BusinessAsUsual,
    Connection,
    Cycle,
    Issue,
    KeyResult,
    Link,
    Objective,
    Person,
    Team,
    Workspace,
)
from connector.suggestions import Suggestion, suggest

NOW = datetime(2026, 8, 3, 9, tzinfo=UTC)


@dataclass
class Desk:
    """Workspace `w`, people Mira and Tom, team Atlas with objective "Win trust" in an open cycle; no key result yet."""

    core: Core
    numbers: dict[str, int] = field(default_factory=dict)

    def furnish(self, workspace: str = "w") -> None:
        with self.core.database.writing() as session:
            session.add(Workspace(id=workspace, name="Acme"))
            session.flush()
            session.add_all(
                [
                    Connection(id=f"c-{workspace}", workspace_id=workspace, tracker="toy", tenant_key=workspace,
                               site="https://toy.example"),
                    Cycle(id=f"q-{workspace}", workspace_id=workspace, name="Q3", starts_on=date(2026, 7, 1),
                          ends_on=date(2026, 9, 30)),
                    *(Person(id=f"{name}-{workspace}", workspace_id=workspace, name=name,
                             accounts=[Account(workspace_id=workspace, tracker="toy", account_id=name.lower())])
                      for name in ("Mira", "Tom")),
                ]
            )  # fmt: skip
        self.objective("o", "Win trust", workspace=workspace)

    def objective(self, name: str, title: str, *, team: str = "Atlas", workspace: str = "w") -> None:
        with self.core.database.writing() as session:
            team_id = f"{team}-{workspace}"
            if session.get(Team, team_id) is None:
                session.add(Team(id=team_id, workspace_id=workspace, name=team))
                session.flush()
            session.add(Objective(id=f"{name}-{workspace}", workspace_id=workspace, title=title,
                                  cycle_id=f"q-{workspace}", team_id=team_id))  # fmt: skip

    def key_result(self, name: str, title: str, *, objective: str = "o", workspace: str = "w") -> None:
        with self.core.database.writing() as session:
            session.add(KeyResult(id=name, workspace_id=workspace, objective_id=f"{objective}-{workspace}", title=title,
                                  driver_id=f"Mira-{workspace}"))  # fmt: skip

    def issue(self, key: str, title: str = "", *, below: str | None = None, workspace: str = "w", **more: Any) -> int:
        parent = self.numbers[below] if below else None
        more = {"cls": "todo", "issue_type": "Story"} | more
        with self.core.database.writing() as session:
            row = Issue(workspace_id=workspace, connection_id=f"c-{workspace}", external_id=key, key=key, title=title,
                        parent_id=parent, raw_parent_id=parent, **more)  # fmt: skip
            session.add(row)
            session.flush()
            self.numbers[key] = row.id
            return row.id

    def link(self, key: str, key_result: str, *, by: str | None = None, **more: Any) -> None:
        with self.core.database.writing() as session:
            later = timedelta(seconds=self.numbers[key])
            session.add(Link(workspace_id="w", key_result_id=key_result, issue_id=self.numbers[key], asked_by=by,
                             created_at=NOW + later, **more))  # fmt: skip

    def linked(self, key: str, key_result: str, title: str = "", *, by: str | None = None, **more: Any) -> None:
        self.issue(key, title, **more)
        self.link(key, key_result, by=by)

    def declare(self, key: str) -> None:
        with self.core.database.writing() as session:
            session.add(BusinessAsUsual(issue_id=self.numbers[key], workspace_id="w", category="other",
                                        declared_at=NOW + timedelta(seconds=self.numbers[key])))  # fmt: skip

    def edit(self, model: type[Base], row_id: object, **values: Any) -> None:
        with self.core.database.writing() as session:
            row = session.get_one(model, row_id)
            for name, value in values.items():
                setattr(row, name, value)

    def suggested(self, *keys: str, **more: Any) -> list[list[Suggestion]]:
        ids = [self.numbers[key] for key in keys]
        with self.core.database.reading() as session:
            found = suggest(session, "w", ids, **more)
        return [found[one] for one in ids]

    def reasons(self, key: str, **more: Any) -> dict[str, str]:
        """Return the reasons by key result, best first."""
        return {one.key_result.id: one.reason for one in self.suggested(key, **more)[0]}

    def order(self, key: str, **more: Any) -> Sequence[str]:
        return list(self.reasons(key, **more))
