"""A sprint to be planned, on the panel's stage: 50 points, of which 20 have a goal, 10 need none, 20 lack one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from connector import goals
from connector.issues import ensure_issue
from connector.links import declare_business_as_usual
from connector.models import Connection, Sprint
from connector.planning.sprints import refresh_sprint
from connector.sign_in import create_link
from tests.web.panel_stage import LEAD, PanelStage
from web.sandbox import Issue
from web.sandbox.modules import context_token, frame, jira_context

WITHOUT_GOAL = (
    ("Export fix for large tables", 3),
    ("Speed up the settings page", 3),
    ("Rewrite the invoice mail", 4),
    ("Dark theme of the editor", 4),
    ("Keyboard shortcuts for tables", 3),
    ("Undo in the rule editor", 3),
)


@dataclass
class PlannedStage:
    """A stage with a running sprint and one after it; both known to Ladder. Ids are Ladder's own."""

    stage: PanelStage
    sprint: object
    following: object
    sprint_id: int
    following_id: int
    aligned: Sequence[Issue]
    usual: Sequence[Issue]
    unaligned: Sequence[Issue]
    later: Sequence[Issue]

    def signed_in(self, role: str = "member", name: str = "Robin", account: str | None = LEAD) -> str:
        """Make somebody and return the address that lets them in."""
        accounts = (("jira", account),) if account else ()
        with self.stage.core.database.writing() as session:
            person = goals.create_person(
                session, self.stage.workspace_id, goals.CreatePerson(name, role=role, accounts=accounts)
            )
            secret = create_link(session, self.stage.workspace_id, now=self.stage.core.clock(), person_id=person.id)
        return f"{self.stage.ladder}/sign-in/{secret}"

    def address(self, account: str = LEAD, *, sprint: str | None = None) -> str:
        """Return the overlay's signed address, as Jira puts it into the dialog's frame."""
        site = self.stage.site
        module = next(one for one in site.installation.modules("webItems") if one["key"] == "ladder-board")  # type: ignore[union-attr]  # installed by the stage
        project = site.project("ATL")
        board = site.board_of(project)
        values = {
            "board": {"id": str(board.id)},
            "sprint": {"id": sprint if sprint is not None else str(self.sprint.id)},
        }  # type: ignore[attr-defined]  # the stand-in's sprint
        context = {**jira_context(site, None, project), **values}
        return frame(site, self.stage.person(account), module, module["url"], context).src

    def pass_for(self, account: str = LEAD) -> dict[str, str]:
        """Return the header with a context token, as Jira's bridge gives it to the overlay."""
        site = self.stage.site
        context = jira_context(site, None, site.project("ATL"))
        return {"Authorization": f"JWT {context_token(site, self.stage.person(account), context)}"}


def plan_a_sprint(stage: PanelStage, name: str = "Sprint 42") -> PlannedStage:
    """Fill two sprints on the stand-in site, and link and declare part of them."""
    site = stage.site
    running, following = site.create_sprint(name, "ATL"), site.create_sprint(f"{name} b", "ATL")
    site.start_sprint(running)
    aligned = [
        site.create_issue("Set-up wizard for single sign-on", points=5, sprint=running),
        site.create_issue("Import of users by SCIM", points=5, sprint=running, status="In Progress"),
        site.create_issue("Sign-in page by domain", points=2, sprint=running, status="Done"),
        site.create_issue("Audit log for administrators", points=8, sprint=running),
    ]
    usual = [
        site.create_issue("Help desk rota", points=5, sprint=running),
        site.create_issue("Renew certificates", points=5, sprint=running),
    ]
    unaligned = [site.create_issue(words, points=points, sprint=running) for words, points in WITHOUT_GOAL]
    later = [
        site.create_issue("Roles per project", points=5, sprint=following),
        site.create_issue("Trial without a card", points=3, sprint=following),
    ]
    stage.settle()
    for issue, key_results in zip(
        aligned, (("activation",), ("activation",), ("sso",), ("activation", "sso")), strict=True
    ):
        for key_result in key_results:
            stage.link(issue, key_result)
    stage.link(later[0], "activation")
    with stage.core.database.writing() as session:
        connection = session.scalars(select(Connection).where(Connection.tracker == "jira")).one()
        for issue, category in zip(usual, ("support", "security"), strict=True):
            row = ensure_issue(session, connection, issue.id)
            declare_business_as_usual(session, stage.workspace_id, row, category, actor="test", now=stage.core.clock())
        external_ids = (str(running.id), str(following.id))
    for external_id in external_ids:
        refresh_sprint(stage.core, connection, external_id)
    stage.settle()
    return PlannedStage(
        stage=stage,
        sprint=running,
        following=following,
        sprint_id=sprint_number(stage, running.id),
        following_id=sprint_number(stage, following.id),
        aligned=aligned,
        usual=usual,
        unaligned=unaligned,
        later=later,
    )


def sprint_number(stage: PanelStage, external_id: int | str) -> int:
    """Return Ladder's own id of a sprint."""
    with stage.core.database.reading() as session:
        return session.scalars(select(Sprint.id).where(Sprint.external_id == str(external_id))).one()
