"""What can be done in the issue panel, each action with what it did to the numbers and how to take it back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector import scorecard
from connector.core import Core
from connector.issues import ensure_issue
from connector.linking import link_through_tracker
from connector.links import LinkRefused, declare_business_as_usual, find_link, link_issue, set_weight, unlink
from connector.models import BusinessAsUsual, Connection, Issue, KeyResult, Link, Workspace
from connector.scorecard import Scorecard
from connector.vault import SealBroken
from connector.wording import CATEGORY_WORDS, decimal
from jira_app.panel_view import ARROW, change_words

# The person sees ten seconds; the rest is for the way there on a slow line.
UNDO_WITHIN = timedelta(seconds=20)
_PURPOSE = "panel_undo"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, on which issue. `surely_may_edit` is False while Jira could not be asked."""

    connection: Connection
    account_id: str
    external_id: str
    surely_may_edit: bool = True

    @property
    def workspace_id(self) -> str:
        """The workspace that the site belongs to."""
        return self.connection.workspace_id


@dataclass(frozen=True, slots=True)
class Done:
    """An action's words for the person, how to take it back, and the id of what the eye should go to."""

    words: str
    undo: dict[str, Any] | None = None
    focus: str = ""


def link(core: Core, actor: Actor, key_result_id: str, *, weight: Fraction = Fraction(1), again: bool = False) -> Done:
    """Link the issue; raises LinkRefused."""
    before = _card(core, actor, key_result_id)
    made = link_through_tracker(
        core,
        actor.workspace_id,
        actor.connection,
        key_result_id,
        actor.external_id,
        actor=actor.account_id,
        account_id=actor.account_id,
        identity=True,
        weight=weight,
    )
    words = "Linked again." if again else "Linked."
    if made.waiting:
        words += " It waits for Jira, which does not answer just now, and counts once Jira confirms that you may edit."
    else:
        words += " " + change_words(before, _card(core, actor, key_result_id))
    return Done(words, None if again else {"do": "unlink", "link": made.link_id}, f"title-{made.link_id}")


def unlink_it(core: Core, actor: Actor, link_id: str) -> Done:
    """Take the issue's link away; raises LinkRefused."""
    _require_right(actor)
    with core.database.writing() as session:
        gone = _own_link(session, actor, link_id)
        key_result_id = gone.key_result_id
        before = _card_in(session, core, actor, key_result_id)
        undo = {
            "do": "link",
            "key_result": key_result_id,
            "weight": str(gone.weight),
            "source": gone.source,
            "declared_change": None if gone.declared_change is None else str(gone.declared_change),
            "waiting": gone.state != "active",
        }
        unlink(session, actor.workspace_id, link_id, actor=actor.account_id, now=core.clock())
        after = _card_in(session, core, actor, key_result_id)
    return Done(f"Unlinked. {change_words(before, after)}", undo)


def weigh(core: Core, actor: Actor, link_id: str, weight: Fraction) -> Done:
    """Give the issue's link another weight; raises LinkRefused."""
    _require_right(actor)
    with core.database.writing() as session:
        found = _own_link(session, actor, link_id)
        was, key_result_id = found.weight, found.key_result_id
        before = _card_in(session, core, actor, key_result_id)
        set_weight(session, actor.workspace_id, link_id, weight, actor=actor.account_id, now=core.clock())
        after = _card_in(session, core, actor, key_result_id)
    words = f"Weight {decimal(was, 4)}{ARROW}{decimal(weight, 4)}. {change_words(before, after)}"
    return Done(words, {"do": "weigh", "link": link_id, "weight": str(was)}, f"set-{link_id}")


def declare(core: Core, actor: Actor, category: str | None) -> Done:
    """Say that the issue is not goal work, or take that back with None; raises LinkRefused."""
    _require_right(actor)
    with core.database.writing() as session:
        issue = ensure_issue(session, actor.connection, actor.external_id)
        row = session.get(BusinessAsUsual, issue.id)
        was = row.category if row is not None else None
        declare_business_as_usual(
            session, actor.workspace_id, issue, category, actor=actor.account_id, now=core.clock()
        )
    if category is None:
        words = "Taken back: this ticket counts as unaligned until it is linked."
    else:
        words = f"Not goal work: {CATEGORY_WORDS[category]}. No number changed."
    return Done(words, {"do": "declare", "category": was}, "take-back" if category else "search-words")


def undo(core: Core, actor: Actor, sealed: str) -> Done:
    """Take back what `sealed` says; raises LinkRefused (undo_expired, undo_unknown, and those of the action)."""
    what = _opened(core, actor, sealed)
    match what["do"]:
        case "unlink":
            done = unlink_it(core, actor, what["link"])
            return Done(done.words, focus="search-words")
        case "weigh":
            done = weigh(core, actor, what["link"], Fraction(what["weight"]))
            return Done(done.words, focus=done.focus)
        case "declare":
            done = declare(core, actor, what["category"])
            return Done(done.words, focus=done.focus)
    if what["waiting"]:
        return link(core, actor, what["key_result"], weight=Fraction(what["weight"]), again=True)
    return _link_as_it_was(core, actor, what)


def seal(core: Core, actor: Actor, what: dict[str, Any]) -> str:
    """Seal an undo for this person and issue, so that it comes back as it was made.

    Unsealed, a browser could link with any source or declared change that it makes up.
    """
    note = {**what, "account": actor.account_id, "issue": actor.external_id, "at": core.clock().isoformat()}
    return core.vault.seal(actor.connection.id, _PURPOSE, json.dumps(note))


def linked_already(session: Session, connection: Connection, external_id: str) -> set[str]:
    """Return the key results that the issue itself is linked to."""
    query = (
        select(Link.key_result_id)
        .join(Issue, Issue.id == Link.issue_id)
        .where(Issue.connection_id == connection.id, Issue.external_id == external_id, Link.state != "refused")
    )
    return set(session.scalars(query))


def _opened(core: Core, actor: Actor, sealed: str) -> dict[str, Any]:
    try:
        what: dict[str, Any] = json.loads(core.vault.open(actor.connection.id, _PURPOSE, sealed))
    except (SealBroken, ValueError):
        raise LinkRefused("undo_unknown", "This can't be undone any more.") from None
    # Another person's or issue's undo: somebody tries what they were not offered.
    if (what["account"], what["issue"]) != (actor.account_id, actor.external_id):
        raise LinkRefused("undo_unknown", "This can't be undone any more.")
    if core.clock() - datetime.fromisoformat(what["at"]) > UNDO_WITHIN:
        raise LinkRefused("undo_expired", "Undo is possible for ten seconds. Make the change by hand instead.")
    return what


def _link_as_it_was(core: Core, actor: Actor, what: dict[str, Any]) -> Done:
    _require_right(actor)
    declared = what["declared_change"]
    with core.database.writing() as session:
        before = _card_in(session, core, actor, what["key_result"])
        made = link_issue(
            session,
            actor.workspace_id,
            what["key_result"],
            ensure_issue(session, actor.connection, actor.external_id),
            actor=actor.account_id,
            now=core.clock(),
            weight=Fraction(what["weight"]),
            source=what["source"],
            declared_change=None if declared is None else Fraction(declared),
        )
        after = _card_in(session, core, actor, what["key_result"])
    return Done(f"Linked again. {change_words(before, after)}", focus=f"title-{made.id}")


def _require_right(actor: Actor) -> None:
    # A link can be made and wait; taking away or weighing would take effect before Jira has said yes.
    if not actor.surely_may_edit:
        raise LinkRefused(
            "tracker_unavailable",
            "Jira does not answer, so Ladder can't tell whether you may edit this ticket. Try again in a moment.",
        )


def _own_link(session: Session, actor: Actor, link_id: str) -> Link:
    found = find_link(session, actor.workspace_id, link_id)
    # The right that was checked is the right to edit this issue: another issue's link id is not covered by it.
    if (found.issue.connection_id, found.issue.external_id) != (actor.connection.id, actor.external_id):
        raise LinkRefused("unknown_link", "This link is gone; somebody may have removed it meanwhile.")
    return found


def _card(core: Core, actor: Actor, key_result_id: str) -> Scorecard | None:
    with core.database.reading() as session:
        return _card_in(session, core, actor, key_result_id)


def _card_in(session: Session, core: Core, actor: Actor, key_result_id: str) -> Scorecard | None:
    key_result = session.get(KeyResult, key_result_id)
    if key_result is None or key_result.workspace_id != actor.workspace_id:
        return None
    session.flush()
    today = scorecard.today(session.get_one(Workspace, actor.workspace_id), core.clock())
    return scorecard.scorecards(session, actor.workspace_id, [key_result], today)[key_result_id]
