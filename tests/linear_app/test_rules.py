"""Rules beside the stand-in workspace: labels, projects, filters and parent issues link by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.models import Issue, Link, LinkRule
from connector.recompute import recompute
from connector.rules.editing import RuleDraft, create_rule, resolve_draft
from connector.rules.previewing import preview_rule
from tests.linear_app.town import Town, town_of


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Ladder beside the stand-in."""
    with town_of(tmp_path) as town:
        town.connect()
        town.acme.create_label("Growth")
        town.acme.create_project("Sign-up", teams=["WEB"])
        yield town


def make(town: Town, kind: str, text: str) -> None:
    connection = town.connection()
    draft = RuleDraft(connection.id, kind, text)
    query = resolve_draft(town.core, connection, draft)
    seen = preview_rule(town.core, "w", "kr", draft)
    with town.core.database.writing() as session:
        create_rule(session, town.core, "w", "kr", draft, query, actor="ada", now=town.core.clock())
    town.settle()
    assert seen.linked == len(linked(town)), "as the preview said"


def linked(town: Town) -> set[str]:
    with town.core.database.reading() as session:
        rows = select(Issue.title).join(Link, Link.issue_id == Issue.id).where(Link.source == "rule")
        return set(session.scalars(rows))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("label", "growth"),
        ("project", "Sign-up"),
        ("query", json.dumps({"labels": {"name": {"eq": "Growth"}}})),
    ],
)
def test_a_rule_follows_what_enters_and_what_leaves(town: Town, kind: str, text: str) -> None:
    first = town.acme.create_issue("Invite a team", labels=["Growth"], project="Sign-up")
    other = town.acme.create_issue("Fix the footer")
    town.settle()

    make(town, kind, text)
    assert linked(town) == {"Invite a team"}

    if kind == "project":
        town.acme.set_project(other, "Sign-up")
        town.acme.set_project(first, None)
    else:
        town.acme.add_label(other, "Growth")
        town.acme.remove_label(first, "Growth")
    town.settle()

    assert linked(town) == {"Fix the footer"}
    with town.core.database.reading() as session:
        assert [rule.state for rule in session.scalars(select(LinkRule))] == ["active"]
    assert recompute(town.core, check=True).differences == []
    assert town.buried() == []


def test_a_rule_by_a_parent_issue_links_it_with_all_below(town: Town) -> None:
    parent = town.acme.create_issue("Sign-up without a password")
    town.acme.transition(town.acme.create_issue("Send a link", parent=parent), "Done")
    town.acme.create_issue("Check the link", parent=parent)
    town.settle()

    make(town, "epic", parent.identifier)

    assert linked(town) == {"Sign-up without a password"}
    with town.core.database.reading() as session:
        link = session.scalars(select(Link)).one()
        assert (link.done_units, link.units) in ((1, 2), (0, 1)), "as sub-issues count in this workspace"
    assert recompute(town.core, check=True).differences == []
