"""The pages on SQLite and on a real PostgreSQL: the same round through all of them."""

from __future__ import annotations

import re

import pytest

from connector.settings import Settings
from tests.connector.conftest import Organisation
from tests.web.pages.conftest import Visitor


@pytest.fixture
def settings(either_settings: Settings) -> Settings:
    """Settings on either database, in place of those on SQLite alone."""
    return either_settings


def test_a_round_through_every_page(org: Organisation, admin: Visitor) -> None:
    org.tell("1", "done", at=0)
    org.tell("2", "todo", at=1)
    org.link("1")
    for path in ("/", "/?text=audit&status=gap", "/cycles", "/teams", "/people", "/connections", "/workspace/edit"):
        admin.read(path)
    admin.read("/key-results/ratio")
    page = admin.do("/key-results/ratio/links", {"issue": "TOY-2", "weight": "0.5"})
    assert "67\u00a0%" in page
    link = re.findall(r"/links/([0-9a-f-]{36})/unlink", page)[0]
    assert "is unlinked" in admin.do(f"/links/{link}/unlink")
    admin.read("/key-results/metric")
    assert "Outcome – → 50" in admin.do("/key-results/metric/check-ins", {"value": "28.5", "status": "green"})
    admin.read("/key-results/metric/edit")
    admin.do("/key-results/metric/edit", {**admin.fields(), "target": "48"})
    admin.read("/objectives/o/edit")
    admin.do("/objectives/o/edit", {**admin.fields(), "co_owner_ids": ["p"]})
    admin.read("/objectives/o/key-results/new")
    page = admin.do("/objectives/o/key-results/new", {**admin.fields(), "title": "More", "driver_id": "p"})
    assert "<h1>More</h1>" in page
    assert "25\u00a0%" in admin.read("/")


def test_polling_answers_304_until_something_changes(org: Organisation, admin: Visitor) -> None:
    org.tell("1", "todo", at=0)
    org.link("1")
    for path in ("/", "/key-results/ratio", "/connections"):
        etag = admin.client.get(path).headers["ETag"]
        assert admin.client.get(path, headers={"If-None-Match": etag}).status_code == 304
    etag = admin.client.get("/").headers["ETag"]
    org.tell("1", "done", at=60)
    assert admin.client.get("/", headers={"If-None-Match": etag}).status_code == 200
