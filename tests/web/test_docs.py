"""What a user can set, run or call is written down: these fail when something new is not in the README."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from connector.settings import PREFIX, Settings
from web.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        path = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, path)
        else:
            yield path, command


COMMANDS = dict(_commands(main, "ladder"))


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(field: str) -> None:
    assert f"`{PREFIX}{field.upper()}`" in README


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", README))
    assert named == {PREFIX + field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme_and_explains_itself(command: str) -> None:
    assert f"`{command}" in README
    assert COMMANDS[command].help
    for parameter in COMMANDS[command].params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            assert parameter.help, f"{command} {parameter.opts}"


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"`(ladder(?: [a-z][a-z-]*)+)", README))
    known = set(COMMANDS)
    assert {name for name in named if not any(f"{name} ".startswith(f"{one} ") for one in known)} == set()


def test_every_address_for_programs_is_in_the_readme(app: Flask) -> None:
    documented = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/docs", "/connections"}
    documented |= {"/atlassian-connect.json", "/jira/installed", "/jira/uninstalled", "/jira/webhooks", "/jira/goals"}
    served = {rule.rule for rule in app.url_map.iter_rules()}
    assert documented <= served
    for address in documented | {"/jira/panel"}:
        assert f"`{address}`" in README, address
    top = {
        rule for rule in served if rule.count("/") == 1 and rule.startswith(("/health", "/ready", "/metric", "/open"))
    }
    assert top <= documented


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 300_000, picture.name


def test_every_direct_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    for lock, wanted in (
        ("requirements.lock", project["project"]["dependencies"] + groups["build"]),
        ("requirements-dev.lock", groups["build"] + groups["test"] + groups["check"]),
    ):
        text = (ROOT / lock).read_text()
        pinned = {_canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
        names = {_canonical(re.split(r"[\[<>=~!; ]", one)[0]) for one in wanted}
        assert names <= pinned, lock
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip()))
        assert "://" not in text


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
