"""Finding things inside one workspace, and guarding edits against lost updates and closed cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connector.errors import Conflict, Invalid, LostUpdate, NotFound
from connector.models import Cycle, KeyResult, Objective, Person, Team

Scoped = TypeVar("Scoped", Cycle, Team, Person, Objective, KeyResult)

NAMES: Mapping[type[Any], str] = {
    Cycle: "cycle",
    Team: "team",
    Person: "person",
    Objective: "objective",
    KeyResult: "key result",
}

# The version that an editor saw, or several of which any will do; None when they did not say.
Versions = int | frozenset[int] | None

LONGEST_NAME = 200
LONGEST_TITLE = 400


class Versioned(Protocol):
    """A row with a version that grows with every edit."""

    version: Any


def find(session: Session, model: type[Scoped], workspace_id: str, row_id: str, *, lock: bool = False) -> Scoped:
    """Return the row; raises NotFound, also when it belongs to another workspace.

    `lock` keeps others from changing it until the transaction ends (PostgreSQL; on SQLite there is one writer anyway).
    """
    query = select(model).where(model.id == row_id, model.workspace_id == workspace_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no such {NAMES[model]}.")
    return row


def find_named(session: Session, model: type[Scoped], workspace_id: str, row_id: str | None, field: str) -> Scoped:
    """Return a row that an input field names; raises Invalid(`unknown_<thing>`) on that field."""
    row = None
    if row_id:
        row = session.scalars(select(model).where(model.id == row_id, model.workspace_id == workspace_id)).one_or_none()
    if row is None:
        thing = NAMES[model]
        raise Invalid(f"unknown_{thing.replace(' ', '_')}", f"There is no such {thing}.", field)
    return row


def check_version(row: Versioned, expected: Versions) -> None:
    """Raise LostUpdate unless the row still has the version that the editor saw (None: they did not say)."""
    accepted = {expected} if isinstance(expected, int) else expected
    if accepted is not None and row.version not in accepted:
        raise LostUpdate(row.version)


def touch(row: Versioned) -> None:
    """Note that the row was edited."""
    row.version += 1


def require_open_cycle(cycle: Cycle) -> None:
    """Raise Conflict(`cycle_closed`): what a finished cycle says is history and stays as it was."""
    if cycle.state == "closed":
        raise Conflict(f"{cycle.name} is closed. Open it again to change what belongs to it.", "cycle_closed")


def require_open(key_result: KeyResult) -> None:
    """Raise Conflict unless the key result, its objective and its cycle are open."""
    require_open_cycle(key_result.objective.cycle)
    if key_result.objective.state == "closed":
        raise Conflict("The objective is closed. Open it again to change its key results.", "objective_closed")
    if key_result.state == "closed":
        raise Conflict("The key result is closed. Open it again to change it.", "key_result_closed")


def clean_line(text: str | None, field: str, longest: int) -> str:
    """Return one line of text without surrounding space; raises Invalid when nothing or too much is left."""
    line = " ".join((text or "").split())
    if not line:
        raise Invalid("empty", "This cannot be empty.", field)
    if len(line) > longest:
        raise Invalid("too_long", f"At most {longest} characters.", field)
    return line


def require_free_name(session: Session, model: type[Cycle] | type[Team], workspace_id: str, name: str) -> None:
    """Raise Conflict(`name_taken`) if another cycle or team of the workspace has this name, whatever its case."""
    # SQLite only knows the case of ASCII letters, so the exact name is compared as well.
    same = (model.name == name) | (func.lower(model.name) == name.lower())
    query = select(model.id).where(model.workspace_id == workspace_id, same)
    if session.scalars(query.limit(1)).first() is not None:
        raise Conflict(f"There is already a {NAMES[model]} called {name}.", "name_taken")


def choose(value: str, allowed: tuple[str, ...], field: str) -> str:
    """Return `value` if it is one of `allowed`; raises Invalid."""
    if value not in allowed:
        raise Invalid("unknown_choice", f"Must be one of {', '.join(allowed)}.", field)
    return value


def refuse_unknown(changes: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise Invalid for a change to a field that cannot be changed."""
    unknown = sorted(set(changes) - known)
    if unknown:
        raise Invalid("not_editable", "This field cannot be changed.", unknown[0])
