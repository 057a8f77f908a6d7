"""Jira, as the core sees trackers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from connector.basic_tracker import WithoutCards, WithoutPlanning
from connector.core import Core, Services
from connector.models import Connection
from connector.telemetry import logger
from connector.tracker import (
    Action,
    BadDelivery,
    Capabilities,
    Event,
    GoalMark,
    IssueQuery,
    IssueSnapshot,
    IssueUnreadable,
    PanelLabel,
    Profile,
    SiteOption,
    SnapshotPage,
    SprintChanged,
    TrackerRefused,
)
from connector.vault import SealBroken
from jira_app import issue_queries, jql
from jira_app.client import BROWSE, CHECKED_AT_ONCE, EDIT, MOVED_AT_ONCE, SCHEDULE, JiraClient
from jira_app.descriptor import PANEL_MODULE, app_key
from jira_app.goal_property import write_marks
from jira_app.issue_fields import Incomplete, exact_number, fields_to_read, issue_snapshot
from jira_app.payloads import events_in
from jira_app.rights import Rights
from jira_app.sealing import open_secret
from jira_app.session import BRIEF, LASTING, Patience
from jira_app.site_facts import site_facts
from jira_app.site_options import site_options
from jira_app.sprints import open_sprints
from jira_app.tenants import TRACKER_NAME, Tenants
from jira_app.webhooks import accept_webhook

if TYPE_CHECKING:
    from flask import Blueprint
    from werkzeug.wrappers import Request

# What Jira asks of a person for each action; it asks for both rights of whoever puts an issue into a sprint.
NEEDED: dict[Action, frozenset[str]] = {
    "view": frozenset({BROWSE}),
    "edit": frozenset({BROWSE, EDIT}),
    "schedule": frozenset({BROWSE, EDIT, SCHEDULE}),
}
ASKED_FOR = (BROWSE, EDIT, SCHEDULE)
# Levels below an issue that are read: more than Jira has, so that a circle can't keep us reading.
DEEPEST = 12
# Issues whose children are asked for in one query.
PARENTS_AT_ONCE = 50
CLIENTS_KEPT = 100
TONES = {"success": "success", "progress": "inprogress", "moved": "moved", "removed": "removed", "default": "default"}
# Deleting the property needs the DELETE scope, far more than Ladder should ask of a site. A dash says as much.
NO_LABEL = {"type": "lozenge", "value": {"label": "–", "type": "default"}}
LONGEST_LABEL = 40


class JiraTracker(WithoutCards, WithoutPlanning):
    """Answers the core's questions about Jira sites; see connector.tracker.Tracker."""

    name = TRACKER_NAME
    capabilities = Capabilities(
        queries=True,
        panel_label=True,
        sprints=True,
        rules=issue_queries.KINDS,
        decided_by_snapshot=frozenset({"epic", "project", "label"}),
        goal_marks=True,
    )

    def __init__(self, services: Services) -> None:
        self._vault = services.vault
        self._clock = services.clock
        self.tenants = Tenants(services)
        self._rights = Rights()
        self._clients: OrderedDict[tuple[str, ...], JiraClient] = OrderedDict()
        self._lock = threading.Lock()

    def blueprint(self, core: Core) -> Blueprint:
        """Return the routes that Jira calls, and Ladder's pages inside Jira."""
        from jira_app.routes import blueprint

        return blueprint(core, self.tenants)

    def deliveries(self, core: Core) -> Mapping[str, Callable[[Request], None]]:
        """Return what accepts deliveries, by path, for a server to call without the framework around it (web.front)."""
        return {"/jira/webhooks": lambda request: accept_webhook(core, self.tenants, request)}

    def parse(self, connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
        """Read one accepted webhook; raises BadDelivery."""
        return events_in(connection, kind, body, self._clock)

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        """Read one issue as it is now."""
        found = self._client(connection).issue(id_or_key, fields_to_read(connection.settings))
        return _read(connection, found)

    def fetch_issues(self, connection: Connection, external_ids: Sequence[str]) -> Sequence[IssueSnapshot]:
        """Read up to 100 issues at once; what cannot be read is missing from the answer."""
        found = self._client(connection).issues(external_ids, fields_to_read(connection.settings))
        return [_read(connection, issue) for issue in found]

    def fetch_subtree(self, connection: Connection, external_id: str) -> Iterator[SnapshotPage]:
        """Read what hangs below an issue, level by level."""
        client, fields = self._client(connection), fields_to_read(connection.settings)
        seen, level = {external_id}, [external_id]
        for _ in range(DEEPEST):
            below: list[str] = []
            for start in range(0, len(level), PARENTS_AT_ONCE):
                for page in client.search(jql.children_of(level[start : start + PARENTS_AT_ONCE]), fields):
                    snapshots = [_read(connection, issue) for issue in page]
                    below += [one.external_id for one in snapshots if one.external_id not in seen]
                    seen.update(below)
                    yield SnapshotPage(snapshots)
            level = below
            if not level:
                return

    def updated_since(self, connection: Connection, since: datetime) -> Iterator[SnapshotPage]:
        """Read every issue updated at or after `since`."""
        client, fields = self._client(connection), fields_to_read(connection.settings)
        for page in client.search(jql.updated_since(since, self._clock()), fields):
            yield SnapshotPage([_read(connection, issue) for issue in page])

    def search(self, connection: Connection, account_id: str, text: str, limit: int) -> Sequence[IssueSnapshot]:
        """Find issues by key, address or words, among those that the account may see."""
        client, fields = self._client(connection, BRIEF), fields_to_read(connection.settings)
        key, query = jql.key_in(text), jql.with_words(text)
        try:
            found = [client.issue(key, fields)] if key else []
        except IssueUnreadable:
            found = []
        if not found and query:
            # More than asked for, since some may be hidden from this person.
            found = next(client.search(query, fields, page=min(100, limit * 3)))
        snapshots = [_read(connection, issue) for issue in found]
        # Ladder itself may see every project; what it finds must not tell people about the ones hidden from them.
        visible = client.permitted(account_id, BROWSE, [one.external_id for one in snapshots]) if snapshots else set()
        return [one for one in snapshots if one.external_id in visible][:limit]

    def may(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool:
        """Tell whether the account may view, edit or schedule the issue; an answer holds for a minute."""
        if not account_id or not external_id.isdecimal():
            return False
        held = self._rights.find(connection.id, account_id, external_id)
        if held is None:
            granted = self._client(connection, BRIEF).permissions(account_id, ASKED_FOR, [external_id])
            held = frozenset(permission for permission, ids in granted.items() if external_id in ids)
            self._rights.keep(connection.id, account_id, external_id, held)
        return NEEDED[action] <= held

    def permitted(
        self, connection: Connection, account_id: str, external_ids: Sequence[str], action: Action
    ) -> frozenset[str]:
        """Tell which of many issues the account may view or edit; one question for each thousand not asked lately."""
        asked = {one for one in external_ids if one.isdecimal()}
        if not account_id or not asked:
            return frozenset()
        held = {one: self._rights.find(connection.id, account_id, one) for one in asked}
        unknown = sorted((one for one in asked if held[one] is None), key=int)
        for start in range(0, len(unknown), CHECKED_AT_ONCE):
            chunk = unknown[start : start + CHECKED_AT_ONCE]
            granted = self._client(connection, BRIEF).permissions(account_id, ASKED_FOR, chunk)
            for one in chunk:
                held[one] = frozenset(permission for permission, ids in granted.items() if one in ids)
                self._rights.keep(connection.id, account_id, one, held[one] or frozenset())
        return frozenset(one for one in asked if NEEDED[action] <= (held[one] or frozenset()))

    def sprints(self, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        """Read the active and future sprints of a board, or of up to 200 boards."""
        client = self._client(connection, LASTING if board is None else BRIEF)
        return open_sprints(client, board, self._clock())

    def sprint_issues(self, connection: Connection, sprint: str) -> Iterator[SnapshotPage]:
        """Read every issue of a sprint in the order of its board."""
        for page in self._client(connection).sprint_issues(sprint, fields_to_read(connection.settings)):
            yield SnapshotPage([_read(connection, issue) for issue in page])

    def move_to_sprint(self, connection: Connection, external_ids: Sequence[str], sprint: str | None) -> None:
        """Put issues into a sprint or into the backlog, fifty at a time; after a failure some are moved."""
        client = self._client(connection)
        for start in range(0, len(external_ids), MOVED_AT_ONCE):
            chunk = external_ids[start : start + MOVED_AT_ONCE]
            if sprint is None:
                client.put_into_backlog(chunk)
            else:
                client.put_into_sprint(sprint, chunk)

    def resolve(self, connection: Connection, query: IssueQuery) -> IssueQuery:
        """Return a query as it is kept, with the identity of what it names."""
        if query.kind != "epic":
            return issue_queries.clean(self._client(connection, BRIEF), query)
        try:
            epic = self.fetch_issue(connection, issue_queries.epic_key(query))
        except IssueUnreadable:
            raise TrackerRefused(f"Jira shows Ladder no issue {query.text.strip()!r}.") from None
        if epic.level < 1:
            raise TrackerRefused(f"{epic.key} is a {epic.issue_type or 'work item'}, not an epic: link it itself.")
        return IssueQuery("epic", epic.key, epic.external_id)

    def find(self, connection: Connection, query: IssueQuery) -> Iterator[SnapshotPage]:
        """Read every issue that a query matches."""
        if query.kind == "epic":
            yield SnapshotPage([self.fetch_issue(connection, issue_queries.epic_key(query))])
            return
        client, fields = self._client(connection), fields_to_read(connection.settings)
        for page in client.search(f"{issue_queries.restriction(query)} ORDER BY id ASC", fields):
            yield SnapshotPage([_read(connection, issue) for issue in page])

    def matching(self, connection: Connection, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
        """Tell which of up to 100 issues a query matches, with Jira's index brought up to date for them."""
        if query.kind == "epic":
            return frozenset({query.external_id or ""} & set(external_ids))
        return issue_queries.found_among(self._client(connection), query, external_ids)

    def show_goals(self, connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        """Write an issue property that JQL knows as objective, keyResult and goalWork."""
        if marks:
            write_marks(self._client(connection), marks)

    def profile(self, connection: Connection, account_id: str) -> Profile:
        """Read a person's name as their privacy settings allow."""
        account = self._client(connection, BRIEF).account(account_id)
        name = account.get("displayName")
        return Profile(
            account_id=account_id,
            name=name[:200] if isinstance(name, str) else "",
            active=account.get("active") is not False,
        )

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        """Count what a JQL query finds, or add up or average a number field over it.

        Issues without a number in the field are left out; the average of none is None, their sum 0.
        """
        client = self._client(connection)
        if aggregate == "count":
            return Fraction(client.count(query))
        if aggregate not in ("sum", "average") or not field_name:
            raise TrackerRefused(f"Jira can't measure {aggregate!r} of {field_name!r}")
        numbers = [
            number
            for page in client.search(query, [field_name])
            for issue in page
            if (number := exact_number(_field(issue, field_name))) is not None
        ]
        if aggregate == "sum":
            return sum(numbers, Fraction(0))
        return sum(numbers, Fraction(0)) / len(numbers) if numbers else None

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        """Put the panel's label on an issue.

        https://developer.atlassian.com/cloud/jira/platform/modules/issue-context/#dynamic-properties
        """
        value = NO_LABEL
        if label is not None:
            lozenge = {"label": label.text[:LONGEST_LABEL], "type": TONES.get(label.tone, "default")}
            value = {"type": "lozenge", "value": lozenge}
        name = f"com.atlassian.jira.issue:{app_key()}:{PANEL_MODULE}:status"
        self._client(connection).set_property(external_id, name, value)

    def site_options(self, connection: Connection) -> Sequence[SiteOption]:
        """Tell which fields hold estimates, and what counts as dropped."""
        return site_options(connection.settings)

    def discover(self, connection: Connection) -> Mapping[str, Any]:
        """Learn what this site calls things: see jira_app.site_facts."""
        client = self._client(connection)
        answers = [_or_nothing(connection, ask) for ask in (client.fields, client.statuses, client.issue_types)]
        return site_facts(*answers)

    def _client(self, connection: Connection, patience: Patience = LASTING) -> JiraClient:
        """Return a client for the site, kept for its open connections; a new secret makes a new one."""
        if connection.state == "uninstalled" or not connection.credential:
            raise TrackerRefused("Ladder is not installed on this site")
        kept = (connection.id, connection.site, connection.credential, repr(patience))
        with self._lock:
            client = self._clients.get(kept)
            if client is None:
                client = self._clients[kept] = self._new_client(connection, patience)
                if len(self._clients) > CLIENTS_KEPT:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(kept)
        return client

    def _new_client(self, connection: Connection, patience: Patience) -> JiraClient:
        try:
            secret = open_secret(self._vault, connection, connection.credential or "")
        except SealBroken as error:
            raise TrackerRefused(f"the site's secret can't be read: {error}") from None
        return JiraClient(connection.site, app_key(), secret, patience=patience, clock=self._clock)


TRACKER = JiraTracker


def _read(connection: Connection, issue: object) -> IssueSnapshot:
    try:
        return issue_snapshot(connection, issue)
    except (BadDelivery, Incomplete) as error:
        raise TrackerRefused(f"Jira's answer about an issue can't be read: {error}") from None


def _or_nothing(connection: Connection, ask: Callable[[], list[Any]]) -> list[Any]:
    """Return a site's answer; without one of the three, what the others tell is still worth having."""
    try:
        return ask()
    except TrackerRefused as error:
        logger.warning("site_fact_refused", connection=connection.id, question=ask.__name__, problem=str(error))
        return []


def _field(issue: object, name: str) -> object:
    fields = issue.get("fields") if isinstance(issue, dict) else None
    return fields.get(name) if isinstance(fields, dict) else None
