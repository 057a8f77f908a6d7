"""What rules can follow in Linear (a parent issue, projects, labels, filters), made clean and turned into filters.

A filter is an IssueFilter of Linear's API, written as JSON: https://linear.app/developers/filtering
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NoReturn

from connector.tracker import IssueQuery, TrackerRefused
from linear_app.client import LinearClient, LinearRefused
from linear_app.issue_fields import exact_estimate

KINDS = frozenset({"epic", "project", "label", "query"})
LONGEST_FILTER = 10_000
DEEPEST = 20
LONGEST_NAME = 200
# Issues over which a number is measured: more are a filter that somebody forgot to finish.
MOST_MEASURED = 50_000
# Ids in one filter.
AT_ONCE = 100
FIELD = "estimate"
_ID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PROJECT = re.compile(r"/project/(?:[^/?#]*-)?([0-9a-f]{8,})(?=$|[/?#])")

Filter = Mapping[str, Any]


def clean(client: LinearClient, query: IssueQuery, ours: Mapping[str, str]) -> IssueQuery:
    """Return a query as it is kept, with the identity of what it names; raises TrackerRefused, in words for people.

    `ours` are the labels that Ladder itself puts on issues (id -> name), which no rule may follow: it would follow its
    own tail.
    """
    match query.kind:
        case "project":
            return _project(client, query)
        case "label":
            return replace(query, text=_label(client, query.text, ours), external_id=None)
        case "query":
            wanted = read_filter(query.text)
            _not_ours(wanted, ours)
            try:
                client.run("CheckFilter", urgent=True, filter=wanted)
            except LinearRefused as refused:
                # GraphQL first repeats what was sent, then says what is wrong with it.
                said = refused.said.rpartition("; ")[2]
                raise TrackerRefused(f"Linear does not understand this filter: {said}") from None
            return replace(query, text=json.dumps(wanted, ensure_ascii=False), external_id=None)
    raise TrackerRefused(f"Linear has no {query.kind!r} that a rule could follow")


def restriction(query: IssueQuery) -> Filter:
    """Return the filter that finds what a clean project, label or query matches."""
    match query.kind:
        case "project" if query.external_id:
            return {"project": {"id": {"eq": query.external_id}}}
        case "label":
            named = {"name": {"eqIgnoreCase": query.text}}
            # The name of a group stands for every label in it.
            return {"labels": {"some": {"or": [named, {"parent": named}]}}}
        case "query":
            return read_filter(query.text)
    raise TrackerRefused(f"this {query.kind} can't be asked for")


def pages(client: LinearClient, query: IssueQuery) -> Iterator[list[dict[str, Any]]]:
    """Read every issue that a query matches, archived ones too: Linear archives by itself what was done long ago."""
    return client.pages("IssuesOfQuery", "issues", filter=restriction(query))


def found_among(client: LinearClient, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
    """Return those of the issues that a project, label or query matches now."""
    wanted, found = restriction(query), set[str]()
    for start in range(0, len(external_ids), AT_ONCE):
        both = {"and": [{"id": {"in": list(external_ids[start : start + AT_ONCE])}}, wanted]}
        for nodes in client.pages("SizesOfQuery", "issues", filter=both):
            found |= {node["id"] for node in nodes if not node["trashed"]}
    return frozenset(found & set(external_ids))


def measure(client: LinearClient, text: str, aggregate: str, field_name: str | None) -> Fraction | None:
    """Count what a filter finds, or add up or average the estimates over it; the average of none is None."""
    if aggregate not in ("count", "sum", "average"):
        raise TrackerRefused(f"Linear can't measure {aggregate!r}")
    if aggregate != "count" and (field_name or "").strip().casefold() != FIELD:
        raise TrackerRefused(f"Of Linear's issues only the field {FIELD} can be added up")
    seen, points = 0, list[Fraction]()
    for nodes in client.pages("SizesOfQuery", "issues", filter=read_filter(text)):
        for node in nodes:
            if node["trashed"]:
                continue
            seen += 1
            size = exact_estimate(node["estimate"])
            points += [] if size is None else [size]
        if seen > MOST_MEASURED:
            raise TrackerRefused(f"This filter matches more than {MOST_MEASURED:,} issues; make it narrower")
    if aggregate == "count":
        return Fraction(seen)
    if aggregate == "sum":
        return sum(points, Fraction(0))
    return sum(points, Fraction(0)) / len(points) if points else None


def read_filter(text: str) -> Filter:
    """Read a filter that a person wrote; raises TrackerRefused, in words for them."""
    if len(text) > LONGEST_FILTER:
        raise TrackerRefused(f"This filter is longer than {LONGEST_FILTER:,} characters.")
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise TrackerRefused(
            'A filter of Linear is written as JSON, such as {"labels": {"name": {"eq": "growth"}}}.'
        ) from None
    if not isinstance(found, dict):
        raise TrackerRefused("A filter of Linear is a JSON object: it begins with { and ends with }.")
    if _depth(found) > DEEPEST:
        raise TrackerRefused("This filter is nested too deeply.")
    if not _restricts(found):
        raise TrackerRefused("This filter matches every issue of the workspace; say which ones are meant.")
    return found


def _project(client: LinearClient, query: IssueQuery) -> IssueQuery:
    text = query.text.strip()
    named = _PROJECT.search(text)
    if query.external_id or _ID.fullmatch(text):
        wanted: Filter = {"id": {"eq": query.external_id or text.lower()}}
    elif named:
        wanted = {"slugId": {"eq": named[1]}}
    elif not 0 < len(text) <= LONGEST_NAME:
        raise TrackerRefused("Name the project as it is called in Linear, or give its address.")
    else:
        wanted = {"name": {"eqIgnoreCase": text}}
    found = [node for page in client.pages("Projects", "projects", urgent=True, filter=wanted) for node in page]
    if not found:
        raise TrackerRefused(f"Linear shows Ladder no project “{text[:LONGEST_NAME]}”.")
    if len(found) > 1:
        raise TrackerRefused(f"{len(found)} projects are called “{text}”; give the address of the one that is meant.")
    return replace(query, text=str(found[0]["name"])[:LONGEST_NAME], external_id=str(found[0]["id"]))


def _label(client: LinearClient, text: str, ours: Mapping[str, str]) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise TrackerRefused("Name the label as it is called in Linear, such as growth.")
    wanted = {"name": {"eqIgnoreCase": name}}
    labels = [node for page in client.pages("Labels", "issueLabels", urgent=True, filter=wanted) for node in page]
    if not labels:
        raise TrackerRefused(f"Linear shows Ladder no label “{name}”.")
    if any(label["id"] in ours for label in labels):
        _refuse_ours(name)
    return str(labels[0]["name"])


def _not_ours(wanted: Filter, ours: Mapping[str, str]) -> None:
    names = {name.casefold() for name in ours.values()}
    for word, about_labels in _words(wanted, about_labels=False):
        if word in ours or (about_labels and word.casefold() in names):
            _refuse_ours(ours.get(word, word))


def _refuse_ours(name: str) -> NoReturn:
    raise TrackerRefused(f"Ladder itself puts the label “{name}” on issues, so a rule can't go by it.")


def _words(value: object, *, about_labels: bool) -> Iterator[tuple[str, bool]]:
    """Return every text in a filter, with whether it says something of labels."""
    match value:
        case str():
            yield value, about_labels
        case list():
            for one in value:
                yield from _words(one, about_labels=about_labels)
        case dict():
            for name, one in value.items():
                yield from _words(one, about_labels=about_labels or name == "labels")


def _restricts(value: object) -> bool:
    """Tell whether a part of a filter leaves anything out, as far as can be told without asking."""
    if isinstance(value, dict):
        return any(
            isinstance(part, list) and bool(part) and all(_restricts(one) for one in part)
            if name == "or"
            else _restricts(part)
            for name, part in value.items()
        )
    if isinstance(value, list):
        return any(_restricts(one) for one in value)
    return value is not None


def _depth(value: object) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(one) for one in below), default=0)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
