"""The labels that link issues to key results, against a workspace that keeps labels as Linear does."""

from __future__ import annotations

import pytest

from connector.models import Connection
from connector.tracker import TrackerRefused, TrackerUnavailable
from linear_app.goal_labels import possible_names
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import Linear
from tests.linear_app.label_book import Labels


@pytest.fixture(params=[True, False], ids=["lists retired", "hides retired"])
def labels(request: pytest.FixtureRequest, linear: Linear) -> Labels:
    """A workspace without labels, of either kind."""
    return Labels(linear, lists_retired=request.param)


WANTED = {"kr-1": "Activate 500 teams", "kr-2": "Cut churn"}


def test_there_is_one_label_for_each_key_result_in_a_group(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    live = labels.live()
    assert sorted(live) == ["Activate 500 teams", "Cut churn"]
    assert known["labels"] == {live["Activate 500 teams"]: "kr-1", live["Cut churn"]: "kr-2"}
    group = labels.kept[known["group"]]
    assert (group["name"], group["isGroup"]) == ("OKR", True)
    assert {labels.kept[id_]["parent"]["id"] for id_ in live.values()} == {known["group"]}


def test_a_second_look_changes_nothing(tracker: LinearTracker, connection: Connection, labels: Labels) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    labels.writes.clear()
    assert tracker.sync_goal_labels(connection, WANTED, known) == known
    assert labels.writes == []


def test_a_crash_before_the_answer_was_stored_makes_no_label_twice(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    labels.fail_after = 2
    with pytest.raises(TrackerUnavailable):
        tracker.sync_goal_labels(connection, WANTED, {})
    labels.fail_after = None
    known = tracker.sync_goal_labels(connection, WANTED, {})
    assert sorted(labels.live()) == ["Activate 500 teams", "Cut churn"]
    assert sorted(known["labels"].values()) == ["kr-1", "kr-2"]


def test_a_closed_key_result_retires_its_label_and_an_opened_one_gets_it_back(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    label = labels.live()["Cut churn"]
    closed = tracker.sync_goal_labels(connection, {"kr-1": WANTED["kr-1"]}, known)
    assert list(labels.live()) == ["Activate 500 teams"]
    assert list(closed["labels"].values()) == ["kr-1"]
    opened = tracker.sync_goal_labels(connection, WANTED, closed)
    assert labels.live()["Cut churn"] == label
    assert opened["labels"] == known["labels"]


def test_a_deleted_label_is_made_again(tracker: LinearTracker, connection: Connection, labels: Labels) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    old = labels.live()["Cut churn"]
    del labels.kept[old]
    again = tracker.sync_goal_labels(connection, WANTED, known)
    assert labels.live()["Cut churn"] != old
    assert old not in again["labels"]
    assert sorted(again["labels"].values()) == ["kr-1", "kr-2"]


def test_a_deleted_group_is_made_again_with_everything_in_it(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    labels.kept.clear()
    again = tracker.sync_goal_labels(connection, WANTED, known)
    assert again["group"] != known["group"]
    assert len(labels.live()) == 2


def test_a_label_that_somebody_retired_comes_back(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    labels.kept[labels.live()["Cut churn"]]["retiredAt"] = "2026-11-20T10:00:00Z"
    assert tracker.sync_goal_labels(connection, WANTED, known) == known
    assert "Cut churn" in labels.live()


def test_a_label_that_somebody_renamed_keeps_its_name(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    labels.kept[labels.live()["Cut churn"]]["name"] = "Keep people"
    again = tracker.sync_goal_labels(connection, {**WANTED, "kr-2": "Cut churn by half"}, known)
    assert "Keep people" in labels.live()
    assert again["labels"] == known["labels"]


def test_a_new_title_renames_a_label_that_nobody_else_renamed(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    known = tracker.sync_goal_labels(connection, WANTED, {})
    again = tracker.sync_goal_labels(connection, {**WANTED, "kr-2": "Cut churn by half"}, known)
    assert sorted(labels.live()) == ["Activate 500 teams", "Cut churn by half"]
    assert again["labels"] == known["labels"]


def test_a_group_of_that_name_is_joined(tracker: LinearTracker, connection: Connection, labels: Labels) -> None:
    labels.add("mine", "OKR", group=True)
    assert tracker.sync_goal_labels(connection, WANTED, {})["group"] == "mine"


def test_somebodys_ordinary_label_is_left_alone(tracker: LinearTracker, connection: Connection, labels: Labels) -> None:
    labels.add("mine", "OKR")
    known = tracker.sync_goal_labels(connection, WANTED, {})
    assert labels.kept[known["group"]]["name"] == "OKR goals"
    assert labels.kept["mine"]["isGroup"] is False


def test_without_a_free_name_for_the_group_it_is_said(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    for name in ("OKR", "OKR goals", "Ladder OKR"):
        labels.add(name, name)
    with pytest.raises(TrackerRefused, match="rename one"):
        tracker.sync_goal_labels(connection, WANTED, {})


def test_a_key_result_called_like_somebodys_label_gets_a_label_of_another_name(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    labels.add("mine", "Cut churn")
    known = tracker.sync_goal_labels(connection, WANTED, {})
    assert {labels.kept[id_]["name"]: kr for id_, kr in known["labels"].items()} == {
        "Activate 500 teams": "kr-1",
        "Cut churn (OKR)": "kr-2",
    }
    labels.writes.clear()
    assert tracker.sync_goal_labels(connection, WANTED, known) == known
    # It is found again even if we died before writing it down.
    assert tracker.sync_goal_labels(connection, WANTED, {})["labels"] == known["labels"]
    assert labels.writes == []


def test_a_key_result_without_a_free_name_leaves_the_others_theirs(
    tracker: LinearTracker, connection: Connection, labels: Labels
) -> None:
    for name in possible_names("Cut churn"):
        labels.add(name, name)
    known = tracker.sync_goal_labels(connection, WANTED, {})
    assert list(known["labels"].values()) == ["kr-1"]


def test_names_stay_short_enough() -> None:
    assert {len(one) for one in possible_names("x" * 80)} == {80}
