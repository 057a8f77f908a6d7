"""Connecting Linear, signing in with it, and Ladder's page for an issue of it, beside the stand-in workspace."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from connector.core import Core, build_core
from connector.models import (
    Account,
    Base,
    Connection,
    Cycle,
    KeyResult,
    Link,
    Objective,
    Person,
    Team,
    Workspace,
    utcnow,
)
from connector.outbox import enqueue
from connector.settings import load_settings
from connector.sign_in import create_link
from connector.worker import Worker
from linear_app import TRACKER
from tests.web.pages.conftest import Visitor
from web.app import create_app
from web.sandbox.linear import Issue, LinearWorkspace, WorkspaceServer
from web.sandbox.linear.seeding import ENGINEER, GUEST, LEAD

BASE = "http://127.0.0.1:8080"
KEY_RESULT = "Ship single sign-on"


@dataclass
class House:
    """Ladder's pages, the stand-in workspace, and people on the way between them."""

    core: Core
    app: Flask
    acme: LinearWorkspace
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.worker = Worker(self.core)
        self.worker._pace = lambda _connection_id: None  # type: ignore[method-assign]  # no need to spare the stand-in

    def come_in(self, role: str = "admin", name: str = "Root") -> Visitor:
        """Let somebody in by a one-time link."""
        with self.core.database.writing() as session:
            person = Person(workspace_id="w", name=name, role=role)
            session.add(person)
            session.flush()
            secret = create_link(session, "w", now=self.core.clock(), person_id=person.id)
        visitor = self.stranger()
        visitor.read(f"/sign-in/{secret}")
        visitor.send(f"/sign-in/{secret}")
        return visitor

    def stranger(self) -> Visitor:
        return Visitor(self.app.test_client())

    def go(self, visitor: Visitor, path: str, *, person: str | None = None, answer: str = "agree") -> str:
        """Follow the way to Linear, answer there, and return the callback's path."""
        left = visitor.client.get(path, headers=visitor.headers)
        assert left.status_code == 303, left.text
        back = urlsplit(self.acme.oauth.visit(left.location, person=person, answer=answer))
        return f"{back.path}?{back.query}"

    def connect(self, visitor: Visitor) -> Connection:
        answer = visitor.client.get(self.go(visitor, "/linear/install"), headers=visitor.headers)
        assert (answer.status_code, answer.location) == (303, "/connections"), answer.text
        return self.connection()

    def connection(self) -> Connection:
        with self.core.database.reading() as session:
            return session.scalars(select(Connection)).one()

    def settle(self) -> None:
        for _ in range(20):
            if not self.worker.run_once():
                return

    def read_issue(self, title: str = "Log in with SSO", **more: object) -> tuple[Issue, str]:
        """Make an issue in Linear, have it read; return it and the address of our page for it."""
        issue = self.acme.create_issue(title, **more)  # type: ignore[arg-type]  # as the stand-in takes them
        connection = self.connection()
        with self.core.database.writing() as session:
            enqueue(session, connection.id, "fetch_issue", issue.id)
        self.settle()
        return issue, f"/issues/linear/{connection.id}/{issue.id}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Everything set up, nothing connected."""
    acme = LinearWorkspace("Acme", seed=False)
    with WorkspaceServer(acme) as server:
        acme.oauth.register(redirect_uri=f"{BASE}/linear/callback", webhook_secret="made-up")
        settings = load_settings(
            env_file=None,
            database_url=f"sqlite:///{tmp_path / 'ladder.db'}",
            base_url=BASE,
            linear_client_id="stand-in-client",
            linear_client_secret="stand-in-client-secret",
            linear_webhook_secrets="made-up",
            linear_api_url=server.api_url,
            linear_oauth_url=server.oauth_url,
        )
        core = build_core(settings, trackers={"linear": TRACKER})
        Base.metadata.create_all(core.database.engine)
        day = utcnow().date()
        with core.database.writing() as session:
            session.add(Workspace(id="w", name="Acme"))
            session.flush()
            session.add_all([Person(id="p", workspace_id="w", name="Ada"), Team(id="t", workspace_id="w", name="Web")])
            dates = {"starts_on": day - timedelta(days=9), "ends_on": day + timedelta(days=60)}
            session.add(Cycle(id="q", workspace_id="w", name="Q", **dates))
            session.flush()
            session.add(Objective(id="o", workspace_id="w", title="Everybody gets in", cycle_id="q", team_id="t"))
            session.flush()
            session.add(
                KeyResult(
                    id="kr", workspace_id="w", objective_id="o", driver_id="p", kind="issue_ratio", title=KEY_RESULT
                )
            )
        app = create_app(core)
        app.testing = False
        yield House(core, app, acme)
        core.close()


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def test_an_admin_connects_a_workspace_and_it_joins_theirs(house: House) -> None:
    admin = house.come_in()
    assert "Connect Linear" in admin.read("/connections")
    connection = house.connect(admin)
    assert (connection.workspace_id, connection.state) == ("w", "active")
    assert connection.site == f"{house.acme.base_url}/acme"
    page = admin.read("/connections")
    assert f"{connection.site} is connected" in page
    assert "Reconnect" in page


def test_only_an_admin_can_begin(house: House) -> None:
    member = house.come_in("member", "Grace")
    assert "Connect Linear</a>" not in member.read("/connections")
    member.read("/linear/install", 403)


def test_without_a_registered_application_the_page_says_how_to_register_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.core.trackers["linear"].oauth, "_id", "")  # type: ignore[attr-defined]  # Linear's own
    admin = house.come_in()
    assert "ladder linear manifest" in admin.read("/connections")
    admin.read("/linear/install", 404)


@pytest.mark.parametrize(
    ("answer", "title"),
    [("decline", "Linear did not let Ladder in"), ("ask", "An admin must approve Ladder first")],
)
def test_a_no_and_a_not_yet_have_their_own_words(house: House, answer: str, title: str) -> None:
    admin = house.come_in()
    back = house.go(admin, "/linear/install", answer=answer)
    assert heading(admin.read(back, 409)) == title
    with house.core.database.reading() as session:
        assert session.scalars(select(Connection)).all() == []


def test_pending_approval_without_a_word_is_understood(house: House) -> None:
    house.acme.oauth.pending_error = None
    admin = house.come_in()
    back = house.go(admin, "/linear/install", answer="ask")
    assert heading(admin.read(back, 409)) == "An admin must approve Ladder first"


def test_a_state_works_once_and_only_in_the_browser_that_began(house: House) -> None:
    admin, other = house.come_in(), house.come_in(name="Another admin")
    back = house.go(admin, "/linear/install")
    # Somebody sends their own callback to another admin, to connect a workspace of theirs in that admin's name.
    assert heading(other.read(back, 409)) == "This way back leads nowhere"
    assert admin.client.get(back, headers=admin.headers).status_code == 303
    assert heading(admin.read(back, 409)) == "This way back leads nowhere"


def test_who_is_no_admin_any_more_connects_nothing(house: House) -> None:
    admin = house.come_in()
    back = house.go(admin, "/linear/install")
    with house.core.database.writing() as session:
        session.scalars(select(Person).where(Person.name == "Root")).one().role = "member"
    admin.read(back, 403)
    with house.core.database.reading() as session:
        assert session.scalars(select(Connection)).all() == []


def test_an_organization_of_another_workspace_is_refused(house: House) -> None:
    admin = house.come_in()
    connection = house.connect(admin)
    with house.core.database.writing() as session:
        session.add(Workspace(id="elsewhere", name="Elsewhere"))
        session.flush()
        session.get_one(Connection, connection.id).workspace_id = "elsewhere"
    back = house.go(admin, "/linear/install")
    assert heading(admin.read(back, 409)) == "This Linear workspace is connected elsewhere"


def test_disconnecting_keeps_the_row_and_connecting_again_takes_it_up(house: House) -> None:
    admin = house.come_in()
    first = house.connect(admin)
    admin.read("/connections")
    assert "Disconnected" in admin.do(f"/connections/{first.id}/disconnect")
    assert (house.connection().state, house.connection().credential) == ("uninstalled", None)
    assert house.connect(admin).id == first.id
    assert house.connection().state == "active"


def test_a_member_signs_in_with_linear_and_lands_where_they_were_going(house: House) -> None:
    house.connect(house.come_in())
    _, address = house.read_issue()
    visitor = house.stranger()
    sent = visitor.client.get(f"{address}?key_result=kr", headers=visitor.headers)
    assert sent.status_code == 303
    page = visitor.read(sent.location)
    door = html.unescape(re.search(r'href="(/linear/sign-in[^"]*)"', page)[1])  # type: ignore[index]  # or it fails
    back = house.go(visitor, door, person=ENGINEER)
    answer = visitor.client.get(back, headers=visitor.headers)
    assert answer.location == f"{address}?key_result=kr"
    assert "Log in with SSO" in visitor.read(answer.location)
    with house.core.database.reading() as session:
        account = session.scalars(select(Account)).one()
        person = session.get_one(Person, account.person_id)
        assert (account.tracker, account.account_id, person.role) == ("linear", ENGINEER, "member")


def test_the_link_on_a_cycle_leads_a_member_through_linear_to_its_plan(house: House) -> None:
    house.acme.create_cycle("WEB", starts_at=house.acme.now())
    house.acme.create_issue("Log in with SSO", cycle="active")
    house.acme.create_issue("Rotate keys", team="SEC")
    house.connect(house.come_in())
    house.settle()
    (link,) = house.acme.external_links.values()
    with house.core.database.writing() as session:
        # Another workspace of this Ladder, with an older door of its own.
        session.add(Workspace(id="x", name="Other"))
        session.flush()
        more = {"site": "s", "state": "active", "installed_at": utcnow() - timedelta(days=1)}
        session.add(Connection(id="y", workspace_id="x", tracker="linear", tenant_key="z", settings={}, **more))
    address = link.url.removeprefix(BASE)
    visitor = house.stranger()
    page = visitor.read(visitor.client.get(address, headers=visitor.headers).location)
    door = html.unescape(re.search(r'href="(/linear/sign-in[^"]*)"', page)[1])  # type: ignore[index]  # or it fails
    answer = visitor.client.get(house.go(visitor, door, person=ENGINEER), headers=visitor.headers)
    assert answer.location == address
    visitor.read(address)
    house.settle()
    plan = visitor.read(address)
    assert "Log in with SSO" in plan
    assert "Cycle 1" in plan


def test_a_guest_is_not_let_in(house: House) -> None:
    house.connect(house.come_in())
    visitor = house.stranger()
    back = house.go(visitor, "/linear/sign-in", person=GUEST)
    assert heading(visitor.read(back, 409)) == "You can't come in this way"
    visitor.read("/connections", 303)


def test_where_to_go_afterwards_cannot_be_somebody_elses_site(house: House) -> None:
    house.connect(house.come_in())
    visitor = house.stranger()
    back = house.go(visitor, "/linear/sign-in?to=//evil.example/", person=LEAD)
    assert visitor.client.get(back, headers=visitor.headers).location == "/"


def test_without_a_connected_workspace_nobody_signs_in_with_it(house: House) -> None:
    assert "Sign in with Linear" not in house.stranger().read("/sign-in")
    house.stranger().read("/linear/sign-in", 404)


def test_linear_not_answering_at_the_callback_is_said_and_nothing_is_stored(house: House) -> None:
    admin = house.come_in()
    back = house.go(admin, "/linear/install")
    house.acme.faults.html(status=502)
    assert "Linear did not answer" in admin.read(back, 503)


def as_member(house: House, account: str = ENGINEER) -> Visitor:
    house.connect(house.come_in())
    visitor = house.stranger()
    visitor.client.get(house.go(visitor, "/linear/sign-in", person=account), headers=visitor.headers)
    return visitor


def test_the_page_of_an_issue_links_weighs_and_unlinks(house: House) -> None:
    visitor = as_member(house)
    _, address = house.read_issue()
    page = visitor.read(address)
    assert "This issue ladders into no goal yet" in page
    assert KEY_RESULT in page

    page = visitor.do(f"{address}/link", {"key_result_id": "kr"})
    assert "Linked. Work is at 0" in page
    assert "Everybody gets in" in page
    assert "Closing this issue: work" in page
    assert "Why these numbers" in page
    with house.core.database.reading() as session:
        link = session.scalars(select(Link)).one()

    page = visitor.do(f"/links/{link.id}/weight", {"weight": "3", "back": address})
    assert 'value="3"' in page
    page = visitor.do(f"/links/{link.id}/unlink", {"back": address})
    assert "is unlinked" in page
    assert "This issue ladders into no goal yet" in page


def test_the_page_declares_an_issue_not_goal_work_and_takes_it_back(house: House) -> None:
    visitor = as_member(house)
    _, address = house.read_issue()
    visitor.read(address)
    assert "Not goal work: maintenance" in visitor.do(f"{address}/not-goal-work", {"category": "maintenance"})
    assert "ladders into no goal yet" in visitor.do(f"{address}/not-goal-work", {})


def test_the_page_is_live_and_says_when_nothing_changed(house: House) -> None:
    visitor = as_member(house)
    _, address = house.read_issue()
    etag = visitor.client.get(address, headers=visitor.headers).headers["ETag"]
    visitor.read(address, 304, **{"If-None-Match": etag})


def test_who_is_not_known_in_linear_is_asked_to_sign_in_there(house: House) -> None:
    house.connect(house.come_in())
    _, address = house.read_issue()
    unknown = house.come_in("member", "Grace")
    page = unknown.read(address, 403)
    assert "Who are you in Linear?" in page
    assert "Log in with SSO" not in page
    assert unknown.send(f"{address}/link", {"key_result_id": "kr"}).status_code == 403


def test_what_linear_hides_from_somebody_is_hidden_here(house: House) -> None:
    visitor = as_member(house)
    house.acme.let_app_in("SEC")
    _, address = house.read_issue("Rotate the signing keys", team="SEC")
    page = visitor.read(address, 403)
    assert "You can't see this issue" in page
    assert "Rotate" not in page


def test_an_issue_nobody_heard_of_and_another_workspaces_connection_are_not_there(house: House) -> None:
    admin = house.come_in()
    connection = house.connect(admin)
    admin.read(f"/issues/linear/{connection.id}/never-heard-of", 404)
    admin.read(f"/issues/jira/{connection.id}/x", 404)
    admin.read("/issues/linear/elsewhere/x", 404)
