"""The descriptor that Jira installs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft7Validator

from connector.core import Core
from connector.tracker import GoalMark
from jira_app import TRACKER
from jira_app.descriptor import FILE_NAME, PANEL_MODULE, app_key, descriptor, template
from jira_app.goal_property import ALIASES, PROPERTY, property_value
from jira_app.payloads import SPRINT_STATES
from tests.jira_app.acme import LADDER
from tests.shared_refs import refs


def module_schemas() -> dict[str, Any]:
    """Return the official schemas of Connect modules."""
    schemas: dict[str, Any] = json.loads(refs("forge", "connect-jira-modules.schema.json").read_text())
    return schemas


def test_the_descriptor_is_served_with_the_configured_address(door: FlaskClient) -> None:
    answer = door.get("/atlassian-connect.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    served = answer.json
    assert served == descriptor(LADDER)
    assert served["baseUrl"] == LADDER
    assert served["links"] == {"self": f"{LADDER}/atlassian-connect.json"}


def test_the_template_is_the_file_at_the_root() -> None:
    assert template() == json.loads((Path(__file__).parents[2] / FILE_NAME).read_text())


def test_the_app_asks_for_the_security_that_connect_offers() -> None:
    assert template()["authentication"] == {"type": "jwt"}
    assert template()["apiMigrations"] == {"signed-install": True, "context-qsh": True, "gdpr": True}
    assert template()["scopes"] == ["READ", "WRITE"]
    assert len(app_key()) <= 64


# The schemas are those of Forge manifests, in which these two carry a key too; in a descriptor they must not.
KEYLESS = ("webhooks", "lifecycle")


@pytest.mark.parametrize("kind", [*sorted(template()["modules"]), "lifecycle"])
def test_modules_are_valid_by_the_official_schema(kind: str) -> None:
    schemas = module_schemas()
    assert kind in schemas["properties"], "no such kind of module"
    modules = [template()["lifecycle"]] if kind == "lifecycle" else template()["modules"][kind]
    if kind in KEYLESS:
        modules = [module | {"key": f"{kind}-{number}"} for number, module in enumerate(modules)]
    Draft7Validator({**schemas["properties"][kind], "definitions": schemas["definitions"]}).validate(modules)
    for module in modules:
        assert set(module) <= set(schemas["properties"][kind]["items"]["properties"]), (
            "a property that Jira does not know"
        )


def test_every_webhook_that_we_ask_for_is_one_that_we_read() -> None:
    events = {module["event"] for module in template()["modules"]["webhooks"]}
    issues = {f"jira:issue_{what}" for what in ("created", "updated", "deleted")}
    assert events == issues | {"issuelink_created", "issuelink_deleted"} | set(SPRINT_STATES)


def test_everything_that_the_descriptor_names_exists(core: Core, app: Flask) -> None:
    modules = template()["modules"]
    addresses = [("POST", path) for path in template()["lifecycle"].values()]
    addresses += [("POST", module["url"]) for module in modules["webhooks"]]
    addresses += [("GET", module["url"]) for module in modules.get("generalPages", [])]
    addresses += [("GET", module["url"]) for kind in ("webItems", "jiraProjectPages") for module in modules[kind]]
    addresses += [("GET", module["target"]["url"]) for module in modules["jiraIssueContexts"]]
    routes = app.url_map.bind("")
    for method, address in addresses:
        assert routes.match(urlsplit(address).path, method), address
    for module in modules["jiraIssueContexts"]:
        with app.test_client().get(module["icon"]["url"]) as icon:
            assert icon.status_code == 200


def test_the_panel_is_the_module_whose_label_we_write() -> None:
    assert [module["key"] for module in template()["modules"]["jiraIssueContexts"]] == [PANEL_MODULE]


def test_the_aliases_of_the_descriptor_are_those_that_marks_are_written_for() -> None:
    (module,) = template()["modules"]["jiraEntityProperties"]
    (configuration,) = module["keyConfigurations"]
    assert configuration["propertyKey"] == PROPERTY
    found = {one["alias"]: one["objectName"] for one in configuration["extractions"]}
    assert found == ALIASES
    assert set(property_value(GoalMark("aligned", ("x",), ("y",)))) == set(found.values())
    # Matched whole, as titles have spaces; every element of a list by itself.
    assert {one["type"] for one in configuration["extractions"]} == {"string"}


# https://developer.atlassian.com/cloud/jira/software/jira-software-context-parameters/
CONTEXT = {
    "board.id",
    "board.type",
    "board.screen",
    "sprint.id",
    "sprint.state",
    "project.id",
    "project.key",
    "issue.id",
}


def test_only_context_is_asked_for_that_jira_knows() -> None:
    modules = template()["modules"]
    asked = set(re.findall(r"\{([\w.]+)\}", json.dumps(modules)))
    assert asked <= CONTEXT
    tools = {module["location"] for module in modules["webItems"]}
    assert tools == {"jira.agile.board.tools", "jira.software.board.tools", "jira.software.backlog.tools"}


def test_the_tracker_registers_under_its_name(core: Core) -> None:
    assert TRACKER.name == "jira"
    assert core.trackers["jira"].capabilities.panel_label
