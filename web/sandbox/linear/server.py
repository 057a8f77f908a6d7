"""Runs a stand-in workspace on a port of this machine, beside the app."""

from __future__ import annotations

import threading
from types import TracebackType

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .app import create_linear_app
from .workspace import LinearWorkspace


class _QuietHandler(WSGIRequestHandler):
    """Keeps connections open and writes no access log: a query may carry a code."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        return


class WorkspaceServer:
    """A server in a daemon thread. With port 0 the system picks one and `workspace.base_url` follows."""

    def __init__(self, workspace: LinearWorkspace, host: str = "127.0.0.1", port: int = 0) -> None:
        self.workspace = workspace
        self._server: BaseWSGIServer = make_server(
            host, port, create_linear_app(workspace), threaded=True, request_handler=_QuietHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://{host}:{self._server.server_port}"
        if port == 0:
            workspace.base_url = self.url
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="stand-in-linear", daemon=True
        )

    @property
    def api_url(self) -> str:
        """What LADDER_LINEAR_API_URL should be."""
        return f"{self.url}/graphql"

    @property
    def oauth_url(self) -> str:
        """What LADDER_LINEAR_OAUTH_URL should be."""
        return f"{self.url}/oauth"

    def start(self) -> WorkspaceServer:
        self._thread.start()
        self.workspace.webhooks.start()
        return self

    def stop(self) -> None:
        """Stop answering and sending."""
        self.workspace.webhooks.stop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> WorkspaceServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
