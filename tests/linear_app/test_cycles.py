"""Cycles as sprints: which are open, what they hold and what blocks it, who sees it, and moving issues."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.models import Connection
from connector.tracker import Ignored, IssueChanged, IssueTouched, SprintChanged, TrackerRefused
from linear_app.payloads import events_in, own_actors
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import APP_USER, TEAM, Linear, delivery, issue_data, issue_node, page, refusal
from tests.linear_app.test_payloads import read

START = datetime(2026, 11, 16, tzinfo=UTC)
END = datetime(2026, 11, 30, tzinfo=UTC)


def cycle(**more: Any) -> dict[str, Any]:
    """Return a cycle as the API answers it."""
    return {
        "id": "cycle-4",
        "number": 4.0,
        "name": None,
        "startsAt": "2026-11-16T00:00:00.000Z",
        "endsAt": "2026-11-30T00:00:00.000Z",
        "completedAt": None,
        "updatedAt": "2026-11-10T09:00:00.000Z",
        "isActive": True,
        "isFuture": False,
        "team": {"id": "team-eng", "name": "Engineering"},
    } | more


def relation(kind: str, issue_id: str) -> dict[str, Any]:
    """Return what somebody else's issue is to this one."""
    return {"type": kind, "issue": {"id": issue_id}}


def who(issue_id: str, team: dict[str, Any]) -> dict[str, Any]:
    """Return whose an issue is."""
    return {"id": issue_id, "identifier": issue_id, "team": team}


def person(*teams: str) -> dict[str, Any]:
    """Return a full member and which of the asked teams they are in."""
    return {"user": {"id": "user-ada", "active": True, "guest": False, "teams": page(*({"id": one} for one in teams))}}


def test_the_open_cycles_of_a_team_are_read(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    coming = cycle(
        id="cycle-5", number=5.0, name="Polish", isActive=False, isFuture=True, startsAt="2026-11-30T00:00:00.000Z"
    )
    linear.says("Cycles", {"cycles": page(cycle(), coming)})
    now, later = tracker.sprints(connection, "team-eng")
    # It runs since its start, which no update of it says.
    assert now == SprintChanged("cycle-4", "Cycle 4", "active", START, START, END, "team-eng", "Engineering")
    assert (later.external_id, later.name, later.state, later.board) == ("cycle-5", "Polish", "future", "team-eng")
    assert linear.last("Cycles")["filter"] == {"isPast": {"eq": False}, "team": {"id": {"eq": "team-eng"}}}


def test_the_open_cycles_of_every_team_are_read(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Cycles", {"cycles": page(cycle(), more_after="x")})
    linear.says("Cycles", {"cycles": page(cycle(id="cycle-9", team={"id": "team-ops", "name": "Operations"}))})
    assert [one.board for one in tracker.sprints(connection, None)] == ["team-eng", "team-ops"]
    assert linear.last("Cycles")["filter"] == {"isPast": {"eq": False}}


@pytest.mark.parametrize("broken", [{"startsAt": None}, {"id": ""}, {"team": {"id": "x" * 65, "name": "X"}}], ids=str)
def test_a_cycle_without_sense_is_refused(
    tracker: LinearTracker, connection: Connection, linear: Linear, broken: dict[str, Any]
) -> None:
    linear.says("Cycles", {"cycles": page(cycle(**broken))})
    with pytest.raises(TrackerRefused, match="can't be read"):
        tracker.sprints(connection, None)


def test_a_webhook_and_a_reading_of_a_cycle_agree(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    data = {"id": "cycle-4", "number": 4, "teamId": "team-eng", "updatedAt": "2026-11-18T09:00:00.000Z"}
    times = {"startsAt": "2026-11-16T00:00:00.000Z", "endsAt": "2026-11-30T00:00:00.000Z"}
    told = read(connection, delivery("Cycle", "update", {**data, **times}))
    linear.says("Cycles", {"cycles": page(cycle(updatedAt="2026-11-18T09:00:00.000Z"))})
    (found,) = tracker.sprints(connection, None)
    # Webhooks do not say what the team is called.
    assert replace(found, board_name="") == told


def test_the_issues_of_a_cycle_are_read_with_what_blocks_them(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    relations = page(relation("blocks", "issue-9"), relation("related", "issue-8"), relation("blocks", "issue-7"))
    trashed = issue_node(3, trashed=True, archivedAt="2026-11-20T12:00:00.000Z")
    first = page(issue_node(1, inverseRelations=relations), trashed, more_after="x")
    linear.says("IssuesWithBlockers", {"issues": first})
    linear.says("IssuesWithBlockers", {"issues": page(issue_node(2))})
    pages = list(tracker.sprint_issues(connection, "cycle-4"))
    found = [(one.external_id, one.blocked_by) for each in pages for one in each.snapshots]
    assert found == [("issue-1", ("issue-7", "issue-9")), ("issue-2", ())]
    assert [one.external_id for one in pages[0].gone] == ["issue-3"]
    assert linear.last("IssuesWithBlockers")["filter"] == {"cycle": {"id": {"eq": "cycle-4"}}}


def test_an_issue_with_very_many_relations_is_asked_on(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("Issue", {"issue": issue_node(inverseRelations=page(relation("blocks", "issue-2"), more_after="a"))})
    linear.says("Blockers", {"issue": {"inverseRelations": page(relation("blocks", "issue-3"), more_after="b")}})
    linear.says("Blockers", {"issue": {"inverseRelations": page(relation("related", "issue-4"))}})
    assert tracker.fetch_issue(connection, "issue-1").blocked_by == ("issue-2", "issue-3")
    assert linear.last("Blockers") == {"id": "issue-1", "after": "b"}


def test_a_hundred_issues_are_read_by_two_questions(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        wanted = [int(one.removeprefix("issue-")) for one in asked["filter"]["id"]["in"]]
        return {"issues": page(*(issue_node(number) for number in wanted if number != 7))}

    linear.always("IssuesById", answer)
    found = tracker.fetch_issues(connection, [f"issue-{number}" for number in range(100)])
    assert len(found) == 99
    assert "issue-7" not in {one.external_id for one in found}
    assert len(linear.asked) == 2


def test_what_a_person_may_see_of_a_whole_cycle_takes_one_question_about_them(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    def teams(asked: dict[str, Any]) -> dict[str, Any]:
        hidden = {"id": "team-secret", "visibility": "private"}
        wanted = [one for one in asked["filter"]["id"]["in"] if one != "issue-0"]
        return {"issues": page(*(who(one, hidden if one.endswith("3") else TEAM) for one in wanted))}

    linear.always("TeamsOfIssues", teams)
    linear.says("TeamsOfUser", person())
    wanted = [f"issue-{number}" for number in range(150)]
    seen = tracker.permitted(connection, "user-ada", wanted, "edit")
    assert seen == {one for one in wanted if not one.endswith("3")} - {"issue-0"}
    assert linear.names() == ["TeamsOfIssues", "TeamsOfIssues", "TeamsOfUser"]
    # The same rights as for one issue, and remembered like them.
    assert tracker.may(connection, "user-ada", "issue-1", "view")
    assert not tracker.may(connection, "user-ada", "issue-3", "view")
    assert tracker.permitted(connection, "user-ada", wanted, "view") == seen
    assert len(linear.asked) == 3


def test_a_stranger_may_see_nothing_of_a_cycle(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    assert tracker.permitted(connection, "", ["issue-1"], "view") == frozenset()
    linear.says("TeamsOfIssues", {"issues": page({"id": "issue-1", "identifier": "ENG-1", "team": TEAM})})
    linear.says("TeamsOfUser", refusal("ENTITY_NOT_FOUND"))
    assert tracker.permitted(connection, "user-gone", ["issue-1"], "view") == frozenset()


def moving(linear: Linear, *, team: str = "team-eng") -> None:
    """Let there be a cycle of a team, and any issue of the team ENG; moving works."""

    def teams(asked: dict[str, Any]) -> dict[str, Any]:
        return {"issues": page(*(who(one, TEAM) for one in asked["filter"]["id"]["in"]))}

    linear.always("Cycles", {"cycles": page(cycle(team={"id": team, "name": "Operations"}))})
    linear.always("TeamsOfIssues", teams)
    linear.always("UpdateIssues", {"issueBatchUpdate": {"success": True, "issues": []}})


def test_issues_are_moved_fifty_at_a_time(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    moving(linear)
    tracker.move_to_sprint(connection, [f"issue-{number}" for number in range(60)], "cycle-4")
    updates = [one.variables for one in linear.asked if one.name == "UpdateIssues"]
    assert [len(one["ids"]) for one in updates] == [50, 10]
    assert updates[0]["input"] == {"cycleId": "cycle-4"}
    linear.asked.clear()
    tracker.move_to_sprint(connection, ["issue-1"], None)
    assert linear.names() == ["UpdateIssues"]
    assert linear.last("UpdateIssues") == {"ids": ["issue-1"], "input": {"cycleId": None}}


def test_issues_of_another_team_are_refused_before_any_is_moved(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    moving(linear, team="team-ops")
    with pytest.raises(TrackerRefused, match="issue-0, issue-1, issue-2 and 57 more: not of the team Operations"):
        tracker.move_to_sprint(connection, [f"issue-{number}" for number in range(60)], "cycle-4")
    linear.says("Cycles", {"cycles": page()})
    with pytest.raises(TrackerRefused, match="cycle is gone"):
        tracker.move_to_sprint(connection, ["issue-1"], "cycle-9")
    assert "UpdateIssues" not in linear.names()


def test_what_linear_refuses_is_said_in_its_words(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    moving(linear)
    linear.says("UpdateIssues", refusal("INPUT_ERROR", "The cycle is over"))
    with pytest.raises(TrackerRefused, match="The cycle is over"):
        tracker.move_to_sprint(connection, ["issue-1"], "cycle-4")


def test_what_we_moved_to_another_cycle_is_news(connection: Connection) -> None:
    ours = own_actors(connection, "client-1")
    said = delivery("Issue", "update", issue_data(cycleId="cycle-5"), actor={"id": APP_USER})
    moved, labelled = {**said, "updatedFrom": {"cycleId": None}}, {**said, "updatedFrom": {"labelIds": []}}
    (event,) = _events(connection, moved, ours)
    assert isinstance(event, IssueChanged)
    assert event.snapshot.sprints == ("cycle-5",)
    assert _events(connection, labelled, ours) == [Ignored("own_echo")]


@pytest.mark.parametrize("action", ["create", "update", "remove"])
def test_an_issue_that_is_blocked_or_no_longer_is_read_again(connection: Connection, action: str) -> None:
    data = {"id": "relation-1", "type": "blocks", "issueId": "issue-1", "relatedIssueId": "issue-2"}
    said = delivery("IssueRelation", action, data)
    assert read(connection, said) == IssueTouched("issue-2", "relation")
    assert read(connection, said, stale=True) == IssueTouched("issue-2", "relation")


def test_other_relations_move_nothing(connection: Connection) -> None:
    data = {"id": "relation-1", "type": "related", "issueId": "issue-1", "relatedIssueId": "issue-2"}
    assert read(connection, delivery("IssueRelation", "create", data)) == Ignored("relations_move_nothing")
    del data["relatedIssueId"]
    assert read(connection, delivery("IssueRelation", "update", data)) == Ignored("relation_of_nothing")


def _events(connection: Connection, said: dict[str, Any], ours: frozenset[str]) -> list[Any]:

    return list(events_in(connection, "Issue.update", json.dumps(said).encode(), ours))


PAGE = "https://ladder.example/planning/7"


def links(*there: dict[str, Any]) -> dict[str, Any]:
    """Return the links on a cycle."""
    return {"cycle": {"links": page(*there)}}


def test_a_link_is_put_on_a_cycle_once(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("CycleLinks", links({"id": "other", "url": "https://docs.example/", "label": "Notes"}))
    linear.says(
        "CreateCycleLink", {"entityExternalLinkCreate": {"success": True, "entityExternalLink": {"id": "link-1"}}}
    )
    assert tracker.show_sprint_link(connection, "cycle-4", PAGE, "Goals", None) == "link-1"
    sent = linear.last("CreateCycleLink")["input"]
    assert (sent["cycleId"], sent["url"], sent["label"]) == ("cycle-4", PAGE, "Goals")
    # It was made, but we died before writing that down.
    linear.says("CycleLinks", links({"id": "link-1", "url": PAGE, "label": "Goals"}))
    assert tracker.show_sprint_link(connection, "cycle-4", PAGE, "Goals", None) == "link-1"
    assert linear.names().count("CreateCycleLink") == 1


def test_a_link_on_a_cycle_follows_its_title(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.always("UpdateCycleLink", {"entityExternalLinkUpdate": {"success": True}})
    assert tracker.show_sprint_link(connection, "cycle-4", PAGE, "Our goals", "link-1") == "link-1"
    assert linear.last("UpdateCycleLink") == {"id": "link-1", "input": {"label": "Our goals", "url": PAGE}}
    linear.says("CycleLinks", links({"id": "link-1", "url": PAGE, "label": "Goals"}))
    assert tracker.show_sprint_link(connection, "cycle-4", PAGE, "Our goals", None) == "link-1"
    assert linear.names() == ["UpdateCycleLink", "CycleLinks", "UpdateCycleLink"]


def test_a_link_that_somebody_took_off_is_put_on_again_when_asked_for(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("UpdateCycleLink", refusal("ENTITY_NOT_FOUND")).says("CycleLinks", links())
    linear.says(
        "CreateCycleLink", {"entityExternalLinkCreate": {"success": True, "entityExternalLink": {"id": "link-2"}}}
    )
    assert tracker.show_sprint_link(connection, "cycle-4", PAGE, "Goals", "link-1") == "link-2"


def test_a_link_that_linear_did_not_take_is_no_success(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("UpdateCycleLink", {"entityExternalLinkUpdate": {"success": False}})
    with pytest.raises(TrackerRefused, match="did not do it"):
        tracker.show_sprint_link(connection, "cycle-4", PAGE, "Goals", "link-1")
