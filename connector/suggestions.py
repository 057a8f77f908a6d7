"""Which key results an unlinked issue probably serves, and why: what its relatives ladder into, then common words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, case, func, literal, or_, select
from sqlalchemy.orm import Session, contains_eager

from connector.models import Cycle, Issue, KeyResult, Link, Objective

SUGGESTED_AT_MOST = 3
# Letters. Shorter words ("the", "API" aside) say little about what an issue is for.
SHORTEST_WORD = 4
WORDS_AT_MOST = 8
# Key results looked at for words in common; ranking happens here, so the query must not return a whole workspace.
LOOKED_AT = 60
# Words of trade that stand in every other title.
COMMON = frozenset({
    "about", "after", "also", "before", "from", "have", "into", "make", "more", "most", "only", "over", "should",
    "that", "their", "them", "then", "this", "when", "with", "without", "issue", "story", "task", "ticket", "update",
    "support", "create", "improve", "increase", "reduce", "implement", "feature", "customer", "customers", "user",
    "users",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A key result, and in words why: "because its epic does"."""

    key_result: KeyResult
    reason: str


def suggest_key_results(
    session: Session, workspace_id: str, issue: Issue, *, limit: int = SUGGESTED_AT_MOST
) -> list[Suggestion]:
    """Suggest open key results for an issue; two statements at most."""
    found = _through_relatives(session, workspace_id, issue, limit)
    if len(found) < limit:
        known = {suggestion.key_result.id for suggestion in found}
        found += [one for one in _by_words(session, workspace_id, issue) if one.key_result.id not in known]
    return found[:limit]


def _open_key_results(workspace_id: str) -> Select[KeyResult]:
    return (
        select(KeyResult)
        .join(KeyResult.objective)
        .join(Objective.cycle)
        .join(Objective.team)
        .where(KeyResult.workspace_id == workspace_id, KeyResult.state == "open")
        .where(Objective.state == "open", Cycle.state == "open")
        .options(contains_eager(KeyResult.objective).contains_eager(Objective.team))
    )


def _through_relatives(session: Session, workspace_id: str, issue: Issue, limit: int) -> list[Suggestion]:
    """What its parent (its link may wait), its children and its siblings ladder into, the most frequent first."""
    relations = [Issue.parent_id == issue.id]
    kinship = case((Issue.parent_id == issue.id, literal("child")), else_=literal("sibling"))
    if issue.parent_id is not None:
        relations += [Issue.parent_id == issue.parent_id, Issue.id == issue.parent_id]
        kinship = case(
            (Issue.id == issue.parent_id, literal("parent")),
            (Issue.parent_id == issue.id, literal("child")),
            else_=literal("sibling"),
        )
    kin = kinship.label("kin")
    relatives = (
        select(Link.key_result_id, kin, func.count().label("times"), func.min(Issue.key).label("example"),
               func.min(Issue.issue_type).label("issue_type"))
        .join(Issue, Issue.id == Link.issue_id)
        .where(Link.workspace_id == workspace_id, Link.state != "refused", or_(*relations), Issue.id != issue.id)
        .where(Issue.cls != "gone")
        .group_by(Link.key_result_id, kin)
        .subquery()
    )  # fmt: skip
    rank = case((relatives.c.kin == "parent", 0), (relatives.c.kin == "child", 1), else_=2)
    rows = session.execute(
        _open_key_results(workspace_id)
        .join(relatives, relatives.c.key_result_id == KeyResult.id)
        .add_columns(relatives.c.kin, relatives.c.times, relatives.c.example, relatives.c.issue_type)
        .order_by(rank, relatives.c.times.desc(), KeyResult.title, KeyResult.id)
        .limit(2 * limit)
    )
    suggestions: dict[str, Suggestion] = {}
    for key_result, kin, times, example, issue_type in rows:
        suggestions.setdefault(key_result.id, Suggestion(key_result, _because(kin, times, example, issue_type)))
    return list(suggestions.values())


def _because(kin: str, times: int, example: str, issue_type: str) -> str:
    if times == 1:
        # A relative that was never read has no key and no type yet.
        named = {
            "parent": f"its {issue_type.lower() or 'parent'} {example}",
            "child": f"{example or 'an issue'} below it",
            "sibling": f"its sibling {example}",
        }
        return f"because {named[kin].strip()} does"
    return f"because {times} issues below it do" if kin == "child" else f"because {times} of its siblings do"


def _by_words(session: Session, workspace_id: str, issue: Issue) -> Sequence[Suggestion]:
    words = telling_words(issue.title)
    if not words:
        return []
    titles = KeyResult.title + " " + Objective.title
    query = _open_key_results(workspace_id).where(or_(*(titles.icontains(word, autoescape=True) for word in words)))
    ranked = []
    for key_result in session.scalars(query.order_by(KeyResult.title, KeyResult.id).limit(LOOKED_AT)):
        text = f"{key_result.title} {key_result.objective.title}".casefold()
        common = [word for word in words if word in text]
        if common:
            ranked.append((-len(common), key_result.title, key_result.id, common, key_result))
    ranked.sort(key=lambda one: one[:3])
    return [Suggestion(one[4], f"because both say “{'”, “'.join(one[3][:2])}”") for one in ranked]


def telling_words(title: str) -> list[str]:
    """Return the words of a title that may say what it is about, longest first, in lower case."""
    words = dict.fromkeys(re.findall(rf"[^\W\d_]{{{SHORTEST_WORD},}}", title.casefold()))
    return sorted((word for word in words if word not in COMMON), key=lambda word: (-len(word), word))[:WORDS_AT_MOST]
