"""The sprint overlay, put together from what is stored."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from connector.errors import NotFound
from connector.issues import ensure_issue
from connector.links import declare_business_as_usual, link_issue
from connector.models import BusinessAsUsual, Connection, Cycle, Issue, KeyResult, Objective, Sprint, Team
from connector.planning import SprintPlan, WhatIf
from connector.planning.overlay import read_plan
from connector.planning.revision import plan_revision
from connector.planning.sprint_choice import choose_team
from tests.connector.conftest import NOW, Organisation
from tests.connector.statements import counted

F = Fraction


@pytest.fixture
def sprint(org: Organisation) -> Organisation:
    """Sprint 7 (id 1) and the next one, 8 (id 2), both of board 3 and still empty."""
    with org.core.database.writing() as session:
        session.add_all(
            [
                Sprint(id=1, workspace_id="w", connection_id="c", external_id="7", name="Sprint 7", state="active",
                       board="3", starts_at=NOW, ends_at=NOW + timedelta(days=14)),
                Sprint(id=2, workspace_id="w", connection_id="c", external_id="8", name="Sprint 8", board="3",
                       state="future"),
            ]
        )  # fmt: skip
    return org


def plan(org: Organisation, *ids: int, **more: Any) -> SprintPlan:
    with org.core.database.reading() as session:
        return read_plan(session, "w", ids or (1,), NOW, **more)


def number(org: Organisation, external_id: str) -> int:
    with org.core.database.reading() as session:
        return ensure_issue(session, session.get_one(Connection, "c"), external_id).id


def declare(org: Organisation, external_id: str) -> None:
    with org.core.database.writing() as session:
        issue = ensure_issue(session, session.get_one(Connection, "c"), external_id)
        declare_business_as_usual(session, "w", issue, "support", actor="ada", now=NOW)


def of(plan: SprintPlan, key_result: str) -> Any:
    return next(one for one in plan.key_results if one.id == key_result)


def by_key(plan: SprintPlan) -> dict[str, Any]:
    return {one.key: one for one in plan.issues}


def test_twenty_of_fifty_points_done_and_two_in_the_sprint_gain_four_points(sprint: Organisation):
    for at, (id_, cls, points, held) in enumerate(
        [("1", "done", "20", []), ("2", "todo", "2", ["7"]), ("3", "doing", "28", [])]
    ):
        sprint.tell(id_, cls, at=at, points=points, sprints=held)
        sprint.link(id_, "points")
    seen = of(plan(sprint), "points")
    assert (seen.now, seen.with_scope, seen.if_done, seen.gain) == (F(2, 5), F(2, 5), F(11, 25), F(1, 25))
    assert seen.words == "output +4 pp"


def test_shares_are_by_size_and_sum_to_one(sprint: Organisation):
    sprint.tell("1", "todo", at=1, points="3", sprints=["7"])
    sprint.tell("2", "todo", at=2, points="5", sprints=["7"])
    sprint.tell("3", "done", at=3, sprints=["7"])
    sprint.tell("4", "dropped", at=4, points="50", sprints=["7"])
    sprint.link("1")
    declare(sprint, "2")
    shares = plan(sprint).shares
    assert (shares.aligned, shares.bau, shares.unaligned) == (F(3, 9), F(5, 9), F(1, 9))
    assert (shares.total, shares.issues, shares.open_issues, shares.unestimated) == (9, 3, 2, 1)
    assert [one.side for one in plan(sprint).issues] == ["aligned", "unaligned", "bau", "dropped"]


def test_an_issue_on_two_key_results_counts_whole_in_each_and_is_split_for_effort(sprint: Organisation):
    sprint.tell("1", "todo", at=1, points="4", sprints=["7"])
    sprint.link("1", "ratio")
    sprint.link("1", "metric")
    found = plan(sprint)
    assert [(of(found, name).if_done, of(found, name).effort) for name in ("ratio", "metric")] == [(1, 2), (1, 2)]
    assert found.shares.aligned == 1
    assert len(found.issues) == 1
    assert {one.key_result_id for one in found.issues[0].serves} == {"ratio", "metric"}


def test_the_effect_on_a_metric_is_never_invented(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.link("1", "metric")
    assert of(plan(sprint), "metric").words == "work +100 pp; effect on the metric not declared"


def test_a_declared_change_is_shown_as_claimed_once_its_link_would_be_complete(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.tell("2", "todo", at=2, parent="1")
    sprint.tell("3", "todo", at=3, sprints=["7"])
    sprint.link("1", "metric", declared_change=F(100))
    sprint.link("3", "metric", declared_change=F(13, 4))
    assert of(plan(sprint), "metric").words == "work +50 pp; claimed effect on the metric +25 pp"


def test_an_issue_below_a_linked_epic_is_aligned_and_says_through_which(sprint: Organisation):
    sprint.tell("1", "todo", at=1, level=1)
    sprint.tell("2", "todo", at=2, parent="1", sprints=["7"])
    sprint.link("1")
    found = by_key(plan(sprint))["TOY-2"]
    assert found.side == "aligned"
    assert (found.serves[0].link_id, found.serves[0].through, found.serves[0].source) == (None, "TOY-1", "manual")


def test_sub_tasks_and_epics_listed_beside_their_story_are_counted_once(sprint: Organisation):
    sprint.tell("1", "todo", at=1, level=1, sprints=["7"])
    sprint.tell("2", "todo", at=2, parent="1", points="3", sprints=["7"])
    sprint.tell("3", "todo", at=3, parent="2", level=-1, sprints=["7"])
    sprint.tell("4", "todo", at=4, points="3", sprints=["7"])
    sprint.link("1")
    found = plan(sprint)
    assert (found.shares.total, found.shares.aligned, found.shares.issues) == (6, F(1, 2), 2)
    part = by_key(found)["TOY-3"]
    assert (by_key(found)["TOY-1"].is_roof, part.part_of, part.whole_key) == (True, number(sprint, "2"), "TOY-2")
    hidden = plan(sprint, seen=frozenset({part.id})).issues
    assert next(one for one in hidden if one.id == part.id).whole_key == ""


def test_what_if_takes_issues_out_and_in_and_links_without_writing_anything(sprint: Organisation):
    for at, (id_, held) in enumerate([("1", ["7"]), ("2", ["7"]), ("3", ["8"]), ("4", ["7"])]):
        sprint.tell(id_, "todo", at=at, sprints=held)
    sprint.link("1")
    sprint.link("2")
    sprint.link("3")
    before = plan(sprint)
    trial = WhatIf(
        out=frozenset({number(sprint, "2")}),
        into=frozenset({number(sprint, "3")}),
        links=((number(sprint, "4"), "ratio"),),
    )
    tried = plan(sprint, what_if=trial)
    seen = of(tried, "ratio")
    assert (of(before, "ratio").if_done, seen.now, seen.with_scope, seen.if_done) == (F(2, 3), 0, 0, F(3, 4))
    assert (before.shares.unaligned, tried.shares_before.unaligned, tried.shares.unaligned) == (F(1, 3), F(1, 3), 0)
    assert {key: one.included for key, one in by_key(tried).items()} == {
        "TOY-1": True, "TOY-2": False, "TOY-3": True, "TOY-4": True,
    }  # fmt: skip
    assert by_key(tried)["TOY-4"].serves[0].source == "tried"
    assert plan(sprint) == before
    assert sprint.differences() == []


def test_a_link_tried_out_on_a_done_issue_raises_what_is_there_with_scope(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.tell("2", "done", at=2, sprints=["7"])
    sprint.link("1")
    seen = of(plan(sprint, what_if=WhatIf(links=((number(sprint, "2"), "ratio"),))), "ratio")
    assert (seen.now, seen.with_scope, seen.if_done) == (0, F(1, 2), 1)


def test_a_link_tried_out_on_an_epic_takes_in_what_hangs_below(sprint: Organisation):
    sprint.tell("1", "todo", at=1, level=1, sprints=["7"])
    sprint.tell("2", "todo", at=2, parent="1", sprints=["7"])
    sprint.tell("3", "done", at=3, parent="1")
    tried = plan(sprint, what_if=WhatIf(links=((number(sprint, "1"), "ratio"),)))
    seen = of(tried, "ratio")
    assert (seen.now, seen.with_scope, seen.if_done) == (None, F(1, 2), 1)
    assert by_key(tried)["TOY-2"].serves[0].through == "TOY-1"


def test_a_waiting_link_is_scope_that_is_yet_to_come(sprint: Organisation):
    sprint.tell("1", "done", at=1)
    sprint.tell("2", "todo", at=2, sprints=["7"])
    sprint.link("1")
    sprint.link("2", waiting=True)
    seen = of(plan(sprint), "ratio")
    assert (seen.now, seen.with_scope, seen.if_done) == (1, F(1, 2), 1)
    assert plan(sprint).issues[0].serves[0].waiting


def test_the_next_sprint_beside_this_one_adds_to_it(sprint: Organisation):
    for at, (id_, held) in enumerate([("1", ["7"]), ("2", ["8"]), ("3", [])]):
        sprint.tell(id_, "todo", at=at, sprints=held)
        sprint.link(id_)
    found = plan(sprint, beside_next=True)
    assert [one.name for one in found.next_sprints] == ["Sprint 8"]
    assert (of(found, "ratio").if_done, of(found, "ratio").after_next) == (F(1, 3), F(2, 3))
    assert [one.key for one in found.next_issues] == ["TOY-2"]
    assert found.next_shares is not None
    assert found.next_shares.aligned == 1
    assert of(plan(sprint), "ratio").after_next is None


def test_key_results_of_the_team_with_nothing_behind_them_are_told(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.link("1")
    found = plan(sprint)
    assert found.team_id == "t"
    assert {one.id: one.nothing_behind for one in found.key_results} == {"ratio": False, "points": True, "metric": True}


def test_somebody_may_choose_another_team_for_a_board(sprint: Organisation):
    with sprint.core.database.writing() as session:
        session.add(Team(id="u", workspace_id="w", name="Borealis"))
    found = plan(sprint, team_id="u")
    assert (found.team_id, list(found.key_results)) == ("u", [])
    with sprint.core.database.writing() as session:
        choose_team(session, "w", found.sprints[0], "u")
    assert plan(sprint).team_id == "u"
    with sprint.core.database.writing() as session, pytest.raises(NotFound):
        choose_team(session, "w", found.sprints[0], "nobody")


def test_what_blocks_work_that_serves_a_key_result_is_told(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.tell("2", "todo", at=2)
    sprint.tell("3", "todo", at=3, sprints=["7"], blocked_by=["1", "2"])
    sprint.link("3")
    assert [
        (one.blocker_key, one.blocked_key, one.inside, list(one.key_result_ids)) for one in plan(sprint).blocks
    ] == [
        ("TOY-1", "TOY-3", True, ["ratio"]),
        ("TOY-2", "TOY-3", False, ["ratio"]),
    ]
    sprint.tell("1", "done", at=4, sprints=["7"])
    sprint.tell("3", "todo", at=5, sprints=["7"], blocked_by=["1"])
    assert list(plan(sprint).blocks) == []


def test_issues_that_may_not_be_seen_count_but_say_nothing(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"], blocked_by=["2"])
    sprint.tell("2", "todo", at=2, sprints=["7"])
    sprint.link("1")
    found = plan(sprint, seen=frozenset({number(sprint, "1")}))
    hidden = next(one for one in found.issues if one.hidden)
    assert (hidden.key, hidden.title, hidden.url, hidden.assignee, hidden.labels) == ("", "", "", None, ())
    assert (found.blocks[0].blocker_key, found.blocks[0].blocker_title) == ("", "")
    assert found.shares.total == 2


def test_a_closed_key_result_aligns_nothing_any_more(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.link("1")
    with sprint.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"
    assert plan(sprint).shares.unaligned == 1
    with sprint.core.database.writing() as session:
        session.get_one(Sprint, 1).state = "closed"
    assert plan(sprint).shares.aligned == 1


@pytest.mark.parametrize("issues", [[], ["dropped", "dropped"]])
def test_a_sprint_without_work_has_no_shares_and_no_gain(sprint: Organisation, issues: list[str]):
    for at, cls in enumerate(issues):
        sprint.tell(str(at), cls, at=at, sprints=["7"])
    found = plan(sprint, team_id="t")
    assert (found.shares.aligned, found.shares.bau, found.shares.unaligned) == (None, None, None)
    assert all(one.nothing_behind for one in found.key_results)


def test_a_sprint_that_is_all_done_gains_nothing(sprint: Organisation):
    sprint.tell("1", "done", at=1, sprints=["7"])
    sprint.link("1")
    assert of(plan(sprint), "ratio").gain == 0


def test_without_any_goal_everything_is_unaligned(sprint: Organisation):
    with sprint.core.database.writing() as session:
        for row in (*session.query(Objective), *session.query(Cycle)):
            row.state = "closed"
    sprint.tell("1", "todo", at=1, sprints=["7"])
    found = plan(sprint)
    assert (list(found.key_results), found.shares.unaligned) == ([], 1)


def test_an_issue_that_left_the_sprint_or_was_deleted_is_gone_from_it(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.tell("2", "todo", at=2, sprints=["7"])
    sprint.tell("1", "todo", at=3, sprints=["8"])
    sprint.deliver({"id": "2", "at": int(NOW.timestamp()) + 9, "gone": True}, "gone")
    assert list(plan(sprint).issues) == []
    assert [one.key for one in plan(sprint, 2).issues] == ["TOY-1"]


def test_two_sprints_of_the_same_dates_make_one_overlay(sprint: Organisation):
    with sprint.core.database.writing() as session:
        session.add(Connection(id="d", workspace_id="w", tracker="toy", tenant_key="u", site="https://other.example"))
        session.flush()
        session.add(
            Sprint(id=3, workspace_id="w", connection_id="d", external_id="7", name="Cycle 1", state="active",
                   starts_at=NOW + timedelta(hours=5), ends_at=NOW + timedelta(days=14, hours=5))
        )  # fmt: skip
    sprint.tell("1", "todo", at=1, sprints=["7"])
    sprint.link("1")
    alone = plan(sprint)
    assert [one.name for one in alone.alongside] == ["Cycle 1"]
    both = plan(sprint, 1, 3)
    assert [one.name for one in both.sprints] == ["Sprint 7", "Cycle 1"]
    assert list(both.alongside) == []
    assert both.shares == alone.shares


def test_an_unknown_sprint_and_one_of_somebody_else_are_not_found(sprint: Organisation):
    with sprint.core.database.reading() as session:
        for workspace, ids in (("w", (99,)), ("elsewhere", (1,)), ("w", (1, 99)), ("w", ())):
            with pytest.raises(NotFound):
                read_plan(session, workspace, ids, NOW)


def test_the_revision_changes_with_whatever_is_shown_and_with_nothing_else(sprint: Organisation):
    def revision(**more: Any) -> str:
        with sprint.core.database.reading() as session:
            return plan_revision(session, "w", (1,), NOW, **more)

    seen = [revision()]
    sprint.tell("1", "todo", at=1, sprints=["7"])
    seen.append(revision())
    sprint.tell("2", "todo", at=2)
    assert revision() == seen[-1]
    link = sprint.link("1")
    seen.append(revision())
    sprint.tell("1", "done", at=3, sprints=["7"])
    seen.append(revision())
    sprint.tell("3", "todo", at=4, sprints=["7"], blocked_by=["2"])
    seen.append(revision())
    declare(sprint, "3")
    seen.append(revision())
    with sprint.core.database.writing() as session:
        session.get_one(Sprint, 1).name = "Another name"
    seen.append(revision())
    with sprint.core.database.writing() as session:
        row = session.get_one(KeyResult, "ratio")
        row.title, row.version = "Another title", row.version + 1
    seen.append(revision())
    assert len(set(seen)) == len(seen)
    assert plan(sprint).revision == seen[-1]
    assert link


def test_the_number_of_statements_does_not_grow_with_the_sprint(sprint: Organisation):
    def statements() -> int:
        with counted(sprint.core.database.engine) as sent:
            plan(sprint, beside_next=True)
        return len(sent)

    sprint.tell("0", "todo", at=0, level=1)
    sprint.tell("1", "todo", at=1, parent="0", sprints=["7"], blocked_by=["0"])
    sprint.tell("n", "todo", at=1, sprints=["8"])
    sprint.link("1")
    one = statements()
    for at in range(2, 42):
        sprint.tell(str(at), "todo", at=at, parent="0" if at % 2 else None, sprints=["7"], blocked_by=["1"])
        if at % 3:
            sprint.link(str(at), ("ratio", "points", "metric")[at % 3])
    with sprint.core.database.writing() as session:
        for at in range(20):
            session.add(KeyResult(id=f"k{at}", workspace_id="w", objective_id="o", driver_id="p", title=f"K {at}"))
        issues = [session.query(Issue).filter_by(external_id=str(at)).one() for at in range(2, 22)]
        for at, issue in enumerate(issues):
            link_issue(session, "w", f"k{at}", issue, actor="ada", now=NOW)
    assert statements() == one
    assert one <= 22


def test_trying_out_epics_takes_no_more_statements_the_more_there_are(sprint: Organisation):
    for number_of in range(1, 13):
        sprint.tell(f"e{number_of}", "todo", at=number_of, level=1, sprints=["7"])
        sprint.tell(f"s{number_of}", "todo", at=number_of, parent=f"e{number_of}")

    def statements(epics: int) -> int:
        links = tuple((number(sprint, f"e{at}"), "ratio") for at in range(1, epics + 1))
        with counted(sprint.core.database.engine) as sent:
            assert of(plan(sprint, what_if=WhatIf(links=links)), "ratio").with_scope == 0
        return len(sent)

    assert statements(12) == statements(1)


def test_linking_takes_back_what_was_declared_not_goal_work(sprint: Organisation):
    sprint.tell("1", "todo", at=1, sprints=["7"])
    declare(sprint, "1")
    assert plan(sprint).issues[0].category == "support"
    sprint.link("1")
    with sprint.core.database.reading() as session:
        assert session.query(BusinessAsUsual).count() == 0
    assert plan(sprint).issues[0].side == "aligned"
