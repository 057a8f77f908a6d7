"""Settings of one site: what is refused, and that new rules move numbers under their own cause."""

import pytest
from sqlalchemy import select

from connector.errands import HANDLERS
from connector.errors import Invalid, NotFound
from connector.ledger import read_ledger
from connector.models import Connection, OutboxEntry
from connector.site_settings import edit_site_settings, reread_issues


def edit(org, workspace="w", **changes):
    with org.core.database.writing() as session:
        edit_site_settings(org.core, session, workspace, "c", changes)


def connection(org) -> Connection:
    with org.core.database.reading() as session:
        return session.get_one(Connection, "c")


def asked(org) -> set[str]:
    with org.core.database.reading() as session:
        return set(session.scalars(select(OutboxEntry.kind)))


def test_a_setting_is_kept_tidied_and_has_the_issues_read_again(org):
    edit(org, dropped=[" Won't  Do ", "Won't Do", ""])

    assert connection(org).settings == {"dropped": ["Won't Do"], "set_by_hand": ["dropped"]}
    assert asked(org) == {"reread"}


def test_going_back_to_the_sites_own_word_learns_it_again(org):
    edit(org, dropped=["x"])
    edit(org, dropped=None)

    assert connection(org).settings == {"set_by_hand": []}
    assert asked(org) == {"reread", "discover"}


def test_setting_what_holds_already_asks_nobody(org):
    edit(org, dropped=["x"])
    version = connection(org).version
    edit(org, dropped=["x"])

    assert connection(org).version == version


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colour": ["red"]}, "unknown_setting"),
        ({"dropped": [str(n) for n in range(101)]}, "too_many"),
        ({"dropped": ["x" * 121]}, "bad_word"),
        ({"dropped": ["a\x00b"]}, "bad_word"),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(org, changes, reason):
    with pytest.raises(Invalid) as refused:
        edit(org, **changes)

    assert reason in repr(vars(refused.value)) + str(refused.value)
    assert connection(org).settings == {}


def test_another_workspaces_connection_is_not_found(org):
    with pytest.raises(NotFound):
        edit(org, workspace="other", dropped=["x"])


def test_an_issue_that_only_reads_differently_moves_by_the_rule_and_not_as_work(org):
    for issue in ("1", "2"):
        org.tell(issue, "done" if issue == "1" else "todo", at=1)
        org.link(issue)
    # The site now counts the second one's status as dropped; the issue itself did not change.
    org.tracker.site["2"]["cls"] = "dropped"

    assert reread_issues(org.core, connection(org)) == 2

    assert org.progress() == "1"
    with org.core.database.reading() as session:
        row = read_ledger(session, "w", "ratio", limit=1)[0]
        assert (row.cause, row.detail, row.happened_at == row.learned_at) == (
            "rule_changed",
            {"from": "todo", "to": "dropped"},
            True,
        )
    assert org.differences() == []


def test_an_issue_that_really_changed_meanwhile_keeps_its_own_cause(org):
    org.tell("1", "todo", at=1)
    org.link("1")
    org.tracker.site["1"].update(cls="done", at=org.tracker.site["1"]["at"] + 60)

    reread_issues(org.core, connection(org))

    with org.core.database.reading() as session:
        assert read_ledger(session, "w", "ratio", limit=1)[0].cause == "completed"


def test_a_discovery_that_learns_something_new_has_the_issues_read_again(org):
    org.tell("1", "todo", at=1)
    with org.core.database.reading() as session:
        entry = OutboxEntry(connection_id="c", kind="discover", subject="")
        HANDLERS["discover"](org.core, session.get_one(Connection, "c"), entry)

    assert "reread" in asked(org)
