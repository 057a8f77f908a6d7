"""What Ladder asks of a Jira site, in Jira's terms: an adapter on atlassian-python-api.

The library gives the operations and their addresses; conversation (session.py) and errors (answers.py) are ours, since
its own defaults sleep in the calling thread, follow redirects and send old tokens again.
https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import requests
from atlassian.jira import JiraCloud, JiraSoftware

from connector.tracker import TrackerRefused, TrackerUnavailable
from jira_app.answers import JiraRefused, content_of, unreachable
from jira_app.goal_property import task_of
from jira_app.session import Patience, SiteSession

# At DEBUG it writes whole bodies into the log.
logging.getLogger("atlassian").setLevel(logging.INFO)

# Issues a page; Jira gives no more when fields are named.
PAGE = 100
# Pages after which a search is taken to go round in circles: half a million issues.
MOST_PAGES = 5000
# Issues that one permission check may ask about.
CHECKED_AT_ONCE = 1000
# Boards and sprints a page; both come in the older style.
SHORT_PAGE = 50
# Issues that one call moves between sprints.
MOVED_AT_ONCE = 50
# Characters of a query that may travel in an address; longer ones are posted.
LONGEST_ADDRESS = 1500
BROWSE = "BROWSE_PROJECTS"
EDIT = "EDIT_ISSUES"
SCHEDULE = "SCHEDULE_ISSUES"
# Ids and keys become part of an address: whatever else they hold would be another address.
_ID_OR_KEY = re.compile(r"[0-9]{1,19}|[A-Za-z][A-Za-z0-9_]{0,63}-[0-9]{1,19}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_PROJECT = re.compile(r"[0-9]{1,19}|[A-Za-z][A-Za-z0-9_]{0,63}")
_TASK = re.compile(r"[A-Za-z0-9-]{1,64}")
_PROPERTY = re.compile(r"[A-Za-z0-9._:-]{1,255}")


class JiraClient:
    """Speaks with one site as the installed app. All methods raise TrackerUnavailable and TrackerRefused."""

    def __init__(
        self, site: str, app_key: str, secret: str, *, patience: Patience, clock: Callable[[], datetime]
    ) -> None:
        self._clock = clock
        session = SiteSession(site, app_key, secret, patience)
        # Whole answers, not decoded ones: the wait that a 429 asks for is in its headers.
        options: dict[str, Any] = {"session": session, "advanced_mode": True, "retry_with_header": False}
        # Any: the library's operations are generated and carry no types.
        self._jira: Any = JiraCloud(site, **options)
        self._software: Any = JiraSoftware(site, **options)

    def issue(self, id_or_key: str, fields: Sequence[str]) -> Mapping[str, Any]:
        """Read one issue; raises IssueUnreadable too."""
        return _object(
            self._ask(
                lambda: self._jira.get_issue(_part(_ID_OR_KEY, id_or_key), fields=",".join(fields)), about_an_issue=True
            )
        )

    def issues(self, ids: Sequence[str], fields: Sequence[str]) -> list[Any]:
        """Read up to 100 issues at once; those that can't be read are missing from the answer."""
        body = {"issueIdsOrKeys": [_part(_ID_OR_KEY, one) for one in ids[:PAGE]], "fields": list(fields)}
        return _list(_object(self._ask(lambda: self._jira.bulk_fetch_issues(data=body))).get("issues"))

    def search(
        self, jql: str, fields: Sequence[str], *, page: int = PAGE, reconcile: Sequence[str] = ()
    ) -> Iterator[list[Any]]:
        """Find issues, page by page; the iterator ends normally only when the last page is in.

        Jira's index lags behind by seconds, except for up to 50 issues to `reconcile` (ids).
        """

        def ask(token: str | None) -> Any:
            if not reconcile and len(jql) <= LONGEST_ADDRESS:
                return self._jira.enhanced_jql(jql, fields=list(fields), nextPageToken=token, limit=page)
            body: dict[str, Any] = {"jql": jql, "fields": list(fields), "maxResults": page}
            body |= {"nextPageToken": token} if token else {}
            body |= {"reconcileIssues": [int(one) for one in reconcile]} if reconcile else {}
            return self._jira.search_and_reconsile_issues_using_jql_post(data=body)

        yield from self._pages(ask)

    def sprint_issues(self, sprint_id: str, fields: Sequence[str]) -> Iterator[list[Any]]:
        """Read the issues of a sprint, page by page; complete when the iterator ends normally."""
        sprint, names = _part(_NUMBER, sprint_id), ",".join(fields)

        def ask(token: str | None) -> Any:
            return self._software.get_issues_for_sprint_jsis(
                sprint, next_page_token=token, max_results=PAGE, fields=names
            )

        yield from self._pages(ask)

    def count(self, jql: str) -> int:
        """Count what a query finds; Jira counts its index, which may lag behind by seconds."""
        number = _object(self._ask(lambda: self._jira.count_issues(data={"jql": jql}))).get("count")
        if isinstance(number, bool) or not isinstance(number, int):
            raise TrackerRefused("Jira's count is not a number")
        return number

    def permitted(self, account_id: str, permission: str, ids: Sequence[str]) -> set[str]:
        """Return those of the issues on which an account holds a permission."""
        return self.permissions(account_id, (permission,), ids)[permission]

    def permissions(self, account_id: str, permissions: Sequence[str], ids: Sequence[str]) -> dict[str, set[str]]:
        """Return, by permission, those of the issues on which an account holds it."""
        if not account_id:
            # Without an account Jira would answer for Ladder itself, which may see everything.
            return {permission: set() for permission in permissions}
        body = {
            "accountId": account_id,
            "projectPermissions": [
                {"permissions": list(permissions), "issues": sorted({int(one) for one in ids[:CHECKED_AT_ONCE]})}
            ],
        }
        granted: dict[str, set[str]] = {permission: set() for permission in permissions}
        answer = _object(self._ask(lambda: self._jira.get_bulk_permissions(data=body)))
        for grant in _list(answer.get("projectPermissions")):
            permission = _object(grant).get("permission")
            if permission in granted:
                granted[permission] |= {str(one) for one in _list(grant.get("issues"))}
        return granted

    def account(self, account_id: str) -> Mapping[str, Any]:
        """Read a person."""
        return _object(self._ask(lambda: self._jira.get_user(account_id=account_id)))

    def statuses(self) -> list[Any]:
        """Read all statuses with their categories."""
        return _list(self._ask(self._jira.get_statuses))

    def issue_types(self) -> list[Any]:
        """Read all issue types with their levels."""
        return _list(self._ask(self._jira.get_issue_all_types))

    def fields(self) -> list[Any]:
        """Read all fields with their schemas."""
        return _list(self._ask(self._jira.get_fields))

    def project(self, id_or_key: str) -> Mapping[str, Any]:
        """Read one project; raises IssueUnreadable for one that can't be seen."""
        project = _part(_PROJECT, id_or_key)
        return _object(self._ask(lambda: self._jira.get_project(project), about_an_issue=True))

    def check_query(self, jql: str) -> None:
        """Have Jira read a query; raises TrackerRefused, in Jira's own words, for one that it can't."""
        answer = _object(self._ask(lambda: self._jira.parse_jql_queries(validation="strict", data={"queries": [jql]})))
        for parsed in _list(answer.get("queries")):
            errors = [one for one in parsed.get("errors") or [] if isinstance(one, str)]
            if errors:
                raise TrackerRefused(" ".join(errors)[:400])
            if not (parsed.get("structure") or {}).get("where"):
                raise TrackerRefused("The query has no condition, so it would match every issue of the site.")

    def boards(self) -> Iterator[list[Any]]:
        """Read all boards, page by page."""
        return self._older_pages(lambda start: self._software.get_all_boards(start_at=start, max_results=SHORT_PAGE))

    def board_sprints(self, board_id: str) -> list[Any]:
        """Read the active and future sprints of a board; none for a board that has no sprints."""
        board = _part(_NUMBER, board_id)
        try:
            pages = self._older_pages(
                lambda start: self._software.get_all_sprints(
                    board, start_at=start, max_results=SHORT_PAGE, state="active,future"
                )
            )
            return [sprint for page in pages for sprint in page]
        except JiraRefused as refused:
            if refused.status == 400:
                return []
            raise

    def put_into_sprint(self, sprint_id: str, ids: Sequence[str]) -> None:
        """Put up to 50 issues into a sprint that is not closed."""
        sprint, body = _part(_NUMBER, sprint_id), {"issues": [_part(_ID_OR_KEY, one) for one in ids[:MOVED_AT_ONCE]]}
        self._ask(lambda: self._software.move_issues_to_sprint_and_rank(sprint, data=body))

    def put_into_backlog(self, ids: Sequence[str]) -> None:
        """Take up to 50 issues out of any sprint that is not closed."""
        body = {"issues": [_part(_ID_OR_KEY, one) for one in dict.fromkeys(ids[:MOVED_AT_ONCE])]}
        self._ask(lambda: self._software.move_issues_to_backlog(data=body))

    def sprint(self, sprint_id: str) -> Mapping[str, Any]:
        """Read one sprint."""
        return _object(self._ask(lambda: self._software.get_sprint(_part(_ID_OR_KEY, sprint_id))))

    def set_property(self, id_or_key: str, name: str, value: Mapping[str, Any]) -> None:
        """Set an issue property; raises IssueUnreadable too."""
        issue, name = _part(_ID_OR_KEY, id_or_key), _part(_PROPERTY, name)
        self._ask(lambda: self._jira.set_issue_property(issue, name, data=dict(value)), about_an_issue=True)

    def set_properties(self, name: str, values: Mapping[str, Mapping[str, Any]]) -> str:
        """Set one property of up to 100 issues (id -> value); return the id of the task that does it."""
        _part(_PROPERTY, name)
        entries = [
            {"issueID": int(_part(_NUMBER, issue)), "properties": {name: dict(value)}}
            for issue, value in list(values.items())[:PAGE]
        ]
        response = self._answer(lambda: self._jira.bulk_set_issue_properties_by_issue(data={"issues": entries}))
        # "See other" is the answer that is documented: where the task is, not somewhere else to ask for the same.
        if response.status_code != 303:
            content_of(response, self._clock())
        return task_of(response.headers.get("Location", ""))

    def task(self, task_id: str) -> Mapping[str, Any]:
        """Read how far a long-running task is."""
        task = _part(_TASK, task_id)
        return _object(self._ask(lambda: self._jira.get_task(task)))

    def close(self) -> None:
        """Let go of kept connections."""
        self._jira.close()

    def _ask(self, operation: Callable[[], requests.Response], *, about_an_issue: bool = False) -> Any:
        return content_of(self._answer(operation), self._clock(), about_an_issue=about_an_issue)

    @staticmethod
    def _answer(operation: Callable[[], requests.Response]) -> requests.Response:
        try:
            return operation()
        except requests.exceptions.InvalidURL:
            raise TrackerRefused("the site's address can't be used") from None
        except requests.RequestException as error:
            raise unreachable(error) from None

    def _pages(self, ask: Callable[[str | None], requests.Response]) -> Iterator[list[Any]]:
        token = None
        for _ in range(MOST_PAGES):
            found = _object(self._ask(partial(ask, token)))
            yield _list(found.get("issues"))
            following = found.get("nextPageToken")
            if found.get("isLast") is True or not following:
                return
            if following == token:
                break
            token = following
        raise TrackerRefused("Jira's search did not come to an end")

    def _older_pages(self, ask: Callable[[int], requests.Response]) -> Iterator[list[Any]]:
        """Read pages that are counted by their first item."""
        start = 0
        for _ in range(MOST_PAGES):
            found = _object(self._ask(partial(ask, start)))
            values = _list(found.get("values"))
            yield values
            start += len(values)
            if found.get("isLast") is True or not values:
                return
        raise TrackerRefused("Jira's list did not come to an end")


def _part(form: re.Pattern[str], value: str) -> str:
    if not form.fullmatch(value):
        raise TrackerRefused("not the name of anything in Jira")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TrackerUnavailable("Jira's answer has another form than it should")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TrackerUnavailable("Jira's answer has another form than it should")
    return value
