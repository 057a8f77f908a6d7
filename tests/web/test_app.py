"""The app as a whole: headers, health, limits, errors."""

from __future__ import annotations

import re

import pytest
from cryptography.fernet import Fernet
from flask import Flask, url_for
from flask.testing import FlaskClient

from connector import migrate
from connector.core import Core, build_core
from connector.settings import Settings, load_settings
from web.app import MAX_BODY_BYTES, create_app


def test_every_answer_carries_the_security_headers(client: FlaskClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/", "/no-such-page", "/api/v1/cycles"):
        headers = client.get(path).headers
        assert int(headers["Strict-Transport-Security"].split("max-age=")[1].split(";")[0]) >= 31536000, path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] not in ("unsafe-url", "no-referrer-when-downgrade"), path
        assert {"no-cache", "no-store"} <= set(headers["Cache-Control"].replace(" ", "").split(",")), path
        assert "Permissions-Policy" in headers, path


def test_the_content_policy_allows_nothing_inline_and_nothing_foreign(client: FlaskClient) -> None:
    policy = client.get("/healthz").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_alive_answers_without_a_database(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_ready_means_that_the_database_has_the_tables_of_this_version(settings: Settings) -> None:
    core = build_core(settings)
    with create_app(core).test_client() as client:
        waiting = client.get("/readyz")
        assert (waiting.status_code, waiting.get_json()["reason"]) == (503, "migrations_pending")
        migrate.upgrade(settings)
        assert client.get("/readyz").get_json() == {"status": "ok"}
    core.close()


def test_an_unreachable_database_is_not_ready_but_alive(settings: Settings) -> None:
    keys = (Fernet.generate_key().decode(),)
    gone = load_settings(env_file=None, database_url="postgresql://ladder:hunter2@127.0.0.1:1/ladder", secret_keys=keys)
    core = build_core(gone)
    with create_app(core).test_client() as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["reason"]) == (503, "database_unreachable")
        assert b"hunter2" not in answer.data
        for path in ("/", "/api/v1/cycles"):
            given = {"Authorization": "Bearer ladder_x", "Cookie": "ladder=x"}
            assert client.get(path, headers=given).status_code in (302, 303, 503), path
    core.close()


def test_files_are_served_with_their_type_and_may_be_kept(client: FlaskClient) -> None:
    with client.get("/static/tokens.css") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/css"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in answer.headers["Cache-Control"]


def test_the_address_of_a_file_changes_with_its_content(app: Flask) -> None:
    with app.test_request_context():
        address = url_for("static", filename="tokens.css")
    assert re.fullmatch(r"/static/tokens\.css\?v=[0-9a-f]{12}", address)


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"])
def test_files_outside_the_static_folder_are_not_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    answer = client.post("/jira/webhooks", data=b"x" * (MAX_BODY_BYTES + 1), content_type="application/json")
    assert answer.status_code == 413


def test_metrics_are_in_the_text_format_of_prometheus(client: FlaskClient) -> None:
    answer = client.get("/metrics")
    assert answer.mimetype == "text/plain"
    assert b"# HELP" in answer.data


def test_an_address_forged_by_the_visitor_is_not_believed(app: Flask) -> None:
    with app.test_client() as client:
        client.get("/healthz", headers={"X-Forwarded-For": "6.6.6.6"})
        from flask import request

        assert request.remote_addr == "127.0.0.1"


def test_behind_a_known_number_of_proxies_the_real_address_is_seen(core: Core) -> None:
    object.__setattr__(core, "settings", core.settings.model_copy(update={"trusted_proxies": 1}))
    with create_app(core).test_client() as client:
        client.get("/healthz", headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.9"})
        from flask import request

        assert request.remote_addr == "10.0.0.9"
