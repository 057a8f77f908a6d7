"""Captured webhook bodies become events; hostile ones become BadDelivery, never a crash."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connector.models import Connection
from connector.tracker import (
    BadDelivery,
    Event,
    Ignored,
    IssueChanged,
    IssueDeleted,
    IssueSnapshot,
    IssueTouched,
    SprintChanged,
    Unsupported,
)
from jira_app.payloads import events_in, kind_of
from tests.shared_refs import refs

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def site(**chosen: Any) -> Connection:
    """Return a connection with some settings."""
    return Connection(site="https://acme.atlassian.net", display_site="https://jira.acme.example", settings=chosen)


def captured(name: str) -> dict[str, Any]:
    """Return a captured body."""
    body: dict[str, Any] = json.loads(refs("payloads", "jira", name).read_text())
    return body


def read(body: Any, connection: Connection | None = None, kind: str | None = None) -> list[Event]:
    """Return the events in a body."""
    kind = kind if kind is not None else kind_of(body)
    return list(events_in(connection or site(), kind, json.dumps(body).encode(), lambda: NOW))


def snapshot(body: Any, connection: Connection | None = None) -> IssueSnapshot:
    """Return the only snapshot in a body."""
    (event,) = read(body, connection)
    assert isinstance(event, IssueChanged), event
    return event.snapshot


def issue(**fields: Any) -> dict[str, Any]:
    """Return an `issue updated` body whose fields are as given (None leaves one out)."""
    given = {
        "summary": "Faster search",
        "updated": "2026-11-20T10:00:00.123-0500",
        "status": {"id": "3", "name": "In Arbeit", "statusCategory": {"key": "indeterminate"}},
        "issuetype": {"id": "10001", "name": "Story", "subtask": False},
        "project": {"key": "ATL"},
    } | fields
    given = {name: value for name, value in given.items() if value is not None}
    return {
        "webhookEvent": "jira:issue_updated",
        "timestamp": 1795190400123,
        "user": {"accountId": "712020:ada"},
        "issue": {"id": "10001", "key": "ATL-1", "fields": given},
    }


def done(resolution: Any = None, status_id: str = "5") -> dict[str, Any]:
    """Return a body of an issue in a done status."""
    return issue(status={"id": status_id, "name": "x", "statusCategory": {"key": "done"}}, resolution=resolution)


def test_a_created_issue_is_read_whole() -> None:
    assert read(captured("issue-created.json")) == [
        IssueChanged(
            IssueSnapshot(
                external_id="10040",
                key="TES-41",
                title="Unit test summary",
                url="https://jira.acme.example/browse/TES-41",
                cls="todo",
                updated_at=datetime(2019, 2, 16, 3, 1, 52, 971000, tzinfo=UTC),
                issue_type="Story",
                status_name="To Do",
                project_key="TES",
                labels=("test-label",),
                blocked_by=(),
            ),
            happened_at=datetime(2019, 2, 16, 3, 1, 52, 971000, tzinfo=UTC),
            actor="5c5f880629be9642ba529340",
        )
    ]


def test_a_resolved_issue_is_done() -> None:
    assert snapshot(captured("issue-updated-resolved.json")).cls == "done"


def test_a_deleted_issue_is_dated_by_the_event() -> None:
    assert read(captured("issue-deleted.json")) == [
        IssueDeleted("10303", datetime(2019, 7, 3, 18, 5, 36, 176000, tzinfo=UTC), actor="5c5f880629be9642ba529340")
    ]


def test_a_deletion_is_never_older_than_the_issue() -> None:
    body = captured("issue-deleted.json") | {"timestamp": 1000}
    (event,) = read(body)
    assert isinstance(event, IssueDeleted)
    assert event.happened_at == datetime(2019, 7, 3, 18, 4, 43, 20000, tzinfo=UTC)


def test_a_deletion_without_any_time_takes_effect_now() -> None:
    (event,) = read({"webhookEvent": "jira:issue_deleted", "issue": {"id": 7}})
    assert event == IssueDeleted("7", NOW)


@pytest.mark.parametrize("name", ["issue-updated-rank.json", "issue-updated-sprint.json"])
def test_noise_of_ranks_and_sprints_leaves_the_class_alone(name: str) -> None:
    assert snapshot(captured(name)).cls == "todo"


@pytest.mark.parametrize(
    ("name", "external_id", "reason"),
    [
        ("issue-assigned-empty-changelog.json", "10001", "no update time"),
        ("atlassian_doc_issue_updated.json", "99291", "no update time"),
        ("sentry_issue_moved.json", "101", "no status"),
    ],
)
def test_a_body_that_says_too_little_makes_the_issue_be_read_again(name: str, external_id: str, reason: str) -> None:
    assert read(captured(name)) == [IssueTouched(external_id, reason)]


def test_a_plain_link_between_issues_is_ignored() -> None:
    assert read(captured("pinpoint_issuelink_created.json")) == [Ignored("links between issues move nothing")]


@pytest.mark.parametrize(
    ("outward", "inward"),
    [
        ("blocks", "is blocked by"),
        ("blockiert", "wird blockiert von"),
        ("bloquea", "está bloqueado por"),
        ("blokkeert", "wordt geblokkeerd door"),
        ("блокирует", "заблокирована"),
        ("ブロックする", "ブロックされている"),
        ("阻止", "被阻止"),
    ],
)
def test_whoever_a_new_link_blocks_is_read_again(outward: str, inward: str) -> None:
    body = captured("pinpoint_issuelink_created.json")
    body["issueLink"]["issueLinkType"] |= {"name": "X", "outwardName": outward, "inwardName": inward}
    assert read(body) == [IssueTouched("11917", "what blocks it may have changed")]


@pytest.mark.parametrize(
    ("outward", "inward"), [("unblocks", "is unblocked by"), ("relates to", "relates to"), ("blogs", "is blogged by")]
)
def test_other_links_block_nobody(outward: str, inward: str) -> None:
    body = captured("pinpoint_issuelink_created.json")
    body["issueLink"]["issueLinkType"] |= {"outwardName": outward, "inwardName": inward}
    assert read(body) == [Ignored("links between issues move nothing")]


def link(side: str, number: int, outward: str = "blocks", inward: str = "is blocked by") -> dict[str, Any]:
    """Return one of an issue's links; `side` is inwardIssue or outwardIssue."""
    kind = {"id": "10000", "name": "Blocks", "outward": outward, "inward": inward}
    return {"id": "1", "type": kind, side: {"id": str(number), "key": f"ATL-{number}"}}


def test_an_issue_knows_what_blocks_it_and_not_what_it_blocks() -> None:
    links = [link("inwardIssue", 12), link("inwardIssue", 9), link("outwardIssue", 13)]
    links.append(link("inwardIssue", 14, "duplicates", "is duplicated by"))
    assert snapshot(issue(issuelinks=links)).blocked_by == ("9", "12")
    assert snapshot(issue(issuelinks=[])).blocked_by == ()


def test_a_body_without_the_links_of_an_issue_does_not_say_that_nothing_blocks_it() -> None:
    assert snapshot(issue()).blocked_by is None


@pytest.mark.parametrize(
    "links", [7, ["x"], [link("inwardIssue", 1) | {"inwardIssue": {"id": "../1"}}], {"inwardIssue": {}}]
)
def test_links_that_jira_never_sends_are_a_bad_delivery(links: Any) -> None:
    with pytest.raises(BadDelivery, match="issuelinks"):
        read(issue(issuelinks=links))


@pytest.mark.parametrize("mark", ["isSubTaskLinkType", "isSystemLinkType"])
def test_a_link_that_makes_a_hierarchy_makes_both_ends_be_read_again(mark: str) -> None:
    body = captured("pinpoint_issuelink_created.json")
    body["issueLink"]["issueLinkType"][mark] = True
    assert [event.external_id for event in read(body) if isinstance(event, IssueTouched)] == ["18715", "11917"]


def test_a_closed_sprint_is_closed() -> None:
    assert read(captured("sprint_closed.synthetic.json")) == [
        SprintChanged(
            "123",
            "Sprint 45",
            "closed",
            datetime(2024, 12, 14, 8, tzinfo=UTC),
            starts_at=datetime(2024, 12, 1, tzinfo=UTC),
            ends_at=datetime(2024, 12, 14, 23, 59, 59, tzinfo=UTC),
            board="1",
        )
    ]


def test_a_sprint_whose_board_is_not_told_belongs_to_none_yet() -> None:
    body = captured("sprint_closed.synthetic.json")
    del body["sprint"]["originBoardId"]
    (event,) = read(body)
    assert isinstance(event, SprintChanged)
    assert event.board == ""


@pytest.mark.parametrize(
    ("kind", "said", "state"),
    [
        ("sprint_created", "future", "future"),
        ("sprint_created", None, "future"),
        ("sprint_updated", "active", "active"),
        ("sprint_started", "future", "active"),
        ("sprint_closed", None, "closed"),
        ("sprint_deleted", "active", "deleted"),
    ],
)
def test_a_sprint_is_in_the_state_that_its_event_means(kind: str, said: str | None, state: str) -> None:
    (event,) = read({"webhookEvent": kind, "timestamp": 1, "sprint": {"id": 7, "name": "S", "state": said}})
    assert isinstance(event, SprintChanged)
    assert event.state == state


def test_what_is_no_webhook_is_unsupported() -> None:
    assert read(captured("forge_fit_claims.official_doc.json")) == [Unsupported("unnamed")]


def test_every_captured_body_is_handled_ignored_or_unsupported() -> None:
    for path in sorted(refs("payloads", "jira").glob("*.json")):
        assert read(json.loads(path.read_text())), path.name


@pytest.mark.parametrize(
    "kind", ["comment_created", "worklog_updated", "attachment_created", "issue_property_set", "jira:version_released"]
)
def test_known_kinds_that_move_nothing_are_ignored_with_a_reason(kind: str) -> None:
    (event,) = read({"webhookEvent": kind})
    assert isinstance(event, Ignored)
    assert event.reason.endswith(("nothing", "themselves"))


def test_an_unknown_kind_is_reported_by_name() -> None:
    assert read({"webhookEvent": "jira:new_thing"}) == [Unsupported("jira:new_thing")]


def test_our_own_echo_is_ignored() -> None:
    assert read(issue(), kind="jira:issue_updated;echo") == [Ignored("echo of our own write")]


@pytest.mark.parametrize(
    ("category", "cls"), [("new", "todo"), ("undefined", "todo"), ("indeterminate", "doing"), ("done", "done")]
)
def test_the_status_category_decides_whatever_the_status_is_called(category: str, cls: str) -> None:
    body = issue(status={"id": "3", "name": "Done (not)", "statusCategory": {"key": category, "name": "Fertig"}})
    assert snapshot(body).cls == cls


@pytest.mark.parametrize("name", ["Won't Do", "WON’T FIX", "duplicate", "Declined", "Cannot Reproduce", "Obsolete"])
def test_done_without_doing_is_dropped(name: str) -> None:
    assert snapshot(done({"id": "9", "name": name})).cls == "dropped"


@pytest.mark.parametrize("resolution", [None, {"id": "1", "name": "Done"}, {"id": "1", "name": "Fixed"}, {}])
def test_done_with_another_resolution_or_none_is_done(resolution: Any) -> None:
    assert snapshot(done(resolution)).cls == "done"


def test_a_resolution_alone_does_not_drop_open_work() -> None:
    assert snapshot(issue(resolution={"name": "Won't Do"})).cls == "doing"


def test_the_dropped_list_is_the_sites_own() -> None:
    connection = site(dropped_resolutions=["Verworfen", "10007"], dropped_status_ids=[44])
    assert snapshot(done({"name": "verworfen"}), connection).cls == "dropped"
    assert snapshot(done({"id": "10007", "name": "?"}), connection).cls == "dropped"
    assert snapshot(done(status_id="44"), connection).cls == "dropped"
    assert snapshot(done({"name": "Won't Do"}), connection).cls == "done"


def test_a_status_without_category_is_looked_up_by_its_id() -> None:
    body = issue(status={"id": "77", "name": "Abgenommen"})
    assert snapshot(body, site(status_categories={"77": "done"})).cls == "done"
    assert read(body) == [IssueTouched("10001", "no status category")]


def test_a_category_that_jira_does_not_have_today_is_asked_for_again() -> None:
    body = issue(status={"id": "3", "statusCategory": {"key": "cosmic"}})
    assert read(body) == [IssueTouched("10001", "unknown status category")]


@pytest.mark.parametrize(
    ("issue_type", "learned", "level"),
    [
        ({"hierarchyLevel": 1}, {}, 1),
        ({"hierarchyLevel": -1, "subtask": False}, {}, -1),
        ({"id": "10000", "subtask": False}, {"10000": 1}, 1),
        ({"id": "10000", "subtask": True}, {}, -1),
        ({"id": "10000"}, {}, 0),
        (None, {}, 0),
    ],
)
def test_the_level_comes_from_the_hierarchy_or_from_what_was_learned_of_it(
    issue_type: Any, learned: dict[str, int], level: int
) -> None:
    assert snapshot(issue(issuetype=issue_type), site(issue_type_levels=learned)).level == level


@pytest.mark.parametrize(
    ("value", "estimate"),
    [
        (3.0, Fraction(3)),
        (0.1, Fraction(1, 10)),
        (0, Fraction(0)),
        ("2.5", Fraction(5, 2)),
        (None, None),
        (-1, None),
        (True, None),
        ("large", None),
        ({"value": 3}, None),
        (10**12, None),
        (1e300, None),
        ("1e-4000", None),
        ("NaN", None),
    ],
)
def test_estimates_are_exact_and_unusable_ones_are_none(value: Any, estimate: Fraction | None) -> None:
    body = issue(customfield_10016=value)
    assert snapshot(body, site(estimate_field="customfield_10016")).estimate == estimate
    assert snapshot(body).estimate is None


def test_a_site_with_two_estimate_fields_uses_the_one_that_is_filled() -> None:
    connection = site(estimate_field=["customfield_1", "customfield_2"])
    assert snapshot(issue(customfield_1=None, customfield_2=5), connection).estimate == 5


def test_sprints_are_read_in_both_forms_that_sites_write() -> None:
    old = "com.atlassian.greenhopper.service.sprint.Sprint@1f39[id=3,rapidViewId=2,state=ACTIVE,name=S]"
    body = issue(customfield_10020=[{"id": 12, "name": "S", "state": "active"}, old])
    assert snapshot(body, site(sprint_field="customfield_10020")).sprints == ("3", "12")


def test_the_parent_is_known_by_its_id() -> None:
    assert snapshot(issue(parent={"id": "10000", "key": "ATL-9"})).parent_external_id == "10000"


def test_an_epic_that_is_only_named_by_key_makes_the_issue_be_read_again() -> None:
    body = issue(customfield_10014="ATL-9")
    assert read(body, site(epic_link_field="customfield_10014")) == [IssueTouched("10001", "epic named by key only")]


def test_addresses_never_come_from_self_links() -> None:
    body = issue()
    body["issue"]["self"] = "https://evil.example/rest/api/2/issue/10001"
    assert snapshot(body).url == "https://jira.acme.example/browse/ATL-1"


def test_hostile_text_is_kept_as_text_that_a_database_can_hold() -> None:
    body = issue(summary="<script>\x00</script>\ud800" + "x" * 5000, labels=["b\x00", "a"])
    found = snapshot(body)
    assert found.title.startswith("<script>�</script>")
    assert len(found.title) == 1000
    assert found.labels == ("a", "b�")
    found.title.encode()


def test_an_empty_delivery_is_bad() -> None:
    for body in (b"", b"[]", b"\xff", b"[" * 10_000):
        with pytest.raises(BadDelivery):
            events_in(site(), "jira:issue_updated", body, lambda: NOW)


JUNK: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "\x00",
    "9" * 400,
    [],
    [[]],
    [None],
    {},
    {"id": []},
    {"key": 7},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a body."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*path, name))


@pytest.mark.parametrize("name", ["issue-updated-resolved.json", "issue-deleted.json", "sprint_closed.synthetic.json"])
def test_junk_in_any_place_is_a_bad_delivery_at_worst(name: str) -> None:
    whole = captured(name)
    connection = site(estimate_field="customfield_10016", sprint_field="customfield_10020")
    kind = kind_of(whole)
    for path in places(whole):
        for junk in JUNK:
            body = copy.deepcopy(whole)
            if not path:
                body = junk
            else:
                inner = body
                for step in path[:-1]:
                    inner = inner[step]
                inner[path[-1]] = junk
            try:
                read(body, connection, kind)
            except BadDelivery:
                continue


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("summary", "status", "issuetype", "project", "parent", "resolution", "labels", "updated", "cf"), ANYTHING
    ),
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(fields=FIELDS, chosen=st.dictionaries(st.sampled_from(["estimate_field", "sprint_field"]), ANYTHING))
@example(fields={"updated": "0001-01-01T00:00:00+2359", "status": {}}, chosen={})
@example(fields={"updated": "9999-12-31T23:59:59-2359", "status": {"id": "1"}}, chosen={"estimate_field": ["cf", 7]})
def test_any_fields_and_any_settings_are_survived(fields: dict[str, Any], chosen: dict[str, Any]) -> None:
    body = issue() | {"issue": {"id": "1", "key": "A-1", "fields": issue()["issue"]["fields"] | fields}}
    with contextlib.suppress(BadDelivery):
        read(body, site(**chosen))
