"""The objectives of a cycle as rows of a tree: what hangs below what, what is missing, and what a filter leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from connector.models import TEAM_LEVELS, Cycle, KeyResult, Objective
from connector.scorecard import ObjectiveNumber, Scorecard, objective_number
from mapping import display
from mapping.rollup import roll_up

DEEPEST = 6
# The order in which a row of statuses is said: what needs attention first.
STATUS_ORDER = ("red", "yellow", "outdated", "pending", "green", "closed")


@dataclass(frozen=True, slots=True)
class WorkRollup:
    """The mean over those key results of an objective that have linked work, and how many those are."""

    progress: Fraction | None
    display: str
    measured: int
    total: int


@dataclass(slots=True)
class Row:
    """One line: an objective (`number`, `work`, `statuses`) or a key result (`card`)."""

    key: str
    parent: str
    depth: int
    objective: Objective
    key_result: KeyResult | None = None
    card: Scorecard | None = None
    number: ObjectiveNumber | None = None
    work: WorkRollup | None = None
    statuses: list[tuple[str, int]] = field(default_factory=list)
    disputed: int = 0
    gaps: list[str] = field(default_factory=list)
    has_children: bool = False
    elsewhere: bool = False


def objectives_of(session: Session, workspace_id: str, cycle: Cycle) -> Sequence[Objective]:
    """Return the cycle's objectives and all that they ladder into, with everything that a row shows.

    One round of statements per level above, which is two or three, and none per objective.
    """
    everything = (
        selectinload(Objective.team),
        selectinload(Objective.cycle),
        selectinload(Objective.owner),
        selectinload(Objective.co_owners),
        selectinload(Objective.key_results).selectinload(KeyResult.driver),
    )
    query = select(Objective).where(Objective.workspace_id == workspace_id).options(*everything)
    found = {one.id: one for one in session.scalars(query.where(Objective.cycle_id == cycle.id))}
    while above := {one.parent_id for one in found.values() if one.parent_id} - found.keys():
        more = session.scalars(query.where(Objective.id.in_(above))).all()
        if not more:
            break
        found.update((one.id, one) for one in more)
    return list(found.values())


def plant(objectives: Sequence[Objective], cards: Mapping[str, Scorecard], cycle_id: str) -> list[Row]:
    """Return the rows of the tree in reading order.

    Objectives of other cycles (the company's annual ones) are there because something of this cycle ladders into them;
    they are marked `elsewhere`. A circle of parents, which only bad data can hold, is cut.
    """
    known = {objective.id: objective for objective in objectives}
    children: dict[str, list[Objective]] = {}
    roots = []
    for objective in sorted(objectives, key=_order):
        if objective.parent_id in known and not _in_circle(objective, known):
            children.setdefault(str(objective.parent_id), []).append(objective)
        else:
            roots.append(objective)
    rows: list[Row] = []
    waiting = [(root, "", 1) for root in reversed(roots)]
    while waiting:
        objective, parent, depth = waiting.pop()
        below = children.get(objective.id, [])
        rows.append(_objective_row(objective, parent, depth, below, cards, cycle_id))
        rows += [
            Row(
                key=key_result.id,
                parent=objective.id,
                depth=min(depth + 1, DEEPEST),
                objective=objective,
                key_result=key_result,
                card=cards[key_result.id],
                gaps=gaps_of(key_result),
            )
            for key_result in objective.key_results
        ]
        waiting.extend((child, objective.id, min(depth + 1, DEEPEST)) for child in reversed(below))
    return rows


def gaps_of(key_result: KeyResult) -> list[str]:
    """Say what a key result lacks beyond what its bars say already ("not measured yet", "no linked work")."""
    measured = key_result.kind in ("metric", "query_metric", "issue_delta")
    return ["no from and to"] if measured and None in (key_result.baseline, key_result.target) else []


def sift(rows: Sequence[Row], *, text: str = "", team_id: str = "", status: str = "") -> list[Row]:
    """Keep the rows that match all of the filters, and what they ladder into."""
    words = text.lower().split()
    if not (words or team_id or status):
        return list(rows)
    parents = {row.key: row.parent for row in rows}
    kept: set[str] = set()
    for row in rows:
        if _matches(row, words, team_id, status):
            key = row.key
            while key and key not in kept:
                kept.add(key)
                key = parents.get(key, "")
    return [row for row in rows if row.key in kept]


def _matches(row: Row, words: Iterable[str], team_id: str, status: str) -> bool:
    if team_id and row.objective.team_id != team_id:
        return False
    if status and not _has_status(row, status):
        return False
    said = [row.objective.title, row.objective.team.name]
    if row.key_result is not None:
        said += [row.key_result.title, row.key_result.driver.name]
    elif row.objective.owner is not None:
        said.append(row.objective.owner.name)
    haystack = " ".join(said).lower()
    return all(word in haystack for word in words)


def _has_status(row: Row, status: str) -> bool:
    card = row.card
    if status == "gap":
        return bool(row.gaps) or (card is not None and (card.progress is None or card.work.denominator is None))
    if card is None:
        return False
    return card.disputed if status == "disputed" else card.status == status


def _objective_row(
    objective: Objective,
    parent: str,
    depth: int,
    below: Sequence[Objective],
    cards: Mapping[str, Scorecard],
    cycle_id: str,
) -> Row:
    held = objective.key_results
    mine = {key_result.id: cards[key_result.id] for key_result in held}
    work = roll_up((mine[key_result.id].work.progress, key_result.weight) for key_result in held)
    seen = [card.status for card in mine.values()]
    elsewhere = objective.cycle_id != cycle_id
    gaps = []
    if not held and not elsewhere:
        gaps.append("no key results")
    if not below and objective.team.level != "team" and not elsewhere:
        gaps.append("nothing ladders into it")
    if objective.parent_id is None and objective.team.level != "company":
        gaps.append("ladders into nothing")
    if objective.owner is None and not elsewhere:
        gaps.append("no owner")
    return Row(
        key=objective.id,
        parent=parent,
        depth=depth,
        objective=objective,
        number=objective_number(held, mine),
        work=WorkRollup(work.progress, display.percent(work.progress), work.measured, work.of),
        statuses=[(status, seen.count(status)) for status in STATUS_ORDER if status in seen],
        disputed=sum(card.disputed for card in mine.values()),
        gaps=gaps,
        has_children=bool(held or below),
        elsewhere=elsewhere,
    )


def _order(objective: Objective) -> tuple[int, str, str, str]:
    team = objective.team
    return (TEAM_LEVELS.index(team.level), team.name.lower(), objective.title.lower(), objective.id)


def _in_circle(objective: Objective, known: Mapping[str, Objective]) -> bool:
    seen = {objective.id}
    above = known.get(str(objective.parent_id))
    while above is not None:
        if above.id == objective.id:
            return True
        if above.id in seen:
            return False
        seen.add(above.id)
        above = known.get(str(above.parent_id))
    return False
