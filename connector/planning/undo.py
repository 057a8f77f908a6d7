"""Taking back, within ten seconds, what was done from the overlay; by a sealed note that the browser hands back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import select

from connector.bulk_links import ask_rules_again, declare_many, link_many, unlink_many
from connector.links import LinkRefused
from connector.models import Connection, Link, LinkRule
from connector.planning.actions import Done, Hand
from connector.planning.editable import count_words
from connector.store import chunks
from connector.vault import SealBroken

# Undo is offered for ten seconds; a slow network and a slow hand get some more.
UNDO_WITHIN = timedelta(seconds=30)
_PURPOSE = "planning_undo"


def seal(hand: Hand, note: Mapping[str, Any]) -> str:
    """Seal an undo for this person, so that it comes back as it was made.

    Unsealed, a browser could link with a source or claimed change that it makes up, or move what was never moved.
    """
    whole = {**note, "who": hand.onlooker.who, "at": hand.core.clock().isoformat()}
    return hand.core.vault.seal(hand.workspace_id, _PURPOSE, json.dumps(whole))


def undo(hand: Hand, sealed: str) -> Done:
    """Take back what a sealed note says, as far as this person may still edit the issues.

    Raises LinkRefused (undo_unknown, undo_expired), NotAllowed, TrackerError.
    """
    note = _opened(hand, sealed)
    hand.editable(())  # whose role was taken away meanwhile undoes nothing
    match note["do"]:
        case "unlink":
            return _unlink_again(hand, note["links"])
        case "link":
            return _link_again(hand, note["links"])
        case "declare":
            return _declare_again(hand, note["was"])
        case _:
            return _move_back(hand, note["back"])


def _opened(hand: Hand, sealed: str) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json.loads(hand.core.vault.open(hand.workspace_id, _PURPOSE, sealed))
    except (SealBroken, ValueError):
        raise LinkRefused("undo_unknown", "This can't be undone any more.") from None
    # Another person's undo: somebody tries what they were not offered.
    if note["who"] != hand.onlooker.who:
        raise LinkRefused("undo_unknown", "This can't be undone any more.")
    if hand.core.clock() - datetime.fromisoformat(note["at"]) > UNDO_WITHIN:
        raise LinkRefused("undo_expired", "Undo is possible for ten seconds. Make the change by hand instead.")
    return note


def _unlink_again(hand: Hand, link_ids: Sequence[str]) -> Done:
    now = hand.core.clock()
    with hand.core.database.reading() as session:
        issue_of: dict[str, int] = {}
        for chunk in chunks(sorted(link_ids)):
            query = select(Link.id, Link.issue_id).where(Link.workspace_id == hand.workspace_id, Link.id.in_(chunk))
            issue_of.update((row.id, row.issue_id) for row in session.execute(query))
    may = hand.editable(set(issue_of.values()))
    going = [link_id for link_id, issue_id in issue_of.items() if issue_id in may.allowed]
    with hand.core.database.writing() as session:
        # As if it had never been linked: no word against the rules that may want to link it.
        taken = unlink_many(session, hand.workspace_id, going, actor=hand.onlooker.actor, now=now, by_rule=True)
        ask_rules_again(session, [one.issue_id for one in taken], now)
    words = f"Undone: {count_words(len({one.issue_id for one in taken}))} unlinked again."
    return Done(" ".join([words, *may.notes]), None, sorted({one.key_result_id for one in taken}))


def _link_again(hand: Hand, links: Sequence[Mapping[str, Any]]) -> Done:
    may = hand.editable({one["issue"] for one in links})
    alike: dict[tuple[str, str, str | None, str | None], list[tuple[int, str]]] = {}
    for one in links:
        if one["issue"] in may.allowed:
            terms = (one["weight"], one["source"], one["rule"], one["declared_change"])
            alike.setdefault(terms, []).append((one["issue"], one["key_result"]))
    count = 0
    notes: set[str] = set()
    with hand.core.database.writing() as session:
        rules = set(session.scalars(select(LinkRule.id).where(LinkRule.workspace_id == hand.workspace_id)))
        for (weight, source, rule_id, declared), pairs in sorted(alike.items(), key=lambda one: str(one[0])):
            by_rule = rule_id in rules
            outcome = link_many(
                session,
                hand.workspace_id,
                pairs,
                actor=hand.onlooker.actor,
                now=hand.core.clock(),
                source=source if by_rule or source != "rule" else "manual",
                rule_id=rule_id if by_rule else None,
                weight=Fraction(weight),
                declared_change=None if declared is None else Fraction(declared),
            )
            count += len(outcome.linked)
            notes |= {one.message for one in outcome.refused}
    words = [f"Undone: {count_words(count)} linked again.", *sorted(notes)[:3], *may.notes]
    return Done(" ".join(words), None, sorted({one["key_result"] for one in links}))


def _declare_again(hand: Hand, was: Sequence[tuple[int, str | None]]) -> Done:
    may = hand.editable({issue_id for issue_id, _ in was})
    alike: dict[str | None, list[int]] = {}
    for issue_id, category in was:
        if issue_id in may.allowed:
            alike.setdefault(category, []).append(issue_id)
    count = 0
    with hand.core.database.writing() as session:
        for category, issue_ids in sorted(alike.items(), key=lambda one: one[0] or ""):
            done = declare_many(
                session,
                hand.workspace_id,
                issue_ids,
                category,
                actor=hand.onlooker.actor,
                now=hand.core.clock(),
            )
            count += len(done.declared)
    return Done(" ".join([f"Undone: {count_words(count)} as before.", *may.notes]))


def _move_back(hand: Hand, back: Sequence[tuple[str, str, str | None]]) -> Done:
    """Put issues back into the sprint that they were in; the rights to were asked for seconds ago."""
    groups: dict[tuple[str, str | None], list[str]] = {}
    for connection_id, external_id, was in back:
        groups.setdefault((connection_id, was), []).append(external_id)
    touched: dict[str, list[str]] = {}
    for (connection_id, was), external_ids in sorted(groups.items(), key=lambda one: str(one[0])):
        with hand.core.database.reading() as session:
            connection = session.get_one(Connection, connection_id)
        hand.core.tracker_of(connection).move_to_sprint(connection, external_ids, was)
        touched.setdefault(connection_id, []).extend([was] if was else [])
    count = len({(connection_id, external_id) for connection_id, external_id, _ in back})
    return Done(f"Undone: {count_words(count)} moved back.", moved=touched)
