"""The demo's Linear workspace: installed by OAuth as an admin would, feeding the same key results as Jira."""

from __future__ import annotations

from sqlalchemy import select

from connector.linking import link_through_tracker
from connector.models import Connection
from connector.sign_in import create_link
from web.demo.acme import JONAS, MIRA, PRIYA
from web.demo.linear_acts import Visitor
from web.demo.season import Season
from web.demo.stage import Stage
from web.sandbox.linear.seeding import ENGINEER, LEAD, SECOND_ENGINEER

# Key result -> issues of the Linear workspace.
LINKS = {"activation": ("WEB-1", "WEB-5", "WEB-6"), "sso": ("MOB-1",), "bugs": ("MOB-4",)}
ACCOUNTS = {MIRA: LEAD, JONAS: ENGINEER, PRIYA: SECOND_ENGINEER}


def add_linear(stage: Stage, season: Season) -> None:
    """Connect the workspace, let its people be known, and link some of its issues."""
    core = stage.core
    with core.database.writing() as session:
        secret = create_link(session, season.workspace_id, now=core.clock(), person_id=season.people[MIRA])
    Visitor(stage, f"{stage.ladder_url}/sign-in/{secret}").connect_linear()
    with core.database.writing() as session:
        from connector.models import Account

        session.add_all(
            Account(
                workspace_id=season.workspace_id, person_id=season.people[name], tracker="linear", account_id=account
            )
            for name, account in ACCOUNTS.items()
        )
        connection = session.scalars(select(Connection).where(Connection.tracker == "linear")).one()
    stage.settle()
    for key_result, keys in LINKS.items():
        for key in keys:
            link_through_tracker(core, season.workspace_id, connection, season.key_results[key_result], key, actor=MIRA)
    stage.settle()
