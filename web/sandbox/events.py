"""The events of a site: every change is stamped, put into Jira's webhook shape and handed to the delivery engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from . import jql, jql_search
from .deliveries import WebhookDeliveries
from .installation import Installation
from .payloads import Json, Payloads
from .records import Issue, Person
from .signing import InstallKey
from .state import SiteState

TRACE: ContextVar[str | None] = ContextVar("webhook_trace", default=None)
"""X-Atlassian-Webhook-Trace of the REST call under way; Jira hands it back in the webhooks that the call causes."""

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


class EventedSite(SiteState):
    """A site that tells the installed app what happens."""

    name: str
    base_url: str
    client_key: str
    cloud_id: str
    oauth_client_id: str
    legacy_public_key: str
    install_key: InstallKey

    def __init__(self, now: Callable[[], datetime], time_zone: str, workers: int) -> None:
        super().__init__(now, time_zone)
        self.installation: Installation | None = None
        self.webhooks = WebhookDeliveries(self, workers)

    @property
    def payloads(self) -> Payloads:
        return Payloads(self, self.base_url)

    @property
    def admin(self) -> Person:
        return next(person for person in self.people.values() if person.is_admin)

    def matches(self, issue: Issue, query: str) -> bool:
        """Whether an issue fits a JQL query."""
        return jql_search.matches(jql.parse(query), self, issue)

    @contextmanager
    def silently(self) -> Iterator[None]:
        """Changes of this thread in this block send no webhook, as if every delivery had been lost without a trace."""
        token = _SILENT.set(True)
        try:
            yield
        finally:
            _SILENT.reset(token)

    def changed(self) -> None:
        """Tell the pages that something is new."""
        with self.lock:
            self.version += 1

    def _updated(
        self,
        issue: Issue,
        items: list[Json],
        by: str | None,
        event_type: str = "issue_updated",
        moment: datetime | None = None,
    ) -> Issue:
        issue.updated = moment or self.stamp()
        actor = self._actor(by)
        body = self._issue_event("jira:issue_updated", issue, actor, issue.updated, event_type, items)
        self._publish(body, issue, actor)
        return issue

    def _issue_event(
        self,
        event: str,
        issue: Issue,
        actor: Person,
        moment: datetime,
        event_type: str | None = None,
        items: list[Json] | None = None,
    ) -> Json:
        payloads = self.payloads
        body: Json = {"timestamp": millis(moment), "webhookEvent": event}
        if event_type:
            body["issue_event_type_name"] = event_type
        body["user"] = payloads.person(actor, 2)
        body["issue"] = payloads.issue(issue, version=2)
        del body["issue"]["expand"]
        if items is not None:
            body["changelog"] = {"id": str(self.next_id("changelog")), "items": items}
        return body

    def _publish(self, body: Mapping[str, Any], issue: Issue | None, actor: Person) -> None:
        self.version += 1
        if _SILENT.get():
            return
        self.webhooks.publish(body, issue=issue, subject=actor.account_id, trace=TRACE.get())

    def _actor(self, account_id: str | None) -> Person:
        return self.person(account_id) if account_id else self.admin


def millis(moment: datetime) -> int:
    """Milliseconds since 1970, the `timestamp` of webhooks."""
    return int(moment.timestamp() * 1000 + 0.5)
