"""The events of a workspace: every change is stamped, put into Linear's webhook shape and handed to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from .clock import MovableClock
from .deliveries import WebhookDeliveries
from .oauth import OAuthServer
from .payloads import Json, Payloads, iso, slug
from .records import Attachment, Cycle, Issue, Label, Project, Relation, User, View
from .state import WorkspaceState

AGE = timedelta(days=60)
Entity = Attachment | Cycle | Issue | Label | Project | Relation | User

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)

# The name of an attribute in `updatedFrom`: camel case, and only ids for what is elsewhere.
_TYPES: dict[type, str] = {
    Attachment: "Attachment",
    Cycle: "Cycle",
    Issue: "Issue",
    Label: "IssueLabel",
    Project: "Project",
    Relation: "IssueRelation",
    User: "User",
}


class EventedWorkspace(WorkspaceState):
    """A workspace that tells the installed application what happens."""

    def __init__(self, name: str, base_url: str, clock: MovableClock, workers: int) -> None:
        super().__init__(name, clock)
        self.base_url = base_url.rstrip("/")
        self.organization_id = str(uuid5(NAMESPACE_URL, f"stand-in-linear:{name}"))
        self.url_key = slug(name)
        # Older than anything in it: a stamp of now would push all that is seeded into the present.
        self.created_at = clock() - AGE
        self.webhook_id = str(uuid5(NAMESPACE_URL, f"stand-in-linear-webhook:{name}"))
        self.payloads_of_2023 = False
        """Send issues as they looked in 2023, without identifier and address among the data."""
        self.tells_relations = False
        """Send `IssueRelation` when issues start or stop blocking each other; the published types list no such body."""
        self.oauth = OAuthServer(self)
        self.webhooks = WebhookDeliveries(self, workers)

    # -- addresses

    def issue_url(self, issue: Issue) -> str:
        return f"{self.base_url}/{self.url_key}/issue/{issue.identifier}/{slug(issue.title)}"

    def project_url(self, project: Project) -> str:
        return f"{self.base_url}/{self.url_key}/project/{slug(project.name)}-{project.slug_id}"

    def user_url(self, user: User) -> str:
        return f"{self.base_url}/{self.url_key}/profiles/{user.display_name}"

    def view_url(self, view: View) -> str:
        return f"{self.base_url}/{self.url_key}/view/{slug(view.name)}-{view.slug_id}"

    # -- events

    @property
    def payloads(self) -> Payloads:
        return Payloads(self, of_2023=self.payloads_of_2023)

    @property
    def admin(self) -> User:
        return next(user for user in self.users.values() if user.admin)

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

    def _actor(self, by: str | User | None) -> User:
        return self.user(by) if by is not None else self.admin

    def _change(self, entity: Entity, changes: Mapping[str, Any], by: str | User | None) -> bool:
        """Set attributes, stamp the entity and send `update` with what was there before; False when nothing differs."""
        actor = self._actor(by)
        before: Json = {}
        for name, value in changes.items():
            old = getattr(entity, name)
            if old != value:
                before[camel(name)] = iso(old) if isinstance(old, datetime) else old
                setattr(entity, name, value)
        if not before:
            return False
        before["updatedAt"] = iso(entity.updated_at)
        entity.updated_at = self.stamp()
        self._publish("update", entity, actor, before)
        return True

    def _publish(self, action: str, entity: Entity, actor: User, before: Json | None = None) -> None:
        kind = _TYPES[type(entity)]
        body: Json = {
            "action": action,
            "actor": self.payloads.actor(actor),
            "createdAt": iso(self.stamp() if action == "remove" else entity.updated_at),
            "data": self._data(entity),
            "type": kind,
            "organizationId": self.organization_id,
            "webhookId": self.webhook_id,
        }
        if before is not None:
            body["updatedFrom"] = before
        address = self._address(entity)
        if address is not None:
            body["url"] = address
        # A private team's events go to those who were let in, and the application is one of them or not.
        self._send(body, heard=not isinstance(entity, Issue) or self._app_sees(entity))

    def notice(self, body: Json) -> None:
        """Send an event that is about no entity: installations and rights."""
        envelope = {"organizationId": self.organization_id, "webhookId": self.webhook_id}
        self._send({**body, "createdAt": iso(self.stamp()), **envelope}, heard=True)

    def _send(self, body: Json, *, heard: bool) -> None:
        self.version += 1
        if not _SILENT.get() and heard and (self.oauth.installed or body["type"].startswith("OAuth")):
            self.webhooks.publish(body)

    def _app_sees(self, issue: Issue) -> bool:
        app_user = self.oauth.app_user
        return app_user is not None and self.sees(app_user, issue)

    def _data(self, entity: Entity) -> Json:
        payloads = self.payloads
        match entity:
            case Issue():
                return payloads.issue(entity)
            case Attachment():
                return payloads.attachment(entity)
            case Label():
                return payloads.label(entity)
            case Cycle():
                return payloads.cycle(entity)
            case Project():
                return payloads.project(entity)
            case Relation():
                return payloads.relation(entity)
            case User():
                return payloads.user(entity)

    def _address(self, entity: Entity) -> str | None:
        match entity:
            case Issue():
                return self.issue_url(entity)
            case Project():
                return self.project_url(entity)
            case Attachment():
                return self.issue_url(self.issues[entity.issue_id]) if entity.issue_id in self.issues else None
            case _:
                return None


def camel(name: str) -> str:
    """`state_id` as Linear writes it: stateId."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
