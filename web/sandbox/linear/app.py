"""The web application of a stand-in Linear workspace: API host, OAuth and pages."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, Response, jsonify

from .actions import workspace_actions
from .interface import api_interface
from .pages import workspace_pages
from .words import register_words
from .workspace import LinearWorkspace

# Colours, shapes and the script of every page are those of the stand-in Jira site.
SHARED = Path(__file__).parents[1] / "static"


def create_linear_app(workspace: LinearWorkspace) -> Flask:
    """A Flask application that serves `workspace`.

    For Ladder, LADDER_LINEAR_API_URL is `{base_url}/graphql` and LADDER_LINEAR_OAUTH_URL is `{base_url}/oauth`.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 8 * 1024 * 1024
    app.register_blueprint(api_interface(workspace))
    app.register_blueprint(workspace_pages(workspace))
    app.register_blueprint(workspace_actions(workspace))
    app.register_blueprint(Blueprint("shared", __name__, static_folder=SHARED, static_url_path="/shared"))
    register_words(app, workspace)

    @app.errorhandler(404)
    def not_found(_: Exception) -> Response:
        answer = jsonify({"message": "There is nothing here on the stand-in."})
        answer.status_code = 404
        return answer

    return app
