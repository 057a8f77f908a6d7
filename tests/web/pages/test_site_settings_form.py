"""Site settings as a form: only for admins, nothing typed is lost, the second editor sees the first."""

from connector.models import Connection


def settings(org) -> dict:
    with org.core.database.reading() as session:
        return session.get_one(Connection, "c").settings


def test_an_admin_finds_the_settings_from_the_connections_page_and_changes_them(org, admin):
    assert "/connections/c/settings" in admin.read("/connections")
    admin.read("/connections/c/settings")

    page = admin.do("/connections/c/settings", {**admin.fields(), "dropped": "Won't Do\r\n\r\n Obsolete "})

    assert "read again" in page
    assert settings(org)["dropped"] == ["Won't Do", "Obsolete"]


def test_emptying_a_setting_goes_back_to_the_sites_own_word(org, admin):
    admin.read("/connections/c/settings")
    admin.do("/connections/c/settings", {**admin.fields(), "dropped": "x"})
    admin.read("/connections/c/settings")

    admin.do("/connections/c/settings", {**admin.fields(), "dropped": ""})

    assert "dropped" not in settings(org)


def test_a_word_that_is_too_long_is_named_and_kept_in_the_form(org, admin):
    admin.read("/connections/c/settings")

    answer = admin.send("/connections/c/settings", {**admin.fields(), "dropped": "y" * 121})

    assert answer.status_code == 422
    assert "y" * 121 in answer.text
    assert settings(org) == {}


def test_the_second_of_two_editors_sees_what_the_first_stored(org, admin, enter):
    admin.read("/connections/c/settings")
    second = enter("admin", "Second", None)
    second.read("/connections/c/settings")
    form = {**second.fields(), "dropped": "theirs"}
    admin.do("/connections/c/settings", {**admin.fields(), "dropped": "first"})

    answer = second.send("/connections/c/settings", form)

    assert answer.status_code in (409, 422)
    assert "first" in answer.text
    assert "theirs" in answer.text
    assert settings(org)["dropped"] == ["first"]


def test_members_may_not_change_them(member):
    member.read("/connections/c/settings", status=403)


def test_another_sites_settings_are_not_found(admin):
    admin.read("/connections/nope/settings", status=404)
