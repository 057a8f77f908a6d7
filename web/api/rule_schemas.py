"""The shapes of rules that link by themselves, of their previews, and of many links at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from web.api.fields import Exact, Id, Moment, Rational, Text
from web.api.history_schemas import IssueName
from web.api.schemas import Changes, Given, PageQuery, Shape, absent

RuleKind = Literal["epic", "project", "label", "query"]
RuleText = Annotated[Text, Field(min_length=1, max_length=10_000, pattern=r"\S")]
Bound = Annotated[int, Field(ge=1, le=20_000)]
Fate = Literal["linked", "second", "by_hand", "kept_away", "excepted", "lost"]


class RuleIn(Given):
    """Links whatever an epic, project, label or query of the tracker holds. `text` is the epic's or project's key or
    address, the label, or the query in the tracker's own language (JQL, or a Linear filter as JSON).
    """

    kind: RuleKind
    text: RuleText
    connection_id: Id | None = None
    weight: Exact = Field(default=1, validate_default=True)
    at_most: Bound = 1_000


class RuleChanges(Changes):
    """`state` is active or paused; a paused rule keeps its links as they are, unless `links` says remove."""

    weight: Exact = absent()
    at_most: Bound = absent()
    state: Literal["active", "paused"] = absent()
    links: Literal["keep", "remove"] = absent()


class RunIn(Given):
    """An empty object."""


class RuleDeletion(Given):
    """What becomes of the links: keep makes them people's own, remove takes them away."""

    links: Literal["keep", "remove"] = "keep"


class Rival(Shape):
    """Who has issues instead: a rule, or people (`rule` empty, `rule_id` null), for another key result."""

    rule: str
    rule_id: Id | None
    key_result_id: Id
    key_result: str
    issues: int


class RuleOut(Shape):
    """`state` is active, paused or failing, then `trouble` says why; a failing rule keeps its links as they are.

    `matches` issues match, `links` of them are linked by it. The others are told by `not_linked` (numbers by what
    stands in the way, for 200 at most): second, by_hand, kept_away, excepted, lost; `lost_to` names who has them.
    `under_way`: some are being linked or let go just now. `ran_at` is when it was last compared with the tracker.
    """

    id: Id
    key_result_id: Id
    connection_id: Id
    kind: RuleKind
    text: str
    name: str
    weight: Exact
    at_most: int
    state: str
    trouble: str | None
    made_by: str
    ran_at: Moment | None
    matches: int
    links: int
    under_way: bool
    not_linked: dict[Fate, int]
    lost_to: list[Rival]
    version: int


class RulePage(Shape):
    """All of them; there are never many."""

    items: list[RuleOut]
    next_cursor: str | None


class PreviewIssue(Shape):
    """`fate` is what the rule would do with it."""

    model_config = ConfigDict(populate_by_name=True)

    external_id: str
    key: str
    url: str
    title: str
    cls: Annotated[str, Field(alias="class")]
    fate: Fate


class PreviewOut(Shape):
    """What a rule would do; nothing is kept.

    `matches` issues match (`exact`, or at least so many). Over the bound (`over_bound`) nothing more is told. Otherwise
    `linked` is how many the rule would link, `work_now` and `work_then` the key result's work progress before and
    after, `gain_pp` the difference in percentage points.
    """

    kind: RuleKind
    text: str
    matches: int
    exact: bool
    at_most: int
    over_bound: bool
    linked: int
    by_hand: int
    second: int
    excepted: int
    lost_to: list[Rival]
    taken_from: list[Rival]
    first: list[PreviewIssue]
    work_now: Rational | None
    work_then: Rational | None
    gain_pp: str | None


class ExceptionOut(Shape):
    """An issue that a person took away from the key result's rules; none links it again until this is deleted."""

    connection_id: Id
    external_id: str
    key: str
    url: str
    title: str
    made_by: str
    made_at: Moment


class ExceptionPage(Shape):
    items: list[ExceptionOut]
    next_cursor: str | None


class ExceptionQuery(Given):
    """Which issue the rules may link again."""

    connection_id: Id
    external_id: IssueName


class QueryIn(Given):
    """What the tracker is asked for: like a rule, once."""

    kind: RuleKind
    text: RuleText


class BulkLinkIn(Given):
    """Names up to 500 issues: by `external_ids`, by `keys`, or by a `query`; one of them."""

    external_ids: Annotated[list[IssueName], Field(min_length=1, max_length=500)] | None = None
    keys: Annotated[list[IssueName], Field(min_length=1, max_length=500)] | None = None
    query: QueryIn | None = None
    connection_id: Id | None = None
    weight: Exact = Field(default=1, validate_default=True)
    declared_change: Exact | None = None


class BulkLinkItem(Shape):
    """`name` is what was asked for. `link_id` if it is linked now, else `reason` and `message`."""

    name: str
    external_id: str | None
    key: str
    link_id: Id | None
    reason: str | None
    message: str | None


class BulkLinkOut(Shape):
    linked: int
    refused: int
    items: list[BulkLinkItem]


class RuleListQuery(PageQuery):
    """Taken for the sake of all lists being asked alike; the answer has all rules."""
