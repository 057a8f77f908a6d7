"""A small app that plays Ladder for the stand-in: it takes lifecycle calls and webhooks and answers as told."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, request
from werkzeug.serving import make_server

PANEL = """<!doctype html><html lang="en"><head><title>Panel</title>
<script src="{host}/atlassian-connect/all.js"></script></head>
<body><p id="token"></p><p id="context"></p><p id="person"></p>
<button id="flag">Flag</button>
<button id="go">Go</button><button id="taller">Taller</button>
<p id="event"></p><div id="room"></div><script>
AP.theming.initializeTheming();
AP.context.getToken(value => {{ token.textContent = value; }});
AP.context.getContext().then(value => {{ context.textContent = JSON.stringify(value); }}, () => 0);
AP.user.getCurrentUser(value => {{ person.textContent = value.atlassianAccountId; }});
flag.onclick = () => AP.flag.create({{title: "Linked", body: "to <b>Activation</b>", type: "success"}});
go.onclick = () => AP.navigator.go("issue", {{issueKey: "ATL-1"}});
taller.onclick = () => {{ room.style.height = "700px"; }};
AP.events.on("moved", text => {{ document.getElementById("event").textContent = text; }});
</script></body></html>"""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in: path, headers, raw and parsed body."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: Any


@dataclass
class FakeLadder:
    """The app under `url`. `answers` holds the statuses of the next webhooks; 204 when it is empty."""

    scopes: list[str] = field(default_factory=lambda: ["READ", "WRITE", "DELETE"])
    received: list[Received] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    install_answer: int = 204
    slow: float = 0.0
    changes: dict[str, Any] = field(default_factory=dict)
    host: str = ""

    def __post_init__(self) -> None:
        app = Flask("fake-ladder")
        app.add_url_rule("/atlassian-connect.json", view_func=self.descriptor)
        app.add_url_rule("/jira/<name>", "take", self.take, methods=["POST"])
        app.add_url_rule("/jira/<name>", "show", self.show, methods=["GET"])
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def descriptor(self) -> dict[str, Any]:
        events = [
            *("jira:issue_created", "jira:issue_updated", "jira:issue_deleted", "issuelink_created"),
            *("issuelink_deleted", "sprint_created", "sprint_started", "sprint_closed", "issue_property_set"),
            *("sprint_updated", "sprint_deleted"),
        ]
        descriptor = {
            "key": "ladder-test",
            "name": "Ladder",
            "baseUrl": self.url,
            "authentication": {"type": "jwt"},
            "lifecycle": {"installed": "/jira/installed", "uninstalled": "/jira/uninstalled"},
            "scopes": self.scopes,
            "apiMigrations": {"signed-install": True, "context-qsh": True, "gdpr": True},
            "modules": {
                "webhooks": [{"event": event, "url": "/jira/webhooks"} for event in events],
                "jiraIssueContexts": [
                    {
                        "key": "goal",
                        "name": {"value": "Goal"},
                        "icon": {"width": 16, "height": 16, "url": "/icon.svg"},
                        "content": {"type": "label", "label": {"value": "Goal of this issue"}},
                        "target": {"type": "web_panel", "url": "/jira/panel?issueId={issue.id}&issueKey=${issue.key}"},
                    }
                ],
                "generalPages": [{"key": "goals", "name": {"value": "Goals"}, "url": "/jira/page"}],
                "adminPages": [{"key": "settings", "name": {"value": "Settings"}, "url": "/jira/page"}],
                "webItems": [
                    {
                        "key": "overlay",
                        "name": {"value": "Sprint and goals"},
                        "location": "jira.software.board.tools",
                        "url": "/jira/page?boardId={board.id}",
                        "target": {"type": "dialog", "options": {"width": "80%"}},
                    }
                ],
                "jiraEntityProperties": [
                    {
                        "key": "objective",
                        "name": {"value": "Objective"},
                        "entityType": "issue",
                        "keyConfigurations": [
                            {
                                "propertyKey": "ladder",
                                "extractions": [{"objectName": "objective", "type": "string", "alias": "objective"}],
                            }
                        ],
                    }
                ],
            },
        }
        return {**descriptor, **self.changes}

    def take(self, name: str) -> Response:
        self.received.append(
            Received(request.path, dict(request.headers), request.get_data(), request.get_json(silent=True))
        )
        if name == "webhooks":
            time.sleep(self.slow)
            return Response(status=self.answers.popleft() if self.answers else 204)
        return Response(status=self.install_answer)

    def show(self, name: str) -> Response:
        self.received.append(Received(request.full_path, dict(request.headers), b"", None))
        return Response(PANEL.format(host=self.host), mimetype="text/html")

    def calls(self, name: str) -> list[Received]:
        """The POSTs to one path, oldest first."""
        return [one for one in self.received if one.path == f"/jira/{name}"]

    def events(self) -> list[Any]:
        """The bodies of the webhooks received."""
        return [one.body for one in self.calls("webhooks")]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
