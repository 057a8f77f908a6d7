"""The schema as graphql-core runs it: scalars, fields taken out by a fault, and what a query costs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    build_ast_schema,
    get_named_type,
    parse,
    value_from_ast_untyped,
)
from graphql.language import ObjectTypeDefinitionNode

from .payloads import iso

SCHEMA = Path(__file__).with_name("schema.graphql")
PAGE = 50
LARGEST_PAGE = 250
SCALAR_COST = 0.1
OBJECT_COST = 1.0
_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)


@cache
def schema_without(dropped: frozenset[str] = frozenset()) -> GraphQLSchema:
    """The schema, without the fields named in `dropped` ("Issue.estimate")."""
    document = parse(SCHEMA.read_text("utf-8"))
    if dropped:
        document = DocumentNode(definitions=tuple(_without(one, dropped) for one in document.definitions))
    schema = build_ast_schema(document)
    _teach(schema.type_map)
    return schema


def _without(definition: Any, dropped: frozenset[str]) -> Any:
    if not isinstance(definition, ObjectTypeDefinitionNode):
        return definition
    name = definition.name.value
    kept = tuple(one for one in definition.fields or () if f"{name}.{one.name.value}" not in dropped)
    return ObjectTypeDefinitionNode(
        name=definition.name,
        description=definition.description,
        directives=definition.directives,
        interfaces=definition.interfaces,
        fields=kept,
    )


def _teach(types: Mapping[str, GraphQLNamedType]) -> None:
    """Give the scalars their meaning."""
    for name, scalar in types.items():
        if not isinstance(scalar, GraphQLScalarType):
            continue
        # graphql-core 3.3 has other names for these than 3.2; both work here.
        if name in ("DateTime", "DateTimeOrDuration"):
            for writer in ("serialize", "coerce_output_value"):
                setattr(scalar, writer, _write_moment)
        reader = {"DateTime": _read_moment, "DateTimeOrDuration": _read_moment, "JSONObject": _read_object}.get(name)
        for known in ("parse_value", "coerce_input_value") if reader else ():
            setattr(scalar, known, reader)


def _write_moment(value: Any) -> str:
    written = iso(value) if isinstance(value, datetime) else None
    if written is None:
        raise GraphQLError("not a moment")
    return written


def _read_moment(value: Any) -> datetime:
    text = str(value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _read_duration(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_duration(text: str) -> datetime:
    found = _DURATION.fullmatch(text)
    if found is None or text in ("P", "-P"):
        raise GraphQLError(f"{text!r} is neither a moment nor a duration")
    parts = {name: int(number) for name, number in found.groupdict().items() if name != "sign" and number}
    length = timedelta(**parts)
    return datetime.now(UTC) + (-length if found["sign"] else length)


def _read_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GraphQLError("a JSON object is needed here")
    return value


# ---- what a query costs


def complexity(document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
    """Linear's rule of thumb: a tenth for a field, one for an object, a list as often as it has entries, rounded up."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    schema = schema_without()
    root = schema.mutation_type if operation.operation is OperationType.MUTATION else schema.query_type
    if root is None:
        raise LookupError("the schema lacks a root type")
    return math.ceil(_cost(operation.selection_set, root, fragments, variables))


def _cost(
    selections: SelectionSetNode | None,
    above: GraphQLNamedType,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> float:
    total = 0.0
    for one in selections.selections if selections else ():
        match one:
            case FieldNode():
                total += _field_cost(one, above, fragments, variables)
            case InlineFragmentNode():
                total += _cost(one.selection_set, above, fragments, variables)
            case FragmentSpreadNode() if one.name.value in fragments:
                total += _cost(fragments[one.name.value].selection_set, above, fragments, variables)
    return total


def _field_cost(
    node: FieldNode,
    above: GraphQLNamedType,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> float:
    if node.selection_set is None:
        return SCALAR_COST
    fields = above.fields if isinstance(above, GraphQLObjectType) else {}
    field = fields.get(node.name.value)
    if field is None:
        return 0.0
    below = get_named_type(field.type)
    cost = OBJECT_COST + _cost(node.selection_set, below, fragments, variables)
    if not isinstance(below, GraphQLObjectType) or "pageInfo" not in below.fields:
        return cost
    given = {one.name.value: value_from_ast_untyped(one.value, dict(variables)) for one in node.arguments or ()}
    size = given.get("first") or given.get("last") or PAGE
    return cost * (size if isinstance(size, int) else PAGE)
