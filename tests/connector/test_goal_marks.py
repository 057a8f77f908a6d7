"""What trackers' searches know of goals: which mark an issue gets, who is looked at when, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from connector.due import put_due
from connector.goal_marks import BATCH, KIND, MARKED_SINCE, begin, content_of, marks_of
from connector.goals import edit_cycle, edit_key_result, edit_objective
from connector.issues import find_issue
from connector.links import declare_business_as_usual, unlink
from connector.models import Connection, Issue, IssueDue, OutboxEntry
from connector.outbox import enqueue
from connector.reconcile import reconcile
from connector.sprints import apply_sprint
from connector.tracker import Capabilities, GoalMark, SprintChanged, TrackerRefused, TrackerUnavailable
from connector.worker import Worker
from tests.connector.conftest import Organisation
from tests.connector.errand_runs import run
from tests.connector.statements import counted

ALIGNED = GoalMark("aligned", ("Win trust",), ("Ship the audit",))
UNALIGNED = GoalMark("unaligned")


class Site:
    """What the tracker's searches know, and how often they were told."""

    def __init__(self, org: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.org = org
        self.marks: dict[str, GoalMark] = {}
        self.writes: list[list[str]] = []
        self.trouble: Exception | None = None
        org.tracker.capabilities = Capabilities(goal_marks=True, sprints=True)
        monkeypatch.setattr(org.tracker, "show_goals", self._write, raising=False)
        with org.core.database.writing() as session:
            begin(session, session.get_one(Connection, "c"), org.core.clock())

    def settle(self) -> None:
        """Do the errand until nothing is left to do."""
        while run(self.org, KIND):
            pass

    def waiting(self) -> int:
        """Return how many issues wait to be looked at."""
        with self.org.core.database.reading() as session:
            return session.scalar(select(func.count()).select_from(IssueDue)) or 0

    def _write(self, connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.writes.append(sorted(marks))
        self.marks.update(marks)


@pytest.fixture
def site(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A tracker whose searches can know goals."""
    return Site(org, monkeypatch)


def open_sprint(org: Organisation, external_id: str = "s1", state: str = "active") -> None:
    with org.core.database.writing() as session:
        happened = org.core.clock()
        event = SprintChanged(external_id, "Sprint", state, happened)
        apply_sprint(session, session.get_one(Connection, "c"), event)


def test_a_link_marks_the_issue_and_everything_below_it(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1, level=1)
    org.tell("2", "todo", at=1, parent="1")
    org.tell("3", "todo", at=1, parent="2", level=-1)
    org.tell("4", "todo", at=1)
    org.link("1")
    site.settle()
    assert site.marks == {"1": ALIGNED, "2": ALIGNED, "3": ALIGNED}


def test_taking_the_link_away_leaves_unaligned_what_was_marked(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1, level=1)
    org.tell("2", "todo", at=1, parent="1")
    link = org.link("1")
    site.settle()
    with org.core.database.writing() as session:
        unlink(session, "w", link, actor="ada", now=org.core.clock())
    site.settle()
    assert site.marks == {"1": UNALIGNED, "2": UNALIGNED}


def test_an_issue_on_two_key_results_names_both_in_order(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.tell("2", "todo", at=1, parent="1")
    for issue, key_result in (("1", "ratio"), ("2", "points"), ("2", "ratio")):
        org.link(issue, key_result)
    site.settle()
    assert site.marks["2"] == GoalMark("aligned", ("Win trust",), ("Points", "Ship the audit"))


def test_business_as_usual_is_said_of_the_issue_itself_only(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.tell("2", "todo", at=1, parent="1")
    with org.core.database.writing() as session:
        row = find_issue(session, "c", "1")
        assert row is not None
        declare_business_as_usual(session, "w", row, "support", actor="ada", now=org.core.clock())
    site.settle()
    assert site.marks == {"1": GoalMark("business as usual")}


def test_a_waiting_link_marks_nothing(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1", waiting=True)
    site.settle()
    assert site.marks == {}


def test_unlinked_issues_are_marked_in_open_sprints_only(org: Organisation, site: Site) -> None:
    open_sprint(org)
    org.tell("1", "todo", at=1, sprints=["s1"])
    org.tell("2", "todo", at=1, sprints=["old"])
    org.tell("3", "todo", at=1)
    site.settle()
    assert site.marks == {"1": UNALIGNED}


def test_a_sprint_that_becomes_open_has_its_issues_marked(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1, sprints=["s1"])
    site.settle()
    assert site.marks == {}
    open_sprint(org, state="future")
    site.settle()
    assert site.marks == {"1": UNALIGNED}


def test_an_issue_that_moves_below_another_parent_is_marked_anew_with_what_hangs_below_it(
    org: Organisation, site: Site
) -> None:
    for epic in ("1", "2"):
        org.tell(epic, "todo", at=1, level=1)
    org.link("1")
    org.link("2", "points")
    org.tell("3", "todo", at=1, parent="1")
    org.tell("4", "todo", at=1, parent="3", level=-1)
    site.settle()
    org.tell("3", "todo", at=2, parent="2")
    site.settle()
    points = GoalMark("aligned", ("Win trust",), ("Points",))
    assert site.marks == {"1": ALIGNED, "2": points, "3": points, "4": points}


def test_what_hung_below_a_deleted_issue_inherits_nothing_any_more(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1, level=1)
    org.tell("2", "todo", at=1, parent="1")
    org.link("1")
    site.settle()
    org.tell("1", at=2, gone=True)
    site.settle()
    assert site.marks["2"] == UNALIGNED
    assert site.writes[-1] == ["2"]


def test_a_parent_that_is_heard_of_later_passes_its_mark_on(org: Organisation, site: Site) -> None:
    org.tell("2", "todo", at=1, parent="1")
    org.link("1")
    site.settle()
    assert site.marks == {}
    org.tell("1", "todo", at=1)
    site.settle()
    assert site.marks == {"1": ALIGNED, "2": ALIGNED}


def test_another_title_reaches_every_mark(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    site.settle()
    with org.core.database.writing() as session:
        edit_key_result(session, "w", "ratio", {"title": "Pass the audit"}, actor="ada", now=org.core.clock())
        edit_objective(session, "w", "o", {"title": "Be trusted"}, now=org.core.clock())
    site.settle()
    assert site.marks == {"1": GoalMark("aligned", ("Be trusted",), ("Pass the audit",))}
    assert len(site.writes) == 2


def test_an_edit_that_no_mark_tells_of_looks_at_nothing(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    site.settle()
    with org.core.database.writing() as session:
        edit_key_result(session, "w", "ratio", {"weight": 3}, actor="ada", now=org.core.clock())
        edit_cycle(session, "w", "q", {"name": "Third quarter"}, now=org.core.clock())
    assert site.waiting() == 0


@pytest.mark.parametrize("closed", ["key result", "objective", "cycle"])
def test_closing_leaves_open_work_unaligned_and_finished_work_what_it_served(
    org: Organisation, site: Site, closed: str
) -> None:
    org.tell("1", "todo", at=1)
    org.tell("2", "done", at=1)
    for issue in ("1", "2"):
        org.link(issue)
    site.settle()

    def let_be(state: str) -> None:
        with org.core.database.writing() as session:
            if closed == "key result":
                edit_key_result(session, "w", "ratio", {"state": state}, actor="ada", now=org.core.clock())
            elif closed == "objective":
                edit_objective(session, "w", "o", {"state": state}, now=org.core.clock())
            else:
                edit_cycle(session, "w", "q", {"state": state}, now=org.core.clock())
        site.settle()

    let_be("closed")
    assert site.marks == {"1": UNALIGNED, "2": ALIGNED}
    org.tell("2", "todo", at=2)
    site.settle()
    assert site.marks == {"1": UNALIGNED, "2": UNALIGNED}
    let_be("open")
    assert site.marks == {"1": ALIGNED, "2": ALIGNED}


def test_a_mark_that_is_right_already_is_not_written_again(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    site.settle()
    org.tell("1", "done", at=2)
    with org.core.database.writing() as session:
        put_due(session, KIND, [1], org.core.clock())
    site.settle()
    assert len(site.writes) == 1


def test_many_issues_are_marked_in_batches_each_an_errand_of_its_own(org: Organisation, site: Site) -> None:
    org.tell("epic", "todo", at=1, level=1)
    for number in range(2 * BATCH):
        org.tell(f"i{number}", "todo", at=1, parent="epic")
    org.link("epic")
    runs = 0
    while run(org, KIND):
        runs += 1
    assert [len(batch) for batch in site.writes] == [BATCH, BATCH, 1]
    assert runs == 3
    assert site.waiting() == 0


def test_marks_of_a_hundred_issues_take_as_many_statements_as_those_of_one(org: Organisation) -> None:
    org.tell("epic", "todo", at=1, level=1)
    for number in range(BATCH):
        org.tell(f"i{number}", "todo", at=1, parent="epic")
    org.link("epic")
    with org.core.database.reading() as session:
        ids = session.scalars(select(Issue.id)).all()
        sent = []
        for some in (ids[:1], ids):
            with counted(org.core.database.engine) as statements:
                assert len(marks_of(session, some)) == len(some)
            sent.append(len(statements))
    assert sent == [2, 2]


@pytest.mark.parametrize("trouble", [TrackerUnavailable("down"), TrackerRefused("no"), RuntimeError("killed")])
def test_what_could_not_be_written_waits(org: Organisation, site: Site, trouble: Exception) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    site.trouble = trouble
    with pytest.raises(type(trouble)):
        run(org, KIND)
    assert site.waiting() == 1
    site.trouble = None
    with org.core.database.writing() as session:
        put_due(session, KIND, [], org.core.clock())
        for entry in session.scalars(select(OutboxEntry).where(OutboxEntry.kind == KIND)):
            entry.state = "waiting"
    site.settle()
    assert site.marks == {"1": ALIGNED}


def test_a_refused_batch_lets_others_go_first(org: Organisation, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.goal_marks.BATCH", 1)
    for issue in ("1", "2"):
        org.tell(issue, "todo", at=1)
        org.link(issue)
    site.trouble = TrackerRefused("not this one")
    with pytest.raises(TrackerRefused):
        run(org, KIND)
    site.trouble = None
    with org.core.database.writing() as session:
        put_due(session, KIND, [], org.core.clock())
        for entry in session.scalars(select(OutboxEntry).where(OutboxEntry.kind == KIND)):
            entry.state = "waiting"
    run(org, KIND)
    assert site.writes == [["2"]]


def test_a_change_while_the_tracker_is_being_told_is_told_afterwards(
    org: Organisation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    write = site._write

    def change_meanwhile(connection: Connection, marks: Mapping[str, GoalMark]) -> None:
        monkeypatch.setattr(org.tracker, "show_goals", write, raising=False)
        org.link("1", "points")
        write(connection, marks)

    monkeypatch.setattr(org.tracker, "show_goals", change_meanwhile, raising=False)
    site.settle()
    assert site.marks["1"].key_results == ("Points", "Ship the audit")
    assert len(site.writes) == 2


def test_a_worker_marks_while_it_does_other_things(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    with org.core.database.writing() as session:
        for entry in session.scalars(select(OutboxEntry)):
            entry.due_at = org.core.clock() - timedelta(seconds=1)
    Worker(org.core).run_once()
    assert site.marks == {"1": ALIGNED}


def test_a_site_that_was_there_before_is_marked_once(org: Organisation, site: Site) -> None:
    open_sprint(org)
    org.tell("1", "todo", at=1)
    org.tell("2", "todo", at=1, parent="1")
    org.tell("3", "todo", at=1, sprints=["s1"])
    org.tell("4", "todo", at=1)
    org.link("1")
    with org.core.database.writing() as session:
        session.execute(delete(IssueDue))
        session.get_one(Connection, "c").settings = {}
    reconcile(org.core, "c")
    assert site.waiting() == 3
    site.settle()
    assert site.marks == {"1": ALIGNED, "2": ALIGNED, "3": UNALIGNED}
    reconcile(org.core, "c")
    assert site.waiting() == 0


def test_after_an_installation_marks_are_written_again(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    reconcile(org.core, "c")
    site.settle()
    site.marks.clear()
    with org.core.database.writing() as session:
        session.get_one(Connection, "c").installed_at = org.core.clock()
    reconcile(org.core, "c")
    site.settle()
    assert site.marks == {"1": ALIGNED}


def test_a_tracker_that_can_no_longer_be_told_is_never_asked(org: Organisation, site: Site) -> None:
    org.tracker.capabilities = Capabilities()
    org.tell("1", "todo", at=1)
    org.link("1")
    site.settle()
    assert (site.writes, site.waiting()) == ([], 0)


def test_nothing_waits_at_a_tracker_that_knows_no_marks(org: Organisation) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    reconcile(org.core, "c")
    with org.core.database.reading() as session:
        assert MARKED_SINCE not in session.get_one(Connection, "c").settings
        assert session.scalars(select(OutboxEntry).where(OutboxEntry.kind == KIND)).all() == []


def test_learning_about_a_new_site_begins_marking_it(org: Organisation, site: Site) -> None:
    org.tell("1", "todo", at=1)
    org.link("1")
    with org.core.database.writing() as session:
        session.execute(delete(IssueDue))
        session.get_one(Connection, "c").settings = {}
        enqueue(session, "c", "discover", "", now=org.core.clock())
    run(org, "discover")
    site.settle()
    assert site.marks == {"1": ALIGNED}


def test_two_marks_are_told_apart_by_what_they_say() -> None:
    assert content_of(ALIGNED) != content_of(GoalMark("aligned", ("Win trust", "Ship the audit"), ()))
    assert content_of(None) == ""
