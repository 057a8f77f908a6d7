"""The forms: what they make, what they refuse beside which field, two people editing, drafts judged while typing."""

from __future__ import annotations

import html
import re
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from werkzeug.test import TestResponse

from connector.models import Account, CheckIn, Cycle, KeyResult, LedgerEntry, Milestone, Objective, Person, Team
from tests.connector.conftest import Organisation
from tests.web.pages.conftest import Visitor

NEW = "/objectives/o/key-results/new"


def error_beside(answer: TestResponse, field: str) -> str:
    """Return the error that stands beside a field."""
    found = re.search(rf'id="{field}-error">([^<]*)<', answer.text)
    return html.unescape(found[1]) if found else ""


def key_result(org: Organisation, title: str) -> KeyResult:
    with org.core.database.reading() as session:
        return session.query(KeyResult).filter_by(title=title).one()


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("metric", {"baseline": "22", "target": "35 %", "unit": "%", "value": "28.5"}),
        ("metric", {"baseline": "8", "target": "5", "checkpoints": "7 = 20 %\n6 = 50"}),
        ("maintain", {"band_low": "99.9", "band_high": "", "maintain_by": "minimum"}),
        ("milestone", {"milestones": "Auditor chosen\n\nAudit passed\n"}),
        ("issue_ratio", {"size_by": "estimate", "unestimated": "exclude", "sub_task_credit": "yes"}),
        ("issue_count", {"target": "20"}),
        ("query_metric", {"query_connection": "c", "query_text": "project = TOY", "baseline": "10", "target": "0"}),
        ("issue_delta", {"baseline": "40", "target": "10", "started_credit": "0,25"}),
    ],
)
def test_every_kind_can_be_made_and_comes_back_as_entered(
    org: Organisation, member: Visitor, kind: str, given: dict[str, str]
) -> None:
    member.read(NEW)
    page = member.do(NEW, {**member.fields(), "title": f"A {kind}", "kind": kind, "driver_id": "p", **given})
    made = key_result(org, f"A {kind}")
    assert f"<h1>A {kind}</h1>" in page
    assert made.kind == kind
    member.read(f"/key-results/{made.id}/edit")
    member.do(f"/key-results/{made.id}/edit", member.fields())
    saved = key_result(org, f"A {kind}")
    for name in (
        "baseline",
        "target",
        "settings",
        "size_by",
        "started_credit",
        "unestimated",
        "sub_task_credit",
        "due_on",
    ):
        assert getattr(saved, name) == getattr(made, name), name


def test_exact_numbers_stay_exact(org: Organisation, member: Visitor) -> None:
    member.read(NEW)
    given = {
        "title": "Tiny steps",
        "kind": "metric",
        "driver_id": "p",
        "baseline": "0.1",
        "target": "0,3",
        "value": "0.2",
    }
    member.do(NEW, {**member.fields(), **given})
    made = key_result(org, "Tiny steps")
    assert (made.baseline, made.target, made.value) == (Fraction(1, 10), Fraction(3, 10), Fraction(1, 5))


def test_milestones_are_made_along_with_their_key_result(org: Organisation, member: Visitor) -> None:
    member.read(NEW)
    member.do(
        NEW, {**member.fields(), "title": "SOC 2", "kind": "milestone", "driver_id": "p", "milestones": "One\nTwo"}
    )
    with org.core.database.reading() as session:
        assert sorted(one.title for one in session.query(Milestone)) == ["One", "Two"]


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"driver_id": ""}, "driver_id", "Name the one person"),
        ({"driver_id": "t"}, "driver_id", "A team cannot drive"),
        ({"driver_id": ["p", "p2"]}, "driver_id", "Exactly one person"),
        ({"driver_id": "nobody"}, "driver_id", "no such person"),
        ({"baseline": "5", "target": "5"}, "target", "Baseline and target are the same"),
        ({"baseline": "five"}, "baseline", "must be a number"),
        ({"title": "  "}, "title", "is missing"),
        ({"title": "x" * 401}, "title", "400 characters"),
        ({"due_on": "soon"}, "due_on", "must be a date"),
        ({"kind": "wish"}, "kind", "choose one"),
        ({"weight": "-1"}, "weight", "negative"),
        ({"kind": "maintain", "band_low": "", "band_high": ""}, "band_low", "between which values"),
        ({"kind": "query_metric", "query_text": ""}, "query_text", "is missing"),
        ({"baseline": "0", "target": "10", "checkpoints": "fast"}, "checkpoints", "value = percent"),
        ({"baseline": "0", "target": "10", "checkpoints": "11 = 50"}, "checkpoints", "between"),
        ({"started_credit": "1"}, "started_credit", "below 1"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(
    org: Organisation, member: Visitor, given: dict[str, Any], field: str, said: str
) -> None:
    with org.core.database.writing() as session:
        session.add(Person(id="p2", workspace_id="w", name="Bob"))
    member.read(NEW)
    form = {**member.fields(), "title": "Faster", "kind": "metric", "driver_id": "p", "unit": "days & nights", **given}
    answer = member.send(NEW, form)
    assert answer.status_code == 422
    assert said in error_beside(answer, field)
    assert 'aria-invalid="true"' in answer.text
    assert f'aria-describedby="{field}-error' in answer.text
    assert 'value="days &amp; nights"' in answer.text
    with org.core.database.reading() as session:
        assert session.query(KeyResult).count() == 3


def test_the_second_editor_sees_the_firsts_change_and_loses_nothing(
    org: Organisation, member: Visitor, admin: Visitor
) -> None:
    edit = "/key-results/metric/edit"
    member.read(edit)
    admin.read(edit)
    first, second = admin.fields(), member.fields()
    admin.do(edit, {**first, "title": "Activation of new teams", "unit": "percent"})
    answer = member.send(edit, {**second, "title": "Activation, all teams", "target": "40"})
    assert answer.status_code == 422
    assert "Somebody saved a change while you were typing" in answer.text
    assert ">Activation, all teams</textarea>" in answer.text  # typed here, kept
    assert "Activation of new teams" in answer.text  # stored meanwhile, shown
    assert member.fields()["target"] == "40"
    assert member.fields()["unit"] == "percent"  # left alone here, so it follows
    member.do(edit, member.fields())
    saved = key_result(org, "Activation, all teams")
    assert (saved.target, saved.unit) == (Fraction(40), "percent")


def test_the_second_editor_of_an_objective_keeps_their_co_owners(
    org: Organisation, member: Visitor, admin: Visitor
) -> None:
    edit = "/objectives/o/edit"
    member.read(edit)
    admin.read(edit)
    first, second = admin.fields(), member.fields()
    admin.do(edit, {**first, "title": "Win more trust this quarter"})
    answer = member.send(edit, {**second, "co_owner_ids": ["p"]})
    assert answer.status_code == 422
    assert re.search(r'value="p" checked', answer.text)
    assert ">Win more trust this quarter</textarea>" in answer.text
    member.do(edit, {**member.fields(), "co_owner_ids": ["p"]})
    with org.core.database.reading() as session:
        saved = session.get_one(Objective, "o")
        assert (saved.title, [one.id for one in saved.co_owners]) == ("Win more trust this quarter", ["p"])


def test_editing_a_target_leaves_its_own_row(org: Organisation, member: Visitor) -> None:
    member.read("/key-results/metric")
    member.do("/key-results/metric/check-ins", {"value": "28.5"})
    member.read("/key-results/metric/edit")
    page = member.do("/key-results/metric/edit", {**member.fields(), "target": "48"})
    assert "target edited: 35 → 48" in page
    with org.core.database.reading() as session:
        row = session.query(LedgerEntry).filter_by(cause="target_edited").one()
        assert (row.delta, row.actor) == (Fraction(1, 4) - Fraction(1, 2), "Grace")


def test_an_objective_cannot_ladder_into_itself(member: Visitor) -> None:
    member.read("/objectives/top/edit")
    given = member.fields()
    answer = member.send("/objectives/top/edit", {**given, "parent_id": "o"})
    assert error_beside(answer, "parent_id") == "An objective cannot ladder into itself."


def test_a_closed_cycle_refuses_edits_and_says_so(org: Organisation, member: Visitor) -> None:
    member.read("/objectives/o/edit")
    given = member.fields()
    with org.core.database.writing() as session:
        session.get_one(Cycle, "q").state = "closed"
    answer = member.send("/objectives/o/edit", given)
    assert "Q3 is closed" in answer.text


def test_objectives_close_and_open_again(member: Visitor) -> None:
    member.read("/objectives/o/edit")
    page = member.do("/objectives/o/state", {"state": "closed"})
    assert "The objective is closed." in page
    assert "The objective is open again." in member.do("/objectives/o/state", {"state": "open"})


@pytest.mark.parametrize(
    ("path", "given", "field", "said"),
    [
        (
            "/cycles/new",
            {"name": "Q4", "starts_on": "2026-12-01", "ends_on": "2026-10-01"},
            "ends_on",
            "must not come before",
        ),
        ("/cycles/new", {"name": "", "starts_on": "2026-12-01", "ends_on": "2026-12-01"}, "name", "is missing"),
        ("/cycles/new", {"name": "Q4", "starts_on": "", "ends_on": "2026-12-01"}, "starts_on", "is missing"),
        ("/teams/new", {"name": "Sub", "level": "company", "parent_id": "t"}, "parent_id", "cannot hang below"),
        ("/teams/new", {"name": "Sub", "level": "tribe", "parent_id": ""}, "level", "choose one"),
        ("/people/new", {"name": "Lin", "email": "not an address", "role": "member"}, "email", "not an e-mail"),
        ("/people/new", {"name": "Lin", "email": "", "role": "owner"}, "role", "choose one"),
    ],
)
def test_setting_up_says_what_is_wrong(admin: Visitor, path: str, given: dict[str, str], field: str, said: str) -> None:
    admin.read(path)
    answer = admin.send(path, given)
    assert answer.status_code == 422
    assert said in error_beside(answer, field)


def test_a_name_that_is_taken_is_said_at_the_top(admin: Visitor) -> None:
    admin.read("/teams/new")
    answer = admin.send("/teams/new", {"name": "atlas", "level": "team", "parent_id": ""})
    assert "already a team called atlas" in answer.text


def test_teams_people_and_cycles_are_edited_and_removed(org: Organisation, admin: Visitor) -> None:
    admin.read("/people/new")
    admin.do("/people/new", {"name": "Lin", "email": "lin@example.com", "role": "member", "account_toy": "5b10:x"})
    with org.core.database.reading() as session:
        lin = session.query(Person).filter_by(name="Lin").one()
        assert [one.account_id for one in lin.accounts] == ["5b10:x"]
    admin.read(f"/people/{lin.id}/edit")
    assert admin.fields()["account_toy"] == "5b10:x"
    admin.do(f"/people/{lin.id}/edit", {**admin.fields(), "role": "viewer", "account_toy": ""})
    with org.core.database.reading() as session:
        assert session.query(Account).filter_by(person_id=lin.id).count() == 0
    admin.do(f"/people/{lin.id}/remove")
    admin.read("/teams/new")
    admin.do("/teams/new", {"name": "Borealis", "level": "team", "parent_id": "co"})
    with org.core.database.reading() as session:
        team = session.query(Team).filter_by(name="Borealis").one()
    admin.read(f"/teams/{team.id}/edit")
    admin.do(f"/teams/{team.id}/edit", {**admin.fields(), "name": "Aurora"})
    assert "Aurora" in admin.read("/teams")
    admin.do(f"/teams/{team.id}/remove")
    assert "Aurora" not in admin.read("/teams")
    admin.read("/cycles/q/edit")
    admin.do("/cycles/q/edit", {**admin.fields(), "name": "Third quarter"})
    assert "Third quarter" in admin.read("/cycles")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/people/p/remove", "drives 3 key result"),
        ("/teams/t/remove", "holds 1 objective"),
        ("/cycles/q/remove", "holds 2"),
    ],
)
def test_what_is_in_use_stays_and_the_page_says_why(admin: Visitor, path: str, said: str) -> None:
    admin.read("/teams/new")
    assert said in html.unescape(admin.do(path))


def test_an_admin_makes_a_link_for_somebody(org: Organisation, admin: Visitor) -> None:
    admin.read("/people/p/edit")
    answer = admin.send("/people/p/link")
    address = re.search(r"<code>(http[^<]+)</code>", answer.text)
    assert address is not None
    ada = Visitor(admin.client.application.test_client())
    path = address[1].removeprefix(org.core.settings.base_url)
    ada.read(path)
    ada.send(path)
    assert "signed in as Ada" in ada.read("/")


@pytest.mark.parametrize("path", ["/cycles/new", "/teams/new", "/people/new", "/people/p/edit", "/teams/t/edit"])
def test_only_admins_set_things_up(member: Visitor, path: str) -> None:
    member.read(path, 403)


def test_a_draft_is_judged_while_it_is_typed(member: Visitor) -> None:
    member.read("/objectives/new")
    drafts = {"subject": "objective", "title": "Launch game-changing user features."}
    found = member.send("/lint", drafts).get_json()["findings"]
    assert [one["reasons"] for one in found] == [["no_time_frame", "output_verb_first"]]
    assert all(one["rule"] and one["fix"] for one in found)


def test_what_a_field_says_need_not_stand_in_the_title(member: Visitor) -> None:
    member.read(NEW)
    draft = {"subject": "key_result", "objective_id": "o", "kind": "metric", "title": "Activation rate of new teams"}
    found = member.send("/lint", draft).get_json()["findings"]
    assert "no_from_to" in [reason for one in found for reason in one["reasons"]]
    draft |= {"baseline": "22", "target": "35"}
    assert member.send("/lint", draft).get_json()["findings"] == []


@pytest.mark.parametrize(
    "draft", [{}, {"subject": "weather"}, {"subject": "key_result", "objective_id": "nope", "title": "a b"}]
)
def test_a_draft_that_makes_no_sense_has_no_findings(member: Visitor, draft: dict[str, str]) -> None:
    member.read("/objectives/new")
    assert member.send("/lint", draft).get_json() == {"findings": []}


def test_text_that_no_database_can_keep_is_tidied(org: Organisation, member: Visitor) -> None:
    member.read(NEW)
    member.do(NEW, {**member.fields(), "title": "Nul\x00 here", "kind": "issue_ratio", "driver_id": "p"})
    assert key_result(org, "Nul here")


@pytest.mark.parametrize("was", ["[]", "{", "[" * 5000, '{"title": {"a": 1}}', "null"])
def test_a_hidden_field_full_of_nonsense_breaks_nothing(member: Visitor, admin: Visitor, was: str) -> None:
    member.read("/key-results/metric/edit")
    given = {**member.fields(), "was": was, "version": "99999", "title": "Typed"}
    answer = member.send("/key-results/metric/edit", given)
    assert answer.status_code == 422
    assert ">Typed</textarea>" in answer.text


def test_a_body_that_is_too_large_is_refused_with_a_page(member: Visitor) -> None:
    member.read(NEW)
    assert member.send(NEW, {"title": "x" * 2_000_000}).status_code == 413


def test_the_workspace_follows_its_time_zone(org: Organisation, admin: Visitor) -> None:
    admin.read("/workspace/edit")
    assert admin.fields()["timezone"] == "Europe/Berlin"
    page = admin.do("/workspace/edit", {**admin.fields(), "timezone": "America/New_York"})
    assert "Days follow America/New York" in page
    answer = admin.send("/workspace/edit", {**admin.fields(), "name": "Acme", "timezone": "Mars/Olympus"})
    assert error_beside(answer, "timezone") == "Time zone: please choose one."


def test_only_admins_change_the_time_zone(member: Visitor) -> None:
    member.read("/workspace/edit", 403)


def test_a_first_value_is_told_by_whoever_typed_it(org: Organisation, member: Visitor) -> None:
    member.read(NEW)
    given = {"title": "Churn", "driver_id": "p", "baseline": "8", "target": "5", "value": "7"}
    page = member.do(NEW, {**member.fields(), **given})
    assert "through the API" not in page
    with org.core.database.reading() as session:
        told = session.query(CheckIn).filter_by(key_result_id=key_result(org, "Churn").id).one()
        assert (told.source, told.by_id is not None) == ("person", True)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        ("99.9", "100", "<b>99.9\u00a0% to 100\u00a0%</b>"),
        ("99.9", "", "<b>at least 99.9\u00a0%</b>"),
        ("", "0.5", "<b>at most 0.5\u00a0%</b>"),
    ],
)
def test_a_band_says_its_ends(member: Visitor, low: str, high: str, said: str) -> None:
    member.read(NEW)
    given = {"title": "Uptime", "kind": "maintain", "driver_id": "p", "unit": "%", "band_low": low, "band_high": high}
    assert said in member.do(NEW, {**member.fields(), **given})


@pytest.mark.parametrize(
    ("last", "next_one"),
    [
        ("2026-09-30", ("Q4 2026", "2026-10-01", "2026-12-31")),
        ("2026-12-27", ("Q1 2027", "2027-01-01", "2027-03-31")),
        ("2027-01-03", ("Q1 2027", "2027-01-01", "2027-03-31")),
    ],
)
def test_the_next_cycle_is_the_quarter_after_the_last_one(
    org: Organisation, admin: Visitor, last: str, next_one: tuple[str, str, str]
) -> None:
    with org.core.database.writing() as session:
        for cycle in session.query(Cycle):
            cycle.starts_on, cycle.ends_on = date(2026, 7, 1), date.fromisoformat(last)
    admin.read("/cycles/new")
    given = admin.fields()
    assert (given["name"], given["starts_on"], given["ends_on"]) == next_one
