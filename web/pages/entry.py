"""A form as somebody filled it in: text to typed values, errors beside their fields, nothing typed is ever lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from werkzeug.datastructures import MultiDict

from connector.errors import Conflict, Invalid, LostUpdate

MAX_TITLE = 400
MAX_ANSWER = 4000
MAX_NUMBER_LENGTH = 40
NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)")


@dataclass(slots=True)
class Entry:
    """The texts in a form's fields (`texts`, `many`), what is wrong with them, and what somebody else stored meanwhile.

    `was` holds the texts as the form first showed them, so that after a lost update the fields that this person did
    not touch can follow the other's change. Readers (`text`, `number`, ...) note an error and return a harmless value;
    look at `ok` before using them.
    """

    texts: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)
    was: dict[str, str] = field(default_factory=dict)
    version: int | None = None
    trouble: str = ""
    # What a use case calls a field -> what this form calls it.
    aliases: dict[str, str] = field(default_factory=dict)

    @classmethod
    def showing(
        cls, texts: Mapping[str, str], many: Mapping[str, Sequence[str]] | None = None, version: int | None = None
    ) -> Entry:
        """Return a form that shows what is stored."""
        lists = {name: list(values) for name, values in (many or {}).items()}
        return cls(dict(texts), lists, was=_flat(texts, lists), version=version)

    @classmethod
    def sent(cls, form: MultiDict[str, str]) -> Entry:
        """Return a form as it was sent. Line ends and NUL characters are tidied: PostgreSQL stores no NUL."""
        tidy = {name: [_tidy(text) for text in form.getlist(name)] for name in form}
        version = tidy.pop("version", [""])[0]
        was = tidy.pop("was", [""])[0]
        tidy.pop("token", None)
        return cls(
            texts={name: values[0] for name, values in tidy.items()},
            many=tidy,
            was=_read_was(was),
            version=int(version) if version.isdigit() and len(version) < 10 else None,
        )

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong so far."""
        return not self.errors and not self.trouble

    @property
    def was_text(self) -> str:
        """What the form's hidden field carries to remember the texts that it first showed."""
        return json.dumps(self.was, ensure_ascii=False)

    def get(self, name: str) -> str:
        """Return the text of a field as it stands."""
        return self.texts.get(name, "")

    def picked(self, name: str) -> list[str]:
        """Return all values of a field that can have several."""
        return self.many.get(name, [])

    def wrong(self, name: str, message: str) -> None:
        """Note an error beside a field; the first one stays."""
        self.errors.setdefault(name, message)

    def text(self, name: str, what: str, *, required: bool = True, limit: int = MAX_TITLE) -> str:
        """Read a line or paragraph; `what` names it in the error."""
        value = self.get(name).strip()
        if required and not value:
            self.wrong(name, f"{what} is missing.")
        if len(value) > limit:
            self.wrong(name, f"{what} can have {limit} characters; these are {len(value)}.")
        return value

    def number(self, name: str, what: str, *, required: bool = False, unit: str = "") -> Fraction | None:
        """Read an exact number; "28,5", "28.5 %" (if the unit is %) and "1 200" are understood."""
        text = re.sub(r"[\s\u00a0\u202f_]", "", self.get(name)).replace("−", "-")
        bare_unit = re.sub(r"\s", "", unit)
        if bare_unit and text.endswith(bare_unit):
            text = text[: -len(bare_unit)]
        if not text:
            if required:
                self.wrong(name, f"{what} is missing.")
            return None
        if len(text) > MAX_NUMBER_LENGTH or not NUMBER.fullmatch(text):
            self.wrong(name, f"{what} must be a number, such as 28.5.")
            return None
        if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
            self.wrong(
                name, f"Is that {text.replace(',', '')} or {text.replace(',', '.')}? Please write it without a comma."
            )
            return None
        return Fraction(text.replace(",", "."))

    def day(self, name: str, what: str, *, required: bool = False) -> date | None:
        """Read a day as a date field sends it (2026-08-03)."""
        text = self.get(name).strip()
        if not text:
            if required:
                self.wrong(name, f"{what} is missing.")
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.wrong(name, f"{what} must be a date like 2026-08-03.")
            return None

    def choice(self, name: str, what: str, allowed: Iterable[str], *, required: bool = True) -> str:
        """Read one of the allowed values; "" when none was picked and none is required."""
        value = self.get(name)
        if not value and not required:
            return ""
        if value not in set(allowed):
            self.wrong(name, f"{what}: please choose one.")
            return ""
        return value

    @contextmanager
    def catching(self, stored: Callable[[], Entry] | None = None) -> Iterator[None]:
        """Note what a use case refuses, each fault beside its field if the form has it, else at the top.

        After a lost update, `stored` gives the form as it would show what is stored now.
        """
        try:
            yield
        except Invalid as error:
            for fault in error.faults:
                self._refuse(fault.message, fault.field)
        except Conflict as error:
            self.trouble = error.message
        except LostUpdate:
            if stored is None:
                raise
            self.meet(stored())

    def _refuse(self, message: str, name: str) -> None:
        name = self.aliases.get(name, name)
        if name in self.texts or name in self.many:
            self.wrong(name, message)
        else:
            self.trouble = f"{self.trouble} {message}".strip()

    def meet(self, stored: Entry) -> None:
        """Take in what somebody else stored while this form was being filled in.

        A field that this person left alone follows the other's change; one that both changed keeps what was typed here
        and shows the other's text beside it. The version becomes theirs, so that saving again is a knowing choice.
        """
        mine = _flat(self.texts, {name: self.many.get(name, []) for name in stored.many})
        for name, text in stored.was.items():
            before, typed = self.was.get(name, ""), mine.get(name, "")
            if text in (before, typed):
                continue
            if typed == before:
                if name in stored.many:
                    self.many[name] = list(stored.many[name])
                else:
                    self.texts[name] = text
            self.theirs[name] = text
        self.was = dict(stored.was)
        self.version = stored.version
        self.trouble = (
            "Somebody saved a change while you were typing. Nothing of yours is lost: "
            "look at the marked fields and save again."
        )


def _flat(texts: Mapping[str, str], many: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {
        **{name: text for name, text in texts.items() if name not in many},
        **{n: "\n".join(v) for n, v in many.items()},
    }


def _tidy(text: str) -> str:
    return text.replace("\x00", "").replace("\r\n", "\n")


def _read_was(text: str) -> dict[str, str]:
    try:
        was = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in was.items()} if isinstance(was, dict) else {}
