"""The demo's Linear workspace is planned as its Jira site is, so that one overlay can be held over both."""

from __future__ import annotations

from datetime import UTC, datetime

from web.demo.linear_season import LINKS, MORE, add_work, plan_alike
from web.demo.season import past_site
from web.sandbox.linear import LinearWorkspace


def test_cycles_run_when_the_sprints_do() -> None:
    site, linear = past_site("http://127.0.0.1:9", datetime.now(UTC).date()), LinearWorkspace()
    plan_alike(site, linear)
    sprints = {one.state: (one.start, one.end) for one in site.sprints.values()}
    for key in ("WEB", "MOB"):
        team = linear.team(key)
        running, coming = linear.active_cycle(team), linear.next_cycle(team)
        assert running is not None
        assert coming is not None
        assert (running.starts_at, running.ends_at) == sprints["active"]
        assert (coming.starts_at, coming.ends_at) == sprints["future"]
    site.webhooks.stop()
    linear.webhooks.stop()


def test_the_running_cycles_hold_work_of_every_kind_and_some_that_waits() -> None:
    linear = LinearWorkspace()
    add_work(linear)
    running = {one.identifier for one in linear.issues.values() if one.cycle_id == cycle_of(linear)}
    assert running & set(LINKS["activation"])
    assert {category is None for _, team, _, _, when, category in MORE if (team, when) == ("WEB", "now")} == {
        True,
        False,
    }
    waits = {one.identifier: [other.identifier for other in linear.blockers_of(one)] for one in linear.issues.values()}
    (outside,) = waits["WEB-6"]
    assert waits["WEB-5"] == ["WEB-3"]
    assert linear.issue(outside).cycle_id is None
    linear.webhooks.stop()


def cycle_of(linear: LinearWorkspace) -> str:
    """Return the running cycle of the team Web."""
    cycle = linear.active_cycle(linear.team("WEB"))
    assert cycle is not None
    return cycle.id
