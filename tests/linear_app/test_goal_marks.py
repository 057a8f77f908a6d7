"""What Linear's own filters know of goals: two labels, put on a hundred issues at a time, and a view without them."""

from __future__ import annotations

from typing import Any

import pytest

from connector.models import Connection
from connector.tracker import GoalMark, IssueQuery, TrackerRefused, TrackerUnavailable
from linear_app import goal_marks, issue_labels
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import Linear, issue_node, page, refusal
from tests.linear_app.label_book import Labels

ALIGNED, USUAL, UNALIGNED = GoalMark("aligned", ("O",), ("K",)), GoalMark("business as usual"), GoalMark("unaligned")
KNOWN = {"group": "g", "labels": {"aligned": "a", "business as usual": "b"}}


@pytest.fixture
def labels(linear: Linear) -> Labels:
    """A workspace without labels."""
    return Labels(linear, lists_retired=True)


@pytest.fixture
def marked(connection: Connection) -> Connection:
    """The connection, with the two labels."""
    connection.settings = {**connection.settings, "goal_labels": {"group": "okr", "labels": {}, "marks": KNOWN}}
    return connection


class Issues:
    """Issues with labels; one that is `gone` spoils a whole batch, as in Linear."""

    def __init__(self, linear: Linear, **labels: list[str]) -> None:
        self.labels = {name.replace("_", "-"): list(found) for name, found in labels.items()}
        self.gone: set[str] = set()
        self.batches: list[tuple[list[str], dict[str, Any]]] = []
        linear.always("LabelsOfIssues", self._read)
        linear.always("UpdateIssues", self._update)

    def _read(self, asked: dict[str, Any]) -> dict[str, Any]:
        known = [one for one in asked["filter"]["id"]["in"] if one in self.labels]
        return {"issues": page(*({"id": one, "labelIds": self.labels[one]} | LIVE for one in known))}

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.gone & set(asked["ids"]):
            return refusal("ENTITY_NOT_FOUND")
        self.batches.append((asked["ids"], asked["input"]))
        for one in asked["ids"]:
            added, removed = asked["input"].get("addedLabelIds", []), asked["input"].get("removedLabelIds", [])
            self.labels[one] = sorted(({*self.labels[one], *added}) - set(removed))
        nodes = [issue_node(int(one.removeprefix("issue-")), labelIds=self.labels[one]) for one in asked["ids"]]
        return {"issueBatchUpdate": {"success": True, "issues": nodes}}


LIVE: dict[str, Any] = {"trashed": None, "archivedAt": None}


def test_there_are_two_labels_in_a_group_of_which_an_issue_has_one(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, {}, {})
    made = labels.marks()
    assert sorted(made) == ["Aligned", "Business as usual"]
    assert known["marks"]["labels"] == {"aligned": made["Aligned"], "business as usual": made["Business as usual"]}
    labels.writes.clear()
    assert tracker.sync_goal_labels(connection, {}, known) == known
    assert labels.writes == []


def test_somebodys_own_labels_of_these_names_are_left_alone(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    labels.add("theirs", "Goal work")
    labels.add("also theirs", "Aligned")
    known = tracker.sync_goal_labels(connection, {}, {})
    assert labels.kept[known["marks"]["group"]]["name"] == "Goal work (Ladder)"
    assert sorted(labels.marks()) == ["Aligned with goals", "Business as usual"]
    assert labels.kept["theirs"]["isGroup"] is False


def test_without_a_free_name_people_can_still_link_by_labels(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    for name in goal_marks.GROUP.names:
        labels.add(name, name)
    known = tracker.sync_goal_labels(connection, {"kr-1": "Cut churn"}, {})
    assert known["marks"] == {}
    assert list(known["labels"].values()) == ["kr-1"]


def test_a_deleted_label_is_made_again_and_is_another_one(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, {}, {})
    del labels.kept[known["marks"]["labels"]["aligned"]]
    again = tracker.sync_goal_labels(connection, {}, known)
    # The core sees by this that everything has to be marked once more.
    assert again["marks"] != known["marks"]
    assert again["marks"]["labels"]["business as usual"] == known["marks"]["labels"]["business as usual"]
    # The view goes by the new label.
    (view,) = labels.views.values()
    assert again["marks"]["labels"]["aligned"] in str(view["filterData"])
    assert known["marks"]["labels"]["aligned"] not in str(view["filterData"])


def test_the_view_is_shared_and_made_once(tracker: LinearTracker, connection: Connection, labels: Labels) -> None:
    known = tracker.sync_goal_labels(connection, {}, {})
    (view,) = labels.views.values()
    assert (view["name"], view["shared"]) == ("Unaligned issues in this cycle", True)
    assert view["filterData"] == goal_marks.unaligned(sorted(known["marks"]["labels"].values()))
    # We died before writing it down.
    assert tracker.sync_goal_labels(connection, {}, {**known, "view": None})["view"] == known["view"]
    assert len(labels.views) == 1


def test_a_view_of_that_name_that_is_somebodys_own_is_left_alone(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    labels.views["theirs"] = {"id": "theirs", "name": goal_marks.VIEW, "filterData": {"number": {"gt": 3}}}
    known = tracker.sync_goal_labels(connection, {}, {})
    assert known["view"]["id"] != "theirs"
    assert labels.views["theirs"]["filterData"] == {"number": {"gt": 3}}


def test_a_view_that_somebody_deleted_is_never_made_again(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, {}, {})
    labels.views.clear()
    del labels.kept[known["marks"]["labels"]["aligned"]]
    again = tracker.sync_goal_labels(connection, {}, known)
    tracker.sync_goal_labels(connection, {}, again)
    assert labels.views == {}


def test_a_workspace_that_lets_us_make_no_view_is_asked_again_later(
    tracker: LinearTracker, connection: Connection, labels: Labels, linear: Linear
) -> None:
    linear.says("CreateView", refusal("FORBIDDEN", "Feature not accessible")).says(
        "CreateView", refusal("INPUT_ERROR", "not on your plan")
    )
    known = tracker.sync_goal_labels(connection, {}, {})
    assert known["view"] is None
    known = tracker.sync_goal_labels(connection, {}, known)
    assert known["view"] is None
    assert tracker.sync_goal_labels(connection, {}, known)["view"]["id"] in labels.views


def test_issues_get_the_label_that_they_should_have_and_keep_everybody_elses(
    tracker: LinearTracker, marked: Connection, linear: Linear
) -> None:
    issues = Issues(linear, issue_1=["bug"], issue_2=["a", "bug"], issue_3=["a"], issue_4=["b"], issue_5=["a"])
    marks = {
        "issue-1": ALIGNED,
        "issue-2": ALIGNED,
        "issue-3": USUAL,
        "issue-4": UNALIGNED,
        "issue-5": USUAL,
        "issue-6": ALIGNED,
    }
    tracker.show_goals(marked, marks)
    assert issues.labels == {
        "issue-1": ["a", "bug"],
        "issue-2": ["a", "bug"],
        "issue-3": ["b"],
        "issue-4": [],
        "issue-5": ["b"],
    }
    assert [ids for ids, _ in issues.batches] == [["issue-4"], ["issue-1"], ["issue-3", "issue-5"]]
    issues.batches.clear()
    tracker.show_goals(marked, marks)
    assert issues.batches == []


def test_a_hundred_issues_take_three_requests(tracker: LinearTracker, marked: Connection, linear: Linear) -> None:
    Issues(linear, **{f"issue_{number}": [] for number in range(100)})
    tracker.show_goals(marked, {f"issue-{number}": ALIGNED for number in range(100)})
    assert linear.names() == ["LabelsOfIssues", "UpdateIssues", "UpdateIssues"]


def test_one_issue_that_is_gone_spoils_no_other(tracker: LinearTracker, marked: Connection, linear: Linear) -> None:
    issues = Issues(linear, issue_1=[], issue_2=[], issue_3=[])
    issues.gone = {"issue-2"}
    tracker.show_goals(marked, {f"issue-{number}": ALIGNED for number in (1, 2, 3)})
    assert issues.labels == {"issue-1": ["a"], "issue-2": [], "issue-3": ["a"]}


def test_what_is_archived_or_in_the_trash_is_left_alone(
    tracker: LinearTracker, marked: Connection, linear: Linear
) -> None:
    gone = [{"trashed": True, "archivedAt": "2026-11-20T10:00:00Z"}, {"archivedAt": "2026-11-20T10:00:00Z"}]
    nodes = [{"id": f"issue-{at}", "labelIds": [], **LIVE, **one} for at, one in enumerate(gone)]
    linear.says("LabelsOfIssues", {"issues": page(*nodes)})
    tracker.show_goals(marked, {"issue-0": ALIGNED, "issue-1": ALIGNED})
    assert linear.names() == ["LabelsOfIssues"]


def test_a_label_that_linear_refuses_is_said_after_a_few_tries(
    tracker: LinearTracker, marked: Connection, linear: Linear
) -> None:
    Issues(linear, **{f"issue_{number}": [] for number in range(20)})
    linear.always("UpdateIssues", refusal("INPUT_ERROR", "The label is retired"))
    with pytest.raises(TrackerRefused, match="retired"):
        tracker.show_goals(marked, {f"issue-{number}": ALIGNED for number in range(20)})
    assert linear.names().count("UpdateIssues") == 1 + issue_labels.PATIENCE


def test_a_spent_budget_stops_marking_until_it_is_full_again(
    tracker: LinearTracker, marked: Connection, linear: Linear
) -> None:
    Issues(linear, issue_1=[])
    linear.says("UpdateIssues", refusal("RATELIMITED"), status=400)
    with pytest.raises(TrackerUnavailable) as told:
        tracker.show_goals(marked, {"issue-1": ALIGNED})
    assert told.value.whole_connection


def test_marks_that_come_before_the_labels_wait_for_them(
    tracker: LinearTracker, connection: Connection, linear: Linear
) -> None:
    with pytest.raises(TrackerUnavailable) as told:
        tracker.show_goals(connection, {"issue-1": ALIGNED})
    assert (told.value.retry_after, told.value.whole_connection, linear.asked) == (goal_marks.MADE_IN, False, [])


def test_marks_without_a_free_name_for_their_labels_say_so(tracker: LinearTracker, connection: Connection) -> None:
    connection.settings = {**connection.settings, "goal_labels": {"group": "okr", "labels": {}, "marks": {}}}
    with pytest.raises(TrackerRefused, match="rename one of them"):
        tracker.show_goals(connection, {"issue-1": ALIGNED})


def test_labels_of_links_are_put_on_and_taken_off(tracker: LinearTracker, marked: Connection, linear: Linear) -> None:
    issues = Issues(linear, issue_1=["bug", "kr-2"], issue_2=["kr-2"])
    found = tracker.put_labels(marked, ["issue-1", "issue-2"], ["kr-1"], ["kr-2"])
    assert [(one.external_id, one.labels) for one in found] == [("issue-1", ("bug", "kr-1")), ("issue-2", ("kr-1",))]
    assert issues.batches == [(["issue-1", "issue-2"], {"addedLabelIds": ["kr-1"], "removedLabelIds": ["kr-2"]})]
    assert tracker.put_labels(marked, ["issue-1"], [], []) == []


@pytest.mark.parametrize(
    "text", ['{"labels": {"every": {"name": {"neq": "aligned"}}}}', '{"labels": {"id": {"eq": "b"}}}']
)
def test_a_rule_never_follows_what_it_would_change_itself(
    tracker: LinearTracker, marked: Connection, text: str
) -> None:
    with pytest.raises(TrackerRefused, match="Ladder itself puts"):
        tracker.resolve(marked, IssueQuery("query", text))
