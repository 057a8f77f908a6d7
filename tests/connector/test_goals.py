"""Use cases around goals on either database; what is reachable through the API is tested there in breadth."""

from __future__ import annotations

import threading
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from connector import goals
from connector.core import Core
from connector.errors import Conflict, Invalid, LostUpdate, NotFound
from connector.goals import advice
from connector.ledger import read_ledger
from connector.models import Cycle, KeyResult, LedgerEntry, Objective, OutboxEntry, Person, WorkProgress
from tests.postgres import MovableClock, rows


@pytest.fixture
def made(toy_core: Core, clock: MovableClock) -> str:
    """The id of a key result from 8 down to 5 in an open cycle."""
    with toy_core.database.writing() as session:
        cycle = goals.create_cycle(session, "w", goals.CreateCycle("Q3 2026", date(2026, 7, 1), date(2026, 9, 30)))
        team = goals.create_team(session, "w", goals.CreateTeam("Atlas"))
        ann = goals.create_person(session, "w", goals.CreatePerson("Ann", accounts=(("toy", "ann"),)))
        objective = goals.create_objective(
            session, "w", goals.CreateObjective("Keep customers for good this quarter", cycle.id, team.id, ann.id)
        )
        command = goals.CreateKeyResult(
            objective.id, "Churn", [ann.id], goals.Definition(baseline=Fraction(8), target=Fraction(5)), unit="%"
        )
        return goals.create_key_result(session, "w", command, actor="ann", now=clock()).id


def edit(core: Core, key_result_id: str, changes: dict[str, Any], version: int | None = None) -> KeyResult:
    with core.database.writing() as session:
        return goals.edit_key_result(
            session, "w", key_result_id, changes, actor="ann", now=core.clock(), expected_version=version
        )


def check_in(core: Core, key_result_id: str, **said: Any) -> str:
    with core.database.writing() as session:
        command = goals.RecordCheckIn(**said)
        return goals.record_check_in(session, "w", key_result_id, command, actor="ann", now=core.clock()).id


def outcomes(core: Core, key_result_id: str) -> list[tuple[str, Fraction | None, Fraction | None]]:
    with core.database.reading() as session:
        found = read_ledger(session, "w", key_result_id, number="outcome")
        return [(row.cause, row.before, row.after) for row in reversed(found)]


def test_measurements_and_edits_tell_their_own_part_of_the_story(
    toy_core: Core, made: str, clock: MovableClock
) -> None:
    check_in(toy_core, made, value=Fraction("6.5"))
    clock.forward(days=1)
    wrong = check_in(toy_core, made, value=Fraction(9))
    with toy_core.database.writing() as session:
        goals.correct_check_in(session, "w", made, wrong, {"value": Fraction(4)}, actor="ann", now=clock())
    edit(toy_core, made, {"target": Fraction(2)})
    assert outcomes(toy_core, made) == [
        ("measured", None, Fraction(1, 2)),
        ("measured", Fraction(1, 2), Fraction(0)),
        ("corrected", Fraction(0), Fraction(1)),
        ("target_edited", Fraction(1), Fraction(2, 3)),
    ]


def test_the_drivers_check_in_needs_its_three_answers(toy_core: Core, made: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_in(toy_core, made, status="red", full=True)
    assert [fault.reason for fault in refused.value.faults] == ["red_needs_plan", "q1_empty", "q2_empty", "q3_empty"]
    assert [fault.field for fault in refused.value.faults] == ["plan", "changed", "working", "next"]
    check_in(toy_core, made, status="red", plan="call them", changed="a", stuck="b", need="c", full=True)
    (row,) = rows(toy_core, KeyResult)
    assert (row.status, row.plan, row.last_check_in_at) == ("red", "call them", toy_core.clock())


def test_a_pushed_value_is_no_check_in_of_the_driver(toy_core: Core, made: str) -> None:
    check_in(toy_core, made, value=Fraction(7), source="api")
    (row,) = rows(toy_core, KeyResult)
    assert (row.value, row.last_check_in_at) == (7, None)


def test_green_again_drops_the_plan(toy_core: Core, made: str, clock: MovableClock) -> None:
    check_in(toy_core, made, status="red", plan="call them")
    clock.forward(days=7)
    check_in(toy_core, made, status="green")
    (row,) = rows(toy_core, KeyResult)
    assert (row.status, row.plan) == ("green", None)


def test_of_two_editors_the_second_is_told(toy_core: Core, made: str) -> None:
    edit(toy_core, made, {"title": "Customer churn"}, version=1)
    with pytest.raises(LostUpdate) as lost:
        edit(toy_core, made, {"title": "Lost customers"}, version=1)
    assert lost.value.current_version == 2
    assert rows(toy_core, KeyResult)[0].title == "Customer churn"


def test_of_many_editors_at_once_exactly_one_wins(toy_core: Core, made: str) -> None:
    won, lost = [], []

    def try_it(number: int) -> None:
        try:
            won.append(edit(toy_core, made, {"title": f"Churn {number}"}, version=1).title)
        except LostUpdate:
            lost.append(number)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert rows(toy_core, KeyResult)[0].title == won[0]


def test_an_edit_that_fails_halfway_changes_nothing(toy_core: Core, made: str) -> None:
    with pytest.raises(Invalid):
        edit(toy_core, made, {"title": "  ", "target": Fraction(1)})
    (row,) = rows(toy_core, KeyResult)
    assert (row.title, row.target, row.version) == ("Churn", 5, 1)
    assert rows(toy_core, LedgerEntry) == []


def test_only_known_fields_can_be_edited(toy_core: Core, made: str) -> None:
    for field in ("value", "status", "workspace_id", "version"):
        with pytest.raises(Invalid) as refused:
            edit(toy_core, made, {field: "x"})
        assert (refused.value.reason, refused.value.field) == ("not_editable", field)


def test_nothing_of_another_workspace_is_touched(toy_core: Core, made: str, clock: MovableClock) -> None:
    with toy_core.database.writing() as session:
        for attempt in (
            lambda: goals.edit_key_result(session, "other", made, {"title": "x"}, actor="", now=clock()),
            lambda: goals.delete_key_result(session, "other", made),
            lambda: goals.record_check_in(
                session, "other", made, goals.RecordCheckIn(status="green"), actor="", now=clock()
            ),
            lambda: goals.find(session, KeyResult, "other", made),
        ):
            with pytest.raises(NotFound):
                attempt()


def test_a_key_result_can_move_to_another_open_objective(toy_core: Core, made: str) -> None:
    with toy_core.database.writing() as session:
        old = session.query(Objective).one()
        other = goals.create_objective(session, "w", goals.CreateObjective("Grow", old.cycle_id, old.team_id))
        closed = goals.create_objective(session, "w", goals.CreateObjective("Shrink", old.cycle_id, old.team_id))
        goals.edit_objective(session, "w", closed.id, {"state": "closed"})
    assert edit(toy_core, made, {"objective_id": other.id}).objective_id == other.id
    with pytest.raises(Conflict) as refused:
        edit(toy_core, made, {"objective_id": closed.id})
    assert refused.value.reason == "objective_closed"


def test_what_others_keep_in_the_settings_survives_a_redefinition(toy_core: Core, made: str) -> None:
    with toy_core.database.writing() as session:
        session.get_one(KeyResult, made).settings = {"query_trouble": "bad query", "elsewhere": 1}
    edit(toy_core, made, {"checkpoints": ((Fraction(7), Fraction(1, 2)),)})
    kept = rows(toy_core, KeyResult)[0].settings
    assert kept == {"checkpoints": [["7", "1/2"]], "query_trouble": "bad query", "elsewhere": 1}


@pytest.mark.parametrize(
    ("cycles", "day", "current"),
    [
        ([], date(2026, 8, 1), None),
        ([("2026", "01-01", "12-31"), ("Q3", "07-01", "09-30")], date(2026, 8, 1), "Q3"),
        ([("Q1", "01-01", "03-31"), ("Q4", "10-01", "12-31"), ("Q3b", "09-01", "09-30")], date(2026, 8, 1), "Q3b"),
        ([("Q1", "01-01", "03-31"), ("Q2", "04-01", "06-30")], date(2026, 8, 1), "Q2"),
        ([("Q3", "07-01", "09-30")], date(2026, 9, 30), "Q3"),
    ],
)
def test_the_current_cycle_is_the_shortest_around_today(
    toy_core: Core, cycles: list[tuple[str, str, str]], day: date, current: str | None
) -> None:
    with toy_core.database.writing() as session:
        for name, first, last in cycles:
            days = (date.fromisoformat(f"2026-{first}"), date.fromisoformat(f"2026-{last}"))
            goals.create_cycle(session, "w", goals.CreateCycle(name, *days))
        found = goals.current_cycle(session, "w", day)
        assert (found.name if found else None) == current


def test_advice_on_a_key_result_reads_its_fields(toy_core: Core, made: str) -> None:
    with toy_core.database.reading() as session:
        row = session.get_one(KeyResult, made)
        assert [finding.reason for finding in advice.on_key_result(row)] == ["no_date"]
        row.due_on = date(2026, 9, 30)
        assert advice.on_key_result(row) == []
        assert advice.on_objective(row.objective)[0].reason == "maintenance_is_kpi"


def asked_to_look(core: Core, key_result_id: str) -> int:
    """Return what whoever polls compares, having checked that the trackers' labels are asked to follow."""
    asked = {(row.kind, row.subject) for row in rows(core, OutboxEntry)}
    assert ("refresh_labels", key_result_id) in asked
    with core.database.writing() as session:
        session.query(OutboxEntry).delete()
        return session.get_one(WorkProgress, key_result_id).revision


def test_whatever_changes_how_it_looks_reaches_panels_and_labels(
    toy_core: Core, made: str, clock: MovableClock
) -> None:
    seen = []
    first = check_in(toy_core, made, status="green")
    seen.append(asked_to_look(toy_core, made))
    with toy_core.database.writing() as session:
        goals.correct_check_in(session, "w", made, first, {"status": "yellow"}, actor="ann", now=clock())
    seen.append(asked_to_look(toy_core, made))
    check_in(toy_core, made, value=Fraction(7))
    seen.append(asked_to_look(toy_core, made))
    edit(toy_core, made, {"state": "closed"})
    seen.append(asked_to_look(toy_core, made))
    with toy_core.database.writing() as session:
        cycle, objective, ann = (session.query(model).one() for model in (Cycle, Objective, Person))
        goals.edit_person(session, "w", ann.id, {"name": "Anne"})
    seen.append(asked_to_look(toy_core, made))
    with toy_core.database.writing() as session:
        goals.edit_objective(session, "w", objective.id, {"state": "closed"})
    seen.append(asked_to_look(toy_core, made))
    with toy_core.database.writing() as session:
        goals.edit_cycle(session, "w", cycle.id, {"state": "closed"})
    seen.append(asked_to_look(toy_core, made))
    assert seen == sorted(set(seen))


def test_an_editor_is_not_disturbed_by_measurements(toy_core: Core, made: str) -> None:
    check_in(toy_core, made, value=Fraction(7), status="green")
    assert edit(toy_core, made, {"title": "Customer churn"}, version=1).version == 2
