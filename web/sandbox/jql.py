"""A useful subset of JQL: parsed into a tree (`jql_search.py` judges issues by it).

Grammar: AND, OR, NOT, parentheses, ORDER BY; operators = != > >= < <= ~ !~ IN, NOT IN, IS [NOT] EMPTY. Whatever is
outside the subset is refused with a message, as Jira refuses what it cannot parse; nothing is ignored silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<operator>>=|<=|!=|!~|=|>|<|~|\(|\)|,)
      | (?P<word>issue\.property\[[^\]]+\](?:\.[\w.]+)?|cf\[\d+\]|[^\s"'()=!<>~,]+)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
ALIASES = {
    "issue": "key", "issuekey": "key", "id": "key", "type": "issuetype", "label": "labels", "createddate": "created",
    "updateddate": "updated", "epic link": "parent",
}  # fmt: skip
FIELDS = frozenset(
    {
        *("key", "project", "parent", "updated", "created", "sprint", "status", "statuscategory", "issuetype"),
        *("labels", "assignee", "reporter", "resolution", "summary", "text"),
    }
)
DATES = frozenset({"created", "updated"})


class JqlError(Exception):
    """The query cannot be run; the text is what the 400 answer says."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    arguments: tuple[str, ...]


Value = str | Function


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison; `values` is empty for IS EMPTY."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`word` is and, or, not."""

    word: str
    parts: tuple[Clause | Group, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; `where` is None when nothing restricts it."""

    where: Clause | Group | None
    order: tuple[tuple[str, bool], ...]

    @property
    def bounded(self) -> bool:
        """Whether anything restricts the search; Jira refuses unbounded ones."""
        return self.where is not None


def parse(text: str) -> Query:
    """Read a query; raises `JqlError`."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at, text = 0, text.strip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise JqlError(
                    f"Error in the JQL Query: the character '{text[at]}' at position {at + 1} is not expected."
                )
            kind = match.lastgroup or ""
            found = match.group(kind)
            if kind == "text":
                found = re.sub(r"\\(.)", r"\1", found[1:-1])
            self.tokens.append((kind, found))
            at = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def word(self) -> str:
        kind, found = self.peek()
        return found.lower() if kind == "word" else ""

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, operator: str) -> None:
        kind, found = self.take()
        if (kind, found) != ("operator", operator):
            raise JqlError(f"Error in the JQL Query: expected '{operator}' before '{found or 'the end'}'.")

    def query(self) -> Query:
        where = None
        if self.peek()[0] != "end" and self.word() != "order":
            where = self.either()
        order: list[tuple[str, bool]] = []
        if self.word() == "order":
            self.take()
            if self.word() != "by":
                raise JqlError("Error in the JQL Query: expected 'BY' after 'ORDER'.")
            self.take()
            while True:
                # Sorting by id is not sorting by key: a moved issue shows the difference.
                name = "id" if self.word() == "id" and self.take() else self.field()
                descending = self.word() == "desc"
                if self.word() in ("asc", "desc"):
                    self.take()
                order.append((name, descending))
                if self.peek() != ("operator", ","):
                    break
                self.take()
        if self.peek()[0] != "end":
            raise JqlError(f"Error in the JQL Query: '{self.peek()[1]}' is not expected here.")
        return Query(where, tuple(order))

    def either(self) -> Clause | Group:
        return self.chain("or", self.both)

    def both(self) -> Clause | Group:
        return self.chain("and", self.single)

    def chain(self, word: str, part: Any) -> Clause | Group:
        parts = [part()]
        while self.word() == word:
            self.take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Group(word, tuple(parts))

    def single(self) -> Clause | Group:
        if self.word() == "not":
            self.take()
            return Group("not", (self.single(),))
        if self.peek() == ("operator", "("):
            self.take()
            inner = self.either()
            self.expect(")")
            return inner
        return self.clause()

    def field(self) -> str:
        kind, found = self.take()
        if kind not in ("word", "text"):
            raise JqlError(f"Error in the JQL Query: expected a field name, not '{found or 'the end'}'.")
        name = found.lower()
        return ALIASES.get(name, name if name in FIELDS or name == "rank" else found)

    def clause(self) -> Clause:
        name = self.field()
        kind, found = self.take()
        operator = found.lower()
        if kind == "word" and operator == "is":
            negated = self.word() == "not"
            if negated:
                self.take()
            if self.take()[1].lower() not in ("empty", "null"):
                raise JqlError("Error in the JQL Query: expected EMPTY after IS.")
            return Clause(name, "is not" if negated else "is", ())
        if kind == "word" and operator in ("in", "not"):
            if operator == "not":
                if self.take()[1].lower() != "in":
                    raise JqlError("Error in the JQL Query: expected IN after NOT.")
                operator = "not in"
            return Clause(name, operator, self.several())
        if kind != "operator" or operator in "(),":
            raise JqlError(f"Error in the JQL Query: expected an operator before '{found or 'the end'}'.")
        value = self.value()
        if isinstance(value, str) and value.lower() in ("empty", "null") and operator in ("=", "!="):
            return Clause(name, "is" if operator == "=" else "is not", ())
        return Clause(name, operator, (value,))

    def several(self) -> tuple[Value, ...]:
        if self.peek() != ("operator", "("):
            return (self.value(),)
        self.take()
        values = [self.value()]
        while self.peek() == ("operator", ","):
            self.take()
            values.append(self.value())
        self.expect(")")
        return tuple(values)

    def value(self) -> Value:
        kind, found = self.take()
        if kind not in ("word", "text"):
            raise JqlError(f"Error in the JQL Query: expected a value, not '{found or 'the end'}'.")
        if kind == "word" and self.peek() == ("operator", "("):
            self.take()
            arguments = []
            while self.peek()[0] in ("word", "text"):
                arguments.append(self.take()[1])
                if self.peek() == ("operator", ","):
                    self.take()
            self.expect(")")
            return Function(found.lower(), tuple(arguments))
        return found
