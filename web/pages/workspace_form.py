"""The form for what holds for everybody: the workspace's name and its time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask import request
from werkzeug.wrappers import Response

from connector.models import Workspace
from connector.workspaces import edit_workspace as edit
from web.pages.entry import Entry
from web.pages.guard import core, needs, visit, workspace
from web.pages.site import blueprint, go, page


@blueprint.route("/workspace/edit", methods=["GET", "POST"])
@needs("admin")
def edit_workspace() -> Response:
    """Edit the workspace."""
    zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone or zone == "UTC"]
    if request.method == "GET":
        return page("pages/workspace_form.html", section="pages.cycles", entry=_stored(workspace()), zones=zones)
    entry = Entry.sent(request.form)
    name = entry.text("name", "The name", limit=200)
    timezone = entry.choice("timezone", "Time zone", [zone for zone, _ in zones])
    if entry.ok:
        with entry.catching(lambda: _stored(workspace())), core().database.writing() as session:
            edit(session, workspace().id, name=name, timezone=timezone, expected_version=entry.version)
        if entry.ok:
            visit().say("Saved. Days and weeks follow this time zone.")
            return go("cycles")
    return page("pages/workspace_form.html", section="pages.cycles", entry=entry, zones=zones, status=422)


def _stored(stored: Workspace) -> Entry:
    return Entry.showing({"name": stored.name, "timezone": stored.timezone}, version=stored.version)
