"""What an admin sets for one connected site, and reading its issues again under the new rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from connector.apply import apply_snapshot
from connector.core import Core
from connector.errors import Fault, Invalid, NotFound
from connector.goals.scope import Versions, check_version
from connector.models import Connection, Issue
from connector.outbox import enqueue

# Words in one setting, and characters in one word: far more than any site has.
MOST_WORDS = 100
LONGEST_WORD = 120
# Issues read and applied at a time, so that nobody else waits for long.
BATCH = 100


def edit_site_settings(
    core: Core,
    session: Session,
    workspace_id: str,
    connection_id: str,
    changes: Mapping[str, Sequence[str] | None],
    *,
    expected_version: Versions = None,
) -> None:
    """Set lists of words by the names of `site_options`; None goes back to what was learned from the site.

    Every known issue of the site is read again afterwards, and what moves then is written down as rule_changed. Raises
    NotFound, LostUpdate, Invalid (unknown_setting, too_many, bad_word).
    """
    connection = find_connection(session, workspace_id, connection_id)
    check_version(connection, expected_version)
    known = {option.name for option in core.tracker_of(connection).site_options(connection)}
    faults, wanted = [], {}
    for name, words in changes.items():
        if name not in known:
            faults.append(Fault("unknown_setting", f"Must be one of {', '.join(sorted(known))}.", name))
            continue
        clean = None if words is None else list(dict.fromkeys(" ".join(word.split()) for word in words if word.strip()))
        if clean is not None and len(clean) > MOST_WORDS:
            faults.append(Fault("too_many", f"At most {MOST_WORDS} entries.", name))
        if clean is not None and any(len(word) > LONGEST_WORD or not word.isprintable() for word in clean):
            faults.append(Fault("bad_word", f"At most {LONGEST_WORD} printable characters each.", name))
        wanted[name] = clean
    if faults:
        raise Invalid.of(faults)
    settings = dict(connection.settings)
    by_hand = set(settings.get("set_by_hand", ()))
    for name, clean in wanted.items():
        if clean is None:
            settings.pop(name, None)
            by_hand.discard(name)
        else:
            settings[name] = clean
            by_hand.add(name)
    if {**settings, "set_by_hand": sorted(by_hand)} == {"set_by_hand": [], **connection.settings}:
        return
    connection.settings = {**settings, "set_by_hand": sorted(by_hand)}
    connection.version += 1
    session.flush()
    # What goes back to the site's own word has to be learned again, before issues are read by it.
    if any(clean is None for clean in wanted.values()):
        enqueue(session, connection.id, "discover", "")
    enqueue(session, connection.id, "reread", "")


def reread_issues(core: Core, connection: Connection) -> int:
    """Read every known issue of a connection again by its present settings; return how many were read.

    Raises the tracker's error in the middle; done again from the start, it changes nothing twice.
    """
    after, count = 0, 0
    while True:
        with core.database.reading() as session:
            rows = session.execute(
                select(Issue.id, Issue.external_id)
                .where(Issue.connection_id == connection.id, Issue.cls != "gone", Issue.id > after)
                .order_by(Issue.id)
                .limit(BATCH)
            ).all()
            # As it is now: somebody may have changed the settings once more.
            connection = session.get_one(Connection, connection.id)
        if not rows:
            return count
        snapshots = core.tracker_of(connection).fetch_issues(connection, [row.external_id for row in rows])
        with core.database.writing() as session:
            now = core.clock()
            for snapshot in sorted(snapshots, key=lambda one: one.external_id):
                apply_snapshot(
                    session,
                    connection,
                    snapshot,
                    happened_at=snapshot.updated_at,
                    source="settings",
                    now=now,
                    fresh=True,
                    rule_changed=True,
                )
        count += len(snapshots)
        after = rows[-1].id


def find_connection(session: Session, workspace_id: str, connection_id: str) -> Connection:
    """Return a connection of this workspace; raises NotFound."""
    connection = session.get(Connection, connection_id)
    if connection is None or connection.workspace_id != workspace_id:
        raise NotFound("There is no such connection.")
    return connection
