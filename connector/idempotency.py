"""The answers already given to an `Idempotency-Key`: a POST that is sent again makes nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from connector.database import Database
from connector.errors import Invalid
from connector.models import IdempotentAnswer

KEPT_FOR = timedelta(days=1)
LONGEST_KEY = 200
# The row's status while the first request with this key is still at work in its own, uncommitted transaction.
UNDER_WAY = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was, or will be, answered: status, body text, and the headers that belong to it."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST under a key. `request_hash` tells the same request from another one that reuses the key."""

    workspace_id: str
    key: str
    request_hash: str
    now: datetime


def hash_request(method: str, path: str, body: Any) -> str:
    """Return what makes two requests the same: method, path and the body's meaning, not its spelling."""
    text = json.dumps([method, path, body], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def answer_once(database: Database, attempt: Attempt, work: Callable[[Session], Answer]) -> Answer:
    """Run `work` in one transaction together with the memory of its answer, or return the answer given before.

    Of two requests at once the second one waits for the first one's row and then finds its answer (on SQLite writers
    queue anyway). When `work` raises, nothing is kept, and the same key may be tried again.
    Raises Invalid(`idempotency_key_reused`) for another request under the same key.
    """
    try:
        return _answer(database, attempt, work)
    except IntegrityError:
        # Either the other request was faster (then its answer is there now), or `work` itself ran into a constraint
        # (then this one does so again, and is the caller's to know).
        return _answer(database, attempt, work)


def recall(session: Session, attempt: Attempt) -> Answer | None:
    """Return the answer already given, if there is one. Raises Invalid(`idempotency_key_reused`)."""
    row = session.scalars(
        select(IdempotentAnswer).where(
            IdempotentAnswer.workspace_id == attempt.workspace_id, IdempotentAnswer.key == attempt.key
        )
    ).one_or_none()
    if row is None or row.status == UNDER_WAY or attempt.now - row.created_at >= KEPT_FOR:
        return None
    if row.request_hash != attempt.request_hash:
        raise Invalid(
            "idempotency_key_reused", "This Idempotency-Key was used for another request. Use a new one for this."
        )
    return Answer(row.status, row.body, row.headers, repeated=True)


def remember(session: Session, attempt: Attempt, answer: Answer) -> None:
    """Keep an answer for a day; for work that cannot run inside one transaction."""
    row = _begin(session, attempt)
    _finish(row, answer)


def forget_old(session: Session, now: datetime) -> int:
    """Remove what is older than a day; returns how many."""
    gone = session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < now - KEPT_FOR))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result is a CursorResult


def _answer(database: Database, attempt: Attempt, work: Callable[[Session], Answer]) -> Answer:
    with database.writing() as session:
        known = recall(session, attempt)
        if known is not None:
            return known
        row = _begin(session, attempt)
        answer = work(session)
        _finish(row, answer)
        return answer


def _begin(session: Session, attempt: Attempt) -> IdempotentAnswer:
    session.execute(
        delete(IdempotentAnswer).where(
            IdempotentAnswer.workspace_id == attempt.workspace_id,
            IdempotentAnswer.key == attempt.key,
            IdempotentAnswer.created_at <= attempt.now - KEPT_FOR,
        )
    )
    row = IdempotentAnswer(
        workspace_id=attempt.workspace_id,
        key=attempt.key,
        request_hash=attempt.request_hash,
        status=UNDER_WAY,
        body="",
        created_at=attempt.now,
    )
    session.add(row)
    session.flush()
    return row


def _finish(row: IdempotentAnswer, answer: Answer) -> None:
    row.status, row.body, row.headers = answer.status, answer.body, dict(answer.headers)
