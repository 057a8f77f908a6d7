"""The web application of a stand-in Jira site: REST interface, key host and pages."""

from __future__ import annotations

from flask import Flask, Response, abort

from .actions import site_actions
from .agile import agile_interface
from .gate import refusal, register_gate
from .pages import site_pages
from .platform import platform_interface
from .site import JiraSite
from .words import register_words


def create_site_app(site: JiraSite) -> Flask:
    """A Flask application that serves `site`; `LADDER_CONNECT_KEY_HOSTS` of the app is `{base_url}/keyhost`."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = 8 * 1024 * 1024
    register_gate(app, site)
    app.register_blueprint(platform_interface(site))
    app.register_blueprint(agile_interface(site))
    app.register_blueprint(site_pages(site))
    app.register_blueprint(site_actions(site))
    register_words(app, site)

    @app.get("/keyhost/<kid>")
    def key_host(kid: str) -> Response:
        if kid != site.install_key.kid:
            abort(404)
        return Response(site.install_key.public_pem(), mimetype="application/x-pem-file")

    @app.errorhandler(404)
    def not_found(_: Exception) -> Response:
        return refusal(404, "There is nothing here on the stand-in.")

    return app
