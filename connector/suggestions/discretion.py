"""What a reason may tell: whoever may not see an issue in its tracker is not told its key, nor what its title says."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from connector.core import Core
from connector.models import Connection, Issue
from connector.store import chunks
from connector.suggestions import Suggestion
from connector.tracker import TrackerError

# Asks for some issues of a connection, by their external ids, which of them somebody may see.
MaySee = Callable[[Connection, Sequence[str]], Collection[str]]

# Broader than any tracker's keys: what only looks like one is the key of no issue.
KEY = re.compile(r"(?<!\w)[^\W_]\w*-[0-9]+")
WITHHELD = "because of an issue that you may not see"


def discreet(
    core: Core, workspace_id: str, suggestions: Mapping[int, Sequence[Suggestion]], may_see: MaySee
) -> dict[int, list[Suggestion]]:
    """Return the suggestions without the reasons that name an issue which is not seen.

    The suggestion itself stays: it is about an issue that they do see, and a key result, which everybody may read.
    """
    named = sorted({key for found in suggestions.values() for one in found for key in KEY.findall(one.reason)})
    hidden = _not_seen(core, workspace_id, named, may_see) if named else frozenset()
    return {
        issue_id: [
            replace(one, reason=WITHHELD) if hidden.intersection(KEY.findall(one.reason)) else one for one in found
        ]
        for issue_id, found in suggestions.items()
    }


def by_account(core: Core, accounts: Mapping[str, str]) -> MaySee:
    """Ask the trackers themselves: connection id -> account. What cannot be asked, or does not answer, is not seen."""

    def may_see(connection: Connection, external_ids: Sequence[str]) -> Collection[str]:
        account = accounts.get(connection.id)
        if not account:
            return ()
        try:
            return core.tracker_of(connection).permitted(connection, account, external_ids, "view")
        except TrackerError:
            return ()

    return may_see


def _not_seen(core: Core, workspace_id: str, keys: Sequence[str], may_see: MaySee) -> frozenset[str]:
    connections: dict[str, Connection] = {}
    issues: dict[str, list[tuple[str, str]]] = {}
    with core.database.reading() as session:
        for chunk in chunks(keys):
            query = (
                select(Connection, Issue.external_id, Issue.key)
                .join(Issue, Issue.connection_id == Connection.id)
                .where(Issue.workspace_id == workspace_id, Issue.key.in_(chunk))
            )
            for connection, external_id, key in session.execute(query):
                connections[connection.id] = connection
                issues.setdefault(connection.id, []).append((external_id, key))
    hidden: set[str] = set()
    for connection_id, found in sorted(issues.items()):
        seen = may_see(connections[connection_id], [external_id for external_id, _ in found])
        hidden |= {key for external_id, key in found if external_id not in seen}
    return frozenset(hidden)
