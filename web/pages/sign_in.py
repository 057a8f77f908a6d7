"""The way in and out: one-time links, confirmed by a button so that a preview of the link does not use it up."""

from __future__ import annotations

from flask import g, request
from werkzeug.wrappers import Response

from connector import sign_in
from connector.errors import NotAllowed, NotFound
from web.pages.guard import core, open_page, visit
from web.pages.linear import linear_doors
from web.pages.site import blueprint, go, go_to, page
from web.pages.words import own_path


@blueprint.get("/sign-in")
@open_page
def sign_in_help() -> Response:
    """Say how to get a link."""
    with core().database.reading() as session:
        with_linear = bool(linear_doors(session))
    return page(
        "pages/sign_in.html",
        base_url=core().settings.base_url,
        with_linear=with_linear,
        to=own_path(request.args.get("to")),
    )


@blueprint.get("/sign-in/<secret>")
@open_page
def confirm_sign_in(secret: str) -> Response:
    """Show the button that uses the link up; looking at the page does not. Who is in already goes straight on."""
    with core().database.reading() as session:
        is_open = sign_in.link_is_open(session, secret, now=core().clock())
        is_in = is_open and g.person is not None and sign_in.link_is_for(session, secret, g.person.id)
    if is_in:
        return go_to(request.args.get("to", "/"))
    visit().changed = True  # the button's form needs the token of this very visit
    template = "pages/sign_in_confirm.html" if is_open else "pages/sign_in_old.html"
    return page(template, secret=secret, to=request.args.get("to", ""), status=200 if is_open else 410)


@blueprint.post("/sign-in/<secret>")
@open_page
def use_link(secret: str) -> Response:
    """Let the person in."""
    now = core().clock()
    try:
        with core().database.writing() as session:
            person_id = sign_in.sign_in(session, secret, now=now).id
    except (NotAllowed, NotFound):
        return page("pages/sign_in_old.html", status=410)
    visit().sign_in(person_id, now)
    return go_to(request.form.get("to", "/"))


@blueprint.post("/sign-out")
@open_page
def sign_out() -> Response:
    """Forget who is here."""
    visit().sign_out()
    return go("sign_in_help")
