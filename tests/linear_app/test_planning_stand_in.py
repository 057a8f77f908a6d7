"""Planning with a stand-in workspace over real connections: cycles, what blocks, labels and the view, rules."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.bulk_links import declare_many, link_many, unlink_many
from connector.models import Dependency, Issue, KeyResult, Link, Sprint
from connector.outbox import enqueue
from connector.planning.overlay import read_plan
from connector.planning.sprints import refresh_sprint
from connector.reconcile import reconcile
from connector.rules.editing import RuleDraft, create_rule, resolve_draft
from connector.tracker import IssueQuery, TrackerRefused
from linear_app.goal_marks import VIEW
from tests.linear_app.town import KEY_RESULT, Town, town_of
from web.sandbox.linear.records import Issue as LinearIssue


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Ladder beside the stand-in, connected, with a running cycle and the next one."""
    with town_of(tmp_path) as town:
        town.acme.create_cycle("WEB", starts_at=town.acme.now())
        town.acme.create_cycle("WEB")
        town.connect()
        yield town


def labels(town: Town, issue: LinearIssue) -> list[str]:
    """Return the labels of an issue in Linear."""
    return [one.name for one in town.acme.labels_of(town.acme.issue(issue.id))]


def sprints(town: Town) -> list[Sprint]:
    with town.core.database.reading() as session:
        return list(session.scalars(select(Sprint).order_by(Sprint.starts_at)))


def link(town: Town, *issues: LinearIssue) -> list[str]:
    """Link issues to the key result, in Ladder."""
    now = town.core.clock()
    with town.core.database.writing() as session:
        wanted = [one.id for one in issues]
        ids = session.scalars(select(Issue.id).where(Issue.external_id.in_(wanted)))
        outcome = link_many(session, "w", [(one, "kr") for one in ids], actor="p", now=now)
    town.settle()
    return outcome.linked


def view(town: Town) -> list[str]:
    """Return the titles in the shared view."""
    (found,) = [one for one in town.acme.views.values() if one.name == VIEW]
    return sorted(one.title for one in town.acme.issues_in(found))


def unaligned(town: Town) -> list[str]:
    """Return the titles of what the overlay of the running cycle calls unaligned and is still open."""
    running = sprints(town)[0]
    with town.core.database.reading() as session:
        plan = read_plan(session, "w", [running.id], town.core.clock())
    return sorted(one.title for one in plan.issues if one.side == "unaligned" and one.cls in ("todo", "doing"))


def test_cycles_are_known_after_connecting_and_carry_a_link_to_their_page(town: Town) -> None:
    now, later = sprints(town)
    (team,) = [one for one in town.acme.teams.values() if one.key == "WEB"]
    assert [(one.name, one.state, one.board) for one in (now, later)] == [
        ("Cycle 1", "active", team.id),
        ("Cycle 2", "future", team.id),
    ]
    links = {one.cycle_id: one.url for one in town.acme.external_links.values()}
    base_url = town.core.settings.base_url
    assert links == {one.external_id: f"{base_url}/planning/{one.id}" for one in (now, later)}


def test_a_cycle_that_is_made_later_gets_its_link_and_one_that_somebody_took_off_stays_off(town: Town) -> None:
    town.acme.remove_external_link(next(iter(town.acme.external_links)))
    made = town.acme.create_cycle("WEB", name="Polish")
    town.settle()
    reconcile(town.core, town.connection().id)
    town.settle()
    assert len(town.acme.external_links) == 2
    assert [one.label for one in town.acme.links_of(made)] == ["Goals of this plan, in Ladder"]
    assert town.buried() == []


def test_a_cycle_is_read_with_what_blocks_its_issues(town: Town) -> None:
    first, second = (town.acme.create_issue(title, cycle="active") for title in ("Keys", "Log in"))
    town.settle()
    town.acme.block(second, first)
    cycle = town.acme.active_cycle(town.acme.team("WEB"))
    assert cycle is not None
    assert refresh_sprint(town.core, town.connection(), cycle.id) == 2
    with town.core.database.reading() as session:
        rows = session.scalars(select(Dependency)).all()
        pairs = [
            (session.get_one(Issue, one.blocker_id).key, session.get_one(Issue, one.blocked_id).key) for one in rows
        ]
    assert pairs == [(first.identifier, second.identifier)]


def test_where_linear_tells_of_relations_they_are_read_at_once(town: Town) -> None:
    town.acme.tells_relations = True
    first, second = (town.acme.create_issue(title) for title in ("Keys", "Log in"))
    relation = town.acme.block(second, first)
    town.settle()
    with town.core.database.reading() as session:
        assert len(session.scalars(select(Dependency)).all()) == 1
    town.acme.unrelate(relation)
    town.settle()
    with town.core.database.reading() as session:
        assert session.scalars(select(Dependency)).all() == []


def test_issues_that_ladder_moves_are_heard_of_in_their_new_cycle(town: Town) -> None:
    issues = [town.acme.create_issue(f"Issue {number}", cycle="active") for number in range(3)]
    foreign = town.acme.create_issue("Elsewhere", team="MOB")
    later = sprints(town)[1]
    town.settle()
    tracker, connection = town.tracker, town.connection()
    tracker.move_to_sprint(connection, [one.id for one in issues[:2]], later.external_id)
    tracker.move_to_sprint(connection, [issues[2].id], None)
    town.settle()
    assert [town.issue(one.id).sprints for one in issues] == [[later.external_id], [later.external_id], []]
    with pytest.raises(TrackerRefused, match="not of the team Web"):
        tracker.move_to_sprint(connection, [issues[2].id, foreign.id], later.external_id)
    assert town.acme.issue(issues[2].id).cycle_id is None


def test_a_link_shows_as_a_label_until_it_goes_and_its_label_never_links(town: Town) -> None:
    story, other = (town.acme.create_issue(title, labels=[]) for title in ("Log in", "Log out"))
    town.settle()
    made = link(town, story)
    assert labels(town, story) == ["Aligned", KEY_RESULT]
    # Somebody else's edit says all labels again, and so does a reading.
    town.acme.edit(story, title="Log in with SSO")
    town.acme.add_label(other, KEY_RESULT)
    town.settle()
    reconcile(town.core, town.connection().id)
    with town.core.database.writing() as session:
        assert sorted(one.source for one in session.scalars(select(Link))) == ["label", "manual"]
        unlink_many(session, "w", made, actor="p", now=town.core.clock())
    town.settle()
    assert KEY_RESULT not in labels(town, story)
    assert KEY_RESULT in labels(town, other)
    town.acme.remove_label(other, KEY_RESULT)
    town.settle()
    reconcile(town.core, town.connection().id)
    town.settle()
    with town.core.database.reading() as session:
        assert session.scalars(select(Link)).all() == []
    assert town.buried() == []


def test_the_view_shows_what_is_unaligned_and_children_of_linked_parents_are_not(town: Town) -> None:
    parent = town.acme.create_issue("Single sign-on", cycle="active")
    town.acme.create_issue("Keys", parent=parent, cycle="active")
    support = town.acme.create_issue("Answer mails", cycle="active")
    town.acme.create_issue("Dark theme", cycle="active")
    town.acme.create_issue("Done without a goal", cycle="active", state="Done")
    town.acme.create_issue("Some day")
    town.settle()
    assert view(town) == ["Answer mails", "Dark theme", "Keys", "Single sign-on"]
    made = link(town, parent)
    with town.core.database.writing() as session:
        (row,) = session.scalars(select(Issue.id).where(Issue.external_id == support.id))
        declare_many(session, "w", [row], "support", actor="p", now=town.core.clock())
    town.settle()
    assert view(town) == unaligned(town) == ["Dark theme"]
    with town.core.database.writing() as session:
        unlink_many(session, "w", made, actor="p", now=town.core.clock())
    town.settle()
    assert view(town) == unaligned(town) == ["Dark theme", "Keys", "Single sign-on"]
    assert town.buried() == []


def test_labels_of_marks_that_somebody_deleted_come_back_on_every_issue(town: Town) -> None:
    story = town.acme.create_issue("Log in", cycle="active")
    town.settle()
    link(town, story)
    town.acme.delete_label("Aligned")
    town.settle()
    assert "Aligned" in labels(town, story)
    assert view(town) == []


def test_a_mark_that_somebody_changed_is_set_right_and_changes_no_link(town: Town) -> None:
    story, other = (town.acme.create_issue(title, cycle="active") for title in ("Log in", "Dark theme"))
    town.settle()
    link(town, story)
    town.acme.add_label(other, "Aligned")
    town.acme.remove_label(story, "Aligned")
    town.settle()
    assert (labels(town, story), labels(town, other)) == (["Aligned", KEY_RESULT], [])
    # Reading what we wrote ourselves makes us write nothing more.
    reconcile(town.core, town.connection().id)
    written = len([one for one in town.acme.calls if one.operation == "UpdateIssues"])
    town.settle()
    reconcile(town.core, town.connection().id)
    town.settle()
    assert len([one for one in town.acme.calls if one.operation == "UpdateIssues"]) == written
    with town.core.database.reading() as session:
        assert len(session.scalars(select(Link)).all()) == 1


def test_a_view_that_somebody_deleted_stays_deleted(town: Town) -> None:
    town.acme.delete_view(VIEW)
    with town.core.database.writing() as session:
        enqueue(session, town.connection().id, "sync_goal_labels", "labels")
    town.settle()
    assert town.acme.views == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"statee": {"type": {"eq": "started"}}}', "statee"),
        ('{"estimate": {"gt": "many"}}', "many"),
        ('{"cycle": {"isActive": true}}', "BooleanComparator"),
    ],
)
def test_a_filter_that_linear_does_not_take_is_refused_in_its_words(town: Town, text: str, said: str) -> None:
    with pytest.raises(TrackerRefused, match=f"does not understand this filter: .*{said}"):
        town.tracker.resolve(town.connection(), IssueQuery("query", text))


def test_projects_labels_and_filters_find_what_they_mean(town: Town) -> None:
    town.acme.create_label("Growth")
    project = town.acme.create_project("Sign-up", teams=["WEB"])
    one = town.acme.create_issue("Invite", labels=["Growth"], project="Sign-up", estimate=3)
    two = town.acme.create_issue("Remind", project="Sign-up", estimate=0.5, cycle="active")
    town.acme.trash(town.acme.create_issue("Mistake", labels=["Growth"], project="Sign-up"))
    town.acme.archive(one)
    tracker, connection = town.tracker, town.connection()
    asked = {
        IssueQuery("project", town.acme.project_url(project)): {one.id, two.id},
        IssueQuery("label", "growth"): {one.id},
        IssueQuery("query", '{"and": [{"cycle": {"isActive": {"eq": true}}}, {"estimate": {"lt": 1}}]}'): {two.id},
        IssueQuery("epic", two.identifier): {two.id},
    }
    for query, wanted in asked.items():
        clean = tracker.resolve(connection, query)
        assert {
            snapshot.external_id for page in tracker.find(connection, clean) for snapshot in page.snapshots
        } == wanted
        assert tracker.matching(connection, clean, [one.id, two.id]) == wanted
    text = '{"project": {"name": {"eq": "Sign-up"}}}'
    assert [str(tracker.measure(connection, text, what, "estimate")) for what in ("count", "sum", "average")] == [
        "2",
        "7/2",
        "7/4",
    ]


def test_a_key_result_follows_a_filter(town: Town) -> None:
    done = town.acme.create_issue("Invite", estimate=3, state="Done")
    town.acme.create_issue("Remind", estimate=8)
    query = {"text": '{"state": {"type": {"eq": "completed"}}}', "aggregate": "sum", "field": "estimate"}
    with town.core.database.writing() as session:
        row = session.get_one(KeyResult, "kr")
        row.kind, row.baseline, row.target = "query_metric", Fraction(0), Fraction(12)
        row.settings = {"query": {**query, "connection_id": town.connection().id}}

    def value() -> tuple[Fraction | None, str | None]:
        reconcile(town.core, town.connection().id)
        town.settle()
        with town.core.database.reading() as session:
            row = session.get_one(KeyResult, "kr")
            return row.value, row.settings.get("query_trouble")

    assert value() == (3, None)
    town.acme.estimate(done, 5)
    assert value() == (5, None)
    with town.core.database.writing() as session:
        row = session.get_one(KeyResult, "kr")
        row.settings = {"query": {**row.settings["query"], "text": "{}"}}
    last, trouble = value()
    # The last value stands, and the page says why.
    assert (last, "matches every issue" in (trouble or "")) == (5, True)


def test_a_rule_for_a_project_links_what_comes_into_it_and_shows_it_in_linear(town: Town) -> None:
    town.acme.create_project("Sign-up", teams=["WEB"])
    first = town.acme.create_issue("Invite", project="Sign-up", cycle="active")
    later = town.acme.create_issue("Remind", cycle="active")
    town.settle()
    draft = RuleDraft(town.connection().id, "project", "sign-up")
    query = resolve_draft(town.core, town.connection(), draft)
    with town.core.database.writing() as session:
        create_rule(session, town.core, "w", "kr", draft, query, actor="p", now=town.core.clock())
    town.settle()
    assert (labels(town, first), labels(town, later)) == (["Aligned", KEY_RESULT], [])
    assert view(town) == ["Remind"]
    town.acme.set_project(later, "Sign-up")
    town.acme.set_project(first, None)
    town.settle()
    assert (labels(town, first), labels(town, later)) == ([], ["Aligned", KEY_RESULT])
    assert view(town) == unaligned(town) == ["Invite"]
    assert town.buried() == []
