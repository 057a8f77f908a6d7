"""Template filters of the pages: icons of states, priorities and labels, and texts with times in them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from ..words import ago, number, shade
from .payloads import PRIORITIES
from .records import Attachment, Label, User, WorkflowState
from .workspace import LinearWorkspace

_VARIABLE = re.compile(r"\{(\w+?)__(since|relativeTimestamp|date|time|dateTime)\}")
_CIRCLE = '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"{}/>'
_SHAPES = {
    "triage": '<circle cx="8" cy="8" r="7"/><path d="M5 9.5h6M9 7.5l2 2-2 2" class="cut"/>',
    "backlog": _CIRCLE.format(' stroke-dasharray="2 1.8"'),
    "unstarted": _CIRCLE.format(""),
    "started": _CIRCLE.format("") + '<path d="M8 4.5a3.5 3.5 0 0 1 0 7z"/>',
    "completed": '<circle cx="8" cy="8" r="7"/><path d="M4.8 8.3l2.2 2.2 4.2-4.6" class="cut"/>',
    "canceled": '<circle cx="8" cy="8" r="7"/><path d="M5.5 5.5l5 5M10.5 5.5l-5 5" class="cut"/>',
    "duplicate": '<circle cx="8" cy="8" r="7"/><path d="M5 8h6" class="cut"/>',
}


def state_icon(state: WorkflowState) -> Markup:
    """The round sign of a workflow state, by its type; its name is read aloud."""
    shape = Markup(_SHAPES[state.type])  # noqa: S704 - shapes of our own
    return Markup('<svg class="state state-{}" viewBox="0 0 16 16" role="img" aria-label="{}">{}</svg>').format(
        state.type, state.name, shape
    )


def priority_icon(priority: int) -> Markup:
    """Three bars, of which some are dark; a filled square for urgent."""
    name = PRIORITIES[priority]
    if priority == 1:
        body = '<rect x="1" y="1" width="14" height="14" rx="3"/><path d="M8 4v4.5M8 11v1" class="cut"/>'
    else:
        lit = {0: 0, 2: 3, 3: 2, 4: 1}[priority]
        body = "".join(
            f'<rect x="{1.5 + 5 * at}" y="{10 - 3 * at}" width="3" height="{4 + 3 * at}" rx="1"'
            f"{'' if at < lit else ' opacity=' + chr(34) + '.3' + chr(34)}/>"
            for at in range(3)
        )
    shape = Markup(body)  # noqa: S704 - shapes of our own
    return Markup('<svg class="priority priority-{}" viewBox="0 0 16 16" role="img" aria-label="{}">{}</svg>').format(
        priority, name, shape
    )


def label_chip(label: Label, group: Label | None = None) -> Markup:
    """A label: a dot in its colour and its name, with the group's name before it."""
    prefix = Markup('<span class="chip-group">{}</span>').format(group.name) if group else ""
    return Markup('<span class="chip" title="{}">{}{}<span class="chip-name">{}</span></span>').format(
        f"{group.name}: {label.name}" if group else label.name, dot(label.color), prefix, label.name
    )


def dot(color: str) -> Markup:
    """A small circle in any colour."""
    return Markup(
        '<svg class="dot" viewBox="0 0 8 8" aria-hidden="true"><circle cx="4" cy="4" r="4" fill="{}"/></svg>'
    ).format(color)


def avatar(user: User | None) -> Markup:
    """The initials of somebody in a circle, of an application in a square; a dashed circle for nobody."""
    if user is None:
        return Markup('<span class="avatar avatar-none" title="Nobody"></span>')
    return Markup('<span class="avatar {} {}" title="{}" aria-hidden="true">{}</span>').format(
        shade(user.id), "avatar-app" if user.app else "", user.name, user.initials
    )


def subtitle(attachment: Attachment, now: datetime) -> Markup:
    """The subtitle with its times filled in from the metadata, as `{updatedAt__relativeTimestamp}` asks for.

    A variable that the metadata lack stays as it is written, so that the mistake can be seen.
    """

    def filled(found: re.Match[str]) -> str:
        moment = read_moment(attachment.metadata.get(found[1]))
        if moment is None:
            return found[0]
        written = {"date": "%-d %b %Y", "time": "%H:%M", "dateTime": "%-d %b %Y, %H:%M"}.get(found[2])
        if written is not None:
            return moment.strftime(written)
        passed = ago(moment, now)
        return passed.removesuffix(" ago") if found[2] == "since" else passed

    return escape(_VARIABLE.sub(filled, attachment.subtitle or ""))


def read_moment(value: Any) -> datetime | None:
    """A moment in an attachment's metadata; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def register_words(app: Flask, workspace: LinearWorkspace) -> None:
    """Make the filters known to the templates."""
    filters = app.jinja_env.filters
    filters.update(
        avatar=avatar,
        dot=dot,
        number=number,
        priority_icon=priority_icon,
        shade=shade,
        state_icon=state_icon,
        ago=lambda moment: ago(moment, workspace.now()) if moment else "",
        attachment_subtitle=lambda one: subtitle(one, workspace.now()),
        day=lambda moment: moment.strftime("%-d %b"),
        local=lambda moment: moment.strftime("%-d %b %Y, %H:%M UTC"),
        moment=read_moment,
        chip=lambda one: label_chip(one, workspace.labels.get(one.parent_id or "")),
        priority_word=lambda one: PRIORITIES[one],
    )
