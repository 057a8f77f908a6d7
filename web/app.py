"""The app factory: one Flask app over one core, with every blueprint, header and error page that it serves.

A package of views (`web.api`, `web.pages`, ...) offers `register(app, core)`; a tracker that has views offers
`blueprint(core)`. Views find the core in `current_app.extensions["ladder"]`.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from connector.core import Core
from web import api, headers, health, json_provider, pages, problems

# One mebibyte. Jira's largest webhook bodies stay below it by far; what is larger is refused before it is read.
MAX_BODY_BYTES = 1024 * 1024
STATIC = Path(__file__).parent / "static"
VERSION = version("ladder-okr")


def create_app(core: Core) -> APIFlask:
    """Return the web app that serves `core`."""
    app = APIFlask(__name__, title="Ladder", version=VERSION, spec_path=None, docs_path=None, json_errors=False)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES)
    app.extensions["ladder"] = core
    for part in (json_provider, problems, api, pages):
        part.register(app, core)
    for tracker in core.trackers.values():
        if hasattr(tracker, "blueprint"):
            app.register_blueprint(tracker.blueprint(core))
    app.register_blueprint(health.blueprint)
    headers.register(app)
    if core.settings.trusted_proxies:
        # Only as many hops as are ours: whoever can reach us directly could otherwise write their own address.
        hops = core.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    _serve_files(app)
    return app


def _serve_files(app: APIFlask) -> None:
    """Serve the static folder; addresses change with the content, so browsers may keep what they have."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.rglob("*")) if path.is_file())
    fingerprint = hashlib.sha256(content).hexdigest()[:12]

    @app.url_defaults
    def name_content(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values.setdefault("v", fingerprint)

    files = WhiteNoise(app.wsgi_app, max_age=86400, allow_all_origins=False, add_headers_function=headers.for_file)
    files.add_files(str(STATIC), prefix="static/")
    app.wsgi_app = files  # type: ignore[method-assign]
