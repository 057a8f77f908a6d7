"""Linear, as the core sees trackers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from connector.core import Core, Services
from connector.models import Connection
from connector.tracker import (
    Action,
    BadDelivery,
    Capabilities,
    Event,
    IssueSnapshot,
    IssueUnreadable,
    PanelLabel,
    Profile,
    SnapshotPage,
    TrackerRefused,
)
from linear_app.client import LinearClient
from linear_app.issue_fields import STATES, Incomplete, issue_snapshot
from linear_app.oauth import LinearOAuth
from linear_app.payloads import events_in
from linear_app.token_keeper import TRACKER_NAME, TokenKeeper

if TYPE_CHECKING:
    from flask import Blueprint

# Levels below an issue that are read: more than people nest, so that a circle can't keep us reading.
DEEPEST = 12
# Issues asked for in one query, one page long.
AT_ONCE = 50


class LinearTracker:
    """Answers the core's questions about Linear workspaces; see connector.tracker.Tracker."""

    name = TRACKER_NAME
    capabilities = Capabilities(queries=False, panel_label=False)

    def __init__(self, services: Services) -> None:
        self._services = services
        self.oauth = LinearOAuth(services.settings)
        self.tokens = TokenKeeper(services, self.oauth)
        self._clients: dict[str, LinearClient] = {}
        self._lock = threading.Lock()

    def blueprint(self, core: Core) -> Blueprint:
        """Return the routes that Linear and installing admins call."""
        from linear_app.routes import blueprint

        return blueprint(core, self)

    def parse(self, connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
        """Read one accepted webhook; raises BadDelivery."""
        return events_in(connection, kind, body)

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        """Read one issue as it is now, by id or by key (ENG-123)."""
        return self._snapshot(connection, self.client(connection).run("Issue", id=id_or_key)["issue"])

    def fetch_subtree(self, connection: Connection, external_id: str) -> Iterator[SnapshotPage]:
        """Read what hangs below an issue, level by level."""
        seen, level = {external_id}, [external_id]
        for _ in range(DEEPEST):
            below: list[str] = []
            for start in range(0, len(level), AT_ONCE):
                wanted = {"parent": {"id": {"in": level[start : start + AT_ONCE]}}}
                for nodes in self.client(connection).pages("Children", "issues", filter=wanted):
                    page = self._page(connection, nodes)
                    below += [one.external_id for one in page.snapshots if one.external_id not in seen]
                    seen.update(below)
                    yield page
            level = below
            if not level:
                return

    def updated_since(self, connection: Connection, since: datetime) -> Iterator[SnapshotPage]:
        """Read every issue updated at or after `since`."""
        wanted = {"updatedAt": {"gte": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}}
        for nodes in self.client(connection).pages("UpdatedSince", "issues", filter=wanted):
            yield self._page(connection, nodes)

    def search(self, connection: Connection, account_id: str, text: str, limit: int) -> Sequence[IssueSnapshot]:
        """Find issues by key or words. Linear has no rights per issue inside a workspace's public teams."""
        client = self.client(connection)
        found = client.run("Search", term=text)["searchIssues"]["nodes"]
        ids = [node["id"] for node in found][:limit]
        if not ids:
            return []
        pages = client.pages("IssuesById", "issues", filter={"id": {"in": ids}})
        nodes = {node["id"]: node for page in pages for node in page}
        return self._page(connection, [nodes[id_] for id_ in ids if id_ in nodes]).snapshots

    def may(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool:
        """Tell whether a person may see or edit the issue.

        Linear lets every member of a workspace edit every issue of a public team, and an app token sees private teams
        only where it was let in. So: an active member of the workspace, and an issue that we can read.
        """
        if not account_id:
            return False
        try:
            member = self.client(connection).run("User", id=account_id)["user"]
            self.client(connection).run("Issue", id=external_id)
        except IssueUnreadable:
            return False
        return bool(member.get("active"))

    def profile(self, connection: Connection, account_id: str) -> Profile:
        """Read a person's name."""
        user = self.client(connection).run("User", id=account_id)["user"]
        return Profile(account_id, str(user["displayName"] or user["name"])[:200], bool(user["active"]))

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        """Linear filters are not taken as queries yet: raises TrackerRefused, so that the key result says so."""
        raise TrackerRefused("Key results by query are only built for Jira so far")

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        """Linear shows no label beside an issue; the attachment says it."""

    def discover(self, connection: Connection) -> Mapping[str, Any]:
        """Learn the workspace's workflow states and who we are in it."""
        client = self.client(connection)
        states = {
            node["id"]: [node["type"], node["name"]]
            for page in client.pages("WorkflowStates", "workflowStates")
            for node in page
        }
        return {STATES: states, "app_user_id": client.run("Viewer")["viewer"]["id"]}

    def client(self, connection: Connection) -> LinearClient:
        """Return the client for a workspace, kept for its open connections."""
        with self._lock:
            if connection.id not in self._clients:
                self._clients[connection.id] = LinearClient(
                    self._services.settings.linear_api_url,
                    lambda: self.tokens.access_token(connection.id),
                    lambda rejected: self.tokens.renewed(connection.id, rejected),
                )
            return self._clients[connection.id]

    def _page(self, connection: Connection, nodes: Sequence[Mapping[str, Any]]) -> SnapshotPage:
        """Read a page; a trashed issue among it is left out, since its deletion has its own news."""
        return SnapshotPage(
            [self._snapshot(connection, node) for node in nodes if not (node.get("trashed") or _is_gone(node))]
        )

    @staticmethod
    def _snapshot(connection: Connection, node: object) -> IssueSnapshot:
        try:
            if not isinstance(node, dict):
                raise BadDelivery("not an object")
            if node.get("trashed"):
                raise IssueUnreadable(f"{node.get('identifier')} is in Linear's trash")
            return issue_snapshot(connection, node)
        except (BadDelivery, Incomplete) as error:
            raise TrackerRefused(f"Linear's answer about an issue can't be read: {error}") from None


def _is_gone(node: Mapping[str, Any]) -> bool:
    return not node


TRACKER = LinearTracker
