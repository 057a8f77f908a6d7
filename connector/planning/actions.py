"""What people do from the overlay with many issues at once: link, unlink, declare, and move in the tracker.

The tracker is asked once for all issues whether this person may edit them. Those that they may not edit are left out
and named; the rest goes through. Everything comes back with a note by which it can be undone (undo.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.bulk_links import TakenAway, declare_many, link_many, unlink_many
from connector.core import Core
from connector.errors import Conflict, Invalid, NotAllowed, NotFound
from connector.models import BusinessAsUsual, Connection, Issue, KeyResult, Link, Sprint
from connector.planning.editable import Editable, count_words, editable, issues_by_connection
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.store import chunks
from connector.subtrees import ask_for_subtrees
from connector.tracker import TrackerError
from connector.wording import CATEGORY_WORDS

# What two sprints beside each other hold at most, generously.
AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did: the sentence for the person, the note that takes it back (None: it can't be), whose key
    results it touched, and the sprints that it touched in their trackers: connection id -> external ids."""

    words: str
    undo: Mapping[str, Any] | None = None
    key_result_ids: Sequence[str] = ()
    moved: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """Issues to be put into a sprint (our id), or out of any open one with None."""

    issue_ids: Sequence[int]
    sprint_id: int | None


@dataclass(frozen=True, slots=True)
class Hand:
    """One person at one workspace's planning table."""

    core: Core
    rights: RightsAtOnce
    onlooker: Onlooker
    workspace_id: str

    def editable(self, issue_ids: Collection[int], *, in_tracker: bool = False) -> Editable:
        """Return which issues this person may change; raises NotAllowed (read_only) for who only looks."""
        if not self.onlooker.may_change:
            raise NotAllowed(self.onlooker.why_not or "You may look, but not change anything here.", "read_only")
        if len(issue_ids) > AT_ONCE:
            raise Invalid("too_many", f"At most {AT_ONCE} issues at once.")
        return editable(self.core, self.rights, self.onlooker, self.workspace_id, set(issue_ids), in_tracker=in_tracker)


def link(hand: Hand, pairs: Sequence[tuple[int, str]]) -> Done:
    """Link issues to key results: (issue id, key result id); raises NotAllowed, Invalid."""
    may = hand.editable({issue_id for issue_id, _ in pairs})
    wanted = [pair for pair in pairs if pair[0] in may.allowed]
    now = hand.core.clock()
    with hand.core.database.writing() as session:
        outcome = link_many(session, hand.workspace_id, wanted, actor=hand.onlooker.actor, now=now)
        ask_for_subtrees(session, {issue_id for issue_id, _ in wanted}, now)
        ids = sorted({key_result_id for _, key_result_id in wanted})
        titles = _titles(session, hand.workspace_id, ids)
        linked = _issues_of(session, hand.workspace_id, outcome.linked)
    notes = []
    if linked:
        where = f"“{titles[ids[0]]}”" if len(ids) == 1 else f"{len(ids)} key results"
        notes.append(f"{count_words(len(set(linked.values())))} linked to {where}.")
    notes += _refusals((one.reason, one.message) for one in outcome.refused)
    undo = {"do": "unlink", "links": list(outcome.linked)} if outcome.linked else None
    return Done(_told(notes, may, "Nothing was linked."), undo, ids)


def unlink(hand: Hand, link_ids: Collection[str]) -> Done:
    """Take links away; raises NotAllowed, Invalid."""
    with hand.core.database.reading() as session:
        issue_of = _issues_of(session, hand.workspace_id, link_ids)
    may = hand.editable(set(issue_of.values()))
    going = [link_id for link_id, issue_id in issue_of.items() if issue_id in may.allowed]
    with hand.core.database.writing() as session:
        taken = unlink_many(session, hand.workspace_id, going, actor=hand.onlooker.actor, now=hand.core.clock())
    words = [f"{count_words(len({one.issue_id for one in taken}))} unlinked."] if taken else []
    undo = {"do": "link", "links": [_as_note(one) for one in taken]} if taken else None
    touched = sorted({one.key_result_id for one in taken})
    return Done(_told(words, may, "Nothing was unlinked."), undo, touched)


def declare(hand: Hand, issue_ids: Collection[int], category: str | None) -> Done:
    """Say that issues are not goal work, or take that back with None; raises NotAllowed, Invalid, LinkRefused."""
    may = hand.editable(issue_ids)
    with hand.core.database.writing() as session:
        before = _categories(session, may.allowed)
        outcome = declare_many(
            session,
            hand.workspace_id,
            sorted(may.allowed),
            category,
            actor=hand.onlooker.actor,
            now=hand.core.clock(),
        )
    count = len(outcome.declared)
    notes = []
    if count and category is None:
        notes.append(f"{count_words(count)} taken back: unaligned until linked.")
    elif count:
        notes.append(f"{count_words(count)} declared not goal work ({CATEGORY_WORDS[category or '']}).")
    notes += _refusals((one.reason, one.message) for one in outcome.refused)
    undo = {"do": "declare", "was": [[one, before.get(one)] for one in outcome.declared]} if count else None
    return Done(_told(notes, may, "Nothing was declared."), undo)


def move(hand: Hand, moves: Sequence[Move]) -> Done:
    """Put issues into other sprints, in their tracker, with one call for each connection and target.

    What a tracker refuses half way is said, and what was moved before stays moved and can be undone. Raises NotAllowed,
    NotFound (a sprint of another workspace), Conflict (no_sprints), TrackerError when nothing was moved.
    """
    may = hand.editable({one for wanted in moves for one in wanted.issue_ids}, in_tracker=True)
    journeys: list[tuple[Connection, list[Issue], Sprint | None]] = []
    with hand.core.database.reading() as session:
        names = _open_sprints(session, hand.workspace_id)
        for wanted in moves:
            to = _sprint(session, hand.workspace_id, wanted.sprint_id)
            going = issues_by_connection(session, hand.workspace_id, may.allowed & set(wanted.issue_ids))
            journeys += [(connection, issues, to) for connection, issues in going.items()]
    notes: list[str] = []
    back: list[list[str | None]] = []
    touched: dict[str, set[str]] = {}
    for connection, issues, to in journeys:
        if to is not None and to.connection_id != connection.id:
            notes.append(f"{count_words(len(issues))} left out: {to.name} belongs to another tracker.")
            continue
        tracker = hand.core.tracker_of(connection)
        if not tracker.capabilities.sprints:
            raise Conflict(f"{connection.tracker.capitalize()} does not let Ladder move issues.", "no_sprints")
        try:
            tracker.move_to_sprint(
                connection, [issue.external_id for issue in issues], to.external_id if to is not None else None
            )
        except TrackerError as error:
            if not back:
                raise
            notes.append(f"{connection.tracker.capitalize()} refused the rest: {error}")
            break
        where = f"into {to.name}" if to is not None else "out of the sprint"
        notes.append(f"{count_words(len(issues))} moved {where} in {connection.tracker.capitalize()}.")
        known = names.get(connection.id, set())
        for issue in issues:
            was = next((sprint for sprint in issue.sprints if sprint in known), None)
            back.append([connection.id, issue.external_id, was])
            touched.setdefault(connection.id, set()).update(
                one for one in (was, to.external_id if to is not None else None) if one is not None
            )
    undo = {"do": "move", "back": back} if back else None
    moved = {connection_id: sorted(sprints) for connection_id, sprints in touched.items()}
    return Done(_told(notes, may, "Nothing was moved."), undo, moved=moved)


def _told(notes: Sequence[str], may: Editable, otherwise: str) -> str:
    return " ".join([*(notes or [otherwise]), *may.notes])


def _refusals(refused: Iterable[tuple[str, str]]) -> list[str]:
    """Say each reason once; the message tells it of one issue where it is one."""
    told = []
    refused = list(refused)
    messages = dict(refused)
    for reason, number in sorted(Counter(reason for reason, _ in refused).items()):
        if number == 1:
            told.append(messages[reason])
        elif reason == "already_linked":
            told.append(f"{count_words(number)} were linked to it already.")
        elif reason == "linked":
            told.append(f"{count_words(number)} left out: linked to a key result. Unlink them first.")
        else:
            told.append(f"{count_words(number)} left out. {messages[reason]}")
    return told


def _as_note(one: TakenAway) -> dict[str, Any]:
    return {
        "issue": one.issue_id,
        "key_result": one.key_result_id,
        "weight": str(one.weight),
        "source": one.source,
        "rule": one.rule_id,
        "declared_change": None if one.declared_change is None else str(one.declared_change),
    }


def _titles(session: Session, workspace_id: str, ids: Sequence[str]) -> dict[str, str]:
    query = select(KeyResult.id, KeyResult.title).where(KeyResult.workspace_id == workspace_id, KeyResult.id.in_(ids))
    return {row.id: row.title for row in session.execute(query)}


def _issues_of(session: Session, workspace_id: str, link_ids: Collection[str]) -> dict[str, int]:
    """Return which issue each link of this workspace belongs to."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(link_ids)):
        query = select(Link.id, Link.issue_id).where(Link.workspace_id == workspace_id, Link.id.in_(chunk))
        found.update((row.id, row.issue_id) for row in session.execute(query))
    return found


def _categories(session: Session, issue_ids: Collection[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(sorted(issue_ids)):
        rows = session.scalars(select(BusinessAsUsual).where(BusinessAsUsual.issue_id.in_(chunk)))
        found.update((row.issue_id, row.category) for row in rows)
    return found


def _sprint(session: Session, workspace_id: str, sprint_id: int | None) -> Sprint | None:
    if sprint_id is None:
        return None
    found = session.get(Sprint, sprint_id)
    if found is None or found.workspace_id != workspace_id:
        raise NotFound("There is no such sprint.")
    if found.state not in ("active", "future"):
        raise Conflict(f"{found.name} is {found.state}; nothing can be moved into it.", "sprint_closed")
    return found


def _open_sprints(session: Session, workspace_id: str) -> dict[str, set[str]]:
    """Return the external ids of open sprints by connection: an issue also remembers the closed ones it was in."""
    query = select(Sprint.connection_id, Sprint.external_id).where(
        Sprint.workspace_id == workspace_id, Sprint.state.in_(("active", "future"))
    )
    found: dict[str, set[str]] = {}
    for row in session.execute(query):
        found.setdefault(row.connection_id, set()).add(row.external_id)
    return found
