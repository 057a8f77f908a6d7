"""Which of many issues somebody may change, by their trackers' word, and how the others are named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.core import Core
from connector.models import Connection, Issue
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.store import chunks
from connector.tracker import Action

# Names said in one sentence; the others are counted.
NAMED = 5
WORDS: dict[Action, str] = {"view": "see", "edit": "edit", "schedule": "move"}


@dataclass(frozen=True, slots=True)
class Editable:
    """Issues that may be changed, and sentences about those that may not."""

    allowed: frozenset[int]
    notes: Sequence[str] = ()


def editable(
    core: Core,
    rights: RightsAtOnce,
    onlooker: Onlooker,
    workspace_id: str,
    issue_ids: Collection[int],
    *,
    in_tracker: bool = False,
) -> Editable:
    """Ask each tracker once which of the issues the onlooker may edit.

    Nobody changes in a tracker what they may not change there themselves: with `in_tracker`, which is for moving issues
    between sprints, an admin without an account gets no further than anybody else, and the right to edit is not enough.
    What is not of this workspace is passed over without a word.
    """
    action: Action = "schedule" if in_tracker else "edit"
    with core.database.reading() as session:
        found = issues_by_connection(session, workspace_id, issue_ids)
    allowed: set[int] = set()
    notes: list[str] = []
    for connection, issues in found.items():
        tracker = connection.tracker.capitalize()
        account = onlooker.accounts.get(connection.id)
        if account is None and onlooker.see_all and not in_tracker:
            allowed |= {issue.id for issue in issues}
            continue
        if account is None:
            notes.append(
                f"{count_words(len(issues))} left out: Ladder does not know you in {tracker}, "
                f"so it can't ask whether you may {WORDS[action]} them."
            )
            continue
        asked = [issue.external_id for issue in issues]
        answer = rights.permitted(connection, account, asked, action, insist=True)
        if answer.silent:
            notes.append(
                f"{count_words(len(issues))} left out: {tracker} does not answer, so Ladder can't tell whether you may "
                f"{WORDS[action]} them. Try again in a moment."
            )
            continue
        allowed |= {issue.id for issue in issues if issue.external_id in answer.external_ids}
        refused = [issue for issue in issues if issue.external_id not in answer.external_ids]
        if refused:
            notes.append(_refusal(rights, connection, account, refused, WORDS[action]))
    return Editable(frozenset(allowed), notes)


def issues_by_connection(
    session: Session, workspace_id: str, issue_ids: Collection[int]
) -> dict[Connection, list[Issue]]:
    """Return the issues of this workspace, by their connection, in a fixed order."""
    found: list[Issue] = []
    for chunk in chunks(sorted(issue_ids)):
        found += session.scalars(select(Issue).where(Issue.workspace_id == workspace_id, Issue.id.in_(chunk)))
    sorted_by: dict[Connection, list[Issue]] = {}
    for issue in sorted(found, key=lambda one: (one.connection_id, one.id)):
        sorted_by.setdefault(session.get_one(Connection, issue.connection_id), []).append(issue)
    return sorted_by


def count_words(number: int) -> str:
    """Say a number of issues."""
    return f"{number} issue{'s' if number != 1 else ''}"


def _refusal(rights: RightsAtOnce, connection: Connection, account: str, refused: Sequence[Issue], verb: str) -> str:
    # The name of an issue that they may not even see must not come out in the refusal to change it.
    seen = rights.permitted(connection, account, [one.external_id for one in refused], "view").external_ids
    names = [one.key or one.external_id for one in refused if one.external_id in seen]
    said = names[:NAMED]
    rest = len(refused) - len(said)
    if rest:
        said.append(f"{rest} {'more' if names else 'that you may not see'}")
    tracker = connection.tracker.capitalize()
    return f"Left out: {', '.join(said)}. {tracker} does not let you {verb} {'it' if len(refused) == 1 else 'them'}."
