"""The web application of a stand-in Linear workspace: API host, OAuth and pages."""

from __future__ import annotations

from flask import Flask, Response

from .interface import api_interface
from .workspace import LinearWorkspace


def create_linear_app(workspace: LinearWorkspace) -> Flask:
    """A Flask application that serves `workspace`.

    For Ladder, LADDER_LINEAR_API_URL is `{base_url}/graphql` and LADDER_LINEAR_OAUTH_URL is `{base_url}/oauth`.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 8 * 1024 * 1024
    app.register_blueprint(api_interface(workspace))

    @app.errorhandler(404)
    def not_found(_: Exception) -> Response:
        return Response("There is nothing here on the stand-in.", 404, mimetype="text/plain")

    return app
