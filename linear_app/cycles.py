"""Linear's cycles as the sprints that the core knows: which are open, what they hold, and moving issues between them.

https://linear.app/docs/use-cycles
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from connector.tracker import BadDelivery, IssueUnreadable, SprintChanged, TrackerRefused
from linear_app.client import LinearClient
from linear_app.issue_fields import identity
from linear_app.signature import moment

# Issues that one batch update takes.
BATCH = 50
# Ids in one filter.
LOOKED_UP = 100
BLOCKS = "blocks"
LONGEST_NAME = 200
PHASES = {"active": "isActive", "future": "isFuture"}


def open_cycles(client: LinearClient, team: str | None) -> Iterator[SprintChanged]:
    """Read the cycles that run now or are still to come, of one team or of all that we may see."""
    wanted: dict[str, Any] = {"isPast": {"eq": False}}
    if team is not None:
        wanted["team"] = {"id": {"eq": team}}
    for nodes in client.pages("Cycles", "cycles", urgent=True, filter=wanted):
        for node in nodes:
            yield _cycle(node)


def issues_of(client: LinearClient, cycle: str) -> Iterator[list[dict[str, Any]]]:
    """Read the issues of a cycle with what blocks them, page by page."""
    return client.pages("IssuesWithBlockers", "issues", filter={"cycle": {"id": {"eq": cycle}}})


def move(client: LinearClient, issue_ids: Sequence[str], cycle: str | None) -> None:
    """Put issues into a cycle of their team, or out of the one that they are in; all of them or none.

    Raises TrackerRefused, in words for whoever asked for it.
    """
    if cycle is not None:
        _same_team(client, issue_ids, cycle)
    for start in range(0, len(issue_ids), BATCH):
        asked = {"ids": list(issue_ids[start : start + BATCH]), "input": {"cycleId": cycle}}
        _succeeded(client.run("UpdateIssues", urgent=True, **asked)["issueBatchUpdate"])


def show_link(client: LinearClient, cycle: str, url: str, title: str, known_id: str | None) -> str:
    """Put a link on a cycle, or bring ours up to date, and return its id.

    Linear keeps as many links of one address as it is given, so one that is there already is looked for first.
    """
    shown = {"label": title[:LONGEST_NAME], "url": url}
    if known_id is not None:
        try:
            _succeeded(client.run("UpdateCycleLink", id=known_id, input=shown)["entityExternalLinkUpdate"])
            return known_id
        except IssueUnreadable:
            # Somebody took it off; whoever asks wants it there again.
            pass
    there = next((one for one in _links(client, cycle) if one["url"] == url), None)
    if there is not None:
        if there["label"] != shown["label"]:
            _succeeded(client.run("UpdateCycleLink", id=there["id"], input=shown)["entityExternalLinkUpdate"])
        return str(there["id"])
    fresh = {**shown, "id": str(uuid4()), "cycleId": cycle}
    made = _succeeded(client.run("CreateCycleLink", input=fresh)["entityExternalLinkCreate"])
    return str(made["entityExternalLink"]["id"])


def blockers(client: LinearClient, node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what must be done before an issue that was read with its relations; the rest of very many is asked for."""
    found = node["inverseRelations"]
    nodes = list(found["nodes"])
    while found["pageInfo"]["hasNextPage"]:
        after = found["pageInfo"]["endCursor"]
        found = client.run("Blockers", id=node["id"], after=after)["issue"]["inverseRelations"]
        nodes += found["nodes"]
    return tuple(sorted({identity(one["issue"]["id"]) for one in nodes if one["type"] == BLOCKS}))


def title_of(data: Mapping[str, Any]) -> str:
    """Return what people call a cycle: its own name, or its number."""
    name, number = data.get("name"), data.get("number")
    if isinstance(name, str) and name:
        return name[:LONGEST_NAME]
    # Linear's numbers are floats in answers and whole ones in webhooks.
    return f"Cycle {int(number)}" if isinstance(number, int | float) and not isinstance(number, bool) else "Cycle"


def _cycle(node: Mapping[str, Any]) -> SprintChanged:
    starts, ends, updated = (_moment(node, name) for name in ("startsAt", "endsAt", "updatedAt"))
    state = next((word for word, field in PHASES.items() if node[field]), "closed")
    # A cycle begins by the clock, without an update of its own.
    happened_at = max(updated, starts) if state == "active" else updated
    try:
        cycle, team = identity(node["id"]), identity(node["team"]["id"])
    except BadDelivery as error:
        raise TrackerRefused(f"Linear's answer about a cycle can't be read: {error}") from None
    name = str(node["team"]["name"])
    return SprintChanged(cycle, title_of(node), state, happened_at, starts, ends, team, name)


def _same_team(client: LinearClient, issue_ids: Sequence[str], cycle: str) -> None:
    """Refuse issues of another team than the cycle's before any is moved: Linear plans each team by itself."""
    found = [
        node for page in client.pages("Cycles", "cycles", urgent=True, filter={"id": {"eq": cycle}}) for node in page
    ]
    if not found:
        raise TrackerRefused("This cycle is gone, or closed to Ladder")
    foreign: list[str] = []
    for start in range(0, len(issue_ids), LOOKED_UP):
        wanted = {"id": {"in": list(issue_ids[start : start + LOOKED_UP])}}
        for nodes in client.pages("TeamsOfIssues", "issues", urgent=True, filter=wanted):
            foreign += [node["identifier"] for node in nodes if node["team"]["id"] != found[0]["team"]["id"]]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        words = f"{', '.join(foreign[:3])}{more}: not of the team {found[0]['team']['name']}, whose cycle this is"
        raise TrackerRefused(f"Nothing was moved. {words}")


def _links(client: LinearClient, cycle: str) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        found = client.run("CycleLinks", id=cycle, after=after)["cycle"]["links"]
        yield from found["nodes"]
        if not found["pageInfo"]["hasNextPage"]:
            return
        after = found["pageInfo"]["endCursor"]


def _succeeded(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer["success"] is not True:
        raise TrackerRefused("Linear did not do it, and does not say why")
    return answer


def _moment(node: Mapping[str, Any], name: str) -> datetime:
    found = moment(node[name])
    if found is None:
        raise TrackerRefused(f"Linear's answer about a cycle can't be read: {name}")
    return found
