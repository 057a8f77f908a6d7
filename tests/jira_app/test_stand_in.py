"""The whole door against the stand-in site, which has its own reading of Atlassian's rules, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server

from connector.core import Core, build_core
from connector.goal_marks import begin
from connector.issues import ensure_issue
from connector.links import declare_business_as_usual, link_issue
from connector.models import Connection, Cycle, KeyResult, Objective, OutboxEntry, Person, Team
from connector.planning.sprints import refresh_sprint, sprints_of_board
from connector.settings import load_settings
from connector.tracker import (
    Event,
    IssueChanged,
    IssueDeleted,
    IssueQuery,
    IssueUnreadable,
    PanelLabel,
    SprintChanged,
    TrackerRefused,
    TrackerUnavailable,
)
from connector.worker import Worker
from jira_app import TRACKER
from jira_app.descriptor import PANEL_MODULE
from jira_app.tracker import JiraTracker
from tests.jira_app.conftest import Stored
from tests.tables import make_tables
from web.app import create_app
from web.sandbox import JiraSite, SiteServer
from web.sandbox.jql import parse
from web.sandbox.jql_search import run
from web.sandbox.modules import issue_panels


class Quiet(WSGIRequestHandler):
    """Writes no access log."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        return


@pytest.fixture
def site() -> Iterator[JiraSite]:
    """A served stand-in site with people and work."""
    site = JiraSite()
    site.webhooks.retry_delay = lambda _: 0.01
    with SiteServer(site):
        yield site


class Doorway:
    """Listens before there is an app: the port is part of the address that tokens are checked against."""

    def __init__(self) -> None:
        self.app: Flask | None = None
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        assert self.app is not None
        return self.app(environ, start)

    def __enter__(self) -> Doorway:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def doorway() -> Iterator[Doorway]:
    """A port for Ladder."""
    with Doorway() as doorway:
        yield doorway


@pytest.fixture
def core(site: JiraSite, doorway: Doorway, tmp_path: Path) -> Iterator[Core]:
    """A core that is willing to speak with that site, and trusts its key host."""
    settings = load_settings(
        env_file=None,
        database_url=f"sqlite:///{tmp_path / 'ladder.db'}",
        base_url=doorway.url,
        connect_key_hosts=f"{site.base_url}/keyhost",
        jira_hosts=site.base_url,
    )
    core = build_core(settings, trackers={"jira": TRACKER})
    make_tables(core.database)
    yield core
    core.close()


@pytest.fixture
def ladder(core: Core, doorway: Doorway) -> str:
    """Ladder's address, now that it is served."""
    doorway.app = create_app(core)
    return doorway.url


@pytest.fixture
def tracker(core: Core) -> JiraTracker:
    """The tracker under test."""
    tracker = core.trackers["jira"]
    assert isinstance(tracker, JiraTracker)
    return tracker


@pytest.fixture
def connection(core: Core, ladder: str, site: JiraSite, tracker: JiraTracker) -> Connection:
    """The installed site, with what was discovered about it."""
    site.install(ladder)
    (connection,) = Stored(core).connections()
    connection.settings = dict(tracker.discover(connection))
    site.webhooks.flush()
    return connection


def delivered(core: Core, tracker: JiraTracker, connection: Connection) -> list[Event]:
    """Return the events in everything that was delivered, oldest first."""
    found = Stored(core).deliveries()
    return [event for entry in found for event in tracker.parse(connection, entry.kind, entry.body)]


def test_it_installs_delivers_reinstalls_and_uninstalls(core: Core, ladder: str, site: JiraSite) -> None:
    stored = Stored(core)
    site.install(ladder)
    site.create_issue(summary="First", type="Story")
    site.webhooks.flush()
    assert len(stored.deliveries()) == 1
    site.reinstall()
    site.create_issue(summary="Second", type="Story")
    site.webhooks.flush()
    assert [one.state for one in stored.connections()] == ["active"]
    assert len(stored.deliveries()) == 2
    assert site.uninstall() == 204
    assert [one.state for one in stored.connections()] == ["uninstalled"]
    site.reinstall()
    assert [one.state for one in stored.connections()] == ["active"]
    assert {delivery.state for delivery in site.webhooks.log} == {"delivered"}


def test_a_duplicate_is_stored_once(core: Core, connection: Connection, site: JiraSite) -> None:
    site.webhooks.duplicate()
    site.create_issue(summary="Twice", type="Story")
    site.webhooks.flush()
    assert len(Stored(core).deliveries()) == 1


def test_webhook_and_rest_tell_the_same_of_an_issue(
    core: Core, connection: Connection, tracker: JiraTracker, site: JiraSite
) -> None:
    # Else every delivery would be taken for a tie with what was read, and be read again.
    epic = site.create_issue(summary="An epic", type="Epic")
    story = site.create_issue(summary="A story", type="Story", parent=epic.key, points=3, labels=["b", "a"])
    site.transition(story.key, "Done", resolution="Won't Do")
    site.webhooks.flush()
    events = delivered(core, tracker, connection)
    latest = {event.snapshot.external_id: event.snapshot for event in events if isinstance(event, IssueChanged)}
    assert latest[story.id].cls == "dropped"
    assert latest[story.id].parent_external_id == epic.id
    assert latest[story.id].estimate == 3
    assert latest[epic.id].level == 1
    for external_id, seen in latest.items():
        assert tracker.fetch_issue(connection, external_id) == seen


def test_a_moved_issue_keeps_its_id_and_a_deleted_one_is_gone(
    core: Core, connection: Connection, tracker: JiraTracker, site: JiraSite
) -> None:
    story = site.create_issue(summary="A story", type="Story")
    site.move(story.key, "PLAT")
    site.delete(story.id)
    site.webhooks.flush()
    created, *_, moved, deleted = delivered(core, tracker, connection)
    assert isinstance(created, IssueChanged)
    assert isinstance(moved, IssueChanged)
    assert moved.snapshot.external_id == created.snapshot.external_id == story.id
    assert moved.snapshot.key.startswith("PLAT-")
    assert isinstance(deleted, IssueDeleted)
    assert deleted.happened_at >= moved.snapshot.updated_at
    with pytest.raises(IssueUnreadable):
        tracker.fetch_issue(connection, story.id)


def test_sprints_are_heard_of(core: Core, connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    sprint = site.create_sprint("Sprint X")
    site.start_sprint(sprint)
    site.close_sprint(sprint)
    site.webhooks.flush()
    heard = [event for event in delivered(core, tracker, connection) if isinstance(event, SprintChanged)]
    assert [event.state for event in heard if event.external_id == str(sprint.id)] == ["future", "active", "closed"]


def test_a_subtree_has_all_levels(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    epic = site.create_issue(summary="An epic", type="Epic")
    stories = [site.create_issue(summary=f"Story {number}", type="Story", parent=epic.key) for number in range(3)]
    subtask = site.create_issue(summary="A sub-task", type="Sub-task", parent=stories[0].key)
    below = [one for page in tracker.fetch_subtree(connection, epic.id) for one in page.snapshots]
    assert {one.external_id for one in below} == {one.id for one in (*stories, subtask)}
    assert {one.external_id: one.level for one in below}[subtask.id] == -1


def test_only_what_changed_lately_is_read_again(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    story = site.create_issue(summary="A story", type="Story")
    since = site.now() - timedelta(minutes=3)
    lately = {one.external_id for page in tracker.updated_since(connection, since) for one in page.snapshots}
    everything = [
        one for page in tracker.updated_since(connection, since - timedelta(days=3650)) for one in page.snapshots
    ]
    assert story.id in lately
    assert len(everything) > len(lately)


def test_rights_are_the_sites(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    story = site.create_issue(summary="A story", type="Story")
    rights = {
        (
            tracker.may(connection, person.account_id, story.id, "view"),
            tracker.may(connection, person.account_id, story.id, "edit"),
        )
        for person in site.people.values()
    }
    assert {(True, True), (True, False)} <= rights


def test_the_label_appears_beside_the_panel(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    story = site.create_issue(summary="A story", type="Story")
    tracker.show_label(connection, story.id, PanelLabel("3 of 4", "success"))
    (panel,) = [one for one in issue_panels(site, site.admin, story) if one.key == PANEL_MODULE]
    assert (panel.status, panel.appearance) == ("3 of 4", "success")


def test_the_panels_address_is_signed_as_we_check_it(connection: Connection, site: JiraSite) -> None:
    story = site.create_issue(summary="A story", type="Story")
    (panel,) = [one for one in issue_panels(site, site.admin, story) if one.key == PANEL_MODULE]
    assert requests.get(panel.frame.src, timeout=10).status_code == 200
    tampered = panel.frame.src.replace(f"issueId={story.id}", "issueId=1")
    assert requests.get(tampered, timeout=10).status_code == 401


def test_a_site_that_is_away_is_unavailable_and_not_more(
    connection: Connection, tracker: JiraTracker, site: JiraSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jira_app.session.Retry.sleep", lambda _self, _response=None: None)
    story = site.create_issue(summary="A story", type="Story")
    site.faults.down(times=2)
    assert tracker.fetch_issue(connection, story.id).external_id == story.id
    site.faults.unavailable()
    with pytest.raises(TrackerUnavailable):
        tracker.fetch_issue(connection, story.id)
    site.faults.rate_limit(retry_after=17, reason="jira-quota-tenant-based")
    with pytest.raises(TrackerUnavailable) as raised:
        tracker.fetch_issue(connection, story.id)
    assert raised.value.whole_connection
    assert raised.value.retry_after is not None
    assert raised.value.retry_after >= 17


def test_no_token_travels_in_an_address(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    tracker.search(connection, site.admin.account_id, "story", 5)
    assert site.calls
    assert all("jwt" not in urlsplit(call.path).path + call.query for call in site.calls)


def found(site: JiraSite, query: str) -> set[str]:
    """Return the keys of the issues that a search on the site finds."""
    return {one.key for one in run(parse(query), site, site.issues.values())}


def test_a_sprint_is_read_with_what_blocks_its_issues(
    connection: Connection, tracker: JiraTracker, site: JiraSite
) -> None:
    sprints = tracker.sprints(connection, "1")
    assert [(one.name, one.state, one.board) for one in sprints] == [
        ("Sprint 42", "active", "1"),
        ("Sprint 43", "future", "1"),
    ]
    blocked = {
        one.key: one.blocked_by
        for page in tracker.sprint_issues(connection, sprints[1].external_id)
        for one in page.snapshots
    }
    assert blocked == {"ATL-5": (), "ATL-11": (site.issue("ATL-5").id,)}


def test_issues_move_where_somebody_asked(connection: Connection, tracker: JiraTracker, site: JiraSite) -> None:
    ids = [site.issue(key).id for key in ("ATL-3", "ATL-5")]
    later = site.sprint("Sprint 43")
    tracker.move_to_sprint(connection, ids, str(later.id))
    assert [site.current_sprint_of(site.issue(one)) for one in ids] == [later, later]
    tracker.move_to_sprint(connection, ids, None)
    assert [site.current_sprint_of(site.issue(one)) for one in ids] == [None, None]


@pytest.mark.parametrize(
    ("kind", "text", "kept", "matched"),
    [
        ("epic", "ATL-1", "ATL-1", {"ATL-1"}),
        ("project", "OPS", "OPS", {"OPS-1", "OPS-2"}),
        ("label", "on-call", "on-call", {"PLAT-4", "PLAT-6", "OPS-2"}),
        ("query", "project = OPS AND labels = on-call ORDER BY key", "project = OPS AND labels = on-call", {"OPS-2"}),
    ],
)
def test_rules_find_what_the_site_holds(
    connection: Connection,
    tracker: JiraTracker,
    site: JiraSite,
    kind: str,
    text: str,
    kept: str,
    matched: set[str],
) -> None:
    query = tracker.resolve(connection, IssueQuery(kind, text))
    assert query.text == kept
    assert {one.key for page in tracker.find(connection, query) for one in page.snapshots} == matched
    asked = [site.issue(key).id for key in ("ATL-1", "OPS-1", "OPS-2", "PLAT-4")]
    gone = site.create_issue("Soon gone").id
    site.delete(gone)
    matching = tracker.matching(connection, query, [*asked, gone])
    assert matching == {one for one in asked if site.issue(one).key in matched}


def test_a_query_that_the_site_cannot_read_is_refused_in_its_words(
    connection: Connection, tracker: JiraTracker
) -> None:
    with pytest.raises(TrackerRefused, match="Field 'nope' does not exist"):
        tracker.resolve(connection, IssueQuery("query", "nope = 1"))


def test_the_sites_searches_know_goals_once_an_issue_is_linked(
    core: Core, connection: Connection, site: JiraSite
) -> None:
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id)
        row.settings = connection.settings
        key_result_id = goal_of(session, row.workspace_id)
        for external_id in ("10001", "10003", "10006"):
            ensure_issue(session, row, external_id)
    worker = Worker(core)
    refresh_sprint_of(core, connection, site)
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id)
        begin(session, row, core.clock())
        issue = ensure_issue(session, row, "10001")
        link_issue(session, row.workspace_id, key_result_id, issue, actor="ada", now=core.clock())
    work_off(core, worker)
    # ATL-1 is linked; ATL-3, ATL-4, ATL-6, ATL-7 hang below it, and so do the sub-tasks of ATL-3.
    assert found(site, 'objective = "Win trust"') == found(site, "keyResult in (Activation, Churn)")
    assert {"ATL-1", "ATL-3", "ATL-4"} <= found(site, "goalWork = aligned")
    unaligned = found(site, "goalWork = unaligned")
    assert unaligned == found(site, "sprint in openSprints() OR sprint in futureSprints()") - found(
        site, "goalWork = aligned"
    )
    assert "ATL-16" in unaligned
    assert "ATL-19" in found(site, "goalWork is EMPTY")
    with core.database.writing() as session:
        row = session.get_one(Connection, connection.id)
        issue = ensure_issue(session, row, site.issue("ATL-16").id)
        declare_business_as_usual(session, row.workspace_id, issue, "support", actor="ada", now=core.clock())
    work_off(core, worker)
    assert found(site, 'goalWork = "business as usual"') == {"ATL-16"}


def goal_of(session: Session, workspace_id: str) -> str:
    """Make an objective with one key result; return its id."""
    person = Person(workspace_id=workspace_id, name="Ada")
    team = Team(workspace_id=workspace_id, name="Atlas")
    cycle = Cycle(workspace_id=workspace_id, name="Q4", starts_on=date(2026, 10, 1), ends_on=date(2026, 12, 31))
    session.add_all([person, team, cycle])
    session.flush()
    objective = Objective(workspace_id=workspace_id, title="Win trust", cycle_id=cycle.id, team_id=team.id)
    session.add(objective)
    session.flush()
    key_result = KeyResult(
        workspace_id=workspace_id,
        objective_id=objective.id,
        title="Activation",
        driver_id=person.id,
        kind="issue_ratio",
    )
    session.add(key_result)
    session.flush()
    return key_result.id


def refresh_sprint_of(core: Core, connection: Connection, site: JiraSite) -> None:
    """Let Ladder know of the open sprints and of what they hold."""
    for sprint in sprints_of_board(core, connection, "1"):
        refresh_sprint(core, connection, sprint.external_id)


def work_off(core: Core, worker: Worker) -> None:
    """Have everything done that waits, now."""
    for _ in range(30):
        with core.database.writing() as session:
            session.execute(update(OutboxEntry).where(OutboxEntry.state == "waiting").values(due_at=core.clock()))
        if not worker.run_once():
            return
