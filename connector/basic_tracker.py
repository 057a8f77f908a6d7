"""What a tracker answers that can only tell of issues: everything beyond the minimum, politely declined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

from connector.models import Connection
from connector.tracker import (
    Action,
    Capabilities,
    GoalCard,
    GoalMark,
    IssueQuery,
    IssueSnapshot,
    IssueUnreadable,
    PanelLabel,
    Profile,
    SiteOption,
    SnapshotPage,
    SprintChanged,
    TrackerRefused,
)


class WithoutCards:
    """For trackers that show no cards and offer no labels of their own; the core asks for neither."""

    def show_card(self, connection: Connection, external_id: str, card: GoalCard, known_id: str | None) -> str:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker shows no cards")

    def remove_card(self, connection: Connection, card_id: str) -> None:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker shows no cards")

    def sync_goal_labels(
        self, connection: Connection, wanted: Mapping[str, str], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker offers no labels for key results")

    def put_labels(
        self, connection: Connection, external_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
    ) -> Sequence[IssueSnapshot]:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker offers no labels for key results")


class WithoutPlanning:
    """For trackers whose sprints, queries and searches the core leaves alone."""

    def sprints(self, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        """Know of none."""
        return []

    def sprint_issues(self, connection: Connection, sprint: str) -> Iterator[SnapshotPage]:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker has no sprints")

    def move_to_sprint(self, connection: Connection, external_ids: Sequence[str], sprint: str | None) -> None:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker has no sprints")

    def show_sprint_link(self, connection: Connection, sprint: str, url: str, title: str, known_id: str | None) -> str:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker shows no links on sprints")

    def resolve(self, connection: Connection, query: IssueQuery) -> IssueQuery:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker can't be asked by rules")

    def find(self, connection: Connection, query: IssueQuery) -> Iterator[SnapshotPage]:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker can't be asked by rules")

    def matching(self, connection: Connection, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker can't be asked by rules")

    def show_goals(self, connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        """Refuse: raises TrackerRefused."""
        raise TrackerRefused("This tracker's searches know nothing of goals")


class BasicTracker(WithoutCards, WithoutPlanning):
    """What a tracker answers that can only tell of issues: everything beyond the minimum, politely declined."""

    capabilities = Capabilities()

    def fetch_issues(self, connection: Connection, external_ids: Sequence[str]) -> Sequence[IssueSnapshot]:
        """Read the issues one by one, leaving out what cannot be read."""
        found = []
        for external_id in external_ids:
            with suppress(IssueUnreadable):
                found.append(self.fetch_issue(connection, external_id))
        return found

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        """Must be given by the tracker."""
        raise NotImplementedError

    def search(self, connection: Connection, account_id: str, text: str, limit: int) -> Sequence[IssueSnapshot]:
        """Find nothing: issues are linked by id or key only."""
        return []

    def may(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool:
        """Must be given by the tracker."""
        raise NotImplementedError

    def permitted(
        self, connection: Connection, account_id: str, external_ids: Sequence[str], action: Action
    ) -> frozenset[str]:
        """Ask for one issue after another."""
        return frozenset(one for one in external_ids if self.may(connection, account_id, one, action))

    def profile(self, connection: Connection, account_id: str) -> Profile:
        """Know nobody's name."""
        return Profile(account_id, account_id)

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        """Refuse queries."""
        raise TrackerRefused("This tracker can't be asked by queries")

    def site_options(self, connection: Connection) -> Sequence[SiteOption]:
        """Leave nothing to be set."""
        return []

    def discover(self, connection: Connection) -> Mapping[str, Any]:
        """Have nothing to learn."""
        return {}

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        """Show nothing; never called without the capability."""
