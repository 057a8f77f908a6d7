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
from jira_app.answers import content_of, unreachable
from jira_app.session import Patience, SiteSession

# At DEBUG it writes whole bodies into the log.
logging.getLogger("atlassian").setLevel(logging.INFO)

# Issues a page; Jira gives no more when fields are named.
PAGE = 100
# Pages after which a search is taken to go round in circles: half a million issues.
MOST_PAGES = 5000
# Issues that one permission check may ask about.
CHECKED_AT_ONCE = 1000
BROWSE = "BROWSE_PROJECTS"
EDIT = "EDIT_ISSUES"
# Ids and keys become part of an address: whatever else they hold would be another address.
_ID_OR_KEY = re.compile(r"[0-9]{1,19}|[A-Za-z][A-Za-z0-9_]{0,63}-[0-9]{1,19}")
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

    def search(self, jql: str, fields: Sequence[str], *, page: int = PAGE) -> Iterator[list[Any]]:
        """Find issues, page by page; the iterator ends normally only when the last page is in."""
        token = None
        for _ in range(MOST_PAGES):
            ask = partial(self._jira.enhanced_jql, jql, fields=list(fields), nextPageToken=token, limit=page)
            found = _object(self._ask(ask))
            yield _list(found.get("issues"))
            following = found.get("nextPageToken")
            if found.get("isLast") is True or not following:
                return
            if following == token:
                break
            token = following
        raise TrackerRefused("Jira's search did not come to an end")

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

    def sprint(self, sprint_id: str) -> Mapping[str, Any]:
        """Read one sprint."""
        return _object(self._ask(lambda: self._software.get_sprint(_part(_ID_OR_KEY, sprint_id))))

    def set_property(self, id_or_key: str, name: str, value: Mapping[str, Any]) -> None:
        """Set an issue property; raises IssueUnreadable too."""
        issue, name = _part(_ID_OR_KEY, id_or_key), _part(_PROPERTY, name)
        self._ask(lambda: self._jira.set_issue_property(issue, name, data=dict(value)), about_an_issue=True)

    def close(self) -> None:
        """Let go of kept connections."""
        self._jira.close()

    def _ask(self, operation: Callable[[], requests.Response], *, about_an_issue: bool = False) -> Any:
        try:
            response = operation()
        except requests.exceptions.InvalidURL:
            raise TrackerRefused("the site's address can't be used") from None
        except requests.RequestException as error:
            raise unreachable(error) from None
        return content_of(response, self._clock(), about_an_issue=about_an_issue)


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
