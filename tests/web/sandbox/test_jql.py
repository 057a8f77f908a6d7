"""The JQL subset: what it finds, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.web.sandbox.fake_ladder import FakeLadder
from web.sandbox import JiraSite
from web.sandbox.jql import JqlError, parse
from web.sandbox.jql_search import run


def keys(site: JiraSite, query: str) -> list[str]:
    return [issue.key for issue in run(parse(query), site, site.issues.values())]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("key = ATL-3", ["ATL-3"]),
        ("issuekey in (ATL-3, 'ATL-4') order by key", ["ATL-3", "ATL-4"]),
        ("id in (10003, 10004) ORDER BY key DESC", ["ATL-4", "ATL-3"]),
        ("parent = ATL-3 order by key", ["ATL-13", "ATL-14", "ATL-15"]),
        ("parent in (ATL-1, ATL-3) AND statusCategory = Done order by key", ["ATL-4", "ATL-13"]),
        ("project = OPS order by key", ["OPS-1", "OPS-2"]),
        ('project = "Operations" AND labels = maintenance', ["OPS-1"]),
        ("project = 10002 and not labels = maintenance", ["OPS-2"]),
        ("issuetype = Epic order by key", ["ATL-1", "ATL-2", "PLAT-1"]),
        ("issuetype in subTaskIssueTypes() and project = PLAT", ["PLAT-5"]),
        ("sprint = 2 order by key", ["ATL-5", "ATL-11"]),
        ("sprint in openSprints() AND statusCategory = new order by key", ["ATL-6", "ATL-10", "ATL-15", "ATL-16"]),
        ("project = ATL AND assignee is EMPTY AND type = Bug", ["ATL-18"]),
        ("(labels = export OR labels = growth) order by key", ["ATL-11", "ATL-16"]),
        ("summary ~ 'sample data'", ["ATL-9"]),
        ("resolution = Done and parent = ATL-2 order by key", ["ATL-8", "ATL-12"]),
        ("status = 'In Review'", ["ATL-9"]),
        ("project = OPS", ["OPS-2", "OPS-1"]),
    ],
)
def test_a_query_finds_what_it_says(site: JiraSite, query: str, found: list[str]) -> None:
    assert keys(site, query) == found


def test_an_empty_field_fits_neither_equal_nor_unequal(site: JiraSite) -> None:
    assert "ATL-18" not in keys(site, "project = ATL and resolution != Done")
    assert "ATL-18" not in keys(site, "project = ATL and labels != sso")


def test_a_moved_issue_is_found_by_its_old_key_and_by_its_id(site: JiraSite) -> None:
    site.move("ATL-6", "OPS")
    assert keys(site, "key = ATL-6") == keys(site, "id = 10006") == ["OPS-3"]
    assert keys(site, "id in (10005, 10006, 10007) ORDER BY id ASC") == ["ATL-5", "OPS-3", "ATL-7"]


def test_dates_are_minutes_in_the_zone_of_the_site() -> None:
    clock = [datetime(2026, 11, 21, 17, 30, 20, tzinfo=UTC)]
    site = JiraSite(seed=False, now=lambda: clock[0], time_zone="America/New_York")
    site.create_issue("At half past twelve, New York time")
    clock[0] += timedelta(minutes=10)
    assert keys(site, 'updated >= "2026-11-21 12:30"') == ["ATL-1"]
    assert keys(site, 'updated >= "2026-11-21 12:31"') == []
    assert keys(site, 'updated >= "2026/11/21 17:30"') == []
    assert keys(site, "updated >= -11m") == ["ATL-1"]
    assert keys(site, "updated >= '-9m'") == []
    assert keys(site, f"updated >= {int(clock[0].timestamp() * 1000) - 600_000}") == ["ATL-1"]
    assert keys(site, "created < now()") == ["ATL-1"]


def test_an_alias_of_the_app_searches_its_issue_property(site: JiraSite, installed: FakeLadder) -> None:
    site.set_property("ATL-3", "ladder", {"objective": ["Grow", "Win"]})
    assert keys(site, "objective = Win") == ["ATL-3"]
    assert keys(site, "issue.property[ladder].objective = grow") == ["ATL-3"]
    site.uninstall()
    with pytest.raises(JqlError):
        keys(site, "objective = Win")


@pytest.mark.parametrize(
    "query",
    [
        "project",
        "project = ",
        "= ATL",
        "project = ATL AND",
        "project = ATL bogus",
        "(project = ATL",
        "key in (ATL-1",
        "project = NOPE",
        "key = ATL-999",
        "id in (10001, 99999)",
        "sprint = 99",
        "status = Sleeping",
        "colour = red",
        "updated >= yesterday",
        "sprint in someFunction()",
        "order by colour",
        "labels is gone",
        "project = 'ATL",
    ],
)
def test_what_jira_cannot_run_is_refused(site: JiraSite, query: str) -> None:
    with pytest.raises(JqlError):
        keys(site, query)


def test_a_query_knows_whether_anything_restricts_it() -> None:
    assert parse("project = ATL").bounded
    assert not parse("").bounded
    assert not parse("order by created desc").bounded


def test_text_that_is_matched_whole_cannot_be_searched_for_words(site: JiraSite, installed: FakeLadder) -> None:
    site.set_property("ATL-3", "ladder", {"objective": ["Win trust"]})
    assert keys(site, 'objective in ("win trust", other)') == ["ATL-3"]
    assert "ATL-3" not in keys(site, "project = ATL AND objective is EMPTY")
    with pytest.raises(JqlError, match="not supported by the 'objective' field"):
        keys(site, "objective ~ trust")
