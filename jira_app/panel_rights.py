"""What a person may do with an issue, by Jira's own word; while Jira does not answer, by its last one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from connector.models import Connection
from connector.tracker import Action, IssueUnreadable, Tracker, TrackerRefused, TrackerUnavailable

# Seconds. While Jira does not answer, what it said last still holds for this long. (The tracker keeps answers for a
# minute, so that a right taken away in Jira is gone here within that.)
STALE_FOR = 600.0
# After a call without an answer Jira is left alone this long: with many panels open, each would wait for a time-out.
SILENT_FOR = 10.0
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Rights:
    """True, False, or None where Jira could not be asked."""

    account_id: str
    may_view: bool | None
    may_edit: bool | None


class RightsBook:
    """Asks a tracker, and remembers its answers."""

    def __init__(self, tracker: Tracker, ticks: Callable[[], float] = time.monotonic) -> None:
        self._tracker = tracker
        self._ticks = ticks
        self._answers: OrderedDict[tuple[str, str, str, Action], tuple[float, bool]] = OrderedDict()
        self._silent_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def read(self, connection: Connection, account_id: str, external_id: str, *, insist: bool = False) -> Rights:
        """Return the rights of an account on an issue; who is not signed in has none to change anything.

        `insist` asks Jira even if it did not answer a moment ago: somebody waits for this very answer.
        """
        if not account_id:
            return Rights(account_id, may_view=None, may_edit=False)
        if insist:
            self._silent_until.pop(connection.id, None)
        view = self.ask(connection, account_id, external_id, "view")
        edit = self.ask(connection, account_id, external_id, "edit") if view is not False else False
        return Rights(account_id, may_view=view, may_edit=edit)

    def ask(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool | None:
        """Return Jira's answer; None if Jira does not answer and has not lately."""
        key = (connection.id, account_id, external_id, action)
        known = self._answers.get(key)
        now = self._ticks()
        last_word = known[1] if known and now - known[0] < STALE_FOR else None
        if self._silent_until.get(connection.id, 0) > now:
            return last_word
        try:
            answer = self._tracker.may(connection, account_id, external_id, action)
        except TrackerUnavailable:
            self._silent_until[connection.id] = self._ticks() + SILENT_FOR
            return last_word
        except (IssueUnreadable, TrackerRefused):
            answer = False
        with self._lock:
            self._answers[key] = (now, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return answer
