"""Which open key results an unlinked issue probably serves, and why; people decide, nothing is linked by itself.

`reading` reads the issues asked about and their relatives, `history` what people linked earlier; `texts` compares
titles, `signals` turns all of it into numbers, `ranking` weighs them, `reasons` puts the strongest into words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from connector.models import Issue

SUGGESTED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class OpenKeyResult:
    """A key result that can be linked to now: its id, and the names by which people know it."""

    id: str
    title: str
    objective: str
    team: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A key result; in words why ("because its epic ATL-3 does"); and its share of the belief, above 0 and at most 1.

    Scores of one issue add up to less than 1: what is missing went to the other key results and to "no goal at all".
    """

    key_result: OpenKeyResult
    reason: str
    score: float


def suggest(
    session: Session,
    workspace_id: str,
    issue_ids: Sequence[int],
    *,
    limit: int = SUGGESTED_AT_MOST,
    key_result_ids: Collection[str] | None = None,
) -> Mapping[int, list[Suggestion]]:
    """Suggest open key results for each issue, best first; every id asked about is in the answer.

    The number of statements does not depend on the number of issues. With `key_result_ids` only those are suggested.
    An issue that is not this workspace's, was deleted or dropped gets none, as does one of which nothing is known.
    """
    # Loading scikit-learn takes a second. Starting up and drawing a linked issue's panel don't need it.
    from connector.suggestions.ranking import rank

    return rank(session, workspace_id, issue_ids, limit=limit, key_result_ids=key_result_ids)


def suggest_key_results(
    session: Session, workspace_id: str, issue: Issue, *, limit: int = SUGGESTED_AT_MOST
) -> list[Suggestion]:
    """Suggest open key results for one issue, best first."""
    return suggest(session, workspace_id, [issue.id], limit=limit)[issue.id]
