"""What an action did to the numbers, in one sentence for the notice that follows it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from connector import scorecard
from connector.wording import percent
from web.pages.guard import core, workspace
from web.pages.key_result import find_shown


def telling(session: Session, key_result_id: str, act: Callable[[], object]) -> str:
    """Act, and say what that did to the numbers: "Work 40 % → 38 %." """
    before = _card(session, key_result_id)
    act()
    session.flush()
    session.expire_all()
    after = _card(session, key_result_id)
    told = [
        f"{name} {percent(old)} → {percent(new)}."
        for name, old, new in (
            ("Outcome", before.outcome.display, after.outcome.display),
            ("Work", before.work.display, after.work.display),
        )
        if old != new
    ]
    return " ".join(told) or "The numbers stay as they are."


def _card(session: Session, key_result_id: str) -> scorecard.Scorecard:
    found = find_shown(session, key_result_id)
    day = scorecard.today(workspace(), core().clock())
    return scorecard.scorecards(session, workspace().id, [found], day)[found.id]


def work_now(key_result_id: str) -> str:
    with core().database.reading() as session:
        return f"Work is at {percent(_card(session, key_result_id).work.display)} now."
