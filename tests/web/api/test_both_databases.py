"""One story through the whole API on SQLite and on PostgreSQL, and what lists cost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.core import Core, build_core
from connector.models import Base, Connection
from connector.settings import Settings
from tests.connector.statements import counted
from tests.toy_tracker import ToyTracker
from tests.web.api.conftest import START, Clock, Program, new_program
from tests.web.api.test_exchange import read_all
from web.app import create_app


@pytest.fixture
def core(either_settings: Settings, toy: ToyTracker, clock: Clock) -> Iterator[Core]:
    core = build_core(either_settings, trackers={"toy": lambda _services: toy}, clock=clock)
    Base.metadata.create_all(core.database.engine)
    yield core
    core.close()


@pytest.fixture
def program(core: Core) -> Program:
    return new_program(core, create_app(core), "Acme")


def test_a_quarter_through_the_api(program: Program, core: Core, toy: ToyTracker, clock: Clock) -> None:
    with core.database.writing() as session:
        session.add(
            Connection(workspace_id=program.workspace_id, tracker="toy", tenant_key="t", site="https://toy.example")
        )
    toy.site = {
        str(number): {"id": number, "cls": cls, "at": START.timestamp()}
        for number, cls in enumerate(["done", "done", "todo", "doing"])
    }
    made = program.key_result(baseline="1/3", target=1, title="Activation", due_on="2026-09-30")
    path = f"/key-results/{made['id']}"
    for number in range(4):
        program.post(
            f"{path}/links", {"key": f"TOY-{number}"}, **{"Idempotency-Key": f"link {number}".replace(" ", "-")}
        )
    program.post(f"{path}/check-ins", {"value": "2/3", "status": "green", "confidence": 0.6})
    clock.forward(days=3)
    program.patch(path, {"target": 2, "options": {"started_credit": "0.5"}}, version=1)
    read = program.get(path)
    assert (read["outcome"]["progress"], read["work"]["progress"]) == ("1/5", "5/8")
    rows = program.get(f"{path}/ledger")["items"]
    assert [row["cause"] for row in rows] == [
        "rule_changed",
        "target_edited",
        "measured",
        "scope_added",
        "scope_added",
        "scope_added",
        "scope_added",
    ]
    assert len(read_all(program, f"{path}/ledger", 2)) == 7
    assert len(read_all(program, f"{path}/links", 3)) == 4
    then = program.get(f"{path}/ledger?at=2026-08-04T00:00:00Z")["state"]
    assert (then["outcome"], then["work"]) == ("1/2", "1/2")
    objective = program.get(f"/objectives/{read['objective_id']}")
    assert (objective["progress"], objective["measured"], objective["total"]) == ("1/5", 1, 1)
    assert program.refused("POST", "/teams", {"name": program.get("/teams")["items"][0]["name"]}) == (409, "name_taken")


@pytest.mark.parametrize("path", ["/key-results", "/objectives", "/people", "/teams"])
def test_a_list_costs_the_same_however_long_it_is(program: Program, core: Core, path: str) -> None:
    def grow() -> None:
        person = program.person()
        objective = program.objective(co_owner_ids=[person["id"]])
        program.key_result(objective_id=objective["id"], driver_id=person["id"], value=30)
        program.key_result(objective_id=objective["id"], driver_id=person["id"], kind="milestone")

    grow()
    with counted(core.database.engine) as few:
        program.get(path)
    for _ in range(4):
        grow()
    with counted(core.database.engine) as many:
        program.get(path)
    assert len(many) == len(few)
    assert len(few) <= 12
