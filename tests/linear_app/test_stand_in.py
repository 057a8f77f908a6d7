"""The whole road with a stand-in workspace over real connections: install, link by label, close, see the card move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.models import (
    Link,
)
from connector.outbox import enqueue
from connector.reconcile import reconcile
from tests.linear_app.town import KEY_RESULT, Town, town_of


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Ladder beside the stand-in."""
    with town_of(tmp_path) as town:
        yield town


def test_a_label_links_an_issue_whose_card_moves_when_it_is_closed(town: Town) -> None:
    town.connect()
    assert town.connection().site == f"{town.acme.base_url}/acme", "a stand-in never passes for linear.app"
    story = town.acme.create_issue("Log in with SSO")
    other = town.acme.create_issue("Log out with SSO")
    town.settle()
    assert town.issue(story.id).cls == "todo"
    for issue in (story, other):
        town.acme.add_label(issue, KEY_RESULT)
    town.settle()
    assert town.cards(story.id) == town.cards(other.id) == [(f"KR {KEY_RESULT}", "0%")]
    town.acme.transition(story, "Done")
    town.settle()
    assert town.cards(story.id) == town.cards(other.id) == [(f"KR {KEY_RESULT}", "50%")]
    town.acme.remove_label(other, KEY_RESULT)
    town.settle()
    assert (town.cards(story.id), town.cards(other.id)) == ([(f"KR {KEY_RESULT}", "100%")], [])
    with town.core.database.reading() as session:
        assert [link.source for link in session.scalars(select(Link))] == ["label"]
    assert town.buried() == []


def test_trash_restore_and_duplicates_are_followed(town: Town) -> None:
    town.connect()
    story, twin = town.acme.create_issue("Log in"), town.acme.create_issue("Sign in")
    town.acme.trash(story)
    town.acme.merge_as_duplicate(twin, story)
    town.settle()
    assert (town.issue(story.id).cls, town.issue(twin.id).cls) == ("gone", "dropped")
    town.acme.restore(story)
    town.acme.transition(story, "Done")
    town.acme.archive(story)
    town.settle()
    assert town.issue(story.id).cls == "done"


def test_what_was_never_delivered_is_found_again(town: Town) -> None:
    connection_id = town.connect()
    story, gone = town.acme.create_issue("Log in"), town.acme.create_issue("Log out")
    town.settle()
    town.acme.webhooks.drop(100)
    town.acme.transition(story, "Done")
    town.acme.trash(gone)
    town.acme.webhooks.flush()
    reconcile(town.core, connection_id)
    assert (town.issue(story.id).cls, town.issue(gone.id).cls) == ("done", "gone")


def test_an_access_token_that_ends_is_renewed_on_the_way(town: Town) -> None:
    connection_id = town.connect()
    story = town.acme.create_issue("Log in")
    town.settle()
    town.acme.oauth.expire_access()
    assert town.tracker.fetch_issue(town.connection(), story.id).key == story.identifier
    assert town.acme.oauth.refreshes == 1
    assert town.connection().id == connection_id


def test_tokens_that_died_without_a_word_are_shown_and_connecting_again_goes_on(town: Town) -> None:
    connection_id = town.connect()
    town.acme.oauth.kill_tokens()
    story = town.acme.create_issue("Log in")
    town.acme.add_label(story, KEY_RESULT)
    town.settle()
    assert town.connection().state == "reconnect_needed"
    assert town.cards(story.id) == []
    assert town.connect() == connection_id
    assert town.connection().state == "active"
    assert town.cards(story.id) == [(f"KR {KEY_RESULT}", "0%")]


def test_a_removed_app_is_disconnected(town: Town) -> None:
    town.connect()
    town.acme.oauth.uninstall()
    town.settle()
    assert (town.connection().state, town.connection().credential) == ("uninstalled", None)


def test_a_team_that_is_closed_to_us_leaves_its_issues_stale_and_opened_again_fresh(town: Town) -> None:
    town.connect()
    story = town.acme.create_issue("Log in")
    town.settle()
    town.acme.shut_app_out(story.team_id)
    town.settle()
    assert town.issue(story.id).stale_since is not None
    assert town.issue(story.id).cls == "todo"
    town.acme.let_app_in(story.team_id)
    town.settle()
    assert town.issue(story.id).stale_since is None


def test_a_field_that_goes_away_stops_only_what_needs_it(town: Town) -> None:
    town.connect()
    story = town.acme.create_issue("Log in")
    town.settle()
    town.acme.faults.drop_field("Issue.estimate")
    with town.core.database.writing() as session:
        enqueue(session, town.connection().id, "fetch_issue", story.id)
    town.acme.transition(story, "Done")
    town.settle()
    # News of the change still comes by webhook, and is believed.
    assert town.issue(story.id).cls == "done"
    ((kind, trouble),) = town.buried()
    assert kind == "fetch_issue"
    assert "estimate" in trouble
