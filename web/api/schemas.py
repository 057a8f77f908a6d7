"""The shapes of the API's bodies and query strings (interfaces: `/api/v1`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from web.api.fields import Day, Exact, Id, Line, Name, Rational, Text

State = Literal["open", "closed"]
Level = Literal["company", "department", "team"]
Kind = Literal["metric", "maintain", "milestone", "issue_ratio", "issue_count", "query_metric", "issue_delta"]
Status = Literal["green", "yellow", "red"]
Cause = Literal[
    "completed",
    "reopened",
    "started",
    "scope_added",
    "scope_removed",
    "dropped",
    "deleted",
    "resized",
    "reweighted",
    "measured",
    "corrected",
    "target_edited",
    "baseline_edited",
    "rule_changed",
]
TrackerName = Annotated[Text, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
AccountId = Annotated[Text, Field(min_length=1, max_length=128, pattern=r"\S")]


class Shape(BaseModel):
    """Anything that is answered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, from_attributes=True)


class Given(BaseModel):
    """Anything that is sent to us; a name that we do not know is an error, since it would be lost silently."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, from_attributes=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Changes(Given):
    """A PATCH: what is absent stays as it is; null only where the field itself can be null."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def named(self) -> dict[str, Any]:
        """Return what was sent, nothing else."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def absent() -> Any:
    """A PATCH field that was not sent; its value is never looked at."""
    return Field(default=None)


class PageQuery(Given):
    """Which part of a list; `cursor` is the `next_cursor` of the previous answer."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Text, Field(max_length=500)] | None = None


class Finding(Shape):
    """What the rules at entry say about a draft. Findings warn; they never block."""

    rule: str
    subject: str
    reason: str
    message: str
    evidence: list[str] = []


class CycleIn(Given):
    """A stretch of the calendar; both days belong to it."""

    name: Annotated[Text, Field(min_length=1, max_length=120)]
    starts_on: Day
    ends_on: Day
    state: State = "open"


class CycleChanges(Changes):
    name: Annotated[Text, Field(min_length=1, max_length=120)] = absent()
    starts_on: Day = absent()
    ends_on: Day = absent()
    state: State = absent()


class CycleOut(Shape):
    id: Id
    name: str
    starts_on: Day
    ends_on: Day
    state: State
    version: int


class CyclePage(Shape):
    items: list[CycleOut]
    next_cursor: str | None


class TeamIn(Given):
    """A company, department or team; a parent is always of a level above."""

    name: Name
    level: Level = "team"
    parent_id: Id | None = None


class TeamChanges(Changes):
    name: Name = absent()
    level: Level = absent()
    parent_id: Id | None = absent()


class TeamOut(Shape):
    id: Id
    name: str
    level: Level
    parent_id: Id | None
    version: int


class TeamPage(Shape):
    items: list[TeamOut]
    next_cursor: str | None


class AccountShape(Given):
    """A person's identity in one tracker."""

    tracker: TrackerName
    account_id: AccountId


Role = Literal["admin", "member", "viewer"]
Accounts = Annotated[list[AccountShape], Field(max_length=20)]
Email = Annotated[Text, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]


class PersonIn(Given):
    name: Name
    email: Email | None = None
    role: Role = "member"
    accounts: Accounts = []


class PersonChanges(Changes):
    """`accounts` replaces the earlier ones."""

    name: Name = absent()
    email: Email | None = absent()
    role: Role = absent()
    accounts: Accounts = absent()


class PersonOut(Shape):
    id: Id
    name: str
    email: str | None
    role: Role
    accounts: list[AccountShape]
    version: int


class PersonPage(Shape):
    items: list[PersonOut]
    next_cursor: str | None


CoOwners = Annotated[list[Id], Field(max_length=50)]


class ObjectiveIn(Given):
    """An outcome that a team wants in a cycle; `parent_id` is what it ladders into."""

    title: Line
    cycle_id: Id
    team_id: Id
    owner_id: Id | None = None
    co_owner_ids: CoOwners = []
    parent_id: Id | None = None
    state: State = "open"


class ObjectiveChanges(Changes):
    title: Line = absent()
    cycle_id: Id = absent()
    team_id: Id = absent()
    owner_id: Id | None = absent()
    co_owner_ids: CoOwners = absent()
    parent_id: Id | None = absent()
    state: State = absent()


class ObjectiveOut(Shape):
    """`progress` is the weighted mean over the key results that have a value: `measured` of `total`."""

    id: Id
    title: str
    cycle_id: Id
    team_id: Id
    owner_id: Id | None
    co_owner_ids: list[Id]
    parent_id: Id | None
    state: State
    progress: Rational | None
    display: str
    measured: int
    total: int
    findings: list[Finding]
    version: int


class ObjectivePage(Shape):
    items: list[ObjectiveOut]
    next_cursor: str | None


class ObjectiveQuery(PageQuery):
    cycle_id: Id | None = None
    team_id: Id | None = None
    parent_id: Id | None = None
    state: State | None = None


class Options(Shape):
    """How linked work is counted. `started_credit`: what a started issue is worth, 0 or more and below 1."""

    size_by: Literal["count", "estimate"] = "count"
    started_credit: Exact = Field(default=0, validate_default=True)
    unestimated: Literal["one", "exclude"] = "one"
    sub_task_credit: Annotated[bool, Field(strict=True)] = False


class OptionChanges(Changes):
    size_by: Literal["count", "estimate"] = absent()
    started_credit: Exact = absent()
    unestimated: Literal["one", "exclude"] = absent()
    sub_task_credit: Annotated[bool, Field(strict=True)] = absent()


class QueryShape(Given):
    """A question in a tracker's own language; kind `query_metric` only."""

    connection_id: Id
    text: Annotated[Text, Field(min_length=1, max_length=2000)]
    aggregate: Literal["count", "sum", "average"] = "count"
    field: Annotated[Text, Field(min_length=1, max_length=200)] | None = None


Band = Annotated[list[Exact | None], Field(min_length=2, max_length=2)]
Checkpoint = Annotated[list[Exact], Field(min_length=2, max_length=2)]
Checkpoints = Annotated[list[Checkpoint], Field(max_length=20)]
MaintainBy = Literal["average", "latest", "minimum"]
Unit = Annotated[Text, Field(max_length=40)]
Drivers = Annotated[list[Text], Field(max_length=20)]
# A list or a team is accepted as a shape, so that it can be answered with the rule that it breaks.
Driver = Annotated[Text, Field(max_length=200)] | Drivers


class KeyResultIn(Given):
    """How one knows that the objective is reached. `driver_id` names exactly one person; a list of one will do.

    `band` [lowest, highest] and `maintain_by` belong to kind maintain, `query` to query_metric, `checkpoints`
    [[value, progress], ...] to the kinds that follow the metric rule.
    """

    objective_id: Id
    title: Line
    kind: Kind = "metric"
    driver_id: Driver | None = None
    unit: Unit = ""
    baseline: Exact | None = None
    target: Exact | None = None
    value: Exact | None = None
    weight: Exact = Field(default=1, validate_default=True)
    due_on: Day | None = None
    state: State = "open"
    options: Options = Options()
    band: Band | None = None
    maintain_by: MaintainBy = "average"
    checkpoints: Checkpoints = []
    query: QueryShape | None = None


class KeyResultChanges(Changes):
    """`value` is kept as a measurement of this moment, like a check-in with nothing but a value."""

    objective_id: Id = absent()
    title: Line = absent()
    kind: Kind = absent()
    driver_id: Driver | None = absent()
    unit: Unit = absent()
    baseline: Exact | None = absent()
    target: Exact | None = absent()
    value: Exact = absent()
    weight: Exact = absent()
    due_on: Day | None = absent()
    state: State = absent()
    options: OptionChanges = absent()
    band: Band | None = absent()
    maintain_by: MaintainBy = absent()
    checkpoints: Checkpoints = absent()
    query: QueryShape | None = absent()


class WorkOut(Shape):
    """How much of the linked work is finished. `units`: how many issues count."""

    progress: Rational | None
    numerator: Rational | None
    denominator: Rational | None
    display: str
    units: int
    done_units: int
    flags: list[str]


class OutcomeOut(Shape):
    """Has the metric moved. `why` says why there is no number; `claimed`: finished links declare it, nobody measured
    it; `trouble`: why the last query failed, the value being older."""

    progress: Rational | None
    raw: Rational | None
    display: str
    raw_display: str
    why: str | None
    claimed: bool
    trouble: str | None


class PaceOut(Shape):
    """`elapsed` of the cycle; `projected` at this pace; `status` green, yellow, red, too_early or not_measured."""

    elapsed: Rational
    projected: Rational | None
    display: str
    status: str
    reason: str


class KeyResultOut(Shape):
    """`stands_by` says which of the two numbers stands for this kind in roll-ups; `status` is the one to show."""

    id: Id
    objective_id: Id
    title: str
    kind: Kind
    driver_id: Id
    unit: str
    baseline: Exact | None
    target: Exact | None
    value: Exact | None
    weight: Exact
    due_on: Day | None
    state: State
    options: Options
    band: list[Exact | None] | None
    maintain_by: MaintainBy | None
    checkpoints: list[list[Exact]]
    query: QueryShape | None
    work: WorkOut
    outcome: OutcomeOut
    stands_by: Literal["outcome", "work"]
    badge: str
    confidence: Exact | None
    status: str
    evidence_status: str
    disputed: bool
    pace: PaceOut
    findings: list[Finding]
    version: int


class KeyResultPage(Shape):
    items: list[KeyResultOut]
    next_cursor: str | None


class KeyResultQuery(PageQuery):
    objective_id: Id | None = None
    cycle_id: Id | None = None
    team_id: Id | None = None
    driver_id: Id | None = None
    kind: Kind | None = None
    state: State | None = None
