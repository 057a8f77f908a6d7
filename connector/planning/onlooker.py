"""Who looks at a plan, and which of its issues their tracker lets them see or edit: asked for all at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from connector.core import Core
from connector.models import Connection
from connector.tracker import Action, TrackerError, TrackerUnavailable

# Seconds. Trackers keep answers for a minute themselves; this spares them the questions of one burst of clicks.
FRESH_FOR = 15.0
# Seconds. While the tracker does not answer, what it said last still holds for this long.
STALE_FOR = 600.0
# Seconds. After a call without an answer the tracker is left alone: with many people planning, each would wait.
SILENT_FOR = 10.0
REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Somebody in front of a plan.

    `who` identifies them beyond doubt (undo notes are bound to it), `actor` is how the ledger names them. `accounts`:
    connection id -> account there; a connection that is missing lets them see nothing of it, unless they `see_all`
    (admins, who may hand out tokens that read everything). `may_change` is our own role's word; `why_not` says what
    stands against it.
    """

    who: str
    actor: str
    name: str = ""
    accounts: Mapping[str, str] = field(default_factory=dict)
    see_all: bool = False
    may_change: bool = True
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a tracker permits. `silent`: it does not answer now, so that some answers are old or missing."""

    external_ids: frozenset[str]
    silent: bool = False


class RightsAtOnce:
    """Asks trackers what an account may do with many issues, and remembers their answers."""

    def __init__(self, core: Core, ticks: Callable[[], float] = time.monotonic) -> None:
        self._core = core
        self._ticks = ticks
        self._answers: OrderedDict[tuple[str, str, Action, str], tuple[float, bool]] = OrderedDict()
        self._silent_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def permitted(
        self,
        connection: Connection,
        account_id: str,
        external_ids: Collection[str],
        action: Action,
        *,
        insist: bool = False,
    ) -> Permitted:
        """Return those of the issues that the account may view or edit; one question for all that is not known.

        `insist` asks even for what is known: somebody is about to change something.
        """
        now = self._ticks()
        known = self._known(connection.id, account_id, action, external_ids, now)
        unknown = sorted(one for one in external_ids if insist or one not in known or now - known[one][0] >= FRESH_FOR)
        silent = False
        if unknown and (insist or self._silent_until.get(connection.id, 0) <= now):
            try:
                tracker = self._core.tracker_of(connection)
                answer = tracker.permitted(connection, account_id, unknown, action)
            except TrackerUnavailable:
                self._silent_until[connection.id] = self._ticks() + SILENT_FOR
                silent = True
            except TrackerError:
                answer = frozenset()  # a final no, such as a disconnected site: nothing may be seen
                known.update(self._keep(connection.id, account_id, action, unknown, answer, now))
            else:
                known.update(self._keep(connection.id, account_id, action, unknown, answer, now))
        elif unknown:
            silent = True
        if insist and silent:
            return Permitted(frozenset(), silent=True)
        granted = frozenset(one for one, (_at, said) in known.items() if said)
        return Permitted(granted, silent)

    def _known(
        self, connection_id: str, account_id: str, action: Action, external_ids: Collection[str], now: float
    ) -> dict[str, tuple[float, bool]]:
        found = {}
        for one in external_ids:
            kept = self._answers.get((connection_id, account_id, action, one))
            if kept is not None and now - kept[0] < STALE_FOR:
                found[one] = kept
        return found

    def _keep(
        self,
        connection_id: str,
        account_id: str,
        action: Action,
        asked: Collection[str],
        granted: Collection[str],
        now: float,
    ) -> dict[str, tuple[float, bool]]:
        said = {one: (now, one in granted) for one in asked}
        with self._lock:
            for one, kept in said.items():
                key = (connection_id, account_id, action, one)
                self._answers[key] = kept
                self._answers.move_to_end(key)
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return said
