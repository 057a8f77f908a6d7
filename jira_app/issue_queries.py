"""What rules can follow in Jira (epics, projects, labels, JQL), made clean and turned into queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from connector.tracker import IssueQuery, IssueUnreadable, TrackerRefused
from jira_app import jql
from jira_app.answers import JiraRefused
from jira_app.client import JiraClient
from jira_app.jql_guard import bounded_query

KINDS = frozenset({"epic", "project", "label", "query"})
LONGEST_LABEL = 255
# Issues in one question: Jira reconciles its index with that many at most.
RECONCILED_AT_ONCE = 50
_PROJECT = re.compile(r"(?:^|/(?:projects|browse)/)([A-Za-z][A-Za-z0-9_]{1,63})(?=$|[/?#\s])")
_NUMBER = re.compile(r"[0-9]{1,19}")


def clean(client: JiraClient, query: IssueQuery) -> IssueQuery:
    """Return a query as it is kept, with the identity of what it names; raises TrackerRefused, in words for people."""
    match query.kind:
        case "project":
            return _project(client, query)
        case "label":
            return replace(query, text=_label(query.text), external_id=None)
        case "query":
            text = bounded_query(query.text)
            client.check_query(text)
            return replace(query, text=text, external_id=None)
    raise TrackerRefused(f"Jira has no {query.kind!r} that a rule could follow")


def epic_key(query: IssueQuery) -> str:
    """Return the id of a query's epic, or the key that its text names; raises TrackerRefused."""
    wanted = query.external_id or jql.key_in(query.text)
    if not wanted:
        raise TrackerRefused("Name the epic by its key, such as ATL-1, or by its address.")
    return wanted


def restriction(query: IssueQuery) -> str:
    """Return JQL that finds what a clean query matches, in which nothing of its text can become another condition."""
    match query.kind:
        case "project" if query.external_id and _NUMBER.fullmatch(query.external_id):
            return f"project = {query.external_id}"
        case "label":
            return f"labels = {jql.quoted(_label(query.text))}"
        case "query":
            # Once more, whatever was kept: it goes into parentheses.
            return f"({bounded_query(query.text)})"
    raise TrackerRefused(f"this {query.kind} can't be asked for")


def found_among(client: JiraClient, query: IssueQuery, external_ids: Sequence[str]) -> frozenset[str]:
    """Return those of the issues that a project, label or query matches now, as far as Jira's index knows."""
    ids = sorted({one for one in external_ids if _NUMBER.fullmatch(one)}, key=int)
    found: set[str] = set()
    for start in range(0, len(ids), RECONCILED_AT_ONCE):
        chunk = ids[start : start + RECONCILED_AT_ONCE]
        try:
            found.update(_ids(client, query, chunk))
        except JiraRefused as refused:
            # One id that is gone, or hidden from Ladder, spoils the whole question: ask for the others.
            there = sorted({str(one.get("id")) for one in client.issues(chunk, ["issuetype"])} & set(chunk), key=int)
            if refused.status != 400 or there == chunk:
                raise
            found.update(_ids(client, query, there) if there else ())
    return frozenset(found & set(ids))


def _ids(client: JiraClient, query: IssueQuery, ids: Sequence[str]) -> Iterator[str]:
    asked = f"{restriction(query)} AND id in ({', '.join(ids)})"
    for page in client.search(asked, ["issuetype"], reconcile=ids):
        yield from (str(one.get("id")) for one in page if isinstance(one, dict))


def _project(client: JiraClient, query: IssueQuery) -> IssueQuery:
    text = query.text.strip()
    match = _PROJECT.search(text)
    wanted = query.external_id or (match[1].upper() if match else text if _NUMBER.fullmatch(text) else "")
    if not wanted:
        raise TrackerRefused("Name the project by its key, such as ATL, or by its address.")
    try:
        found = client.project(wanted)
    except IssueUnreadable:
        raise TrackerRefused(f"Jira shows Ladder no project {text!r}.") from None
    project_id, key = str(found.get("id")), found.get("key")
    if not _NUMBER.fullmatch(project_id) or not isinstance(key, str):
        raise TrackerRefused("Jira's answer about the project can't be read")
    return replace(query, text=key, external_id=project_id)


def _label(text: str) -> str:
    label = text.strip()
    if not label or re.search(r"[\s\x00-\x1f]", label) or len(label) > LONGEST_LABEL:
        raise TrackerRefused("A label of Jira is one word, such as growth.")
    return label
