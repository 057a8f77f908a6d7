"""Links made in Ladder show as labels in the tracker, and our own labels never pass for somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete, select

from connector.bulk_links import link_many, unlink_many
from connector.issues import ensure_issue
from connector.label_links import sync_labels
from connector.models import Connection, Issue, IssueDue, KeyResult, Link
from connector.tracker import Capabilities, IssueSnapshot, TrackerRefused, TrackerUnavailable
from tests.connector.conftest import START, Organisation
from tests.connector.errand_runs import run

RATIO, POINTS = "label-ratio", "label-points"


@dataclass
class Site:
    """The toy's issues with labels on them; each change of labels makes an issue newer."""

    org: Organisation
    seconds: int = 1000
    writes: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    refusal: TrackerRefused | None = None

    def put_labels(
        self, connection: Connection, external_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]
    ) -> list[IssueSnapshot]:
        self.org.tracker.issues()
        if self.refusal is not None:
            raise self.refusal
        self.writes.append((tuple(external_ids), tuple(add), tuple(remove)))
        for one in external_ids:
            self.change(one, {*self.labels(one), *add} - set(remove))
        return [self.org.tracker.snapshot(self.org.tracker.site[one]) for one in external_ids]

    def labels(self, issue: str) -> list[str]:
        return sorted(self.org.tracker.site[issue].get("labels", ()))

    def change(self, issue: str, labels: Any) -> dict[str, Any]:
        """Change labels in the tracker, without telling."""
        self.seconds += 1
        said = {**self.org.tracker.site[issue], "labels": sorted(labels), "at": START + self.seconds}
        self.org.tracker.site[issue] = said
        return said

    def told(self, issue: str, *labels: str) -> None:
        """Somebody changes the labels, and the tracker tells."""
        self.change(issue, labels)
        self.org.deliver(self.org.tracker.site[issue], f"labels{self.seconds}")

    def settle(self) -> None:
        run(self.org, "worn_labels")


@pytest.fixture
def site(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Three issues on a tracker that offers the labels of the key results; links are shown from now on."""
    org.tracker.capabilities = Capabilities(goal_labels=True)
    site = Site(org)
    monkeypatch.setattr(org.tracker, "put_labels", site.put_labels, raising=False)
    for at, issue in enumerate(("1", "2", "3")):
        org.tell(issue, "todo", at=at, labels=["bug"])
    offer(org)
    site.settle()
    return site


def offer(org: Organisation) -> None:
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
    sync_labels(org.core, connection)


def unlink(org: Organisation, *issues: str) -> None:
    with org.core.database.writing() as session:
        chosen = select(Link.id).join(Issue, Issue.id == Link.issue_id).where(Issue.external_id.in_(issues))
        unlink_many(session, "w", list(session.scalars(chosen)), actor="ada", now=org.core.clock())


def links(org: Organisation) -> list[tuple[str, str, str]]:
    with org.core.database.reading() as session:
        rows = session.execute(
            select(Issue.external_id, Link.key_result_id, Link.source).join(Link, Link.issue_id == Issue.id)
        )
        return sorted((row.external_id, row.key_result_id, row.source) for row in rows)


def waiting(org: Organisation) -> int:
    with org.core.database.reading() as session:
        return len(session.scalars(select(IssueDue).where(IssueDue.kind == "worn_labels")).all())


def test_a_link_made_in_ladder_shows_as_a_label(org: Organisation, site: Site) -> None:
    org.link("1")
    site.settle()
    assert site.labels("1") == ["bug", RATIO]
    # The tracker tells of it, and somebody's next edit says it again: it stays what it was.
    org.deliver(org.tracker.site["1"], "echo")
    site.told("1", "bug", RATIO, "urgent")
    assert links(org) == [("1", "ratio", "manual")]
    assert site.writes == [(("1",), (RATIO,), ())]
    assert waiting(org) == 0


def test_unlinking_in_ladder_takes_the_label_off_whoever_put_it_on(org: Organisation, site: Site) -> None:
    site.told("1", "bug", RATIO)
    org.link("2")
    site.settle()
    assert links(org) == [("1", "ratio", "label"), ("2", "ratio", "manual")]
    unlink(org, "1", "2")
    site.settle()
    assert (site.labels("1"), site.labels("2")) == (["bug"], ["bug"])
    # A report from before we took it off, which comes late, does not link it again.
    org.deliver({**org.tracker.site["1"], "labels": ["bug", RATIO], "at": START + site.seconds - 2}, "late")
    assert links(org) == []


def test_many_issues_take_one_change_for_each_kind_of_it(org: Organisation, site: Site) -> None:
    with org.core.database.writing() as session:
        ids = [ensure_issue(session, session.get_one(Connection, "c"), one).id for one in ("1", "2", "3")]
        pairs = [(one, "ratio") for one in ids] + [(ids[0], "points")]
        link_many(session, "w", pairs, actor="ada", now=org.core.clock(), source="rule")
    site.settle()
    assert sorted(site.writes) == [(("1",), (POINTS, RATIO), ()), (("2", "3"), (RATIO,), ())]


def test_taking_the_label_of_a_link_made_in_ladder_off_hides_it_until_the_issue_is_linked_again(
    org: Organisation, site: Site
) -> None:
    org.link("1")
    site.settle()
    site.told("1", "bug")
    site.settle()
    assert links(org) == [("1", "ratio", "manual")]
    # Nobody fights over it.
    assert site.labels("1") == ["bug"]
    org.link("1", "points")
    site.settle()
    assert site.labels("1") == ["bug", POINTS, RATIO]


def test_taking_off_a_label_that_somebody_put_on_still_unlinks(org: Organisation, site: Site) -> None:
    site.told("1", "bug", RATIO)
    site.settle()
    site.told("1", "bug")
    site.settle()
    assert (links(org), site.writes) == ([], [])


def test_a_label_that_somebody_puts_on_while_we_look_links_and_stays(org: Organisation, site: Site) -> None:
    org.link("1")
    site.change("1", ["bug", POINTS])
    site.settle()
    assert links(org) == [("1", "points", "label"), ("1", "ratio", "manual")]
    assert site.labels("1") == ["bug", POINTS, RATIO]


def test_what_we_put_on_never_links_even_if_the_link_goes_meanwhile(
    org: Organisation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.link("1")

    def slowly(*asked: Any) -> list[IssueSnapshot]:
        found = site.put_labels(*asked)
        unlink(org, "1")
        return found

    monkeypatch.setattr(org.tracker, "put_labels", slowly)
    site.settle()
    assert links(org) == []
    monkeypatch.setattr(org.tracker, "put_labels", site.put_labels)
    assert waiting(org) == 1
    site.settle()
    assert (links(org), site.labels("1")) == ([], ["bug"])


def test_being_killed_after_the_label_was_put_on_links_nothing_more(
    org: Organisation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.link("1")

    def dies(*asked: Any) -> list[IssueSnapshot]:
        site.put_labels(*asked)
        raise KeyboardInterrupt

    monkeypatch.setattr(org.tracker, "put_labels", dies)
    with pytest.raises(KeyboardInterrupt):
        site.settle()
    assert waiting(org) == 1
    org.deliver(org.tracker.site["1"], "edit")
    assert links(org) == [("1", "ratio", "manual")]


def test_while_the_tracker_is_down_the_issues_wait(org: Organisation, site: Site) -> None:
    org.link("1")
    org.tracker.down = TrackerUnavailable("down")
    with pytest.raises(TrackerUnavailable):
        site.settle()
    org.tracker.down = None
    assert waiting(org) == 1


def test_a_label_that_the_tracker_refuses_is_left_alone(org: Organisation, site: Site) -> None:
    org.link("1")
    site.refusal = TrackerRefused("it was retired")
    site.settle()
    assert (waiting(org), links(org), site.labels("1")) == (0, [("1", "ratio", "manual")], ["bug"])


def test_a_link_that_waits_or_was_refused_changes_no_label(org: Organisation, site: Site) -> None:
    org.link("1", waiting=True)
    site.told("2", "bug", RATIO)
    with org.core.database.writing() as session:
        for link in session.scalars(select(Link)):
            link.state = "refused" if link.source == "label" else "waiting"
        (two,) = session.scalars(select(Issue.id).where(Issue.external_id == "2"))
        session.merge(IssueDue(issue_id=two, kind="worn_labels", connection_id="c"))
    site.settle()
    assert (site.labels("1"), site.labels("2")) == (["bug"], ["bug", RATIO])


def test_the_label_of_a_closed_key_result_stays_as_it_is(org: Organisation, site: Site) -> None:
    org.link("1")
    site.settle()
    org.link("1", "points")
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"
        session.get_one(KeyResult, "points").state = "closed"
    site.settle()
    assert site.labels("1") == ["bug", RATIO]


def test_a_new_label_is_put_on_what_was_linked_before_there_was_one(org: Organisation, site: Site) -> None:
    org.link("1")
    with org.core.database.writing() as session:
        row = session.get_one(Connection, "c")
        # As a connection looks that was made before links were shown.
        row.settings = {name: value for name, value in row.settings.items() if name != "worn_labels_since"}
    site.settle()
    site.change("1", ["bug"])
    offer(org)
    site.settle()
    assert site.labels("1") == ["bug", RATIO]
    offer(org)
    assert waiting(org) == 0


def test_trackers_that_offer_no_labels_are_left_alone(org: Organisation) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    assert waiting(org) == 0


def test_where_goals_show_as_labels_they_are_shown_once_these_are_there_and_again_when_they_are_others(
    org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.tracker.capabilities = Capabilities(goal_labels=True, goal_marks=True)
    marks: list[dict[str, str]] = [{}]
    offered = org.tracker.sync_goal_labels
    monkeypatch.setattr(org.tracker, "sync_goal_labels", lambda *asked: {**offered(*asked), "marks": marks[-1]})
    org.tell("1", "todo", at=1)
    org.link("1")
    assert due(org) == 0
    offer(org)
    assert due(org) == 0
    for made in ({"aligned": "a"}, {"aligned": "b"}):
        marks.append(made)
        offer(org)
        assert due(org) == 1
        with org.core.database.writing() as session:
            session.execute(delete(IssueDue))
        offer(org)
        assert due(org) == 0


def due(org: Organisation) -> int:
    with org.core.database.reading() as session:
        return len(session.scalars(select(IssueDue).where(IssueDue.kind == "goal_marks")).all())
