"""What we ask of Jira, each request judged by Atlassian's own description, and what we make of the answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from requests import PreparedRequest

from connector.core import Core
from connector.models import Connection
from connector.tracker import IssueUnreadable, PanelLabel, TrackerRefused, TrackerUnavailable
from jira_app import jql, session
from jira_app.client import JiraClient
from jira_app.session import LASTING
from jira_app.tracker import JiraTracker
from tests.jira_app.acme import Acme
from tests.jira_app.answering import Jira, grants, issue


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Retry, "sleep", lambda _self, _response=None: None)


def test_an_issue_is_read_with_its_fields_named(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(issue(1))
    found = tracker.fetch_issue(connection, "ATL-1")
    assert (found.external_id, found.cls, found.estimate) == ("1", "doing", 3)
    assert jira.operations == ["getIssue"]
    assert jira.asked()["fields"].split(",")[-2:] == ["customfield_10016", "customfield_10020"]


@pytest.mark.parametrize("name", ["../../../etc", "ATL-1/../2", "ATL 1", "1?x=1", "", "ATL-1#", "ATL-" + "1" * 30])
def test_a_name_that_is_no_issue_is_never_sent(
    jira: Jira, tracker: JiraTracker, connection: Connection, name: str
) -> None:
    with pytest.raises(TrackerRefused):
        tracker.fetch_issue(connection, name)
    assert jira.requests == []


def test_a_subtree_is_read_level_by_level_and_page_by_page(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"issues": [issue(2, 1), issue(3, 1)], "nextPageToken": "next", "isLast": False})
    jira.says({"issues": [issue(4, 1)], "isLast": True})
    jira.says({"issues": [issue(5, 2), issue(1, 5)], "isLast": True})
    jira.says({"issues": [], "isLast": True})
    pages = [[one.external_id for one in page.snapshots] for page in tracker.fetch_subtree(connection, "1")]
    assert pages == [["2", "3"], ["4"], ["5", "1"], []]
    assert [jira.asked(at)["jql"] for at in range(4)] == [
        "parent in (1) ORDER BY id ASC",
        "parent in (1) ORDER BY id ASC",
        "parent in (2, 3, 4) ORDER BY id ASC",
        "parent in (5) ORDER BY id ASC",
    ]
    assert [jira.asked(at).get("nextPageToken") for at in range(2)] == [None, "next"]
    assert set(jira.operations) == {"searchAndReconsileIssuesUsingJql"}


def test_a_subtree_that_goes_round_in_circles_ends(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    for _ in range(3):
        jira.says({"issues": [issue(2, 1), issue(1, 2)], "isLast": True})
    assert len(list(tracker.fetch_subtree(connection, "1"))) == 2


def test_a_search_whose_pages_repeat_is_given_up(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    for _ in range(2):
        jira.says({"issues": [issue(2)], "nextPageToken": "same"})
    with pytest.raises(TrackerRefused, match="did not come to an end"):
        list(tracker.updated_since(connection, datetime(2026, 11, 1, tzinfo=UTC)))


def test_changes_are_asked_for_in_minutes_back_from_now() -> None:
    now = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
    assert jql.updated_since(now - timedelta(minutes=25, seconds=1), now) == (
        'updated >= "-27m" ORDER BY updated ASC, id ASC'
    )
    assert jql.updated_since(now + timedelta(hours=1), now).startswith('updated >= "-1m"')


def test_changes_are_complete_only_when_the_last_page_is_in(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"issues": [issue(1)], "nextPageToken": "next"}).says(status=503).says(status=503).says(status=503)
    pages = tracker.updated_since(connection, datetime(2026, 11, 1, tzinfo=UTC))
    assert [one.external_id for one in next(pages).snapshots] == ["1"]
    with pytest.raises(TrackerUnavailable):
        next(pages)


def test_words_are_searched_for_and_only_visible_issues_are_shown(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"issues": [issue(1), issue(2), issue(3)], "isLast": True}).says(grants(BROWSE_PROJECTS=[1, 3]))
    found = tracker.search(connection, "712020:ada", 'fast "search" OR (x)', 10)
    assert [one.external_id for one in found] == ["1", "3"]
    assert jira.asked(0)["jql"] == 'text ~ "fast search x*" ORDER BY updated DESC'
    assert jira.sent() == {
        "accountId": "712020:ada",
        "projectPermissions": [{"permissions": ["BROWSE_PROJECTS"], "issues": [1, 2, 3]}],
    }


@pytest.mark.parametrize("text", ["atl-7", "https://acme.atlassian.net/browse/ATL-7?focus=1", " ATL-7 "])
def test_a_key_or_an_address_finds_its_issue(
    jira: Jira, tracker: JiraTracker, connection: Connection, text: str
) -> None:
    jira.says(issue(7)).says(grants(BROWSE_PROJECTS=[7]))
    assert [one.key for one in tracker.search(connection, "712020:ada", text, 10)] == ["ATL-7"]
    assert urlsplit(str(jira.requests[0].url)).path.endswith("/issue/ATL-7")


def test_a_key_that_is_none_is_searched_for_as_words(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=404).says({"issues": [], "isLast": True})
    assert tracker.search(connection, "712020:ada", "UTF-8", 10) == []


@pytest.mark.parametrize("text", ["", "   ", '"', "AND or NOT", "*?~"])
def test_nothing_to_look_for_asks_nothing(jira: Jira, tracker: JiraTracker, connection: Connection, text: str) -> None:
    assert tracker.search(connection, "712020:ada", text, 10) == []
    assert jira.requests == []


def test_words_cannot_leave_their_quotes() -> None:
    query = jql.with_words('x" OR project = SECRET ORDER BY "')
    assert query == 'text ~ "x project SECRET ORDER BY*" ORDER BY updated DESC'


@pytest.mark.parametrize(
    ("granted", "view", "edit"),
    [
        (grants(BROWSE_PROJECTS=[1], EDIT_ISSUES=[1]), True, True),
        (grants(BROWSE_PROJECTS=[1], EDIT_ISSUES=[]), True, False),
        (grants(EDIT_ISSUES=[1]), False, False),
        (grants(BROWSE_PROJECTS=[2], EDIT_ISSUES=[2]), False, False),
        (grants(), False, False),
    ],
)
def test_rights_are_those_that_jira_grants(
    jira: Jira, tracker: JiraTracker, connection: Connection, granted: dict[str, Any], view: bool, edit: bool
) -> None:
    jira.says(granted)
    assert tracker.may(connection, "712020:ada", "1", "view") is view
    assert tracker.may(connection, "712020:ada", "1", "edit") is edit
    assert jira.operations == ["getBulkPermissions"]


def test_rights_are_asked_for_again_after_a_minute(
    jira: Jira, tracker: JiraTracker, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira.says(grants(BROWSE_PROJECTS=[1])).says(grants())
    assert tracker.may(connection, "712020:ada", "1", "view")
    monkeypatch.setattr(tracker._rights, "_ticks", lambda: 10.0**12)
    assert not tracker.may(connection, "712020:ada", "1", "view")


def test_nobody_may_do_nothing_and_jira_is_not_asked(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    # Without an account id, Jira would tell what Ladder itself may do.
    assert not tracker.may(connection, "", "1", "view")
    assert not tracker.may(connection, "712020:ada", "ATL-1", "view")
    assert jira.requests == []


def test_rights_that_jira_cannot_tell_are_an_error_not_a_no(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says(requests.ConnectTimeout())
    with pytest.raises(TrackerUnavailable, match="did not answer in time"):
        tracker.may(connection, "712020:ada", "1", "edit")


def test_a_person_has_the_name_that_they_let_people_see(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"accountId": "712020:ada", "displayName": "Ada", "active": False})
    profile = tracker.profile(connection, "712020:ada")
    assert (profile.account_id, profile.name, profile.active) == ("712020:ada", "Ada", False)
    assert jira.asked() == {"accountId": "712020:ada"}


def test_a_query_is_counted(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says({"count": 153})
    assert tracker.measure(connection, "project = ATL", "count", None) == 153
    assert jira.sent() == {"jql": "project = ATL"}


def test_sums_and_averages_are_exact_over_all_pages(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    def pages() -> None:
        jira.says({"issues": [issue(1, customfield_10016=0.1), issue(2, customfield_10016=0.2)], "nextPageToken": "n"})
        jira.says({"issues": [issue(3, customfield_10016=None), issue(4, customfield_10016=1)], "isLast": True})

    pages()
    assert tracker.measure(connection, "project = ATL", "sum", "customfield_10016") == Fraction(13, 10)
    pages()
    assert tracker.measure(connection, "project = ATL", "average", "customfield_10016") == Fraction(13, 30)


def test_the_average_of_nothing_is_none_and_its_sum_is_zero(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"issues": [], "isLast": True}).says({"issues": [], "isLast": True})
    assert tracker.measure(connection, "project = ATL", "average", "customfield_10016") is None
    assert tracker.measure(connection, "project = ATL", "sum", "customfield_10016") == 0


def test_a_query_that_jira_cannot_read_is_refused_in_its_own_words(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"errorMessages": ["Field 'nope' does not exist."]}, status=400)
    with pytest.raises(TrackerRefused, match="Field 'nope' does not exist"):
        tracker.measure(connection, "nope = 1", "count", None)
    with pytest.raises(TrackerRefused):
        tracker.measure(connection, "project = ATL", "median", "customfield_10016")


def test_the_panel_label_is_an_issue_property(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=201).says(status=200)
    tracker.show_label(connection, "10001", PanelLabel("3 of 4", "progress"))
    assert jira.sent() == {"type": "lozenge", "value": {"label": "3 of 4", "type": "inprogress"}}
    assert "/issue/10001/properties/com.atlassian.jira.issue:ladder-okr:ladder-panel:status" in str(
        jira.requests[0].url
    )
    tracker.show_label(connection, "10001", None)
    assert jira.sent() == {"type": "lozenge", "value": {"label": "–", "type": "default"}}
    assert jira.operations == ["setIssueProperty", "setIssueProperty"]


def test_writes_carry_a_mark_and_reads_do_not(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=200).says(issue(1))
    tracker.show_label(connection, "1", PanelLabel("x"))
    tracker.fetch_issue(connection, "1")
    marks = [request.headers.get("X-Atlassian-Webhook-Trace") for request in jira.requests]
    assert str(marks[0]).startswith("ladder-")
    assert marks[1] is None


FIELDS = [
    {"id": "summary", "name": "Summary", "schema": {"type": "string", "system": "summary"}},
    {
        "id": "customfield_10028",
        "name": "Story Points",
        "schema": {"type": "number", "custom": "com.atlassian.jira.plugin.system.customfieldtypes:float"},
    },
    {
        "id": "customfield_10031",
        "name": "Risk",
        "schema": {"type": "number", "custom": "com.atlassian.jira.plugin.system.customfieldtypes:float"},
    },
    {
        "id": "customfield_10016",
        "name": "Schätzung",
        "schema": {"type": "number", "custom": "com.pyxis.greenhopper.jira:jsw-story-points"},
    },
    {"id": "customfield_10020", "schema": {"type": "array", "custom": "com.pyxis.greenhopper.jira:gh-sprint"}},
    {"id": "customfield_10014", "schema": {"type": "any", "custom": "com.pyxis.greenhopper.jira:gh-epic-link"}},
    "junk",
]


def test_a_site_is_asked_what_it_calls_things(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(FIELDS)
    jira.says([{"id": "3", "name": "In Arbeit", "statusCategory": {"key": "indeterminate"}}, {"id": "4"}])
    jira.says([{"id": "10000", "name": "Epos", "hierarchyLevel": 1}, {"id": "10001", "name": "Story"}])
    assert tracker.discover(connection) == {
        "status_categories": {"3": "indeterminate"},
        "issue_type_levels": {"10000": 1},
        "estimate_field": ["customfield_10016", "customfield_10028"],
        "sprint_field": "customfield_10020",
        "epic_link_field": "customfield_10014",
    }
    assert jira.operations == ["getFields", "getStatuses", "getIssueAllTypes"]


def test_a_site_that_hides_one_thing_still_tells_the_others(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says(FIELDS[:2]).says([]).says(status=404)
    assert tracker.discover(connection) == {
        "status_categories": {},
        "issue_type_levels": {},
        "estimate_field": "customfield_10028",
    }


NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "headers", "error", "retry_after"),
    [
        (401, {}, TrackerRefused, None),
        (403, {}, IssueUnreadable, None),
        (404, {}, IssueUnreadable, None),
        (400, {}, TrackerRefused, None),
        (410, {}, TrackerRefused, None),
        (302, {"Location": "https://evil.example/"}, TrackerRefused, None),
        (408, {}, TrackerUnavailable, None),
        (500, {}, TrackerUnavailable, None),
        (503, {"Retry-After": "7"}, TrackerUnavailable, 7),
        (429, {}, TrackerUnavailable, 60),
        (429, {"Retry-After": "5", "X-RateLimit-Reset": "2026-11-21T12:01:30Z"}, TrackerUnavailable, 90),
        (429, {"Retry-After": "Sat, 21 Nov 2026 12:00:20 GMT"}, TrackerUnavailable, 20),
        (429, {"Retry-After": "5", "Beta-RateLimit": '"quota";r=0;t=30'}, TrackerUnavailable, 30),
        (429, {"Retry-After": "nonsense"}, TrackerUnavailable, 60),
        (429, {"Retry-After": "99999999"}, TrackerUnavailable, 24 * 3600),
    ],
)
def test_every_refusal_says_what_to_do(
    jira: Jira,
    core: Core,
    acme: Acme,
    status: int,
    headers: dict[str, str],
    error: type[Exception],
    retry_after: float | None,
) -> None:
    for _ in range(3):
        jira._answers.append((status, headers, None))
    client = JiraClient(acme.site, "ladder-okr", acme.secret, patience=LASTING, clock=lambda: NOW)
    with pytest.raises(error) as raised:
        client.issue("ATL-1", ["summary"])
    assert getattr(raised.value, "retry_after", None) == retry_after
    assert not getattr(raised.value, "whole_connection", False)
    assert acme.secret not in str(raised.value)


@pytest.mark.parametrize("reason", ["jira-quota-global-based", "jira-quota-tenant-based"])
def test_a_spent_quota_stops_the_whole_connection(
    jira: Jira, tracker: JiraTracker, connection: Connection, reason: str
) -> None:
    jira.says(status=429, RateLimit_Reason=reason, Retry_After="1800")
    with pytest.raises(TrackerUnavailable) as raised:
        tracker.fetch_issue(connection, "1")
    assert (raised.value.whole_connection, raised.value.retry_after) == (True, 1800)


def test_a_burst_stops_only_what_was_asked(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=429, RateLimit_Reason="jira-burst-based", Retry_After="2")
    with pytest.raises(TrackerUnavailable) as raised:
        tracker.fetch_issue(connection, "1")
    assert not raised.value.whole_connection
    assert len(jira.requests) == 1


@pytest.mark.parametrize("trouble", [502, 503, 504, requests.ConnectionError(), requests.ReadTimeout()])
def test_a_read_is_tried_again_with_a_token_of_its_own(
    jira: Jira,
    tracker: JiraTracker,
    connection: Connection,
    trouble: int | Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks: Iterator[float] = iter(range(1_795_000_000, 1_795_001_000, 100))
    monkeypatch.setattr(session.time, "time", lambda: next(ticks))
    tokens: list[str] = []

    def note(request: PreparedRequest, _site: Acme) -> None:
        tokens.append(str(request.headers["Authorization"]))

    monkeypatch.setattr("tests.jira_app.official._judge_token", note)
    if isinstance(trouble, int):
        jira.says(status=trouble)
    else:
        jira.says(trouble)
    jira.says(issue(1))
    assert tracker.fetch_issue(connection, "1").external_id == "1"
    assert len(tokens) == len(set(tokens)) == 2


def test_a_write_is_not_tried_again(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=503)
    with pytest.raises(TrackerUnavailable):
        tracker.show_label(connection, "1", PanelLabel("x"))
    assert len(jira.requests) == 1


@pytest.mark.parametrize("body", ["<html>maintenance</html>", [], "7", '{"issues": {}}', '{"issues": null}'])
def test_an_answer_of_another_form_is_an_outage(
    jira: Jira, tracker: JiraTracker, connection: Connection, body: Any
) -> None:
    jira.says(body)
    with pytest.raises(TrackerUnavailable):
        list(tracker.updated_since(connection, NOW))


def test_an_issue_that_makes_no_sense_is_refused(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(issue(1, status=7))
    with pytest.raises(TrackerRefused, match="status: not an object"):
        tracker.fetch_issue(connection, "1")


def test_an_uninstalled_site_is_not_asked(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    connection.state = "uninstalled"
    with pytest.raises(TrackerRefused):
        tracker.fetch_issue(connection, "1")
    connection.state, connection.credential = "active", "not sealed by us"
    with pytest.raises(TrackerRefused, match="secret can't be read"):
        tracker.fetch_issue(connection, "1")
    assert jira.requests == []


def test_the_session_speaks_with_no_other_site(network: responses.RequestsMock, acme: Acme) -> None:
    conversation = session.SiteSession(acme.site, "ladder-okr", acme.secret, LASTING)
    for address in ("https://evil.example/rest", f"{acme.site}.evil.example/rest"):
        with pytest.raises(requests.exceptions.InvalidURL):
            conversation.get(address)


def test_cookies_are_never_sent_back(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(issue(1), Set_Cookie="session=1; Path=/").says(issue(1))
    for _ in range(2):
        tracker.fetch_issue(connection, "1")
    assert all("Cookie" not in request.headers for request in jira.requests)


SEE_TASK = "/rest/api/3/task/10641"


def client_calls() -> dict[str, tuple[Callable[[JiraClient], Any], Any]]:
    """Return, by method of the client, a call and an answer to it."""
    return {
        "issue": (lambda client: client.issue("ATL-1", ["summary"]), issue(1)),
        "issues": (lambda client: client.issues(["1", "ATL-2"], ["summary"]), {"issues": [], "issueErrors": []}),
        "search": (lambda client: list(client.search("project = ATL", ["summary"], page=5)), {"issues": []}),
        "count": (lambda client: client.count("project = ATL"), {"count": 1}),
        "permitted": (lambda client: client.permitted("712020:ada", "EDIT_ISSUES", ["1", "1"]), grants()),
        "permissions": (lambda client: client.permissions("712020:ada", ("EDIT_ISSUES",), ["2"]), grants()),
        "account": (lambda client: client.account("712020:ada"), {}),
        "statuses": (lambda client: client.statuses(), []),
        "issue_types": (lambda client: client.issue_types(), []),
        "fields": (lambda client: client.fields(), []),
        "project": (lambda client: client.project("ATL"), {"id": "10000", "key": "ATL"}),
        "check_query": (
            lambda client: client.check_query("a = 1"),
            {"queries": [{"query": "a = 1", "structure": {"where": {"operator": "="}}}]},
        ),
        "boards": (lambda client: list(client.boards()), {"values": [], "isLast": True}),
        "board_sprints": (lambda client: client.board_sprints("3"), {"values": [], "isLast": True}),
        "sprint_issues": (lambda client: list(client.sprint_issues("7", ["summary"])), {"issues": [], "isLast": True}),
        "put_into_sprint": (lambda client: client.put_into_sprint("7", ["10001"]), None),
        "put_into_backlog": (lambda client: client.put_into_backlog(["10001"]), None),
        "sprint": (lambda client: client.sprint("7"), {"id": 7}),
        "set_property": (lambda client: client.set_property("1", "a.b:c", {"x": 1}), None),
        "set_properties": (lambda client: client.set_properties("a.b:c", {"1": {"x": 1}}), SEE_TASK),
        "task": (lambda client: client.task("10641"), {"id": "10641", "status": "COMPLETE"}),
    }


def test_every_operation_of_the_client_is_an_official_one_that_our_scopes_allow(jira: Jira, acme: Acme) -> None:
    client = JiraClient(acme.site, "ladder-okr", acme.secret, patience=LASTING, clock=lambda: NOW)
    calls = client_calls()
    methods = {name for name, _ in inspect.getmembers(JiraClient, inspect.isfunction) if not name.startswith("_")}
    assert methods - {"close"} == set(calls)
    for call, answer in calls.values():
        jira.says(None, 303, Location=f"{acme.site}{SEE_TASK}") if answer == SEE_TASK else jira.says(answer)
        call(client)
    assert len(set(jira.operations)) >= 20
    client.close()
