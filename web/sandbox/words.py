"""Template filters of the pages: times, numbers and shades, in words that people read."""

from __future__ import annotations

from datetime import datetime
from zlib import crc32

from flask import Flask
from markupsafe import Markup

from .records import Issue, Person
from .site import JiraSite

SHADES = 6


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in one or two words."""
    if moment is None:
        return "never"
    seconds = int((now - moment).total_seconds())
    if seconds < 5:
        return "just now"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"


def shade(text: str) -> str:
    """A class for the colour of an avatar or an epic: the same text, the same colour."""
    return f"shade-{crc32(text.encode()) % SHADES}"


def avatar(person: Person | None) -> Markup:
    """The round initials of a person; a dashed circle for nobody."""
    if person is None:
        return Markup('<span class="avatar avatar-none" title="Unassigned"></span>')
    return Markup('<span class="avatar {}" title="{}" aria-hidden="true">{}</span>').format(
        shade(person.account_id), person.name, person.initials
    )


def type_icon(issue: Issue) -> Markup:
    """A small square with a sign for the issue type; the type's name is read aloud."""
    name = {1: "epic", -1: "subtask"}.get(issue.type.level, issue.type.name.lower())
    return Markup('<span class="type type-{}" role="img" aria-label="{}" title="{}"></span>').format(
        name, issue.type.name, issue.type.name
    )


def number(value: float | None) -> str:
    """Points without a needless decimal; nothing for none."""
    return "" if value is None else f"{value:g}"


def register_words(app: Flask, site: JiraSite) -> None:
    """Make the filters known to the templates."""
    app.jinja_env.filters["avatar"] = avatar
    app.jinja_env.filters["type_icon"] = type_icon
    app.jinja_env.filters["number"] = number
    app.jinja_env.filters["shade"] = shade
    app.jinja_env.filters["ago"] = lambda moment: ago(moment, site.now())
    app.jinja_env.filters["local"] = lambda moment: moment.astimezone(site.time_zone).strftime("%-d %b %Y, %H:%M %Z")
    app.jinja_env.filters["day"] = lambda moment: moment.astimezone(site.time_zone).strftime("%-d %b")
