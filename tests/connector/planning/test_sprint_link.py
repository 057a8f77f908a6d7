"""The link from a sprint to our planning page: put once, on every open sprint, as soon as it is heard of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from sqlalchemy import select

from connector.models import Connection, OutboxEntry, Sprint
from connector.outbox import enqueue
from connector.reconcile import reconcile
from connector.settings import Settings
from connector.sprints import EVERY_SPRINT, apply_sprint
from connector.tracker import Capabilities, IssueUnreadable, SprintChanged
from tests.connector.conftest import NOW, Organisation
from tests.connector.errand_runs import run


class Shelf:
    """Sprints of a tracker that can carry links."""

    def __init__(self) -> None:
        self.told: list[SprintChanged] = []
        self.closed_to_us: set[str] = set()
        self.shown: list[tuple[str, str, str | None]] = []

    def sprints(self, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        return list(self.told)

    def show_sprint_link(self, connection: Connection, sprint: str, url: str, title: str, known_id: str | None) -> str:
        if sprint in self.closed_to_us:
            raise IssueUnreadable("closed to us")
        self.shown.append((sprint, url, known_id))
        return f"link-{sprint}"


@pytest.fixture
def shelf(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The toy, with sprints that can carry links."""
    shelf = Shelf()
    org.tracker.capabilities = Capabilities(sprints=True, sprint_links=True)
    monkeypatch.setattr(org.tracker, "sprints", shelf.sprints, raising=False)
    monkeypatch.setattr(org.tracker, "show_sprint_link", shelf.show_sprint_link, raising=False)
    return shelf


def told(external_id: str, state: str, at: datetime = NOW) -> SprintChanged:
    return SprintChanged(external_id, f"Cycle {external_id}", state, at, board="team-1")


def hear(org: Organisation, *events: SprintChanged) -> None:
    with org.core.database.writing() as session:
        for one in events:
            apply_sprint(session, session.get_one(Connection, "c"), one)


def ask(org: Organisation) -> None:
    with org.core.database.writing() as session:
        enqueue(session, "c", "sprint_link", EVERY_SPRINT)
    run(org, "sprint_link")
    run(org, "sprint_link")


def waiting(org: Organisation) -> list[str]:
    with org.core.database.reading() as session:
        chosen = select(OutboxEntry.subject).where(OutboxEntry.kind == "sprint_link", OutboxEntry.state == "waiting")
        return sorted(session.scalars(chosen))


def test_every_open_sprint_gets_one_link_to_its_own_page(org: Organisation, shelf: Shelf, settings: Settings) -> None:
    shelf.told = [told("1", "closed"), told("2", "active"), told("3", "future")]
    ask(org)
    with org.core.database.reading() as session:
        rows = {one.external_id: one for one in session.scalars(select(Sprint))}
    assert [(sprint, url) for sprint, url, _ in shelf.shown] == [
        (one, f"{settings.base_url}/planning/{rows[one].id}") for one in ("2", "3")
    ]
    assert {one: row.shown_link for one, row in rows.items()} == {"1": None, "2": "link-2", "3": "link-3"}

    ask(org)

    # What somebody took off meanwhile stays off.
    assert len(shelf.shown) == 2


def test_a_sprint_that_is_heard_of_later_gets_its_link_at_once(org: Organisation, shelf: Shelf) -> None:
    ask(org)
    hear(org, told("4", "future"), told("5", "closed"), told("6", "deleted"))
    assert waiting(org) == ["4"]
    run(org, "sprint_link")
    assert [sprint for sprint, _, _ in shelf.shown] == ["4"]
    hear(org, told("4", "active"))
    assert waiting(org) == []


def test_a_sprint_that_is_closed_to_us_keeps_no_other_from_its_link(org: Organisation, shelf: Shelf) -> None:
    shelf.told = [told("2", "active"), told("3", "future")]
    shelf.closed_to_us = {"2"}
    ask(org)
    assert [sprint for sprint, _, _ in shelf.shown] == ["3"]


def test_every_sprint_is_an_errand_of_its_own_so_that_no_link_is_put_twice(org: Organisation, shelf: Shelf) -> None:
    shelf.told = [told("2", "active"), told("3", "future")]
    with org.core.database.writing() as session:
        enqueue(session, "c", "sprint_link", EVERY_SPRINT)
    run(org, "sprint_link")
    assert (shelf.shown, waiting(org)) == ([], ["2", "3"])
    run(org, "sprint_link")
    with org.core.database.writing() as session:
        enqueue(session, "c", "sprint_link", "2")
    run(org, "sprint_link")
    assert len(shelf.shown) == 2


def test_trackers_whose_sprints_carry_no_links_are_left_alone(org: Organisation) -> None:
    hear(org, told("4", "future"))
    ask(org)
    assert waiting(org) == []
    with org.core.database.reading() as session:
        assert session.scalars(select(Sprint)).one().shown_link is None


def test_reconciling_asks_which_sprints_there_are(org: Organisation, shelf: Shelf) -> None:
    reconcile(org.core, "c")
    assert waiting(org) == [EVERY_SPRINT]
    org.tracker.capabilities = Capabilities()
    run(org, "sprint_link")
    reconcile(org.core, "c")
    assert waiting(org) == []
