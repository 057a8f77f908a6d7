"""Sprint planning at its own address: who sees what, several sprints at once, and every state of a sprint."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from connector.issues import ensure_issue
from connector.links import declare_business_as_usual
from connector.models import Connection, KeyResult, Link, Sprint, Workspace
from connector.tracker import TrackerUnavailable
from tests.web.pages.conftest import NOW, Organisation, Visitor


@pytest.fixture
def sprint(org: Organisation) -> Organisation:
    """Sprint 7 (id 1) with two aligned, one declared and one unaligned issue; sprint 8 (id 2) follows, with one."""
    with org.core.database.writing() as session:
        session.add_all(
            [
                Sprint(id=1, workspace_id="w", connection_id="c", external_id="7", name="Sprint 7", state="active",
                       board="3", starts_at=NOW, ends_at=NOW + timedelta(days=14), read_at=NOW),
                Sprint(id=2, workspace_id="w", connection_id="c", external_id="8", name="Sprint 8", state="future",
                       board="3", read_at=NOW),
            ]
        )  # fmt: skip
    for at, (id_, cls, points, held) in enumerate(
        [("1", "todo", "4", "7"), ("2", "done", "2", "7"), ("3", "doing", "2", "7"), ("4", "todo", "2", "7"),
         ("5", "todo", "5", "8")]
    ):  # fmt: skip
        org.tell(id_, cls, at=at, points=points, sprints=[held])
    org.link("1", "ratio")
    org.link("2", "ratio")
    with org.core.database.writing() as session:
        issue = ensure_issue(session, session.get_one(Connection, "c"), "3")
        declare_business_as_usual(session, "w", issue, "support", actor="ada", now=NOW)
    return org


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def send(visitor: Visitor, verb: str, body: Any, sprint: str = "1", **headers: str) -> TestResponse:
    """Make a call as the page's script does."""
    token = re.search(r'data-token="([^"]+)"', visitor.seen)
    given = {"X-Ladder-Token": token[1] if token else "", "Accept": "application/json", **headers}
    sprint_id, _, query = sprint.partition("?")
    return visitor.client.post(f"/planning/{sprint_id}/{verb}?{query}", json=body, headers=given)


def number(org: Organisation, external_id: str) -> int:
    with org.core.database.reading() as session:
        return ensure_issue(session, session.get_one(Connection, "c"), external_id).id


def edit(org: Organisation, **changes: Any) -> None:
    with org.core.database.writing() as session:
        row = session.get_one(Sprint, 1)
        for name, value in changes.items():
            setattr(row, name, value)


def test_the_list_names_what_can_be_planned(sprint: Organisation, member: Visitor) -> None:
    words = plain(member.read("/planning"))
    assert "Sprint 7" in words
    assert "running, 14 days left" in words.replace("\u00a0", " ")
    assert 'aria-current="page">Planning' in member.seen


def test_an_empty_list_says_what_to_do(org: Organisation, member: Visitor) -> None:
    assert "No sprint is planned or running" in member.read("/planning")


def test_the_overlay_is_whole_without_a_script(sprint: Organisation, member: Visitor) -> None:
    words = plain(member.read("/planning/1"))
    assert "aligned 60 %" in words
    assert "business as usual 20 %" in words
    assert "unaligned 20 %" in words
    assert "Toy issue 4" in words
    assert "Ship the audit" in words
    assert not re.search(r"\sstyle=|\son[a-z]+=", member.seen)


def test_strangers_are_sent_to_the_sign_in_page(sprint: Organisation, site: Any) -> None:
    client = site.test_client()
    for path in ("/planning", "/planning/1", "/planning/1/live"):
        assert client.get(path).status_code == 303
    assert client.post("/planning/1/link", json={}).status_code == 403


def test_a_call_without_the_page_s_token_is_refused(sprint: Organisation, member: Visitor) -> None:
    member.read("/planning/1")
    assert send(member, "what-if", {}).status_code == 200
    assert send(member, "what-if", {}, **{"X-Ladder-Token": "guessed"}).status_code == 403
    assert send(member, "what-if", {}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_an_unknown_or_foreign_sprint_is_not_there(sprint: Organisation, member: Visitor) -> None:
    with sprint.core.database.writing() as session:
        session.add(Workspace(id="other", name="Other", timezone="UTC"))
        session.flush()
        session.add(Connection(id="d", workspace_id="other", tracker="toy", tenant_key="u", site="https://o.example"))
        session.flush()
        session.add(Sprint(id=3, workspace_id="other", connection_id="d", external_id="1", name="Secret"))
    for path in ("/planning/3", "/planning/99", f"/planning/{10**30}", "/planning/1?with=3", "/planning/3/live"):
        assert "Secret" not in member.read(path, status=404)
    member.read("/planning/1")
    assert send(member, "what-if", {}, "3").status_code == 404


def test_a_viewer_reads_and_tries_out_but_changes_nothing(sprint: Organisation, enter: Callable[..., Visitor]) -> None:
    eve = enter("viewer", "Eve", "toy-user")
    page = eve.read("/planning/1")
    assert "Your role is to look" in page
    assert "search-words" not in page
    assert "data-unlink=" not in page
    out = number(sprint, "4")
    tried = send(eve, "what-if", {"what_if": {"out": [out], "into": [], "links": []}})
    assert tried.get_json()["trying"].replace("\u00a0", " ") == "1 out"
    for verb, body in (
        ("link", {"pairs": [[out, "ratio"]]}),
        ("not-goal-work", {"issues": [out], "category": "support"}),
        ("move", {"moves": [{"issues": [out], "sprint": None}]}),
        ("team", {"team_id": "t"}),
    ):
        assert send(eve, verb, body).status_code == 403, verb


def test_who_is_unknown_in_the_tracker_sees_nothing_of_its_issues(
    sprint: Organisation, enter: Callable[..., Visitor]
) -> None:
    page = enter("member", "Noam", None).read("/planning/1")
    assert "Toy issue" not in page
    assert "4 that you may not see" in plain(page)
    assert "Ladder does not know you in Toy" in page
    assert "unaligned 20 %" in plain(page)


def test_an_admin_without_an_account_sees_all_and_links(sprint: Organisation, admin: Visitor) -> None:
    assert "Toy issue 4" in admin.read("/planning/1")
    done = send(admin, "link", {"pairs": [[number(sprint, "4"), "metric"]]}).get_json()
    assert done["words"].startswith("1 issue linked to “Activation”.")


def test_the_tracker_s_word_decides_what_a_member_sees(
    sprint: Organisation, member: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {"4"}
    monkeypatch.setattr(
        type(sprint.tracker), "permitted", lambda self, connection, account, ids, action: frozenset(ids) - hidden
    )
    page = member.read("/planning/1")
    assert "Toy issue 4" not in page
    assert "TOY-4" not in page
    assert "Toy issue 1" in page


def test_a_live_question_answers_304_until_something_changes(sprint: Organisation, member: Visitor) -> None:
    member.read("/planning/1")
    first = member.client.get("/planning/1/live")
    again = member.client.get("/planning/1/live", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data
    sprint.tell("4", "done", at=60, points="2", sprints=["7"])
    fresh = member.client.get("/planning/1/live", headers={"If-None-Match": first.headers["ETag"]})
    assert fresh.get_json()["etag"] != first.headers["ETag"]


def test_two_sprints_are_planned_as_one(sprint: Organisation, member: Visitor) -> None:
    words = plain(member.read("/planning/1?with=2"))
    assert "Sprint 7 + Sprint 8" in words
    assert "Toy issue 5" in words
    assert "15 pt" in words.replace("\u00a0", " ")
    done = send(member, "what-if", {"whole": True}, "1?with=2").get_json()
    assert "Toy issue 5" in done["issues"]


def test_the_next_sprint_is_shown_beside_when_asked(sprint: Organisation, member: Visitor) -> None:
    assert "Toy issue 5" not in member.read("/planning/1")
    done = send(member, "what-if", {"whole": True}, "1?next=1").get_json()
    assert "Toy issue 5" in done["issues"]
    assert "After next" in done["summary"]


def test_linking_unlinking_and_declaring_go_through_and_back(sprint: Organisation, member: Visitor) -> None:
    member.read("/planning/1")
    four = number(sprint, "4")
    done = send(member, "link", {"pairs": [[four, "metric"]]}).get_json()
    assert "Unaligned 20 % → 0 % (−20.0 pp)." in done["words"].replace("\u00a0", " ")
    with sprint.core.database.reading() as session:
        link = session.query(Link).filter_by(issue_id=four).one()
    gone = send(member, "unlink", {"links": [link.id]}).get_json()
    assert "Unaligned 0 % → 20 %" in gone["words"].replace("\u00a0", " ")
    assert "linked again" in send(member, "undo", {"undo": gone["undo"]}).get_json()["words"]
    taken = send(member, "not-goal-work", {"issues": [number(sprint, "3")], "category": None}).get_json()
    assert "1 issue taken back" in taken["words"]


def test_a_silent_tracker_is_said_and_nothing_is_linked(
    sprint: Organisation, member: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.read("/planning/1")

    def silent(*_: Any) -> Any:
        raise TrackerUnavailable("The toy is out")

    monkeypatch.setattr(type(sprint.tracker), "permitted", silent)
    done = send(member, "link", {"pairs": [[number(sprint, "4"), "metric"]]}).get_json()
    assert done["words"].startswith("Nothing was linked.")
    assert "Toy does not answer" in done["words"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"starts_at": None, "ends_at": None}, "Sprint 7 has no dates yet"),
        ({"state": "closed"}, "Sprint 7 is closed: nothing to try out any more"),
        ({"state": "deleted"}, "Sprint 7 was deleted in Toy"),
        ({"read_at": None}, "Reading the sprint from Toy"),
        ({"ends_at": NOW - timedelta(days=2)}, "2 days over"),
        ({"ends_at": None}, "from 3 Aug"),
        ({"starts_at": None}, "until 17 Aug"),
    ],
)
def test_a_sprint_says_what_is_special_about_it(
    sprint: Organisation, member: Visitor, changes: dict[str, Any], words: str
) -> None:
    edit(sprint, **changes)
    assert words in plain(member.read("/planning/1")).replace("\u00a0", " ")


def test_an_offline_tracker_says_since_when(sprint: Organisation, member: Visitor) -> None:
    with sprint.core.database.writing() as session:
        session.get_one(Connection, "c").offline_since = NOW
    assert "Waiting for Toy since 11:00" in plain(member.read("/planning/1")).replace(" .", ".")


def test_a_sprint_without_issues_says_what_to_do(sprint: Organisation, member: Visitor) -> None:
    page = member.read("/planning/2?with=2")
    assert "Toy issue 5" in page
    sprint.tell("5", "todo", at=90, points="5", sprints=[])
    page = member.read("/planning/2")
    assert "No issues in this sprint" in page
    assert "stack-bar" not in page


@pytest.mark.parametrize(("cls", "words"), [("done", "Every issue of the sprint is done"), ("dropped", "was dropped")])
def test_a_sprint_in_which_all_is_over_says_so(sprint: Organisation, member: Visitor, cls: str, words: str) -> None:
    for at, issue in enumerate(("1", "2", "3", "4")):
        sprint.tell(issue, cls, at=100 + at, points="2", sprints=["7"])
    assert words in plain(member.read("/planning/1"))


def test_without_goals_the_next_step_is_to_set_them_up(sprint: Organisation, member: Visitor) -> None:
    with sprint.core.database.writing() as session:
        for row in session.query(KeyResult):
            row.state = "closed"
    assert "No key results yet" in member.read("/planning/1") or "Whose key results?" in member.seen


def test_waiting_links_and_stale_issues_are_said(sprint: Organisation, member: Visitor) -> None:
    sprint.link("4", "metric", waiting=True, asked_by="toy-user")
    with sprint.core.database.writing() as session:
        ensure_issue(session, session.get_one(Connection, "c"), "1").stale_since = NOW
    words = plain(member.read("/planning/1"))
    assert "1 link waits for the tracker" in words
    assert "waits for its tracker, counts nothing yet" in words
    assert "1 issue could not be read lately" in words


def test_an_issue_without_an_estimate_is_said_to_count_one(sprint: Organisation, member: Visitor) -> None:
    sprint.tell("6", "todo", at=70, sprints=["7"])
    words = plain(member.read("/planning/1"))
    assert "1 without an estimate (each counts 1)" in words
    assert "no estimate, counts 1" in words


def test_an_issue_in_two_key_results_is_in_both_groups_and_marked_as_split(
    sprint: Organisation, member: Visitor
) -> None:
    sprint.link("1", "metric")
    page = member.read("/planning/1")
    one = number(sprint, "1")
    assert f'id="row-ratio-{one}"' in page
    assert f'id="row-metric-{one}"' in page
    assert "split 2 ways: also Activation" in plain(page)


def test_hostile_text_stays_text(sprint: Organisation, member: Visitor) -> None:
    edit(sprint, name='<script>alert(1)</script>"><img src=x onerror=alert(1)>')
    with sprint.core.database.writing() as session:
        issue = ensure_issue(session, session.get_one(Connection, "c"), "4")
        issue.title, issue.url = "<b onclick=x>bold</b>", "javascript:alert(1)"
    page = member.read("/planning/1")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<b onclick" not in page
    assert "javascript:" not in page
