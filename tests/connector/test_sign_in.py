"""One-time links, the first admin, and people who come through a tracker."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from connector import sign_in
from connector.core import Core
from connector.errors import NotAllowed, NotFound
from connector.models import Account, Connection, Person, SignInLink, Workspace
from tests.postgres import MovableClock, rows


def new_link(core: Core, person_id: str | None = None) -> str:
    with core.database.writing() as session:
        return sign_in.create_link(session, "w", now=core.clock(), person_id=person_id)


def use(core: Core, secret: str) -> Person:
    with core.database.writing() as session:
        return sign_in.sign_in(session, secret, now=core.clock())


def test_the_first_link_makes_the_first_admin(toy_core: Core) -> None:
    person = use(toy_core, new_link(toy_core))
    assert (person.workspace_id, person.role) == ("w", "admin")


def test_a_link_is_used_once(toy_core: Core) -> None:
    secret = new_link(toy_core)
    use(toy_core, secret)
    with pytest.raises(NotAllowed) as refused:
        use(toy_core, secret)
    assert refused.value.reason == "link_used_or_expired"


def test_a_link_expires_after_fifteen_minutes(toy_core: Core, clock: MovableClock) -> None:
    early, late = new_link(toy_core), new_link(toy_core)
    clock.forward(minutes=14, seconds=59)
    use(toy_core, early)
    clock.forward(seconds=1)
    with pytest.raises(NotAllowed):
        use(toy_core, late)


def test_looking_at_a_link_does_not_use_it_up(toy_core: Core, clock: MovableClock) -> None:
    secret = new_link(toy_core)
    with toy_core.database.reading() as session:
        assert sign_in.link_is_open(session, secret, now=clock())
        assert sign_in.link_is_open(session, secret, now=clock())
        assert not sign_in.link_is_open(session, "other", now=clock())
    use(toy_core, secret)
    with toy_core.database.reading() as session:
        assert not sign_in.link_is_open(session, secret, now=clock())


def test_an_old_first_link_lets_nobody_in_once_there_is_an_admin(toy_core: Core) -> None:
    first, second = new_link(toy_core), new_link(toy_core)
    use(toy_core, first)
    with pytest.raises(NotAllowed) as refused:
        use(toy_core, second)
    assert refused.value.reason == "admin_exists"
    assert len(rows(toy_core, Person)) == 1


def test_a_link_for_somebody_lets_them_in_as_themselves(toy_core: Core) -> None:
    admin = use(toy_core, new_link(toy_core))
    assert use(toy_core, new_link(toy_core, admin.id)).id == admin.id


def test_a_link_is_never_made_for_somebody_of_another_workspace(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        session.add(Workspace(id="other", name="Umbrella"))
        session.flush()
        session.add(Person(id="spy", workspace_id="other", name="Spy"))
    with pytest.raises(NotFound):
        new_link(toy_core, "spy")


def test_the_secret_is_not_in_the_database(toy_core: Core) -> None:
    secret = new_link(toy_core)
    (link,) = rows(toy_core, SignInLink)
    assert secret not in (link.token_hash, link.id)


def test_of_many_who_open_one_link_at_once_only_one_gets_in(toy_core: Core) -> None:
    secret, came_in, refused = new_link(toy_core), [], []

    def open_it() -> None:
        try:
            came_in.append(use(toy_core, secret).id)
        except NotAllowed as error:
            refused.append(error.reason)

    run_at_once(open_it, 8)
    assert len(came_in) == 1
    assert refused == ["link_used_or_expired"] * 7
    assert len(rows(toy_core, Person)) == 1


def test_of_several_first_links_opened_at_once_only_one_makes_an_admin(toy_core: Core) -> None:
    secrets, came_in, refused = [new_link(toy_core) for _ in range(6)], [], []

    def open_next() -> None:
        secret = secrets.pop()
        try:
            came_in.append(use(toy_core, secret).id)
        except NotAllowed as error:
            refused.append(error.reason)

    run_at_once(open_next, 6)
    assert (len(came_in), refused) == (1, ["admin_exists"] * 5)
    assert len(rows(toy_core, Person)) == 1


def test_a_fresh_install_gets_one_workspace(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        assert sign_in.ensure_workspace(session).id == "w"
        session.delete(session.get_one(Connection, "c"))
        session.delete(session.get_one(Connection, "d"))
        session.flush()
        session.delete(session.get_one(Workspace, "w"))
        session.flush()
        made = sign_in.ensure_workspace(session, name="Acme", timezone="Europe/Berlin")
        assert (made.name, made.timezone) == ("Acme", "Europe/Berlin")
        assert sign_in.ensure_workspace(session).id == made.id


def test_a_tracker_account_becomes_one_person_and_keeps_being_it(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        connection = session.get_one(Connection, "c")
        made = sign_in.person_for_account(session, connection, "acc-1", "Ada  Lovelace")
        again = sign_in.person_for_account(session, connection, "acc-1", "Somebody Else")
        elsewhere = sign_in.person_for_account(session, session.get_one(Connection, "d"), "acc-1")
    assert (made.name, made.role, made.id) == ("Ada Lovelace", "member", again.id)
    # The same tracker's account is the same human being, whichever site it comes from.
    assert elsewhere.id == made.id


def test_a_nameless_account_is_called_by_its_id(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        connection = session.get_one(Connection, "c")
        assert sign_in.person_for_account(session, connection, "acc-1").name == "acc-1"
        assert len(sign_in.person_for_account(session, connection, "acc-2", "x" * 500).name) == 200


def test_two_first_visits_at_once_make_one_person(toy_core: Core) -> None:
    def visit() -> None:
        with toy_core.database.writing() as session:
            sign_in.person_for_account(session, session.get_one(Connection, "c"), "acc-1", "Ada")

    run_at_once(visit, 6)
    with toy_core.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1
        assert session.scalar(select(func.count()).select_from(Person)) == 1


def run_at_once(work: object, times: int) -> None:
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()  # type: ignore[operator]  # every caller hands a function
        except BaseException as error:  # noqa: BLE001 - handed on below
            failed.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
