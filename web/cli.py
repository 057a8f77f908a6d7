"""The command `ladder`: each command reads the settings, builds the core and makes one call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console

from connector.settings import BadSettings, Settings, load_settings
from web.calc import calc

if TYPE_CHECKING:
    from connector.core import Core

# Heavy imports (Flask, SQLAlchemy) stand inside the commands: `ladder calc` and `ladder --help` stay instant.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def settings_or_exit() -> Settings:
    """Return the settings, or end the command with one line that names the bad one (exit 2)."""
    try:
        return load_settings()
    except BadSettings as error:
        err.print(f"[bold red]ladder:[/] {error}", soft_wrap=True)
        sys.exit(2)


@contextmanager
def open_core() -> Iterator[Core]:
    """Give a core on an up-to-date SQLite database; PostgreSQL is only migrated by `ladder db upgrade`."""
    from connector import migrate
    from connector.core import build_core

    settings = settings_or_exit()
    if settings.sqlite_path:
        migrate.upgrade(settings)
    core = build_core(settings)
    try:
        yield core
    finally:
        core.close()


@click.group()
@click.version_option(package_name="ladder-okr", prog_name="ladder")
def main() -> None:
    """Key results that move by themselves when issues change state."""


main.add_command(calc)
