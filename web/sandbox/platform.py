"""Jira's platform REST interface (/rest/api/3), as far as Ladder touches it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, jsonify, request

from .catalogue import (
    CATEGORIES,
    GLOBAL_PERMISSIONS,
    LINK_TYPES,
    PROJECT_PERMISSIONS,
    RESOLUTIONS,
    field_list,
    types_of,
)
from .gate import (
    INACCESSIBLE,
    RestError,
    body_object,
    listed,
    operation,
    refusal,
    visible_issue,
    whole_number,
    writable_issue,
)
from .jql_structure import parsed_query
from .records import Project
from .result_pages import ResultPages
from .site import JiraSite
from .state import NotFoundError
from .tasks import Tasks

Answer = Response | tuple[Response | str, int] | tuple[str, int, dict[str, str]]
PROPERTY_CHARACTERS = 32_768
BULK = 100


def platform_interface(site: JiraSite) -> Blueprint:
    """The blueprint for one site."""
    rest = Blueprint("platform", __name__)
    pages = ResultPages(site)

    # -- issues

    @operation(rest, "GET", "/rest/api/3/issue/<id_or_key>", "READ")
    def issue(id_or_key: str) -> Answer:
        with site.lock:
            found = visible_issue(site, id_or_key)
            body = site.payloads.issue(found, listed("fields") or None)
            wanted = listed("properties")
            if wanted:
                body["properties"] = {
                    name: value for name, value in found.properties.items() if name in wanted or "*all" in wanted
                }
        return jsonify(body)

    @operation(rest, "POST", "/rest/api/3/issue/bulkfetch", "WRITE")
    def bulk_fetch() -> Answer:
        body = body_object()
        asked = body.get("issueIdsOrKeys")
        if not isinstance(asked, list) or not 1 <= len(asked) <= BULK:
            raise RestError(400, f"Between 1 and {BULK} issue ids or keys are needed.")
        found = {}
        with site.lock:
            for one in map(str, asked):
                # What is not found or not visible is left out without a word: `issueErrors` is for what may be retried.
                with suppress(RestError):
                    issue = visible_issue(site, one)
                    found[issue.id] = site.payloads.issue(issue, body.get("fields") or ["*navigable"])
        # Ascending ids, whatever the order of asking: as in real Jira.
        return jsonify({"issues": [found[one] for one in sorted(found, key=int)], "issueErrors": []})

    # -- search

    @operation(rest, "GET", "/rest/api/3/search/jql", "READ")
    def search() -> Answer:
        query = request.args.get("jql", "")
        token = request.args.get("nextPageToken")
        found = [] if token else pages.search(query)
        return jsonify(pages.page(found, query, token, whole_number("maxResults", 50, 5000), listed("fields")))

    @operation(rest, "POST", "/rest/api/3/search/jql", "READ")
    def search_by_post() -> Answer:
        body = body_object()
        unknown = body.keys() - {
            "jql", "nextPageToken", "maxResults", "fields", "expand", "properties", "fieldsByKeys", "reconcileIssues",
        }  # fmt: skip
        if unknown:
            raise RestError(400, f"Unknown field: {', '.join(sorted(unknown))}.")
        query, token = str(body.get("jql") or ""), body.get("nextPageToken")
        found = [] if token else pages.search(query)
        return jsonify(pages.page(found, query, token, int(body.get("maxResults") or 50), body.get("fields") or []))

    @operation(rest, "POST", "/rest/api/3/search/approximate-count", "READ")
    def count() -> Answer:
        return jsonify({"count": len(pages.search(str(body_object().get("jql") or "")))})

    @operation(rest, "POST", "/rest/api/3/jql/parse", "READ")
    def parse_queries() -> Answer:
        if request.args.get("validation") not in ("strict", "warn", "none"):
            raise RestError(400, "The validation is strict, warn or none.")
        queries = body_object().get("queries")
        if not isinstance(queries, list) or not queries or not all(isinstance(one, str) and one for one in queries):
            raise RestError(400, "A list of queries is needed.")
        with site.lock:
            return jsonify({"queries": [parsed_query(site, one) for one in queries]})

    @operation(rest, "GET", "/rest/api/3/search", "READ")
    @operation(rest, "POST", "/rest/api/3/search", "READ")
    def removed_search() -> Answer:
        return refusal(410, "This interface was removed. Use /rest/api/3/search/jql.")

    # -- issue properties

    @operation(rest, "GET", "/rest/api/3/issue/<id_or_key>/properties", "READ")
    def property_keys(id_or_key: str) -> Answer:
        found = visible_issue(site, id_or_key)
        link = site.payloads.link
        keys = [{"self": link(f"issue/{found.id}/properties/{name}"), "key": name} for name in sorted(found.properties)]
        return jsonify({"keys": keys})

    @operation(rest, "GET", "/rest/api/3/issue/<id_or_key>/properties/<name>", "READ")
    def get_property(id_or_key: str, name: str) -> Answer:
        found = visible_issue(site, id_or_key)
        if name not in found.properties:
            raise RestError(404, f"The property {name} does not exist.")
        return jsonify({"key": name, "value": found.properties[name]})

    @operation(rest, "PUT", "/rest/api/3/issue/<id_or_key>/properties/<name>", "WRITE")
    def set_property(id_or_key: str, name: str) -> Answer:
        found = writable_issue(site, id_or_key)
        value = _property_value(name, request.get_data(as_text=True))
        fresh = site.set_property(found, name, value)
        return "", 201 if fresh else 200

    @operation(rest, "DELETE", "/rest/api/3/issue/<id_or_key>/properties/<name>", "DELETE")
    def delete_property(id_or_key: str, name: str) -> Answer:
        found = writable_issue(site, id_or_key)
        if not site.delete_property(found, name):
            raise RestError(404, f"The property {name} does not exist.")
        return "", 204

    tasks = Tasks(site)

    @operation(rest, "POST", "/rest/api/3/issue/properties/multi", "WRITE")
    def set_many_properties() -> Answer:
        entries = body_object().get("issues")
        if not isinstance(entries, list) or not 1 <= len(entries) <= BULK:
            raise RestError(400, f"Between 1 and {BULK} issues are needed.")
        for entry in entries:
            properties = entry.get("properties")
            if (
                not isinstance(entry.get("issueID"), int)
                or not isinstance(properties, dict)
                or not 1 <= len(properties) <= 10
            ):
                raise RestError(400, "Each entry needs a numeric issueID and 1 to 10 properties.")
        written, refused = [], []
        for entry in entries:
            try:
                found = writable_issue(site, str(entry["issueID"]))
                for name, value in entry["properties"].items():
                    site.set_property(found, name, _property_value(name, json.dumps(value)))
                written.append(entry["issueID"])
            except RestError:
                refused.append(entry["issueID"])
        address = tasks.submit("Set issue properties", {"updated": written, "failed": refused})
        return "", 303, {"Location": address}

    @operation(rest, "GET", "/rest/api/3/task/<task>", "NONE")
    def task_progress(task: str) -> Answer:
        found = tasks.look(task)
        if found is None:
            raise RestError(404, "The task does not exist.")
        return jsonify(found)

    # -- what the site consists of

    @operation(rest, "GET", "/rest/api/3/status", "READ")
    def statuses() -> Answer:
        return jsonify([site.payloads.status(one) for one in site.all_statuses()])

    @operation(rest, "GET", "/rest/api/3/statuscategory", "READ")
    def categories() -> Answer:
        return jsonify([site.payloads.category(one) for one in CATEGORIES])

    @operation(rest, "GET", "/rest/api/3/statuses/search", INACCESSIBLE)
    @operation(rest, "POST", "/rest/api/3/changelog/bulkfetch", INACCESSIBLE)
    def not_for_connect() -> Answer:
        return refusal(403, "Connect apps cannot call this operation.")

    @operation(rest, "GET", "/rest/api/3/field", "READ")
    def fields() -> Answer:
        return jsonify(field_list())

    @operation(rest, "GET", "/rest/api/3/resolution", "READ")
    def resolutions() -> Answer:
        return jsonify([site.payloads.resolution(one) for one in RESOLUTIONS])

    @operation(rest, "GET", "/rest/api/3/issuetype", "READ")
    def issue_types() -> Answer:
        return jsonify([site.payloads.issue_type(one) for one in site.all_types()])

    @operation(rest, "GET", "/rest/api/3/issueLinkType", "READ")
    def link_types() -> Answer:
        return jsonify({"issueLinkTypes": [site.payloads.link_type(one) for one in LINK_TYPES]})

    @operation(rest, "GET", "/rest/api/3/project/search", "READ")
    def projects() -> Answer:
        wanted, query = {one.upper() for one in listed("keys")}, request.args.get("query", "").casefold()
        found = [
            one
            for one in site.projects.values()
            if (not wanted or one.key in wanted) and (query in one.name.casefold() or query in one.key.casefold())
        ]
        return jsonify(_page(site, "project/search", [_project(site, one) for one in found]))

    @operation(rest, "GET", "/rest/api/3/project/<id_or_key>", "READ")
    def project(id_or_key: str) -> Answer:
        try:
            found = site.project(id_or_key)
        except NotFoundError as error:
            raise RestError(404, f"No project could be found with key '{id_or_key}'.") from error
        kinds = [site.payloads.issue_type(one) for one in types_of(found)]
        return jsonify(
            {**_project(site, found), "issueTypes": kinds, "lead": site.payloads.person(site.person(found.lead))}
        )

    @operation(rest, "GET", "/rest/api/3/serverInfo", "READ")
    def server_info() -> Answer:
        return jsonify(
            {
                "baseUrl": site.base_url,
                "displayUrl": site.base_url,
                "version": "1001.0.0-SNAPSHOT",
                "versionNumbers": [1001, 0, 0],
                "deploymentType": "Cloud",
                "buildNumber": 100302,
                "buildDate": "2026-11-02T08:00:00.000+0000",
                "serverTime": site.payloads.time(site.now()),
                "serverTimeZone": site.time_zone.key,
                "scmInfo": "stand-in",
                "serverTitle": f"{site.name} (stand-in, not Atlassian)",
                "defaultLocale": {"locale": "en_US"},
            }
        )

    @operation(rest, "GET", "/rest/api/3/webhook/failed", "READ")
    def failed_webhooks() -> Answer:
        most, after = whole_number("maxResults", 100, 100), whole_number("after", 0, 2**62)
        values = [
            {
                "id": one.identifier,
                "body": one.body.decode(),
                "url": one.url,
                "failureTime": int(one.ended.timestamp() * 1000),
            }
            for one in site.webhooks.failed
            if one.ended is not None and one.ended.timestamp() * 1000 > after
        ]
        body: dict[str, Any] = {"values": values[:most], "maxResults": most}
        if len(values) > most:
            body["next"] = site.payloads.link(
                f"webhook/failed?after={values[most - 1]['failureTime']}&maxResults={most}"
            )
        return jsonify(body)

    # -- people and rights

    @operation(rest, "GET", "/rest/api/3/myself", "READ")
    def myself() -> Answer:
        installation = site.installation
        name = installation.name if installation else "app"
        return jsonify(
            {
                "self": site.payloads.link("user?accountId=stand-in:app"),
                "accountId": "stand-in:app",
                "accountType": "app",
                "displayName": name,
                "active": True,
                "timeZone": site.time_zone.key,
                "locale": "en_US",
                "avatarUrls": site.payloads.avatars("A"),
            }
        )

    @operation(rest, "GET", "/rest/api/3/user", "READ")
    def user() -> Answer:
        try:
            return jsonify(site.payloads.person(site.person(request.args.get("accountId", ""))))
        except NotFoundError as error:
            raise RestError(404, "Specified user does not exist or you do not have required permissions") from error

    @operation(rest, "GET", "/rest/api/3/user/bulk", "READ")
    def users() -> Answer:
        wanted = request.args.getlist("accountId")
        if not wanted:
            raise RestError(400, "The accountId query parameter is mandatory.")
        found = [site.payloads.person(site.people[one]) for one in dict.fromkeys(wanted) if one in site.people]
        return jsonify(_page(site, "user/bulk", found, whole_number("maxResults", 10, 200)))

    @operation(rest, "POST", "/rest/api/3/permissions/check", "READ")
    def check_permissions() -> Answer:
        return jsonify(_permissions(site, body_object()))

    return rest


def _property_value(name: str, text: str) -> Any:
    """The value of an issue property; 400 for what Jira does not store."""
    if len(name) > 255 or not text.strip():
        raise RestError(400, "A property needs a key of at most 255 characters and a value that is not empty.")
    if len(text) > PROPERTY_CHARACTERS:
        raise RestError(400, f"The property value is longer than {PROPERTY_CHARACTERS} characters.")
    try:
        return json.loads(text)
    except ValueError as error:
        raise RestError(400, "The property value is not valid JSON.") from error


def _project(site: JiraSite, project: Project) -> dict[str, Any]:
    return {
        **site.payloads.project(project),
        "style": "next-gen" if project.team_managed else "classic",
        "isPrivate": False,
        "properties": {},
    }


def _page(site: JiraSite, path: str, values: list[Any], default_size: int = 50) -> dict[str, Any]:
    """One page in Jira's older style: startAt, total, isLast."""
    start, size = whole_number("startAt", 0, 10**9), whole_number("maxResults", default_size, 200)
    body = {
        "self": site.payloads.link(f"{path}?startAt={start}&maxResults={size}"),
        "maxResults": size,
        "startAt": start,
        "total": len(values),
        "isLast": start + size >= len(values),
        "values": values[start : start + size],
    }
    if not body["isLast"]:
        body["nextPage"] = site.payloads.link(f"{path}?startAt={start + size}&maxResults={size}")
    return body


def _permissions(site: JiraSite, body: dict[str, Any]) -> dict[str, Any]:
    """Which of the asked issues and projects a person may do what with; the app itself when no account is named."""
    account = body.get("accountId")
    if account is not None and account not in site.people:
        raise RestError(400, "The account id is invalid.")
    person = site.people[account] if account is not None else None
    wanted_globally = body.get("globalPermissions") or []
    if set(wanted_globally) - GLOBAL_PERMISSIONS:
        raise RestError(400, "Unrecognized global permission.")
    granted = []
    for asked in body.get("projectPermissions") or []:
        names = asked.get("permissions") or []
        if not names or set(names) - PROJECT_PERMISSIONS:
            raise RestError(400, "Unrecognized project permission.")
        for name in names:
            issues = [one for one in asked.get("issues") or [] if _may(site, person, name, str(one))]
            projects = [
                int(one)
                for one in asked.get("projects") or []
                if str(one) in site.projects
                and (person is None or name in site.permissions(person, site.projects[str(one)]))
            ]
            granted.append({"permission": name, "issues": issues, "projects": projects})
    is_admin = person is None or person.is_admin
    return {"globalPermissions": sorted(wanted_globally) if is_admin else [], "projectPermissions": granted}


def _may(site: JiraSite, person: Any, permission: str, issue_id: str) -> bool:
    issue = site.issues.get(issue_id)
    if issue is None or site.faults.hides(issue_id):
        return False
    if person is None:
        return True
    if site.faults.denies(person.account_id, permission, issue_id):
        return False
    return permission in site.permissions(person, site.projects[issue.project_id])
