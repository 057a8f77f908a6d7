"""What an edit does to a key result's numbers, written down as it happens: one ledger row per cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from connector.goals.kinds import WorkOptions
from connector.ledger import Occasion, record_outcome, record_work
from connector.models import KeyResult
from connector.outcome import outcome_of
from connector.store import SqlStore
from mapping import running
from mapping.progress import Options, SizeBy, Unestimated


@contextmanager
def recorded(
    session: Session,
    key_result: KeyResult,
    cause: str,
    *,
    actor: str,
    now: datetime,
    happened_at: datetime | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Compare the outcome before and after the block, and write one ledger row of this cause."""
    before = outcome_of(session, key_result)
    yield
    session.flush()
    record_outcome(
        session,
        key_result,
        cause,
        before,
        outcome_of(session, key_result),
        actor=actor,
        happened_at=happened_at or now,
        now=now,
        detail=detail,
    )


def count_anew(session: Session, key_result: KeyResult, options: WorkOptions, *, actor: str, now: datetime) -> None:
    """Count the linked work under other options; cause rule_changed."""
    store = SqlStore(session, key_result.workspace_id, now)
    changes = running.set_options(
        store,
        key_result.id,
        Options(
            size_by=SizeBy(options.size_by),
            kappa=options.started_credit,
            sub_credit=options.sub_task_credit,
            unestimated=Unestimated(options.unestimated),
        ),
    )
    store.flush()
    record_work(session, changes, Occasion("rule_changed", actor, now, now), None)
