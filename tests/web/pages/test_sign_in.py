"""The way in: one-time links, cookies, and forms that must come from our own pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from connector.models import Person
from connector.sign_in import create_link
from tests.connector.conftest import Organisation
from tests.web.pages.conftest import Visitor
from web.app import create_app
from web.pages.words import own_path


def link(org: Organisation, person: str | None = "p") -> str:
    with org.core.database.writing() as session:
        return create_link(session, "w", now=org.core.clock(), person_id=person)


def test_a_stranger_is_told_how_to_get_in(site: Flask) -> None:
    visitor = Visitor(site.test_client())
    answer = visitor.client.get("/", headers=visitor.headers)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert "ladder sign-in-link" in visitor.read("/sign-in")


def test_looking_at_a_link_does_not_use_it_up(org: Organisation, site: Flask) -> None:
    secret = link(org)
    for _preview in range(3):
        Visitor(site.test_client()).read(f"/sign-in/{secret}")
    visitor = Visitor(site.test_client())
    visitor.read(f"/sign-in/{secret}")
    assert visitor.send(f"/sign-in/{secret}").location == "/"
    assert "Ada" in visitor.read("/")


def test_a_link_works_once(org: Organisation, site: Flask) -> None:
    secret = link(org)
    first, second = Visitor(site.test_client()), Visitor(site.test_client())
    first.read(f"/sign-in/{secret}")
    second.read(f"/sign-in/{secret}")
    assert first.send(f"/sign-in/{secret}").status_code == 303
    assert second.send(f"/sign-in/{secret}").status_code == 410
    assert second.client.get("/").status_code == 303


def test_a_made_up_link_says_what_to_do(site: Flask) -> None:
    assert "How to get a new one" in Visitor(site.test_client()).read("/sign-in/made-up", 410)


def test_the_first_link_makes_the_first_admin(org: Organisation, site: Flask) -> None:
    secret = link(org, None)
    visitor = Visitor(site.test_client())
    visitor.read(f"/sign-in/{secret}")
    visitor.send(f"/sign-in/{secret}")
    assert "(admin)" in visitor.read("/people")


def test_the_page_asked_for_comes_after_signing_in(org: Organisation, site: Flask) -> None:
    secret = link(org)
    visitor = Visitor(site.test_client())
    page = visitor.read(f"/sign-in/{secret}?to=%2Fkey-results%2Fratio")
    assert 'name="to" value="/key-results/ratio"' in page
    assert visitor.send(f"/sign-in/{secret}", {"to": "/key-results/ratio"}).location == "/key-results/ratio"


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "javascript:alert(1)", ""]
)
def test_a_link_never_leads_elsewhere(to: str) -> None:
    assert own_path(to) == "/"


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(org: Organisation, site: Flask) -> None:
    visitor = Visitor(site.test_client())
    cookie = visitor.client.get(f"/sign-in/{link(org)}").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # this trial runs on plain http


@pytest.mark.parametrize("address", ["https://ladder.example", "http://ladder.example"])
def test_away_from_this_machine_the_cookie_is_secure_and_bound_to_the_host(org: Organisation, address: str) -> None:
    settings = org.core.settings.model_copy(update={"base_url": address})
    app = create_app(replace(org.core, settings=settings))
    cookie = app.test_client().get(f"/sign-in/{link(org)}").headers["Set-Cookie"]
    assert cookie.startswith("__Host-ladder=")
    assert "Secure" in cookie
    assert "Path=/" in cookie


def test_a_cookie_that_was_tampered_with_is_nobody(member: Visitor) -> None:
    member.client.set_cookie("ladder", "gAAAAABm" + "x" * 90)
    assert member.client.get("/").location == "/sign-in"


def test_signing_out_forgets_the_person(member: Visitor) -> None:
    member.read("/")
    assert member.send("/sign-out").location == "/sign-in"
    assert member.client.get("/").location == "/sign-in"


def test_somebody_removed_is_out_with_the_next_click(org: Organisation, member: Visitor) -> None:
    member.read("/")
    with org.core.database.writing() as session:
        session.delete(session.query(Person).filter_by(name="Grace").one())
    assert member.client.get("/").location == "/sign-in"


def test_a_form_without_our_token_changes_nothing(admin: Visitor) -> None:
    admin.read("/teams/new")
    answer = admin.client.post("/teams/new", data={"name": "Evil", "level": "team"}, headers=admin.headers)
    assert answer.status_code == 403
    assert "Evil" not in admin.read("/teams")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_another_site_changes_nothing_even_with_the_token(admin: Visitor, headers: dict[str, str]) -> None:
    admin.read("/teams/new")
    assert admin.send("/teams/new", {"name": "Evil", "level": "team"}, **headers).status_code == 403
    assert "Evil" not in admin.read("/teams")


def test_a_token_of_before_signing_in_is_worth_nothing_after(org: Organisation, site: Flask) -> None:
    secret = link(org)
    visitor = Visitor(site.test_client())
    before = visitor.read(f"/sign-in/{secret}")
    visitor.send(f"/sign-in/{secret}")
    visitor.seen = before
    assert visitor.send("/sign-out").status_code == 403


def test_the_cookie_grows_old(org: Organisation, member: Visitor) -> None:
    member.read("/")
    kept = member.client.get_cookie("ladder")
    assert kept is not None
    next_year = replace(org.core, clock=lambda: org.core.clock() + timedelta(days=365))
    aged = create_app(next_year).test_client()
    aged.set_cookie("ladder", kept.value)
    assert aged.get("/").location == "/sign-in"
