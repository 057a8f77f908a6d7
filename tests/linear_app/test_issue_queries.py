"""What rules and measured key results can follow in Linear, and what is refused in words for whoever wrote it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from connector.models import Connection
from connector.tracker import IssueQuery, TrackerRefused, TrackerUnavailable
from linear_app import issue_queries
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import Linear, issue_node, page, refusal

BUGS = '{"labels": {"some": {"name": {"eq": "Bug"}}}}'
PROJECT = "a5d1a1c8-3f6e-4f3a-9a41-6f0c5e9b2d11"
OURS = {"group": "okr", "labels": {"label-1": "kr-1"}, "names": {"label-1": "Activate teams"}, "retired": {}}


@pytest.fixture
def labelled(connection: Connection) -> Connection:
    """The connection, with a label that Ladder puts on issues."""
    connection.settings = {**connection.settings, "goal_labels": OURS}
    return connection


def project(name: str, project_id: str = PROJECT) -> dict[str, Any]:
    return {"id": project_id, "name": name, "slugId": "0a1b2c3d4e5f"}


def label(name: str, label_id: str = "label-x") -> dict[str, Any]:
    return {"id": label_id, "name": name, "isGroup": False, "retiredAt": None, "team": None, "parent": None}


def sizes(*points: float | None, trashed: bool | None = None) -> dict[str, Any]:
    nodes = [{"id": f"issue-{at}", "estimate": one, "trashed": trashed} for at, one in enumerate(points)]
    return {"issues": page(*nodes)}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (" Sign-up ", {"name": {"eqIgnoreCase": "Sign-up"}}),
        ("https://linear.app/acme/project/sign-up-0a1b2c3d4e5f/overview", {"slugId": {"eq": "0a1b2c3d4e5f"}}),
        (PROJECT, {"id": {"eq": PROJECT}}),
    ],
)
def test_a_project_is_found_by_name_address_or_id(
    tracker: LinearTracker, connection: Connection, linear: Linear, text: str, asked: Any
) -> None:
    linear.says("Projects", {"projects": page(project("Sign-up"))})
    assert tracker.resolve(connection, IssueQuery("project", text)) == IssueQuery("project", "Sign-up", PROJECT)
    assert linear.last("Projects")["filter"] == asked


def test_a_renamed_project_is_known_by_its_id(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Projects", {"projects": page(project("First week"))})
    assert tracker.resolve(connection, IssueQuery("project", "Sign-up", PROJECT)).text == "First week"
    assert linear.last("Projects")["filter"] == {"id": {"eq": PROJECT}}


def test_a_project_that_is_not_there_or_not_alone_is_refused_in_words(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("Projects", {"projects": page()})
    with pytest.raises(TrackerRefused, match="no project “Sign-up”"):
        tracker.resolve(connection, IssueQuery("project", "Sign-up"))
    linear.says("Projects", {"projects": page(project("Sign-up"), project("sign-up", "other"))})
    with pytest.raises(TrackerRefused, match="2 projects are called “Sign-up”; give the address"):
        tracker.resolve(connection, IssueQuery("project", "Sign-up"))
    with pytest.raises(TrackerRefused, match="Name the project"):
        tracker.resolve(connection, IssueQuery("project", "  "))


def test_a_label_is_found_whatever_its_case(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Labels", {"issueLabels": page(label("Growth"), label("growth", "of another team"))})
    assert tracker.resolve(connection, IssueQuery("label", " growth ")) == IssueQuery("label", "Growth")
    linear.says("Labels", {"issueLabels": page()})
    with pytest.raises(TrackerRefused, match="no label “Groth”"):
        tracker.resolve(connection, IssueQuery("label", "Groth"))


def test_a_parent_issue_is_found_by_key_or_address(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.always("Issue", {"issue": issue_node(7)})
    for text in ("eng-7", "https://linear.app/acme/issue/ENG-7/log-in"):
        assert tracker.resolve(connection, IssueQuery("epic", text)) == IssueQuery("epic", "ENG-7", "issue-7")
    # It moved to another team since, and has another key.
    tracker.resolve(connection, IssueQuery("epic", "ENG-7", "issue-7"))
    assert linear.last("Issue") == {"id": "issue-7"}
    with pytest.raises(TrackerRefused, match="by its key"):
        tracker.resolve(connection, IssueQuery("epic", "the log-in"))
    linear.says("Issue", refusal("ENTITY_NOT_FOUND"))
    with pytest.raises(TrackerRefused, match="no issue 'ENG-9'"):
        tracker.resolve(connection, IssueQuery("epic", "ENG-9"))


def test_a_parent_issue_matches_itself_alone(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.says("Issue", {"issue": issue_node(7)})
    query = IssueQuery("epic", "ENG-7", "issue-7")
    assert [one.external_id for found in tracker.find(connection, query) for one in found.snapshots] == ["issue-7"]
    assert tracker.matching(connection, query, ["issue-7", "issue-8"]) == {"issue-7"}
    assert tracker.matching(connection, query, ["issue-8"]) == frozenset()


def test_a_filter_is_checked_by_linear_and_kept_as_it_was_read(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("CheckFilter", {"issues": {"nodes": []}})
    found = tracker.resolve(connection, IssueQuery("query", f"\n{BUGS}  "))
    assert found == IssueQuery("query", BUGS)
    assert linear.last("CheckFilter") == {"filter": json.loads(BUGS)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("label = Bug", "written as JSON"),
        ("", "written as JSON"),
        ('{"number": {"eq": NaN}}', "written as JSON"),
        ('["Bug"]', "JSON object"),
        ("{}", "matches every issue"),
        ('{"and": []}', "matches every issue"),
        ('{"and": [{}, {"labels": {}}]}', "matches every issue"),
        ('{"or": [{}, {"title": {"eq": "x"}}]}', "matches every issue"),
        ('{"or": []}', "matches every issue"),
        ('{"title": null}', "matches every issue"),
        ('{"title": {"eq": "' + "x" * 10_000 + '"}}', "longer than 10,000"),
        ('{"and": [' * 12 + '{"title": {"eq": "x"}}' + "]}" * 12, "nested too deeply"),
        ("[" * 9_000 + "]" * 9_000, "longer than|written as JSON"),
    ],
)
def test_a_filter_without_sense_or_bounds_is_never_sent(
    tracker: LinearTracker, connection: Connection, linear: Linear, text: str, why: str
) -> None:
    with pytest.raises(TrackerRefused, match=why):
        tracker.resolve(connection, IssueQuery("query", text))
    with pytest.raises(TrackerRefused, match=why):
        tracker.measure(connection, text, "count", None)
    assert linear.asked == []


@pytest.mark.parametrize(
    "text", ['{"and": [{}, {"title": {"contains": "x"}}]}', '{"cycle": {"null": true}}', '{"estimate": {"gt": 0}}']
)
def test_a_filter_that_leaves_something_out_is_bounded(text: str) -> None:
    assert issue_queries.read_filter(text) == json.loads(text)


def test_what_linear_says_of_a_filter_is_passed_on_without_the_filter(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    said = 'Variable "$filter" got invalid value { title: { eq: 1 } }; Field "statee" is not defined by "IssueFilter".'
    for code in ("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"):
        linear.says("CheckFilter", refusal(code, said), status=400)
        with pytest.raises(TrackerRefused) as refused:
            tracker.resolve(connection, IssueQuery("query", BUGS))
        assert str(refused.value) == (
            'Linear does not understand this filter: Field "statee" is not defined by "IssueFilter".'
        )


def test_linear_being_away_says_nothing_of_a_filter(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    linear.says("CheckFilter", refusal("INTERNAL_SERVER_ERROR"))
    with pytest.raises(TrackerUnavailable):
        tracker.resolve(connection, IssueQuery("query", BUGS))


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": {"some": {"id": {"in": ["label-1"]}}}}',
        '{"or": [{"labels": {"name": {"eq": "activate TEAMS"}}}, {"number": {"eq": 1}}]}',
        '{"labels": {"parent": {"id": {"eq": "okr"}}}}',
    ],
)
def test_a_rule_never_follows_labels_that_ladder_puts_itself(
    tracker: LinearTracker, labelled: Connection, linear: Linear, text: str
) -> None:
    with pytest.raises(TrackerRefused, match="Ladder itself puts the label"):
        tracker.resolve(labelled, IssueQuery("query", text))
    assert linear.asked == []


def test_a_rule_never_follows_the_label_of_a_key_result(
    tracker: LinearTracker, labelled: Connection, linear: Linear
) -> None:
    linear.says("Labels", {"issueLabels": page(label("Activate teams", "label-1"))})
    with pytest.raises(TrackerRefused, match="Ladder itself puts the label"):
        tracker.resolve(labelled, IssueQuery("label", "activate teams"))
    # The same word in a title is somebody's own.
    linear.says("CheckFilter", {"issues": {"nodes": []}})
    tracker.resolve(labelled, IssueQuery("query", '{"title": {"contains": "Activate teams"}}'))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (IssueQuery("project", "Sign-up", PROJECT), {"project": {"id": {"eq": PROJECT}}}),
        (IssueQuery("query", BUGS), json.loads(BUGS)),
        (
            IssueQuery("label", "Growth"),
            {
                "labels": {
                    "some": {
                        "or": [
                            {"name": {"eqIgnoreCase": "Growth"}},
                            {"parent": {"name": {"eqIgnoreCase": "Growth"}}},
                        ]
                    }
                }
            },
        ),
    ],
)
def test_everything_that_a_rule_matches_is_found(
    tracker: LinearTracker, connection: Connection, linear: Linear, query: IssueQuery, asked: Any
) -> None:
    trashed = issue_node(3, trashed=True, archivedAt="2026-11-20T12:00:00.000Z")
    linear.says("IssuesOfQuery", {"issues": page(issue_node(1), more_after="x")})
    linear.says("IssuesOfQuery", {"issues": page(issue_node(2), trashed)})
    found = [one.external_id for part in tracker.find(connection, query) for one in part.snapshots]
    assert found == ["issue-1", "issue-2"]
    assert linear.last("IssuesOfQuery")["filter"] == asked
    linear.says("SizesOfQuery", {"issues": page({"id": "issue-2", "estimate": None, "trashed": None})})
    assert tracker.matching(connection, query, ["issue-2", "issue-3"]) == {"issue-2"}
    assert linear.last("SizesOfQuery")["filter"] == {"and": [{"id": {"in": ["issue-2", "issue-3"]}}, asked]}


def test_a_project_without_an_identity_is_not_asked_for(tracker: LinearTracker, connection: Connection) -> None:
    with pytest.raises(TrackerRefused, match="can't be asked for"):
        list(tracker.find(connection, IssueQuery("project", "Sign-up")))
    with pytest.raises(TrackerRefused, match="no 'sprint'"):
        tracker.resolve(connection, IssueQuery("sprint", "now"))


@pytest.mark.parametrize(
    ("aggregate", "field", "value"),
    [
        ("count", None, Fraction(4)),
        ("sum", "estimate", Fraction(21, 2)),
        ("average", "Estimate", Fraction(7, 2)),
    ],
)
def test_a_filter_is_counted_and_its_estimates_added_up_exactly(
    tracker: LinearTracker, connection: Connection, linear: Linear, aggregate: str, field: str | None, value: Fraction
) -> None:
    linear.says("SizesOfQuery", sizes(0.5, 2.0, None, 8.0))
    assert tracker.measure(connection, BUGS, aggregate, field) == value


def test_what_is_in_the_trash_is_not_measured(tracker: LinearTracker, connection: Connection, linear: Linear) -> None:
    linear.always("SizesOfQuery", sizes(1.0, trashed=True))
    assert tracker.measure(connection, BUGS, "count", None) == 0
    assert tracker.measure(connection, BUGS, "sum", "estimate") == 0
    assert tracker.measure(connection, BUGS, "average", "estimate") is None


def test_only_estimates_can_be_added_up(tracker: LinearTracker, connection: Connection) -> None:
    with pytest.raises(TrackerRefused, match="only the field estimate"):
        tracker.measure(connection, BUGS, "sum", "priority")
    with pytest.raises(TrackerRefused, match="can't measure 'median'"):
        tracker.measure(connection, BUGS, "median", "estimate")


def test_a_filter_that_finds_far_too_much_is_broken_off(
    tracker: LinearTracker, connection: Connection, linear: Linear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue_queries, "MOST_MEASURED", 3)
    linear.says("SizesOfQuery", sizes(1.0, 1.0, 1.0, 1.0))
    with pytest.raises(TrackerRefused, match="more than 3 issues"):
        tracker.measure(connection, BUGS, "count", None)
