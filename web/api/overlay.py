"""/overlay: what a Jira sprint or a Linear cycle will do to the goals."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import ConfigDict, Field
from sqlalchemy import select

from connector.errors import NotFound
from connector.models import Connection, Sprint
from connector.planning.overlay import read_plan
from connector.planning.plan import PlannedIssue, PlannedKeyResult, Shares, SprintPlan
from mapping.display import points
from web.api.access import caller
from web.api.blueprint import api
from web.api.exchange import answer
from web.api.fields import Id, Moment, Rational, Text
from web.api.schemas import Given, Shape


class OverlayQuery(Given):
    """A sprint or cycle by its tracker's own id; `team_id` says whose key results it is held against."""

    connection_id: Id
    sprint_id: Annotated[Text, Field(min_length=1, max_length=64)]
    team_id: Id | None = None


class OverlaySprint(Shape):
    """`state` is future, active, closed or deleted. `read_at` is when its issues were last read completely."""

    connection_id: Id
    sprint_id: str
    tracker: str
    name: str
    state: str
    starts_at: Moment | None
    ends_at: Moment | None
    read_at: Moment | None


class OverlayShares(Shape):
    """Shares by size, as exact rationals that sum to 1; null for a sprint without work."""

    total: Rational
    aligned: Rational | None
    business_as_usual: Rational | None
    unaligned: Rational | None


class OverlayKeyResult(Shape):
    """Work progress now, with scope that is still to be confirmed, and if all the sprint's work finishes."""

    key_result_id: Id
    title: str
    objective_id: Id
    team_id: Id
    now: Rational | None
    after_adding_scope: Rational | None
    if_all_sprint_work_finishes: Rational | None
    gain: Rational | None
    gain_pp: str | None
    words: str
    effort: Rational
    nothing_behind: bool
    issues: list[str]


class OverlayIssue(Shape):
    """`side` is aligned, bau, unaligned or dropped. `part_of` is the issue of the sprint whose part this one is;
    `is_roof` an epic over others of the sprint: neither weighs anything by itself in the shares."""

    model_config = ConfigDict(populate_by_name=True)

    external_id: str
    key: str
    title: str
    url: str
    cls: Annotated[str, Field(alias="class")]
    estimate: Rational | None
    side: str
    category: str | None
    part_of: str | None
    is_roof: bool
    key_result_ids: list[str]


class OverlayBlock(Shape):
    """An open issue that must be done before another, which serves key results."""

    blocker: str
    blocked: str
    inside: bool
    key_result_ids: list[str]


class OverlayOut(Shape):
    sprint: OverlaySprint
    team_id: Id | None
    shares: OverlayShares
    key_results: list[OverlayKeyResult]
    issues: list[OverlayIssue]
    blocks: list[OverlayBlock]


@api.get("/overlay")
@api.input(OverlayQuery, location="query")
@api.output(OverlayOut)
@api.doc(tags=["planning"], operation_id="getOverlay")
def get_overlay(query_data: OverlayQuery) -> Response:
    """What a sprint will do to the goals

    The sprint is known from its tracker's events, and read as a whole when somebody opens the overlay.
    """
    who = caller()
    with who.core.database.reading() as session:
        sprint_id = session.scalars(
            select(Sprint.id)
            .join(Connection, Connection.id == Sprint.connection_id)
            .where(Sprint.workspace_id == who.workspace_id, Connection.id == str(query_data.connection_id))
            .where(Sprint.external_id == query_data.sprint_id)
        ).one_or_none()
        if sprint_id is None:
            raise NotFound("There is no such sprint on this connection.")
        team_id = str(query_data.team_id) if query_data.team_id is not None else None
        plan = read_plan(session, who.workspace_id, [sprint_id], who.now, team_id=team_id)
    return answer(_overlay(plan))


def _overlay(plan: SprintPlan) -> OverlayOut:
    sprint = plan.sprints[0]
    names = {issue.id: issue.external_id for issue in plan.issues}
    return OverlayOut(
        sprint=OverlaySprint(
            connection_id=sprint.connection_id,
            sprint_id=sprint.external_id,
            tracker=sprint.tracker,
            name=sprint.name,
            state=sprint.state,
            starts_at=sprint.starts_at,
            ends_at=sprint.ends_at,
            read_at=sprint.read_at,
        ),
        team_id=plan.team_id,
        shares=_shares(plan.shares),
        key_results=[_key_result(one, names) for one in plan.key_results],
        issues=[_issue(one, names) for one in plan.issues],
        blocks=[
            OverlayBlock(
                blocker=one.blocker_key,
                blocked=one.blocked_key,
                inside=one.inside,
                key_result_ids=list(one.key_result_ids),
            )
            for one in plan.blocks
        ],
    )


def _shares(shares: Shares) -> OverlayShares:
    return OverlayShares(
        total=shares.total,
        aligned=shares.aligned,
        business_as_usual=shares.bau,
        unaligned=shares.unaligned,
    )


def _key_result(one: PlannedKeyResult, names: dict[int, str]) -> OverlayKeyResult:
    return OverlayKeyResult(
        key_result_id=one.id,
        title=one.title,
        objective_id=one.objective_id,
        team_id=one.team_id,
        now=one.now,
        after_adding_scope=one.with_scope,
        if_all_sprint_work_finishes=one.if_done,
        gain=one.gain,
        gain_pp=points(one.gain) if one.gain is not None else None,
        words=one.words,
        effort=one.effort,
        nothing_behind=one.nothing_behind,
        issues=[names[issue] for issue in one.issue_ids],
    )


def _issue(one: PlannedIssue, names: dict[int, str]) -> OverlayIssue:
    return OverlayIssue(
        external_id=one.external_id,
        key=one.key,
        title=one.title,
        url=one.url,
        cls=one.cls,
        estimate=one.estimate,
        side=one.side,
        category=one.category,
        part_of=names.get(one.part_of) if one.part_of is not None else None,
        is_roof=one.is_roof,
        key_result_ids=[serving.key_result_id for serving in one.serves],
    )
