"""Connections in the API: what may be set for a site."""

from sqlalchemy import select

from connector.models import Connection, OutboxEntry
from connector.tracker import SiteOption


def test_a_sites_settings_are_shown_and_changed_and_its_issues_read_again(program, connection, core, toy, monkeypatch):
    def options(row):
        words = tuple(row.settings.get("dropped", ()))
        return [SiteOption("dropped", "Dropped", "", words, "dropped" in row.settings.get("set_by_hand", ()))]

    monkeypatch.setattr(toy, "site_options", options)

    changed = program.patch(f"/connections/{connection.id}", {"settings": {"dropped": ["Obsolete"]}})

    assert changed["settings"] == [{"name": "dropped", "label": "Dropped", "values": ["Obsolete"], "by_hand": True}]
    with core.database.reading() as session:
        assert session.get_one(Connection, connection.id).settings["dropped"] == ["Obsolete"]
        assert "reread" in session.scalars(select(OutboxEntry.kind)).all()


def test_an_unknown_setting_is_refused_by_name(program, connection):
    answer = program.call("PATCH", f"/connections/{connection.id}", {"settings": {"colour": ["red"]}}, {})

    assert (answer.status_code, "colour" in answer.text) == (422, True)


def test_of_two_who_set_a_site_the_second_is_told(program, connection, toy, monkeypatch):
    monkeypatch.setattr(toy, "site_options", lambda _row: [SiteOption("dropped", "Dropped", "", ())])
    path = f"/connections/{connection.id}"
    body = {"settings": {"dropped": ["Obsolete"]}}
    assert program.patch(path, body, version=program.get(path)["version"])["version"] == 2

    assert program.refused("PATCH", path, body, **{"If-Match": '"1"'}) == (412, "lost_update")
