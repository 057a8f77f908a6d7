"""The shapes of what hangs on a key result: links, ledger, check-ins, milestones; and of connections."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from web.api.fields import Day, Exact, Id, Line, Moment, Prose, Rational, Text
from web.api.schemas import Cause, Changes, Finding, Given, PageQuery, Shape, Status, TrackerName, absent

IssueName = Annotated[Text, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class LinkIn(Given):
    """Names the issue by `external_id` (its identity) or `key`, one of them. `connection_id` only if there are several.

    `declared_change` is what finishing the issue should do to the metric; kind issue_delta.
    """

    external_id: IssueName | None = None
    key: IssueName | None = None
    connection_id: Id | None = None
    tracker: TrackerName | None = None
    weight: Exact = Field(default=1, validate_default=True)
    declared_change: Exact | None = None


class LinkChanges(Changes):
    weight: Exact = absent()


class LinkOut(Shape):
    """`class` is todo, doing, done, dropped, gone or unknown. `state` is active, waiting (for the
    tracker, since `waiting_since`; counts nothing yet) or refused (by the tracker; `refusal` says why). `source` is
    manual, label, or rule: then `rule_id` is the rule that made it and alone takes it away again."""

    model_config = ConfigDict(populate_by_name=True)

    id: Id
    tracker: str
    connection_id: Id
    external_id: str
    key: str
    url: str
    title: str
    cls: Annotated[str, Field(alias="class")]
    weight: Exact
    source: str
    rule_id: Id | None
    declared_change: Exact | None
    state: str
    waiting_since: Moment | None
    refusal: str | None
    version: int


class LinkPage(Shape):
    items: list[LinkOut]
    next_cursor: str | None


class LedgerQuery(PageQuery):
    """`at` folds to that moment, or to the end of that day in the workspace's zone: what had happened by then."""

    at: Moment | Day | None = None
    cause: Cause | None = None
    number: Literal["work", "outcome"] | None = None


class LedgerIssue(Shape):
    tracker: str
    external_id: str
    key: str
    url: str
    title: str


class LedgerRow(Shape):
    """One cause. `delta` is null where there is no number on one side."""

    id: str
    number: Literal["work", "outcome"]
    issue: LedgerIssue | None
    cause: Cause
    before: Rational | None
    after: Rational | None
    delta: Rational | None
    numerator_before: Rational | None
    numerator_after: Rational | None
    denominator_before: Rational | None
    denominator_after: Rational | None
    actor: str
    happened_at: Moment
    learned_at: Moment
    source_event: str | None
    formula_version: int
    detail: dict[str, Any]


class LedgerState(Shape):
    """Both numbers at `at`, folded from the rows."""

    at: Moment
    work: Rational | None
    numerator: Rational
    denominator: Rational
    outcome: Rational | None


class LedgerPage(Shape):
    items: list[LedgerRow]
    next_cursor: str | None
    state: LedgerState


class CheckInIn(Given):
    """A measured value, the driver's word, or the full check-in. Once one of the answers is given, all three questions
    must be answered: what changed; what works or is stuck; what is next or needed. Red needs a plan."""

    value: Exact | None = None
    confidence: Exact | None = None
    status: Status | None = None
    changed: Prose = ""
    working: Prose = ""
    stuck: Prose = ""
    next: Prose = ""
    need: Prose = ""
    plan: Prose = ""
    at: Moment | None = None
    by_id: Id | None = None


class CheckInChanges(Changes):
    value: Exact | None = absent()
    confidence: Exact | None = absent()
    status: Status | None = absent()
    changed: Prose = absent()
    working: Prose = absent()
    stuck: Prose = absent()
    next: Prose = absent()
    need: Prose = absent()
    plan: Prose = absent()


class CheckInOut(Shape):
    id: Id
    at: Moment
    by_id: Id | None
    source: str
    value: Exact | None
    confidence: Exact | None
    status: Status | None
    changed: str
    working: str
    stuck: str
    next: str
    need: str
    plan: str
    version: int


class CheckInPage(Shape):
    items: list[CheckInOut]
    next_cursor: str | None


class MilestoneIn(Given):
    title: Line
    weight: Exact = Field(default=1, validate_default=True)
    finished: Annotated[bool, Field(strict=True)] = False


class MilestoneChanges(Changes):
    title: Line = absent()
    weight: Exact = absent()
    finished: Annotated[bool, Field(strict=True)] = absent()


class MilestoneOut(Shape):
    id: Id
    title: str
    weight: Exact
    finished: bool
    finished_at: Moment | None
    version: int


class MilestonePage(Shape):
    items: list[MilestoneOut]
    next_cursor: str | None


class ConnectionFailure(Shape):
    """Something that was given up, and why. `box`: inbox (a delivery) or outbox (something to do at the tracker)."""

    box: Literal["inbox", "outbox"]
    id: str
    kind: str
    subject: str
    reason: str
    attempts: int
    at: Moment


class SiteSetting(Shape):
    """What may be set for a site, and what holds now; `by_hand` if somebody chose it."""

    name: str
    label: str
    values: list[str]
    by_hand: bool


class ConnectionChanges(Given):
    """Settings of the site by name, each a list of words; null goes back to what Ladder learns from the site."""

    settings: Annotated[
        dict[Annotated[str, Field(max_length=60)], list[Annotated[str, Field(max_length=200)]] | None],
        Field(max_length=20),
    ]


class ConnectionOut(Shape):
    """`backlog` counts what waits, in and out. `offline_since` is set while the tracker does not answer."""

    id: Id
    tracker: str
    site: str
    state: str
    last_event_at: Moment | None
    last_reconcile_at: Moment | None
    offline_since: Moment | None
    trouble: str | None
    backlog: int
    failures: list[ConnectionFailure]
    settings: list[SiteSetting]
    version: int


class ConnectionPage(Shape):
    items: list[ConnectionOut]
    next_cursor: str | None


class LintIn(Given):
    """A draft as `ladder calc lint` takes it: `kind` and `text`; `cycle` is the one that dates are judged in."""

    kind: Literal["objective", "key_result", "set", "owner", "audit", "status", "check_in"]
    text: Annotated[Text, Field(max_length=400)] | dict[str, Any]
    cycle_id: Id | None = None


class LintOut(Shape):
    verdict: str
    why: list[str]
    findings: list[Finding]
