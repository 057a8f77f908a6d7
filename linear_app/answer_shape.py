"""Whether an answer has every field that was asked for: the sender's schema may have moved on."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


def lacking(document: DocumentNode, data: Any) -> str | None:
    """Return the path of the first field of `document` (one operation and its fragments) that `data` lacks, or None.

    A field that is null is there; whether null makes sense is for its reader to say.
    """
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return _lacking(operation.selection_set, data, fragments)


def _lacking(asked: SelectionSetNode, data: Any, fragments: dict[str, FragmentDefinitionNode]) -> str | None:
    if data is None:
        return None
    if isinstance(data, list):
        return next((path for one in data if (path := _lacking(asked, one, fragments)) is not None), None)
    for selection in asked.selections:
        if isinstance(selection, FragmentSpreadNode):
            missing = _lacking(fragments[selection.name.value].selection_set, data, fragments)
            if missing is not None:
                return missing
        elif isinstance(selection, FieldNode):
            name = (selection.alias or selection.name).value
            if not isinstance(data, dict) or name not in data:
                return name
            below = selection.selection_set
            missing = _lacking(below, data[name], fragments) if below is not None else None
            if missing is not None:
                return f"{name}.{missing}"
    return None
