"""What the core gets to know of Linear: snapshots, trash, rights by team, and who we are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.core import Core
from connector.errands import HANDLERS
from connector.models import Connection, Issue, OutboxEntry
from connector.tracker import IssueDeleted, IssueUnreadable, Profile, TrackerRefused, TrackerUnavailable
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import TEAM, Linear, issue_node, page, refusal
from tests.linear_app.conftest import Stored

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
PRIVATE = {**TEAM, "id": "team-secret", "visibility": "private"}


def person(*teams: str, active: bool = True, guest: bool = False) -> dict[str, Any]:
    """Return who somebody is and which of the asked teams they are in."""
    nodes = [{"id": team} for team in teams]
    return {"user": {"id": "user-ada", "active": active, "guest": guest, "teams": page(*nodes)}}


def test_an_issue_is_read_by_id_or_key(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    whole = issue_node(
        7,
        estimate=2.5,
        parent={"id": "issue-1"},
        cycle={"id": "cycle-1"},
        assignee={"id": "user-ada"},
        labelIds=["b", "a"],
        project={"id": "p", "name": "SSO"},
    )
    linear.says("Issue", {"issue": whole})
    snapshot = tracker.fetch_issue(connection, "ENG-7")
    assert linear.last("Issue") == {"id": "ENG-7"}
    assert (snapshot.external_id, snapshot.key, snapshot.cls) == ("issue-7", "ENG-7", "doing")
    assert (snapshot.parent_external_id, snapshot.sprints, snapshot.assignee) == ("issue-1", ("cycle-1",), "user-ada")
    assert (str(snapshot.estimate), snapshot.labels, snapshot.level) == ("5/2", ("a", "b"), 0)
    assert (snapshot.updated_at, snapshot.project_key) == (AT, "ENG")


def test_an_issue_in_the_trash_cannot_be_read(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Issue", {"issue": issue_node(trashed=True)})
    with pytest.raises(IssueUnreadable, match="trash"):
        tracker.fetch_issue(connection, "issue-1")


def test_an_archived_issue_is_what_it_was(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    done = {"id": "state-done", "name": "Done", "type": "completed"}
    linear.says("Issue", {"issue": issue_node(archivedAt="2026-11-20T11:00:00.000Z", state=done)})
    assert tracker.fetch_issue(connection, "issue-1").cls == "done"


@pytest.mark.parametrize("broken", [{"state": None}, {"updatedAt": None}, {"id": None}, {"id": "x" * 65}], ids=str)
def test_an_answer_without_sense_is_refused(
    tracker: LinearTracker, connection: Connection, linear: Linear, broken: dict[str, Any]
) -> None:
    linear.says("Issue", {"issue": issue_node(**broken)})
    with pytest.raises(TrackerRefused, match="can't be read"):
        tracker.fetch_issue(connection, "issue-1")


def test_an_issue_in_a_state_that_we_did_not_know_makes_us_learn_the_states(
    core: Core, tracker: LinearTracker, connection: Connection, linear: Linear, stored: Stored
) -> None:
    linear.says("Issue", {"issue": issue_node()})
    tracker.fetch_issue(connection, "issue-1")
    assert stored.errands() == []
    linear.says("Issue", {"issue": issue_node(state={"id": "state-new", "name": "QA", "type": "started"})})
    tracker.fetch_issue(connection, "issue-1")
    assert stored.errands() == [("discover", "")]
    learn(core, connection, linear)
    assert stored.connection().settings["workflow_states"]["state-new"] == ["started", "QA"]


def learn(core: Core, connection: Connection, linear: Linear) -> None:
    """Run the errand that learns a workspace's own names."""
    states = page({"id": "state-new", "name": "QA", "type": "started"})
    linear.says("WorkflowStates", {"workflowStates": states})
    linear.says("Teams", {"teams": page({"id": "team-eng", "key": "ENG", "name": "Engineering"})})
    viewer = {"id": "app-user-9", "name": "n", "displayName": "d", "active": True, "app": True, "guest": False}
    linear.says("Viewer", {"viewer": viewer})
    HANDLERS["discover"](core, connection, OutboxEntry(connection_id="c", kind="discover", subject=""))


def test_a_workspaces_own_names_are_learned(
    core: Core, tracker: LinearTracker, connection: Connection, linear: Linear, stored: Stored
) -> None:
    learn(core, connection, linear)
    settings = stored.connection().settings
    assert settings["app_user_id"] == "app-user-9"
    assert settings["workflow_states"] == {"state-new": ["started", "QA"]}
    # A team that is closed to us now is remembered by name, for the day when its issues are asked about.
    assert settings["team_keys"] == {"team-eng": "ENG", "team-ops": "OPS"}


def test_changes_and_deletions_since_a_moment_are_found(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    trashed = issue_node(2, trashed=True, archivedAt="2026-11-20T12:00:00.000Z")
    linear.says("UpdatedSince", {"issues": page(issue_node(1), trashed, more_after="x")})
    linear.says("UpdatedSince", {"issues": page(issue_node(3))})
    pages = list(tracker.updated_since(connection, AT))
    assert [one.external_id for found in pages for one in found.snapshots] == ["issue-1", "issue-3"]
    assert [*pages[0].gone, *pages[1].gone] == [IssueDeleted("issue-2", AT.replace(hour=12))]
    # Putting an issue into the trash is not an update of it.
    lately = {"gte": "2026-11-20T10:00:00Z"}
    assert linear.last("UpdatedSince")["filter"] == {"or": [{"updatedAt": lately}, {"archivedAt": lately}]}


def test_what_hangs_below_an_issue_is_read_level_by_level_and_circles_end(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    below = {"issue-1": [2, 3], "issue-2": [4], "issue-4": [1, 2]}

    def children(asked: dict[str, Any]) -> dict[str, Any]:
        parents = asked["filter"]["parent"]["id"]["in"]
        return {"issues": page(*(issue_node(n, parent={"id": one}) for one in parents for n in below.get(one, [])))}

    linear.always("Children", children)
    found = [one.external_id for found in tracker.fetch_subtree(connection, "issue-1") for one in found.snapshots]
    assert found == ["issue-2", "issue-3", "issue-4", "issue-1", "issue-2"]
    assert len(linear.asked) == 3


@pytest.mark.parametrize(
    ("team", "who", "sees"),
    [
        (TEAM, person(), True),
        (TEAM, person(active=False), False),
        (TEAM, person(guest=True), False),
        (TEAM, person("team-eng", guest=True), True),
        (PRIVATE, person(), False),
        (PRIVATE, person("team-secret"), True),
        ({**TEAM, "visibility": "restricted"}, person(), False),
        (TEAM, refusal("ENTITY_NOT_FOUND"), False),
    ],
)
def test_a_person_may_what_their_teams_allow(
    tracker: LinearTracker, connection: Connection, linear: Linear, team: Any, who: Any, sees: bool
) -> None:
    linear.always("Issue", {"issue": issue_node(team=team)})
    linear.always("TeamsOfUser", who)
    assert tracker.may(connection, "user-ada", "issue-1", "edit") is sees
    asked = len(linear.asked)
    assert tracker.may(connection, "user-ada", "issue-1", "view") is sees
    assert len(linear.asked) == asked


def test_nobody_in_particular_may_nothing(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    assert not tracker.may(connection, "", "issue-1", "view")
    linear.says("Issue", refusal("ENTITY_NOT_FOUND"))
    assert not tracker.may(connection, "user-ada", "issue-1", "view")


def test_without_an_answer_nobody_is_told_no(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Issue", refusal("INTERNAL_SERVER_ERROR"))
    with pytest.raises(TrackerUnavailable):
        tracker.may(connection, "user-ada", "issue-1", "view")


@pytest.mark.parametrize(
    "text", ["eng-7", " ENG-7 ", "https://linear.app/acme/issue/ENG-7/log-in", "https://linear.app/acme/issue/ENG-7"]
)
def test_an_issue_is_found_by_key_or_address(
    tracker: LinearTracker, connection: Connection, linear: Linear, text: str
) -> None:
    linear.says("Issue", {"issue": issue_node(7)}).says("TeamsOfUser", person())
    assert [one.key for one in tracker.search(connection, "user-ada", text, 5)] == ["ENG-7"]
    assert linear.names() == ["Issue", "TeamsOfUser"]


def test_issues_are_found_by_words_but_only_those_that_the_person_sees(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("Search", {"searchIssues": {"nodes": [{"id": f"issue-{n}"} for n in (3, 1, 2, 4)]}})
    hidden, trashed = issue_node(1, team=PRIVATE), issue_node(4, trashed=True)
    linear.says("IssuesById", {"issues": page(hidden, issue_node(2), issue_node(3), trashed)})
    linear.says("TeamsOfUser", person())
    assert [one.external_id for one in tracker.search(connection, "user-ada", "log in", 5)] == ["issue-3", "issue-2"]
    assert linear.last("TeamsOfUser")["filter"] == {"id": {"in": ["team-eng", "team-secret"]}}


def test_a_key_that_is_no_issue_is_looked_for_as_words(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("Issue", refusal("ENTITY_NOT_FOUND")).says("Search", {"searchIssues": {"nodes": []}})
    assert tracker.search(connection, "user-ada", "ISO-27001", 5) == []
    assert linear.last("Search") == {"term": "ISO-27001"}


def test_a_person_has_a_name(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    user = {"id": "user-ada", "name": "Ada Lovelace", "displayName": "ada", "active": False, "guest": False}
    linear.says("User", {"user": user})
    assert tracker.profile(connection, "user-ada") == Profile("user-ada", "ada", active=False)


def test_an_issue_of_a_team_that_was_closed_to_us_turns_stale_and_keeps_its_class(
    core: Core, tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    fetch = HANDLERS["fetch_issue"]
    errand = OutboxEntry(connection_id="c", kind="fetch_issue", subject="issue-1")
    linear.says("Issue", {"issue": issue_node()}).says("Issue", refusal("FORBIDDEN", "no access to this team"))
    fetch(core, connection, errand)
    fetch(core, connection, errand)
    with core.database.reading() as session:
        issue = session.query(Issue).one()
    assert (issue.cls, issue.stale_since is not None) == ("doing", True)
    assert "no access" in (issue.stale_reason or "")
