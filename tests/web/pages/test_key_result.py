"""A key result's page: numbers, chart, links, ledger with time travel, check-ins; and each with what it refuses."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction

import pytest

from connector.models import Issue, KeyResult, Link, Milestone
from connector.tracker import TrackerRefused, TrackerUnavailable
from tests.connector.conftest import Organisation
from tests.connector.statements import counted
from tests.web.pages.conftest import Visitor


@pytest.fixture
def worked(org: Organisation) -> Organisation:
    """One of two linked issues is done."""
    org.tell("1", "done", at=0)
    org.tell("2", "todo", at=1)
    org.link("1")
    org.link("2")
    return org


def notice(page: str) -> str:
    """Return what the page says has just happened."""
    said = re.findall(r'<div class="notice.*?<span>(.*?)</span>', page, re.DOTALL)
    return html.unescape(" ".join(said)).replace("\u00a0", " ")


def links(org: Organisation) -> list[Link]:
    with org.core.database.reading() as session:
        return list(session.query(Link).order_by(Link.created_at))


def test_the_page_says_what_stands_and_why(worked: Organisation, member: Visitor) -> None:
    page = member.read("/key-results/ratio")
    for said in ("Win regulated markets", "Win trust", "Ada", "50\u00a0%", "1 of 2", "output", "check-in overdue"):
        assert said.lower() in page.lower()


def test_rows_of_the_ledger_open_the_issue_that_caused_them(worked: Organisation, member: Visitor) -> None:
    ledger = member.read("/key-results/ratio").split('id="ledger"')[1]
    assert 'href="https://toy.example/TOY-1"' in ledger
    assert 'rel="noopener noreferrer"' in ledger


def test_an_address_that_is_no_web_address_is_no_link(worked: Organisation, member: Visitor) -> None:
    with worked.core.database.writing() as session:
        for issue in session.query(Issue):
            issue.url = "javascript:alert(1)"
            issue.title = "</title><script>alert(1)</script>"
    page = member.read("/key-results/ratio")
    assert "javascript:" not in page
    assert "<script>alert" not in page
    assert "TOY-1" in page


def test_the_ledger_filters_by_cause(worked: Organisation, member: Visitor) -> None:
    worked.tell("2", "done", at=60)
    ledger = member.read("/key-results/ratio?cause=completed").split('id="ledger"')[1]
    assert "TOY-2" in ledger
    assert "TOY-1" not in ledger
    assert "No row matches" in member.read("/key-results/ratio?cause=deleted")


def test_a_day_in_the_past_shows_the_state_of_its_evening(worked: Organisation, member: Visitor) -> None:
    worked.tell("2", "done", at=2 * 86400)
    day = (worked.core.clock() + timedelta(days=1)).date().isoformat()
    page = member.read(f"/key-results/ratio?at={day}")
    past = page.split('class="past"')[1].split("</div>")[0]
    assert "work <b>50\u00a0%</b> (1 of 2)" in past
    assert "100\u00a0%" not in past


@pytest.mark.parametrize(
    "query",
    [
        "at=yesterday",
        "at=2026-13-40",
        "at=9999-12-31",
        "at=0001-01-01",
        "cause=magic",
        "before=x",
        "before=99999999999999999999",
    ],
)
def test_a_query_that_makes_no_sense_is_left_aside(worked: Organisation, member: Visitor, query: str) -> None:
    member.read(f"/key-results/ratio?{query}")


def test_a_long_ledger_comes_in_pages(worked: Organisation, member: Visitor) -> None:
    for step in range(60):
        worked.tell("2", "done" if step % 2 == 0 else "todo", at=100 + step)
    page = member.read("/key-results/ratio")
    older = re.search(r'href="([^"]*before=\d+[^"]*)"', page)
    assert older is not None
    first = set(re.findall(r'data-key="ledger-(\d+)"', page))
    second = set(re.findall(r'data-key="ledger-(\d+)"', member.read(html.unescape(older[1]))))
    assert len(first) == 50
    assert second
    assert not first & second


def test_linking_by_key_tells_what_it_did(org: Organisation, member: Visitor) -> None:
    org.tell("7", "done", at=0)
    member.read("/key-results/ratio")
    page = member.do("/key-results/ratio/links", {"issue": "toy-7", "weight": "2"})
    assert notice(page) == "TOY-7 is linked. Work is at 100% now.".replace("100%", "100 %")
    assert [(link.weight, link.source, link.state) for link in links(org)] == [(Fraction(2), "manual", "active")]


def test_linking_by_address_finds_the_site(org: Organisation, member: Visitor) -> None:
    org.tell("7", "todo", at=0)
    member.read("/key-results/ratio")
    member.do(
        "/key-results/ratio/links", {"issue": "https://toy.example/browse/TOY-7?focusedCommentId=1", "weight": "1"}
    )
    assert len(links(org)) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"issue": "https://elsewhere.example/browse/TOY-7"}, "belongs to no connected site"),
        ({"issue": "the sign-in thing"}, "Write the issue's key"),
        ({"issue": ""}, "is missing"),
        ({"issue": "TOY-99"}, "no issue TOY-99"),
        ({"issue": "TOY-7", "weight": "a lot"}, "must be a number"),
        ({"issue": "TOY-7", "weight": "-1"}, "weight"),
    ],
)
def test_a_link_that_cannot_be_made_says_why_and_loses_nothing(
    org: Organisation, member: Visitor, given: dict[str, str], said: str
) -> None:
    org.tell("7", "todo", at=0)
    member.read("/key-results/ratio")
    answer = member.send("/key-results/ratio/links", given)
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)
    assert f'value="{given["issue"]}"' in answer.text
    assert "data-first-error" in answer.text
    assert links(org) == []


def test_who_may_not_edit_the_issue_cannot_link_it(org: Organisation, enter: Callable[..., Visitor]) -> None:
    org.tell("7", "todo", at=0)
    stranger = enter(account="stranger")
    stranger.read("/key-results/ratio")
    assert "may not edit" in html.unescape(stranger.send("/key-results/ratio/links", {"issue": "TOY-7"}).text)
    assert links(org) == []


def test_whom_the_tracker_does_not_know_cannot_link(org: Organisation, enter: Callable[..., Visitor]) -> None:
    org.tell("7", "todo", at=0)
    unknown = enter(account=None)
    unknown.read("/key-results/ratio")
    assert "does not know you" in html.unescape(unknown.send("/key-results/ratio/links", {"issue": "TOY-7"}).text)
    assert links(org) == []


def test_with_the_tracker_down_the_link_waits_and_says_since_when(org: Organisation, member: Visitor) -> None:
    org.tell("7", "todo", at=0)
    org.tracker.down = TrackerUnavailable("down")
    member.read("/key-results/ratio")
    page = member.do("/key-results/ratio/links", {"issue": "TOY-7", "weight": "1"})
    assert "counts nothing until then" in notice(page)
    assert "waiting for Toy since" in page
    assert org.progress() is None


def test_unlinking_can_be_taken_back_as_it_was(worked: Organisation, member: Visitor) -> None:
    link = links(worked)[1]
    with worked.core.database.writing() as session:
        session.get_one(Link, link.id).source = "label"
    member.read("/key-results/ratio")
    member.do(f"/links/{link.id}/weight", {"weight": "3"})
    page = member.do(f"/links/{link.id}/unlink")
    assert notice(page) == "TOY-2 is unlinked. Work 25 % → 100 %."
    note = re.search(r'name="note" value="([^"]+)"', page)
    assert note is not None
    page = member.do("/links/undo", {"note": note[1]})
    assert notice(page) == "TOY-2 is linked again. Work 100 % → 25 %."
    assert (links(worked)[1].weight, links(worked)[1].source) == (Fraction(3), "label")


def test_an_undo_that_we_did_not_write_does_nothing(worked: Organisation, member: Visitor, admin: Visitor) -> None:
    link = links(worked)[1]
    member.read("/key-results/ratio")
    page = member.do(f"/links/{link.id}/unlink")
    note = re.search(r'name="note" value="([^"]+)"', page)
    assert note is not None
    member.send("/links/undo", {"note": "made up"})
    admin.read("/")
    admin.send("/links/undo", {"note": note[1]})  # somebody else's
    assert len(links(worked)) == 1


def test_a_weight_can_be_set_and_set_back(worked: Organisation, member: Visitor) -> None:
    link = links(worked)[0]
    member.read("/key-results/ratio")
    page = member.do(f"/links/{link.id}/weight", {"weight": "3"})
    assert notice(page) == "TOY-1 has another weight. Work 50 % → 75 %."
    assert 'name="weight" value="1"' in page.split('id="notices"')[1].split("</main>")[0]
    assert "must be a number" in notice(member.do(f"/links/{link.id}/weight", {"weight": "heavy"}))


def test_checking_in_moves_the_metric(org: Organisation, member: Visitor) -> None:
    member.read("/key-results/metric")
    given = {"value": "28,5 %", "status": "green", "confidence": "0.7", "changed": "The form is shorter."}
    page = member.do("/key-results/metric/check-ins", given)
    assert notice(page) == "Checked in. Outcome – → 50 %."
    assert "The form is shorter." in page
    assert "measured: 28.5\u00a0%" in page
    with org.core.database.reading() as session:
        found = session.get_one(KeyResult, "metric")
        assert (found.value, found.status, found.confidence) == (Fraction("28.5"), "green", Fraction("0.7"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"status": "red"}, "Red needs a plan"),
        ({"value": "many"}, "must be a number"),
        ({"value": "1,234"}, "Is that 1234 or 1.234?"),
        ({"confidence": "2"}, "between 0 and 1"),
        ({}, "says something"),
    ],
)
def test_a_check_in_that_lacks_something_says_what(member: Visitor, given: dict[str, str], said: str) -> None:
    member.read("/key-results/metric")
    answer = member.send(
        "/key-results/metric/check-ins", {"changed": "", "plan": "", "value": "", "status": "", **given}
    )
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)


def test_what_was_typed_survives_an_error(member: Visitor) -> None:
    member.read("/key-results/metric")
    answer = member.send(
        "/key-results/metric/check-ins", {"value": "28", "status": "red", "changed": "A <b>long</b> story", "plan": ""}
    )
    assert 'value="28"' in answer.text
    assert "A &lt;b&gt;long&lt;/b&gt; story</textarea>" in answer.text
    assert re.search(r'value="red" checked', answer.text)


def test_milestones_are_ticked_off(org: Organisation, member: Visitor) -> None:
    with org.core.database.writing() as session:
        session.get_one(KeyResult, "metric").kind = "milestone"
    assert "No milestones yet" in member.read("/key-results/metric")
    member.do("/key-results/metric/milestones", {"title": "Auditor chosen", "milestone_weight": ""})
    member.do("/key-results/metric/milestones", {"title": "Audit passed", "milestone_weight": "3"})
    with org.core.database.reading() as session:
        first = session.query(Milestone).filter_by(title="Auditor chosen").one().id
    page = member.do(f"/key-results/metric/milestones/{first}", {"wish": "finish"})
    assert notice(page) == "The milestone is finished. Outcome 0 % → 25 %."
    weigh = {"wish": "weigh", "weight": "9"}
    assert notice(member.do(f"/key-results/metric/milestones/{first}", weigh)).endswith("Outcome 25 % → 75 %.")
    assert "must be a number" in notice(member.do(f"/key-results/metric/milestones/{first}", {**weigh, "weight": "x"}))
    assert notice(member.do(f"/key-results/metric/milestones/{first}", {"wish": "reopen"})).endswith("75 % → 0 %.")
    assert (
        "Auditor chosen"
        not in member.do(f"/key-results/metric/milestones/{first}", {"wish": "remove"})
        .split('id="milestone-list"')[1]
        .split("</section>")[0]
    )


def test_a_closed_key_result_takes_nothing_more_but_can_be_opened_again(worked: Organisation, member: Visitor) -> None:
    member.read("/key-results/ratio")
    page = member.do("/key-results/ratio/state", {"state": "closed"})
    assert "is closed" in notice(page)
    assert "/check-ins" not in page
    assert member.send("/key-results/ratio/links", {"issue": "TOY-1"}).status_code == 422
    page = member.do("/key-results/ratio/state", {"state": "open"})
    assert "/check-ins" in page


def test_a_viewer_sees_everything_and_changes_nothing(worked: Organisation, viewer: Visitor) -> None:
    page = viewer.read("/key-results/ratio")
    assert "Unlink" not in page
    assert 'name="status"' not in page
    assert viewer.send(f"/links/{links(worked)[0].id}/unlink").status_code == 403
    assert viewer.send("/key-results/ratio/check-ins", {"status": "green"}).status_code == 403
    assert viewer.send("/key-results/ratio/edit", {"title": "Mine now"}).status_code == 403


def test_the_cost_of_the_page_does_not_grow_with_links_and_rows(worked: Organisation, member: Visitor) -> None:
    member.read("/key-results/ratio")
    with counted(worked.core.database.engine) as few:
        member.read("/key-results/ratio")
    for number in range(10, 40):
        worked.tell(str(number), "done", at=number)
        worked.link(str(number))
    with counted(worked.core.database.engine) as many:
        member.read("/key-results/ratio")
    assert len(many) <= len(few)


def test_news_of_a_linked_issue_is_news_for_the_page(worked: Organisation, member: Visitor) -> None:
    etag = member.client.get("/key-results/ratio").headers["ETag"]
    assert member.client.get("/key-results/ratio", headers={"If-None-Match": etag}).status_code == 304
    worked.tell("2", "doing", at=5)
    assert member.client.get("/key-results/ratio", headers={"If-None-Match": etag}).status_code == 200


def test_the_chart_is_told_as_a_table_too(worked: Organisation, member: Visitor) -> None:
    table = member.read("/key-results/ratio").split('id="chart-table"')[1].split("</table>")[0]
    assert "50\u00a0%" in table
    assert 'data-words="outcome –, work 50\u00a0%"' in table


def test_a_deleted_issue_shows_its_link_broken(worked: Organisation, member: Visitor) -> None:
    worked.tell("2", at=60, gone=True)
    page = member.read("/key-results/ratio")
    assert "lozenge-gone" in page
    assert "was deleted or cannot be found" in page


def test_an_old_database_row_without_width_says_so(org: Organisation, member: Visitor) -> None:
    with org.core.database.writing() as session:
        found = session.get_one(KeyResult, "metric")
        found.baseline = found.target = found.value = Fraction(5)
    assert "baseline and target are the same" in member.read("/key-results/metric")


def test_no_database_is_a_page_that_says_so_and_nothing_is_lost(org: Organisation, member: Visitor) -> None:
    member.read("/")
    org.core.database.engine.dispose()
    with org.core.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person RENAME TO person_away")
    answer = member.client.get("/", headers=member.headers)
    assert answer.status_code == 503
    assert "can't reach its database" in html.unescape(answer.text)
    with org.core.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person_away RENAME TO person")
    member.read("/")


def test_a_refused_link_shows_its_reason(worked: Organisation, member: Visitor) -> None:
    with worked.core.database.writing() as session:
        link = session.get_one(Link, links(worked)[1].id)
        link.state, link.refusal = "refused", "You may not edit TOY-2."
    assert "refused: You may not edit TOY-2." in member.read("/key-results/ratio")


def test_a_closed_key_result_keeps_its_links(worked: Organisation, member: Visitor) -> None:
    link = links(worked)[0]
    member.read("/key-results/ratio")
    member.do("/key-results/ratio/state", {"state": "closed"})
    answer = member.send(f"/links/{link.id}/unlink")
    assert answer.status_code == 409
    assert "Open it again" in answer.text
    assert len(links(worked)) == 2


def test_a_link_that_somebody_else_has_removed_is_said_plainly(worked: Organisation, member: Visitor) -> None:
    link = links(worked)[0]
    member.read("/key-results/ratio")
    member.do(f"/links/{link.id}/unlink")
    assert member.send(f"/links/{link.id}/unlink").status_code == 404


def test_a_tracker_that_says_no_is_said_beside_the_field(org: Organisation, member: Visitor) -> None:
    org.tracker.down = TrackerRefused("The site refused our credentials.")  # type: ignore[assignment]  # the toy raises it
    member.read("/key-results/ratio")
    answer = member.send("/key-results/ratio/links", {"issue": "TOY-7"})
    assert answer.status_code == 422
    assert "refused our credentials" in answer.text


def test_a_mistyped_value_is_corrected_with_a_row_of_its_own(org: Organisation, member: Visitor) -> None:
    member.read("/key-results/metric")
    page = member.do("/key-results/metric/check-ins", {"value": "285", "changed": "Shorter form."})
    path = re.search(r'href="(/key-results/metric/check-ins/[^"]+)"', page)
    assert path is not None
    member.read(path[1])
    assert member.fields()["value"] == "285"
    page = member.do(path[1], {**member.fields(), "value": "28.5"})
    assert notice(page) == "Corrected. Outcome 100 % → 50 %."
    assert "measurement corrected: 285\u00a0% → 28.5\u00a0%" in page
    assert "Shorter form." in page
    answer = member.send(path[1], {"value": "x", "version": "2"})
    assert answer.status_code == 422
