"""The commands of the stand-in workspace, and the event that each of them sends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.sandbox.linear.conftest import Listener
from web.sandbox.linear import LinearWorkspace, NotAllowedError, NotFoundError
from web.sandbox.linear.seeding import ENGINEER, GUEST, SECOND_ENGINEER


def last(workspace: LinearWorkspace, listener: Listener) -> Any:
    workspace.webhooks.flush()
    return listener.received[-1].body


def test_a_new_issue_is_told_whole(workspace: LinearWorkspace, installed: Listener) -> None:
    issue = workspace.create_issue(
        "SSO", team="MOB", estimate=2.5, parent="WEB-1", labels=["Feature"], cycle="active", by=ENGINEER
    )
    body = last(workspace, installed)
    assert (body["action"], body["type"]) == ("create", "Issue")
    assert "updatedFrom" not in body
    assert body["actor"]["id"] == ENGINEER
    assert body["organizationId"] == workspace.organization_id
    assert body["url"] == workspace.issue_url(issue)
    data = body["data"]
    assert data["identifier"] == "MOB-6"
    assert data["estimate"] == 2.5
    assert data["parentId"] == workspace.issue("WEB-1").id
    assert data["state"]["type"] == "unstarted"
    assert [one["name"] for one in data["labels"]] == ["Feature"]
    assert data["cycle"]["number"] == 2
    # What is empty is left out.
    assert {"assigneeId", "completedAt", "archivedAt", "trashed", "description"} & set(data) == set()


@pytest.mark.parametrize(
    ("act", "before"),
    [
        (lambda one: one.estimate("WEB-1", 13), {"estimate": 8.0}),
        (lambda one: one.estimate("WEB-12", 1), {"estimate": None}),
        (lambda one: one.assign("WEB-1", None), {"assigneeId": "mira"}),
        (lambda one: one.set_parent("WEB-2", None), {"parentId": "WEB-1"}),
        (lambda one: one.set_cycle("WEB-1", None), {"cycleId": "cycle"}),
        (lambda one: one.set_project("WEB-1", None), {"projectId": "project"}),
        (lambda one: one.edit("WEB-1", title="Other"), {"title": "A new team invites its first five people"}),
        (lambda one: one.archive("WEB-1"), {"archivedAt": None}),
    ],
)
def test_an_update_says_what_was_there_before(
    workspace: LinearWorkspace, installed: Listener, act: Any, before: dict[str, Any]
) -> None:
    first = workspace.issue("WEB-1")
    known = {"mira": first.assignee_id, "WEB-1": first.id, "cycle": first.cycle_id, "project": first.project_id}
    was = {one.id: one.updated_at for one in workspace.issues.values()}
    issue = act(workspace)
    body = last(workspace, installed)
    assert body["action"] == "update"
    expected = {name: known.get(value, value) if isinstance(value, str) else value for name, value in before.items()}
    moment = was[issue.id].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert body["updatedFrom"] == {**expected, "updatedAt": moment}


def test_nothing_is_told_when_nothing_changes(workspace: LinearWorkspace, installed: Listener) -> None:
    issue = workspace.issue("WEB-1")
    workspace.edit(issue, title=issue.title)
    workspace.transition(issue, workspace.state(issue))
    workspace.webhooks.flush()
    assert not installed.received


def test_states_carry_the_times_of_start_and_end(workspace: LinearWorkspace) -> None:
    issue = workspace.create_issue("New")
    workspace.transition(issue, "In Progress")
    assert issue.started_at is not None
    started = issue.started_at
    workspace.transition(issue, "Done")
    assert issue.started_at == started
    assert issue.completed_at is not None
    workspace.transition(issue, "Canceled")
    assert issue.completed_at is None
    assert issue.canceled_at is not None
    workspace.transition(issue, "backlog")
    assert (issue.started_at, issue.completed_at, issue.canceled_at) == (None, None, None)


def test_a_duplicate_goes_to_the_state_of_that_type(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.merge_as_duplicate("WEB-5", "WEB-6")
    body = last(workspace, installed)
    assert body["data"]["state"]["type"] == "duplicate"
    assert "canceledAt" in body["data"]
    with pytest.raises(NotAllowedError):
        workspace.merge_as_duplicate("WEB-6", "WEB-6")


def test_trash_is_a_remove_and_its_restoration_an_update(workspace: LinearWorkspace, installed: Listener) -> None:
    workspace.trash("WEB-1")
    body = last(workspace, installed)
    assert (body["action"], body["data"]["trashed"]) == ("remove", True)
    assert "updatedFrom" not in body
    workspace.restore("WEB-1")
    body = last(workspace, installed)
    assert body["action"] == "update"
    assert "trashed" not in body["data"]
    assert {"archivedAt", "trashed"} < set(body["updatedFrom"])


def test_a_deleted_issue_is_gone_with_its_links_and_its_children_stay(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    workspace.create_attachment("WEB-1", "https://a.example/", "A")
    child = workspace.issue("WEB-2")
    workspace.delete("WEB-1")
    workspace.webhooks.flush()
    with pytest.raises(NotFoundError):
        workspace.issue("WEB-1")
    assert child.parent_id is None
    assert not workspace.attachments
    assert [body["action"] for body in installed.bodies()] == ["remove", "update", "update", "update"]


def test_a_moved_issue_keeps_its_id_and_answers_to_its_old_name(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    issue = workspace.move_team("WEB-1", "MOB")
    assert issue.identifier == "MOB-6"
    assert workspace.issue("WEB-1") is issue
    assert workspace.state(issue).team_id == workspace.team("MOB").id
    assert workspace.state(issue).name == "In Progress"
    body = last(workspace, installed)
    assert body["data"]["previousIdentifiers"] == ["WEB-1"]
    assert body["updatedFrom"]["teamId"] == workspace.team("WEB").id
    assert body["updatedFrom"]["number"] == 1


def test_no_circle_of_parents(workspace: LinearWorkspace) -> None:
    with pytest.raises(NotAllowedError):
        workspace.set_parent("WEB-1", "WEB-2")
    with pytest.raises(NotAllowedError):
        workspace.set_parent("WEB-1", "WEB-1")
    workspace.set_parent("WEB-1", "MOB-1")


# ---- labels


def test_labels_of_a_group_take_each_others_place(workspace: LinearWorkspace, installed: Listener) -> None:
    group = workspace.create_label("OKR", is_group=True)
    one, two = (workspace.create_label(name, group=group) for name in ("Activate", "Retain"))
    workspace.add_label("WEB-1", one)
    workspace.add_label("WEB-1", two)
    body = last(workspace, installed)
    feature = workspace.label("Feature").id
    assert body["updatedFrom"]["labelIds"] == [feature, one.id]
    assert body["data"]["labelIds"] == [feature, two.id]
    assert body["data"]["labels"][1] == {
        "id": two.id,
        "name": "Retain",
        "color": two.color,
        "parentId": group.id,
    }
    workspace.remove_label("WEB-1", two)
    assert last(workspace, installed)["data"]["labelIds"] == [feature]


def test_what_labels_do_not_allow(workspace: LinearWorkspace) -> None:
    group = workspace.create_label("OKR", is_group=True)
    label = workspace.create_label("Activate", group=group)
    with pytest.raises(NotAllowedError, match="label group"):
        workspace.add_label("WEB-1", group)
    with pytest.raises(NotAllowedError, match="exists"):
        workspace.create_label("activate", group=group)
    with pytest.raises(NotAllowedError, match="in another"):
        workspace.create_label("Inner", group=group, is_group=True)
    with pytest.raises(NotAllowedError, match="no label group"):
        workspace.create_label("Below", group=label)
    workspace.create_label("Activate")
    workspace.retire_label(label)
    with pytest.raises(NotAllowedError, match="retired"):
        workspace.add_label("WEB-1", label)
    workspace.restore_label(label)
    workspace.add_label("WEB-1", label)
    local = workspace.create_label("Web only", team="WEB")
    with pytest.raises(NotAllowedError, match="another team"):
        workspace.add_label("MOB-1", local)


def test_a_deleted_group_leaves_plain_labels_and_a_deleted_label_leaves_issues_silently(
    workspace: LinearWorkspace, installed: Listener
) -> None:
    group = workspace.create_label("OKR", is_group=True)
    label = workspace.create_label("Activate", group=group)
    workspace.add_label("WEB-1", label)
    before = workspace.issue("WEB-1").updated_at
    workspace.webhooks.flush()
    installed.received.clear()
    workspace.delete_label(group)
    workspace.delete_label(label)
    workspace.webhooks.flush()
    assert label.parent_id is None
    assert label.id not in workspace.issue("WEB-1").label_ids
    assert workspace.issue("WEB-1").updated_at > before
    assert [(one["type"], one["action"]) for one in (r.body for r in installed.received)] == [
        ("IssueLabel", "update"),
        ("IssueLabel", "remove"),
        ("IssueLabel", "remove"),
    ]


# ---- attachments


def test_the_same_address_on_an_issue_is_one_attachment(workspace: LinearWorkspace, installed: Listener) -> None:
    one = workspace.create_attachment("WEB-1", "https://a.example/", "A", subtitle="1 %")
    same = workspace.create_attachment(
        "WEB-1", "https://a.example/", "A", subtitle="2 %", id="8a4c109b-3288-4bef-8a80-8c1618e0f4ad"
    )
    assert same is one
    assert one.subtitle == "2 %"
    body = last(workspace, installed)
    assert (body["type"], body["action"], body["updatedFrom"]["subtitle"]) == ("Attachment", "update", "1 %")
    assert workspace.create_attachment("WEB-2", "https://a.example/", "A").id != one.id
    workspace.delete_attachment(one)
    assert last(workspace, installed)["action"] == "remove"


def test_a_chosen_id_must_be_a_free_uuid(workspace: LinearWorkspace) -> None:
    chosen = "8a4c109b-3288-4bef-8a80-8c1618e0f4ad"
    assert workspace.create_attachment("WEB-1", "https://a.example/", "A", id=chosen).id == chosen
    with pytest.raises(NotAllowedError, match="exists"):
        workspace.create_attachment("WEB-2", "https://b.example/", "A", id=chosen)
    with pytest.raises(NotAllowedError, match="UUID"):
        workspace.create_attachment("WEB-2", "https://b.example/", "A", id="one")


# ---- cycles, people, rights


def test_a_completed_cycle_hands_open_work_on(workspace: LinearWorkspace, installed: Listener) -> None:
    web = workspace.team("WEB")
    running = workspace.active_cycle(web)
    assert running is not None
    workspace.complete_cycle(running)
    later = workspace.active_cycle(web)
    assert later is not None
    assert later.number == running.number + 1
    assert workspace.issue("WEB-1").cycle_id == later.id
    assert workspace.issue("WEB-2").cycle_id == running.id
    assert workspace.issue("WEB-1").id in running.uncompleted_ids
    workspace.webhooks.flush()
    assert [one["action"] for one in installed.bodies("Cycle")] == ["update", "update"]
    assert {one["updatedFrom"]["cycleId"] for one in installed.bodies()} == {running.id}


def test_private_teams_are_for_those_who_were_let_in(workspace: LinearWorkspace, installed: Listener) -> None:
    app = workspace.oauth.app_user
    secret = workspace.issue("SEC-1")
    assert app is not None
    assert not workspace.sees(app, secret)
    assert not workspace.sees(workspace.user(ENGINEER), secret)
    assert workspace.sees(workspace.user(SECOND_ENGINEER), secret)
    assert not workspace.sees(workspace.user(GUEST), workspace.issue("MOB-1"))
    workspace.edit(secret, title="Unheard")
    workspace.let_app_in("SEC")
    workspace.edit(secret, title="Heard")
    workspace.webhooks.flush()
    change, heard = (one.body for one in installed.received)
    assert (change["type"], change["action"]) == ("PermissionChange", "teamAccessChanged")
    assert change["addedTeamIds"] == [workspace.team("SEC").id]
    assert heard["data"]["title"] == "Heard"
    workspace.shut_app_out("WEB")
    assert last(workspace, installed)["canAccessAllPublicTeams"] is False
    assert not workspace.sees(app, workspace.issue("WEB-1"))
    assert workspace.sees(app, workspace.issue("MOB-1"))


def test_new_and_renamed_states_are_told_to_nobody(workspace: LinearWorkspace, installed: Listener) -> None:
    state = workspace.add_state("WEB", "Shipped", "completed")
    workspace.rename_state(state, "Live")
    workspace.webhooks.flush()
    assert not installed.received
    workspace.transition("WEB-1", "Live")
    assert last(workspace, installed)["data"]["state"]["name"] == "Live"


def test_two_changes_can_share_one_time_stamp(workspace: LinearWorkspace) -> None:
    issue = workspace.edit("WEB-1", title="One")
    workspace.freeze_updated = True
    first = workspace.edit(issue, title="Two").updated_at
    assert workspace.edit(issue, title="Three").updated_at == first
    workspace.freeze_updated = False
    assert workspace.edit(issue, title="Four").updated_at > first


def test_two_workspaces_of_one_name_are_alike(workspace: LinearWorkspace) -> None:
    other = LinearWorkspace()
    assert list(other.issues) == list(workspace.issues)
    assert other.organization_id == workspace.organization_id
    assert LinearWorkspace("Other").organization_id != workspace.organization_id
    assert not LinearWorkspace(seed=False).issues


def test_seeded_work_lies_in_the_past(workspace: LinearWorkspace) -> None:
    assert all(one.updated_at < workspace.now() for one in workspace.issues.values())
    assert {workspace.state(one).type for one in workspace.issues.values()} >= {
        "triage",
        "backlog",
        "unstarted",
        "started",
        "completed",
        "canceled",
    }
