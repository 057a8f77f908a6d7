"""Cards: what a tracker shows of a key result on an issue where no panel of ours can be opened (Linear: attachments).

Core decides which cards an issue should carry and what they say; the tracker only draws them. Everything here may be
done twice: a card that says the right thing already is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.orm import Session, joinedload

from connector import wording
from connector.core import Core
from connector.issue_panel import read_panel
from connector.issues import find_issue
from connector.models import Connection, Issue, KeyResult, Link, Objective, ShownCard, Workspace
from connector.outbox import enqueue
from connector.panel_label import standing_words
from connector.scorecard import Scorecard, scorecards, today
from connector.tracker import GoalCard
from mapping.display import NO_NUMBER

# Pages of this many issues are looked at per transaction, so that a key result with thousands of links does not keep
# others from writing.
BATCH = 200
# What somebody did to a card in the tracker itself is not reported reliably: each is written anew after this long.
GOOD_FOR = timedelta(days=1)
# Titles are cut by trackers in different places; this is short enough for all of them.
LONGEST_TITLE = 120


def card_of(key_result: KeyResult, scorecard: Scorecard, url: str) -> GoalCard:
    """Return what a card says of a key result; its objective and driver must be loaded."""
    status = standing_words(scorecard)
    number = wording.reason(scorecard.outcome.why) if scorecard.progress is None else scorecard.display
    if scorecard.progress is None and scorecard.stands_by == "work":
        number = wording.reason("no_linked_work")
    return GoalCard(
        key_result_id=key_result.id,
        url=url,
        title=f"KR {_cut(key_result.title)}",
        subtitle=f"{number} · {status}",
        attributes={
            "objective": _cut(key_result.objective.title),
            "driver": key_result.driver.name,
            "status": status,
            "progress": _both_numbers(scorecard),
            "pace": wording.score(scorecard.pace.projected),
        },
    )


def content_of(card: GoalCard) -> str:
    """Return what a card says as it is kept to be compared: all but the address, and the pace, which moves daily."""
    attributes = [value for name, value in sorted(card.attributes.items()) if name != "pace"]
    return json.dumps([card.title, card.subtitle, *attributes], ensure_ascii=False)


def page_address(base_url: str, connection: Connection, external_id: str, key_result_id: str) -> str:
    """Return our page for an issue, as the card of one key result points to it; it never changes."""
    return f"{base_url}/issues/{connection.tracker}/{connection.id}/{external_id}?key_result={key_result_id}"


def show_cards(core: Core, connection: Connection, external_id: str) -> None:
    """Bring the cards of one issue up to date: new ones, changed ones, and those that no longer belong there.

    Raises the tracker's errors; cards already written by then are remembered.
    """
    tracker = core.tracker_of(connection)
    with core.database.reading() as session:
        issue = find_issue(session, connection.id, external_id)
        if issue is None or issue.cls in ("gone", "unknown"):
            return
        connection = session.get_one(Connection, connection.id)
        panel = read_panel(session, connection, external_id, core.clock())
        rows = session.scalars(select(ShownCard).where(ShownCard.issue_id == issue.id))
        shown = {row.key_result_id: row for row in rows}
        wanted = {
            entry.key_result.id: card_of(
                entry.key_result,
                entry.scorecard,
                page_address(core.settings.base_url, connection, external_id, entry.key_result.id),
            )
            for entry in panel.entries
            if entry.link.state == "active"
        }
    for key_result_id, card in sorted(wanted.items()):
        row = shown.get(key_result_id)
        content = content_of(card)
        # Uninstalling an app takes its cards along, so what was shown before the present install is gone.
        known = row if row is not None and row.shown_at >= connection.installed_at else None
        if known is not None and known.content == content:
            continue
        card_id = tracker.show_card(connection, external_id, card, known.external_id if known is not None else None)
        with core.database.writing() as session:
            session.merge(
                ShownCard(
                    issue_id=issue.id,
                    key_result_id=key_result_id,
                    external_id=card_id,
                    content=content,
                    shown_at=core.clock(),
                )
            )
    for key_result_id in sorted(shown.keys() - wanted.keys()):
        tracker.remove_card(connection, shown[key_result_id].external_id)
        with core.database.writing() as session:
            session.execute(
                delete(ShownCard).where(ShownCard.issue_id == issue.id, ShownCard.key_result_id == key_result_id)
            )


def refresh_cards(core: Core, connection: Connection, key_result_id: str) -> None:
    """Have every issue look at its cards that shows something else of this key result, or should show it at all."""
    with core.database.reading() as session:
        card = _card_of_key_result(session, key_result_id, core.clock())
    if card is None:
        return
    differs = (
        select(Issue.id, Issue.external_id)
        .join(ShownCard, ShownCard.issue_id == Issue.id)
        .where(ShownCard.key_result_id == key_result_id, ShownCard.content != content_of(card))
    )
    for asked in (differs, _linked_without_card().where(Link.key_result_id == key_result_id)):
        after = 0
        while True:
            with core.database.writing() as session:
                page = asked.where(Issue.connection_id == connection.id, Issue.id > after)
                batch = session.execute(page.order_by(Issue.id).limit(BATCH)).all()
                for _, external_id in batch:
                    enqueue(session, connection.id, "show_label", external_id)
            if not batch:
                break
            after = batch[-1].id


def look_at_cards_again(session: Session, key_result_ids: Sequence[str]) -> None:
    """Forget what the cards of these key results say, so that the next refresh asks whether they still belong."""
    if key_result_ids:
        session.execute(update(ShownCard).where(ShownCard.key_result_id.in_(key_result_ids)).values(content=""))


def repair_cards(session: Session, connection: Connection, now: datetime, limit: int = BATCH) -> int:
    """Have missing cards made and old ones written anew, at most so many at a time; return how many issues."""
    old = or_(ShownCard.shown_at < now - GOOD_FOR, ShownCard.shown_at < connection.installed_at)
    aged = select(Issue.id, Issue.external_id).join(ShownCard, ShownCard.issue_id == Issue.id).where(old)
    found: dict[int, str] = {}
    for asked in (_linked_without_card(), aged.where(Issue.cls.not_in(("gone", "unknown")))):
        rows = session.execute(asked.where(Issue.connection_id == connection.id).order_by(Issue.id).limit(limit))
        found.update({row.id: row.external_id for row in rows})
    chosen = sorted(found)[:limit]
    session.execute(update(ShownCard).where(ShownCard.issue_id.in_(chosen), old).values(content=""))
    for issue_id in chosen:
        enqueue(session, connection.id, "show_label", found[issue_id], now=now)
    return len(chosen)


def _linked_without_card() -> Select[int, str]:
    return (
        select(Issue.id, Issue.external_id)
        .distinct()
        .join(Link, Link.issue_id == Issue.id)
        .outerjoin(ShownCard, (ShownCard.issue_id == Issue.id) & (ShownCard.key_result_id == Link.key_result_id))
        .where(Link.state == "active", ShownCard.issue_id.is_(None), Issue.cls.not_in(("gone", "unknown")))
    )


def _card_of_key_result(session: Session, key_result_id: str, now: datetime) -> GoalCard | None:
    key_result = session.scalars(
        select(KeyResult)
        .where(KeyResult.id == key_result_id)
        .options(joinedload(KeyResult.driver), joinedload(KeyResult.objective).joinedload(Objective.cycle))
    ).one_or_none()
    if key_result is None:
        return None
    workspace = session.get_one(Workspace, key_result.workspace_id)
    scorecard = scorecards(session, key_result.workspace_id, [key_result], today(workspace, now))[key_result_id]
    return card_of(key_result, scorecard, "")


def _both_numbers(scorecard: Scorecard) -> str:
    said = [("outcome", scorecard.outcome.display), ("work", scorecard.work.display)]
    return ", ".join(f"{name} {number}" for name, number in said if number != NO_NUMBER) or NO_NUMBER


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1].rstrip() + "…"
