"""The sprint overlay as people see it, before anybody draws it (design/progress.md section 8, design/ui.md).

Progress is a Fraction 0..1 or None; sizes are in the tracker's points, 1 for an issue without an estimate. Ids of
issues and sprints are ours (`Issue.id`, `Sprint.id`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What somebody tries out, kept nowhere: issues out of the sprint, others (of the next one) into it, and links.

    `links` are (issue id, key result id).
    """

    out: frozenset[int] = frozenset()
    into: frozenset[int] = frozenset()
    links: tuple[tuple[int, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.out or self.into or self.links)


@dataclass(frozen=True, slots=True)
class PlannedSprint:
    """A Jira sprint or Linear cycle of the overlay. `state`: future, active, closed, deleted."""

    id: int
    connection_id: str
    tracker: str
    site: str
    external_id: str
    name: str
    state: str
    board: str
    board_name: str
    starts_at: datetime | None
    ends_at: datetime | None
    read_at: datetime | None
    offline_since: datetime | None


@dataclass(frozen=True, slots=True)
class Serving:
    """How an issue comes to count for a key result.

    `link_id` is its own link, None where it inherits one from `through` (the key of an issue above it) or where it is
    only tried out. `source`: manual, label, rule (in words: `rule`), tried. `waiting`: the tracker has not confirmed
    the link yet.
    """

    key_result_id: str
    link_id: str | None
    source: str
    through: str | None = None
    rule_id: str | None = None
    rule: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class PlannedIssue:
    """One issue of the sprint (or of the next one beside it).

    `side`: aligned, bau, unaligned, dropped. `included`: whether it is in the sprint, with what is tried out applied.
    `hidden`: whoever looks may not see it in its tracker, so that key, title and address are empty; it counts all the
    same. `estimate` None where the tracker has none. `part_of` is the issue of the sprint whose part it is (a sub-task
    beside its story), `whole_key` that one's key; `is_roof`: it is only a roof over other issues of the sprint (an
    epic). Neither has a size of its own in the shares: work is counted once.
    """

    id: int
    sprint_id: int
    connection_id: str
    external_id: str
    key: str
    title: str
    url: str
    issue_type: str
    status_name: str
    cls: str
    estimate: Fraction | None
    size: Fraction
    assignee: str | None
    labels: Sequence[str]
    side: str
    category: str | None
    serves: Sequence[Serving]
    included: bool
    hidden: bool = False
    part_of: int | None = None
    whole_key: str = ""
    is_roof: bool = False
    stale_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """An open issue that must be done before another one, which serves a key result of the plan.

    `inside`: whether the blocker is in the sprint too; one outside is why the sprint cannot finish the other.
    """

    blocker_id: int
    blocker_key: str
    blocker_title: str
    blocker_url: str
    blocked_id: int
    blocked_key: str
    key_result_ids: Sequence[str]
    inside: bool


@dataclass(frozen=True, slots=True)
class PlannedKeyResult:
    """What the sprint does to the work progress of one key result.

    `now` -> `with_scope` (links that are tried out or wait for their tracker) -> `if_done` (the sprint's open issues
    are done); `gain` is if_done - now. `words` say the gain ("work +4 pp; effect on the metric not declared").
    `after_next` is where the next sprint would take it on top. `effort` is the size of the sprint's issues behind it,
    an issue on two key results split evenly. `nothing_behind`: it is the team's and no issue of the sprint serves it.
    """

    id: str
    title: str
    objective_id: str
    objective: str
    team_id: str
    team: str
    kind: str
    badge: str
    flags: Sequence[str]
    now: Fraction | None
    with_scope: Fraction | None
    if_done: Fraction | None
    gain: Fraction | None
    words: str
    after_next: Fraction | None
    effort: Fraction
    issue_ids: Sequence[int]
    nothing_behind: bool
    of_the_team: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """How a sprint divides by size. Shares sum to 1; they are None for a sprint without work."""

    total: Fraction
    aligned: Fraction | None
    bau: Fraction | None
    unaligned: Fraction | None
    issues: int
    open_issues: int
    unestimated: int


@dataclass(frozen=True, slots=True)
class TeamChoice:
    """A team whose key results the overlay may be about."""

    id: str
    name: str
    level: str


@dataclass(frozen=True, slots=True)
class SprintPlan:
    """The overlay. `issues` come in groups' order: by key result as in `key_results`, then unaligned, then business as
    usual, then dropped; an issue on two key results is listed once here and named by both.

    `shares_before` are without what is tried out. `next_sprints` may be shown beside it (one for each sprint that has a
    following one), `alongside` are sprints of other connections with the same dates, `team_id` the team that the
    overlay is about (guessed from what its issues serve, unless somebody chose). `revision` changes whenever anything
    shown does; it is empty while something is tried out.
    """

    sprints: Sequence[PlannedSprint]
    key_results: Sequence[PlannedKeyResult]
    issues: Sequence[PlannedIssue]
    blocks: Sequence[Block]
    shares: Shares
    shares_before: Shares
    next_sprints: Sequence[PlannedSprint]
    next_issues: Sequence[PlannedIssue]
    next_shares: Shares | None
    alongside: Sequence[PlannedSprint]
    team_id: str | None
    teams: Sequence[TeamChoice]
    zone: str
    revision: str
    what_if: WhatIf = field(default_factory=WhatIf)
