"""What happens in the second half of the story, and what Linear itself must show of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy import select

from connector.models import Connection, OutboxEntry
from web.demo.api import Api
from web.demo.script import Name
from web.demo.stage import Stage, StageFailed
from web.sandbox import Issue as JiraIssue
from web.sandbox.linear import Attachment, Issue, Label

TOKEN = re.compile(r'name="token" value="([^"]+)"')
PATIENCE_SECONDS = 15.0
TITLE = "Both trackers finish what they began"


class Visitor:
    """An admin with a browser at Ladder's pages, and at Linear's consent page."""

    def __init__(self, stage: Stage, link: str) -> None:
        self._stage = stage
        self._browser = requests.Session()
        self._browser.headers["Accept"] = "text/html"
        page = self._browser.get(link, timeout=20)
        token = TOKEN.search(page.text)
        if token is None:
            raise StageFailed(f"the sign-in page says: {page.status_code}")
        self._browser.post(link, data={"token": token[1]}, timeout=20).raise_for_status()

    def connect_linear(self) -> str:
        """Go to Linear's consent page, agree there as its admin, come back; return the page then shown."""
        leave = self._browser.get(f"{self._stage.ladder_url}/linear/install", allow_redirects=False, timeout=20)
        back = self._stage.linear.oauth.visit(leave.headers["Location"])
        page = self._browser.get(back, timeout=20)
        page.raise_for_status()
        return page.text

    def read(self, address: str) -> str:
        """Read a page of Ladder's."""
        page = self._browser.get(address, timeout=20)
        page.raise_for_status()
        return page.text


class LinearActs:
    """The scenes in Linear; the rest of the story is a subclass."""

    issues: dict[str, JiraIssue]
    key_results: dict[Name, str]
    objective: str

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.linear = stage.linear
        self.linear_issues: dict[str, Issue] = {}
        self.visitor: Visitor | None = None
        self.connection_id = ""

    def linear_install(self) -> None:
        """Make issues in Linear, then install by OAuth with PKCE from the connections page."""
        for name, state in (("L1", "In Progress"), ("L2", "Todo"), ("L3", "Todo"), ("L4", "Todo"), ("L5", "Todo")):
            self.linear_issues[name] = self.linear.create_issue(f"Linear issue {name}", state=state)
        link = self.stage.run_ladder("sign-in-link").split()[-1]
        self.visitor = Visitor(self.stage, link)
        self._hold("the page after connecting", True, "is connected" in self.visitor.connect_linear())
        self.connection_id = self.connection("linear").id
        self._hold(
            "both trackers' workspace", self.connection("jira").workspace_id, self.connection("linear").workspace_id
        )

    def make_shared_goal(self) -> None:
        """Make the key result, and a Jira story that is done."""
        driver = self.api.get(self._path("sso"))["driver_id"]
        body = {"objective_id": self.objective, "driver_id": driver, "title": TITLE, "kind": "issue_ratio"}
        self.key_results["both"] = self.api.post("/key-results", body)["id"]
        self._make("J1", "Story J1")
        self.stage.site.transition(self.issues["J1"], "Done")
        self._wait_for("a label in Linear", lambda: self._label() is not None)

    def link_from_jira(self) -> None:
        """Link the story by its key."""
        self._link("both", "J1")

    def link_by_label(self) -> None:
        """Put the label on an issue."""
        self._add_label("L1")

    def link_by_hand(self) -> None:
        """Link an issue by its key, in Ladder."""
        self._link_linear("L2")
        for name in ("L1", "L2"):
            self._expect_card(name, "33%")

    def close_in_linear(self) -> None:
        """Complete the issue."""
        self.linear.transition(self.linear_issues["L1"], "Done")
        for name in ("L1", "L2"):
            self._expect_card(name, "67%")
        card = self._card("L1")
        if self.visitor is not None and card is not None:
            page = self.visitor.read(card.url)
            self._hold("Ladder's page of L1 names its key result", True, TITLE in page)

    def cancel_in_linear(self) -> None:
        """Cancel the issue that was linked by hand."""
        self.linear.transition(self.linear_issues["L2"], "Canceled")

    def duplicate(self) -> None:
        """Label an issue, then merge it into another."""
        self._add_label("L3")
        self.stage.settle()
        self.linear.merge_as_duplicate(self.linear_issues["L3"], self.linear_issues["L1"])

    def trash(self) -> None:
        """Label one issue and trash another."""
        self._add_label("L4")
        self.stage.settle()
        self.linear.trash(self.linear_issues["L1"])

    def restore(self) -> None:
        """Take it out of the trash again."""
        self.linear.restore(self.linear_issues["L1"])

    def unlink_by_label(self) -> None:
        """Take the label off; from an issue that was linked by hand, too."""
        self._add_label("L2")
        self.stage.settle()
        label = self._label()
        if label is not None:
            for name in ("L4", "L2"):
                self.linear.remove_label(self.linear_issues[name], label)
        self._wait_for("L4 without its attachment", lambda: self._card("L4") is None)

    def token_ends(self) -> None:
        """End the access token before its time, and have Ladder ask for something."""
        before = self.linear.oauth.refreshes
        self.linear.oauth.expire_access()
        self._link_linear("L5")
        self._hold("renewals of the token", before + 1, self.linear.oauth.refreshes)

    def linear_uninstall(self) -> None:
        """Uninstall; work goes on in Linear."""
        self.stage.settle()
        self.linear.oauth.uninstall()
        self._wait_for("the end of the connection", lambda: self.connection("linear").state != "active")
        self.linear.transition(self.linear_issues["L5"], "Done")

    def linear_reinstall(self) -> None:
        """Go the same way once more."""
        if self.visitor is not None:
            self._hold("the page after reconnecting", True, "is connected" in self.visitor.connect_linear())
        connection = self.connection("linear")
        self._hold("the connection", (self.connection_id, "active"), (connection.id, connection.state))

    def after_linear_reinstall(self) -> None:
        """Change something that arrives over the new installation, and see its attachment."""
        self.linear.transition(self.linear_issues["L5"], "In Progress")
        self._expect_card("L5", "67%")
        self._hold("what is in the outbox for good", 0, self._given_up())

    # ------------------------------------------------------------------ looking and doing

    def connection(self, tracker: str) -> Connection:
        """Return the connection of a tracker as it is now."""
        with self.stage.core.database.reading() as session:
            return session.scalars(select(Connection).where(Connection.tracker == tracker)).one()

    def _given_up(self) -> int:
        with self.stage.core.database.reading() as session:
            buried = select(OutboxEntry).where(OutboxEntry.state == "buried")
            return len(session.scalars(buried.where(OutboxEntry.connection_id == self.connection_id)).all())

    def _add_label(self, name: str) -> None:
        label = self._label()
        if label is None:
            raise StageFailed("Linear has no label for the key result")
        self.linear.add_label(self.linear_issues[name], label)

    def _label(self) -> Label | None:
        return next((label for label in list(self.linear.labels.values()) if label.name == TITLE), None)

    def _link_linear(self, name: str) -> None:
        body = {"connection_id": self.connection_id, "key": self.linear_issues[name].identifier}
        self.api.post(self._path("both", "links"), body)

    def _card(self, name: str) -> Attachment | None:
        wanted = self.linear_issues[name].id
        cards = [one for one in list(self.linear.attachments.values()) if one.issue_id == wanted]
        ours = [one for one in cards if one.url and urlsplit(one.url).netloc == urlsplit(self.stage.ladder_url).netloc]
        return ours[0] if ours else None

    def _expect_card(self, name: str, number: str) -> None:
        def says() -> bool:
            card = self._card(name)
            return card is not None and (card.subtitle or "").startswith(f"{number} ")

        self._wait_for(f"the attachment of {name} at {number}", says)

    def _wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                self._hold(what, True, False)
                return
            time.sleep(0.05)

    @property
    def api(self) -> Api:
        """The API as the programme's own token opens it."""
        raise NotImplementedError

    def _hold(self, what: str, wanted: object, found: object) -> None:
        raise NotImplementedError

    def _link(self, key_result: Name, issue: str, **more: Any) -> None:
        raise NotImplementedError

    def _make(self, name: str, summary: str, kind: str = "Story", *, points: float | None = None) -> None:
        raise NotImplementedError

    def _path(self, name: Name, *rest: str) -> str:
        raise NotImplementedError
