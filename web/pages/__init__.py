"""Ladder's own pages: goals, key results, the forms to make them, connections, and the way in."""

from __future__ import annotations

from flask import Flask

from connector.core import Core
from web.pages import (
    check_in_form,
    connections,
    cycle_forms,
    goals,
    issue,
    key_result,
    key_result_actions,
    key_result_forms,
    linear,
    link_actions,
    link_search,
    lint,
    objective_forms,
    people_forms,
    planning,
    queries,
    rule_actions,
    rules,
    sign_in,
    site_settings_form,
    team_forms,
    workspace_form,
)
from web.pages.site import blueprint, page_or_problem
from web.pages.words import FILTERS

__all__ = [
    "check_in_form",
    "connections",
    "cycle_forms",
    "goals",
    "issue",
    "key_result",
    "key_result_actions",
    "key_result_forms",
    "linear",
    "link_actions",
    "link_search",
    "lint",
    "objective_forms",
    "people_forms",
    "planning",
    "queries",
    "register",
    "rule_actions",
    "rules",
    "sign_in",
    "site_settings_form",
    "team_forms",
    "workspace_form",
]


def register(app: Flask, core: Core) -> None:
    """Serve the pages from `app`."""
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(blueprint)
    app.register_error_handler(404, page_or_problem)
