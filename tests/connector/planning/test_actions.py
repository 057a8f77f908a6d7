"""Acting on many issues of a sprint at once: rights asked for all of them, refusals by name, and undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select

from connector.errors import Conflict, Invalid, NotAllowed, NotFound
from connector.issues import ensure_issue
from connector.links import LinkRefused
from connector.models import BusinessAsUsual, Connection, LedgerEntry, Link, LinkRule, OutboxEntry, Sprint, Workspace
from connector.planning import actions, undo
from connector.planning.actions import Hand, Move
from connector.planning.onlooker import Onlooker, RightsAtOnce
from connector.tracker import TrackerUnavailable
from tests.connector.conftest import NOW, AbleToy, Organisation

F = Fraction


@dataclass
class Table:
    """Six issues in sprint 7 (id 1) with an empty sprint 8 (id 2); what the tracker forbids and what it was asked."""

    org: Organisation
    hand: Hand
    ids: list[int]
    not_seen: set[str] = field(default_factory=set)
    not_edited: set[str] = field(default_factory=set)
    asked: list[tuple[str, int]] = field(default_factory=list)
    moved: list[tuple[tuple[str, ...], str | None]] = field(default_factory=list)
    refuse_moving_to: str | None = "nowhere"

    def links(self) -> list[Link]:
        with self.org.core.database.reading() as session:
            return list(session.scalars(select(Link).order_by(Link.issue_id, Link.key_result_id)))

    def declared(self) -> dict[int, str]:
        with self.org.core.database.reading() as session:
            return {row.issue_id: row.category for row in session.scalars(select(BusinessAsUsual))}

    def as_(self, **changes: Any) -> Hand:
        return replace(self.hand, onlooker=replace(self.hand.onlooker, **changes))

    def take_back(self, note: Any, hand: Hand | None = None) -> actions.Done:
        assert note is not None
        return undo.undo(hand or self.hand, undo.seal(self.hand, note))


@pytest.fixture
def table(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> Table:
    with org.core.database.writing() as session:
        session.add_all(
            [
                Sprint(id=1, workspace_id="w", connection_id="c", external_id="7", name="Sprint 7", state="active"),
                Sprint(id=2, workspace_id="w", connection_id="c", external_id="8", name="Sprint 8", state="future"),
                Sprint(id=3, workspace_id="w", connection_id="c", external_id="6", name="Sprint 6", state="closed"),
            ]
        )
    for number in range(1, 7):
        org.tell(str(number), "todo", at=number, points="2", sprints=["6", "7"])
    with org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
        ids = [ensure_issue(session, connection, str(number)).id for number in range(1, 7)]
    onlooker = Onlooker(who="person:ada", actor="ada", name="Ada", accounts={"c": "toy-user"})
    made = Table(org, Hand(org.core, RightsAtOnce(org.core), onlooker, "w"), ids)

    def permitted(self: AbleToy, connection: Connection, account: str, wanted: Sequence[str], action: str) -> Any:
        self.issues()
        made.asked.append((action, len(wanted)))
        return frozenset(wanted) - made.not_seen - (made.not_edited if action == "edit" else set())

    def move(self: AbleToy, connection: Connection, wanted: Sequence[str], sprint: str | None) -> None:
        self.issues()
        if sprint == made.refuse_moving_to:
            raise TrackerUnavailable("The toy is tired")
        made.moved.append((tuple(wanted), sprint))

    monkeypatch.setattr(AbleToy, "permitted", permitted)
    monkeypatch.setattr(AbleToy, "move_to_sprint", move)
    monkeypatch.setattr(org.tracker, "capabilities", replace(org.tracker.capabilities, sprints=True), raising=False)
    return made


def test_a_whole_sprint_is_linked_with_one_question_to_the_tracker(table: Table) -> None:
    done = actions.link(table.hand, [(one, "ratio") for one in table.ids])
    assert table.asked == [("edit", 6)]
    assert done.words == "6 issues linked to “Ship the audit”."
    assert len(table.links()) == 6
    assert {link.source for link in table.links()} == {"manual"}


def test_what_hangs_below_an_epic_that_is_linked_is_read_since_it_may_never_have_been_heard_of(table: Table) -> None:
    table.org.tell("9", "todo", at=9, level=1, sprints=["7"])
    with table.org.core.database.reading() as session:
        epic = ensure_issue(session, session.get_one(Connection, "c"), "9").id
    actions.link(table.hand, [(epic, "ratio"), (table.ids[0], "ratio")])
    with table.org.core.database.reading() as session:
        asked = session.scalars(select(OutboxEntry.subject).where(OutboxEntry.kind == "fetch_subtree"))
        assert list(asked) == ["9"]


def test_what_may_not_be_edited_is_named_and_the_rest_goes_through(table: Table) -> None:
    table.not_edited = {"2", "3"}
    done = actions.link(table.hand, [(one, "ratio") for one in table.ids])
    assert "4 issues linked" in done.words
    assert "Left out: TOY-2, TOY-3. Toy does not let you edit them." in done.words
    assert len(table.links()) == 4


def test_a_refusal_does_not_give_away_the_name_of_what_may_not_be_seen(table: Table) -> None:
    table.not_seen = {"2"}
    done = actions.link(table.hand, [(one, "ratio") for one in table.ids[:3]])
    assert "TOY-2" not in done.words
    assert "1 that you may not see" in done.words


def test_nothing_happens_while_the_tracker_does_not_answer(table: Table) -> None:
    table.org.tracker.down = TrackerUnavailable("down")
    done = actions.link(table.hand, [(one, "ratio") for one in table.ids])
    assert done.words.startswith("Nothing was linked. 6 issues left out: Toy does not answer")
    assert done.undo is None
    assert table.links() == []


def test_a_viewer_changes_nothing(table: Table) -> None:
    hand = table.as_(may_change=False, why_not="You may look.")
    with pytest.raises(NotAllowed, match="You may look") as refused:
        actions.link(hand, [(table.ids[0], "ratio")])
    assert refused.value.reason == "read_only"
    with pytest.raises(NotAllowed):
        undo.undo(hand, undo.seal(hand, {"do": "unlink", "links": []}))


def test_who_is_unknown_in_the_tracker_is_told_so(table: Table) -> None:
    done = actions.link(table.as_(accounts={}), [(table.ids[0], "ratio")])
    assert "Ladder does not know you in Toy" in done.words
    assert table.links() == []


def test_an_admin_without_an_account_links_but_does_not_move(table: Table) -> None:
    admin = table.as_(accounts={}, see_all=True)
    assert "1 issue linked" in actions.link(admin, [(table.ids[0], "ratio")]).words
    assert actions.move(admin, [Move(table.ids[:1], 2)]).words.startswith("Nothing was moved.")
    assert table.moved == []


def test_issues_of_another_workspace_are_passed_over(table: Table) -> None:
    with table.org.core.database.writing() as session:
        session.add(Workspace(id="other", name="Other", timezone="UTC"))
        session.flush()
        session.add(
            Connection(id="d", workspace_id="other", tracker="toy", tenant_key="u", site="https://other.example")
        )
        session.flush()
        foreign = ensure_issue(session, session.get_one(Connection, "d"), "1").id
    done = actions.link(table.hand, [(foreign, "ratio")])
    assert done.words == "Nothing was linked."
    assert table.links() == []


def test_linking_is_undone_as_if_it_had_never_been(table: Table) -> None:
    done = actions.link(table.hand, [(one, "ratio") for one in table.ids])
    back = table.take_back(done.undo)
    assert back.words == "Undone: 6 issues unlinked again."
    assert table.links() == []
    assert table.org.differences() == []


def test_unlinking_is_undone_with_weight_source_and_claim(table: Table) -> None:
    table.org.link("1", "metric", weight=F(5, 2), declared_change=F(3), source="label")
    done = actions.unlink(table.hand, [table.links()[0].id])
    assert done.words == "1 issue unlinked."
    assert table.links() == []
    table.take_back(done.undo)
    link = table.links()[0]
    assert (link.weight, link.source, link.declared_change) == (F(5, 2), "label", F(3))


def test_an_unlinked_rule_s_link_comes_back_as_the_rule_s(table: Table) -> None:
    with table.org.core.database.writing() as session:
        session.add(
            LinkRule(id="r", workspace_id="w", key_result_id="ratio", connection_id="c", kind="label", text="sso")
        )
    link_id = table.org.link("1", "ratio", source="rule")
    with table.org.core.database.writing() as session:
        session.get_one(Link, link_id).rule_id = "r"
    done = actions.unlink(table.hand, [link_id])
    table.take_back(done.undo)
    assert [(one.source, one.rule_id) for one in table.links()] == [("rule", "r")]


def test_every_linked_issue_has_its_own_ledger_row(table: Table) -> None:
    actions.link(table.hand, [(one, "ratio") for one in table.ids])
    with table.org.core.database.reading() as session:
        rows = list(session.scalars(select(LedgerEntry).where(LedgerEntry.cause == "scope_added")))
    assert len(rows) == 6
    assert {row.actor for row in rows} == {"ada"}


def test_declaring_is_undone_to_what_each_issue_was_before(table: Table) -> None:
    actions.declare(table.hand, table.ids[:1], "support")
    done = actions.declare(table.hand, table.ids[:3], "maintenance")
    assert done.words == "3 issues declared not goal work (maintenance)."
    table.take_back(done.undo)
    assert table.declared() == {table.ids[0]: "support"}


def test_a_linked_issue_is_left_out_of_declaring(table: Table) -> None:
    table.org.link("1")
    done = actions.declare(table.hand, table.ids[:2], "support")
    assert "1 issue declared" in done.words
    assert "linked to a key result" in done.words
    assert table.declared() == {table.ids[1]: "support"}


def test_an_unknown_category_is_refused(table: Table) -> None:
    with pytest.raises(LinkRefused) as refused:
        actions.declare(table.hand, table.ids[:1], "fun")
    assert refused.value.reason == "unknown_category"


def test_moving_takes_one_call_for_each_target_and_goes_back_to_where_each_was(table: Table) -> None:
    done = actions.move(table.hand, [Move(table.ids[:2], None), Move(table.ids[2:4], 2)])
    assert table.moved == [(("1", "2"), None), (("3", "4"), "8")]
    assert done.words == "2 issues moved out of the sprint in Toy. 2 issues moved into Sprint 8 in Toy."
    assert done.moved == {"c": ["7", "8"]}
    table.moved.clear()
    assert table.take_back(done.undo).words == "Undone: 4 issues moved back."
    assert table.moved == [(("1", "2", "3", "4"), "7")]


def test_what_was_moved_before_the_tracker_refused_is_said_and_can_be_undone(table: Table) -> None:
    table.refuse_moving_to = "8"
    done = actions.move(table.hand, [Move(table.ids[:2], None), Move(table.ids[2:4], 2)])
    assert done.words == "2 issues moved out of the sprint in Toy. Toy refused the rest: The toy is tired"
    assert done.undo is not None
    assert len(done.undo["back"]) == 2
    with pytest.raises(TrackerUnavailable):
        actions.move(table.hand, [Move(table.ids[2:4], 2)])


def test_nothing_is_moved_into_a_closed_or_unknown_sprint(table: Table) -> None:
    with pytest.raises(Conflict, match="Sprint 6 is closed"):
        actions.move(table.hand, [Move(table.ids[:1], 3)])
    with pytest.raises(NotFound):
        actions.move(table.hand, [Move(table.ids[:1], 99)])
    assert table.moved == []


def test_an_undo_is_good_for_its_person_its_purpose_and_a_short_while(table: Table) -> None:
    done = actions.link(table.hand, [(table.ids[0], "ratio")])
    assert done.undo is not None
    sealed = undo.seal(table.hand, done.undo)
    with pytest.raises(LinkRefused) as refused:
        undo.undo(table.as_(who="person:eve"), sealed)
    assert refused.value.reason == "undo_unknown"
    with pytest.raises(LinkRefused):
        undo.undo(table.hand, table.org.core.vault.seal("w", "undo", "{}"))
    with pytest.raises(LinkRefused):
        undo.undo(replace(table.hand, workspace_id="other"), sealed)
    late = replace(table.hand, core=replace(table.org.core, clock=lambda: NOW + timedelta(minutes=5)))
    with pytest.raises(LinkRefused) as refused:
        undo.undo(late, sealed)
    assert refused.value.reason == "undo_expired"
    assert len(table.links()) == 1


def test_a_right_lost_meanwhile_stops_the_undo_too(table: Table) -> None:
    done = actions.link(table.hand, [(table.ids[0], "ratio")])
    table.not_edited = {"1"}
    assert "Left out: TOY-1" in table.take_back(done.undo).words
    assert len(table.links()) == 1


def test_more_than_a_sprint_ever_holds_is_refused(table: Table) -> None:
    with pytest.raises(Invalid) as refused:
        actions.declare(table.hand, list(range(1, actions.AT_ONCE + 2)), "support")
    assert refused.value.reason == "too_many"


def test_rights_are_remembered_for_a_minute_and_survive_a_silent_tracker_for_ten(table: Table) -> None:
    moment = [0.0]
    rights = RightsAtOnce(table.org.core, ticks=lambda: moment[0])
    with table.org.core.database.reading() as session:
        connection = session.get_one(Connection, "c")
    wanted = ["1", "2"]
    assert rights.permitted(connection, "toy-user", wanted, "view").external_ids == frozenset(wanted)
    rights.permitted(connection, "toy-user", wanted, "view")
    rights.permitted(connection, "toy-user", [*wanted, "3"], "view")
    assert table.asked == [("view", 2), ("view", 1)]
    table.org.tracker.down = TrackerUnavailable("down")
    moment[0] = 61.0
    answer = rights.permitted(connection, "toy-user", wanted, "view")
    assert (answer.external_ids, answer.silent) == (frozenset(wanted), True)
    assert rights.permitted(connection, "toy-user", wanted, "edit", insist=True).external_ids == frozenset()
    moment[0] = 700.0
    assert rights.permitted(connection, "toy-user", wanted, "view").external_ids == frozenset()
    table.org.tracker.down = None
    moment[0] = 720.0
    table.not_seen = {"1"}
    assert rights.permitted(connection, "toy-user", wanted, "view").external_ids == frozenset({"2"})
