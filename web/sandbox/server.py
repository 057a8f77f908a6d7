"""Runs a stand-in site on a port of this machine, beside the app."""

from __future__ import annotations

import threading
from types import TracebackType

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .app import create_site_app
from .site import JiraSite


class _QuietHandler(WSGIRequestHandler):
    """Keeps connections open and writes no access log: a query may carry a token."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        return


class SiteServer:
    """A server in a daemon thread. With port 0 the system picks one and `site.base_url` follows."""

    def __init__(self, site: JiraSite, host: str = "127.0.0.1", port: int = 0) -> None:
        self.site = site
        self._server: BaseWSGIServer = make_server(
            host, port, create_site_app(site), threaded=True, request_handler=_QuietHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://{host}:{self._server.server_port}"
        if port == 0:
            site.base_url = self.url
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="stand-in-jira", daemon=True
        )

    def start(self) -> SiteServer:
        self._thread.start()
        self.site.webhooks.start()
        return self

    def stop(self) -> None:
        """Stop answering and sending."""
        self.site.webhooks.stop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> SiteServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
