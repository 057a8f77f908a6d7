"""Link many issues that live in a tracker: read what is not known yet, ask for the right to, then link at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import or_, select

from connector.bulk_links import link_many
from connector.core import Core
from connector.link_terms import LinkRefused, check_weight, open_key_result
from connector.linking import read_subtree
from connector.models import Connection, Issue
from connector.rules.matches import apply_readings
from connector.store import chunks
from connector.tracker import IssueQuery, IssueSnapshot, IssueUnreadable, TrackerRefused, TrackerUnavailable

KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+")
# Issues in one request.
AT_MOST = 500
# As many as trackers read and judge at once.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one name: `link_id` if it is linked now, else `reason` (a code) and `message`."""

    name: str
    external_id: str | None
    key: str
    link_id: str | None = None
    reason: str | None = None
    message: str | None = None


def link_many_through_tracker(
    core: Core,
    workspace_id: str,
    connection: Connection,
    key_result_id: str,
    names: Sequence[str],
    *,
    actor: str,
    account_id: str | None = None,
    weight: Fraction = Fraction(1),
    declared_change: Fraction | None = None,
) -> list[Item]:
    """Link issues named by identity or key; each comes out by itself, in the order in which they were named.

    `account_id` must be allowed to edit each in the tracker; None is a program. While the tracker does not answer, a
    program may link what is known; a person may link nothing, for nobody can say whether they may. Refused one by one:
    issue_unreadable, may_not_edit, tracker_unavailable, and those of `link_many`. Raises LinkRefused: too_many,
    bad_weight, unknown_key_result, key_result_closed.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(wanted) > AT_MOST:
        raise LinkRefused("too_many", f"At most {AT_MOST} issues at once; these are {len(wanted):,}.")
    check_weight(weight)
    with core.database.reading() as session:
        open_key_result(session, workspace_id, key_result_id)
    away = _read_unknown(core, connection, wanted)
    known = _known(core, connection, wanted)
    refused: dict[str, tuple[str, str]] = {}
    for name in wanted:
        if name not in known:
            why = "does not answer" if away else "shows Ladder no such issue"
            reason = "tracker_unavailable" if away else "issue_unreadable"
            refused[name] = (reason, f"{name}: {connection.display_site or connection.site} {why}.")
    if account_id is not None:
        refused |= _not_permitted(core, connection, account_id, known)
    chosen = {known[name].id for name in wanted if name in known and name not in refused}
    with core.database.writing() as session:
        outcome = link_many(
            session, workspace_id, [(issue_id, key_result_id) for issue_id in chosen],
            actor=actor, now=core.clock(), weight=weight, declared_change=declared_change,
        )  # fmt: skip
    not_linked = {no.issue_id: (no.reason, no.message) for no in outcome.refused}
    # `link_many` answers in the order of the issues.
    links = dict(zip(sorted(chosen - not_linked.keys()), outcome.linked, strict=True))
    return [_item(name, known.get(name), links, refused.get(name), not_linked) for name in wanted]


def found_by(core: Core, connection: Connection, query: IssueQuery) -> list[IssueSnapshot]:
    """Return what a query finds, applied as readings; raises LinkRefused (too_many) and the tracker's errors."""
    tracker = core.tracker_of(connection)
    found: dict[str, IssueSnapshot] = {}
    for page in tracker.find(connection, tracker.resolve(connection, query)):
        found.update((one.external_id, one) for one in page.snapshots)
        if len(found) > AT_MOST:
            raise LinkRefused("too_many", f"It finds more than {AT_MOST} issues. Make a rule of it instead.")
    apply_readings(core, connection, list(found.values()), None)
    return list(found.values())


def _read_unknown(core: Core, connection: Connection, names: Sequence[str]) -> bool:
    """Read what was never heard of, and below epics; True if the tracker did not answer."""
    tracker = core.tracker_of(connection)
    known = _known(core, connection, names)
    unknown = [name for name in names if name not in known]
    read: list[IssueSnapshot] = []
    try:
        ids = [name for name in unknown if not KEY.fullmatch(name)]
        for start in range(0, len(ids), AT_ONCE):
            with suppress(TrackerRefused):  # one that is no identity at all: none of them is known then
                read.extend(tracker.fetch_issues(connection, ids[start : start + AT_ONCE]))
        for name in (name for name in unknown if KEY.fullmatch(name)):
            with suppress(IssueUnreadable, TrackerRefused):
                read.append(tracker.fetch_issue(connection, name))
        apply_readings(core, connection, read, None)
        for epic in sorted(one.external_id for one in read if one.level > 0):
            read_subtree(core, connection, epic)
    except TrackerUnavailable:
        return True
    return False


def _known(core: Core, connection: Connection, names: Sequence[str]) -> dict[str, Issue]:
    """Return the issues that we have heard of, by the names given; an identity beats a key."""
    found: dict[str, Issue] = {}
    with core.database.reading() as session:
        for chunk in chunks(list(names)):
            rows = session.scalars(
                select(Issue)
                .where(Issue.connection_id == connection.id, Issue.watermark.is_not(None))
                .where(or_(Issue.external_id.in_(chunk), Issue.key.in_(chunk)))
                .order_by(Issue.watermark)
            ).all()
            wanted = set(chunk)
            found.update((row.key, row) for row in rows if row.key in wanted)
            found.update((row.external_id, row) for row in rows if row.external_id in wanted)
    return found


def _not_permitted(
    core: Core, connection: Connection, account_id: str, known: Mapping[str, Issue]
) -> dict[str, tuple[str, str]]:
    tracker = core.tracker_of(connection)
    ids: Collection[str] = sorted({issue.external_id for issue in known.values()})
    try:
        may, seen = set[str](), set[str]()
        for chunk in [list(ids)[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]:
            may |= tracker.permitted(connection, account_id, chunk, "edit")
            refused = [one for one in chunk if one not in may]
            # Who names an issue by a number that they made up must not learn from the refusal what it is called.
            seen |= tracker.permitted(connection, account_id, refused, "view") if refused else frozenset()
    except TrackerUnavailable:
        site = connection.display_site or connection.site
        words = f"{site} does not answer, so nobody can say whether you may. Try again when it does."
        return dict.fromkeys(known, ("tracker_unavailable", words))
    return {
        name: (
            "may_not_edit",
            f"You may not {f'edit {issue.key}' if issue.external_id in seen else 'see it'}, so you can't link it.",
        )
        for name, issue in known.items()
        if issue.external_id not in may
    }


def _item(
    name: str,
    issue: Issue | None,
    links: Mapping[int, str],
    refusal: tuple[str, str] | None,
    not_linked: Mapping[int, tuple[str, str]],
) -> Item:
    if issue is None:
        reason, message = refusal or (None, None)
        return Item(name, None, "", None, reason, message)
    reason, message = refusal or not_linked.get(issue.id) or (None, None)
    return Item(name, issue.external_id, issue.key, links.get(issue.id) if reason is None else None, reason, message)
