"""Requests and answers of the API: versions, pages, and POSTs that may be sent twice."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Response, request
from pydantic import BaseModel
from sqlalchemy import Select, and_, or_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from connector.errors import Invalid
from connector.idempotency import LONGEST_KEY, Answer, Attempt, answer_once, hash_request, recall, remember
from web.api.access import caller

Row = TypeVar("Row")

KEY_HEADER = "Idempotency-Key"
REPEATED_HEADER = "Idempotency-Replayed"
KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
# Digits; Python refuses to read endless ones, and no row is edited that often.
LONGEST_VERSION = 9
# Rows numbered in the order in which they were learned.
BIGGEST_NUMBER = 2**63 - 1


def answer(shape: BaseModel, status: int = 200, *, location: str | None = None) -> Response:
    """Return a shape as a response; with its version as ETag if it has one."""
    return _response(_answer_of(shape, status, location))


def created(work: Callable[[Session], tuple[BaseModel, str]]) -> Response:
    """Answer a POST: run `work` in one transaction and return 201 with its shape and address.

    With an Idempotency-Key the same request gets the same answer again, and `work` runs once.
    """

    def run(session: Session) -> Answer:
        shape, location = work(session)
        return _answer_of(shape, 201, location)

    attempt = _attempt()
    if attempt is None:
        with caller().core.database.writing() as session:
            return _response(run(session))
    return _response(answer_once(caller().core.database, attempt, run))


def created_outside(work: Callable[[], tuple[BaseModel, str]]) -> Response:
    """Like `created` for work that talks to a tracker, which must not happen inside a transaction.

    If we die between the work and the memory of it, the repeated request is answered by the use case itself, which
    never does the same twice (a second link between two things is refused).
    """
    attempt, database = _attempt(), caller().core.database
    if attempt is not None:
        with database.reading() as session:
            known = recall(session, attempt)
        if known is not None:
            return _response(known)
    shape, location = work()
    made = _answer_of(shape, 201, location)
    if attempt is not None:
        # The same request at the same moment may have remembered its answer first; ours is true all the same.
        with suppress(IntegrityError), database.writing() as session:
            if recall(session, attempt) is None:
                remember(session, attempt, made)
    return _response(made)


def expected_version() -> frozenset[int] | None:
    """Return the versions that `If-Match` accepts; None without the header or with `*`.

    What is no version of ours (a weak tag, another word) is left out, so it never matches.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    tags = [tag for tag in request.if_match.as_set() if tag and tag.isascii() and tag.isdigit()]
    return frozenset(int(tag) for tag in tags if len(tag) <= LONGEST_VERSION)


def page_by_age(
    query: Select[Row],
    created_at: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[str],
    cursor: str | None,
    *,
    newest_first: bool = False,
) -> Select[Row]:
    """Order a list by age and start it after `cursor`; new rows never push others from one page to the next."""
    if cursor is not None:
        at, last_id = _opened(cursor, [str, str])
        try:
            given = datetime.fromisoformat(at)
            # In the years 1 and 9999 a moment can fall off the calendar on its way to UTC.
            moment = given.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _bad_cursor() from None
        if given.tzinfo is None:
            raise _bad_cursor()
        if newest_first:
            query = query.where(or_(created_at < moment, and_(created_at == moment, row_id < last_id)))
        else:
            query = query.where(or_(created_at > moment, and_(created_at == moment, row_id > last_id)))
    if newest_first:
        return query.order_by(created_at.desc(), row_id.desc())
    return query.order_by(created_at, row_id)


def cut(rows: Sequence[Row], limit: int, mark: Callable[[Row], Sequence[Any]]) -> tuple[Sequence[Row], str | None]:
    """Return a page of at most `limit` rows and the cursor of the next; `rows` has one more if there is a next page."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _sealed(mark(rows[limit - 1]))


def by_age(row: Any) -> Sequence[Any]:
    """Return what a cursor over `created_at` remembers of a row."""
    return [row.created_at.isoformat(), row.id]


def number_in(cursor: str | None) -> int | None:
    """Return the row number that a cursor of a numbered list holds."""
    if cursor is None:
        return None
    (number,) = _opened(cursor, [int])
    if not 0 <= number <= BIGGEST_NUMBER:
        raise _bad_cursor()
    return int(number)


def _sealed(mark: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(mark)).encode()).decode().rstrip("=")


def _opened(cursor: str, types: Sequence[type]) -> list[Any]:
    try:
        mark = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad_cursor() from None
    if not isinstance(mark, list) or [type(part) for part in mark] != list(types):
        raise _bad_cursor()
    # No database takes NUL or half of a surrogate pair.
    if any(isinstance(part, str) and not (part.isascii() and part.isprintable()) for part in mark):
        raise _bad_cursor()
    return mark


def _bad_cursor() -> Invalid:
    return Invalid("bad_cursor", "This cursor is not one of ours; start from the first page.", "query.cursor")


def _attempt() -> Attempt | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise Invalid("bad_idempotency_key", f"1 to {LONGEST_KEY} visible ASCII characters.", KEY_HEADER)
    who = caller()
    return Attempt(who.workspace_id, key, hash_request(request.method, request.path, request.get_json()), who.now)


def _answer_of(shape: BaseModel, status: int, location: str | None = None) -> Answer:
    headers = {}
    version = getattr(shape, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    if location is not None:
        headers["Location"] = location
    return Answer(status, shape.model_dump_json(by_alias=True), headers)


def _response(made: Answer) -> Response:
    response = Response(made.body + "\n", made.status, content_type="application/json")
    response.headers.extend(dict(made.headers))
    if made.repeated:
        response.headers[REPEATED_HEADER] = "true"
    return response
