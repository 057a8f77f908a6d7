"""The command line: what each command does to a database, and how it says no."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from connector import goals, sign_in
from connector.core import build_core
from connector.models import ApiToken, Person, SignInLink, WorkProgress
from connector.settings import Settings, load_settings
from connector.tokens import token_of
from web.cli import main


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a fresh database, as the environment tells them to the command line."""
    url = f"sqlite:///{tmp_path / 'cli.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADDER_DATABASE_URL", url)
    monkeypatch.setenv("LADDER_BASE_URL", "https://ladder.example")
    return load_settings(env_file=None, database_url=url)


def test_a_token_is_printed_once_and_only_its_hash_is_kept(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["token", "create", "ci"])
    assert result.exit_code == 0
    secret = result.stdout.strip()
    core = build_core(database, trackers={})
    with core.database.reading() as session:
        token = token_of(session, secret)
        assert token is not None
        assert token.name == "ci"
        assert secret not in {row.token_hash for row in session.scalars(select(ApiToken))}
    core.close()


def test_a_token_is_listed_and_revoked_by_its_id(runner: CliRunner, database: Settings) -> None:
    secret = runner.invoke(main, ["token", "create", "ci"]).stdout.strip()
    listed = runner.invoke(main, ["token", "list"]).stdout
    token_id = listed.split()[0]
    assert "ci  never used" in listed
    assert secret not in listed

    assert runner.invoke(main, ["token", "revoke", token_id]).stdout == "Revoked.\n"

    assert "revoked" in runner.invoke(main, ["token", "list"]).stdout
    core = build_core(database, trackers={})
    with core.database.reading() as session:
        assert token_of(session, secret) is None
    core.close()
    unknown = runner.invoke(main, ["token", "revoke", "nothing"])
    assert (unknown.exit_code, "no such token" in unknown.stderr) == (1, True)


def test_a_sign_in_link_leads_to_the_public_address_and_works_once(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["sign-in-link"])
    assert result.exit_code == 0
    address, secret = result.stdout.strip().rsplit("/", 1)
    assert address == "https://ladder.example/sign-in"
    core = build_core(database, trackers={})
    with core.database.writing() as session:
        assert sign_in.sign_in(session, secret, now=core.clock()).role == "admin"
        assert session.scalars(select(SignInLink)).one().used_at is not None
    core.close()


def test_a_sign_in_link_can_be_made_for_somebody(runner: CliRunner, database: Settings) -> None:
    assert runner.invoke(main, ["db", "upgrade"]).exit_code == 0
    core = build_core(database, trackers={})
    with core.database.writing() as session:
        workspace = sign_in.ensure_workspace(session)
        mira = goals.create_person(session, workspace.id, goals.CreatePerson("Mira", "mira@acme.test"))
    secret = runner.invoke(main, ["sign-in-link", "--person", "mira@acme.test"]).stdout.strip().rsplit("/", 1)[1]
    with core.database.writing() as session:
        assert sign_in.sign_in(session, secret, now=core.clock()).id == mira.id
        assert len(session.scalars(select(Person)).all()) == 1
    core.close()


def test_a_sign_in_link_for_nobody_is_refused_in_one_line(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["sign-in-link", "--person", "stranger"])
    assert result.exit_code == 1
    assert result.stderr.strip() == "ladder: nobody is called stranger"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LADDER_COLOUR", "blue", "LADDER_COLOUR"),
        ("LADDER_BASE_URL", "ftp://x", "LADDER_BASE_URL"),
        ("LADDER_SECRET_KEYS", "short", "LADDER_SECRET_KEYS"),
        ("LADDER_DATABASE_URL", "mysql://x", "LADDER_DATABASE_URL"),
        ("LADDER_LOG_FORMAT", "xml", "LADDER_LOG_FORMAT"),
    ],
)
@pytest.mark.parametrize("command", [["serve"], ["worker"], ["db", "upgrade"], ["token", "create", "x"], ["reconcile"]])
def test_a_bad_setting_stops_every_command_with_one_line_that_names_it(
    runner: CliRunner,
    database: Settings,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    name: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(name, value)
    result = runner.invoke(main, command)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert value not in result.stderr.replace(name, "") or name == "LADDER_COLOUR"


def test_serve_prints_the_first_link_at_the_address_where_it_listens(
    runner: CliRunner, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[Settings, dict[str, object]]] = []
    monkeypatch.setattr("web.serve.serve", lambda settings, **options: served.append((settings, options)))
    monkeypatch.delenv("LADDER_BASE_URL")
    result = runner.invoke(main, ["serve", "--port", "8799", "--no-worker"])
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:8799/sign-in/" in result.stdout
    assert served[0][0].base_url == "http://127.0.0.1:8799"
    assert served[0][1]["with_worker"] is False


def test_once_somebody_is_in_charge_serve_prints_no_link(
    runner: CliRunner, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.serve.serve", lambda settings, **options: None)
    secret = runner.invoke(main, ["sign-in-link"]).stdout.strip().rsplit("/", 1)[1]
    core = build_core(database, trackers={})
    with core.database.writing() as session:
        sign_in.sign_in(session, secret, now=core.clock())
    core.close()
    assert "/sign-in/" not in runner.invoke(main, ["serve"]).stdout


def test_serve_on_a_taken_port_ends_with_one_line(runner: CliRunner, database: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = runner.invoke(main, ["serve", "--port", str(port)])
    assert result.exit_code == 1
    assert f"can't listen on 127.0.0.1:{port}" in result.stderr


def test_recompute_check_exits_1_on_a_difference_and_recompute_puts_it_right(
    runner: CliRunner, database: Settings
) -> None:
    assert runner.invoke(main, ["db", "upgrade"]).exit_code == 0
    core = build_core(database, trackers={})
    with core.database.writing() as session:
        workspace = sign_in.ensure_workspace(session)
        scope = (session, workspace.id)
        today = core.clock().date()
        cycle = goals.create_cycle(*scope, goals.CreateCycle("Now", today, today))
        team = goals.create_team(*scope, goals.CreateTeam("Atlas"))
        person = goals.create_person(*scope, goals.CreatePerson("Mira"))
        objective = goals.create_objective(*scope, goals.CreateObjective("Grow", cycle.id, team.id))
        key_result = goals.create_key_result(
            *scope, goals.CreateKeyResult(objective.id, "More", (person.id,)), actor="", now=core.clock()
        )
        key_result_id = key_result.id
    assert runner.invoke(main, ["recompute", "--check"]).exit_code == 0
    with core.database.writing() as session:
        row = session.get(WorkProgress, key_result_id)
        if row is None:
            row = WorkProgress(key_result_id=key_result_id, workspace_id=workspace.id)
            session.add(row)
        row.units = 7
    checked = runner.invoke(main, ["recompute", "--check"])
    assert checked.exit_code == 1
    assert "number of units is 7, computed 0" in checked.stdout
    assert runner.invoke(main, ["recompute"]).exit_code == 0
    assert runner.invoke(main, ["recompute", "--check"]).exit_code == 0
    core.close()


def test_reconcile_without_a_tracker_says_so(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["reconcile"])
    assert (result.exit_code, result.stdout.strip()) == (0, "No tracker is connected yet.")


def test_reconcile_of_an_unknown_connection_fails(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["reconcile", "--connection", "https://elsewhere.example"])
    assert result.exit_code == 1
    assert "there is no active connection https://elsewhere.example" in result.stderr


def test_resealing_tells_how_many_secrets_there_were(runner: CliRunner, database: Settings) -> None:
    result = runner.invoke(main, ["db", "reseal"])
    assert (result.exit_code, result.stdout.strip()) == (0, "0 secrets are sealed with the first key.")


def test_an_unreachable_database_ends_in_one_line_without_its_password(
    runner: CliRunner, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADDER_DATABASE_URL", "postgresql://ladder:hunter2@127.0.0.1:1/ladder")
    monkeypatch.setenv("LADDER_SECRET_KEYS", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    result = runner.invoke(main, ["token", "create", "x"])
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "hunter2" not in result.output


def test_calc_needs_no_database_and_loads_no_web_framework(tmp_path: Path) -> None:
    probe = (
        "import sys, click.testing; from web.cli import main;"
        "click.testing.CliRunner().invoke(main, ['calc', 'metric'], input='');"
        "print(sorted({'flask', 'sqlalchemy'} & set(sys.modules)))"
    )
    environment = os.environ | {"LADDER_DATABASE_URL": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"


def test_calc_reads_cases_and_writes_results(runner: CliRunner) -> None:
    result = runner.invoke(main, ["calc", "metric"], input='{"baseline": 8, "target": 5, "value": 6.5}\n\nnonsense\n')
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["progress"] == "1/2"
    assert set(second) == {"error"}
    assert result.exit_code == 0


def test_calc_of_an_unknown_kind_exits_2(runner: CliRunner) -> None:
    assert runner.invoke(main, ["calc", "horoscope"]).exit_code == 2
