"""What an unlinked issue probably serves, and why."""

from __future__ import annotations

from sqlalchemy import select

from connector.issues import ensure_issue
from connector.models import Connection, Issue, KeyResult
from connector.suggestions import suggest_key_results
from tests.connector.conftest import Organisation


def suggested(org: Organisation, issue: str) -> dict[str, str]:
    with org.core.database.reading() as session:
        row = ensure_issue(session, session.get_one(Connection, "c"), issue)
        return {one.key_result.id: one.reason for one in suggest_key_results(session, "w", row)}


def retitle(org: Organisation, issue: str, title: str) -> None:
    with org.core.database.writing() as session:
        session.scalars(select(Issue).where(Issue.external_id == issue)).one().title = title


def key_of(org: Organisation, issue: str) -> str:
    with org.core.database.reading() as session:
        return session.scalars(select(Issue.key).where(Issue.external_id == issue)).one()


def test_a_siblings_key_result_is_suggested(org: Organisation) -> None:
    org.tell("epic", "todo", at=1, level=1)
    org.tell("sibling", "todo", at=2, parent="epic")
    org.tell("new", "todo", at=3, parent="epic")
    org.link("sibling", "ratio")

    assert suggested(org, "new") == {"ratio": f"because its sibling {key_of(org, 'sibling')} does"}


def test_several_relatives_are_counted_and_the_most_frequent_comes_first(org: Organisation) -> None:
    org.tell("epic", "todo", at=1, level=1)
    for number, name in enumerate(("one", "two", "three"), 2):
        org.tell(name, "todo", at=number, parent="epic")
        org.link(name, "points")
    org.link("one", "ratio")

    found = suggested(org, "epic")

    assert list(found) == ["points", "ratio"]
    assert found["points"] == "because 3 issues below it do"


def test_a_deleted_relative_says_nothing(org: Organisation) -> None:
    org.tell("epic", "todo", at=1, level=1)
    org.tell("sibling", "todo", at=2, parent="epic")
    org.tell("new", "todo", at=3, parent="epic")
    org.link("sibling", "ratio")
    org.tell("sibling", at=4, gone=True)

    assert suggested(org, "new") == {}


def test_words_in_common_are_the_reason_where_no_relative_helps(org: Organisation) -> None:
    org.tell("new", "todo", at=1)
    retitle(org, "new", "Activation e-mail for the first week")

    assert suggested(org, "new") == {"metric": "because both say “Activation”"}


def test_closed_key_results_are_not_suggested(org: Organisation) -> None:
    org.tell("new", "todo", at=1)
    retitle(org, "new", "Activation e-mail")
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "metric").state = "closed"

    assert suggested(org, "new") == {}
