"""The planning sheet: a sprint plan put into groups and words for its templates; no query, no progress computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Literal

from connector.planning.plan import (
    Block,
    PlannedIssue,
    PlannedKeyResult,
    PlannedSprint,
    Serving,
    Shares,
    SprintPlan,
    WhatIf,
)
from connector.planning.sheet_words import ARROW, days_of, exact_points, percent_of, place, size_words, state_words
from connector.wording import NO_BREAK, decimal

CLOSED_STATES = frozenset({"closed", "deleted"})
OPEN_CLASSES = frozenset({"todo", "doing"})
SOURCE_WORDS = {"manual": "by hand", "label": "by label", "rule": "by a rule", "tried": "tried out"}
CLASS_WORDS = {
    "todo": "to do",
    "doing": "in progress",
    "done": "done",
    "dropped": "won't do",
    "unknown": "not read yet",
}

GroupKind = Literal["key_result", "unaligned", "bau", "dropped"]


@dataclass(frozen=True, slots=True)
class Row:
    """One issue in one group. `id` is unique on the page; `link_id` only where the issue carries the link itself."""

    id: str
    issue: PlannedIssue
    source: str = ""
    link_id: str | None = None
    waiting: bool = False
    also: Sequence[str] = ()
    blocked_by: Sequence[Block] = ()
    may_suggest: bool = False

    @property
    def split(self) -> int:
        """Among how many key results the issue's effort is divided."""
        return len(self.also) + 1

    @property
    def points(self) -> str:
        """The estimate, or the mark for none; "" where the issue's work is counted elsewhere."""
        if self.issue.is_roof or self.issue.part_of is not None:
            return ""
        return decimal(self.issue.estimate) if self.issue.estimate is not None else "–"

    @property
    def state(self) -> str:
        """The issue's class in words."""
        return CLASS_WORDS.get(self.issue.cls, self.issue.cls)

    @property
    def name(self) -> str:
        """How the issue is called where only one word fits."""
        return self.issue.key or f"hidden issue {self.issue.id}"


@dataclass(frozen=True, slots=True)
class Group:
    """The issues of one key result, or those of none. `total` says their size, as far as it counts here."""

    id: str
    kind: GroupKind
    title: str
    rows: Sequence[Row]
    total: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One key result in the table. Percentages are set for reading; `gain` is "+7.2 pp" or "" where there is none.

    `at_` say where the bar's parts end (0..100), "" for a null.
    """

    key_result: PlannedKeyResult
    now: str
    with_scope: str
    if_done: str
    gain: str
    rises: bool
    falls: bool
    after_next: str
    effort: str
    at_now: str
    at_scope: str
    at_done: str
    blocked_by: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the stacked bar: its word, its per cent, and where it begins and how wide it is (0..100).

    `was` is its per cent without what is tried out, "" where that is the same.
    """

    code: str
    word: str
    shown: str
    size: str
    start: str
    width: str
    was: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that the overlay's templates read.

    `may_change`: offer to link, declare and move; `why_not` says why not otherwise. `movable`: the sprint is open and
    its tracker can move issues. `unknown_rights`: names of trackers that can't say now what may be seen.
    """

    plan: SprintPlan
    now: datetime
    groups: Sequence[Group]
    next_groups: Sequence[Group]
    lines: Sequence[Line]
    shares: Sequence[Share]
    may_change: bool
    movable: bool
    why_not: str = ""
    unknown_rights: Sequence[str] = ()
    unit: str = "pt"
    totals: Mapping[str, str] = field(default_factory=dict)

    @property
    def sprints(self) -> Sequence[PlannedSprint]:
        """The sprints that this is about."""
        return self.plan.sprints

    @property
    def title(self) -> str:
        """The sprints' names."""
        return " + ".join(sprint.name for sprint in self.plan.sprints)

    @property
    def is_reading(self) -> bool:
        """Whether some sprint has never been read from its tracker yet."""
        return any(sprint.read_at is None and sprint.state != "deleted" for sprint in self.plan.sprints)

    @property
    def is_closed(self) -> bool:
        """Whether there is nothing left to plan."""
        return all(sprint.state in CLOSED_STATES for sprint in self.plan.sprints)

    @property
    def hidden(self) -> int:
        """How many of the sprints' issues whoever looks may not see."""
        return sum(issue.hidden for issue in self.plan.issues)

    @property
    def stale(self) -> int:
        """How many issues the tracker has not let us read lately."""
        return sum(issue.stale_since is not None for issue in self.plan.issues)

    @property
    def waiting(self) -> int:
        """How many links wait for their tracker."""
        return sum(serving.waiting for issue in self.plan.issues for serving in issue.serves)

    @property
    def all_over(self) -> str:
        """ "done" or "dropped" where every issue is, else ""."""
        classes = {issue.cls for issue in self.plan.issues}
        return classes.pop() if len(classes) == 1 and classes <= {"done", "dropped"} else ""

    @property
    def zone(self) -> str:
        """The workspace's time zone."""
        return self.plan.zone

    @property
    def has_next(self) -> bool:
        """Whether the next sprint is shown beside this one."""
        return self.plan.next_shares is not None

    @property
    def next_total(self) -> str:
        """The size of the next sprint in words."""
        return size_words(self.plan.next_shares.total, self.unit) if self.plan.next_shares else ""

    def days(self, sprint: PlannedSprint) -> str:
        """When a sprint runs."""
        return days_of(sprint, self.now, self.plan.zone)

    def state(self, sprint: PlannedSprint) -> str:
        """Where in its life a sprint stands."""
        return state_words(sprint, self.now, self.plan.zone)

    @property
    def total(self) -> str:
        """The size of the sprint in words."""
        return size_words(self.plan.shares.total, self.unit)

    @property
    def offline(self) -> Sequence[PlannedSprint]:
        """The sprints whose tracker does not answer."""
        return [sprint for sprint in self.plan.sprints if sprint.offline_since is not None]

    @property
    def trying(self) -> str:
        """What is tried out, in words: "2 out, 1 in, 3 links"; "" for nothing."""
        what = self.plan.what_if
        parts = [
            f"{len(what.out)}{NO_BREAK}out" if what.out else "",
            f"{len(what.into)}{NO_BREAK}in" if what.into else "",
            f"{len(what.links)}{NO_BREAK}link{'s' if len(what.links) != 1 else ''}" if what.links else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def effect(self) -> str:
        """What that does to the unaligned share."""
        before, after = self.plan.shares_before.unaligned, self.plan.shares.unaligned
        if before == after:
            return f"unaligned stays at {percent_of(after)}"
        return f"unaligned {percent_of(before)}{ARROW}{percent_of(after)}"


def build_sheet(
    plan: SprintPlan,
    *,
    now: datetime,
    may_change: bool,
    why_not: str = "",
    movable: bool = False,
    unknown_rights: Sequence[str] = (),
    with_rows: bool = True,
) -> Sheet:
    """Put a plan into words; without rows where only the numbers are wanted."""
    unit = "pt" if any(issue.estimate is not None for issue in (*plan.issues, *plan.next_issues)) else ""
    titles = {one.id: one.title for one in plan.key_results}
    blocks: dict[int, list[Block]] = {}
    for block in plan.blocks:
        blocks.setdefault(block.blocked_id, []).append(block)
    is_open = not all(sprint.state in CLOSED_STATES for sprint in plan.sprints)
    grouping = _Grouping(plan, titles, blocks, may_change)
    own = {sprint.id for sprint in plan.sprints}
    # What is tried into the sprint stays where it is ticked, in the list of the next one.
    groups = grouping.groups("", [one for one in plan.issues if one.sprint_id in own]) if with_rows else []
    totals = _totals(plan, unit)
    return Sheet(
        plan=plan,
        now=now,
        groups=[_with_total(group, totals) for group in groups],
        next_groups=grouping.groups("next-", plan.next_issues) if with_rows else [],
        lines=[_line(one, plan, unit) for one in plan.key_results],
        shares=_shares(plan.shares, plan.shares_before, unit),
        may_change=may_change,
        movable=movable and may_change and is_open,
        why_not=why_not,
        unknown_rights=unknown_rights,
        unit=unit,
        totals=totals,
    )


class _Grouping:
    """Sorts issues into groups. What is only tried out moves no row: it would jump away under the hand that tries."""

    def __init__(
        self,
        plan: SprintPlan,
        titles: Mapping[str, str],
        blocks: Mapping[int, Sequence[Block]],
        may_change: bool,
    ) -> None:
        self._plan, self._titles, self._blocks = plan, titles, blocks
        self._may_change = may_change

    def groups(self, prefix: str, issues: Sequence[PlannedIssue]) -> list[Group]:
        behind: dict[str, list[Row]] = {}
        rest: dict[GroupKind, list[Row]] = {"unaligned": [], "bau": [], "dropped": []}
        for issue in issues:
            real = {one.key_result_id: one for one in issue.serves if one.source != "tried"}
            if issue.cls == "dropped":
                rest["dropped"].append(self._row(f"{prefix}dropped", issue, None, ()))
            elif real:
                for key_result_id, serving in real.items():
                    others = [self._titles.get(other, "another key result") for other in real if other != key_result_id]
                    row = self._row(f"{prefix}{key_result_id}", issue, serving, others)
                    behind.setdefault(key_result_id, []).append(row)
            else:
                kind: GroupKind = "bau" if issue.category else "unaligned"
                rest[kind].append(self._row(f"{prefix}{kind}", issue, None, ()))
        made = [
            Group(f"{prefix}{one.id}", "key_result", one.title, behind[one.id], objective=one.objective)
            for one in self._plan.key_results
            if one.id in behind
        ]
        # A key result that the plan does not tell of (a closed one) still shows what is linked to it.
        told = {one.id for one in self._plan.key_results}
        made += [
            Group(f"{prefix}{key}", "key_result", "A key result that is not open", rows)
            for key, rows in behind.items()
            if key not in told
        ]
        words: Mapping[GroupKind, str] = {"unaligned": "No goal", "bau": "Business as usual", "dropped": "Dropped"}
        return made + [Group(f"{prefix}{kind}", kind, words[kind], rows) for kind, rows in rest.items() if rows]

    def _row(self, group: str, issue: PlannedIssue, serving: Serving | None, also: Sequence[str]) -> Row:
        return Row(
            id=f"{group}-{issue.id}",
            issue=issue,
            source=self._source(serving) if serving else "",
            link_id=serving.link_id if serving and not serving.through else None,
            waiting=bool(serving and serving.waiting),
            also=also,
            blocked_by=self._blocks.get(issue.id, ()),
            may_suggest=self._may_change
            and not issue.serves
            and issue.category is None
            and issue.cls in OPEN_CLASSES
            and not issue.hidden,
        )

    def _source(self, serving: Serving) -> str:
        if serving.through:
            return f"through {serving.through}"
        if serving.source == "rule" and serving.rule:
            return f"by rule: {serving.rule}"
        return SOURCE_WORDS.get(serving.source, serving.source)


def _with_total(group: Group, totals: Mapping[str, str]) -> Group:
    return Group(group.id, group.kind, group.title, group.rows, totals.get(group.id, ""), group.objective)


def _totals(plan: SprintPlan, unit: str) -> dict[str, str]:
    """Return the size of each group as it counts in the shares: an issue on two key results is divided."""
    totals = {one.id: size_words(one.effort, unit) for one in plan.key_results}
    shares = plan.shares
    totals["unaligned"] = size_words((shares.unaligned or Fraction(0)) * shares.total, unit)
    totals["bau"] = size_words((shares.bau or Fraction(0)) * shares.total, unit)
    totals["dropped"] = "counts nothing"
    return totals


def _line(one: PlannedKeyResult, plan: SprintPlan, unit: str) -> Line:
    return Line(
        key_result=one,
        now=percent_of(one.now),
        with_scope=percent_of(one.with_scope),
        if_done=percent_of(one.if_done),
        gain=exact_points(one.gain) if one.gain is not None else "",
        rises=one.gain is not None and one.gain > 0,
        falls=one.gain is not None and one.gain < 0,
        after_next=percent_of(one.after_next) if one.after_next is not None else "",
        effort=size_words(one.effort, unit),
        at_now=place(one.now) if one.now is not None else "",
        at_scope=place(one.with_scope) if one.with_scope is not None else "",
        at_done=place(one.if_done) if one.if_done is not None else "",
        blocked_by=[block for block in plan.blocks if one.id in block.key_result_ids],
    )


def _shares(shares: Shares, before: Shares, unit: str) -> list[Share]:
    if shares.aligned is None or shares.bau is None or shares.unaligned is None:
        return []
    made, start = [], Fraction(0)
    for code, word, share, was in (
        ("aligned", "aligned", shares.aligned, before.aligned),
        ("bau", "business as usual", shares.bau, before.bau),
        ("unaligned", "unaligned", shares.unaligned, before.unaligned),
    ):
        size = size_words(share * shares.total, unit)
        changed = percent_of(was) if was != share else ""
        made.append(Share(code, word, percent_of(share), size, place(start), place(share), changed))
        start += share
    return made


def kept_what_if(plan: SprintPlan, asked: WhatIf) -> WhatIf:
    """Return what of a what-if still means anything: issues come and go, and others link for real meanwhile.

    What is in none of the sprints means nothing: by its number anything of the workspace could be read otherwise.
    """
    here = {issue.id for issue in plan.issues if issue.sprint_id}
    beside = {issue.id for issue in plan.next_issues if issue.sprint_id}
    real = {
        (issue.id, serving.key_result_id)
        for issue in (*plan.issues, *plan.next_issues)
        for serving in issue.serves
        if serving.source != "tried"
    }
    return WhatIf(
        out=asked.out & here,
        into=asked.into & (beside | here),
        links=tuple(pair for pair in asked.links if pair[0] in here | beside and pair not in real),
    )
