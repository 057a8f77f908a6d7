"""Registering Ladder at Linear."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from graphql import GraphQLEnumType

from linear_app.arrival import REMOVED
from linear_app.manifest import FORM, linear_commands, manifest, prefilled_link
from tests.linear_app.acme import LADDER, official_schema


def test_the_manifest_names_our_addresses() -> None:
    said = manifest(LADDER)
    assert said["oauth"]["redirect_uris"] == [f"{LADDER}/linear/callback"]
    assert said["webhook"]["url"] == f"{LADDER}/linear/webhooks"
    assert "{" not in json.dumps(list(said["webhook"].values())[:2])


def test_the_apps_name_does_not_have_linears_in_it() -> None:
    assert "linear" not in manifest(LADDER)["oauth"]["client_name"].lower()


def test_the_link_says_the_same_as_the_manifest() -> None:
    link = urlsplit(prefilled_link(LADDER))
    assert f"{link.scheme}://{link.netloc}{link.path}" == FORM
    filled, said = parse_qs(link.query, strict_parsing=True), manifest(LADDER)
    assert filled["webhook.resourceTypes"] == said["webhook"]["resourceTypes"]
    assert filled["oauth.redirect_uris"] == said["oauth"]["redirect_uris"]
    assert (filled["webhook.enabled"], filled["distribution"]) == (["true"], ["private"])
    assert len(filled) == sum(len(part) if isinstance(part, dict) else 1 for part in said.values())


def test_every_kind_of_webhook_that_we_ask_for_exists() -> None:
    kinds = next(
        one
        for one in official_schema().type_map.values()
        if isinstance(one, GraphQLEnumType) and "PermissionChange" in one.values
    )
    assert set(manifest(LADDER)["webhook"]["resourceTypes"]) <= set(kinds.values)
    assert "revoked" in REMOVED


@pytest.mark.parametrize("given", [["--base-url", f"{LADDER}/"], []])
def test_the_command_prints_manifest_and_link(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_BASE_URL", LADDER)
    run = CliRunner().invoke(linear_commands, ["manifest", *given])
    assert run.exit_code == 0, run.output
    *said, link = run.stdout.splitlines()
    assert json.loads("\n".join(said)) == manifest(LADDER)
    assert link == prefilled_link(LADDER)


def test_the_link_can_be_had_alone() -> None:
    run = CliRunner().invoke(linear_commands, ["manifest", "--link", "--base-url", LADDER])
    assert run.stdout.strip() == prefilled_link(LADDER)


def test_an_address_that_linear_cannot_deliver_to_is_pointed_out() -> None:
    run = CliRunner().invoke(linear_commands, ["manifest", "--base-url", "http://127.0.0.1:8080"])
    assert "https" in run.stderr


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_BASE_URL", "nowhere")
    run = CliRunner().invoke(linear_commands, ["manifest"])
    assert run.exit_code == 1
    assert "LADDER_BASE_URL" in run.output
