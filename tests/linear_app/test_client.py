"""What we make of Linear's answers: whole, or an error that says what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from connector.models import Connection
from connector.tracker import IssueUnreadable, TrackerRefused, TrackerUnavailable
from linear_app.client import LinearClient
from linear_app.tracker import LinearTracker
from tests.linear_app.acme import Linear, issue_node, page, refusal


@pytest.fixture
def client(tracker: LinearTracker, connection: Connection) -> LinearClient:
    """The client of the connected workspace."""
    return tracker.client(connection)


def limits(**budgets: tuple[int, int, float]) -> dict[str, str]:
    """Return rate limit headers: limit, remaining and the seconds until it is full again, by budget."""
    headers: dict[str, str] = {}
    for name, (limit, remaining, seconds) in budgets.items():
        prefix = f"X-RateLimit-{name.title()}"
        reset = str(int((time.time() + seconds) * 1000))
        headers |= {f"{prefix}-Limit": str(limit), f"{prefix}-Remaining": str(remaining), f"{prefix}-Reset": reset}
    return headers


def test_an_answer_comes_back_whole(client: LinearClient, linear: Linear) -> None:
    linear.says("Issue", {"issue": issue_node(7)})
    assert client.run("Issue", id="ENG-7")["issue"]["identifier"] == "ENG-7"
    assert linear.asked[-1].token == "access-0"


def test_a_rejected_token_is_replaced_once(client: LinearClient, linear: Linear) -> None:
    linear.good.clear()
    linear.says("Viewer", {"viewer": {}}).says("Issue", {"issue": issue_node()})
    assert client.run("Issue", id="x")["issue"]
    assert [one.token for one in linear.asked] == ["access-0", "access-1"]


@pytest.mark.parametrize("status", [200, 400])
def test_an_authentication_error_is_known_by_its_code_or_its_type(
    client: LinearClient, linear: Linear, status: int
) -> None:
    wrong = {"errors": [{"message": "no", "extensions": {"type": "authentication error"}}]}
    linear.says("Issue", wrong, status).says("Issue", {"issue": issue_node()})
    assert client.run("Issue", id="x")["issue"]
    assert len(linear.token_calls) == 1


def test_a_bare_401_is_one_too(client: LinearClient, linear: Linear) -> None:
    linear.says("Issue", "Unauthorized", 401).says("Issue", {"issue": issue_node()})
    assert client.run("Issue", id="x")["issue"]
    assert len(linear.token_calls) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(400, refusal("RATELIMITED")), (429, refusal("RATELIMITED")), (429, "slow")]
)
def test_a_rate_limit_pauses_the_workspace_until_the_spent_budget_is_full_again(
    client: LinearClient, linear: Linear, status: int, body: Any
) -> None:
    linear.headers = limits(requests=(5000, 4000, 3000), complexity=(2_000_000, 0, 600))
    linear.says("Issue", body, status)
    with pytest.raises(TrackerUnavailable) as caught:
        client.run("Issue", id="x")
    assert caught.value.whole_connection
    assert caught.value.retry_after == pytest.approx(600, abs=5)


def test_a_rate_limit_without_a_hint_pauses_for_a_minute(client: LinearClient, linear: Linear) -> None:
    linear.says("Issue", refusal("RATELIMITED"), 400)
    with pytest.raises(TrackerUnavailable) as caught:
        client.run("Issue", id="x")
    assert caught.value.retry_after == 60


def test_the_last_of_a_budget_is_kept_for_people(client: LinearClient, linear: Linear) -> None:
    linear.headers = limits(requests=(5000, 99, 900), complexity=(2_000_000, 1_000_000, 900))
    linear.always("Issue", {"issue": issue_node()})
    client.run("Issue", id="x")
    with pytest.raises(TrackerUnavailable) as caught:
        client.run("Issue", id="x")
    assert caught.value.whole_connection
    assert caught.value.retry_after == pytest.approx(900, abs=5)
    assert client.run("Issue", urgent=True, id="x")["issue"]
    assert linear.names() == ["Issue", "Issue"]


def test_a_budget_with_enough_left_changes_nothing(client: LinearClient, linear: Linear) -> None:
    linear.headers = limits(requests=(5000, 101, 900)) | {"X-RateLimit-Odd-Reset": "soon", "X-Complexity": "12"}
    linear.always("Issue", {"issue": issue_node()})
    assert [client.run("Issue", id="x")["issue"]["id"] for _ in range(3)]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("<html>We'll be back</html>", 200),
        ("<html>Bad gateway</html>", 502),
        ("", 200),
        ("[]", 200),
        ("7", 200),
        ("null", 200),
        ('{"data": null}', 200),
        ('{"data": []}', 200),
        ('{"something": "else"}', 200),
        ("<html>moved</html>", 302),
        (refusal("INTERNAL_SERVER_ERROR"), 200),
        (refusal("", "Lock timeout", type="lock timeout"), 200),
        (refusal("", "oops", statusCode=503), 200),
        (requests.ConnectionError("refused"), 200),
        (requests.ReadTimeout("slow"), 200),
    ],
    ids=str,
)
def test_what_passes_by_itself_is_tried_later(client: LinearClient, linear: Linear, answer: Any, status: int) -> None:
    linear.says("Issue", answer, status)
    with pytest.raises(TrackerUnavailable) as caught:
        client.run("Issue", id="x")
    assert not caught.value.whole_connection
    assert "access-0" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ENTITY_NOT_FOUND"),
        refusal("INPUT_ERROR", "Entity not found: Issue", userPresentableMessage="Could not find referenced Issue."),
        refusal("FORBIDDEN", "You do not have access"),
        refusal("", "nope", type="forbidden"),
    ],
    ids=str,
)
def test_an_issue_that_is_not_there_or_not_for_us_cannot_be_read(
    client: LinearClient, linear: Linear, answer: Any
) -> None:
    linear.says("Issue", answer, 400)
    with pytest.raises(IssueUnreadable):
        client.run("Issue", id="x")


@pytest.mark.parametrize(
    "answer",
    [
        refusal("INVALID_INPUT", "title is required"),
        {"errors": [{"message": "odd"}]},
        {"errors": ["odd"]},
        {"errors": {"odd": 1}},
        {"errors": [{"message": "odd", "extensions": "odd"}]},
    ],
    ids=str,
)
def test_what_cannot_succeed_is_refused_with_linears_words(client: LinearClient, linear: Linear, answer: Any) -> None:
    linear.says("Issue", answer)
    with pytest.raises(TrackerRefused, match="Issue"):
        client.run("Issue", id="x")


def test_data_beside_errors_is_never_used(client: LinearClient, linear: Linear) -> None:
    linear.says("Issue", {"data": {"issue": issue_node()}, "errors": refusal("INTERNAL_SERVER_ERROR")["errors"]})
    with pytest.raises(TrackerUnavailable):
        client.run("Issue", id="x")


def test_a_field_that_linear_no_longer_has_fails_its_operation_and_no_other(
    client: LinearClient, linear: Linear
) -> None:
    gone = refusal("GRAPHQL_VALIDATION_FAILED", 'Cannot query field "estimate" on type "Issue"')
    linear.says("Issue", gone, 400).says(
        "Viewer", {"viewer": dict.fromkeys(("id", "name", "displayName", "active", "app", "guest"))}
    )
    with pytest.raises(TrackerRefused, match="no longer understands Issue"):
        client.run("Issue", id="x")
    assert "viewer" in client.run("Viewer")


@pytest.mark.parametrize("name", ["estimate", "trashed", "state", "team", "parent"])
def test_a_field_that_is_left_out_of_an_answer_fails_loudly(client: LinearClient, linear: Linear, name: str) -> None:
    linear.says("Issue", {"issue": {key: value for key, value in issue_node().items() if key != name}})
    with pytest.raises(TrackerRefused, match=f"lacks issue.{name}"):
        client.run("Issue", id="x")


def test_a_field_left_out_deep_inside_a_page_is_found(client: LinearClient, linear: Linear) -> None:
    broken = issue_node(2, state={"id": "s", "name": "Done"})
    linear.says("UpdatedSince", {"issues": page(issue_node(1), broken)})
    with pytest.raises(TrackerRefused, match=r"lacks issues\.nodes\.state\.type"):
        list(client.pages("UpdatedSince", "issues", filter={}))


def test_pages_are_read_to_the_end(client: LinearClient, linear: Linear) -> None:
    linear.says("UpdatedSince", {"issues": page(issue_node(1), more_after="one")})
    linear.says("UpdatedSince", {"issues": page(issue_node(2))})
    pages = list(client.pages("UpdatedSince", "issues", filter={}))
    assert [node["id"] for nodes in pages for node in nodes] == ["issue-1", "issue-2"]
    assert [one.variables["after"] for one in linear.asked] == [None, "one"]


def test_a_part_of_the_pages_is_never_taken_for_all(client: LinearClient, linear: Linear) -> None:
    linear.says("UpdatedSince", {"issues": page(issue_node(1), more_after="one")})
    linear.says("UpdatedSince", refusal("INTERNAL_SERVER_ERROR"))
    with pytest.raises(TrackerUnavailable):
        list(client.pages("UpdatedSince", "issues", filter={}))


@pytest.mark.parametrize("after", ["", "one"])
def test_pages_that_lead_nowhere_are_an_error(client: LinearClient, linear: Linear, after: str) -> None:
    linear.says("UpdatedSince", {"issues": page(issue_node(1), more_after="one")})
    linear.says("UpdatedSince", {"issues": page(issue_node(1), more_after=after)})
    with pytest.raises(TrackerUnavailable, match="not where"):
        list(client.pages("UpdatedSince", "issues", filter={}))
