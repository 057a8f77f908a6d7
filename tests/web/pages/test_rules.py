"""Rules and many links on the pages: preview, keep, explain, pause, delete, take back; and who may."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from connector.models import Issue, KeyResult, Link, LinkRule, Person
from connector.tracker import TrackerUnavailable
from tests.connector.rules.stage import Stage
from tests.web.pages.conftest import Organisation, Visitor

PAGE = "/key-results/ratio"
DRAFT = {"kind": "label", "text": "sso", "weight": "1", "at_most": "1000"}


@pytest.fixture
def stage(org: Organisation) -> Stage:
    """Twelve issues labelled, a third of them done, and one linked by hand."""
    stage = Stage(org)
    for number in range(12):
        stage.tell(str(number), "todo" if number % 3 else "done", at=1, labels=["sso"], team="red")
    stage.tell("x", "done", at=1)
    stage.link_by_hand("x", "ratio")
    return stage


@pytest.fixture
def maker(enter: Callable[..., Visitor]) -> Visitor:
    """Somebody who may make rules, and whom the tracker knows."""
    return enter("admin", "Lin")


@pytest.fixture
def driver(enter: Callable[..., Visitor], org: Organisation) -> Visitor:
    """The key result's driver, a member."""
    visitor = enter("member", "Kim")
    with org.core.database.writing() as session:
        kim = session.scalars(select(Person).where(Person.name == "Kim")).one()
        session.get_one(KeyResult, "ratio").driver_id = kim.id
    return visitor


def keep(visitor: Visitor, **draft: str) -> str:
    """Preview a rule and keep it; returns its page."""
    visitor.read(f"{PAGE}/rules/new")
    assert visitor.send(f"{PAGE}/rules", {**DRAFT, **draft, "wish": "preview"}).status_code == 200
    return visitor.do(f"{PAGE}/rules", {**visitor.fields(), "wish": "keep"})


def notice(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.findall(r'class="notice[^>]*>(.*?)</div>', page, re.S)[0]).split())


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_rule_is_previewed_with_its_effect_before_it_is_kept(stage: Stage, maker: Visitor) -> None:
    maker.read(f"{PAGE}/rules/new")
    seen = maker.send(f"{PAGE}/rules", {**DRAFT, "wish": "preview"})
    said = text(seen.text)
    assert "12 issues match 12 would be linked work 100 % → 38 % −62 pp" in said.replace("-62", "−62")
    assert "TOY-0" in said
    assert stage.links() == {("x", "ratio", "manual")}

    page = maker.do(f"{PAGE}/rules", {**maker.fields(), "wish": "keep"})
    assert "Rule: label sso" in page
    stage.run()

    assert len(stage.links()) == 13
    shown = maker.read(PAGE)
    assert "by rule: " in shown
    assert "links 12 of 12 issues that match" in text(shown)


def test_what_was_changed_after_the_preview_is_previewed_again(stage: Stage, maker: Visitor) -> None:
    maker.read(f"{PAGE}/rules/new")
    maker.send(f"{PAGE}/rules", {**DRAFT, "wish": "preview"})
    again = maker.send(f"{PAGE}/rules", {**maker.fields(), "text": "other", "wish": "keep"})
    assert again.status_code == 200
    assert "Nothing matches yet" in again.text
    with stage.core.database.reading() as session:
        assert session.scalars(select(LinkRule)).all() == []


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ({"kind": "query", "text": "nonsense"}, "What is nonsense?"),
        ({"text": ""}, "Which one is missing."),
        ({"weight": "-1"}, "A weight is a number from 0 to 1000"),
        ({"at_most": "0"}, "A whole number from 1 to 20,000."),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(stage: Stage, maker: Visitor, draft, said: str) -> None:
    maker.read(f"{PAGE}/rules/new")
    answer = maker.send(f"{PAGE}/rules", {**DRAFT, **draft, "wish": "preview"})
    assert answer.status_code == 422
    assert said in answer.text


def test_over_the_bound_it_can_not_be_kept(stage: Stage, maker: Visitor) -> None:
    maker.read(f"{PAGE}/rules/new")
    answer = maker.send(f"{PAGE}/rules", {**DRAFT, "at_most": "5", "wish": "preview"})
    assert "12 issues match, more than the 5" in answer.text
    assert "Keep this rule" not in answer.text


def test_while_the_tracker_is_away_the_form_says_so_and_loses_nothing(stage: Stage, maker: Visitor) -> None:
    maker.read(f"{PAGE}/rules/new")
    stage.tracker.down = TrackerUnavailable("Toy is down for maintenance")
    answer = maker.send(f"{PAGE}/rules", {**DRAFT, "wish": "preview"})
    assert "Toy is down for maintenance" in answer.text
    assert maker.fields()["text"] == "sso"


def test_issues_that_its_maker_may_not_see_are_counted_without_their_names(
    stage: Stage, maker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.tracker, "may", lambda connection, account, issue, action: issue == "3")
    maker.read(f"{PAGE}/rules/new")
    answer = maker.send(f"{PAGE}/rules", {**DRAFT, "wish": "preview"})
    assert "12 issues" in text(answer.text)
    assert "Toy issue 3" in answer.text
    assert "Toy issue 4" not in answer.text


def test_a_rules_page_explains_what_it_lost_and_to_whom(stage: Stage, maker: Visitor) -> None:
    stage.make("epic", "TOY-3", "points")
    stage.link_by_hand("4", "metric")
    stage.unlink_by_hand("x", "ratio")
    keep(maker)
    stage.run()
    rule = next(one for one in stage.owners().values() if one)
    page = text(maker.read(f"{PAGE}/rules/{stage_rule(stage)}"))
    assert rule
    assert "1 issue belongs to rule epic TOY-3 of Points" in page
    assert "1 issue linked by hand to Activation" in page
    assert "link it by hand to both" in page


def stage_rule(stage: Stage) -> str:
    with stage.core.database.reading() as session:
        return session.scalars(select(LinkRule.id).where(LinkRule.text == "sso")).one()


def test_a_rule_is_weighed_paused_and_goes_on(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    stage.run()
    at = f"{PAGE}/rules/{stage_rule(stage)}"
    maker.read(at)
    said = notice(maker.do(at, {**maker.fields(), "weight": "2", "wish": "save"}))
    assert said.startswith("Rule label sso is changed. Work 38 % → 36 %.")

    page = maker.do(at, {"wish": "pause-without-links"})
    assert "Work 36 % → 100 %." in notice(page)
    assert stage.links() == {("x", "ratio", "manual")}
    assert "Paused" in page
    maker.do(at, {"wish": "resume"})
    stage.run()
    assert len(stage.links()) == 13
    assert "is being compared" in notice(maker.do(at, {"wish": "run"}))


def test_somebody_elses_change_meanwhile_is_shown(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    at = f"{PAGE}/rules/{stage_rule(stage)}"
    maker.read(at)
    old = maker.fields()
    maker.do(at, {**old, "at_most": "50", "wish": "save"})
    answer = maker.send(at, {**old, "weight": "3", "wish": "save"})
    assert answer.status_code == 422
    assert "Somebody saved a change" in answer.text


def test_a_rule_deleted_with_its_links_can_be_taken_back(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    stage.run()
    page = maker.read(f"{PAGE}/rules/{stage_rule(stage)}")
    assert "Without its links: work 38 % → 100 %" in text(page)
    page = maker.do(f"{PAGE}/rules/{stage_rule(stage)}/removal", {"links": "remove"})
    assert "Rule label sso is deleted, 12 links gone. Work 38 % → 100 %." in notice(page)

    note = re.search(r'name="note" value="([^"]+)"', page)
    assert note
    maker.do("/rules/undo", {"note": note[1]})
    stage.run()

    assert len(stage.links()) == 13


def test_a_rule_deleted_without_its_links_leaves_them_to_people(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    stage.run()
    page = maker.do(f"{PAGE}/rules/{stage_rule(stage)}/removal", {"links": "keep"})
    assert "12 links kept as people&#39;s own. The numbers stay as they are." in page
    assert {source for _, _, source in stage.links()} == {"manual"}


def test_what_was_taken_away_by_hand_is_listed_and_may_be_allowed_again(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    stage.run()
    stage.unlink_by_hand("3", "ratio")
    assert "1 issue taken away from rules by hand" in maker.read(PAGE)
    page = maker.read(f"{PAGE}/rules/exceptions")
    assert "TOY-3" in page
    maker.do(f"{PAGE}/rules/exceptions", {"issue": str(stage.id_of("3"))})
    assert ("3", "ratio", "rule") in stage.links()


def test_unlinking_what_a_rule_linked_can_be_taken_back_and_is_the_rules_again(stage: Stage, maker: Visitor) -> None:
    keep(maker)
    stage.run()
    with stage.core.database.reading() as session:
        chosen = select(Link.id).join(Issue, Issue.id == Link.issue_id).where(Issue.external_id == "3")
        link = session.scalars(chosen).one()
    page = maker.do(f"/links/{link}/unlink")
    assert stage.exceptions() == {("3", "ratio")}

    note = re.search(r'name="note" value="([^"]+)"', page)
    assert note
    maker.do("/links/undo", {"note": note[1]})
    stage.run()

    assert stage.owners()["3"] == stage_rule(stage)
    assert stage.exceptions() == set()


def test_only_admins_and_the_driver_change_rules(
    stage: Stage, member: Visitor, viewer: Visitor, admin: Visitor
) -> None:
    rule = stage.make("label", "sso")
    at = f"{PAGE}/rules/{rule}"
    for visitor in (member, viewer):
        assert "Delete" not in visitor.read(at)
        visitor.read(f"{PAGE}/rules/new", status=403)
        visitor.read(PAGE)
        for path, form in [
            (f"{PAGE}/rules", {**DRAFT, "wish": "preview"}),
            (at, {"wish": "pause"}),
            (f"{at}/removal", {"links": "remove"}),
            (f"{PAGE}/rules/exceptions", {"issue": "1"}),
        ]:
            assert visitor.send(path, form).status_code == 403, path
    assert "Delete" in admin.read(at)


def test_who_drives_a_key_result_can_not_have_ladder_read_for_them_what_the_tracker_hides(
    stage: Stage, driver: Visitor
) -> None:
    # Every member can make a key result of their own, and a rule acts with Ladder's rights: titles would come out.
    driver.read(f"{PAGE}/rules/new", status=403)
    assert "Add a rule" not in driver.read(PAGE)
    for wish in ("preview", "keep"):
        assert driver.send(f"{PAGE}/rules", {**DRAFT, "wish": wish}).status_code == 403
    rule = stage.make("label", "sso")
    assert "Delete" in driver.read(f"{PAGE}/rules/{rule}")
    driver.do(f"{PAGE}/rules/{rule}", {"wish": "pause"})
    with stage.core.database.reading() as session:
        assert session.get_one(LinkRule, rule).state == "paused"


def test_the_page_is_shown_anew_when_a_rule_has_run(stage: Stage, maker: Visitor) -> None:
    def revision() -> str:
        return maker.client.get(PAGE).headers["ETag"]

    first = revision()
    stage.make("label", "sso", runs=False)
    second = revision()
    stage.run()
    assert len({first, second, revision()}) == 3


# -- many at once


def test_several_issues_are_found_ticked_linked_and_taken_back(stage: Stage, member: Visitor, admin: Visitor) -> None:
    page = member.read(f"{PAGE}/links/search?kind=label&text=sso")
    assert "12 issues found" in text(page)
    assert page.count('type="checkbox"') == 12
    page = member.do(f"{PAGE}/links/many", {"kind": "label", "text": "sso", "weight": "2", "issue": ["1", "2", "3"]})
    assert "3 issues are linked. Work is at 43 % now." in notice(page)
    assert len(stage.links()) == 4
    assert "Make a rule of it" not in member.read(f"{PAGE}/links/search?kind=label&text=sso")
    assert "Make a rule of it" in admin.read(f"{PAGE}/links/search?kind=label&text=sso")
    assert member.seen.count('type="checkbox"') == 9, "what is linked already can't be ticked"

    note = re.search(r'name="note" value="([^"]+)"', page)
    assert note
    back = member.do("/links/many/undo", {"note": note[1]})
    assert "3 issues are unlinked again. Work 43 % → 100 %." in notice(back)
    assert stage.links() == {("x", "ratio", "manual")}


def test_a_search_that_can_not_be_asked_says_why(stage: Stage, member: Visitor, admin: Visitor) -> None:
    assert "What is nonsense?" in member.read(f"{PAGE}/links/search?kind=query&text=nonsense")
    assert "Say what to look for." in member.read(f"{PAGE}/links/search?kind=query&text=")
    assert "your account isn&#39;t known" in admin.read(f"{PAGE}/links/search?kind=words&text=x")
    assert "Nothing that you may see matches" in member.read(f"{PAGE}/links/search?kind=words&text=x")


def test_nothing_ticked_links_nothing_and_the_search_stays(stage: Stage, member: Visitor) -> None:
    member.read(f"{PAGE}/links/search?kind=label&text=sso")
    answer = member.send(f"{PAGE}/links/many", {"kind": "label", "text": "sso", "weight": "1"})
    assert answer.status_code == 422
    assert "Tick the issues to link." in answer.text
    assert "12 issues found" in text(answer.text)


def test_what_a_person_may_not_see_or_edit_is_neither_shown_nor_linked(
    stage: Stage, member: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.tracker, "may", lambda connection, account, issue, action: issue in ("1", "2"))
    page = member.read(f"{PAGE}/links/search?kind=label&text=sso")
    assert "Toy issue 3" not in page
    # Nor how many: with queries for one issue after another that would give away what each says.
    assert "what you may not see is left out" in text(page)
    assert re.search(r"\b1[02] ", text(page)) is None
    page = member.do(f"{PAGE}/links/many", {"kind": "label", "text": "sso", "weight": "1", "issue": ["1", "3"]})
    assert "1 issue is linked." in notice(page)
    # Not by its key: a number made up in the form must not be told the key of what it belongs to.
    assert "1 not: You may not see it, so you can&#39;t link it." in page
    assert "TOY-3" not in page
    assert ("3", "ratio", "manual") not in stage.links()


def test_viewers_link_nothing(stage: Stage, viewer: Visitor) -> None:
    viewer.read(f"{PAGE}/links/search?kind=label&text=sso", status=403)
    viewer.read(PAGE)
    assert viewer.send(f"{PAGE}/links/many", {"issue": ["1"]}).status_code == 403
