"""Column types that keep exactness and time zones across SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator


class Exact(TypeDecorator[Fraction]):
    """A rational number, stored as text ("8/15").

    Neither database has a rational type, and NUMERIC would round 1/3, after which the running value could no longer
    equal a recompute.
    """

    impl = String(400)
    cache_ok = True

    def process_bind_param(self, value: Fraction | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Fraction | None:
        return None if value is None else _parsed(value)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Fraction:
    """Read a rational. Most weights, sizes and credits are the same few numbers, and reading one takes a regular
    expression.
    """
    return Fraction(text)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment; kept in UTC, refused when naive.

    SQLite drops the offset silently, so a naive value would come back as another moment than was meant.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
