"""Linear, as the core sees trackers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from connector.basic_tracker import BasicTracker
from connector.core import Core, Services
from connector.models import Connection
from connector.outbox import enqueue
from connector.tracker import (
    Action,
    BadDelivery,
    Capabilities,
    Event,
    GoalCard,
    GoalMark,
    IssueDeleted,
    IssueQuery,
    IssueSnapshot,
    IssueUnreadable,
    PanelLabel,
    Profile,
    SnapshotPage,
    SprintChanged,
    TrackerRefused,
)
from linear_app import cards, cycles, goal_labels, goal_marks, issue_labels, issue_queries, rights
from linear_app.client import LinearClient
from linear_app.issue_fields import STATES, Incomplete, identity, issue_snapshot
from linear_app.oauth import LinearOAuth
from linear_app.organizations import Organizations
from linear_app.payloads import events_in, own_actors
from linear_app.rights import PUBLIC, Rights, membership
from linear_app.signature import moment
from linear_app.token_keeper import TRACKER_NAME, TokenKeeper

if TYPE_CHECKING:
    from flask import Blueprint

# Levels below an issue that are read: more than people nest, so that a circle can't keep us reading.
DEEPEST = 12
# Issues asked for in one query, one page long.
AT_ONCE = 50
# An issue's key, by itself or inside its address.
KEY = re.compile(r"(?i)^\s*(?:https?://\S*/issue/)?([a-z][a-z0-9_]{0,15}-[0-9]{1,9})(?:/\S*)?\s*$")


class LinearTracker(BasicTracker):
    """Answers the core's questions about Linear workspaces; see connector.tracker.Tracker."""

    name = TRACKER_NAME
    capabilities = Capabilities(
        queries=True,
        cards=True,
        goal_labels=True,
        sprints=True,
        rules=issue_queries.KINDS,
        goal_marks=True,
        sprint_links=True,
    )

    def __init__(self, services: Services) -> None:
        self._services = services
        self.oauth = LinearOAuth(services.settings)
        self.tokens = TokenKeeper(services, self.oauth)
        self.organizations = Organizations(services)
        self._rights = Rights()
        self._clients: dict[str, LinearClient] = {}
        self._lock = threading.Lock()

    def blueprint(self, core: Core) -> Blueprint:
        """Return the routes that Linear calls."""
        from linear_app.routes import blueprint

        return blueprint(core, self.organizations)

    def parse(self, connection: Connection, kind: str, body: bytes) -> Sequence[Event]:
        """Read one accepted webhook; raises BadDelivery."""
        return events_in(connection, kind, body, own_actors(connection, self._services.settings.linear_client_id))

    def fetch_issue(self, connection: Connection, id_or_key: str) -> IssueSnapshot:
        """Read one issue as it is now, by id or by key (ENG-123)."""
        client = self.client(connection)
        node = client.run("Issue", id=id_or_key)["issue"]
        self._learn_states(connection, node)
        return replace(self._snapshot(connection, node), blocked_by=cycles.blockers(client, node))

    def fetch_issues(self, connection: Connection, external_ids: Sequence[str]) -> Sequence[IssueSnapshot]:
        """Read issues as they are now, fifty at a time; those in the trash or closed to us are left out."""
        client = self.client(connection)
        found: list[IssueSnapshot] = []
        for start in range(0, len(external_ids), AT_ONCE):
            wanted = {"id": {"in": list(external_ids[start : start + AT_ONCE])}}
            for nodes in client.pages("IssuesById", "issues", filter=wanted):
                found += self._page(connection, nodes).snapshots
        return found

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
        """Read every issue updated at or after `since`, or put into the trash, which is no update to Linear."""
        lately = {"gte": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        wanted = {"or": [{"updatedAt": lately}, {"archivedAt": lately}]}
        for nodes in self.client(connection).pages("UpdatedSince", "issues", filter=wanted):
            yield self._page(connection, nodes)

    def search(self, connection: Connection, account_id: str, text: str, limit: int) -> Sequence[IssueSnapshot]:
        """Find issues by key, address or words, among those that the account may see."""
        client = self.client(connection)
        key = KEY.match(text)
        try:
            nodes = [client.run("Issue", urgent=True, id=key[1].upper())["issue"]] if key else []
        except IssueUnreadable:
            nodes = []
        if not nodes:
            found = [node["id"] for node in client.run("Search", urgent=True, term=text)["searchIssues"]["nodes"]]
            pages = client.pages("IssuesById", "issues", urgent=True, filter={"id": {"in": found}}) if found else ()
            by_id = {node["id"]: node for page in pages for node in page}
            nodes = [by_id[id_] for id_ in found if id_ in by_id]
        if not nodes or not account_id:
            return []
        # Ladder may have been let into private teams; what it finds there must not be told to everybody.
        member = membership(client, account_id, {node["team"]["id"] for node in nodes})
        seen = [one for one in nodes if member.sees(one["team"]["id"], public=one["team"]["visibility"] == PUBLIC)]
        return self._page(connection, seen).snapshots[:limit]

    def may(self, connection: Connection, account_id: str, external_id: str, action: Action) -> bool:
        """Tell whether a person may see or edit the issue, which in Linear is the same; held for a minute."""
        if not account_id:
            return False
        held = self._rights.find(connection.id, account_id, external_id)
        if held is None:
            held = self._may(connection, account_id, external_id)
            self._rights.keep(connection.id, account_id, external_id, held)
        return held

    def _may(self, connection: Connection, account_id: str, external_id: str) -> bool:
        client = self.client(connection)
        try:
            team = client.run("Issue", urgent=True, id=external_id)["issue"]["team"]
        except IssueUnreadable:
            return False
        return membership(client, account_id, [team["id"]]).sees(team["id"], public=team["visibility"] == PUBLIC)

    def permitted(
        self, connection: Connection, account_id: str, external_ids: Sequence[str], action: Action
    ) -> frozenset[str]:
        """Tell which of many issues a person sees, by one question about them and one for every hundred issues."""
        if not account_id:
            return frozenset()
        held = {one: self._rights.find(connection.id, account_id, one) for one in dict.fromkeys(external_ids)}
        unknown = [one for one, seen in held.items() if seen is None]
        held |= rights.seen_by(self.client(connection), account_id, unknown)
        for one in unknown:
            self._rights.keep(connection.id, account_id, one, bool(held[one]))
        return frozenset(one for one, seen in held.items() if seen)

    def sprints(self, connection: Connection, board: str | None) -> Sequence[SprintChanged]:
        """Read the cycles of a team (of every team that we see) that run now or are still to come."""
        return list(cycles.open_cycles(self.client(connection), board))

    def sprint_issues(self, connection: Connection, sprint: str) -> Iterator[SnapshotPage]:
        """Read every issue of a cycle with what blocks it."""
        client = self.client(connection)
        for nodes in cycles.issues_of(client, sprint):
            yield self._with_blockers(connection, client, nodes)

    def move_to_sprint(self, connection: Connection, external_ids: Sequence[str], sprint: str | None) -> None:
        """Put issues into a cycle, or out of theirs; Linear refuses a cycle of another team."""
        cycles.move(self.client(connection), external_ids, sprint)

    def show_sprint_link(self, connection: Connection, sprint: str, url: str, title: str, known_id: str | None) -> str:
        """Put a link to our planning page on a cycle, or bring it up to date."""
        return cycles.show_link(self.client(connection), sprint, url, title, known_id)

    def resolve(self, connection: Connection, query: IssueQuery) -> IssueQuery:
        """Find the parent issue or project that a query names, its label, or ask Linear to check its filter."""
        client = self.client(connection)
        if query.kind != "epic":
            return issue_queries.clean(client, query, goal_labels.ours(connection.settings))
        named = KEY.match(query.text)
        wanted = query.external_id or (named[1].upper() if named else "")
        if not wanted:
            raise TrackerRefused("Name the issue by its key, such as ENG-12, or by its address.")
        try:
            node = client.run("Issue", urgent=True, id=wanted)["issue"]
            found = self._snapshot(connection, node)
        except IssueUnreadable:
            raise TrackerRefused(f"Linear shows Ladder no issue {query.text.strip()[:100]!r}.") from None
        return replace(query, text=found.key, external_id=found.external_id)

    def find(self, connection: Connection, query: IssueQuery) -> Iterator[SnapshotPage]:
        """Read the parent issue, or every issue that a project, label or filter matches."""
        if query.kind == "epic":
            yield SnapshotPage([self.fetch_issue(connection, query.external_id or query.text)])
            return
        for nodes in issue_queries.pages(self.client(connection), query):
            yield self._page(connection, nodes)

    def matching(self, connection: Connection, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
        """Return those of up to 100 issues that a query matches now."""
        if query.kind == "epic":
            return frozenset({query.external_id or ""} & set(external_ids))
        return issue_queries.found_among(self.client(connection), query, external_ids)

    def profile(self, connection: Connection, account_id: str) -> Profile:
        """Read a person's name."""
        user = self.client(connection).run("User", urgent=True, id=account_id)["user"]
        return Profile(account_id, str(user["displayName"] or user["name"])[:200], bool(user["active"]))

    def measure(self, connection: Connection, query: str, aggregate: str, field_name: str | None) -> Fraction | None:
        """Count what a filter finds (an IssueFilter of Linear's API, as JSON), or add up or average the estimates."""
        return issue_queries.measure(self.client(connection), query, aggregate, field_name)

    def show_label(self, connection: Connection, external_id: str, label: PanelLabel | None) -> None:
        """Linear shows no label beside an issue; the attachment says it."""

    def show_card(self, connection: Connection, external_id: str, card: GoalCard, known_id: str | None) -> str:
        """Put an attachment about a key result on an issue, or bring it up to date."""
        base_url, now = self._services.settings.base_url, self._services.clock()
        return cards.show(self.client(connection), base_url, external_id, card, known_id, now)

    def remove_card(self, connection: Connection, card_id: str) -> None:
        """Take an attachment away."""
        cards.remove(self.client(connection), card_id)

    def sync_goal_labels(
        self, connection: Connection, wanted: Mapping[str, str], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep the group of labels that link issues to key results."""
        return goal_labels.sync(self.client(connection), wanted, known)

    def put_labels(
        self, connection: Connection, external_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
    ) -> Sequence[IssueSnapshot]:
        """Put labels on issues and take others off, fifty issues at a time."""
        nodes = issue_labels.change(self.client(connection), external_ids, add, remove)
        return self._page(connection, nodes).snapshots

    def show_goals(self, connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        """Put the labels of the group "Goal work" on issues, or take them off."""
        goal_marks.show(self.client(connection), goal_marks.labels_in(connection.settings), marks)

    def discover(self, connection: Connection) -> Mapping[str, Any]:
        """Learn the workspace's workflow states and teams, and who we are in it."""
        client = self.client(connection)
        states = {
            node["id"]: [node["type"], node["name"]]
            for page in client.pages("WorkflowStates", "workflowStates")
            for node in page
        }
        teams = {node["id"]: node["key"] for page in client.pages("Teams", "teams") for node in page}
        # A team that was closed to us is known by name still: that is how its issues are found when news of it comes.
        known: Mapping[str, str] = connection.settings.get("team_keys", {})
        return {
            STATES: states,
            "team_keys": {**known, **teams},
            "app_user_id": client.run("Viewer")["viewer"]["id"],
        }

    def client(self, connection: Connection) -> LinearClient:
        """Return the client for a workspace, kept for its open connections."""
        with self._lock:
            if connection.id not in self._clients:
                self._clients[connection.id] = LinearClient(
                    self._services.settings.linear_api_url,
                    lambda: self.tokens.access_token(connection.id),
                    lambda rejected: self.tokens.renewed(connection.id, rejected),
                    lambda why: self.tokens.give_up(connection.id, why),
                )
            return self._clients[connection.id]

    def _learn_states(self, connection: Connection, node: object) -> None:
        """Ask for the workflow states again when an issue is in one that we did not know: Linear does not tell us."""
        state = node.get("state") if isinstance(node, dict) else None
        if not isinstance(state, dict) or state.get("id") in connection.settings.get(STATES, {}):
            return
        with self._services.database.writing() as session:
            enqueue(session, connection.id, "discover", "", now=self._services.clock())

    def _page(self, connection: Connection, nodes: Sequence[Mapping[str, Any]]) -> SnapshotPage:
        """Read a page; what is in the trash is gone, on Linear's own word."""
        return SnapshotPage(
            [self._snapshot(connection, node) for node in nodes if not node.get("trashed")],
            gone=[_deletion(node) for node in nodes if node.get("trashed")],
        )

    def _with_blockers(
        self, connection: Connection, client: LinearClient, nodes: Sequence[Mapping[str, Any]]
    ) -> SnapshotPage:
        """Read a page of issues that were asked for with their relations."""
        page = self._page(connection, nodes)
        blocked_by = {node["id"]: cycles.blockers(client, node) for node in nodes if not node.get("trashed")}
        return replace(page, snapshots=[replace(one, blocked_by=blocked_by[one.external_id]) for one in page.snapshots])

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


TRACKER = LinearTracker


def _deletion(node: Mapping[str, Any]) -> IssueDeleted:
    moments = [moment(node.get(name)) for name in ("archivedAt", "updatedAt")]
    happened_at = max((one for one in moments if one is not None), default=None)
    if happened_at is None:
        raise TrackerRefused("Linear's answer about an issue can't be read: no time in it")
    try:
        return IssueDeleted(identity(node.get("id")), happened_at)
    except BadDelivery as error:
        raise TrackerRefused(f"Linear's answer about an issue can't be read: {error}") from None
