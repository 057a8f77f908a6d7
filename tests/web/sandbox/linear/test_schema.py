"""The stand-in's schema is a part of Linear's, and its webhooks have the shape of Linear's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    parse,
    validate,
)

from tests.shared_refs import refs
from tests.web.sandbox.linear.conftest import Listener
from web.sandbox.linear import LinearWorkspace
from web.sandbox.linear.engine import SCHEMA, schema_without
from web.sandbox.linear.seeding import ENGINEER

OPERATIONS = Path(__file__).parents[4] / "linear_app" / "operations.graphql"


def differences(ours: GraphQLSchema, theirs: GraphQLSchema) -> list[str]:
    """What a client that was written for `theirs` could stumble over in `ours`."""
    found = []
    for name, mine in ours.type_map.items():
        if name.startswith("__"):
            continue
        other = theirs.type_map.get(name)
        if type(other) is not type(mine):
            found.append(f"{name} is no {type(mine).__name__} of theirs")
        elif isinstance(mine, GraphQLEnumType) and isinstance(other, GraphQLEnumType):
            found += [f"{name}.{value}" for value in mine.values if value not in other.values]
        elif isinstance(mine, GraphQLInputObjectType) and isinstance(other, GraphQLInputObjectType):
            found += compared(name, mine.fields, other.fields)
        elif isinstance(mine, (GraphQLObjectType, GraphQLInterfaceType)):
            assert isinstance(other, (GraphQLObjectType, GraphQLInterfaceType))
            found += [
                f"{name} is no {one}" for one in mine.interfaces if one.name not in [i.name for i in other.interfaces]
            ]
            found += compared(name, mine.fields, other.fields, required=False)
            for field, value in mine.fields.items():
                if field in other.fields:
                    found += compared(f"{name}.{field}", value.args, other.fields[field].args)
    return found


def compared(name: str, mine: Any, other: Any, *, required: bool = True) -> list[str]:
    """Every part of ours exists there with the very same type; what they demand, we know."""
    found = [f"{name}.{part} is not theirs" for part in mine if part not in other]
    found += [
        f"{name}.{part}: {value.type}, there {other[part].type}"
        for part, value in mine.items()
        if part in other and str(value.type) != str(other[part].type)
    ]
    if required:
        found += [
            f"{name}.{part} is demanded there"
            for part, value in other.items()
            if isinstance(value.type, GraphQLNonNull) and part not in mine
        ]
    return found


def test_our_schema_is_a_part_of_the_official_one(official: GraphQLSchema) -> None:
    assert differences(schema_without(), official) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  estimate: Float\n", "  estimate: Int\n"),
        ("  trashed: Boolean\n", "  trashed: Boolean!\n"),
        ("  urlKey: String!\n", "  slug: String!\n"),
        ("issue(id: String!)", "issue(id: ID!)"),
        ("  issueId: String!\n", ""),
        ("  singleSelect\n", "  oneOnly\n"),
    ],
)
def test_a_deviation_would_be_found(official: GraphQLSchema, before: str, after: str) -> None:
    text = SCHEMA.read_text("utf-8")
    assert before in text
    assert differences(build_schema(text.replace(before, after)), official)


def test_our_wording_is_not_theirs(official: GraphQLSchema) -> None:
    ours = schema_without()
    described = [one for one in ours.type_map.values() if one.description and not one.name.startswith("__")]
    own = [one for one in described if not isinstance(one, GraphQLScalarType) or one.name in ("DateTime", "JSONObject")]
    assert len(own) > 8
    assert not [
        one.name for one in own if one.description == getattr(official.type_map.get(one.name), "description", None)
    ]


@pytest.mark.skipif(not OPERATIONS.exists(), reason="linear_app/operations.graphql is not in this tree")
def test_every_operation_of_ladder_can_be_asked_here() -> None:
    assert validate(schema_without(), parse(OPERATIONS.read_text("utf-8"))) == []


# ---- webhooks


def misfits(value: Any, kind: Any, path: str) -> list[str]:
    """Where a webhook body does not fit the official type; fields that nobody described count too."""
    if isinstance(kind, GraphQLNonNull):
        return [f"{path} is missing"] if value is None else misfits(value, kind.of_type, path)
    if value is None:
        return []
    if isinstance(kind, GraphQLList):
        return [one for at, part in enumerate(value) for one in misfits(part, kind.of_type, f"{path}[{at}]")]
    if isinstance(kind, GraphQLUnionType):
        return min((misfits(value, one, path) for one in kind.types), key=len)
    if isinstance(kind, GraphQLObjectType):
        found = [f"{path}.{name} is not described" for name in value if name not in kind.fields]
        for name, part in kind.fields.items():
            found += misfits(value.get(name), part.type, f"{path}.{name}")
        return found
    expected = {"String": str, "Boolean": bool, "Float": (int, float), "DateTime": str, "JSONObject": (dict, list)}
    return [] if isinstance(value, expected[kind.name]) else [f"{path} is {value!r}, not {kind}"]


# Written by the stand-in as captured deliveries have it, although the published types do not list it.
TOLERATED = {"retiredAt", "organizationId", "state", "actor"}


def everything(workspace: LinearWorkspace) -> None:
    """One of every kind of event."""
    issue = workspace.create_issue(
        "New", estimate=3, labels=["Bug"], assignee=ENGINEER, cycle="active", project="Onboarding"
    )
    workspace.transition(issue, "Done")
    attachment = workspace.create_attachment(
        issue, "https://ladder.example/1", "KR", subtitle="62 %", icon_url="https://x/y.png"
    )
    workspace.delete_attachment(attachment)
    label = workspace.create_label("OKR", is_group=True)
    workspace.delete_label(label)
    cycle = workspace.create_cycle("WEB")
    workspace.edit_cycle(cycle, name="Spring")
    workspace.edit_project("Onboarding", target_date="2026-12-24")
    workspace.deactivate_user(ENGINEER)
    workspace.trash(issue)
    workspace.shut_app_out("MOB")
    token = workspace.oauth.install()["access_token"]
    workspace.oauth.revoke(token)
    workspace.oauth.uninstall()
    workspace.webhooks.flush()


def test_webhooks_fit_the_published_types(
    workspace: LinearWorkspace, installed: Listener, official: GraphQLSchema
) -> None:
    everything(workspace)
    names = {"PermissionChange": "AppUserTeamAccessChangedWebhookPayload"}
    seen = set()
    for body in [one.body for one in installed.received]:
        kind = body["type"]
        seen.add(kind)
        envelope = official.type_map[names.get(kind, f"{kind}WebhookPayload")]
        if "data" in body:
            data = misfits(body["data"], envelope, kind)
            assert [one for one in data if one.split(" ")[0].rpartition(".")[2] not in TOLERATED] == []
            envelope = official.type_map["EntityWebhookPayload"]
            body = {**body, "data": None}
            assert isinstance(envelope, GraphQLObjectType)
            assert [one for one in misfits(body, envelope, kind) if "data is missing" not in one] == []
        else:
            assert misfits(body, envelope, kind) == []
    entities = {"Issue", "Attachment", "IssueLabel", "Cycle", "Project", "User"}
    assert seen == entities | {"PermissionChange", "OAuthApp", "OAuthAuthorization"}


def attach(workspace: LinearWorkspace) -> None:
    workspace.create_attachment(
        "WEB-1", "https://a.example/", "Site", subtitle="Ours", icon_url="https://a.example/i.png"
    )


@pytest.mark.parametrize(
    ("file", "act"),
    [
        ("IssueCreated.json", lambda one: one.create_issue("You know", state="Backlog", description="And so do I")),
        ("IssueUpdated.json", lambda one: one.edit(one.edit("WEB-1", description="Hi"), title="Renamed")),
        ("IssueRemoved.json", lambda one: one.trash(one.edit("WEB-11", description="Hi"))),
        ("AttachmentCreated.json", attach),
        ("CycleUpdated.json", lambda one: one.edit_cycle(one.active_cycle(one.team("WEB")), ends_at=one.now())),
        ("IssueLabelCreated.json", lambda one: one.create_label("Give You Up")),
        ("updateIssueForLabel.json", lambda one: one.assign("WEB-4", ENGINEER)),
    ],
)
def test_captured_deliveries_have_the_same_fields(
    workspace: LinearWorkspace, installed: Listener, file: str, act: Any
) -> None:
    captured = json.loads(refs("payloads", "linear", file).read_text("utf-8"))
    workspace.payloads_of_2023 = True
    act(workspace)
    workspace.webhooks.flush()
    sent = installed.received[-1].body
    assert (sent["type"], sent["action"]) == (captured["type"], captured["action"])
    assert {name for name in captured if name not in sent} == set()
    # Personal order of one capture, and what was set on that issue alone.
    own = {"subIssueSortOrder", "dueDate"}
    assert {name for name in captured["data"] if name not in sent["data"]} - own == set()
    extra = {"actor", "url", "webhookTimestamp", "webhookId", "organizationId", "updatedFrom"}
    assert {name for name in sent if name not in captured} <= extra
    for name, value in captured["data"].items():
        if name in sent["data"] and not isinstance(value, (int, float)):
            assert type(sent["data"][name]) is type(value), name
