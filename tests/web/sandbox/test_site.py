"""What commands change, and how the events they cause look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.shared_refs import refs
from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite, NotAllowedError, NotFoundError


def captured(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(refs("payloads", "jira", name).read_text())
    return body


def last_event(site: JiraSite, ladder: FakeLadder) -> dict[str, Any]:
    site.webhooks.flush()
    body: dict[str, Any] = ladder.events()[-1]
    return body


def items(body: dict[str, Any]) -> dict[str, tuple[Any, Any, Any, Any]]:
    return {
        one["field"]: (one["from"], one["fromString"], one["to"], one["toString"]) for one in body["changelog"]["items"]
    }


def test_a_fresh_site_has_two_epics_with_stories_sub_tasks_and_two_sprints(site: JiraSite) -> None:
    atlas = [one for one in site.issues.values() if one.key.startswith("ATL-")]
    assert len(atlas) >= 18
    assert len([one for one in atlas if one.type.name == "Epic"]) == 2
    assert any(one.type.is_subtask for one in atlas)
    assert {sprint.state for sprint in site.sprints.values()} == {"active", "future"}
    assert len([one for one in site.issues.values() if one.key.startswith("PLAT-")]) == 6
    assert len([person for person in site.people.values() if person.active]) >= 4


def test_an_unseeded_site_has_people_and_projects_only() -> None:
    empty = JiraSite(seed=False)
    assert not empty.issues
    assert empty.create_issue("First").key == "ATL-1"


def test_updated_grows_even_when_the_clock_stands_still() -> None:
    site = JiraSite(seed=False, now=lambda: datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC))
    issue = site.create_issue("One")
    first = issue.updated
    site.edit(issue, summary="Two")
    assert first.microsecond == 123000
    assert (issue.updated - first).total_seconds() == 0.001


@pytest.mark.parametrize(
    ("command", "reference"),
    [
        (lambda site: site.create_issue("New"), "issue-created.json"),
        (lambda site: site.transition("ATL-3", "Done"), "issue-updated-resolved.json"),
        (lambda site: site.set_sprint("ATL-3", "Sprint 43"), "issue-updated-sprint.json"),
        (lambda site: site.rank("ATL-19", before="ATL-3"), "issue-updated-rank.json"),
        (lambda site: site.delete("ATL-19"), "issue-deleted.json"),
        (lambda site: site.link_issues("ATL-3", "ATL-4"), "pinpoint_issuelink_created.json"),
        (lambda site: site.close_sprint("Sprint 42"), "sprint_closed.synthetic.json"),
    ],
)
def test_an_event_has_the_keys_of_the_captured_one(
    site: JiraSite, installed: FakeLadder, command: Any, reference: str
) -> None:
    wanted = captured(reference)
    command(site)
    site.webhooks.flush()
    body = next(one for one in installed.events() if one["webhookEvent"] == wanted["webhookEvent"])
    assert body.keys() == wanted.keys()
    for part in ("issue", "issueLink", "sprint"):
        if part in wanted:
            assert wanted[part].keys() <= body[part].keys()
    if "changelog" in wanted:
        keys = {"field", "fieldtype", "fieldId", "from", "fromString", "to", "toString"}
        assert all(one.keys() == keys for one in body["changelog"]["items"])
        assert isinstance(body["changelog"]["id"], str)
    if "issue" in wanted:
        system = {
            *("summary", "status", "project", "issuetype", "labels", "resolution", "resolutiondate", "created"),
            *("updated", "subtasks", "issuelinks", "assignee", "reporter", "description"),
        }
        assert system & wanted["issue"]["fields"].keys() <= body["issue"]["fields"].keys()


def test_done_brings_a_resolution_and_reopening_takes_it_away(site: JiraSite, installed: FakeLadder) -> None:
    site.transition("ATL-3", "Done", "Won't Do")
    body = last_event(site, installed)
    assert body["issue_event_type_name"] == "issue_generic"
    assert items(body) == {
        "resolution": (None, None, "10001", "Won't Do"),
        "status": ("3", "In Progress", "10001", "Done"),
    }
    assert body["issue"]["fields"]["status"]["statusCategory"]["key"] == "done"
    site.transition("ATL-3", "To Do")
    body = last_event(site, installed)
    assert body["issue"]["fields"]["resolution"] is None
    assert items(body)["resolution"] == ("10001", "Won't Do", None, None)


def test_done_is_not_resolved(site: JiraSite) -> None:
    issue = site.transition("ATL-3", "Done", unresolved=True)
    assert issue.status.category.key == "done"
    assert issue.resolution is None


def test_a_command_that_changes_nothing_sends_nothing(site: JiraSite, installed: FakeLadder) -> None:
    before = site.issue("ATL-3").updated
    site.transition("ATL-3", "In Progress")
    site.estimate("ATL-3", 5)
    site.edit("ATL-3", labels=["sso"])
    site.set_parent("ATL-3", "ATL-1")
    site.webhooks.flush()
    assert not installed.events()
    assert site.issue("ATL-3").updated == before


def test_points_live_in_another_field_in_a_team_managed_project(site: JiraSite, installed: FakeLadder) -> None:
    site.estimate("ATL-3", 8)
    company = last_event(site, installed)
    assert items(company)["Story Points"] == (None, "5", None, "8")
    assert company["issue"]["fields"]["customfield_10028"] == 8
    assert company["issue"]["fields"]["customfield_10016"] is None
    site.estimate("PLAT-2", 0.5)
    team = last_event(site, installed)
    assert items(team)["Story point estimate"] == (None, "5", None, "0.5")
    assert team["issue"]["fields"]["customfield_10016"] == 0.5


def test_a_moved_issue_changes_its_key_but_not_its_id(site: JiraSite, installed: FakeLadder) -> None:
    issue = site.issue("ATL-6")
    number = issue.id
    site.move("ATL-6", "OPS")
    body = last_event(site, installed)
    assert body["issue_event_type_name"] == captured("sentry_issue_moved.json")["issue_event_type_name"]
    assert (issue.id, issue.key) == (number, "OPS-3")
    assert items(body)["Key"] == (None, "ATL-6", None, "OPS-3")
    assert items(body)["project"] == ("10000", "Atlas", "10002", "Operations")
    assert site.issue("ATL-6") is issue
    assert issue.parent_id == site.issue("ATL-1").id


def test_a_move_between_project_kinds_changes_ids_and_loses_the_parent(site: JiraSite, installed: FakeLadder) -> None:
    before = site.issue("ATL-6").status
    issue = site.move("ATL-6", "PLAT")
    body = last_event(site, installed)
    assert issue.status.name == before.name
    assert issue.status.id != before.id
    assert issue.parent_id is None
    assert {"status", "issuetype", "IssueParentAssociation", "Sprint"} <= items(body).keys()


def test_sub_tasks_move_and_vanish_with_their_parent(site: JiraSite, installed: FakeLadder) -> None:
    parts = [one.id for one in site.children(site.issue("ATL-3"))]
    site.move("ATL-3", "OPS")
    assert [site.issue(one).key.split("-")[0] for one in parts] == ["OPS"] * 3
    with pytest.raises(NotAllowedError):
        site.move(parts[0], "ATL")
    site.delete("OPS-3")
    site.webhooks.flush()
    deleted = [body["issue"]["id"] for body in installed.events() if body["webhookEvent"] == "jira:issue_deleted"]
    assert deleted[:-1] == parts
    with pytest.raises(NotFoundError):
        site.issue(parts[0])


def test_children_of_a_deleted_epic_stay_without_an_event(site: JiraSite, installed: FakeLadder) -> None:
    site.delete("ATL-2")
    site.webhooks.flush()
    assert site.issue("ATL-8").parent_id is None
    assert [body["issue"]["key"] for body in installed.events()] == ["ATL-2"]


def test_a_deleted_event_has_no_changelog(site: JiraSite, installed: FakeLadder) -> None:
    site.delete("ATL-19")
    body = last_event(site, installed)
    assert "changelog" not in body
    assert "issue_event_type_name" not in body
    assert body["issue"]["fields"]["summary"]


def test_created_comes_with_or_without_a_changelog(site: JiraSite, installed: FakeLadder) -> None:
    site.create_issue("With")
    assert "changelog" in last_event(site, installed)
    site.created_with_changelog = False
    site.create_issue("Without")
    assert "changelog" not in last_event(site, installed)


def test_a_new_sub_task_makes_a_system_link(site: JiraSite, installed: FakeLadder) -> None:
    site.create_issue("Part", "Sub-task", parent="ATL-3")
    body = last_event(site, installed)
    assert body["webhookEvent"] == "issuelink_created"
    assert body["issueLink"]["systemLink"] is True
    assert body["issueLink"]["issueLinkType"]["isSubTaskLinkType"] is True


def test_an_empty_or_wrong_parent_is_refused(site: JiraSite) -> None:
    for wrong in (
        lambda: site.create_issue("Part", "Sub-task"),
        lambda: site.create_issue("Story below story", "Story", parent="ATL-3"),
        lambda: site.set_parent("ATL-3", "ATL-4"),
        lambda: site.set_parent("ATL-3", "PLAT-1"),
        lambda: site.set_parent("ATL-13", None),
    ):
        with pytest.raises(NotAllowedError):
            wrong()


def test_closing_a_sprint_sends_open_issues_on(site: JiraSite, installed: FakeLadder) -> None:
    site.close_sprint("Sprint 42", move_open_to="Sprint 43")
    site.webhooks.flush()
    first, *rest = installed.events()
    assert first["webhookEvent"] == "sprint_closed"
    assert first["sprint"]["state"] == "closed"
    assert "ATL-3" in {body["issue"]["key"] for body in rest}
    assert "ATL-4" not in {body["issue"]["key"] for body in rest}
    assert all(items(body)["Sprint"] == ("1", "Sprint 42", "1, 2", "Sprint 42, Sprint 43") for body in rest)
    with pytest.raises(NotAllowedError):
        site.close_sprint("Sprint 42")
    site.start_sprint("Sprint 43")
    assert last_event(site, installed)["webhookEvent"] == "sprint_started"


def test_a_sub_task_is_in_the_sprint_of_its_parent(site: JiraSite) -> None:
    fields = site.payloads.fields(site.issue("ATL-13"))
    assert [one["name"] for one in fields["customfield_10020"]] == ["Sprint 42"]


def test_an_issue_property_does_not_touch_updated(site: JiraSite, installed: FakeLadder) -> None:
    before = site.issue("ATL-3").updated
    assert site.set_property("ATL-3", "ladder", {"a": 1}) is True
    assert site.set_property("ATL-3", "ladder", {"a": 2}) is False
    assert site.issue("ATL-3").updated == before
    assert last_event(site, installed)["webhookEvent"] == "issue_property_set"
    assert site.delete_property("ATL-3", "ladder") is True
    assert site.delete_property("ATL-3", "ladder") is False


def test_a_sprint_can_be_renamed_and_deleted(site: JiraSite, installed: FakeLadder) -> None:
    site.edit_sprint("Sprint 43", name="Sprint 44")
    body = last_event(site, installed)
    assert (body["webhookEvent"], body["sprint"]["name"]) == ("sprint_updated", "Sprint 44")
    site.delete_sprint("Sprint 44")
    body = last_event(site, installed)
    assert (body["webhookEvent"], body["sprint"]["id"]) == ("sprint_deleted", 2)
    assert site.issue("ATL-5").sprint_ids == []
    with pytest.raises(NotAllowedError):
        site.delete_sprint("Sprint 42")


def test_the_time_stamp_of_an_event_is_the_time_of_its_change(site: JiraSite, installed: FakeLadder) -> None:
    def millis(moment: datetime | None) -> int:
        assert moment is not None
        return round(moment.timestamp() * 1000)

    issue = site.create_issue("New")
    assert last_event(site, installed)["timestamp"] == millis(issue.created)
    site.edit(issue, summary="Newer")
    assert last_event(site, installed)["timestamp"] == millis(issue.updated)
    sprint = site.create_sprint("Sprint 44")
    assert last_event(site, installed)["timestamp"] == millis(sprint.created)
