"""What the core relies on in every tracker: the same questions to each one that is registered, and to the toy."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.serving import make_server

import linear_app
from connector.core import Core, build_core
from connector.models import Connection, InboxEntry, Workspace
from connector.settings import load_settings
from connector.tracker import (
    BadDelivery,
    Capabilities,
    GoalCard,
    GoalMark,
    IssueChanged,
    IssueDeleted,
    IssueQuery,
    IssueSnapshot,
    IssueUnreadable,
    PanelLabel,
    Tracker,
    TrackerRefused,
    TrackerUnavailable,
    Unsupported,
    registered_trackers,
)
from connector.worker import Worker
from linear_app.install import install_finished
from linear_app.round_trip import begin, come_back
from mapping.issue_class import IssueClass
from tests.postgres import furnish, rows
from tests.tables import make_tables
from tests.toy_tracker import ToyTracker
from web.app import create_app
from web.sandbox import JiraSite, SiteServer
from web.sandbox.linear import LinearWorkspace, WorkspaceServer
from web.sandbox.linear.seeding import FORMER
from web.sandbox.linear.seeding import LEAD as LINEAR_LEAD
from web.sandbox.seeding import LEAD, VIEWER

CLASSES = {str(cls) for cls in IssueClass} - {"gone", "unknown"}
HOSTILE = [
    b"", b"\xff\xfe", b"null", b"[]", b"7", b'"issue"', b"{}", b"{broken",
    b'{"issue": 7, "id": {}, "at": "soon", "cls": 1}',
    b'{"issue": {"id": [], "fields": {"updated": 1e400}}, "cls": 3}', b"[" * 5000,
    b'{"id": 1, "at": 1e300, "cls": "x"}',
]  # fmt: skip


class Workbench(Protocol):
    """A tracker with a site of its own, and the few things that tests do there."""

    tracker: Tracker
    connection: Connection
    member: str
    stranger: str
    kind: str

    def make(self, *, parent: str | None = None, points: int | None = None, epic: bool = False) -> str: ...
    def finish(self, issue: str) -> None: ...
    def delete(self, issue: str) -> None: ...
    def plan(self, issue: str) -> str: ...
    def delivered(self, issue: str) -> list[tuple[str, bytes]]: ...
    def down(self) -> None: ...


class ToyBench:
    """The toy: its site is a dictionary, and it delivers what stands there."""

    member, stranger, kind = "ada", "stranger", "issue"

    def __init__(self, _folder: Path) -> None:
        self.tracker = ToyTracker()
        self.connection = Connection(id="c", workspace_id="w", tracker="toy", site="https://toy.example", settings={})
        self._now = int(datetime.now(UTC).timestamp())
        self._told: dict[str, list[tuple[str, bytes]]] = {}

    def _tell(self, issue: str, **said: Any) -> str:
        self._now += 1
        self.tracker.site[issue] = {**self.tracker.site.get(issue, {}), "id": issue, "at": self._now, **said}
        body = json.dumps(self.tracker.site[issue]).encode()
        self._told.setdefault(issue, []).append(("issue", body))
        return issue

    def make(self, *, parent: str | None = None, points: int | None = None, epic: bool = False) -> str:
        issue = str(len(self._told) + 1)
        return self._tell(issue, cls="todo", parent=parent, points=points, level=int(epic))

    def finish(self, issue: str) -> None:
        self._tell(issue, cls="done")

    def delete(self, issue: str) -> None:
        self._tell(issue, gone=True)
        del self.tracker.site[issue]

    def plan(self, issue: str) -> str:
        return ""

    def delivered(self, issue: str) -> list[tuple[str, bytes]]:
        return self._told[issue]

    def down(self) -> None:
        self.tracker.down = TrackerUnavailable("down")

    def close(self) -> None:
        """Nothing is open."""


class JiraBench:
    """Jira: a stand-in site that installed us by its signed handshake and delivers over HTTP."""

    kind = "jira:issue_updated"

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.site = JiraSite(seed=False)
        self.site.webhooks.retry_delay = lambda _: 0.01
        self._stack.enter_context(SiteServer(self.site))
        # Of a project that some people may not look into.
        self.member, self.stranger = LEAD, VIEWER
        server = make_server("127.0.0.1", 0, lambda environ, start: self._app(environ, start), threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        settings = load_settings(
            env_file=None,
            database_url=f"sqlite:///{folder / 'jira.db'}",
            base_url=url,
            connect_key_hosts=f"{self.site.base_url}/keyhost",
            jira_hosts=self.site.base_url,
        )
        self._core = build_core(settings)
        make_tables(self._core.database)
        self._app = create_app(self._core)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._stack.callback(self._core.close)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        self.site.install(url)
        self.tracker = self._core.trackers["jira"]
        self._learn()

    def _learn(self) -> None:
        (self.connection,) = rows(self._core, Connection)
        found = self.tracker.discover(self.connection)
        with self._core.database.writing() as session:
            row = session.get_one(Connection, self.connection.id)
            row.settings = {**row.settings, **found}
        (self.connection,) = rows(self._core, Connection)

    def make(self, *, parent: str | None = None, points: int | None = None, epic: bool = False) -> str:
        made = self.site.create_issue("Made", "Epic" if epic else "Story", project="OPS", parent=parent, points=points)
        return str(made.id)

    def finish(self, issue: str) -> None:
        self.site.transition(issue, "Done")

    def delete(self, issue: str) -> None:
        self.site.delete(issue)

    def plan(self, issue: str) -> str:
        sprint = self.site.create_sprint("Sprint", "OPS")
        self.site.start_sprint(sprint)
        self.site.set_sprint(issue, sprint)
        return str(sprint.id)

    def delivered(self, issue: str) -> list[tuple[str, bytes]]:
        self.site.webhooks.flush()
        said = [(entry.kind, entry.body) for entry in rows(self._core, InboxEntry)]
        return [(kind, body) for kind, body in said if json.loads(body).get("issue", {}).get("id") == issue]

    def down(self) -> None:
        self.site.faults.down()

    def close(self) -> None:
        self._stack.close()


class LinearBench:
    """Linear: a stand-in workspace that was connected by OAuth and delivers over HTTP."""

    member, stranger, kind = LINEAR_LEAD, FORMER, "Issue.update"

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.acme = LinearWorkspace(seed=False)
        stand_in = self._stack.enter_context(WorkspaceServer(self.acme))
        server = make_server("127.0.0.1", 0, lambda environ, start: self._app(environ, start), threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        app = self.acme.oauth.register(redirect_uri=f"{url}/linear/callback", webhook_url=f"{url}/linear/webhooks")
        settings = load_settings(
            env_file=None,
            database_url=f"sqlite:///{folder / 'linear.db'}",
            base_url=url,
            linear_client_id=app.client_id,
            linear_client_secret=app.client_secret,
            linear_webhook_secrets=app.webhook_secret,
            linear_api_url=stand_in.api_url,
            linear_oauth_url=stand_in.oauth_url,
        )
        self._core = build_core(settings, trackers={"linear": linear_app.TRACKER})
        make_tables(self._core.database)
        self._app = create_app(self._core)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._stack.callback(self._core.close)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        self.tracker = self._core.trackers["linear"]
        self._connect()

    def _connect(self) -> None:
        core, browser = self._core, "browser"
        with core.database.writing() as session:
            session.add(Workspace(id="w", name="Acme"))
            session.flush()
            address = begin(
                session, self.tracker.oauth, core.vault, purpose="install", workspace_id="w", browser=browser,
                now=core.clock(),
            )  # fmt: skip
        query = dict(parse_qsl(urlsplit(self.acme.oauth.visit(address)).query))
        install_finished(core, self.tracker, come_back(core, query, browser=browser))
        (connection,) = rows(core, Connection)
        found = self.tracker.discover(connection)
        with core.database.writing() as session:
            row = session.get_one(Connection, connection.id)
            row.settings = {**row.settings, **found}
        (self.connection,) = rows(core, Connection)

    def make(self, *, parent: str | None = None, points: int | None = None, epic: bool = False) -> str:
        return self.acme.create_issue("Made", parent=parent, estimate=points).id

    def finish(self, issue: str) -> None:
        self.acme.transition(issue, "Done")

    def delete(self, issue: str) -> None:
        self.acme.delete(issue)

    def plan(self, issue: str) -> str:
        cycle = self.acme.create_cycle("WEB", starts_at=self.acme.now())
        self.acme.set_cycle(issue, cycle)
        return cycle.id

    def delivered(self, issue: str) -> list[tuple[str, bytes]]:
        self.acme.webhooks.flush()
        said = [(entry.kind, entry.body) for entry in rows(self._core, InboxEntry)]
        return [(kind, body) for kind, body in said if json.loads(body).get("data", {}).get("id") == issue]

    def down(self) -> None:
        self.acme.faults.down()

    def close(self) -> None:
        self._stack.close()


BENCHES = {"toy": ToyBench, "jira": JiraBench, "linear": LinearBench}
# Linear has no levels: a sub-issue is an issue with a parent.
WITH_LEVELS = {"toy", "jira"}


@pytest.fixture(scope="module", params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    made = BENCHES[request.param](tmp_path_factory.mktemp(request.param))
    yield made
    made.close()


def event_of(bench: Workbench, issue: str) -> Any:
    (event,) = bench.tracker.parse(bench.connection, *bench.delivered(issue)[-1])
    return event


def essence(snapshot: IssueSnapshot) -> tuple[object, ...]:
    return (
        snapshot.external_id,
        snapshot.key,
        snapshot.title,
        snapshot.cls,
        snapshot.level,
        snapshot.estimate,
        snapshot.parent_external_id,
        snapshot.updated_at,
    )


def test_every_registered_tracker_is_held_to_this():
    assert set(registered_trackers()) <= set(BENCHES)


def test_it_says_who_it_is_and_what_it_can(bench: Workbench):
    assert bench.tracker.name in BENCHES
    assert isinstance(bench.tracker.capabilities, Capabilities)
    asked = [name for name in vars(Tracker) if not name.startswith("_") and callable(vars(Tracker)[name])]
    assert [name for name in asked if not callable(getattr(bench.tracker, name, None))] == []


def test_an_issue_is_the_same_by_id_and_by_key(bench: Workbench):
    issue = bench.make(points=3)
    by_id = bench.tracker.fetch_issue(bench.connection, issue)
    by_key = bench.tracker.fetch_issue(bench.connection, by_id.key)
    assert by_id == by_key
    assert by_id.external_id == issue
    assert by_id.cls in CLASSES
    assert by_id.updated_at.utcoffset() == timedelta(0)
    assert by_id.estimate == Fraction(3)
    assert by_id.url.startswith(("http://", "https://"))


def test_a_delivery_tells_the_same_as_reading_the_issue(bench: Workbench):
    epic = bench.make(epic=True)
    story = bench.make(parent=epic, points=5)
    bench.finish(story)
    event = event_of(bench, story)
    assert isinstance(event, IssueChanged)
    assert essence(event.snapshot) == essence(bench.tracker.fetch_issue(bench.connection, story))
    assert (event.snapshot.cls, event.snapshot.parent_external_id) == ("done", epic)
    assert (event_of(bench, epic).snapshot.level > event.snapshot.level) is (bench.tracker.name in WITH_LEVELS)


def test_later_deliveries_carry_later_times(bench: Workbench):
    issue = bench.make()
    bench.finish(issue)
    told = [bench.tracker.parse(bench.connection, *one)[0].snapshot.updated_at for one in bench.delivered(issue)]
    assert told == sorted(set(told))


def test_a_deletion_is_told_as_one_and_not_before_the_last_change(bench: Workbench):
    issue = bench.make()
    last = bench.tracker.fetch_issue(bench.connection, issue).updated_at
    bench.delete(issue)
    event = event_of(bench, issue)
    assert isinstance(event, IssueDeleted)
    assert (event.external_id, event.happened_at >= last) == (issue, True)


def test_an_issue_that_is_not_there_is_unreadable_not_gone(bench: Workbench):
    with pytest.raises(IssueUnreadable):
        bench.tracker.fetch_issue(bench.connection, "987654321")


def test_of_many_issues_what_cannot_be_read_is_missing(bench: Workbench):
    issue = bench.make()
    found = bench.tracker.fetch_issues(bench.connection, [issue, "987654321"])
    assert [one.external_id for one in found] == [issue]


def test_a_subtree_is_everything_below_and_nothing_else(bench: Workbench):
    epic = bench.make(epic=True)
    below = {bench.make(parent=epic) for _ in range(3)}
    bench.make()
    pages = list(bench.tracker.fetch_subtree(bench.connection, epic))
    assert {one.external_id for page in pages for one in page.snapshots} == below


def test_what_was_updated_lately_is_found(bench: Workbench):
    issue = bench.make()
    changed = bench.tracker.fetch_issue(bench.connection, issue).updated_at
    pages = list(bench.tracker.updated_since(bench.connection, changed))
    assert issue in {one.external_id for page in pages for one in page.snapshots}


def test_strangers_may_nothing(bench: Workbench):
    issue = bench.make()
    assert bench.tracker.may(bench.connection, bench.member, issue, "view")
    assert bench.tracker.may(bench.connection, bench.member, issue, "edit")
    assert not bench.tracker.may(bench.connection, bench.stranger, issue, "view")


def test_a_label_can_be_shown_twice_and_taken_away(bench: Workbench):
    if not bench.tracker.capabilities.panel_label:
        assert bench.tracker.name in ("toy", "linear")
        return
    issue = bench.make()
    for label in (PanelLabel("Work 53 %", "success"), PanelLabel("Work 53 %", "success"), None, None):
        bench.tracker.show_label(bench.connection, issue, label)


def test_an_unknown_kind_is_loud(bench: Workbench):
    # Jira says the kind beside the body, Linear inside it.
    body = b'{"type": "weather_changed"}'
    (event,) = bench.tracker.parse(bench.connection, "weather_changed", body)
    assert event == Unsupported("weather_changed")


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_body_is_a_bad_delivery_and_nothing_worse(bench: Workbench, body: bytes):
    try:
        (event,) = bench.tracker.parse(bench.connection, bench.kind, body)
    except BadDelivery:
        return
    # Where the kind stands inside, a body without one is of no kind that anybody knows.
    assert bench.tracker.name == "linear"
    assert isinstance(event, Unsupported)


def test_a_card_is_made_once_changed_in_place_and_taken_away(bench: Workbench):
    if not bench.tracker.capabilities.cards:
        return
    issue, card = bench.make(), GoalCard("kr", "https://ladder.example/issue?key_result=kr", "KR Win", "50% · on track")
    first = bench.tracker.show_card(bench.connection, issue, card, None)
    assert bench.tracker.show_card(bench.connection, issue, card, None) == first, "made again after a crash"
    assert bench.tracker.show_card(bench.connection, issue, card, first) == first
    bench.tracker.remove_card(bench.connection, first)
    bench.tracker.remove_card(bench.connection, first)


def test_labels_to_link_by_are_offered_and_retired(bench: Workbench):
    if not bench.tracker.capabilities.goal_labels:
        return
    offered = bench.tracker.sync_goal_labels(bench.connection, {"one": "Win", "two": "Grow"}, {})
    assert sorted(offered["labels"].values()) == ["one", "two"]
    assert bench.tracker.sync_goal_labels(bench.connection, {"one": "Win", "two": "Grow"}, offered) == offered
    fewer = bench.tracker.sync_goal_labels(bench.connection, {"two": "Grow"}, offered)
    assert list(fewer["labels"].values()) == ["two"]


def test_a_label_of_ours_is_put_on_many_issues_and_taken_off_beside_everybody_elses(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    issues = [bench.make(), bench.make()]
    if not tracker.capabilities.goal_labels:
        with pytest.raises(TrackerRefused):
            tracker.put_labels(connection, issues, ["x"], [])
        return
    offered = tracker.sync_goal_labels(connection, {"three": "Last"}, {})
    label = next(iter(offered["labels"]))
    for _ in range(2):
        shown = tracker.put_labels(connection, [*issues, "3b2f9c14-2f5d-4f5e-9f67-0d4f8a1b2c3d"], [label], [])
        assert {one.external_id: one.labels for one in shown} == dict.fromkeys(issues, (label,))
    assert all(one.labels == () for one in tracker.put_labels(connection, issues, [], [label]))


def test_rights_to_many_issues_are_those_to_each(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    issues = [bench.make(), bench.make(), "999999"]
    for person in (bench.member, bench.stranger, ""):
        for action in ("view", "edit"):
            each = {one for one in issues if tracker.may(connection, person, one, action)}
            assert tracker.permitted(connection, person, issues, action) == each, (person, action)
    assert tracker.permitted(connection, bench.member, [], "view") == frozenset()


def test_a_sprint_says_what_it_holds_and_issues_can_be_moved(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    issue, other = bench.make(), bench.make()
    sprint = bench.plan(issue)
    if not tracker.capabilities.sprints:
        assert tracker.sprints(connection, None) == []
        with pytest.raises(TrackerRefused):
            list(tracker.sprint_issues(connection, sprint))
        return
    (found,) = [one for one in tracker.sprints(connection, None) if one.external_id == sprint]
    assert (found.state, bool(found.board), found.starts_at is not None) == ("active", True, True)
    assert sprint in {one.external_id for one in tracker.sprints(connection, found.board)}
    assert held_by(bench, sprint) == {issue: ()}
    tracker.move_to_sprint(connection, [issue, other], sprint)
    assert set(held_by(bench, sprint)) == {issue, other}
    tracker.move_to_sprint(connection, [issue], None)
    assert set(held_by(bench, sprint)) == {other}
    assert tracker.fetch_issue(connection, issue).sprints == ()


def held_by(bench: Workbench, sprint: str) -> dict[str, Any]:
    pages = bench.tracker.sprint_issues(bench.connection, sprint)
    return {one.external_id: one.blocked_by for page in pages for one in page.snapshots}


def test_a_link_on_a_sprint_is_put_once_and_brought_up_to_date(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    sprint = bench.plan(bench.make())
    if not tracker.capabilities.sprint_links:
        with pytest.raises(TrackerRefused):
            tracker.show_sprint_link(connection, sprint, "https://ladder.example/planning/1", "Goals", None)
        return
    first = tracker.show_sprint_link(connection, sprint, "https://ladder.example/planning/1", "Goals", None)
    assert tracker.show_sprint_link(connection, sprint, "https://ladder.example/planning/1", "Plan", None) == first
    assert tracker.show_sprint_link(connection, sprint, "https://ladder.example/planning/2", "Plan", first) == first


def test_a_rule_for_an_epic_means_the_epic_alone_whatever_it_is_called_by_then(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    epic = bench.make(epic=True)
    bench.make(parent=epic)
    key = tracker.fetch_issue(connection, epic).key
    if "epic" not in tracker.capabilities.rules:
        with pytest.raises(TrackerRefused):
            tracker.resolve(connection, IssueQuery("epic", key))
        return
    query = tracker.resolve(connection, IssueQuery("epic", f" {key.lower()} "))
    assert (query.kind, query.text, query.external_id) == ("epic", key, epic)
    assert [one.external_id for page in tracker.find(connection, query) for one in page.snapshots] == [epic]
    assert tracker.matching(connection, query, [epic, "999999"]) == {epic}


@pytest.mark.parametrize("text", ["", "   ", "{}", "((", '{"nonsense": {"eq": 1}}', "x" * 100_000])
def test_a_query_that_cannot_be_asked_is_refused_in_words(bench: Workbench, text: str):
    with pytest.raises(TrackerRefused) as refused:
        bench.tracker.resolve(bench.connection, IssueQuery("query", text))
    assert 5 < len(str(refused.value)) < 500


def test_goals_can_be_shown_twice_and_changed(bench: Workbench):
    tracker, connection = bench.tracker, bench.connection
    issue = bench.make()
    if not tracker.capabilities.goal_marks:
        return
    if tracker.capabilities.goal_labels:
        connection.settings = {**connection.settings, "goal_labels": tracker.sync_goal_labels(connection, {}, {})}
    aligned = GoalMark("aligned", ("Be trusted",), ("Failed sign-ins below 1 %",))
    for mark in (aligned, aligned, GoalMark("business as usual"), GoalMark("unaligned")):
        tracker.show_goals(connection, {issue: mark})


def test_the_core_applies_what_it_parses(bench: Workbench, settings, clock):
    issue = bench.make(points=2)
    core: Core = build_core(settings, trackers={bench.tracker.name: lambda _services: bench.tracker}, clock=clock)
    furnish(core, connections=())
    with core.database.writing() as session:
        session.add(
            Connection(
                id="x", workspace_id="w", tracker=bench.tracker.name, tenant_key="x", site=bench.connection.site,
                settings=bench.connection.settings,
            )
        )  # fmt: skip
    for number, (kind, body) in enumerate(bench.delivered(issue)):
        assert core.inbox.accept("x", str(number), kind, body)
    Worker(core, handlers={}).run_once()
    assert {entry.outcome for entry in rows(core, InboxEntry)} <= {"handled", "repeated"}
    core.close()


def test_when_the_tracker_is_away_every_question_says_so_and_parsing_goes_on(bench: Workbench):
    issue = bench.make()
    delivery = bench.delivered(issue)[-1]
    bench.down()
    ask = bench.tracker
    for question in (
        lambda: ask.fetch_issue(bench.connection, issue),
        lambda: list(ask.fetch_subtree(bench.connection, issue)),
        lambda: list(ask.updated_since(bench.connection, datetime.now(UTC) - timedelta(hours=1))),
        lambda: ask.may(bench.connection, "712020:somebody-new", issue, "view"),
        lambda: ask.permitted(bench.connection, "712020:somebody-else", [issue], "view"),
    ):
        with pytest.raises(TrackerUnavailable):
            question()
    (event,) = ask.parse(bench.connection, *delivery)
    assert event.snapshot.external_id == issue
