"""Reading goals as people write them: time expressions, numbers, from-to pairs and the first verb (English)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if len(name) > 3 else name for name in MONTHS) + "|sept"
_COUNT = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|thirty|sixty|ninety)"
_SPAN = r"(?:day|week|month|quarter|year|sprint|half|cycle)"
_STRETCH = rf"(?:fiscal\s+|calendar\s+|financial\s+)?(?:{_SPAN}(?:-year)?|semester|season|summer|autumn|winter|spring)"

# The longer forms stand before the shorter ones that they contain.
_ISO = r"\b(?P<iso>\d{4}-\d{2}-\d{2})\b"
_QUARTER = (
    r"\b(?:(?P<year_before>20\d{2})[ -]?)?q(?P<quarter>[1-4])"
    r"(?:\s*[/-]?\s*(?:fy\s?)?(?P<quarter_year>'?\d{2}(?:\d{2})?))?\b"
)
_HALF = r"\bh(?P<half>[12])(?:\s*/?\s*(?P<half_year>20\d{2}))?\b"
_DAY_MONTH = (
    rf"\b(?P<day_before>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month_a>{_MONTH})\b\.?"
    r"(?:,?\s+(?P<year_a>20\d{2}))?"
)
_MONTH_DAY = rf"\b(?P<month_b>{_MONTH})\.?\s+(?P<day_after>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<year_b>20\d{{2}}))?"
_MONTH_YEAR = rf"\b(?P<month_c>{_MONTH})\.?\s+(?P<year_c>20\d{{2}})\b"
# "May" and "March" are also verbs, so a month alone needs a word before it that makes it a time.
_MONTH_ALONE = (
    rf"\b(?:in|by|until|till|before|during|of|end|early|mid|late|since)[\s-]+(?P<month_d>{_MONTH})\b(?!\.?\s+\d)"
)
_YEAR_END = r"\b(?:(?P<year_end>(?:end of (?:the |this )?|by )year(?:[ -]end)?|year[ -]end|eoy))\b"
_QUARTER_END = r"\b(?P<quarter_end>(?:end of (?:the |this )?|by )quarter(?:[ -]end)?|quarter[ -]end|eoq)\b"
_FISCAL = r"\bfy\s?'?\d{2}(?:\d{2})?\b"
_SLASHED = r"\b\d{1,2}[./]\d{1,2}[./](?:20)?\d{2}\b"
_AFTER_EVENT = (
    rf"\b(?:within|in|after|over|for)\s+(?:the\s+)?(?:(?:first|next|coming|last)\s+)?{_COUNT}[\s-]+{_SPAN}s?"
    r"(?:\s+(?:of|after|from|following)\s+(?:the\s+)?\w+)?"
)
_NAMED = (
    rf"\b(?:(?:by|in|within|during|over|before|until|throughout|for)\s+)?(?:the\s+)?(?:end\s+of\s+)?"
    rf"(?:the\s+)?(?:this|next|current|coming|upcoming|first|second|third|fourth|last|following)\s+"
    rf"(?:{_COUNT}\s+)?{_STRETCH}s?\b"
)
_THE_STRETCH = (
    rf"\b(?:by|in|within|during|over|before|until|throughout)\s+(?:the\s+)?(?:end\s+of\s+)?"
    rf"(?:the|their|its)\s+(?:first\s+)?{_STRETCH}\b"
)
_YEAR = r"\b(?P<year>20[2-9]\d)\b"
TIME = re.compile(
    "|".join(
        (
            _ISO,
            _QUARTER,
            _HALF,
            _DAY_MONTH,
            _MONTH_DAY,
            _MONTH_YEAR,
            _MONTH_ALONE,
            _SLASHED,
            _YEAR_END,
            _QUARTER_END,
            _FISCAL,
            _AFTER_EVENT,
            _NAMED,
            _THE_STRETCH,
            _YEAR,
        )
    ),
    re.IGNORECASE,
)

# Digits inside names are no measure: certificates, versions, priorities, "24/7", and letters grown together with them.
_NAME_WITH_DIGITS = re.compile(
    r"\b(?:soc|iso|iec|pci(?:[ -]dss)?|en|nist|web|office|version|phase|tier|level|series|top|p|v|s|sev)"
    r"[ -]?\d[\d.:-]*\b"
    r"|\b24/7\b|\b[a-z]+\d+[a-z\d]*\b|\b\d+[a-z]{2,}\d+\w*\b|\bb2[bcg]\b",
    re.IGNORECASE,
)
_NUMBER = (
    r"[-+−]?[$€£¥]?\s?(?P<{0}>\d+(?:[.,]\d+)*)\s?"
    r"(?P<{0}_unit>%|percent(?:age points?)?|per cent|pp|bn|million|thousand|[km](?![a-z])|x(?![a-z]))?"
)
NUMBER = re.compile(_NUMBER.format("number"), re.IGNORECASE)
FROM_TO = re.compile(
    r"\bfrom\s+(?:[^\d\s]+\s+){0,4}?"
    + _NUMBER.format("low")
    + r"(?:\s+(?!to\b)[^\d\s]+){0,4}\s+(?:up\s+|down\s+)?to\s+"
    r"(?:[^\d\s]+\s+){0,4}?" + _NUMBER.format("high"),
    re.IGNORECASE,
)
ARROW = re.compile(
    _NUMBER.format("low")
    + r"(?:\s+[^\d\s]+){0,3}?\s*(?:→|->|–>|=>|⇒|\bto\b)\s*(?:[^\d\s]+\s+){0,2}?"
    + _NUMBER.format("high"),
    re.IGNORECASE,
)
NUMBER_WORD = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|hundred|thousand|million)\b",
    re.IGNORECASE,
)
CHANGE_BY = re.compile(r"\bby\s+(?:at\s+least\s+|over\s+|more\s+than\s+)?[$€£]?\d", re.IGNORECASE)
_MAGNITUDES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000, "bn": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Days:
    """The calendar that a text is judged in; both days belong to it."""

    starts_on: date
    ends_on: date


_NEXT_CYCLE = re.compile(
    r"\b(?:by|in)\s+(?:the\s+)?(?:end\s+of\s+)?(?:the\s+)?next\s+(?:quarter|year|half|cycle)\b", re.IGNORECASE
)


def has_time(text: str) -> bool:
    """Tell whether a time expression of any sort is in the text."""
    return TIME.search(text) is not None


def without_time(text: str) -> str:
    """Return the text without its time expressions and names with digits: the digits that are left are measures."""
    return _NAME_WITH_DIGITS.sub(" · ", TIME.sub(" · ", text))


def last_day(text: str, within: Days) -> date | None:
    """Return the day by which something is due, the last one that is named; None when it is told relative to an event.

    A month or quarter without a year is the one of the year in which the cycle ends.
    """
    found = [day for match in TIME.finditer(text) if (day := _day_of(match, within)) is not None]
    if _NEXT_CYCLE.search(text):
        # How long the next one is does not matter to anybody who asks whether this one has ended by then.
        found.append(within.ends_on + timedelta(days=1))
    return max(found, default=None)


def from_to(text: str) -> tuple[Fraction, Fraction, bool] | None:
    """Return (from, to, as percentages) if the text names both, times cut out already."""
    match = FROM_TO.search(text) or ARROW.search(text)
    if match is None:
        return None
    units = [(match[f"{end}_unit"] or "").lower() for end in ("low", "high")]
    low, high = (_value(match[end], unit) for end, unit in zip(("low", "high"), units, strict=True))
    return low, high, any(unit.startswith(("%", "p")) for unit in units)


def has_number(text: str) -> bool:
    """Tell whether digits are left, times cut out already."""
    return NUMBER.search(text) is not None


def only_changes_by(text: str) -> bool:
    """Tell whether the only number is a difference ("by 15 percent"), which names neither end."""
    return CHANGE_BY.search(text) is not None and len(NUMBER.findall(text)) == 1


def words(text: str) -> list[str]:
    """Return the words in lower case."""
    return re.findall(r"[a-z]+(?:[-'’][a-z]+)*", text.lower())


def _value(digits: str, unit: str) -> Fraction:
    # "1,200" is twelve hundred, "1,5" one and a half: a comma before exactly three digits groups them.
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", digits).replace(",", ".")
    whole, _, rest = plain.partition(".")
    rest = rest.replace(".", "")
    return Fraction(f"{whole}.{rest}" if rest else whole) * _MAGNITUDES.get(unit, 1)


def _day_of(match: re.Match[str], within: Days) -> date | None:
    year = within.ends_on.year
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        if match["quarter"]:
            named = match["year_before"] or match["quarter_year"]
            return _month_end(_full_year(named, year), int(match["quarter"]) * 3)
        if match["half"]:
            return _month_end(_full_year(match["half_year"], year), int(match["half"]) * 6)
        for month, day, named in (("month_a", "day_before", "year_a"), ("month_b", "day_after", "year_b")):
            if match[month]:
                return date(_full_year(match[named], year), _month_number(match[month]), int(match[day]))
        for month, named in (("month_c", "year_c"), ("month_d", None)):
            if match[month]:
                return _month_end(_full_year(match[named] if named else None, year), _month_number(match[month]))
    except ValueError:
        return None
    if match["year_end"]:
        return date(year, 12, 31)
    if match["quarter_end"]:
        return within.ends_on
    return date(int(match["year"]), 12, 31) if match["year"] else None


def _full_year(text: str | None, otherwise: int) -> int:
    if not text:
        return otherwise
    number = int(text.lstrip("'"))
    return number + 2000 if number < 100 else number


def _month_number(text: str) -> int:
    return 1 + [name[:3] for name in MONTHS].index(text.lower()[:3])


def _month_end(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=1)
