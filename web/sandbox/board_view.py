"""A board as its page shows it: columns, lanes, lists, and what its saved queries make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from . import modules
from .catalogue import GLOBAL_TYPES, statuses_of
from .jql import JqlError, parse
from .jql_search import run
from .records import Board, Issue, Person, Project, SavedQuery, Sprint
from .site import JiraSite

COLUMNS = (
    ("To Do", "new", ("new", "undefined")),
    ("In Progress", "indeterminate", ("indeterminate",)),
    ("Done", "done", ("done",)),
)
KINDS = {"quick_filters": "Quick filters", "swimlanes": "Swimlanes", "colours": "Card colours"}
MOST = 30
COLOURS = 6


@dataclass(frozen=True, slots=True)
class Toggle:
    """A quick filter's button: where a press leads, and whether it is on."""

    name: str
    jql: str
    href: str
    on: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the board; the only one has no name."""

    name: str
    columns: Sequence[tuple[str, str, Sequence[Issue]]]
    count: int


def board_view(site: JiraSite, person: Person, project: Project, args: MultiDict[str, str]) -> dict[str, Any]:
    """What the board's template needs; queries that cannot be run are told and leave nothing."""
    board, problems = site.board_of(project), list[str]()
    issues = site.ranked(one for one in site.issues.values() if one.project_id == project.id)

    def found(jql: str) -> set[str]:
        try:
            return {one.id for one in run(parse(jql), site, issues)}
        except JqlError as error:
            problems.append(str(error))
            return set()

    query = args.get("jql", "").strip()
    chosen = [at for at in range(len(board.quick_filters)) if str(at) in args.getlist("filter")]
    shown = issues
    for jql in [query, *(board.quick_filters[at].jql for at in chosen)]:
        if jql:
            allowed = found(jql)
            shown = [one for one in shown if one.id in allowed]
    cards = [one for one in shown if one.type.level == 0]
    sprint, planned, lists = site.active_sprint(project), cards, list[tuple[str, Sprint | None, list[Issue]]]()
    sprints = site.sprints_of(board)
    if sprints:
        planned = [one for one in cards if sprint and site.current_sprint_of(one) is sprint]
        lists = [
            (one.name, one, [card for card in cards if site.current_sprint_of(card) is one])
            for one in sprints
            if one.state == "future"
        ]
        rest = [one for one in cards if not site.current_sprint_of(one) and one.status.category.key != "done"]
        lists.append(("Backlog", None, rest))
    by_lane = args.get("lanes") == "1" and bool(board.swimlanes)
    colours: dict[str, int] = {}
    for at, saved in enumerate(board.colours):
        for issue_id in found(saved.jql):
            colours.setdefault(issue_id, at % COLOURS)
    return {
        "sprint": sprint,
        "lanes": _lanes(board, planned, found) if by_lane else [_lane("", planned)],
        "by_lane": by_lane,
        "lanes_href": _href(project, query, chosen, not by_lane),
        "toggles": [
            Toggle(one.name, one.jql, _href(project, query, sorted({at} ^ set(chosen)), by_lane), at in chosen)
            for at, one in enumerate(board.quick_filters)
        ],
        "colours": colours,
        "legend": [(one.name, at % COLOURS) for at, one in enumerate(board.colours)],
        "board": board,
        "lists": lists,
        "open_sprints": [one for one in sprints if one.state != "closed"],
        "tools": modules.board_tools(site, person, project),
        "backlog_tools": modules.backlog_tools(site, person, project),
        "query": query,
        "filtered": bool(query or chosen),
        "chosen": chosen,
        "problems": problems,
        "statuses": statuses_of(project),
        "types": [one for one in GLOBAL_TYPES if one.level >= 0],
        "epics": [one for one in site.issues.values() if one.type.level == 1 and one.project_id == project.id],
    }


def _lanes(board: Board, issues: Sequence[Issue], found: Any) -> list[Lane]:
    """An issue is in the first lane whose query it fits, else in the last; as in Jira, empty lanes are not shown."""
    left, lanes = list(issues), list[Lane]()
    for saved in board.swimlanes:
        allowed = found(saved.jql)
        lanes.append(_lane(saved.name, [one for one in left if one.id in allowed]))
        left = [one for one in left if one.id not in allowed]
    lanes.append(_lane("Everything else", left))
    return [one for one in lanes if one.count] or lanes[-1:]


def _lane(name: str, issues: Sequence[Issue]) -> Lane:
    columns = [
        (title, category, [one for one in issues if one.status.category.key in keys])
        for title, category, keys in COLUMNS
    ]
    return Lane(name, columns, len(issues))


def _href(project: Project, query: str, chosen: Sequence[int], by_lane: bool) -> str:
    pairs = [("jql", query)] if query else []
    pairs += [("filter", str(at)) for at in chosen]
    pairs += [("lanes", "1")] if by_lane else []
    return f"/board/{project.key}" + (f"?{urlencode(pairs)}" if pairs else "")


def written_queries(board: Board) -> list[tuple[str, str, str]]:
    """Kind, its title, and a board's queries of it as people write them: a name, a colon, JQL, each on a line."""
    return [
        (kind, title, "\n".join(f"{one.name}: {one.jql}" for one in getattr(board, kind)))
        for kind, title in KINDS.items()
    ]


def save_queries(site: JiraSite, board: Board, body: Mapping[str, Any]) -> None:
    """Take over what people wrote; raises ValueError with the first line that cannot be used."""
    read = {kind: _read(site, str(body[kind])) for kind in KINDS if kind in body}
    for kind, queries in read.items():
        setattr(board, kind, queries)
    site.changed()


def _read(site: JiraSite, text: str) -> list[SavedQuery]:
    queries = []
    for line in filter(None, map(str.strip, text.splitlines()[:MOST])):
        name, colon, jql = line.partition(":")
        if not colon or not name.strip() or not jql.strip():
            raise ValueError(f"“{line[:80]}” is not a name, a colon and JQL.")
        try:
            run(parse(jql), site, [])
        except JqlError as error:
            raise ValueError(f"{name.strip()}: {error}") from None
        queries.append(SavedQuery(name.strip()[:60], jql.strip()[:2000]))
    return queries
