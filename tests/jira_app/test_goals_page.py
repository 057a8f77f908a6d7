"""The goals inside Jira: who gets in, what may frame them, and the way on to our own pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.models import Account, Person, SignInLink
from tests.web.panel_stage import LEAD, PanelStage, panel_stage
from web.sandbox.modules import context_token, frame
from web.sandbox.records import Person as Visitor


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelStage]:
    with panel_stage(tmp_path_factory.mktemp("goals")) as stage:
        yield stage


@pytest.fixture
def client(stage: PanelStage) -> FlaskClient:
    """A browser that is not signed in to anything."""
    client: FlaskClient = stage.app.test_client()
    return client


def signed(stage: PanelStage) -> str:
    """Return the page's address as Jira puts it into the iframe."""
    module = stage.site.installation.modules("generalPages")[0]
    return frame(stage.site, stage.person(), module, module["url"], {}).src.removeprefix(stage.ladder)


def context(stage: PanelStage) -> dict[str, str]:
    return {"Authorization": f"JWT {context_token(stage.site, stage.person(), {})}"}


def get(client: FlaskClient, stage: PanelStage, path: str, **more: Any) -> Any:
    return client.get(path, base_url=stage.ladder, **more)


def test_the_page_is_whole_without_a_script(stage: PanelStage, client: FlaskClient) -> None:
    answer = get(client, stage, signed(stage))
    assert answer.status_code == 200
    assert "Become the default in regulated markets" in answer.text
    assert "46\u00a0%" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_only_the_proven_site_may_frame_it(stage: PanelStage, client: FlaskClient) -> None:
    answer = get(client, stage, signed(stage))
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {stage.site.base_url}" in policy
    assert "unsafe" not in policy
    assert "X-Frame-Options" not in answer.headers
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/jira/goals", "/jira/goals?jwt=forged.forged.forged"])
def test_without_a_good_token_the_door_stays_closed(stage: PanelStage, client: FlaskClient, path: str) -> None:
    answer = get(client, stage, path)
    assert answer.status_code == 401
    assert "Become the default" not in answer.text


def test_a_jira_open_to_the_world_does_not_open_its_goals_to_it(stage: PanelStage, client: FlaskClient) -> None:
    nobody = Visitor("", "Nobody", "", "", {})
    module = stage.site.installation.modules("generalPages")[0]
    address = frame(stage.site, nobody, module, module["url"], {}).src.removeprefix(stage.ladder)
    page = get(client, stage, address)
    assert page.status_code == 401
    assert "Sign in to Jira" in page.text
    assert "Become the default" not in page.text
    called = {"Authorization": f"JWT {context_token(stage.site, nobody, {})}"}
    assert get(client, stage, "/jira/goals/live", headers=called).status_code == 401


def test_each_kind_of_token_opens_its_own_door_only(stage: PanelStage, client: FlaskClient) -> None:
    page_token = signed(stage).split("jwt=")[1].split("&")[0]
    assert get(client, stage, "/jira/goals/live", headers={"Authorization": f"JWT {page_token}"}).status_code == 401
    assert get(client, stage, "/jira/goals", headers=context(stage)).status_code == 401
    assert get(client, stage, "/jira/goals/live").status_code == 401


def test_asking_again_answers_304_until_something_changes(stage: PanelStage, client: FlaskClient) -> None:
    etag = get(client, stage, "/jira/goals/live", headers=context(stage)).headers["ETag"]
    again = {**context(stage), "If-None-Match": etag}
    assert get(client, stage, "/jira/goals/live", headers=again).status_code == 304
    stage.edit_key_result("churn", title="Churn of teams that pay")
    fresh = get(client, stage, "/jira/goals/live", headers=again)
    assert fresh.status_code == 200
    assert "Churn of teams that pay" in fresh.text


def test_the_way_on_is_a_one_time_link_for_the_person_that_jira_names(stage: PanelStage, client: FlaskClient) -> None:
    key_result = stage.key_results["churn"]
    answer = client.post(
        "/jira/goals/open", base_url=stage.ladder, headers=context(stage), json={"key_result_id": key_result}
    )
    url = answer.get_json()["url"]
    assert url.startswith(f"{stage.ladder}/sign-in/")
    assert url.endswith(f"?to=%2Fkey-results%2F{key_result}")
    with stage.core.database.reading() as session:
        link = session.query(SignInLink).order_by(SignInLink.created_at.desc()).first()
        assert link is not None
        person = session.get_one(Person, link.person_id)
        assert session.query(Account).filter_by(person_id=person.id).one().account_id == LEAD


@pytest.mark.parametrize("body", ["", "[]", "{", '{"key_result_id": 7}', '{"key_result_id": "' + "x" * 999 + '"}'])
def test_a_wish_that_makes_no_sense_is_refused(stage: PanelStage, client: FlaskClient, body: str) -> None:
    answer = client.post("/jira/goals/open", base_url=stage.ladder, headers=context(stage), data=body)
    assert answer.status_code in (400, 422)
