"""Ready-made queries by which Jira's own boards and searches work with goals."""

from __future__ import annotations

from sqlalchemy import select
from werkzeug.wrappers import Response

from connector.goal_titles import live_titles
from connector.models import Connection
from jira_app.ready_queries import ready_queries
from web.pages.guard import core, workspace
from web.pages.site import blueprint, page

# Titles of each kind that the page offers queries for.
TITLES = 20


@blueprint.get("/help/queries")
def queries() -> Response:
    """Show the queries, with the titles of the workspace's live goals."""
    with core().database.reading() as session:
        titles = live_titles(session, workspace().id, TITLES)
        connected = select(Connection.tracker).where(
            Connection.workspace_id == workspace().id, Connection.state != "uninstalled"
        )
        trackers = set(session.scalars(connected))
    return page(
        "pages/queries.html",
        section="pages.connections",
        groups=ready_queries(titles),
        titles=titles,
        trackers=trackers,
    )
