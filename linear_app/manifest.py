"""How an operator registers Ladder at Linear: a manifest, and a link to Linear's form with everything filled in.

https://linear.app/developers/oauth-app-manifests
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

FILE_NAME = "linear-app.json"
# In a wheel the template lies inside this package, in a checkout at its root.
_PLACES = (Path(__file__).parent / FILE_NAME, Path(__file__).parent.parent / FILE_NAME)
PLACEHOLDER = "{baseUrl}"
FORM = "https://linear.app/settings/api/applications/new"


def manifest(base_url: str) -> dict[str, Any]:
    """Return the registration of a Ladder that Linear reaches at `base_url`."""
    filled: dict[str, Any] = json.loads(_template().replace(PLACEHOLDER, base_url))
    return filled


def prefilled_link(base_url: str) -> str:
    """Return the address of Linear's form with the manifest in it: names with dots, lists as repeated parameters."""
    return f"{FORM}?{urlencode(_flat(manifest(base_url)))}"


@cache
def _template() -> str:
    return next(place for place in _PLACES if place.exists()).read_text("utf-8")


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [pair for inner in value for pair in _flat(inner, name)]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


@click.group()
def linear_commands() -> None:
    """Register Ladder at Linear."""


@linear_commands.command("manifest")
@click.option("--base-url", help="Where Linear reaches Ladder; LADDER_BASE_URL by default.")
@click.option("--link", is_flag=True, help="Print only the link to Linear's form with everything filled in.")
def manifest_command(base_url: str | None, link: bool) -> None:
    """Print what to register at Linear, and the link that does it."""
    from connector.settings import BadSettings, load_settings

    try:
        reached_at = (base_url or load_settings().base_url).rstrip("/")
    except BadSettings as error:
        raise click.ClickException(str(error)) from None
    if not link:
        click.echo(json.dumps(manifest(reached_at), indent=2))
    click.echo(prefilled_link(reached_at))
    if not reached_at.startswith("https://"):
        click.echo("Linear only delivers webhooks to an https address: set LADDER_BASE_URL.", err=True)
