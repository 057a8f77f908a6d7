"""The REST interface held against the official OpenAPI, and its refusals."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import jsonschema
import pytest
import requests

from tests.web.sandbox.conftest import Rest
from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite, SiteServer, create_site_app
from web.sandbox.records import SavedQuery
from web.sandbox.seeding import ENGINEER, FORMER, LEAD, VIEWER
from web.sandbox.signing import query_string_hash

SSO, WIZARD = 10001, 10003
"""Ids of ATL-1 and ATL-3 on a seeded site."""


def official(openapi: dict[str, Any], method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The description that knows this path, and its operation; braces may hold other names."""
    shape = re.sub(r"\{[^}]*\}", "{}", path)
    for description in openapi.values():
        for known, operations in description["paths"].items():
            if re.sub(r"\{[^}]*\}", "{}", known) == shape and method.lower() in operations:
                return description, operations[method.lower()]
    return None


def tolerant(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON schema."""
    if isinstance(schema, list):
        return [tolerant(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: tolerant(value) for name, value in schema.items() if name != "format"}
    return {"anyOf": [plain, {"type": "null"}]} if plain.pop("nullable", False) is True else plain


@pytest.fixture(scope="session")
def schemas(openapi: dict[str, Any]) -> dict[int, Any]:
    return {id(one): tolerant(one["components"]) for one in openapi.values()}


def test_every_route_is_in_the_openapi_with_the_scope_that_it_demands(site: JiraSite, openapi: dict[str, Any]) -> None:
    app, seen = create_site_app(site), 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/rest/"):
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found = official(openapi, method, re.sub(r"<[^>]*>", "{}", rule.rule))
            assert found is not None, f"{method} {rule.rule} is not in the OpenAPI"
            # The software description leaves the scope out of a few operations.
            demanded = found[1].get("x-atlassian-connect-scope", "READ")
            assert app.view_functions[rule.endpoint].scopes[method] == demanded, rule.rule  # type: ignore[attr-defined]
            seen += 1
    assert seen > 40


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/rest/api/3/issue/{id}", "/rest/api/3/issue/ATL-3"),
        ("/rest/api/3/issue/{id}", "/rest/api/3/issue/PLAT-2?fields=summary,status,parent&properties=ladder"),
        ("/rest/api/3/search/jql", "/rest/api/3/search/jql?jql=project%20%3D%20ATL&fields=*all&maxResults=5"),
        ("/rest/api/3/search/jql", "/rest/api/3/search/jql?jql=project%20%3D%20ATL"),
        ("/rest/api/3/status", "/rest/api/3/status"),
        ("/rest/api/3/statuscategory", "/rest/api/3/statuscategory"),
        ("/rest/api/3/field", "/rest/api/3/field"),
        ("/rest/api/3/resolution", "/rest/api/3/resolution"),
        ("/rest/api/3/issuetype", "/rest/api/3/issuetype"),
        ("/rest/api/3/issueLinkType", "/rest/api/3/issueLinkType"),
        ("/rest/api/3/issue/{id}/properties", "/rest/api/3/issue/ATL-3/properties"),
        ("/rest/api/3/user", f"/rest/api/3/user?accountId={LEAD}"),
        ("/rest/api/3/user/bulk", f"/rest/api/3/user/bulk?accountId={LEAD}&accountId={VIEWER}&accountId=nobody"),
        ("/rest/api/3/project/search", "/rest/api/3/project/search?maxResults=1"),
        ("/rest/api/3/project/{id}", "/rest/api/3/project/PLAT"),
        ("/rest/api/3/myself", "/rest/api/3/myself"),
        ("/rest/api/3/webhook/failed", "/rest/api/3/webhook/failed"),
        ("/rest/agile/1.0/board", "/rest/agile/1.0/board?projectKeyOrId=ATL"),
        ("/rest/agile/1.0/board/{id}", "/rest/agile/1.0/board/2"),
        ("/rest/agile/1.0/board/{id}/configuration", "/rest/agile/1.0/board/1/configuration"),
        ("/rest/agile/1.0/board/{id}/quickfilter", "/rest/agile/1.0/board/1/quickfilter"),
        ("/rest/software/1.0/sprint/{id}/issue", "/rest/software/1.0/sprint/1/issue"),
        ("/rest/software/1.0/board/{id}/sprint/{s}/issue", "/rest/software/1.0/board/1/sprint/1/issue?fields=summary"),
        ("/rest/software/1.0/board/{id}/issue", "/rest/software/1.0/board/1/issue?maxResults=3"),
        ("/rest/software/1.0/board/{id}/backlog", "/rest/software/1.0/board/1/backlog?fields=summary"),
        ("/rest/software/1.0/board/{id}/issue/approximate-count", "/rest/software/1.0/board/1/issue/approximate-count"),
        ("/rest/software/1.0/epic/{id}/issue", "/rest/software/1.0/epic/ATL-1/issue?jql=labels%20%3D%20sso"),
    ],
)
def test_an_answer_has_the_official_shape(
    rest: Rest, site: JiraSite, openapi: dict[str, Any], schemas: dict[int, Any], path: str, url: str
) -> None:
    site.set_property("ATL-3", "ladder", {"a": 1})
    site.boards[1].quick_filters = [SavedQuery("Security", "labels = security")]
    site.webhooks.drop()
    site.edit("ATL-3", summary="Lost")
    body = rest.get(url)
    found = official(openapi, "GET", path)
    assert found is not None
    description, operation = found
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft4Validator({"allOf": [tolerant(schema)], "components": schemas[id(description)]}).validate(body)
    assert body, "an empty answer proves nothing"
    parameters = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert set(re.findall(r"[?&](\w+)=", url)) <= parameters


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rest/api/3/search/jql", {"jql": "project = ATL", "fields": ["summary"], "maxResults": 2}),
        ("/rest/api/3/search/approximate-count", {"jql": "project = ATL"}),
        ("/rest/api/3/issue/bulkfetch", {"issueIdsOrKeys": ["ATL-3", "10001", "99999"], "fields": ["status"]}),
        (
            "/rest/api/3/permissions/check",
            {"accountId": ENGINEER, "projectPermissions": [{"issues": [SSO], "permissions": ["EDIT_ISSUES"]}]},
        ),
    ],
)
def test_a_posted_question_has_the_official_answer(
    rest: Rest, openapi: dict[str, Any], schemas: dict[int, Any], path: str, body: dict[str, Any]
) -> None:
    found = official(openapi, "POST", path.partition("?")[0])
    assert found is not None
    description, operation = found
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    components = schemas[id(description)]
    jsonschema.Draft4Validator({"allOf": [tolerant(schema)], "components": components}).validate(rest.post(path, body))
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft4Validator({"allOf": [tolerant(asked)], "components": components}).validate(body)


def test_sprints_have_the_keys_of_the_official_example(rest: Rest, openapi: dict[str, Any]) -> None:
    found = official(openapi, "GET", "/rest/agile/1.0/sprint/{sprintId}")
    assert found is not None
    example = found[1]["responses"]["200"]["content"]["application/json"]["example"]
    wanted = (json.loads(example) if isinstance(example, str) else example).keys() - {"completeDate"}
    assert wanted <= rest.get("/rest/agile/1.0/sprint/1").keys()
    page = rest.get("/rest/agile/1.0/board/1/sprint?state=active,future")
    assert [one["state"] for one in page["values"]] == ["active", "future"]
    assert rest("GET", "/rest/agile/1.0/board/1/sprint?state=odd").status_code == 400
    assert rest("GET", "/rest/agile/1.0/sprint/99").status_code == 404


def test_server_info_names_the_zone_in_which_dates_are_read(rest: Rest, site: JiraSite) -> None:
    body = rest.get("/rest/api/3/serverInfo")
    assert body["serverTimeZone"] == "America/New_York"
    assert re.search(r"-0[45]00$", body["serverTime"])
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", rest.get("/rest/api/3/issue/ATL-3")["fields"]["updated"]
    )


# -- who may come in


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer something"},
        {"Authorization": "JWT not.a.token"},
        {"Authorization": "Basic bWlyYTpzZWNyZXQ="},
    ],
)
def test_without_a_connect_token_nothing_is_shown(rest: Rest, served: SiteServer, headers: dict[str, str]) -> None:
    for path in ("/rest/api/3/issue/ATL-3", "/rest/agile/1.0/board", "/rest/nowhere"):
        assert requests.get(served.url + path, headers=headers, timeout=5).status_code == 401


def test_a_token_for_another_request_another_app_or_an_old_secret_is_refused(
    rest: Rest, site: JiraSite, served: SiteServer
) -> None:
    path = "/rest/api/3/issue/ATL-3?fields=summary"
    old = site.installation
    assert old is not None

    def status(token: str) -> int:
        return requests.get(served.url + path, headers={"Authorization": f"JWT {token}"}, timeout=5).status_code

    assert status(rest.token("GET", path)) == 200
    assert status(rest.token("GET", "/rest/api/3/issue/ATL-3")) == 401
    assert status(rest.token("PUT", path)) == 401
    assert status(rest.token("GET", path, issuer="another-app")) == 401
    assert status(rest.token("GET", path, issuer=site.client_key)) == 401
    assert status(rest.token("GET", path, qsh="context-qsh")) == 401
    site.reinstall()
    assert status(rest.token("GET", path, secret=old.shared_secret)) == 401
    last = rest.token("GET", path)
    site.uninstall()
    assert status(last) == 401


def test_a_token_may_also_travel_in_the_query(rest: Rest, served: SiteServer) -> None:
    path = "/rest/api/3/issue/ATL-3?fields=summary"
    assert requests.get(f"{served.url}{path}&jwt={rest.token('GET', path)}", timeout=5).status_code == 200


def test_what_the_descriptor_did_not_ask_for_is_forbidden(
    site: JiraSite, served: SiteServer, ladder: FakeLadder
) -> None:
    ladder.scopes = ["READ"]
    site.install(ladder.url)
    rest = Rest(site, served)
    assert rest("GET", "/rest/api/3/issue/ATL-3").status_code == 200
    assert rest("PUT", "/rest/api/3/issue/ATL-3/properties/ladder", {"a": 1}).status_code == 403
    assert rest("POST", "/rest/api/3/issue/bulkfetch", {"issueIdsOrKeys": ["ATL-3"]}).status_code == 403


def test_what_connect_apps_cannot_call_is_forbidden(rest: Rest) -> None:
    assert rest("GET", "/rest/api/3/statuses/search").status_code == 403
    assert rest("POST", "/rest/api/3/changelog/bulkfetch", {}).status_code == 403


def test_removed_operations_are_gone(rest: Rest) -> None:
    for method, path in (
        ("GET", "/rest/api/3/search?jql=project%20%3D%20ATL"),
        ("POST", "/rest/api/3/search"),
        ("GET", "/rest/agile/1.0/sprint/1/issue"),
        ("GET", "/rest/agile/1.0/board/1/issue"),
        ("GET", "/rest/agile/1.0/board/1/backlog"),
    ):
        assert rest(method, path).status_code == 410


# -- issues


def test_a_moved_issue_is_found_by_its_old_key(rest: Rest, site: JiraSite) -> None:
    site.move("ATL-6", "OPS")
    assert rest.get("/rest/api/3/issue/ATL-6?fields=summary")["key"] == "OPS-3"


def test_fields_are_named_or_everything(rest: Rest) -> None:
    named = rest.get("/rest/api/3/issue/ATL-3?fields=summary,status")
    assert named["fields"].keys() == {"summary", "status"}
    everything = rest.get("/rest/api/3/issue/ATL-3?fields=*all,-summary")["fields"]
    assert "summary" not in everything
    assert everything["parent"]["key"] == "ATL-1"
    assert [one["key"] for one in everything["subtasks"]] == ["ATL-13", "ATL-14", "ATL-15"]
    assert everything["customfield_10020"][0]["state"] == "active"
    blocked = rest.get("/rest/api/3/issue/ATL-11?fields=issuelinks")["fields"]["issuelinks"]
    assert blocked[0]["inwardIssue"]["key"] == "ATL-5"


def test_an_unknown_and_a_hidden_issue_look_the_same(rest: Rest, site: JiraSite) -> None:
    site.faults.hide(str(WIZARD))
    hidden, unknown = rest("GET", "/rest/api/3/issue/ATL-3"), rest("GET", "/rest/api/3/issue/ATL-999")
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json() == unknown.json()
    found = rest.get("/rest/api/3/search/jql?jql=project%20%3D%20ATL%20order%20by%20key&maxResults=50")
    assert {"id": str(WIZARD)} not in found["issues"]


def test_bulk_fetch_sorts_by_id_and_leaves_out_what_is_missing(rest: Rest) -> None:
    body = rest.post("/rest/api/3/issue/bulkfetch", {"issueIdsOrKeys": ["ATL-4", "10001", "ATL-1", "NO-1"]})
    assert [one["key"] for one in body["issues"]] == ["ATL-1", "ATL-4"]
    assert body["issueErrors"] == []
    for wrong in ([], [str(number) for number in range(101)]):
        assert rest("POST", "/rest/api/3/issue/bulkfetch", {"issueIdsOrKeys": wrong}).status_code == 400


def test_pages_follow_each_other_by_token_without_a_total(rest: Rest) -> None:
    base = "/rest/api/3/search/jql?jql=project%20%3D%20ATL%20ORDER%20BY%20key&fields=summary&maxResults=8"
    seen, token = [], ""
    while True:
        page = rest.get(base + (f"&nextPageToken={token}" if token else ""))
        assert "total" not in page
        seen += [one["key"] for one in page["issues"]]
        if page["isLast"]:
            break
        token = page["nextPageToken"]
    assert seen == [f"ATL-{number}" for number in range(1, 20)]
    other = "/rest/api/3/search/jql?jql=project%20%3D%20PLAT&fields=summary&nextPageToken=" + token
    assert rest("GET", other).status_code == 400


def test_a_search_without_fields_gives_ids_only(rest: Rest) -> None:
    page = rest.get("/rest/api/3/search/jql?jql=key%20%3D%20ATL-3")
    assert page == {"issues": [{"id": "10003"}], "isLast": True}


@pytest.mark.parametrize("query", ["", "order by key", "project =", "project = NOPE", "key = ATL-999", "nonsense = 1"])
def test_a_search_that_jira_would_refuse_is_refused(rest: Rest, query: str) -> None:
    answer = rest("POST", "/rest/api/3/search/jql", {"jql": query})
    assert answer.status_code == 400
    assert answer.json()["errorMessages"]


def test_properties_are_written_read_listed_and_removed(rest: Rest, site: JiraSite, installed: FakeLadder) -> None:
    path = "/rest/api/3/issue/ATL-3/properties/ladder"
    assert rest("PUT", path, {"objective": "Grow"}, **{"X-Atlassian-Webhook-Trace": "ladder:1"}).status_code == 201
    assert rest("PUT", path, {"objective": "Win"}).status_code == 200
    assert rest.get(path) == {"key": "ladder", "value": {"objective": "Win"}}
    assert rest.get("/rest/api/3/issue/ATL-3/properties")["keys"][0]["key"] == "ladder"
    assert rest("DELETE", path).status_code == 204
    assert rest("DELETE", path).status_code == 404
    assert rest("PUT", path, "x" * 40_000).status_code == 400
    site.webhooks.flush()
    traces = [one.headers.get("X-Atlassian-Webhook-Trace") for one in installed.calls("webhooks")]
    assert traces == ["ladder:1", None]


def test_many_properties_are_written_by_a_task(rest: Rest, site: JiraSite) -> None:
    body = {"issues": [{"issueID": number, "properties": {"ladder": {"n": number}}} for number in (SSO, WIZARD)]}
    answer = rest("POST", "/rest/api/3/issue/properties/multi", body)
    assert answer.status_code == 303
    where = answer.headers["Location"].removeprefix(site.base_url)
    assert rest.get(where)["status"] == "RUNNING"
    time.sleep(site.task_seconds)
    task = rest.get(where)
    assert (task["status"], task["result"]) == ("COMPLETE", {"updated": [SSO, WIZARD], "failed": []})
    assert site.issue("ATL-3").properties["ladder"] == {"n": WIZARD}
    assert rest("POST", "/rest/api/3/issue/properties/multi", {"issues": []}).status_code == 400


def test_too_many_writes_to_one_issue_are_limited(rest: Rest, site: JiraSite) -> None:
    answers = [rest("PUT", "/rest/api/3/issue/ATL-3/properties/ladder", number) for number in range(21)]
    assert [one.status_code for one in answers] == [201] + [200] * 19 + [429]
    assert answers[-1].headers["Retry-After"]
    assert rest("PUT", "/rest/api/3/issue/ATL-4/properties/ladder", 1).status_code == 201


def test_issues_move_between_sprints_and_the_backlog(rest: Rest, site: JiraSite) -> None:
    later = site.sprint("Sprint 43")
    assert rest("POST", f"/rest/agile/1.0/sprint/{later.id}/issue", {"issues": ["ATL-3", "10004"]}).status_code == 204
    assert [site.current_sprint_of(site.issue(key)) for key in ("ATL-3", "ATL-4")] == [later, later]
    assert rest("POST", "/rest/agile/1.0/backlog/issue", {"issues": ["ATL-3"]}).status_code == 204
    assert site.current_sprint_of(site.issue("ATL-3")) is None
    many = {"issues": ["ATL-3"] * 51}
    assert rest("POST", f"/rest/agile/1.0/sprint/{later.id}/issue", many).status_code == 400
    site.close_sprint(site.sprint("Sprint 42"))
    closed = site.sprint("Sprint 42").id
    assert rest("POST", f"/rest/agile/1.0/sprint/{closed}/issue", {"issues": ["ATL-3"]}).status_code == 400


def test_a_query_is_taken_apart_or_its_errors_are_told(rest: Rest) -> None:
    queries = ["project = ATL AND NOT labels in (a, b) ORDER BY key DESC", "nope = 1", "order by key"]
    body = rest.post("/rest/api/3/jql/parse?validation=strict", {"queries": queries})
    whole, wrong, unbounded = body["queries"]
    project, negated = whole["structure"]["where"]["clauses"]
    assert (project["field"]["name"], project["operator"], project["operand"]["value"]) == ("project", "=", "ATL")
    assert [one["value"] for one in negated["clauses"][0]["operand"]["values"]] == ["a", "b"]
    assert whole["structure"]["orderBy"]["fields"][0]["direction"] == "desc"
    assert "Field 'nope' does not exist" in wrong["errors"][0]
    assert "where" not in unbounded["structure"]
    assert rest("POST", "/rest/api/3/jql/parse", {"queries": queries}).status_code == 400


# -- people and rights


@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        (LEAD, {"BROWSE_PROJECTS": [10001, 10020, 10026], "EDIT_ISSUES": [10001, 10020, 10026]}),
        (ENGINEER, {"BROWSE_PROJECTS": [10001, 10020], "EDIT_ISSUES": [10001, 10020]}),
        (VIEWER, {"BROWSE_PROJECTS": [10001], "EDIT_ISSUES": []}),
        (FORMER, {"BROWSE_PROJECTS": [], "EDIT_ISSUES": []}),
    ],
)
def test_rights_differ_by_person_and_project(rest: Rest, account: str, allowed: dict[str, list[int]]) -> None:
    body = rest.post(
        "/rest/api/3/permissions/check",
        {
            "accountId": account,
            "globalPermissions": ["ADMINISTER"],
            "projectPermissions": [{"issues": [10001, 10020, 10026, 99999], "permissions": list(allowed)}],
        },
    )
    assert {one["permission"]: one["issues"] for one in body["projectPermissions"]} == allowed
    assert body["globalPermissions"] == (["ADMINISTER"] if account == LEAD else [])


def test_unknown_people_and_permissions_are_refused(rest: Rest) -> None:
    for body in (
        {"accountId": "nobody", "projectPermissions": [{"permissions": ["EDIT_ISSUES"]}]},
        {"projectPermissions": [{"permissions": ["FLY"]}]},
        {"projectPermissions": [{"permissions": []}]},
        {"globalPermissions": ["FLY"]},
    ):
        assert rest("POST", "/rest/api/3/permissions/check", body).status_code == 400
    assert rest("GET", "/rest/api/3/user?accountId=nobody").status_code == 404


# -- bad days


def test_faults_hit_the_interface_and_pass(rest: Rest, site: JiraSite) -> None:
    path = "/rest/api/3/field"
    site.faults.unavailable(times=1)
    assert [rest("GET", path).status_code for _ in range(2)] == [503, 200]
    site.faults.rate_limit(times=1, retry_after=7, reason="jira-quota-global-based")
    limited = rest("GET", path)
    assert limited.status_code == 429
    assert limited.headers["Retry-After"] == "7"
    assert limited.headers["RateLimit-Reason"] == "jira-quota-global-based"
    site.faults.down(times=1)
    with pytest.raises(requests.ConnectionError):
        rest("GET", path)
    site.faults.slow(0.05)
    assert rest("GET", path).elapsed.total_seconds() >= 0.05
    site.faults.forbid(str(WIZARD))
    assert rest("PUT", "/rest/api/3/issue/ATL-3/properties/ladder", 1).status_code == 403
    site.faults.deny(ENGINEER, "EDIT_ISSUES", str(SSO))
    asked = {"accountId": ENGINEER, "projectPermissions": [{"issues": [SSO, WIZARD], "permissions": ["EDIT_ISSUES"]}]}
    assert rest.post("/rest/api/3/permissions/check", asked)["projectPermissions"][0]["issues"] == [WIZARD]
    site.faults.clear()
    assert site.faults.active is None
    assert rest("PUT", "/rest/api/3/issue/ATL-3/properties/ladder", 1).status_code == 201


def test_calls_are_recorded_without_their_tokens(rest: Rest, site: JiraSite, served: SiteServer) -> None:
    path = "/rest/api/3/issue/ATL-3?fields=summary"
    requests.get(f"{served.url}{path}&jwt={rest.token('GET', path)}", timeout=5)
    call = site.calls[-1]
    assert (call.method, call.path, call.query, call.status) == (
        "GET",
        "/rest/api/3/issue/ATL-3",
        "fields=summary",
        200,
    )


def test_lost_webhooks_are_listed_after_a_moment(rest: Rest, site: JiraSite) -> None:
    site.webhooks.drop(2)
    site.edit("ATL-3", summary="One")
    site.edit("ATL-3", summary="Two")
    first = rest.get("/rest/api/3/webhook/failed?maxResults=1")
    assert len(first["values"]) == 1
    assert first["next"]
    after = rest.get(f"/rest/api/3/webhook/failed?after={first['values'][0]['failureTime'] - 1}")
    assert '"Two"' in after["values"][-1]["body"]


def test_the_hash_of_a_request_is_what_the_site_checks() -> None:
    assert query_string_hash("GET", "/x?b=1&a=2") == query_string_hash("get", "/x?a=2&b=1&jwt=z")
