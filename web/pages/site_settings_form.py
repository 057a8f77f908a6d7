"""What an admin sets for one connected site, as a form: one paragraph per option, one word a line."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from werkzeug.wrappers import Response

from connector.models import Connection
from connector.site_settings import edit_site_settings, find_connection
from connector.tracker import SiteOption
from web.pages.entry import Entry
from web.pages.guard import core, needs, visit, workspace
from web.pages.site import blueprint, go, page


@blueprint.route("/connections/<connection_id>/settings", methods=["GET", "POST"])
@needs("admin")
def site_settings(connection_id: str) -> Response:
    """Show or change the settings of a site; an emptied paragraph goes back to what the site itself says."""
    connection, options = _stored(connection_id)
    if request.method == "GET":
        return _form(_entry(connection, options), connection, options)
    entry = Entry.sent(request.form)
    changes = {
        option.name: _words(entry.get(option.name)) or None
        for option in options
        if _words(entry.get(option.name)) != list(option.values)
    }
    with entry.catching(lambda: _entry(*_stored(connection_id))), core().database.writing() as session:
        edit_site_settings(core(), session, workspace().id, connection_id, changes, expected_version=entry.version)
    if entry.ok:
        visit().say("Saved. The site's issues are read again." if changes else "Nothing was changed.")
        return go("connections")
    return _form(entry, connection, options, status=422)


def _form(entry: Entry, connection: Connection, options: Sequence[SiteOption], status: int = 200) -> Response:
    return page(
        "pages/site_settings.html",
        section="pages.connections",
        entry=entry,
        connection=connection,
        options=options,
        status=status,
    )


def _stored(connection_id: str) -> tuple[Connection, Sequence[SiteOption]]:
    with core().database.reading() as session:
        connection = find_connection(session, workspace().id, connection_id)
        return connection, core().tracker_of(connection).site_options(connection)


def _entry(connection: Connection, options: Sequence[SiteOption]) -> Entry:
    texts = {option.name: "\n".join(option.values) for option in options}
    return Entry.showing(texts, version=connection.version)


def _words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
