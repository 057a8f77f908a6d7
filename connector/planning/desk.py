"""One person's desk in sprint planning: reading a plan, trying things out, acting; whatever door they came in by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.core import Core
from connector.errors import NotAllowed
from connector.links import search_key_results
from connector.models import Connection, Dependency, Issue, KeyResult
from connector.planning import actions, undo
from connector.planning.actions import AT_ONCE, Done, Hand, Move
from connector.planning.held_work import all_above, open_sprints, planned_sprints
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.planning.overlay import read_plan
from connector.planning.plan import PlannedKeyResult, SprintPlan, WhatIf
from connector.planning.revision import plan_revision
from connector.planning.sheet import Sheet, build_sheet, kept_what_if
from connector.planning.sheet_words import ARROW, exact_points, percent_of
from connector.planning.sprint_choice import choose_team, following
from connector.planning.sprints import planned_issue_ids, refresh_sprint
from connector.store import chunks
from connector.suggestions import Suggestion, suggest
from connector.suggestions.discretion import discreet
from connector.telemetry import logger
from connector.tracker import TrackerError

FOUND_AT_MOST = 20
# Seconds. Rights are the tracker's, which tells nobody when they change: a page without news is drawn anew this often.
REDRAWN_AFTER = 60
# Key results whose change is told in the sentence after an action.
TOLD_AT_MOST = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action led to: the sentence, the sealed note that undoes it ("" for none), the sheet as it is now."""

    words: str
    undo: str
    sheet: Sheet
    etag: str


class Desk:
    """The plan of some sprints in front of one person. Everything raises NotFound for sprints that are not there."""

    def __init__(
        self,
        core: Core,
        rights: RightsAtOnce,
        onlooker: Onlooker,
        workspace_id: str,
        sprint_ids: Sequence[int],
        *,
        team_id: str | None = None,
        beside_next: bool = False,
    ) -> None:
        self._core = core
        self._rights = rights
        self._onlooker = onlooker
        self._workspace_id = workspace_id
        self._sprint_ids = tuple(dict.fromkeys(sprint_ids))
        self._team_id = team_id
        self._beside_next = beside_next
        self._hand = Hand(core, rights, onlooker, workspace_id)

    def etag(self) -> str:
        """Return the entity tag of what `sheet` would show now, without drawing it."""
        now = self._core.clock()
        with self._core.database.reading() as session:
            revision = plan_revision(
                session,
                self._workspace_id,
                self._sprint_ids,
                now,
                team_id=self._team_id,
                beside_next=self._beside_next,
            )
        return self._tag(revision, now)

    def sheet(self, what_if: WhatIf | None = None, *, whole: bool = True) -> tuple[Sheet, str]:
        """Return what is to be shown, with what is tried out applied, and its entity tag.

        If not `whole`, only the numbers: without rows, and untagged ("") while something is tried out, since the tag
        stands for the rows too.
        """
        now = self._core.clock()
        # Taken before reading: what changes in between must look like news to the next question, not like known.
        etag = self.etag() if whole and what_if else ""
        asked = what_if or WhatIf()
        seen, silent = self._seen(beside_next=self._beside_next or bool(asked.into))
        plan = self._read(now, asked, seen)
        kept = kept_what_if(plan, asked)
        if kept != asked:
            plan = self._read(now, kept, seen)
        sheet = build_sheet(
            plan,
            now=now,
            may_change=self._onlooker.may_change,
            why_not=self._onlooker.why_not,
            movable=self._can_move(plan),
            unknown_rights=silent,
            with_rows=whole,
        )
        return sheet, etag if plan.what_if or not plan.revision else self._tag(plan.revision, now)

    def search(self, words: str) -> Sequence[tuple[KeyResult, str]]:
        """Find open key results by words, each with where it belongs: "Atlas · Win the trust of admins"."""
        with self._core.database.reading() as session:
            found = search_key_results(session, self._workspace_id, words, limit=FOUND_AT_MOST)
            return [(one, f"{one.objective.team.name} · {one.objective.title}") for one in found]

    def suggestions(self, limit: int = 3) -> Mapping[int, Sequence[Suggestion]]:
        """Suggest key results for the issues that serve none, are open, and may be seen."""
        sheet, _ = self.sheet()
        wanted = [
            row.issue.id for group in (*sheet.groups, *sheet.next_groups) for row in group.rows if row.may_suggest
        ]
        if not wanted:
            return {}
        with self._core.database.reading() as session:
            found = suggest(session, self._workspace_id, wanted, limit=limit)
        return discreet(self._core, self._workspace_id, found, self._may_see)

    def remember_team(self, team_id: str) -> None:
        """Remember for the board of the first sprint whose key results the overlay is about.

        Everybody sees it after that, so it is for those who plan there: who may edit some issue of the sprint.
        """
        with self._core.database.reading() as session:
            first = planned_sprints(session, self._workspace_id, self._sprint_ids)[0]
            there = [
                id_
                for ids in planned_issue_ids(session, self._workspace_id, [first.id]).values()
                for id_ in ids.values()
            ]
        if not self._hand.editable(there[:AT_ONCE]).allowed and there:
            raise NotAllowed("You may edit no issue of this sprint, so its team is for others to say.", "may_not_edit")
        with self._core.database.writing() as session:
            choose_team(session, self._workspace_id, first, team_id)
        self._team_id = None

    def link(self, pairs: Sequence[tuple[int, str]], what_if: WhatIf) -> Answer:
        """Link issues to key results; what of it was tried out is not tried out any more."""
        before = self._plan()
        return self._answer(actions.link(self._hand, pairs), what_if, before)

    def unlink(self, link_ids: Sequence[str], what_if: WhatIf) -> Answer:
        """Take links away."""
        before = self._plan()
        return self._answer(actions.unlink(self._hand, link_ids), what_if, before)

    def declare(self, issue_ids: Sequence[int], category: str | None, what_if: WhatIf) -> Answer:
        """Say that issues are not goal work, or take that back with None."""
        before = self._plan()
        return self._answer(actions.declare(self._hand, issue_ids, category), what_if, before)

    def move(self, moves: Sequence[Move], what_if: WhatIf) -> Answer:
        """Move issues between sprints in their tracker."""
        before = self._plan()
        return self._answer(actions.move(self._hand, moves), what_if, before)

    def undo(self, sealed: str, what_if: WhatIf) -> Answer:
        """Take back the last action."""
        before = self._plan()
        return self._answer(undo.undo(self._hand, sealed), what_if, before)

    def _answer(self, done: Done, what_if: WhatIf, before: SprintPlan) -> Answer:
        for connection_id, external_ids in done.moved.items():
            self._read_again(connection_id, external_ids)
        sheet, etag = self.sheet(what_if)
        after = sheet.plan if not sheet.plan.what_if else self._plan()
        words = " ".join([done.words, *_effects(before, after, done.key_result_ids)])
        return Answer(words, undo.seal(self._hand, done.undo) if done.undo else "", sheet, etag)

    def _read_again(self, connection_id: str, external_ids: Sequence[str]) -> None:
        with self._core.database.reading() as session:
            connection = session.get_one(Connection, connection_id)
        for external_id in external_ids:
            try:
                refresh_sprint(self._core, connection, external_id)
            except TrackerError as error:
                # The move itself went through; its webhooks will tell what this reading could not.
                logger.info("sprint_not_read_again", reason=error.reason)

    def _plan(self) -> SprintPlan:
        return self._read(self._core.clock(), WhatIf(), None)

    def _read(self, now: datetime, what_if: WhatIf, seen: frozenset[int] | None) -> SprintPlan:
        with self._core.database.reading() as session:
            return read_plan(
                session,
                self._workspace_id,
                self._sprint_ids,
                now,
                what_if=what_if,
                team_id=self._team_id,
                # What is tried in comes from the next sprint, shown or not.
                beside_next=self._beside_next or bool(what_if.into),
                seen=seen,
            )

    def _seen(self, *, beside_next: bool) -> tuple[frozenset[int] | None, Sequence[str]]:
        """Return the issues that the onlooker may see (None: all), and the trackers that can't say now."""
        if self._onlooker.see_all and not self._onlooker.accounts:
            return None, ()
        with self._core.database.reading() as session:
            planned = self._planned(session, beside_next)
            connections = {key: session.get_one(Connection, key) for key in planned}
        seen: set[int] = set()
        silent: list[str] = []
        for key, ids in sorted(planned.items()):
            account = self._onlooker.accounts.get(key)
            if account is None:
                seen |= set(ids.values()) if self._onlooker.see_all else set()
                continue
            answer = self._rights.permitted(connections[key], account, ids, "view")
            seen |= {ids[external_id] for external_id in answer.external_ids}
            if answer.silent:
                silent.append(connections[key].tracker.capitalize())
        return frozenset(seen), silent

    def _planned(self, session: Session, beside_next: bool) -> dict[str, dict[str, int]]:
        """Return all issues whose names may come up, by connection: external id -> id."""
        sprints = planned_sprints(session, self._workspace_id, self._sprint_ids)
        wanted = {one.id for one in sprints}
        if beside_next:
            wanted |= {one.id for one in following(sprints, open_sprints(session, self._workspace_id))}
        planned = planned_issue_ids(session, self._workspace_id, wanted)
        own = sorted(id_ for ids in planned.values() for id_ in ids.values())
        for chunk in chunks(own):
            blockers = select(Issue.connection_id, Issue.external_id, Issue.id).where(
                Issue.workspace_id == self._workspace_id,
                Issue.id.in_(select(Dependency.blocker_id).where(Dependency.blocked_id.in_(chunk))),
            )
            for row in session.execute(blockers):
                planned.setdefault(row.connection_id, {})[row.external_id] = row.id
        # Goals come through issues above, which may be in a project that is closed to whoever looks.
        for connection_id, external_id, id_ in all_above(session, own):
            planned.setdefault(connection_id, {})[external_id] = id_
        return planned

    def _may_see(self, connection: Connection, external_ids: Sequence[str]) -> Collection[str]:
        account = self._onlooker.accounts.get(connection.id)
        if account is None:
            return external_ids if self._onlooker.see_all else ()
        return self._rights.permitted(connection, account, external_ids, "view").external_ids

    def _can_move(self, plan: SprintPlan) -> bool:
        return all(
            sprint.tracker in self._core.trackers and self._core.trackers[sprint.tracker].capabilities.sprints
            for sprint in plan.sprints
        )

    def _tag(self, revision: str, now: datetime) -> str:
        seen = (revision, self._onlooker.who, self._onlooker.may_change, int(now.timestamp()) // REDRAWN_AFTER)
        return f'"{blake2b(repr(seen).encode(), digest_size=12).hexdigest()}"'


def _effects(before: SprintPlan, after: SprintPlan, key_result_ids: Sequence[str]) -> list[str]:
    """Say what an action did to the sprint's unaligned share and to the work of the key results that it touched."""
    told = []
    was, now = before.shares.unaligned, after.shares.unaligned
    if was is not None and now is not None and was != now:
        told.append(f"Unaligned {percent_of(was)}{ARROW}{percent_of(now)} ({exact_points(now - was)}).")
    earlier = {one.id: one for one in before.key_results}
    touched = [one for one in after.key_results if one.id in key_result_ids]
    told += [_moved(earlier.get(one.id), one, alone=len(touched) == 1) for one in touched[:TOLD_AT_MOST]]
    return [words for words in told if words]


def _moved(before: PlannedKeyResult | None, after: PlannedKeyResult, *, alone: bool) -> str:
    name = "Work" if alone else f"{after.title}: work"
    was, now = before.now if before is not None else None, after.now
    if was == now:
        return f"{name} stays at {percent_of(now)}." if now is not None else ""
    if was is None or now is None:
        return f"{name} {percent_of(was)}{ARROW}{percent_of(now)}."
    return f"{name} {percent_of(was)}{ARROW}{percent_of(now)} ({exact_points(now - was)})."
