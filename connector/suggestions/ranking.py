"""Weighs the signals: for each issue the key results that it most probably serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from sqlalchemy.orm import Session

from connector.suggestions import Suggestion
from connector.suggestions.model import Models
from connector.suggestions.reading import OUT, read_kin
from connector.suggestions.reasons import reason
from connector.suggestions.signals import Signal, Table
from connector.suggestions.texts import Numbers
from connector.suggestions.weights import (
    AHEAD,
    AT_LEAST_BESIDE_NOTHING,
    AT_LEAST_SAID,
    AT_LEAST_SAID_OF_IT_ALONE,
    WEIGHTS,
)

MODELS = Models()
# Decimals of a belief. What is equal but for rounding is a tie, and ties go by title, whoever else is asked about.
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
    asked = [kin.issues[issue_id] for issue_id in answer if issue_id in kin.issues]
    table = Table([issue for issue in asked if issue.cls not in OUT], kin, model)
    if not table.issues:
        return answer
    said = table.numbers * _WEIGHTS[:, None]
    belief = believed(said)
    telling = np.round(said.sum(axis=1)[:, :-1], EXACT_TO) >= AT_LEAST_SAID
    alone = said.sum(axis=1) - said[:, Signal.TEAM]
    telling &= np.round(alone[:, :-1], EXACT_TO) >= AT_LEAST_SAID_OF_IT_ALONE
    telling &= belief[:, :-1] >= AT_LEAST_BESIDE_NOTHING * belief[:, -1:]
    if key_result_ids is not None:
        telling &= np.array([one.id in set(key_result_ids) for one in model.key_results])
    order = np.argsort(-belief[:, :-1], axis=1, kind="stable")
    for row, issue in enumerate(table.issues):
        linked = kin.own.get(issue.id, {})
        best = [column for column in order[row] if telling[row, column] and model.key_results[column].id not in linked][
            :limit
        ]
        answer[issue.id] = [
            Suggestion(model.key_results[column], reason(table, row, column, said[row]), float(belief[row, column]))
            for column in best
        ]
    return answer


def believed(said: Numbers) -> Numbers:
    """Return the belief in each group, from what was said for it: issues × groups, each row adding up to 1."""
    total = said.sum(axis=1)
    total[:, -1] += AHEAD
    raised = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(np.round(raised / raised.sum(axis=1, keepdims=True), EXACT_TO))
