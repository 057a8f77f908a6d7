"""The stand-in's API: what can be asked and changed, what is refused, and how bad days look."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.web.sandbox.linear.conftest import Api, Listener
from web.sandbox.linear import LinearWorkspace
from web.sandbox.linear.seeding import ENGINEER, FORMER

ISSUE = "query Issue($id: String!) { issue(id: $id) { id identifier title estimate updatedAt state { type } } }"
MINE = {"assignee": {"id": {"eq": ENGINEER}}}
ISSUES = """query Issues($filter: IssueFilter, $first: Int, $after: String, $archived: Boolean) {
  issues(filter: $filter, first: $first, after: $after, includeArchived: $archived, orderBy: updatedAt) {
    nodes { id identifier }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""
ATTACH = """mutation Attach($input: AttachmentCreateInput!) {
  attachmentCreate(input: $input) { success attachment { id title subtitle metadata source issue { identifier } } }
}"""


def keys(api: Api, **variables: Any) -> list[str]:
    return [one["identifier"] for one in api.data(ISSUES, **variables)["issues"]["nodes"]]


def test_an_issue_is_found_by_id_and_by_either_name(api: Api, workspace: LinearWorkspace) -> None:
    issue = workspace.move_team("WEB-1", "MOB")
    for name in (issue.id, "MOB-6", "WEB-1", "mob-6"):
        found = api.data(ISSUE, id=name)["issue"]
        assert (found["id"], found["identifier"]) == (issue.id, "MOB-6")
    assert found["estimate"] == 8
    assert found["state"] == {"type": "started"}
    assert found["updatedAt"].endswith("Z")


def test_every_field_of_every_type_can_be_read(api: Api, workspace: LinearWorkspace) -> None:
    group = workspace.create_label("OKR", is_group=True)
    workspace.add_label("WEB-2", workspace.create_label("Activate", group=group))
    workspace.create_attachment("WEB-2", "https://a.example/", "A")
    workspace.relate("WEB-3", "blocks", "WEB-2")
    workspace.relate("WEB-2", "related", "WEB-5")
    workspace.add_external_link(workspace.issue("WEB-2").cycle_id or "", "https://ladder.example/", "Goals")
    workspace.create_view("Mine", {"number": {"gt": 2}})
    workspace.limits.query_complexity = 60_000
    found = api.data("""{
      organization { id name urlKey createdAt updatedAt userCount teams { nodes { key } } }
      viewer { id name displayName email active admin guest app isMe initials title url createdAt updatedAt archivedAt
        organization { name } teams { nodes { key } } }
      users(first: 2) { edges { cursor node { id } } pageInfo { startCursor hasPreviousPage } }
      teams { nodes { id key name displayName private visibility createdAt updatedAt archivedAt
        activeCycle { number } organization { name } states { nodes { name } } issues(first: 1) { nodes { number } } } }
      workflowStates { nodes { id name type color position createdAt updatedAt archivedAt team { key } } }
      cycles { nodes { id number name startsAt endsAt completedAt createdAt updatedAt archivedAt isActive isFuture
        isPast progress team { key } issues(first: 1) { nodes { title } }
        links { nodes { id label url sortOrder createdAt updatedAt archivedAt creator { name } } } } }
      customViews { nodes { id name description icon color slugId modelName shared filterData createdAt updatedAt
        archivedAt creator { name } owner { name } team { key } issues(first: 1) { nodes { identifier } } } }
      projects { nodes { id name description slugId color url targetDate createdAt updatedAt archivedAt lead { name }
        issues(first: 1) { nodes { title } } } }
      issueLabels { nodes { id name color description isGroup groupType parent { name } team { key } creator { name }
        retiredAt createdAt updatedAt archivedAt children { nodes { name } } } }
      issue(id: "WEB-2") { id identifier number title description url estimate priority priorityLabel sortOrder trashed
        labelIds previousIdentifiers createdAt updatedAt archivedAt startedAt completedAt canceledAt
        state { name } team { key } parent { identifier } project { name } cycle { number } assignee { name }
        creator { name } relations { nodes { id type createdAt updatedAt archivedAt issue { key: identifier }
          relatedIssue { identifier } } } inverseRelations { nodes { type issue { identifier } } }
        children { nodes { identifier } } labels { nodes { name } }
        attachments { nodes { id title subtitle url metadata source sourceType groupBySource createdAt updatedAt
          archivedAt creator { name } issue { identifier } } } }
      searchIssues(term: "invite") { totalCount nodes { identifier metadata title state { name } parent { title } } }
    }""")
    assert found["issue"]["parent"] == {"identifier": "WEB-1"}
    assert found["issue"]["completedAt"] is not None
    assert found["issue"]["relations"]["nodes"][0]["relatedIssue"] == {"identifier": "WEB-5"}
    assert found["issue"]["inverseRelations"]["nodes"] == [{"type": "blocks", "issue": {"identifier": "WEB-3"}}]
    assert found["customViews"]["nodes"][0]["filterData"] == {"number": {"gt": 2}}
    assert [link["label"] for one in found["cycles"]["nodes"] for link in one["links"]["nodes"]] == ["Goals"]
    assert [one["name"] for one in found["issue"]["labels"]["nodes"]] == ["Activate", "Feature"]
    assert found["searchIssues"]["totalCount"] == 3
    assert {one["isActive"] for one in found["cycles"]["nodes"]} == {True, False}
    assert found["viewer"]["isMe"] is True
    assert [one["key"] for one in found["teams"]["nodes"]] == ["MOB", "WEB"]


def test_pages_hold_fifty_and_lead_to_the_end(api: Api, workspace: LinearWorkspace) -> None:
    for number in range(110):
        workspace.create_issue(f"Issue {number}")
    seen: list[str] = []
    sizes, after, more = [], None, True
    while more:
        found = api.data(ISSUES, after=after)["issues"]
        seen += [one["id"] for one in found["nodes"]]
        sizes.append(len(found["nodes"]))
        more, after = found["pageInfo"]["hasNextPage"], found["pageInfo"]["endCursor"]
    visible = {one.id for one in workspace.issues.values() if not one.identifier.startswith("SEC")}
    assert sizes == [50, 50, len(visible) - 100]
    assert len(seen) == len(set(seen))
    assert set(seen) == visible
    assert len(keys(api, first=250)) == len(visible)
    assert api.code(ISSUES, first=251) == (200, "INVALID_INPUT")
    assert api.code(ISSUES, after="nonsense!") == (200, "INVALID_INPUT")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"id": {"in": ["WEB-1", "WEB-2"]}}, {"WEB-1", "WEB-2"}),
        ({"parent": {"id": {"in": ["WEB-1"]}}}, {"WEB-2", "WEB-3", "WEB-4"}),
        ({"state": {"type": {"in": ["completed"]}}, "team": {"key": {"eq": "WEB"}}}, {"WEB-2", "WEB-7"}),
        ({"labels": {"name": {"eq": "Design"}}}, {"WEB-5", "WEB-13"}),
        ({"labels": {"some": {"name": {"eqIgnoreCase": "design"}}}}, {"WEB-5", "WEB-13"}),
        ({"estimate": {"gte": 8}}, {"WEB-1", "WEB-10", "MOB-5"}),
        ({"estimate": {"null": True}}, {"WEB-12"}),
        ({**MINE, "cycle": {"isActive": {"eq": True}}, "estimate": {"lt": 3}}, {"WEB-7", "MOB-4"}),
        ({"assignee": {"null": True}, "cycle": {"null": True}}, {"WEB-12", "WEB-13", "MOB-5"}),
        ({"or": [{"title": {"containsIgnoreCase": "PASSKEY"}}, {"number": {"eq": 10}}]}, {"WEB-10", "MOB-1", "MOB-2"}),
        ({"and": [{"parent": {"null": False}}, {"completedAt": {"null": False}}]}, {"WEB-2"}),
        ({"updatedAt": {"gt": "P1D"}}, set()),
        ({"updatedAt": {"lt": "2020-01-01"}}, set()),
        ({"number": {"in": [13]}}, {"WEB-13"}),
    ],
)  # fmt: skip
def test_filters_choose(api: Api, wanted: dict[str, Any], found: set[str]) -> None:
    assert set(keys(api, filter=wanted)) == found


def test_the_watermark_includes_its_own_moment(api: Api, workspace: LinearWorkspace) -> None:
    issue = workspace.edit("WEB-1", title="New")
    moment = api.data(ISSUE, id=issue.id)["issue"]["updatedAt"]
    assert keys(api, filter={"updatedAt": {"gte": moment}}) == ["WEB-1"]
    assert keys(api, filter={"updatedAt": {"gt": moment}}) == []


def test_archived_and_trashed_issues_come_only_when_asked_for(api: Api, workspace: LinearWorkspace) -> None:
    workspace.archive("WEB-1")
    workspace.trash("WEB-5")
    workspace.delete("WEB-6")
    assert not {"WEB-1", "WEB-5"} & set(keys(api))
    assert {"WEB-1", "WEB-5"} <= set(keys(api, archived=True))
    assert "WEB-6" not in keys(api, archived=True)
    trashed = api.data("query($id: String!) { issue(id: $id) { trashed archivedAt } }", id="WEB-5")["issue"]
    assert trashed["trashed"] is True


def test_private_teams_hidden_issues_and_nothing_all_look_the_same(api: Api, workspace: LinearWorkspace) -> None:
    workspace.faults.hide(workspace.issue("WEB-2").id)
    for name in ("SEC-1", "WEB-2", "WEB-99", "8a4c109b-3288-4bef-8a80-8c1618e0f4ad"):
        answer = api(ISSUE, id=name)
        assert answer.status_code == 200
        [error] = answer.json()["errors"]
        assert error["message"] == "Entity not found: Issue"
        assert error["extensions"]["code"] == "ENTITY_NOT_FOUND"
        assert answer.json()["data"] is None
    workspace.not_found_code = "INPUT_ERROR"
    assert api.code(ISSUE, id="SEC-1") == (200, "INPUT_ERROR")
    assert not [one for one in keys(api) if one.startswith("SEC")]
    workspace.let_app_in("SEC")
    assert "SEC-1" in keys(api)


# ---- changes


def test_the_application_changes_issues_in_its_own_name(
    api: Api, workspace: LinearWorkspace, registered: Listener
) -> None:
    issue = workspace.issue("WEB-1")
    done = workspace.state_of(workspace.team("WEB"), "Done")
    api.data(
        "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }",
        id=issue.id,
        input={"stateId": done.id, "estimate": 5, "parentId": "MOB-1", "assigneeId": None, "title": "Other"},
    )
    assert (issue.state_id, issue.estimate, issue.assignee_id, issue.title) == (done.id, 5.0, None, "Other")
    made = api.data(
        "mutation($input: IssueCreateInput!) { issueCreate(input: $input) { issue { identifier state { type } } } }",
        input={"teamId": "WEB", "title": "Made", "id": "8a4c109b-3288-4bef-8a80-8c1618e0f4ad"},
    )
    assert made["issueCreate"]["issue"] == {"identifier": "WEB-14", "state": {"type": "backlog"}}
    api.data('mutation { issueDelete(id: "WEB-14") { success entity { trashed } } }')
    api.data('mutation { issueUnarchive(id: "WEB-14") { entity { trashed } } }')
    api.data('mutation { issueArchive(id: "WEB-14") { entity { archivedAt } } }')
    workspace.webhooks.flush()
    app = workspace.oauth.app_user
    assert app is not None
    assert {body["actor"]["id"] for body in registered.bodies()} == {app.id}
    assert [body["action"] for body in registered.bodies()][-4:] == ["create", "remove", "update", "update"]


def test_attachments_are_one_per_address(api: Api, workspace: LinearWorkspace) -> None:
    wanted = {
        "issueId": "WEB-1",
        "url": "https://ladder.example/kr/1",
        "title": "KR Activate",
        "subtitle": "1 %",
        "iconUrl": "https://ladder.example/icon.png",
        "metadata": {"attributes": [{"name": "driver", "value": "Mira"}]},
        "id": "8a4c109b-3288-4bef-8a80-8c1618e0f4ad",
    }
    first = api.data(ATTACH, input=wanted)["attachmentCreate"]["attachment"]
    assert first["id"] == wanted["id"]
    assert first["metadata"] == wanted["metadata"]
    assert first["source"] == {"type": "api", "imageUrl": wanted["iconUrl"]}
    again = {**wanted, "subtitle": "2 %", "id": "9a4c109b-3288-4bef-8a80-8c1618e0f4ad"}
    second = api.data(ATTACH, input=again)["attachmentCreate"]["attachment"]
    assert (second["id"], second["subtitle"]) == (first["id"], "2 %")
    update = """mutation($id: String!, $input: AttachmentUpdateInput!) {
      attachmentUpdate(id: $id, input: $input) { success }
    }"""
    api.data(update, id=first["id"], input={"title": "KR Activate", "subtitle": "3 %"})
    assert workspace.attachment(first["id"]).metadata == wanted["metadata"]
    assert api.code(update, id=first["id"], input={"subtitle": "4 %"}) == (400, "BAD_USER_INPUT")
    assert workspace.attachment(first["id"]).subtitle == "3 %"
    by_url = "query($url: String!) { attachmentsForURL(url: $url) { nodes { subtitle issue { identifier } } } }"
    found = api.data(by_url, url=wanted["url"])["attachmentsForURL"]["nodes"]
    assert found == [{"subtitle": "3 %", "issue": {"identifier": "WEB-1"}}]
    delete = "mutation($id: String!) { attachmentDelete(id: $id) { success entityId } }"
    assert api.data(delete, id=first["id"])["attachmentDelete"]["entityId"] == first["id"]
    assert api.code(delete, id=first["id"]) == (200, "ENTITY_NOT_FOUND")
    assert api.code(ATTACH, input={**wanted, "id": "no uuid"}) == (200, "INPUT_ERROR")
    assert api.code(ATTACH, input={**wanted, "issueId": "SEC-1"}) == (200, "ENTITY_NOT_FOUND")


def test_a_label_group_of_key_results(api: Api, workspace: LinearWorkspace) -> None:
    create = (
        "mutation($input: IssueLabelCreateInput!) { issueLabelCreate(input: $input) { issueLabel { id isGroup } } }"
    )
    group = api.data(create, input={"name": "OKR", "isGroup": True})["issueLabelCreate"]["issueLabel"]
    assert group["isGroup"] is True
    one, two = (
        api.data(create, input={"name": name, "parentId": group["id"]})["issueLabelCreate"]["issueLabel"]["id"]
        for name in ("Activate", "Retain")
    )
    assert api.code(create, input={"name": "activate", "parentId": group["id"]}) == (200, "INPUT_ERROR")
    add = "mutation($id: String!, $label: String!) { issueAddLabel(id: $id, labelId: $label) { issue { labelIds } } }"
    assert one in api.data(add, id="WEB-1", label=one)["issueAddLabel"]["issue"]["labelIds"]
    assert api.code(add, id="WEB-1", label=two) == (200, "INPUT_ERROR")
    assert api.code(add, id="WEB-1", label=group["id"]) == (200, "INPUT_ERROR")
    remove = "mutation($id: String!, $label: String!) { issueRemoveLabel(id: $id, labelId: $label) { success } }"
    api.data(remove, id="WEB-1", label=one)
    api.data(add, id="WEB-1", label=two)
    update = """mutation($id: String!, $input: IssueLabelUpdateInput!) {
      issueLabelUpdate(id: $id, input: $input) { success }
    }"""
    api.data(update, id=two, input={"name": "Keep"})
    api.data("mutation($id: String!) { issueLabelRetire(id: $id) { success } }", id=one)
    assert api.code(add, id="WEB-5", label=one) == (200, "INPUT_ERROR")
    listed = """query($filter: IssueLabelFilter) {
      issueLabels(filter: $filter) { nodes { name retiredAt parent { id } } }
    }"""
    found = api.data(listed, filter={"parent": {"id": {"eq": group["id"]}}})["issueLabels"]["nodes"]
    assert {item["name"]: item["retiredAt"] is None for item in found} == {"Activate": False, "Keep": True}
    api.data("mutation($id: String!) { issueLabelRestore(id: $id) { success } }", id=one)
    api.data("mutation($id: String!) { issueLabelDelete(id: $id) { success } }", id=two)
    assert two not in workspace.issue("WEB-1").label_ids


def test_somebody_who_only_reads_may_not_write(api: Api, workspace: LinearWorkspace) -> None:
    api.token = workspace.oauth.install(scopes=("read",))["access_token"]
    api.data(ISSUE, id="WEB-1")
    add = 'mutation { issueArchive(id: "WEB-1") { success } }'
    assert api.code(add) == (200, "FORBIDDEN")
    assert workspace.issue("WEB-1").archived_at is None


def test_people_can_be_read_former_ones_too(api: Api) -> None:
    user = "query($id: String!) { user(id: $id) { name active } }"
    assert api.data(user, id=FORMER)["user"] == {"name": "Lena Fischer", "active": False}
    assert api.data(user, id="me")["user"]["name"] == "Ladder"
    assert api.code(user, id="nobody") == (200, "ENTITY_NOT_FOUND")


# ---- refusals and bad days


def test_a_request_without_a_good_token_is_refused(api: Api) -> None:
    for token in ("", "lin_oauth_guessed"):
        api.token = token
        assert api.code(ISSUE, id="WEB-1") == (401, "AUTHENTICATION_ERROR")


def test_invalid_questions_are_refused_before_anything_happens(api: Api, workspace: LinearWorkspace) -> None:
    assert api.code('{ issue(id: "WEB-1") { colour } }') == (400, "GRAPHQL_VALIDATION_FAILED")
    assert api.code("{ issue(") == (400, "GRAPHQL_PARSE_FAILED")
    assert api.code("mutation { launch }") == (400, "GRAPHQL_VALIDATION_FAILED")
    answer = requests.post(api.server.api_url, data="nonsense", timeout=5)
    assert answer.status_code == 400
    assert [call.code for call in workspace.calls] == [
        "GRAPHQL_VALIDATION_FAILED",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
    ]


def test_wrong_variables_are_refused_before_anything_is_run(api: Api) -> None:
    assert api.code(ISSUE, id=None) == (400, "BAD_USER_INPUT")
    assert api.code(ISSUES, first="many") == (400, "BAD_USER_INPUT")
    assert api.code(ISSUES, filter={"updatedAt": {"gte": "yesterday"}}) == (400, "BAD_USER_INPUT")
    assert api.code(ISSUES, filter={"colour": {"eq": "red"}}) == (400, "BAD_USER_INPUT")


def test_budgets_are_counted_told_and_enforced(api: Api, workspace: LinearWorkspace) -> None:
    workspace.clock.freeze()
    workspace.limits.requests = 2
    first = api(ISSUE, id="WEB-1")
    assert first.headers["X-RateLimit-Requests-Remaining"] == "1"
    assert first.headers["X-Complexity"] == "3"
    api(ISSUE, id="WEB-1")
    answer = api(ISSUE, id="WEB-1")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "RATELIMITED")
    reset = int(answer.headers["X-RateLimit-Requests-Reset"]) / 1000
    assert reset == pytest.approx(workspace.now().timestamp() + 3600, abs=1)
    workspace.clock.advance(hours=1)
    assert api(ISSUE, id="WEB-1").status_code == 200
    workspace.limits.requests, workspace.limits.complexity = 5000, 10
    assert api.code(ISSUES) == (400, "RATELIMITED")


def test_a_query_may_cost_ten_thousand_points(api: Api) -> None:
    nested = """{ issues(first: 100) { nodes { children(first: 100) { nodes { id title } } } } }"""
    answer = api(nested)
    assert answer.status_code == 400
    assert int(answer.headers["X-Complexity"]) > 10_000
    assert "too complex" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("play", "status", "code"),
    [
        (lambda faults: faults.unavailable(1), 503, "INTERNAL_SERVER_ERROR"),
        (lambda faults: faults.rate_limit(1), 400, "RATELIMITED"),
        (lambda faults: faults.rate_limit(1, status=429), 429, "RATELIMITED"),
        (lambda faults: faults.reject_tokens(1), 401, "AUTHENTICATION_ERROR"),
        (lambda faults: faults.reject_tokens(1, status=400), 400, "AUTHENTICATION_ERROR"),
        (lambda faults: faults.reject_tokens(1, status=200), 200, "AUTHENTICATION_ERROR"),
        (lambda faults: faults.lock_timeout(), 200, "LOCK_TIMEOUT"),
        (lambda faults: faults.errors_with_data(1), 200, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_a_bad_day_ends_after_as_many_answers_as_told(
    api: Api, workspace: LinearWorkspace, play: Any, status: int, code: str
) -> None:
    play(workspace.faults)
    assert workspace.faults.active is not None
    assert api.code(ISSUE, id="WEB-1") == (status, code)
    assert api(ISSUE, id="WEB-1").json()["data"]["issue"]["identifier"] == "WEB-1"
    assert workspace.faults.active is None


def test_a_rate_limit_that_is_played_names_its_end(api: Api, workspace: LinearWorkspace) -> None:
    workspace.clock.freeze()
    workspace.faults.rate_limit(seconds=20)
    answer = api(ISSUE, id="WEB-1")
    for budget in ("Requests", "Complexity"):
        assert answer.headers[f"X-RateLimit-{budget}-Remaining"] == "0"
        reset = int(answer.headers[f"X-RateLimit-{budget}-Reset"])
        assert reset == int((workspace.now().timestamp() + 20) * 1000)


def test_data_beside_an_error_lack_something(api: Api, workspace: LinearWorkspace) -> None:
    whole = len(keys(api))
    workspace.faults.errors_with_data(only="Issues")
    assert api(ISSUE, "Issue", id="WEB-1").json().get("errors") is None
    answer = api(ISSUES, "Issues").json()
    assert answer["errors"]
    assert len(answer["data"]["issues"]["nodes"]) == whole - 1


def test_html_a_closed_connection_and_slowness(api: Api, workspace: LinearWorkspace) -> None:
    workspace.faults.html(1)
    answer = api(ISSUE, id="WEB-1")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert "<html" in answer.text
    workspace.faults.down(1)
    with pytest.raises(requests.ConnectionError):
        api(ISSUE, id="WEB-1")
    workspace.faults.slow(0.2)
    assert api(ISSUE, id="WEB-1").elapsed.total_seconds() >= 0.2
    workspace.faults.clear()
    assert [call.status for call in workspace.calls] == [200, 0, 200]


def test_a_field_that_is_gone_breaks_those_who_ask_for_it(api: Api, workspace: LinearWorkspace) -> None:
    workspace.faults.drop_field("Issue.estimate")
    assert api.code(ISSUE, id="WEB-1") == (400, "GRAPHQL_VALIDATION_FAILED")
    assert keys(api)
    workspace.faults.clear()
    assert api.data(ISSUE, id="WEB-1")


def test_calls_are_kept_for_tests(api: Api, workspace: LinearWorkspace) -> None:
    api(ISSUE, id="WEB-1")
    [call] = workspace.calls
    assert (call.operation, call.variables, call.status, call.code) == ("Issue", {"id": "WEB-1"}, 200, None)


# ---- many at once, relations, links on cycles, views


def problem(api: Api, query: str, **variables: Any) -> str:
    """What an answer that must be an error says."""
    return str(api(query, **variables).json()["errors"][0]["message"])


BATCH = """mutation Batch($ids: [UUID!]!, $input: IssueUpdateInput!) {
  issueBatchUpdate(ids: $ids, input: $input) { success issues { identifier labelIds cycle { number } } }
}"""


def test_many_issues_are_changed_at_once_or_not_at_all(api: Api, workspace: LinearWorkspace) -> None:
    one, other = workspace.issue("WEB-12"), workspace.issue("WEB-13")
    bug, design = workspace.label("Bug").id, workspace.label("Design").id
    found = api.data(BATCH, ids=[one.id, other.id], input={"addedLabelIds": [bug], "removedLabelIds": [design]})
    assert [issue["labelIds"] for issue in found["issueBatchUpdate"]["issues"]] == [[bug], [bug]]
    cycle = workspace.active_cycle(workspace.team("MOB"))
    assert cycle is not None
    assert "another team" in problem(api, BATCH, ids=[one.id, workspace.issue("MOB-5").id], input={"cycleId": cycle.id})
    assert workspace.issue("MOB-5").cycle_id is None
    assert "not found" in problem(api, BATCH, ids=[one.id, workspace.new_id()], input={"cycleId": None})
    assert "1 to 50" in problem(api, BATCH, ids=[one.id] * 51, input={"cycleId": None})
    assert "1 to 50" in problem(api, BATCH, ids=[], input={"cycleId": None})


def test_what_blocks_an_issue_is_read_from_its_side(api: Api, workspace: LinearWorkspace) -> None:
    make = """mutation Relate($input: IssueRelationCreateInput!) {
      issueRelationCreate(input: $input) { success issueRelation { id type issue { identifier } } }
    }"""
    one, other = workspace.issue("WEB-1"), workspace.issue("WEB-3")
    said = {"type": "blocks", "issueId": one.id, "relatedIssueId": other.id}
    made = api.data(make, input=said)["issueRelationCreate"]["issueRelation"]
    assert api.data(make, input=said)["issueRelationCreate"]["issueRelation"]["id"] == made["id"]
    read = """query Read($id: String!) { issue(id: $id) {
      relations { nodes { type relatedIssue { identifier } } }
      inverseRelations { nodes { type issue { identifier } } }
    } }"""
    assert api.data(read, id="WEB-3")["issue"] == {
        "relations": {"nodes": []},
        "inverseRelations": {"nodes": [{"type": "blocks", "issue": {"identifier": "WEB-1"}}]},
    }
    assert api.data(read, id="WEB-1")["issue"]["relations"]["nodes"] == [
        {"type": "blocks", "relatedIssue": {"identifier": "WEB-3"}}
    ]
    gone = "mutation Gone($id: String!) { issueRelationDelete(id: $id) { success } }"
    assert api.data(gone, id=made["id"])["issueRelationDelete"] == {"success": True}
    assert "not found" in problem(api, gone, id=made["id"])


def test_a_cycle_carries_links(api: Api, workspace: LinearWorkspace) -> None:
    cycle = workspace.active_cycle(workspace.team("WEB"))
    assert cycle is not None
    make = """mutation Put($input: EntityExternalLinkCreateInput!) {
      entityExternalLinkCreate(input: $input) { entityExternalLink { id label url creator { app } } }
    }"""
    made = api.data(make, input={"cycleId": cycle.id, "url": "https://ladder.example/", "label": "Goals"})
    link = made["entityExternalLinkCreate"]["entityExternalLink"]
    assert link["creator"] == {"app": True}
    edit = """mutation Edit($id: String!, $input: EntityExternalLinkUpdateInput!) {
      entityExternalLinkUpdate(id: $id, input: $input) { success }
    }"""
    api.data(edit, id=link["id"], input={"label": "Plan"})
    read = "query Read($id: String!) { cycle(id: $id) { links { nodes { label url } } } }"
    assert api.data(read, id=cycle.id)["cycle"]["links"]["nodes"] == [
        {"label": "Plan", "url": "https://ladder.example/"}
    ]
    assert "absolute address" in problem(api, edit, id=link["id"], input={"url": "ladder"})
    assert "Exactly one" in problem(api, make, input={"url": "https://ladder.example/", "label": "Goals"})
    gone = "mutation Gone($id: String!) { entityExternalLinkDelete(id: $id) { entityId } }"
    assert api.data(gone, id=link["id"])["entityExternalLinkDelete"] == {"entityId": link["id"]}
    assert "not found" in problem(api, edit, id=link["id"], input={"label": "Plan"})


def test_a_view_keeps_its_filter_as_it_was_written(api: Api, workspace: LinearWorkspace) -> None:
    make = """mutation Make($input: CustomViewCreateInput!) {
      customViewCreate(input: $input) {
        customView { id slugId modelName shared filterData issues { nodes { identifier } } }
      }
    }"""
    wanted = {"cycle": {"isActive": {"eq": True}}, "labels": {"every": {"name": {"nin": ["Feature", "Bug", "Design"]}}}}
    said = {"name": "Plain", "shared": True, "filterData": wanted}
    view = api.data(make, input=said)["customViewCreate"]["customView"]
    assert view["filterData"] == wanted
    assert {one["identifier"] for one in view["issues"]["nodes"]} == {"WEB-4", "MOB-2"}
    since = {"createdAt": {"gt": "2026-01-05T00:00:00.000Z"}}
    edit = """mutation Edit($id: String!, $input: CustomViewUpdateInput!) {
      customViewUpdate(id: $id, input: $input) { customView { name filterData } }
    }"""
    found = api.data(edit, id=view["id"], input={"name": "New", "filterData": since})["customViewUpdate"]["customView"]
    assert found == {"name": "New", "filterData": since}
    listed = "query List($filter: CustomViewFilter) { customViews(filter: $filter) { nodes { name } } }"
    workspace.create_view("Theirs", {"number": {"eq": 1}}, shared=False)
    assert api.data(listed, filter=None)["customViews"]["nodes"] == [{"name": "New"}]
    assert api.data(listed, filter={"name": {"eq": "Plain"}})["customViews"]["nodes"] == []
    gone = "mutation Gone($id: String!) { customViewDelete(id: $id) { success } }"
    api.data(gone, id=view["id"])
    assert "not found" in problem(api, edit, id=view["id"], input={"name": "New"})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"project": {"name": {"eq": "Mobile sign-in"}}}, {"MOB-1", "MOB-2"}),
        ({"project": {"null": True}, "team": {"key": {"eq": "SEC"}}}, {"SEC-1", "SEC-2"}),
        ({"cycle": {"isNext": {"eq": True}}}, {"WEB-9", "WEB-10", "WEB-11"}),
        ({"labels": {"length": {"eq": 0}}, "cycle": {"isActive": {"eq": True}}}, {"WEB-4", "MOB-2"}),
        ({"labels": {"or": [{"name": {"eq": "Design"}}]}}, {"WEB-5", "WEB-13"}),
    ],
)
def test_filters_reach_into_projects_cycles_and_labels(
    api: Api, workspace: LinearWorkspace, wanted: Any, found: set[str]
) -> None:
    workspace.let_app_in("SEC")
    assert set(keys(api, filter=wanted, first=50)) == found


def test_open_cycles_of_a_team_are_listed(api: Api, workspace: LinearWorkspace) -> None:
    listed = "query List($filter: CycleFilter) { cycles(filter: $filter) { nodes { number team { key } } } }"
    wanted = {"isPast": {"eq": False}, "team": {"key": {"eq": "WEB"}}}
    nodes = api.data(listed, filter=wanted)["cycles"]["nodes"]
    assert sorted(one["number"] for one in nodes) == [2, 3]
    named = "query List($filter: ProjectFilter) { projects(filter: $filter) { nodes { name } } }"
    wanted = {"name": {"eqIgnoreCase": "onboarding"}}
    assert api.data(named, filter=wanted)["projects"]["nodes"] == [{"name": "Onboarding"}]
