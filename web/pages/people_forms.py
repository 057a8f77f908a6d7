"""People: the list, the form with their tracker accounts, and links with which they sign in."""

from __future__ import annotations

from flask import request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from connector import goals as use_cases
from connector import sign_in
from connector.errors import Conflict, LostUpdate
from connector.models import KeyResult, Person
from web.pages.entry import Entry
from web.pages.guard import core, needs, person, visit, workspace
from web.pages.site import blueprint, go, page

ROLES = (
    ("member", "member: makes and edits goals"),
    ("admin", "admin: also sets up cycles, teams, people, connections"),
    ("viewer", "viewer: only looks"),
)


@blueprint.get("/people")
def people() -> Response:
    """List the people and how many key results each drives."""
    driven = func.count(KeyResult.id)
    query = (
        select(Person, driven)
        .outerjoin(KeyResult, (KeyResult.driver_id == Person.id) & (KeyResult.state == "open"))
        .where(Person.workspace_id == workspace().id)
        .group_by(Person.id)
        .order_by(func.lower(Person.name), Person.id)
    )
    with core().database.reading() as session:
        rows = session.execute(query).all()
    return page("pages/people.html", section="pages.people", rows=rows)


@blueprint.route("/people/new", methods=["GET", "POST"])
@needs("admin")
def new_person() -> Response:
    """Add somebody."""
    if request.method == "GET":
        return _form(Entry.showing({"name": "", "email": "", "role": "member"}), None)
    entry = Entry.sent(request.form)
    name, email, role, accounts = _read(entry)
    if entry.ok:
        with entry.catching(), core().database.writing() as session:
            use_cases.create_person(session, workspace().id, use_cases.CreatePerson(name, email, role, accounts))
        if entry.ok:
            visit().say(f"{name} is added.")
            return go("people")
    return _form(entry, None, status=422)


@blueprint.route("/people/<person_id>/edit", methods=["GET", "POST"])
@needs("admin")
def edit_person(person_id: str) -> Response:
    """Edit somebody."""
    with core().database.reading() as session:
        somebody = use_cases.find(session, Person, workspace().id, person_id)
    if request.method == "GET":
        return _form(_stored(somebody), somebody)
    entry = Entry.sent(request.form)
    name, email, role, accounts = _read(entry)
    if entry.ok:
        changes = {"name": name, "email": email, "role": role, "accounts": accounts}
        with entry.catching(lambda: _stored(somebody)), core().database.writing() as session:
            use_cases.edit_person(session, workspace().id, person_id, changes, expected_version=entry.version)
        if entry.ok:
            visit().say(f"{name} is saved.")
            return go("people")
    return _form(entry, somebody, status=422)


@blueprint.post("/people/<person_id>/link")
@needs("admin")
def make_link(person_id: str) -> Response:
    """Make a one-time link for somebody and show it, once."""
    now = core().clock()
    with core().database.writing() as session:
        somebody = use_cases.find(session, Person, workspace().id, person_id)
        secret = sign_in.create_link(session, workspace().id, now=now, person_id=person_id)
    address = core().settings.base_url + url_for("pages.confirm_sign_in", secret=secret)
    return page("pages/person_link.html", section="pages.people", somebody=somebody, address=address)


@blueprint.post("/people/<person_id>/remove")
@needs("admin")
def remove_person(person_id: str) -> Response:
    """Remove somebody who drives nothing."""
    if person_id == person().id:
        visit().say("You can't remove yourself; another admin can.", "bad")
        return go("edit_person", person_id=person_id)
    try:
        with core().database.writing() as session:
            use_cases.delete_person(session, workspace().id, person_id)
    except (Conflict, LostUpdate) as error:
        visit().say(error.message, "bad")
        return go("edit_person", person_id=person_id)
    visit().say("They are removed.")
    return go("people")


def _form(entry: Entry, somebody: Person | None, status: int = 200) -> Response:
    return page(
        "pages/person_form.html",
        section="pages.people",
        entry=entry,
        somebody=somebody,
        roles=ROLES,
        trackers=sorted(core().trackers),
        status=status,
    )


def _read(entry: Entry) -> tuple[str, str | None, str, tuple[tuple[str, str], ...]]:
    accounts = [
        (name, account_id)
        for name in sorted(core().trackers)
        for account_id in entry.get(f"account_{name}").replace(",", "\n").split()
    ]
    return (
        entry.text("name", "The name", limit=200),
        entry.get("email").strip() or None,
        entry.choice("role", "Role", [role for role, _ in ROLES]),
        tuple(accounts),
    )


def _stored(somebody: Person) -> Entry:
    texts = {"name": somebody.name, "email": somebody.email or "", "role": somebody.role}
    for name in core().trackers:
        ids = [account.account_id for account in somebody.accounts if account.tracker == name]
        texts[f"account_{name}"] = "\n".join(ids)
    return Entry.showing(texts, version=somebody.version)
