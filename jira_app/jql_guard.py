"""Whether somebody's JQL may be kept and asked as part of a larger query; refused in words for who wrote it.

A rule's query is asked again and again, later also as `(query) AND id in (...)`: it must restrict something, must not
be able to close the parenthesis that it is put into, and must mean the same whoever asks.
"""

from __future__ import annotations

import re

from connector.tracker import TrackerRefused
from jira_app.goal_property import ALIASES, PROPERTY

# Characters. Jira takes more; beyond this nobody can tell any more what a query finds.
LONGEST = 2_000
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<open>\()
      | (?P<close>\))
      | (?P<operator>[=!<>~]+|,)
      | (?P<property>[\w.]*\.property\[[^\]"']*\][\w.]*)
      | (?P<word>[^\s()=!<>~,"'\\;]+)""",
    re.VERBOSE | re.DOTALL,
)
# What means somebody else, or nobody, when Ladder asks.
_PERSONAL = ("currentuser", "currentlogin", "lastlogin", "watchedissues", "votedissues", "issuehistory")
_COMPARED_BY = ("is", "in", "not", "was", "changed")


def bounded_query(text: str) -> str:
    """Return a query without its ORDER BY, ready to be put in parentheses; raises TrackerRefused."""
    text = text.strip()
    if not text:
        raise TrackerRefused("Write a query first, such as: project = ATL AND labels = growth")
    if len(text) > LONGEST:
        raise TrackerRefused(f"The query is longer than {LONGEST:,} characters.")
    tokens = _tokens(text)
    query = text[: _end(tokens, len(text))].strip()
    if not query:
        raise TrackerRefused("The query has no condition, so it would match every issue of the site.")
    _refuse_personal(tokens)
    _refuse_own_marks(tokens)
    return query


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Return kind, text and place of each token; refuses what could end a text or a parenthesis elsewhere."""
    found, at, depth = [], 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or "\x00" in match[0]:
            what = "a quotation mark is not closed" if text[at] in "\"'" else f"{text[at]!r} is not expected there"
            raise TrackerRefused(f"The query can't be read at character {at + 1}: {what}.")
        kind = str(match.lastgroup)
        depth += (kind == "open") - (kind == "close")
        # Otherwise `a) OR (b` would escape from the parentheses that it is put into.
        if depth < 0:
            raise TrackerRefused(f"The query closes a parenthesis at character {at + 1} that it never opened.")
        if kind != "space":
            found.append((kind, match[0], at))
        at = match.end()
    if depth:
        raise TrackerRefused("The query opens a parenthesis that it does not close.")
    return found


def _end(tokens: list[tuple[str, str, int]], length: int) -> int:
    """Return where the sorting begins: the order of what a rule matches does not matter to it."""
    depth = 0
    for (kind, word, at), following in zip(tokens, [*tokens[1:], ("", "", length)], strict=True):
        depth += (kind == "open") - (kind == "close")
        if depth == 0 and kind == "word" and word.lower() == "order" and following[1].lower() == "by":
            return at
    return length


def _refuse_personal(tokens: list[tuple[str, str, int]]) -> None:
    for (kind, word, _), following in zip(tokens, [*tokens[1:], ("", "", 0)], strict=True):
        if kind == "word" and word.lower() in _PERSONAL and following[0] == "open":
            raise TrackerRefused(f"{word}() would be Ladder itself: name the person or the issues instead.")


def _refuse_own_marks(tokens: list[tuple[str, str, int]]) -> None:
    """Refuse what a rule's own links change: it would take them away again, and make them again, without end."""
    own = {alias.casefold() for alias in ALIASES}
    for (kind, word, _), following in zip(tokens, [*tokens[1:], ("", "", 0)], strict=True):
        compared = following[0] == "operator" or following[1].lower() in _COMPARED_BY
        name = word.strip("\"'").casefold()
        if (kind in ("word", "text") and name in own and compared and following[1] != ",") or (
            kind == "property" and PROPERTY in name
        ):
            raise TrackerRefused(f"{word} follows from links, so a rule that makes links can't go by it.")
