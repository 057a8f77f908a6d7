"""A whole small world for tests of the issue panel: a stand-in Jira site, Ladder with a worker, a few goals.

The site installs Ladder by the signed handshake, so that whatever the panel gets has gone the whole way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import func, select
from werkzeug.serving import WSGIRequestHandler, make_server

import linear_app
from connector import goals
from connector.core import Core, build_core
from connector.issues import ensure_issue
from connector.links import link_issue
from connector.models import Connection, InboxEntry, KeyResult, Link, OutboxEntry, Workspace
from connector.scorecard import Scorecard, scorecards, today
from connector.settings import load_settings
from connector.worker import Worker
from jira_app import TRACKER
from tests.tables import make_tables
from web.app import create_app
from web.sandbox import Issue, JiraSite, Person, SiteServer
from web.sandbox.linear import WorkspaceServer
from web.sandbox.modules import context_token, frame, jira_context
from web.sandbox.seeding import ENGINEER, LEAD, VIEWER

__all__ = ["ENGINEER", "LEAD", "VIEWER", "PanelStage", "panel_stage"]

SETTLES_WITHIN = 15.0
# What a tracker is shown a moment later, bundled on purpose; no number waits for it.
SHOWN_LATER = ("show_label", "refresh_labels", "goal_marks")


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        return


@dataclass
class PanelStage:
    """Handles on both sides. Key results by short name: activation, churn, sso (counts issues), uptime (maintain)."""

    site: JiraSite
    core: Core
    ladder: str
    app: Any = field(repr=False)
    workspace_id: str = ""
    key_results: dict[str, str] = field(default_factory=dict)

    def issue(self, summary: str = "Single sign-on for everybody", **more: Any) -> Issue:
        """Make an issue on the site and wait until Ladder has heard of it."""
        issue = self.site.create_issue(summary, **more)
        self.settle()
        return issue

    def settle(self) -> None:
        """Wait until everything sent was applied and everything asked for was read."""
        self.site.webhooks.flush()
        until = time.monotonic() + SETTLES_WITHIN
        while self._waiting():
            assert time.monotonic() < until, "Ladder did not work off its inbox"
            time.sleep(0.01)

    def link(self, issue: Issue, key_result: str = "activation", **more: Any) -> str:
        """Link without the panel; returns the link's id."""
        with self.core.database.writing() as session:
            row = ensure_issue(session, self._connection(session), issue.id)
            return link_issue(
                session,
                self.workspace_id,
                self.key_results[key_result],
                row,
                actor=LEAD,
                now=self.core.clock(),
                **more,
            ).id

    def links(self) -> list[Link]:
        """Return every link, oldest first."""
        with self.core.database.reading() as session:
            return list(session.scalars(select(Link).order_by(Link.created_at)))

    def card(self, key_result: str) -> Scorecard:
        """Return a key result's scorecard."""
        with self.core.database.reading() as session:
            row = session.get_one(KeyResult, self.key_results[key_result])
            day = today(session.get_one(Workspace, self.workspace_id), self.core.clock())
            return scorecards(session, self.workspace_id, [row], day)[row.id]

    def person(self, account_id: str = LEAD) -> Person:
        """Return somebody of the site."""
        return self.site.person(account_id)

    def page_address(self, issue: Issue, account_id: str = LEAD) -> str:
        """Return the signed address of an issue's panel, as Jira puts it into the iframe."""
        module = self.site.installation.modules("jiraIssueContexts")[0]
        return frame(
            self.site, self.person(account_id), module, module["target"]["url"], jira_context(self.site, issue)
        ).src

    def pass_for(self, issue: Issue, account_id: str = LEAD) -> dict[str, str]:
        """Return the header with a context token, as Jira's bridge gives it to the panel."""
        token = context_token(self.site, self.person(account_id), jira_context(self.site, issue))
        return {"Authorization": f"JWT {token}"}

    def edit_key_result(self, key_result: str, **changes: Any) -> None:
        """Change a key result."""
        with self.core.database.writing() as session:
            goals.edit_key_result(
                session, self.workspace_id, self.key_results[key_result], changes, actor="test", now=self.core.clock()
            )

    def add_goals(self) -> None:
        """Fill the workspace: a company objective, a team's objective under it, four key results."""
        now = self.core.clock()
        with self.core.database.writing() as session:
            workspace = session.scalars(select(Workspace)).one()
            space = workspace.id
            start = now.date() - timedelta(days=45)
            cycle = goals.create_cycle(session, space, goals.CreateCycle("This quarter", start, start + timedelta(91)))
            company = goals.create_team(session, space, goals.CreateTeam("Acme", "company"))
            atlas = goals.create_team(session, space, goals.CreateTeam("Atlas", "team", company.id))
            ana = goals.create_person(session, space, goals.CreatePerson("Ana Petrova"))
            top = goals.create_objective(
                session, space, goals.CreateObjective("Become the default in regulated markets", cycle.id, company.id)
            )
            trust = goals.create_objective(
                session,
                space,
                goals.CreateObjective("Win the trust of enterprise admins", cycle.id, atlas.id, parent_id=top.id),
            )
            metric = goals.Definition(baseline=Fraction(22), target=Fraction(35))
            falling = goals.Definition(baseline=Fraction(8), target=Fraction(5))
            band = goals.Definition(kind="maintain", band=(Fraction("99.5"), None))
            for name, title, definition, more in (
                ("activation", "Activation rate", metric, {"unit": "%", "value": Fraction(28)}),
                ("churn", "Churn of paying teams", falling, {"unit": "%"}),
                ("sso", "Enterprise sign-in is finished", goals.Definition(kind="issue_ratio"), {}),
                ("uptime", "Availability of the export service", band, {"unit": "%"}),
            ):
                command = goals.CreateKeyResult(trust.id, title, [ana.id], definition, **more)  # type: ignore[arg-type]  # the names are those of the command
                made = goals.create_key_result(session, space, command, actor="test", now=now)
                self.key_results[name] = made.id
            goals.record_check_in(
                session,
                space,
                self.key_results["activation"],
                goals.RecordCheckIn(status="green"),
                actor="test",
                now=now,
            )

    def _connection(self, session: Any) -> Connection:
        return session.scalars(select(Connection).where(Connection.tracker == "jira")).one()

    def _waiting(self) -> int:
        with self.core.database.reading() as session:
            entries = select(func.count()).select_from(InboxEntry).where(InboxEntry.state == "waiting")
            errands = (
                select(func.count())
                .select_from(OutboxEntry)
                .where(OutboxEntry.state == "waiting", OutboxEntry.kind.not_in(SHOWN_LATER))
            )
            return (session.scalar(entries) or 0) + (session.scalar(errands) or 0)


@contextmanager
def panel_stage(
    folder: Path, *, with_goals: bool = True, database_url: str = "", linear: WorkspaceServer | None = None
) -> Iterator[PanelStage]:
    """Start both sides on free ports of this machine; on an SQLite file in `folder` unless told otherwise.

    `linear` is a running stand-in workspace, in which Ladder gets registered.
    """
    site = JiraSite("Acme", "http://127.0.0.1:1", seed=False)
    jira = SiteServer(site)
    server = make_server("127.0.0.1", 0, _nothing, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]  # werkzeug's type leaves the mixin out
    ladder = f"http://127.0.0.1:{server.server_port}"
    trackers: dict[str, Any] = {"jira": TRACKER}
    for_linear: dict[str, Any] = {}
    if linear is not None:
        trackers["linear"] = linear_app.TRACKER
        registered = linear.workspace.oauth.register(
            redirect_uri=f"{ladder}/linear/callback", webhook_url=f"{ladder}/linear/webhooks"
        )
        for_linear = {
            "linear_client_id": registered.client_id,
            "linear_client_secret": registered.client_secret,
            "linear_webhook_secrets": registered.webhook_secret,
            "linear_api_url": linear.api_url,
            "linear_oauth_url": linear.oauth_url,
        }
    settings = load_settings(
        env_file=None,
        database_url=database_url or f"sqlite:///{folder / 'ladder.db'}",
        secret_keys=Fernet.generate_key().decode(),
        base_url=ladder,
        connect_key_hosts=f"{jira.url}/keyhost",
        connect_script_url=f"{jira.url}/atlassian-connect/all.js",
        jira_hosts=jira.url,
        **for_linear,
    )
    core = build_core(settings, trackers=trackers)
    make_tables(core.database)
    server.app = create_app(core)
    thread = threading.Thread(target=server.serve_forever, name="ladder", daemon=True)
    worker = Worker(core)
    try:
        with jira:
            thread.start()
            worker.start()
            site.install(ladder)
            stage = PanelStage(site, core, ladder, server.app)
            with core.database.reading() as session:
                stage.workspace_id = session.scalars(select(Workspace)).one().id
            if with_goals:
                stage.add_goals()
            stage.settle()
            yield stage
    finally:
        server.shutdown()
        server.server_close()
        worker.stop(10)
        core.close()


def _nothing(environ: Any, start_response: Any) -> list[bytes]:
    start_response("503 Not yet", [])
    return []
