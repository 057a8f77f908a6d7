"""Weighs the signals: for each issue the key results that it most probably serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from connector.suggestions import Suggestion
from connector.suggestions.model import Models
from connector.suggestions.reading import OUT, read_kin
from connector.suggestions.reasons import reason
from connector.suggestions.signals import Signal, Table
from connector.suggestions.texts import Numbers
from connector.suggestions.weights import (
    AHEAD,
    AT_LEAST_BESIDE_BEST,
    AT_LEAST_BESIDE_NOTHING,
    AT_LEAST_SAID,
    AT_LEAST_SAID_OF_IT_ALONE,
    WEIGHTS,
)

MODELS = Models()
# Decimals. What is equal but for rounding is a tie, and ties go by title, whoever else is asked about.
EXACT_TO = 9

_WEIGHTS = np.array([WEIGHTS[signal] for signal in Signal])


def rank(
    session: Session,
    workspace_id: str,
    issue_ids: Sequence[int],
    *,
    limit: int,
    key_result_ids: Collection[str] | None = None,
    models: Models = MODELS,
) -> Mapping[int, list[Suggestion]]:
    """Suggest key results for each issue; see `connector.suggestions.suggest`."""
    answer: dict[int, list[Suggestion]] = {issue_id: [] for issue_id in issue_ids}
    model = models.of(session, workspace_id)
    if not answer or not model.key_results or limit < 1:
        return answer
    kin = read_kin(session, workspace_id, list(answer))
    issues = [kin.issues[one] for one in answer if one in kin.issues and kin.issues[one].cls not in OUT]
    if not issues:
        return answer
    table = Table(issues, kin, model)
    said = table.numbers * _WEIGHTS[:, None]
    usual = said[:, :, :-1].mean(axis=2)
    belief = believed(said)
    worth = _worth_saying(said, belief)
    if key_result_ids is not None:
        wanted = frozenset(key_result_ids)
        worth &= np.array([one.id in wanted for one in model.key_results])
    order = np.argsort(-np.round(said.sum(axis=1)[:, :-1], EXACT_TO), axis=1, kind="stable")
    for row, issue in enumerate(issues):
        linked = kin.own.get(issue.id, {})
        for column in order[row][worth[row, order[row]]]:
            if len(answer[issue.id]) == limit:
                break
            why = "" if model.groups[column] in linked else reason(table, row, column, said[row, :, column], usual[row])
            if why:
                answer[issue.id].append(Suggestion(model.key_results[column], why, float(belief[row, column])))
    return answer


def believed(said: Numbers) -> Numbers:
    """Return the belief in each group, from what was said for it: issues × groups, each row adding up to 1."""
    total = said.sum(axis=1)
    total[:, -1] += AHEAD * said[:, Signal.TEAM].any(axis=1)
    raised = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _worth_saying(said: Numbers, belief: Numbers) -> NDArray[np.bool_]:
    """Tell for each issue and key result whether enough speaks for it."""
    total = said.sum(axis=1)[:, :-1]
    alone = total - said[:, Signal.TEAM, :-1]
    return np.asarray(
        (np.round(total, EXACT_TO) >= AT_LEAST_SAID)
        & (np.round(alone, EXACT_TO) >= AT_LEAST_SAID_OF_IT_ALONE)
        & (belief[:, :-1] >= AT_LEAST_BESIDE_NOTHING * belief[:, -1:])
        & (belief[:, :-1] >= AT_LEAST_BESIDE_BEST * belief.max(axis=1, keepdims=True))
    )
