"""What a person may see in Linear: everybody all public teams, members their private ones, guests only their own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from connector.tracker import IssueUnreadable
from linear_app.client import LinearClient

# The visibility of teams that every full member sees; the others (private, restricted) are for those who are in them.
PUBLIC = "public"
# Seconds for which an answer is taken from memory.
HELD_FOR = 60.0
HELD = 20_000
# Ids in one filter, and issues on one page.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Membership:
    """What a person is in a workspace, and the ids of those of the asked teams that they are in."""

    active: bool
    guest: bool
    teams: frozenset[str]

    def sees(self, team_id: str, *, public: bool) -> bool:
        """Tell whether the person sees a team's issues."""
        return self.active and (team_id in self.teams or (public and not self.guest))


NOBODY = Membership(active=False, guest=True, teams=frozenset())


def membership(client: LinearClient, account_id: str, team_ids: Collection[str]) -> Membership:
    """Ask Linear who somebody is and which of these teams they are in; a stranger is nobody."""
    wanted = {"id": {"in": sorted(team_ids)[:100]}}
    try:
        user = client.run("TeamsOfUser", urgent=True, id=account_id, filter=wanted)["user"]
    except IssueUnreadable:
        return NOBODY
    teams = frozenset(str(team["id"]) for team in user["teams"]["nodes"])
    return Membership(active=user["active"] is True, guest=user["guest"] is True, teams=teams)


def seen_by(client: LinearClient, account_id: str, issue_ids: Sequence[str]) -> dict[str, bool]:
    """Tell of each of these issues whether somebody sees it; what we can't find ourselves is seen by nobody."""
    teams: dict[str, dict[str, Any]] = {}
    for start in range(0, len(issue_ids), AT_ONCE):
        wanted = {"id": {"in": list(issue_ids[start : start + AT_ONCE])}}
        for nodes in client.pages("TeamsOfIssues", "issues", urgent=True, filter=wanted):
            teams |= {node["id"]: node["team"] for node in nodes}
    if not teams:
        return dict.fromkeys(issue_ids, False)
    member = membership(client, account_id, {team["id"] for team in teams.values()})
    return {
        one: one in teams and member.sees(teams[one]["id"], public=teams[one]["visibility"] == PUBLIC)
        for one in issue_ids
    }


class Rights:
    """Remembers for a minute whether a person sees an issue."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._held: OrderedDict[tuple[str, str, str], tuple[float, bool]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, connection_id: str, account_id: str, external_id: str) -> bool | None:
        """Return what was found out less than a minute ago, None if nothing was."""
        held = self._held.get((connection_id, account_id, external_id))
        return held[1] if held and held[0] > self._ticks() else None

    def keep(self, connection_id: str, account_id: str, external_id: str, seen: bool) -> None:
        """Remember an answer."""
        with self._lock:
            self._held[connection_id, account_id, external_id] = (self._ticks() + HELD_FOR, seen)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
