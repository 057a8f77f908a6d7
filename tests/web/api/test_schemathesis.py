"""Thousands of generated requests against our own description: no server error, and every answer as described."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from connector.core import build_core
from connector.models import Base, Connection
from connector.settings import load_settings
from tests.connector.conftest import AbleToy
from tests.web.api.conftest import Clock, Program, new_program
from web.app import create_app

# Few per operation, since there are some forty: the whole stays within a minute.
EXAMPLES = 15


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program in a workspace with one of everything, so that generated requests get further than 404."""
    path: Path = tmp_path_factory.mktemp("schemathesis") / "ladder.db"
    toy = AbleToy()
    core = build_core(
        load_settings(env_file=None, database_url=f"sqlite:///{path}"), trackers={"toy": lambda _: toy}, clock=Clock()
    )
    Base.metadata.create_all(core.database.engine)
    app = create_app(core)
    app.config["API_RATE"] = "1000000 per minute"
    program = new_program(core, app, "Acme")
    with core.database.writing() as session:
        session.add(
            Connection(workspace_id=program.workspace_id, tracker="toy", tenant_key="toy-1", site="https://toy.example")
        )
    toy.site = {str(number): {"id": number, "cls": "todo", "at": 1_780_000_000} for number in range(1, 50)}
    yield program
    core.close()


@pytest.fixture(scope="module")
def described(seeded: Program) -> schemathesis.BaseSchema:
    """Our description, with generated ids replaced by ids of things that exist in every other case."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", seeded.client.application)
    ids = seed(seeded)
    turns = itertools.count()

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if path_parameters and next(turns) % 4:
            known = {name: ids[name] for name in path_parameters if name in ids}
            if "milestones" in context.operation.path:
                known["key_result_id"] = ids["stepped_id"]
            return {**path_parameters, **known}
        return path_parameters

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        if isinstance(body, dict) and next(turns) % 4:
            # Nothing is closed, or all that comes later would be answered 409.
            body = {name: value for name, value in body.items() if value != "closed"}
            return {**body, **{name: ids[name] for name in body if name in ids and body[name] is not None}}
        return body

    return schema


def seed(program: Program) -> dict[str, str]:
    """Make one of everything; return the ids by the names under which paths and bodies ask for them."""
    cycle, team, person = program.cycle(), program.team(level="company"), program.person()
    ids = {"cycle_id": cycle["id"], "team_id": team["id"], "person_id": person["id"], "owner_id": person["id"]}
    objective = program.objective(cycle_id=cycle["id"], team_id=team["id"])
    ids |= {"objective_id": objective["id"], "driver_id": person["id"], "by_id": person["id"]}
    ids["key_result_id"] = program.key_result(**{name: ids[name] for name in ("objective_id", "driver_id")})["id"]
    ids["connection_id"] = program.get("/connections")["items"][0]["id"]
    below = f"/key-results/{ids['key_result_id']}"
    ids["check_in_id"] = program.post(f"{below}/check-ins", {"value": 25})["id"]
    ids["rule_id"] = program.post(f"{below}/rules", {"kind": "label", "text": "growth"})["id"]
    ids["link_id"] = program.post(f"{below}/links", {"external_id": "1"})["id"]
    stepped = program.key_result(kind="milestone", **{name: ids[name] for name in ("objective_id", "driver_id")})
    ids["stepped_id"] = stepped["id"]
    ids["milestone_id"] = program.post(f"/key-results/{stepped['id']}/milestones", {"title": "Pilot"})["id"]
    return ids


def test_every_answer_is_as_described(described: schemathesis.BaseSchema, seeded: Program) -> None:
    failed = {}
    operations = [found.ok() for found in described.get_all_operations()]
    for operation in operations:
        try:
            probe(operation, {"Authorization": f"Bearer {seeded.token}"})
        except (AssertionError, BaseExceptionGroup) as failure:
            failed[operation.label] = str(failure)
    assert not failed, "\n\n".join(f"{label}\n{what}" for label, what in failed.items())
    assert len(operations) > 40


def probe(operation: schemathesis.APIOperation, headers: dict[str, str]) -> None:
    """Send generated requests to one operation; raises AssertionError with the request that broke the description."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    def check(case: schemathesis.Case) -> None:
        # A schema cannot say "one driver, a person" or "a cursor of ours": refusing such input is right.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    check()
