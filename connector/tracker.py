"""What a tracker is to the core: events that it reports and the few questions that it answers.

A tracker is one package behind the entry point group `ladder.trackers`. It brings authentication, parsing, a client
and panels; it cannot touch progress, because nothing here lets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from connector.models import Connection

# "schedule" is to put it into sprints, or to take it out of them; trackers may ask for more than for editing.
Action = Literal["view", "edit", "schedule"]


@dataclass(frozen=True, slots=True)
class IssueSnapshot:
    """All that the core wants to know of one issue at one moment.

    `cls` is the issue class of progress.md section 2; `level` is 0 for standard issues, 1 and more above, -1 for
    sub-tasks; `estimate` in the tracker's own points; `updated_at` is the tracker's update time and decides which of
    two snapshots is newer. `sprints` are external ids. `blocked_by` are the external ids of issues that must be done
    first; None where this reading does not tell.
    """

    external_id: str
    key: str
    title: str
    url: str
    cls: str
    updated_at: datetime
    level: int = 0
    estimate: Fraction | None = None
    parent_external_id: str | None = None
    issue_type: str = ""
    status_name: str = ""
    project_key: str = ""
    assignee: str | None = None
    labels: tuple[str, ...] = ()
    sprints: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class IssueChanged:
    """The issue now looks like this (created, updated, moved, restored)."""

    snapshot: IssueSnapshot
    happened_at: datetime
    actor: str = ""


@dataclass(frozen=True, slots=True)
class IssueDeleted:
    """The issue is gone for good, confirmed by the tracker."""

    external_id: str
    happened_at: datetime
    actor: str = ""


@dataclass(frozen=True, slots=True)
class IssueTouched:
    """Something happened to the issue, but the delivery does not say enough: it must be read again."""

    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SprintChanged:
    """A sprint or cycle as it now is; `state` is future, active, closed or deleted.

    `board` is the external id of the board or team that plans it, `board_name` what people call that; "" where this
    report does not say.
    """

    external_id: str
    name: str
    state: str
    happened_at: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    board: str = ""
    board_name: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A known kind of delivery that moves nothing, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A kind of delivery that we do not know: counted and shown, never swallowed."""

    what: str


Event = IssueChanged | IssueDeleted | IssueTouched | SprintChanged | Ignored | Unsupported


class BadDelivery(Exception):
    """An accepted delivery whose body makes no sense; it is kept as failed, with this reason, and changes nothing."""

    reason = "bad_delivery"


class TrackerError(Exception):
    """The tracker could not do what was asked. `reason` is the metric label; the message is shown to people."""

    reason = "tracker_error"


class TrackerUnavailable(TrackerError):
    """Not now: down, slow, or out of budget. `retry_after` in seconds if the tracker said so; `whole_connection`
    when nothing at all may be sent until then (quota)."""

    reason = "unavailable"

    def __init__(self, message: str, retry_after: float | None = None, whole_connection: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_connection = whole_connection


class IssueUnreadable(TrackerError):
    """A 403 or 404 while reading: not proof that the issue is gone, so the last known class is kept."""

    reason = "unreadable"


class TrackerRefused(TrackerError):
    """A final no (rejected credentials, invalid request): retrying cannot help."""

    reason = "refused"


@dataclass(frozen=True, slots=True)
class PanelLabel:
    """What the tracker shows beside an issue without opening the panel.

    `tone`: success, progress, moved (look at it), removed (bad), default.
    """

    text: str
    tone: str = "default"


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Some issues of a longer answer; `position` is handed back to go on after a restart, None at the end.

    `gone` are issues of which the tracker itself says that they were deleted.
    """

    snapshots: Sequence[IssueSnapshot]
    position: str | None = None
    gone: Sequence[IssueDeleted] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as the tracker knows them."""

    account_id: str
    name: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class GoalCard:
    """What a tracker shows of one key result on one issue, where no panel of ours can be opened.

    `url` is our page for the issue and is the card's identity there; `subtitle` is without a time, which the tracker
    adds in its own way. `attributes` are shown by name in this order: objective, driver, status, progress, pace.
    """

    key_result_id: str
    url: str
    title: str
    subtitle: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteOption:
    """Something that an admin may set for a site: an entry of `Connection.settings` that is a list of words.

    `values` holds now; `by_hand` tells whether somebody chose it, or it was learned from the site or is our default.
    """

    name: str
    label: str
    help: str
    values: tuple[str, ...] = ()
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class IssueQuery:
    """Some of a tracker's issues. `kind`: epic, project, label or query; `text` as people write it.

    `external_id` is the identity of an epic or project where it is known, since keys change.
    """

    kind: str
    text: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class GoalMark:
    """What a tracker's own searches and filters should know of an issue.

    `goal_work`: aligned, business as usual, or unaligned. Titles are those of what the issue ladders into, in
    alphabetical order; both are empty unless it is aligned.
    """

    goal_work: str
    objectives: tuple[str, ...] = ()
    key_results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a tracker can do beyond the minimum; the core never asks it for what it can't.

    `sprints`: its sprints can be listed, read and changed. `rules`: the kinds of IssueQuery that it can find.
    `decided_by_snapshot`: those of them that a snapshot alone decides: its `project_key` is the project's text, its
    `labels` hold the label's text or, if it has one, its identity.
    `goal_marks`: its searches can know goals. `sprint_links`: a sprint there can carry a link to our planning page.
    """

    queries: bool = False
    panel_label: bool = False
    cards: bool = False
    goal_labels: bool = False
    sprints: bool = False
    rules: frozenset[str] = frozenset()
    decided_by_snapshot: frozenset[str] = frozenset()
    goal_marks: bool = False
    sprint_links: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class Tracker(Protocol):
    """The seam. All calls may raise TrackerUnavailable, IssueUnreadable or TrackerRefused; none touches the database.

    `connection` is the stored row (detached; read-only here). Implementations get secrets through the client factory
    that they are built with, never from the row.
    """

    name: str
    capabilities: Capabilities

    def parse(self, connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
        """Turn one accepted delivery into events; raises BadDelivery."""
        ...

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        """Read one issue as it is now."""
        ...

    def fetch_issues(self, connection: Connection, external_ids: Sequence[str]) -> Sequence[IssueSnapshot]:
        """Read up to 100 issues as they are now; what cannot be read is missing from the answer."""
        ...

    def fetch_subtree(self, connection: Connection, external_id: str) -> Iterator[SnapshotPage]:
        """Read everything that hangs below an issue (not the issue itself), page by page."""
        ...

    def updated_since(self, connection: Connection, since: datetime) -> Iterator[SnapshotPage]:
        """Read every issue updated at or after `since`, page by page; complete when the iterator ends normally."""
        ...

    def search(self, connection: Connection, account_id: str, text: str, limit: int) -> Sequence[IssueSnapshot]:
        """Find issues by key or words, for linking from our own pages."""
        ...

    def may(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool:
        """Tell whether this account may view, edit or schedule the issue, by the tracker's own rights."""
        ...

    def permitted(
        self, connection: Connection, account_id: str, external_ids: Sequence[str], action: Action
    ) -> frozenset[str]:
        """Return those of many issues with which this account may do that; `may` for a whole sprint at once."""
        ...

    def sprints(self, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        """Read the active and future sprints of a board (of every board that can be seen, with None)."""
        ...

    def sprint_issues(self, connection: Connection, sprint: str) -> Iterator[SnapshotPage]:
        """Read every issue of a sprint, page by page, with `blocked_by`; complete when the iterator ends normally."""
        ...

    def move_to_sprint(self, connection: Connection, external_ids: Sequence[str], sprint: str | None) -> None:
        """Put issues into a sprint, or out of any open one with None; somebody who may do so has asked for it."""
        ...

    def show_sprint_link(self, connection: Connection, sprint: str, url: str, title: str, known_id: str | None) -> str:
        """Put a link to our page on a sprint, or bring the one called `known_id` up to date; return its id."""
        ...

    def resolve(self, connection: Connection, query: IssueQuery) -> IssueQuery:
        """Return a query with its text made clean and its identity filled in.

        Raises TrackerRefused, in words for the person who wrote it, for one that can't be asked.
        """
        ...

    def find(self, connection: Connection, query: IssueQuery) -> Iterator[SnapshotPage]:
        """Read every issue that a query matches, page by page; complete when the iterator ends normally.

        An epic matches itself alone: what hangs below it follows by itself.
        """
        ...

    def matching(self, connection: Connection, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
        """Return those of up to 100 issues that a query matches now."""
        ...

    def show_goals(self, connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        """Let the tracker's searches know what up to 100 issues (external id -> mark) ladder into; idempotent."""
        ...

    def profile(self, connection: Connection, account_id: str) -> Profile:
        """Read a person's display name."""
        ...

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        """Count, sum or average over a query in the tracker's language; None when nothing matches an average."""
        ...

    def site_options(self, connection: Connection) -> Sequence[SiteOption]:
        """Tell what an admin may set for this site, with what holds now; asks nobody."""
        ...

    def discover(self, connection: Connection) -> Mapping[str, Any]:
        """Learn the site's own names for things, as entries of `Connection.settings`."""
        ...

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        """Put the panel's label on an issue, or take it away; idempotent."""
        ...

    def show_card(self, connection: Connection, external_id: str, card: GoalCard, known_id: str | None) -> str:
        """Put a card on an issue, or bring the one called `known_id` up to date; return its id. Idempotent."""
        ...

    def remove_card(self, connection: Connection, card_id: str) -> None:
        """Take a card away; one that is gone already is fine."""
        ...

    def sync_goal_labels(
        self, connection: Connection, wanted: Mapping[str, str], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Offer one label per key result (`wanted`: its id -> the label's name) and retire the others.

        `known` is what was returned last time, {} at first: `group` (id) and `labels` (label id -> key result id);
        `marks`, where `show_goals` puts labels too, holds them as `labels` (goal work -> label id): another value than
        before means that they are to be shown anew.
        Anything else in it is the tracker's own. Idempotent.
        """
        ...

    def put_labels(
        self, connection: Connection, external_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
    ) -> Sequence[IssueSnapshot]:
        """Put labels (ids) on up to 100 issues and take others off, and return the issues as they are then.

        Other labels stay; issues that can't be read are left out. Idempotent.
        """
        ...


def registered_trackers() -> dict[str, Any]:
    """Return what is registered under `ladder.trackers`, by name, without building anything."""
    return {point.name: point.load() for point in entry_points(group="ladder.trackers")}
