"""Finding and making the rows that stand for a tracker's issues."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, bindparam, literal, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, aliased

from connector.models import Connection, Issue


def ensure_issue(session: Session, connection: Connection, external_id: str) -> Issue:
    """Return the issue's row, making a stub of class `unknown` for one that was never heard of."""
    return ensure_issue_noting_news(session, connection, external_id)[0]


def ensure_issue_noting_news(session: Session, connection: Connection, external_id: str) -> tuple[Issue, bool]:
    """The same, and whether the row was made just now: then nothing is linked to it and nothing hangs below it."""
    found = find_issue(session, connection.id, external_id)
    if found is not None:
        return found, False
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    made = session.scalars(
        insert(Issue)
        .values(workspace_id=connection.workspace_id, connection_id=connection.id, external_id=external_id)
        .on_conflict_do_nothing()
        .returning(Issue)
    ).one_or_none()
    if made is not None:
        return made, True
    return session.scalars(_by_external_id(connection.id, external_id)).one(), False


def find_issue(session: Session, connection_id: str, external_id: str) -> Issue | None:
    """Return the issue by its identity in the tracker, or None."""
    return session.scalars(_by_external_id(connection_id, external_id)).one_or_none()


def find_issue_by_id_or_key(session: Session, connection_id: str, id_or_key: str) -> Issue | None:
    """Return the issue by identity, else by its present key; a key is a label and moves on when an issue moves."""
    found = session.scalars(
        select(Issue)
        .where(Issue.connection_id == connection_id)
        .where(or_(Issue.external_id == id_or_key, Issue.key == id_or_key))
        .order_by((Issue.external_id == id_or_key).desc(), Issue.watermark.desc())
        .limit(1)
    )
    return found.one_or_none()


def read_ancestry(session: Session, connection_id: str, external_id: str) -> list[Issue]:
    """Read an issue and all its ancestors, nearest first; one statement, empty for an issue never heard of."""
    found = session.execute(_ancestry(), {"connection_id": connection_id, "external_id": external_id})
    return [row[0] for row in found]


@cache
def _ancestry() -> Select[Issue, int]:
    """Built once: putting a recursive query together takes longer than running it."""
    start = select(Issue.id, Issue.parent_id, literal(0).label("distance")).where(
        Issue.connection_id == bindparam("connection_id"), Issue.external_id == bindparam("external_id")
    )
    chain = start.cte("chain", recursive=True)
    above = aliased(Issue)
    chain = chain.union_all(
        select(above.id, above.parent_id, chain.c.distance + 1).join(chain, above.id == chain.c.parent_id)
    )
    return select(Issue, chain.c.distance).join(chain, chain.c.id == Issue.id).order_by(chain.c.distance)


def _by_external_id(connection_id: str, external_id: str) -> Select[Issue]:
    return select(Issue).where(Issue.connection_id == connection_id, Issue.external_id == external_id)
