"""The panel's address and the calls behind it: who is let in, what is answered, what it costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select

from connector import goals
from connector.issues import ensure_issue
from connector.models import BusinessAsUsual, Connection, KeyResult, Person, Workspace
from jira_app import panel_actions
from jira_app.panel_actions import Actor
from tests.web.panel_stage import ENGINEER, LEAD, VIEWER, PanelStage, panel_stage
from web.sandbox import Issue
from web.sandbox.modules import context_token, jira_context
from web.sandbox.signing import query_string_hash, shared_secret_token

CALLS = ("link", "unlink", "weight", "not-goal-work", "undo", "open")
PANEL_STATEMENTS = 8
POLL_STATEMENTS = 3


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else ""
    with panel_stage(tmp_path_factory.mktemp("panel"), database_url=url) as stage:
        yield stage


@pytest.fixture(autouse=True)
def _jira_answers(stage: PanelStage) -> Iterator[None]:
    yield
    stage.site.faults.clear()


@pytest.fixture
def client(stage: PanelStage) -> FlaskClient:
    return stage.app.test_client()


@pytest.fixture
def issue(stage: PanelStage) -> Issue:
    return stage.issue("An issue of its own")


@pytest.fixture
def statements(stage: PanelStage) -> Iterator[list[str]]:
    """SQL statements of this thread; the worker's are not counted."""
    seen: list[str] = []
    here = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if threading.get_ident() == here and statement != "BEGIN":
            seen.append(statement)

    event.listen(stage.core.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(stage.core.database.engine, "before_cursor_execute", note)


@pytest.fixture
def remembered(stage: PanelStage) -> Callable[[], None]:
    """Have the site looked up afresh by the next request, so that it is remembered for the one after."""
    return lambda: stage.core.trackers["jira"].tenants.forget(stage.site.client_key)  # type: ignore[attr-defined]  # Jira's own


@pytest.fixture
def page(stage: PanelStage, client: FlaskClient) -> Callable[..., Any]:
    """Open an issue's panel as Jira's iframe does."""

    def open_page(issue: Issue, account: str = LEAD) -> Any:
        return client.get(stage.page_address(issue, account).removeprefix(stage.ladder), base_url=stage.ladder)

    return open_page


@pytest.fixture
def ask(stage: PanelStage, client: FlaskClient) -> Callable[..., Any]:
    """Make a call from inside the panel; `json` makes it a POST."""

    def make_call(
        issue: Issue,
        name: str,
        json: Any = None,
        *,
        account: str = LEAD,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        return client.open(
            f"/jira/panel/{name}",
            method="GET" if json is None else "POST",
            query_string={"issueId": issue.id, **(query or {})},
            headers=stage.pass_for(issue, account) | (headers or {}),
            json=json,
            base_url=stage.ladder,
        )

    return make_call


def signed_page(stage: PanelStage, target: str, **claims: Any) -> str:
    """Return an address of ours with a page token that the site really signed."""
    token = shared_secret_token(
        stage.site.installation.shared_secret,
        issuer=stage.site.client_key,
        qsh=query_string_hash("GET", stage.ladder + target, stage.ladder),
        now=stage.site.now(),
        subject=claims.pop("subject", LEAD),
        **claims,
    )
    return f"{target}{'&' if '?' in target else '?'}jwt={token}"


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_first_paint_is_complete_without_a_script(
    stage: PanelStage, issue: Issue, page: Callable[..., Any]
) -> None:
    stage.link(issue, "activation")

    html = page(issue).text

    assert "Activation rate" in html
    assert "Win the trust of enterprise admins" in html
    assert "Become the default in regulated markets" in html
    assert "driver: Ana Petrova" in html
    assert "46\u00a0%" in html
    assert "Closing this ticket: work" in html
    assert " style=" not in html
    assert "<script>" not in html


def test_only_the_proven_site_may_frame_the_page_whatever_the_address_says(
    stage: PanelStage, issue: Issue, client: FlaskClient
) -> None:
    target = f"/jira/panel?issueId={issue.id}&xdm_e=https%3A%2F%2Fevil.example"

    answer = client.get(signed_page(stage, target), base_url=stage.ladder)

    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert f"frame-ancestors {stage.site.origin}" in policy
    assert "default-src 'none'" in policy
    assert f"script-src 'self' {stage.site.origin}" in policy  # the stand-in serves the bridge script
    assert "evil" not in answer.headers["Content-Security-Policy"] + answer.text
    assert "X-Frame-Options" not in answer.headers


def test_the_page_is_kept_nowhere_and_sets_no_cookie(issue: Issue, page: Callable[..., Any]) -> None:
    answer = page(issue)

    assert answer.headers["Cache-Control"] == "no-cache, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers


def test_without_a_token_there_is_only_what_to_do(stage: PanelStage, issue: Issue, client: FlaskClient) -> None:
    answer = client.get(f"/jira/panel?issueId={issue.id}", base_url=stage.ladder)

    assert answer.status_code == 401
    assert "Reload the ticket" in answer.text
    assert issue.summary not in answer.text
    assert f"frame-ancestors {stage.site.origin}" in answer.headers["Content-Security-Policy"]


def test_a_context_token_opens_no_page_and_a_page_token_makes_no_call(
    stage: PanelStage, issue: Issue, client: FlaskClient
) -> None:
    context = context_token(stage.site, stage.person(), jira_context(stage.site, issue))
    page_token = signed_page(stage, f"/jira/panel/live?issueId={issue.id}").partition("jwt=")[2]

    opened = client.get(f"/jira/panel?issueId={issue.id}&jwt={context}", base_url=stage.ladder)
    called = client.get(
        f"/jira/panel/live?issueId={issue.id}", headers={"Authorization": f"JWT {page_token}"}, base_url=stage.ladder
    )

    assert (opened.status_code, called.status_code) == (401, 401)


@pytest.mark.parametrize("given", ["", "ATL-1", "1 OR 1=1", "../1", "9" * 40])
def test_an_address_that_names_no_issue_says_so(stage: PanelStage, client: FlaskClient, given: str) -> None:
    from urllib.parse import quote

    answer = client.get(signed_page(stage, f"/jira/panel?issueId={quote(given, safe='')}"), base_url=stage.ladder)

    assert answer.status_code == 404
    assert "names no ticket" in answer.text


def test_a_fresh_install_shows_the_one_next_step(tmp_path: Any) -> None:
    with panel_stage(tmp_path, with_goals=False) as stage:
        issue = stage.issue()

        html = (
            stage.app.test_client()
            .get(stage.page_address(issue).removeprefix(stage.ladder), base_url=stage.ladder)
            .text
        )

    assert "No goals yet" in html
    assert html.count("<button") == 1 + 3  # and those of the hidden notice and trouble


def test_a_deleted_issue_keeps_its_broken_link_in_sight(
    stage: PanelStage, issue: Issue, page: Callable[..., Any]
) -> None:
    stage.link(issue, "sso")
    address = stage.page_address(issue).removeprefix(stage.ladder)
    client = stage.app.test_client()
    client.get(address, base_url=stage.ladder)  # from here on Jira's word about the rights holds for a minute

    stage.site.delete(issue)
    stage.settle()
    html = client.get(address, base_url=stage.ladder).text

    assert "This ticket was deleted" in html
    assert "Broken link: counts nothing" in html


# ---- who is let in ---------------------------------------------------------------------------------------------------


def test_who_may_not_view_the_issue_sees_nothing_and_does_nothing(
    stage: PanelStage, issue: Issue, page: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    stage.link(issue, "churn")
    stage.site.faults.deny(ENGINEER, "BROWSE_PROJECTS", issue.id)

    answers = [page(issue, ENGINEER), ask(issue, "live", account=ENGINEER), ask(issue, "search", account=ENGINEER)]
    answers += [ask(issue, "why", account=ENGINEER, query={"keyResultId": stage.key_results["churn"]})]
    answers += [ask(issue, name, {"key_result_id": "x", "link_id": "x"}, account=ENGINEER) for name in CALLS]

    assert {answer.status_code for answer in answers} == {403}
    assert not any("Churn" in answer.text for answer in answers)
    assert "can't view this ticket" in answers[0].text.replace("&#39;", "'")


def test_who_may_not_edit_the_issue_reads_and_changes_nothing(
    stage: PanelStage, issue: Issue, page: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    link_id = stage.link(issue, "churn")
    bodies = {
        "link": {"key_result_id": stage.key_results["sso"]},
        "unlink": {"link_id": link_id},
        "weight": {"link_id": link_id, "weight": "2"},
        "not-goal-work": {"category": "support"},
    }

    assert page(issue, VIEWER).status_code == 200
    answers = [ask(issue, name, body, account=VIEWER) for name, body in bodies.items()]

    assert {(answer.status_code, answer.json["reason"]) for answer in answers} == {(403, "may_not_edit")}
    assert [(one.key_result_id, one.weight) for one in stage.links() if one.id == link_id] == [
        (stage.key_results["churn"], Fraction(1))
    ]


def test_a_token_of_one_issue_is_no_window_on_another(stage: PanelStage, issue: Issue, client: FlaskClient) -> None:
    other = stage.issue("Another one")

    answer = client.get(f"/jira/panel/live?issueId={other.id}", headers=stage.pass_for(issue), base_url=stage.ladder)

    assert answer.status_code == 403
    assert "opened for another ticket" in answer.text


def test_a_link_of_another_issue_is_out_of_reach(stage: PanelStage, issue: Issue, ask: Callable[..., Any]) -> None:
    others = stage.link(stage.issue("Somebody else's"), "churn")

    removed = ask(issue, "unlink", {"link_id": others})
    weighed = ask(issue, "weight", {"link_id": others, "weight": "9"})

    assert (removed.status_code, weighed.status_code) == (404, 404)
    assert any(one.id == others and one.weight == 1 for one in stage.links())


def test_another_workspaces_goals_are_out_of_reach(stage: PanelStage, issue: Issue, ask: Callable[..., Any]) -> None:
    with stage.core.database.writing() as session:
        session.add(Workspace(id="other", name="Other"))
        session.flush()
        person = goals.create_person(session, "other", goals.CreatePerson("Eve"))
        team = goals.create_team(session, "other", goals.CreateTeam("Eves", "company"))
        day = stage.core.clock().date()
        cycle = goals.create_cycle(session, "other", goals.CreateCycle("Q", day, day))
        objective = goals.create_objective(session, "other", goals.CreateObjective("Secret", cycle.id, team.id))
        secret = goals.create_key_result(
            session,
            "other",
            goals.CreateKeyResult(objective.id, "Secret key result", [person.id], goals.Definition(kind="issue_ratio")),
            actor="test",
            now=stage.core.clock(),
        ).id

    linked = ask(issue, "link", {"key_result_id": secret})
    found = ask(issue, "search", query={"q": "secret"})
    why = ask(issue, "why", query={"keyResultId": secret})

    assert (linked.status_code, linked.json["reason"]) == (404, "unknown_key_result")
    assert "Secret" not in found.text + why.text


def test_nobody_signed_in_may_look_where_jira_lets_them_but_change_nothing(
    stage: PanelStage, issue: Issue, client: FlaskClient
) -> None:
    address = signed_page(stage, f"/jira/panel?issueId={issue.id}", subject=None)

    answer = client.get(address, base_url=stage.ladder)

    assert answer.status_code == 200
    assert "Sign in to Jira" in answer.text
    assert "data-link" not in answer.text


def test_while_jira_is_away_its_own_word_that_the_issue_is_open_suffices_to_look(
    stage: PanelStage, client: FlaskClient, page: Callable[..., Any]
) -> None:
    issue = stage.issue("Nobody looked at it before")
    stage.site.faults.unavailable()
    nameless = context_token(stage.site, stage.person(ENGINEER), {})

    seen = page(issue, ENGINEER)
    blind = client.get(
        f"/jira/panel/live?issueId={issue.id}", headers={"Authorization": f"JWT {nameless}"}, base_url=stage.ladder
    )

    assert seen.status_code == 200
    assert (blind.status_code, "Waiting for Jira" in blind.text) == (503, True)


# ---- actions ---------------------------------------------------------------------------------------------------------


def test_linking_says_what_it_did_and_undo_takes_it_back(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    done = stage.issue("Done before")
    stage.link(done, "sso")
    stage.site.transition(done, "Done")
    stage.settle()
    before = stage.card("sso").work

    linked = ask(issue, "link", {"key_result_id": stage.key_results["sso"]}).json
    between = stage.card("sso").work
    undone = ask(issue, "undo", {"undo": linked["undo"]}).json

    assert between.units == before.units + 1
    assert linked["words"].startswith("Linked. Work ")
    assert "→" in linked["words"]
    assert linked["focus"] in linked["panel"]
    assert undone["words"].startswith("Unlinked.")
    assert stage.card("sso").work.progress == before.progress


def test_linking_twice_or_to_something_closed_is_refused_in_words(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    stage.link(issue, "churn")
    stage.edit_key_result("uptime", state="closed")

    again = ask(issue, "link", {"key_result_id": stage.key_results["churn"]})
    closed = ask(issue, "link", {"key_result_id": stage.key_results["uptime"]})
    stage.edit_key_result("uptime", state="open")

    assert (again.status_code, again.json["reason"]) == (409, "already_linked")
    assert (closed.status_code, closed.json["reason"]) == (409, "key_result_closed")
    assert "is closed" in closed.json["detail"]


def test_a_weight_is_kept_exactly(stage: PanelStage, issue: Issue, ask: Callable[..., Any]) -> None:
    link_id = stage.link(issue, "churn")

    answer = ask(issue, "weight", {"link_id": link_id, "weight": "0.1"})
    ask(issue, "undo", {"undo": answer.json["undo"]})

    assert answer.json["words"].startswith("Weight 1\u00a0→\u00a00.1.")
    assert next(one for one in stage.links() if one.id == link_id).weight == 1


@pytest.mark.parametrize("weight", ["", "-1", "1e9", "a lot", "0.1\x00", "1/3", "99999", "1.00001", 2, None])
def test_a_weight_that_makes_no_sense_is_refused(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any], weight: Any
) -> None:
    link_id = stage.link(issue, "churn")

    answer = ask(issue, "weight", {"link_id": link_id, "weight": weight})

    assert answer.status_code == 422
    assert next(one for one in stage.links() if one.id == link_id).weight == 1


def test_not_goal_work_is_kept_with_who_said_so_and_undone(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    answer = ask(issue, "not-goal-work", {"category": "security"}, account=ENGINEER)
    with stage.core.database.reading() as session:
        connection = session.scalars(select(Connection)).one()
        row = session.get_one(BusinessAsUsual, ensure_issue(session, connection, issue.id).id)
    undone = ask(issue, "undo", {"undo": answer.json["undo"]}, account=ENGINEER)

    assert (row.category, row.declared_by) == ("security", ENGINEER)
    assert "Not goal work: security" in answer.json["panel"]
    assert "ladders into no goal yet" in undone.json["panel"]


def test_an_undo_is_good_for_its_person_its_issue_and_a_few_seconds(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    other = stage.issue("Not the one")
    sealed = ask(issue, "link", {"key_result_id": stage.key_results["churn"]}).json["undo"]
    with stage.core.database.reading() as session:
        connection = session.scalars(select(Connection)).one()
    long_ago = replace(stage.core, clock=lambda: stage.core.clock() - timedelta(minutes=1))
    old = panel_actions.seal(
        long_ago, Actor(connection, LEAD, issue.id), {"do": "unlink", "link": stage.links()[-1].id}
    )

    answers = [
        ask(issue, "undo", {"undo": sealed}, account=ENGINEER),
        ask(other, "undo", {"undo": sealed}),
        ask(issue, "undo", {"undo": old}),
        ask(issue, "undo", {"undo": sealed[:-4] + "AAAA"}),
    ]

    assert [answer.status_code for answer in answers] == [409] * 4
    assert [answer.json["reason"] for answer in answers] == [
        "undo_unknown",
        "undo_unknown",
        "undo_expired",
        "undo_unknown",
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not json", b"[" * 5000, b'{"key_result_id": 7}', b'{"key_result_id": null}']
)
def test_bodies_that_make_no_sense_are_refused_and_change_nothing(
    stage: PanelStage, issue: Issue, client: FlaskClient, body: bytes
) -> None:
    before = len(stage.links())

    answer = client.post(
        f"/jira/panel/link?issueId={issue.id}", data=body, headers=stage.pass_for(issue), base_url=stage.ladder
    )

    assert answer.status_code == 422
    assert len(stage.links()) == before


@pytest.mark.parametrize("words", ["%", "_", "\\", "'", "\x00", "activation " * 100, "💥"])
def test_a_search_for_anything_is_answered(issue: Issue, ask: Callable[..., Any], words: str) -> None:
    assert ask(issue, "search", query={"q": words}).status_code == 200


def test_a_key_result_that_is_linked_already_can_not_be_chosen_again(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    stage.link(issue, "churn")

    html = ask(issue, "search", query={"q": "churn"}).text

    assert 'aria-disabled="true"' in html
    assert "already linked" in html


def test_opening_ladder_gives_a_one_time_way_in_as_the_person_in_jira(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any], client: FlaskClient
) -> None:
    key_result = stage.key_results["churn"]

    address = ask(issue, "open", {"key_result_id": key_result}, account=ENGINEER).json["url"]
    shown = client.get(address.removeprefix(stage.ladder), base_url=stage.ladder)
    with stage.core.database.reading() as session:
        names = set(session.scalars(select(Person.name)))

    assert address.startswith(f"{stage.ladder}/sign-in/")
    assert address.endswith(f"?to=%2Fkey-results%2F{key_result}")
    assert shown.status_code == 200
    assert "Jonas Weber" in names


# ---- live, and what it costs -----------------------------------------------------------------------------------------


def test_a_poll_is_answered_304_until_something_shown_changes(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any], page: Callable[..., Any]
) -> None:
    link_id = stage.link(issue, "sso")
    seen = page(issue).text.partition('data-etag="')[2].partition('"')[0].replace("&#34;", '"')

    def poll(tag: str, **more: Any) -> Any:
        return ask(issue, "live", headers={"If-None-Match": tag}, **more)

    assert poll(seen).status_code == 304
    stage.site.transition(issue, "Done")
    stage.settle()
    moved = poll(seen)
    assert moved.status_code == 200
    assert poll(moved.headers["ETag"]).status_code == 304
    ask(issue, "weight", {"link_id": link_id, "weight": "2"})
    weighed = poll(moved.headers["ETag"])
    assert weighed.status_code == 200
    stage.edit_key_result("sso", title="Enterprise sign-in is quite finished")
    renamed = poll(weighed.headers["ETag"])
    assert "quite finished" in renamed.text
    assert poll(renamed.headers["ETag"], account=VIEWER).status_code == 200  # other rights, another panel


def test_an_action_hands_out_the_tag_of_the_panel_that_it_returns(
    stage: PanelStage, issue: Issue, ask: Callable[..., Any]
) -> None:
    done = ask(issue, "link", {"key_result_id": stage.key_results["churn"]}).json

    assert ask(issue, "live", headers={"If-None-Match": done["etag"]}).status_code == 304


def test_the_panel_costs_no_more_statements_for_many_links_of_every_kind(
    stage: PanelStage, page: Callable[..., Any], statements: list[str], remembered: Callable[[], None]
) -> None:
    epic = stage.issue("Epic with many links", type="Epic")
    issue = stage.issue("Below it", parent=epic)
    kinds = [
        goals.Definition(kind="issue_count", baseline=Fraction(0), target=Fraction(4)),
        goals.Definition(kind="issue_delta", baseline=Fraction(40), target=Fraction(10)),
        goals.Definition(kind="maintain", band=(Fraction(1), None)),
        goals.Definition(kind="milestone"),
        goals.Definition(kind="issue_ratio"),
        goals.Definition(baseline=Fraction(0), target=Fraction(1)),
    ]
    with stage.core.database.writing() as session:
        first = session.get_one(KeyResult, stage.key_results["churn"])
        for number in range(30):
            made = goals.create_key_result(
                session,
                stage.workspace_id,
                goals.CreateKeyResult(
                    first.objective_id, f"Key result {number}", [first.driver_id], kinds[number % len(kinds)]
                ),
                actor="test",
                now=stage.core.clock(),
            )
            stage.key_results[f"many-{number}"] = made.id
    for number in range(30):
        stage.link(issue if number % 2 else epic, f"many-{number}")
    remembered()
    page(issue)

    statements.clear()
    html = page(issue).text

    assert html.count('class="entry"') == 30
    assert len(statements) <= PANEL_STATEMENTS, "\n".join(statements)


def test_an_unlinked_panel_with_its_suggestions_stays_within_the_budget(
    stage: PanelStage, page: Callable[..., Any], statements: list[str], remembered: Callable[[], None]
) -> None:
    epic = stage.issue("Another epic", type="Epic")
    stage.link(stage.issue("Linked sibling", parent=epic), "churn")
    issue = stage.issue("Churn export of paying teams", parent=epic)
    remembered()
    page(issue)

    statements.clear()
    html = page(issue).text

    assert "because its sibling" in html
    assert len(statements) <= PANEL_STATEMENTS, "\n".join(statements)


def test_a_poll_without_news_costs_three_statements(
    stage: PanelStage,
    issue: Issue,
    ask: Callable[..., Any],
    statements: list[str],
    remembered: Callable[[], None],
) -> None:
    stage.link(issue, "churn")
    remembered()
    tag = ask(issue, "live").headers["ETag"]

    statements.clear()
    answer = ask(issue, "live", headers={"If-None-Match": tag})

    assert answer.status_code == 304
    assert len(statements) <= POLL_STATEMENTS, "\n".join(statements)
