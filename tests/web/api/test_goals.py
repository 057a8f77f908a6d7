"""Cycles, teams, people and objectives through the API."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.web.api.conftest import Program

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_a_cycle_has_the_documented_fields(program: Program) -> None:
    made = program.cycle(name="Q3 2026")
    assert UUID(made.pop("id"))
    assert made == {
        "name": "Q3 2026",
        "starts_on": "2026-07-01",
        "ends_on": "2026-09-30",
        "state": "open",
        "version": 1,
    }


def test_what_was_made_is_found_where_the_answer_says(program: Program) -> None:
    body = {"name": "Q3", "starts_on": "2026-07-01", "ends_on": "2026-09-30"}
    answer = program.call("POST", "/cycles", body)
    location = answer.headers["Location"]
    assert program.get(location.removeprefix("/api/v1")) == answer.json


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ends_on": "2026-06-30"}, "dates_out_of_order"),
        ({"starts_on": "0001-01-01"}, "dates_out_of_range"),
        ({"ends_on": "9999-12-31"}, "dates_out_of_range"),
        ({"ends_on": "2126-12-31"}, "dates_out_of_range"),
        ({"name": " \t "}, "empty"),
        ({"starts_on": "2026-13-01"}, "invalid"),
        ({"starts_on": 20260701}, "invalid"),
        ({"starts_on": "2026-07-01T00:00:00"}, "invalid"),
        ({"state": "half-open"}, "invalid"),
    ],
)
def test_a_cycle_that_makes_no_sense_is_refused(program: Program, fields: dict[str, object], reason: str) -> None:
    body = {"name": "Q3", "starts_on": "2026-07-01", "ends_on": "2026-09-30", **fields}
    assert program.refused("POST", "/cycles", body) == (422, reason)


def test_two_cycles_cannot_share_a_name(program: Program) -> None:
    program.cycle(name="Q3")
    body = {"name": "q3", "starts_on": "2026-07-01", "ends_on": "2026-09-30"}
    assert program.refused("POST", "/cycles", body) == (409, "name_taken")


def test_names_with_letters_that_sqlite_cannot_fold_are_still_unique(program: Program) -> None:
    program.team(name="Ärger")
    assert program.refused("POST", "/teams", {"name": "Ärger"}) == (409, "name_taken")


def test_a_single_day_is_a_cycle(program: Program) -> None:
    assert program.cycle(starts_on="2026-07-01", ends_on="2026-07-01")["id"]


def test_a_closed_cycle_keeps_everything_as_it_was(program: Program) -> None:
    key_result = program.key_result()
    objective = program.get("/objectives")["items"][0]
    cycle = program.get("/cycles")["items"][0]
    program.patch(f"/cycles/{cycle['id']}", {"state": "closed"})
    closed = (409, "cycle_closed")
    assert program.refused("PATCH", f"/cycles/{cycle['id']}", {"name": "Other"}) == closed
    assert program.refused("PATCH", f"/objectives/{objective['id']}", {"title": "Other"}) == closed
    assert program.refused("PATCH", f"/key-results/{key_result['id']}", {"target": 40}) == closed
    assert program.refused("POST", f"/key-results/{key_result['id']}/check-ins", {"value": 1}) == closed
    assert program.refused("POST", f"/key-results/{key_result['id']}/links", {"external_id": "1"}) == closed
    assert program.refused("POST", "/key-results", program.draft(objective_id=objective["id"])) == closed
    body = {"title": "Another", "cycle_id": cycle["id"], "team_id": objective["team_id"]}
    assert program.refused("POST", "/objectives", body) == closed
    assert program.get(f"/key-results/{key_result['id']}")["status"] == "closed"


def test_a_closed_cycle_can_be_opened_again(program: Program) -> None:
    cycle = program.cycle(state="closed")
    assert program.patch(f"/cycles/{cycle['id']}", {"state": "open", "name": "Again"})["name"] == "Again"


def test_a_cycle_that_holds_something_is_not_removed(program: Program) -> None:
    objective = program.objective()
    path = f"/cycles/{objective['cycle_id']}"
    assert program.refused("DELETE", path) == (409, "in_use")
    assert program.call("DELETE", f"/objectives/{objective['id']}").status_code == 204
    assert program.call("DELETE", path).status_code == 204
    assert program.refused("GET", path) == (404, "not_found")


def test_an_edit_bumps_the_version_and_a_stale_one_is_refused(program: Program) -> None:
    cycle = program.cycle()
    path = f"/cycles/{cycle['id']}"
    assert program.call("GET", path).headers["ETag"] == '"1"'
    assert program.patch(path, {"name": "First"}, version=1)["version"] == 2
    answer = program.call("PATCH", path, {"name": "Second"}, {"If-Match": '"1"'})
    assert answer.status_code == 412
    assert answer.headers["ETag"] == '"2"'
    assert program.get(path)["name"] == "First"


@pytest.mark.parametrize("wanted", ['"x"', 'W/"1"', "nonsense", '""'])
def test_an_if_match_that_names_no_version_never_matches(program: Program, wanted: str) -> None:
    path = f"/cycles/{program.cycle()['id']}"
    assert program.refused("PATCH", path, {"name": "New"}, **{"If-Match": wanted}) == (412, "lost_update")


@pytest.mark.parametrize("wanted", ["*", '"7", "1"'])
def test_an_if_match_that_names_the_version_among_others_matches(program: Program, wanted: str) -> None:
    path = f"/cycles/{program.cycle()['id']}"
    assert program.call("PATCH", path, {"name": "New"}, {"If-Match": wanted}).status_code == 200


def test_a_removal_can_be_conditional_too(program: Program) -> None:
    path = f"/teams/{program.team()['id']}"
    assert program.refused("DELETE", path, **{"If-Match": '"2"'}) == (412, "lost_update")
    assert program.call("DELETE", path, headers={"If-Match": '"1"'}).status_code == 204


def test_teams_hang_below_a_level_above(program: Program) -> None:
    company = program.team(level="company")
    department = program.team(level="department", parent_id=company["id"])
    team = program.team(parent_id=department["id"])
    assert team["level"] == "team"
    below = {"name": "Below", "level": "department", "parent_id": team["id"]}
    assert program.refused("POST", "/teams", below) == (422, "parent_level")
    assert program.refused("PATCH", f"/teams/{company['id']}", {"parent_id": team["id"]}) == (422, "parent_level")
    assert program.refused("PATCH", f"/teams/{department['id']}", {"level": "team", "parent_id": None}) == (
        422,
        "parent_level",
    )
    assert program.refused("DELETE", f"/teams/{department['id']}") == (409, "in_use")


def test_a_persons_accounts_are_theirs_alone(program: Program) -> None:
    account = {"tracker": "jira", "account_id": "5b10ac8d82e05b22cc7d4ef5"}
    ann = program.person(accounts=[account, account])
    assert ann["accounts"] == [account]
    body = {"name": "Bob", "accounts": [account]}
    assert program.refused("POST", "/people", body) == (409, "account_taken")
    linear = {"tracker": "linear", "account_id": "u1"}
    changed = program.patch(f"/people/{ann['id']}", {"accounts": [linear]})
    assert changed["accounts"] == [linear]
    assert program.post("/people", body)["accounts"] == [account]


def test_absent_fields_stay_and_null_clears_only_what_can_be_empty(program: Program) -> None:
    ann = program.person(email="ann@acme.example")
    assert program.patch(f"/people/{ann['id']}", {"name": "Ann"})["email"] == "ann@acme.example"
    assert program.patch(f"/people/{ann['id']}", {"email": None})["email"] is None
    assert program.refused("PATCH", f"/people/{ann['id']}", {"name": None}) == (422, "invalid")


def test_somebody_who_drives_a_key_result_is_not_removed(program: Program) -> None:
    key_result = program.key_result()
    assert program.refused("DELETE", f"/people/{key_result['driver_id']}") == (409, "in_use")
    assert program.call("DELETE", f"/people/{program.person()['id']}").status_code == 204


def test_the_last_admin_stays(program: Program) -> None:
    admin = program.person(role="admin")
    path = f"/people/{admin['id']}"
    assert program.refused("PATCH", path, {"role": "member"}) == (409, "last_admin")
    assert program.refused("DELETE", path) == (409, "last_admin")
    program.person(role="admin")
    assert program.patch(path, {"role": "member"})["role"] == "member"


def test_an_objective_has_one_owner_and_any_co_owners(program: Program) -> None:
    ann, bob = program.person(), program.person()
    made = program.objective(owner_id=ann["id"], co_owner_ids=[bob["id"], ann["id"], bob["id"]])
    assert (made["owner_id"], made["co_owner_ids"]) == (ann["id"], [bob["id"]])
    changed = program.patch(f"/objectives/{made['id']}", {"owner_id": bob["id"], "co_owner_ids": [ann["id"]]})
    assert (changed["owner_id"], changed["co_owner_ids"]) == (bob["id"], [ann["id"]])


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("cycle_id", "unknown_cycle"),
        ("team_id", "unknown_team"),
        ("owner_id", "unknown_person"),
        ("parent_id", "unknown_objective"),
    ],
)
def test_an_objective_names_only_things_that_exist(program: Program, field: str, reason: str) -> None:
    objective = program.objective()
    body = {"title": "Win", "cycle_id": objective["cycle_id"], "team_id": objective["team_id"], field: NOBODY}
    answer = program.call("POST", "/objectives", body)
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"] == [
        {"field": field, "reason": reason, "message": answer.get_json(force=True)["detail"]}
    ]


def test_objectives_cannot_ladder_into_themselves(program: Program) -> None:
    top = program.objective()
    middle = program.objective(parent_id=top["id"], cycle_id=top["cycle_id"])
    bottom = program.objective(parent_id=middle["id"], cycle_id=top["cycle_id"])
    for parent in (top, middle, bottom):
        path = f"/objectives/{top['id']}"
        assert program.refused("PATCH", path, {"parent_id": parent["id"]}) == (422, "parent_circle")
    assert program.patch(f"/objectives/{middle['id']}", {"parent_id": None})["parent_id"] is None
    assert program.refused("DELETE", f"/objectives/{middle['id']}") == (409, "in_use")


def test_an_objective_rolls_up_what_is_measured_and_says_how_much_that_is(program: Program) -> None:
    objective = program.objective()
    fields = {"objective_id": objective["id"], "baseline": 0, "target": 10}
    program.key_result(**fields, value=5)
    program.key_result(**fields, value=10, weight=3)
    program.key_result(**fields)
    read = program.get(f"/objectives/{objective['id']}")
    assert (read["progress"], read["display"], read["measured"], read["total"]) == ("7/8", "88%", 2, 3)


def test_an_objectives_title_is_judged_but_never_blocks(program: Program) -> None:
    made = program.objective(title="Launch game-changing user features.")
    assert [finding["reason"] for finding in made["findings"]] == ["no_time_frame", "output_verb_first"]
    assert all(finding["rule"] and finding["message"] for finding in made["findings"])
    assert made["findings"][0]["subject"] == "objective"


def test_objectives_are_found_by_cycle_team_parent_and_state(program: Program) -> None:
    first = program.objective()
    second = program.objective(parent_id=first["id"])
    program.patch(f"/objectives/{second['id']}", {"state": "closed"})
    for query, found in {
        f"cycle_id={first['cycle_id']}": first,
        f"team_id={second['team_id']}": second,
        f"parent_id={first['id']}": second,
        "state=open": first,
    }.items():
        assert [item["id"] for item in program.get(f"/objectives?{query}")["items"]] == [found["id"]]
    assert program.refused("GET", "/objectives?cycle=1") == (422, "invalid")
