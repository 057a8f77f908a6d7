"""What Jira's parser answers about a query: its structure, or what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from .jql import Clause, Function, Group, JqlError, parse
from .jql_search import run
from .site import JiraSite


def parsed_query(site: JiraSite, text: str) -> dict[str, Any]:
    """What Jira says of a query: its structure, or what is wrong with it."""
    try:
        query = parse(text)
        run(query, site, [])
    except JqlError as error:
        return {"query": text, "errors": [str(error)]}
    structure: dict[str, Any] = {}
    if query.where is not None:
        structure["where"] = _structure(query.where)
    if query.order:
        structure["orderBy"] = {
            "fields": [
                {"field": {"name": name, "encodedName": name}, "direction": "desc" if descending else "asc"}
                for name, descending in query.order
            ]
        }
    return {"query": text, "structure": structure}


def _structure(node: Clause | Group) -> dict[str, Any]:
    if isinstance(node, Group):
        return {"operator": node.word, "clauses": [_structure(part) for part in node.parts]}
    values = [
        {"function": one.name, "arguments": list(one.arguments), "encodedOperand": f"{one.name}()"}
        if isinstance(one, Function)
        else {"value": one, "encodedValue": json.dumps(one, ensure_ascii=False)}
        for one in node.values
    ]
    operand: dict[str, Any] = {"keyword": "empty", "encodedOperand": "EMPTY"}
    if node.operator in ("in", "not in"):
        operand = {"values": values, "encodedOperand": "(...)"}
    elif values:
        operand = values[0]
    return {"field": {"name": node.field, "encodedName": node.field}, "operator": node.operator, "operand": operand}
