"""What planning and link rules ask of Jira, judged by Atlassian's own description: sprints, moves, queries, marks."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.models import Connection
from connector.tracker import GoalMark, IssueQuery, IssueUnreadable, TrackerRefused, TrackerUnavailable
from jira_app import goal_property, jql, session
from jira_app.goal_property import PROPERTY
from jira_app.jql_guard import bounded_query
from jira_app.tracker import JiraTracker
from tests.jira_app.answering import Jira, grants, issue

ADA = "712020:ada"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Retry, "sleep", lambda _self, _response=None: None)
    monkeypatch.setattr(goal_property, "LOOKS", (0.0,) * 4)


def sprint(number: int, state: str = "active", **more: Any) -> dict[str, Any]:
    """Return a sprint as the REST interface writes it."""
    return {"id": number, "name": f"Sprint {number}", "state": state, "originBoardId": 3, **more}


# -- sprints


def test_the_open_sprints_of_a_board_are_read_page_by_page(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"values": [sprint(42, startDate="2026-11-09T09:00:00.000Z", endDate="2026-11-20T17:00:00.000Z")]})
    jira.says({"values": [sprint(43, "future")], "isLast": True})
    found = tracker.sprints(connection, "3")
    assert [(one.external_id, one.name, one.state, one.board) for one in found] == [
        ("42", "Sprint 42", "active", "3"),
        ("43", "Sprint 43", "future", "3"),
    ]
    assert [one.starts_at is None for one in found] == [False, True]
    assert jira.asked(0)["state"] == "active,future"
    assert [jira.asked(at)["startAt"] for at in range(2)] == ["0", "1"]
    assert set(jira.operations) == {"getAllSprints"}


def test_the_sprints_of_every_board_are_told_once_and_kanban_boards_have_none(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    boards = [{"id": 3, "type": "scrum"}, {"id": 4, "type": "kanban"}, {"id": 5, "type": "simple"}]
    jira.says({"values": boards, "isLast": True})
    jira.says({"values": [sprint(42)], "isLast": True}).says({"values": [sprint(42), sprint(50)], "isLast": True})
    assert [one.external_id for one in tracker.sprints(connection, None)] == ["42", "50"]
    assert [urlsplit(str(one.url)).path for one in jira.requests[1:]] == [
        "/rest/agile/1.0/board/3/sprint",
        "/rest/agile/1.0/board/5/sprint",
    ]


def test_a_board_without_sprints_has_none_and_one_that_is_gone_is_an_error(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"errorMessages": ["The board does not support sprints"]}, status=400).says(status=404)
    assert tracker.sprints(connection, "4") == []
    with pytest.raises(TrackerRefused, match="404"):
        tracker.sprints(connection, "9")


@pytest.mark.parametrize("board", ["../sprint", "", "3/sprint?x=1", "x"])
def test_a_board_that_is_no_number_is_never_asked_for(
    jira: Jira, tracker: JiraTracker, connection: Connection, board: str
) -> None:
    with pytest.raises(TrackerRefused):
        tracker.sprints(connection, board)
    assert jira.requests == []


def test_a_sprints_issues_are_read_with_what_blocks_them(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    blocked = issue(
        2,
        issuelinks=[
            {"type": {"outward": "blocks", "inward": "is blocked by"}, "inwardIssue": {"id": "1", "key": "ATL-1"}}
        ],
    )
    jira.says({"issues": [issue(1, issuelinks=[])], "nextPageToken": "n"}).says({"issues": [blocked]})
    pages = list(tracker.sprint_issues(connection, "42"))
    assert [(one.external_id, one.blocked_by) for page in pages for one in page.snapshots] == [("1", ()), ("2", ("1",))]
    assert "issuelinks" in jira.asked(0)["fields"].split(",")
    assert jira.asked(1)["nextPageToken"] == "n"
    assert set(jira.operations) == {"getIssuesForSprintJSIS"}


def test_issues_move_into_a_sprint_fifty_at_a_time(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=204).says(status=204)
    tracker.move_to_sprint(connection, [str(number) for number in range(1, 61)], "43")
    assert [len(jira.sent(at)["issues"]) for at in range(2)] == [50, 10]
    assert jira.operations == ["moveIssuesToSprintAndRank"] * 2


def test_issues_move_into_the_backlog(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=204)
    tracker.move_to_sprint(connection, ["10001"], None)
    assert (jira.operations, jira.sent()) == (["moveIssuesToBacklog"], {"issues": ["10001"]})


def test_the_webhooks_of_a_move_are_not_taken_for_echoes(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    # Nothing else tells us that the issues are in the sprint now.
    jira.says(status=204).says(status=204)
    tracker.move_to_sprint(connection, ["10001"], "43")
    tracker.move_to_sprint(connection, ["10001"], None)
    assert all("X-Atlassian-Webhook-Trace" not in request.headers for request in jira.requests)


def test_a_move_that_jira_forbids_is_refused(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says({"errorMessages": ["The sprint is closed."]}, status=400)
    with pytest.raises(TrackerRefused, match="The sprint is closed"):
        tracker.move_to_sprint(connection, ["10001"], "41")


# -- rights of many


def test_the_rights_of_a_whole_sprint_are_asked_for_once_a_minute(
    jira: Jira, tracker: JiraTracker, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira.says(grants(BROWSE_PROJECTS=[1, 2], EDIT_ISSUES=[2])).says(grants(BROWSE_PROJECTS=[3], EDIT_ISSUES=[]))
    assert tracker.permitted(connection, ADA, ["1", "2"], "view") == {"1", "2"}
    assert tracker.permitted(connection, ADA, ["1", "2"], "edit") == {"2"}
    assert tracker.may(connection, ADA, "2", "edit")
    assert tracker.permitted(connection, ADA, ["1", "2", "3"], "view") == {"1", "2", "3"}
    assert len(jira.requests) == 2
    assert jira.sent()["projectPermissions"][0]["issues"] == [3]
    monkeypatch.setattr(tracker._rights, "_ticks", lambda: 10.0**12)
    jira.says(grants())
    assert tracker.permitted(connection, ADA, ["1"], "view") == set()


def test_more_issues_than_one_question_may_name_take_several(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says(grants(BROWSE_PROJECTS=[1, 1000])).says(grants(BROWSE_PROJECTS=[1500]))
    ids = [str(number) for number in range(1, 1501)]
    assert tracker.permitted(connection, ADA, ids, "view") == {"1", "1000", "1500"}
    assert [len(jira.sent(at)["projectPermissions"][0]["issues"]) for at in range(2)] == [1000, 500]


def test_nobody_is_permitted_nothing(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    assert tracker.permitted(connection, "", ["1"], "view") == frozenset()
    assert tracker.permitted(connection, ADA, ["ATL-1"], "view") == frozenset()
    assert jira.requests == []


# -- queries of rules


def test_an_epic_is_known_by_its_identity(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    epic = {"id": "1", "name": "Epic", "subtask": False, "hierarchyLevel": 1}
    jira.says(issue(7, issuetype=epic)).says(issue(7, issuetype=epic))
    kept = tracker.resolve(connection, IssueQuery("epic", "https://acme.atlassian.net/browse/ATL-7?x=1"))
    assert kept == IssueQuery("epic", "ATL-7", "7")
    (page,) = tracker.find(connection, kept)
    assert [one.external_id for one in page.snapshots] == ["7"]
    assert urlsplit(str(jira.requests[1].url)).path.endswith("/issue/7")
    assert tracker.matching(connection, kept, ["7", "8"]) == {"7"}


def test_a_story_is_no_epic(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(issue(7)).says(status=404)
    with pytest.raises(TrackerRefused, match="ATL-7 is a Story, not an epic: link it itself"):
        tracker.resolve(connection, IssueQuery("epic", "ATL-7"))
    with pytest.raises(TrackerRefused, match="shows Ladder no issue"):
        tracker.resolve(connection, IssueQuery("epic", "ATL-404"))
    with pytest.raises(TrackerRefused, match="by its key"):
        tracker.resolve(connection, IssueQuery("epic", "the big one"))


@pytest.mark.parametrize("text", ["atl", "https://acme.atlassian.net/jira/software/projects/ATL/boards/3", " ATL "])
def test_a_project_is_known_by_its_identity(
    jira: Jira, tracker: JiraTracker, connection: Connection, text: str
) -> None:
    jira.says({"id": "10000", "key": "ATL", "name": "Atlas"}).says({"issues": [issue(1)], "isLast": True})
    kept = tracker.resolve(connection, IssueQuery("project", text))
    assert kept == IssueQuery("project", "ATL", "10000")
    assert [one.external_id for page in tracker.find(connection, kept) for one in page.snapshots] == ["1"]
    assert jira.asked()["jql"] == "project = 10000 ORDER BY id ASC"


def test_a_project_that_ladder_cannot_see_is_refused_in_words(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says(status=404)
    with pytest.raises(TrackerRefused, match="Jira shows Ladder no project 'SECRET'"):
        tracker.resolve(connection, IssueQuery("project", "SECRET"))
    with pytest.raises(TrackerRefused, match="by its key"):
        tracker.resolve(connection, IssueQuery("project", 'ATL" OR project = "X'))


def test_a_label_cannot_leave_its_quotes(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    assert tracker.resolve(connection, IssueQuery("label", " growth ")) == IssueQuery("label", "growth")
    jira.says({"issues": [], "isLast": True})
    list(tracker.find(connection, IssueQuery("label", 'x"OR(project=SECRET)OR"\\')))
    assert jira.asked()["jql"] == 'labels = "x\\"OR(project=SECRET)OR\\"\\\\" ORDER BY id ASC'
    for text in ("", "two words", "tab\there"):
        with pytest.raises(TrackerRefused, match="one word"):
            tracker.resolve(connection, IssueQuery("label", text))


def test_a_query_is_read_by_jira_before_it_is_kept(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says({"queries": [{"query": "q", "structure": {"where": {"operator": "="}}}]})
    kept = tracker.resolve(connection, IssueQuery("query", ' project = ATL AND text ~ "order by" ORDER BY rank'))
    assert kept.text == 'project = ATL AND text ~ "order by"'
    assert (jira.sent(), jira.asked()) == ({"queries": [kept.text]}, {"validation": "strict"})
    jira.says({"queries": [{"query": "q", "errors": ["Field 'nope' does not exist."]}]})
    with pytest.raises(TrackerRefused, match="Field 'nope' does not exist"):
        tracker.resolve(connection, IssueQuery("query", "nope = 1"))
    jira.says({"queries": [{"query": "q", "structure": {}}]})
    with pytest.raises(TrackerRefused, match="every issue"):
        tracker.resolve(connection, IssueQuery("query", "x"))


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("project = ATL order   by rank DESC", "project = ATL"),
        ("(project = ATL OR labels in (a, b)) ORDER BY key", "(project = ATL OR labels in (a, b))"),
        ("summary ~ 'it\\'s (' AND status = Done", "summary ~ 'it\\'s (' AND status = Done"),
        ("status changed AFTER -5d", "status changed AFTER -5d"),
        ("labels = objective", "labels = objective"),
        ("labels in (objective, goalWork)", "labels in (objective, goalWork)"),
        ("cf[10016] > 3", "cf[10016] > 3"),
        ("issue.property[other].x = 1", "issue.property[other].x = 1"),
    ],
)
def test_a_query_is_kept_without_its_order(query: str, kept: str) -> None:
    assert bounded_query(query) == kept


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "Write a query"),
        ("ORDER BY rank", "no condition"),
        ("a = 1) OR (b = 2", "never opened"),
        ("(a = 1", "does not close"),
        ('a = "x', "quotation mark is not closed"),
        ("a = x\\", "not expected"),
        ("assignee = currentUser()", "Ladder itself"),
        ("issue in issueHistory ()", "Ladder itself"),
        ("goalWork = unaligned", "follows from links"),
        ('"KeyResult" IN ("x")', "follows from links"),
        ("NOT objective is EMPTY", "follows from links"),
        ("issue.property[ladder-goals].goalWork = unaligned", "follows from links"),
        ("a = " + "x" * 2000, "longer than 2,000"),
    ],
)
def test_a_query_that_cannot_be_bounded_is_refused_in_words(query: str, reason: str) -> None:
    with pytest.raises(TrackerRefused, match=reason):
        bounded_query(query)


def test_what_a_query_matches_is_asked_in_parentheses_and_reconciled(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"issues": [issue(2)], "isLast": True}).says({"issues": [issue(60), issue(99)], "isLast": True})
    query = IssueQuery("query", "project = ATL OR labels = x")
    assert tracker.matching(connection, query, [str(number) for number in range(1, 61)]) == {"2", "60"}
    assert jira.sent(1) == {
        "jql": f"(project = ATL OR labels = x) AND id in ({', '.join(map(str, range(51, 61)))})",
        "fields": ["issuetype"],
        "maxResults": 100,
        "reconcileIssues": list(range(51, 61)),
    }
    assert jira.operations == ["searchAndReconsileIssuesUsingJqlPost"] * 2


def test_a_kept_query_that_was_tampered_with_is_never_sent(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    with pytest.raises(TrackerRefused):
        tracker.matching(connection, IssueQuery("query", "a = 1) OR (b = 2"), ["1"])
    with pytest.raises(TrackerRefused):
        tracker.matching(connection, IssueQuery("project", "ATL", "1 OR project = 2"), ["1"])
    assert jira.requests == []


def test_an_issue_that_is_gone_does_not_spoil_the_question_about_the_others(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"errorMessages": ["A value with ID '9' does not exist for the field 'id'."]}, status=400)
    jira.says({"issues": [issue(1), issue(2)]}).says({"issues": [issue(2)], "isLast": True})
    assert tracker.matching(connection, IssueQuery("label", "x"), ["1", "2", "9"]) == {"2"}
    assert jira.sent()["reconcileIssues"] == [1, 2]


def test_a_query_that_has_become_wrong_is_refused_once_all_issues_are_there(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says({"errorMessages": ["Field 'gone' does not exist."]}, status=400).says({"issues": [issue(1)]})
    with pytest.raises(TrackerRefused, match="Field 'gone' does not exist"):
        tracker.matching(connection, IssueQuery("query", "gone = 1"), ["1"])


def test_an_epic_that_cannot_be_read_is_not_gone(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=404)
    with pytest.raises(IssueUnreadable):
        list(tracker.find(connection, IssueQuery("epic", "ATL-7", "7")))


def test_any_text_stays_one_value() -> None:
    assert jql.quoted('a"b\\') == '"a\\"b\\\\"'


# -- marks

MARKS = {
    "10001": GoalMark("aligned", ("Win trust",), ("Activation", "Churn")),
    "10002": GoalMark("unaligned"),
}


def task(status: str, **more: Any) -> dict[str, Any]:
    """Return a long-running task."""
    return {"id": "10641", "status": status, "progress": 0, **more}


def test_marks_are_written_by_one_call_and_its_task_is_followed(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    # The address leads to another host on purpose: only the task's id is taken from it.
    jira.says(status=303, Location="https://api.example.com/rest/api/3/task/10641")
    jira.says(task("RUNNING")).says(task("COMPLETE", result="whatever"))
    tracker.show_goals(connection, MARKS)
    goals = {"goalWork": "aligned", "objective": ["Win trust"], "keyResult": ["Activation", "Churn"]}
    assert jira.sent(0) == {
        "issues": [
            {"issueID": 10001, "properties": {PROPERTY: goals}},
            {"issueID": 10002, "properties": {PROPERTY: {"goalWork": "unaligned"}}},
        ]
    }
    assert jira.operations == ["bulkSetIssuePropertiesByIssue", "getTask", "getTask"]


def test_a_task_that_takes_too_long_is_asked_for_again_later(
    jira: Jira, tracker: JiraTracker, connection: Connection
) -> None:
    jira.says(status=303, Location="/rest/api/3/task/10641")
    for _ in goal_property.LOOKS:
        jira.says(task("RUNNING"))
    with pytest.raises(TrackerUnavailable) as raised:
        tracker.show_goals(connection, MARKS)
    assert raised.value.retry_after == goal_property.LATER
    assert not raised.value.whole_connection


@pytest.mark.parametrize("status", ["FAILED", "DEAD", "CANCELLED"])
def test_a_task_that_jira_gave_up_is_an_error_with_its_reason(
    jira: Jira, tracker: JiraTracker, connection: Connection, status: str
) -> None:
    jira.says(status=303, Location="/rest/api/3/task/1").says(task(status, message="no space"))
    with pytest.raises(TrackerRefused, match=f"{status}: no space"):
        tracker.show_goals(connection, MARKS)


def test_a_task_at_no_known_address_is_not_looked_for(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=303, Location="https://evil.example/steal")
    with pytest.raises(TrackerUnavailable):
        tracker.show_goals(connection, MARKS)
    assert len(jira.requests) == 1


def test_no_marks_ask_nothing(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    tracker.show_goals(connection, {})
    assert jira.requests == []


def test_a_property_stays_within_jiras_size() -> None:
    titles = tuple(f"{number:03} {'ü' * 396}" for number in range(60))
    value = goal_property.property_value(GoalMark("aligned", titles, titles))
    assert len(str(value)) <= 32_768
    assert len(value["objective"]) == goal_property.MOST_TITLES


def test_writes_of_marks_are_recognised_as_our_own(jira: Jira, tracker: JiraTracker, connection: Connection) -> None:
    jira.says(status=303, Location="/rest/api/3/task/1").says(task("COMPLETE"))
    tracker.show_goals(connection, MARKS)
    assert str(jira.requests[0].headers["X-Atlassian-Webhook-Trace"]).startswith("ladder-")
    assert parse_qs(urlsplit(str(jira.requests[0].url)).query) == {}
