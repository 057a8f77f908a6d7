"""The field types of the API: what a text, a day, a number or an id may look like, in code and in OpenAPI alike."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

# A number is told in at most this many digits on either side of the point. 1e400 is legal JSON, and as an exact
# rational it would cost memory and time out of all proportion to any metric.
MOST_DIGITS = 18
# Written with [0-9]: \d also matches the digits of other scripts.
NUMBER_PATTERN = r"^[+-]?[0-9]{1,18}((\.[0-9]{1,18})|(/[1-9][0-9]{0,17}))?$"
NUMBER = re.compile(NUMBER_PATTERN)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(r"[0-9-]{10}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+ -][0-9]{2}:[0-9]{2})?")
UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# Doubles keep 15 significant decimal digits, so that many survive any JSON reader.
SAFE_DIGITS = 15


def _without_nul(text: str) -> str:
    # PostgreSQL cannot store it, so it would be a server error there and a silent oddity on SQLite.
    if "\0" in text:
        raise PydanticCustomError("nul_character", "The NUL character is not allowed.")
    return text


def _exact(given: Any) -> Fraction:
    if isinstance(given, Fraction):
        return given
    if isinstance(given, bool) or not isinstance(given, int | Decimal | str):
        raise PydanticCustomError("exact_number", "Must be a number, or a number as text.")
    if isinstance(given, str):
        if not NUMBER.fullmatch(given):
            raise PydanticCustomError("exact_number", "Must be a decimal such as 12.5, or a fraction such as 1/3.")
        return Fraction(given)
    number = Decimal(given)
    if not number.is_finite():
        raise PydanticCustomError("exact_number", "Must be a finite number.")
    exponent = number.as_tuple().exponent
    # Looked at before it is expanded: the exponent alone can ask for gigabytes of zeros.
    if number and (number.adjusted() >= MOST_DIGITS or (isinstance(exponent, int) and exponent < -MOST_DIGITS)):
        raise PydanticCustomError(
            "exact_number", f"At most {MOST_DIGITS} digits before and {MOST_DIGITS} after the point."
        )
    return Fraction(number)


def exact_json(number: Fraction) -> int | float | str:
    """Return a number as JSON without losing anything: a JSON number where every reader gets it exactly, else text.

    Text is a decimal where one is exact ("0.1234567890123456789"), otherwise a fraction ("1/3").
    """
    twos = fives = 0
    rest = number.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return str(number)
    places = max(twos, fives)
    digits = str(abs(number.numerator) * 10**places // number.denominator)
    if len(digits.lstrip("0")) <= SAFE_DIGITS:
        return number.numerator if places == 0 else float(number)
    padded = digits.rjust(places + 1, "0")
    text = padded if places == 0 else f"{padded[:-places]}.{padded[-places:]}"
    return f"-{text}" if number < 0 else text


def _day(given: Any) -> date:
    if isinstance(given, date):
        return given
    # A number or a moment would be read as some day, silently; only a day is a day.
    if not isinstance(given, str) or not DAY.fullmatch(given):
        raise PydanticCustomError("day", "Must be a day such as 2026-09-30.")
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise PydanticCustomError("day", "There is no such day.") from None


def _moment(given: Any) -> datetime:
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not MOMENT.fullmatch(given):
        raise PydanticCustomError("moment", "Must be a moment such as 2026-08-03T14:02:00Z.")
    try:
        # A + that was not encoded in a query string arrives as a blank.
        moment = datetime.fromisoformat(given.upper().replace(" ", "+"))
    except ValueError:
        raise PydanticCustomError("moment", "There is no such moment.") from None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment", "There is no such moment.") from None


Text = Annotated[str, AfterValidator(_without_nul)]
Line = Annotated[Text, Field(min_length=1, max_length=400)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Prose = Annotated[Text, Field(max_length=10_000)]
Id = Annotated[
    str,
    Field(pattern=UUID),
    AfterValidator(str.lower),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": UUID}),
]

EXACT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": -1e18, "exclusiveMaximum": 1e18},
        {"type": "string", "pattern": NUMBER_PATTERN},
    ],
}
Exact = Annotated[Fraction, BeforeValidator(_exact), PlainSerializer(exact_json), WithJsonSchema(EXACT_SCHEMA)]
Rational = Annotated[
    Fraction,
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(/[0-9]+)?$", "examples": ["8/15"]}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
