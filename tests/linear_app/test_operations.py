"""Our operations against Linear's published schema: each is valid, and none leans on what changes between versions."""

from __future__ import annotations

import pytest
from graphql import (
    ListTypeNode,
    NamedTypeNode,
    NoDeprecatedCustomRule,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeNode,
    validate,
)

from linear_app.client import document, operations
from tests.linear_app.acme import official_schema
from web.sandbox.linear.engine import complexity

SCALARS = {"String", "Boolean", "Int", "Float", "ID", "UUID"}


@pytest.mark.parametrize("name", sorted(operations()))
def test_an_operation_is_valid_against_the_published_schema(name: str) -> None:
    assert validate(official_schema(), document(name)) == []


@pytest.mark.parametrize("name", sorted(operations()))
def test_an_operation_costs_less_than_linear_allows_for_one(name: str) -> None:
    (asked,) = (one for one in document(name).definitions if isinstance(one, OperationDefinitionNode))
    assert complexity(document(name), asked, {}) < 10_000


def test_only_filters_and_inputs_are_declared_as_variables() -> None:
    for name, one in operations().items():
        for definition in one.definitions:
            if isinstance(definition, OperationDefinitionNode):
                declared = {_named(variable.type) for variable in definition.variable_definitions or ()}
                assert all(kind in SCALARS or kind.endswith(("Filter", "Input")) for kind in declared), name


def test_no_deprecated_field_is_asked_for() -> None:
    for name in operations():
        assert validate(official_schema(), document(name), [NoDeprecatedCustomRule]) == []


def _named(kind: TypeNode) -> str:
    while not isinstance(kind, NamedTypeNode):
        assert isinstance(kind, NonNullTypeNode | ListTypeNode)
        kind = kind.type
    return kind.name.value
