"""The web app without a worker, for gunicorn to load: only to compare servers."""

from __future__ import annotations

from flask import Flask

from connector.core import build_core
from connector.settings import load_settings
from web.app import create_app


def load() -> Flask:
    return create_app(build_core(load_settings(env_file=None)))
