"""Commands that connect and collect: which issue blocks which, links on cycles, views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .filters import Filters
from .payloads import iso
from .planning import PlannedWorkspace
from .records import Cycle, ExternalLink, Issue, Relation, Team, User, View
from .state import NotAllowedError

RELATIONS = ("blocks", "duplicate", "related", "similar")


class ConnectedWorkspace(PlannedWorkspace):
    """A workspace with relations between issues, links on cycles, and views."""

    # -- relations

    def relate(
        self,
        issue: str | Issue,
        kind: str,
        related: str | Issue,
        *,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> Relation:
        """Say what an issue is to another one, once: `relate(a, "blocks", b)` has b wait for a."""
        with self.lock:
            one, other = self.issue(issue), self.issue(related)
            if kind not in RELATIONS:
                raise NotAllowedError(f"{kind} is no relation.")
            if one is other:
                raise NotAllowedError("An issue can't be related to itself.")
            known = self._relation_of(one, kind, other)
            if known is not None:
                return known
            moment = self.stamp()
            relation = Relation(self.new_entity_id(id, self.relations), kind, one.id, other.id, moment, moment)
            self.relations[relation.id] = relation
            self._tell_relation("create", relation, by)
            return relation

    def unrelate(self, relation: str | Relation, *, by: str | User | None = None) -> None:
        with self.lock:
            found = self.relation(relation)
            del self.relations[found.id]
            self._tell_relation("remove", found, by)

    def block(self, issue: str | Issue, by_issue: str | Issue, *, by: str | User | None = None) -> Relation:
        """An issue can't be done before another one."""
        return self.relate(by_issue, "blocks", issue, by=by)

    def unblock(self, issue: str | Issue, by_issue: str | Issue, *, by: str | User | None = None) -> None:
        with self.lock:
            known = self._relation_of(self.issue(by_issue), "blocks", self.issue(issue))
            if known is not None:
                self.unrelate(known, by=by)

    def _relation_of(self, issue: Issue, kind: str, related: Issue) -> Relation | None:
        wanted = (issue.id, kind, related.id)
        mine = (one for one in self.relations.values() if (one.issue_id, one.type, one.related_issue_id) == wanted)
        return next(mine, None)

    def _tell_relation(self, action: str, relation: Relation, by: str | User | None) -> None:
        """The issues keep their `updatedAt`: nothing says that Linear changes it."""
        if self.tells_relations:
            self._publish(action, relation, self._actor(by))
        else:
            self.changed()

    # -- links on cycles

    def add_external_link(
        self,
        cycle: str | Cycle,
        url: str,
        label: str,
        *,
        sort_order: float | None = None,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> ExternalLink:
        """Put an address on a cycle; twice the same address makes two links."""
        with self.lock:
            home = self.cycle(cycle)
            _check_address(url)
            moment = self.stamp()
            place = sort_order if sort_order is not None else float(len(self.links_of(home)))
            link_id = self.new_entity_id(id, self.external_links)
            link = ExternalLink(link_id, home.id, url, label, moment, moment, self._actor(by).id, place)
            self.external_links[link.id] = link
            self.changed()
            return link

    def edit_external_link(self, link: str | ExternalLink, **changes: Any) -> ExternalLink:
        """Change `url`, `label` or `sort_order`."""
        with self.lock:
            found = self.external_link(link)
            _check_address(changes.get("url", found.url))
            for name, value in changes.items():
                setattr(found, name, value)
            found.updated_at = self.stamp()
            self.changed()
            return found

    def remove_external_link(self, link: str | ExternalLink) -> None:
        with self.lock:
            del self.external_links[self.external_link(link).id]
            self.changed()

    # -- views

    def create_view(
        self,
        name: str,
        filter_data: Mapping[str, Any],
        *,
        shared: bool = True,
        description: str | None = None,
        icon: str | None = None,
        color: str | None = None,
        team: str | Team | None = None,
        id: str | None = None,  # noqa: A002 - the name of Linear's input field
        by: str | User | None = None,
    ) -> View:
        """A filter over issues with a name; any number of views may share one."""
        with self.lock:
            if not name.strip():
                raise NotAllowedError("A view needs a name.")
            moment = self.stamp()
            view_id = self.new_entity_id(id, self.views)
            view = View(
                view_id,
                name.strip(),
                view_id.replace("-", "")[:12],
                moment,
                moment,
                self._actor(by).id,
                _written(filter_data),
                description,
                icon,
                color,
                shared,
                self.team(team).id if team is not None else None,
            )
            self.views[view.id] = view
            self.changed()
            return view

    def edit_view(self, view: str | View, **changes: Any) -> View:
        """Change `name`, `description`, `icon`, `color`, `shared` or `filter_data`."""
        with self.lock:
            found = self.view(view)
            if "filter_data" in changes:
                changes["filter_data"] = _written(changes["filter_data"] or {})
            for name, value in changes.items():
                setattr(found, name, value)
            found.updated_at = self.stamp()
            self.changed()
            return found

    def issues_in(self, view: str | View) -> list[Issue]:
        """The issues that a view shows, in the order of the board."""
        with self.lock:
            wanted, filters = self.view(view).filter_data, Filters(self)
            shown = (one for one in self.issues.values() if one.archived_at is None)
            return self.sorted(one for one in shown if filters.issue(one, wanted))

    def delete_view(self, view: str | View) -> None:
        with self.lock:
            del self.views[self.view(view).id]
            self.changed()


def _check_address(url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise NotAllowedError("url must be an absolute address.")


def _written(filter_data: Any) -> Any:
    """A filter as JSON again: GraphQL has read its moments by now."""
    match filter_data:
        case datetime():
            return iso(filter_data)
        case Mapping():
            return {name: _written(value) for name, value in filter_data.items()}
        case list():
            return [_written(one) for one in filter_data]
        case _:
            return filter_data
