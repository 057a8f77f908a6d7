"""Whatever happens in whatever order, the links are in the end those that follow from how things are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from connector.models import Connection, Issue, KeyResult, LedgerEntry, Link, LinkRule, OutboxEntry, RuleException
from connector.rules import running
from connector.rules.editing import RuleChanges, delete_rule, edit_rule, let_rules_link_again
from connector.rules.verdict import Claim, decide
from connector.settings import Settings, load_settings
from tests.connector.conftest import Organisation, org
from tests.connector.rules.stage import Stage
from tests.postgres import PostgresServer

ISSUES = [str(number) for number in range(6)]
KEY_RESULTS = ["ratio", "points", "metric"]
RULES = [("label", "a"), ("label", "b"), ("query", "team=red"), ("project", "ATL"), ("epic", "TOY-0")]

tells = st.tuples(
    st.just("tell"),
    st.sampled_from(ISSUES),
    st.fixed_dictionaries(
        {
            "cls": st.sampled_from(["todo", "doing", "done", "dropped"]),
            "labels": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "team": st.sampled_from(["red", "blue"]),
            "project": st.sampled_from(["ATL", "OPS"]),
            "parent": st.sampled_from([None, "0", "1"]),
            "points": st.sampled_from([None, 0, 3]),
        }
    ),
)
acts = st.one_of(
    tells,
    tells,
    st.tuples(st.just("delete"), st.sampled_from(ISSUES)),
    st.tuples(st.just("link"), st.sampled_from(ISSUES), st.sampled_from(KEY_RESULTS)),
    st.tuples(st.just("unlink"), st.sampled_from(ISSUES), st.sampled_from(KEY_RESULTS)),
    st.tuples(st.just("allow"), st.sampled_from(ISSUES), st.sampled_from(KEY_RESULTS)),
    st.tuples(st.just("rule"), st.sampled_from(RULES), st.sampled_from(KEY_RESULTS)),
    st.tuples(st.just("weigh"), st.integers(0, 4), st.sampled_from([1, 2, 5])),
    st.tuples(st.just("pause"), st.integers(0, 4), st.booleans()),
    st.tuples(st.just("resume"), st.integers(0, 4)),
    st.tuples(st.just("drop"), st.integers(0, 4), st.booleans()),
    st.tuples(st.just("run")),
)


class Story:
    """Plays acts on a stage and knows what must come of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.at = 0
        self.dead: set[str] = set()

    def play(self, act: tuple[Any, ...]) -> None:
        self.at += 1
        getattr(self, f"_{act[0]}")(*act[1:])

    def _tell(self, issue: str, more: dict[str, Any]) -> None:
        if issue in self.dead:
            return
        more = dict(more)
        parent = more.pop("parent")
        self.stage.tell(issue, more.pop("cls"), at=self.at, parent=None if parent == issue else parent, **more)

    def _delete(self, issue: str) -> None:
        self.dead.add(issue)
        self.stage.tell(issue, at=self.at, gone=True)

    def _link(self, issue: str, key_result: str) -> None:
        if self._known(issue):
            self.stage.link_by_hand(issue, key_result)

    def _unlink(self, issue: str, key_result: str) -> None:
        self.stage.unlink_by_hand(issue, key_result)

    def _allow(self, issue: str, key_result: str) -> None:
        if self._known(issue):
            with self.stage.core.database.writing() as session:
                let_rules_link_again(session, "w", key_result, [self.stage.id_of(issue)], now=self.stage.now)

    def _rule(self, rule: tuple[str, str], key_result: str) -> None:
        with self.stage.core.database.reading() as session:
            same = (LinkRule.kind == rule[0], LinkRule.text == rule[1], LinkRule.key_result_id == key_result)
            if session.scalars(select(LinkRule).where(*same)).one_or_none() is not None:
                return
        self.stage.make(*rule, key_result, runs=False)

    def _weigh(self, number: int, weight: int) -> None:
        self._edit(number, weight=Fraction(weight))

    def _pause(self, number: int, take_away: bool) -> None:
        self._edit(number, state="paused", take_away=take_away)

    def _resume(self, number: int) -> None:
        self._edit(number, state="active")

    def _drop(self, number: int, keep_links: bool) -> None:
        rule = self._rule_number(number)
        if rule is not None:
            with self.stage.core.database.writing() as session:
                delete_rule(session, "w", rule, keep_links=keep_links, now=self.stage.now)

    def _run(self) -> None:
        self.stage.run()

    def _edit(self, number: int, **changes: Any) -> None:
        rule = self._rule_number(number)
        if rule is not None:
            with self.stage.core.database.writing() as session:
                edit_rule(session, "w", rule, RuleChanges(**changes), now=self.stage.now)

    def _rule_number(self, number: int) -> str | None:
        with self.stage.core.database.reading() as session:
            chosen = select(LinkRule.id).where(LinkRule.state != "ending").order_by(LinkRule.created_at, LinkRule.id)
            ids = session.scalars(chosen).all()
        return ids[number] if number < len(ids) else None

    def _known(self, issue: str) -> bool:
        with self.stage.core.database.reading() as session:
            return session.scalars(select(Issue.id).where(Issue.external_id == issue)).one_or_none() is not None

    def expected(self) -> dict[tuple[str, str], tuple[str | None, Fraction | None]]:
        """What the rules' links must be now: (issue, key result) -> (rule, weight), from nothing but the facts."""
        with self.stage.core.database.reading() as session:
            rules = session.scalars(select(LinkRule)).all()
            wanted = {}
            for issue in session.scalars(select(Issue).where(Issue.cls.not_in(("gone", "unknown")))):
                said = self.stage.tracker.site.get(issue.external_id)
                claims = [
                    Claim(rule.id, rule.key_result_id, rule.kind, rule.created_at)
                    for rule in rules
                    if rule.state == "active" and said and self.stage.tracker.matches(said, running.query_of(rule))
                ]
                people = set(
                    session.scalars(select(Link.key_result_id).where(Link.issue_id == issue.id, Link.source != "rule"))
                )
                excepted = set(
                    session.scalars(select(RuleException.key_result_id).where(RuleException.issue_id == issue.id))
                )
                winner = decide(claims, people, excepted).winner
                if winner is not None:
                    weight = next(rule.weight for rule in rules if rule.id == winner.rule_id)
                    wanted[issue.external_id, winner.key_result_id] = (winner.rule_id, weight)
            return wanted

    def found(self) -> dict[tuple[str, str], tuple[str | None, Fraction | None]]:
        with self.stage.core.database.reading() as session:
            rows = session.execute(
                select(Issue.external_id, Link.key_result_id, Link.rule_id, Link.weight)
                .join(Issue, Issue.id == Link.issue_id)
                .where(Link.source == "rule")
            )
            return {(row.external_id, row.key_result_id): (row.rule_id, row.weight) for row in rows}


@contextmanager
def fresh_stage(made: Settings) -> Iterator[Stage]:
    organisation: Iterator[Organisation] = org.__wrapped__(made)  # type: ignore[attr-defined]  # the fixture's function
    yield Stage(next(organisation))
    for _ in organisation:
        pass


def sqlite_settings(folder: str) -> Settings:
    return load_settings(env_file=None, database_url=f"sqlite:///{Path(folder) / 'ladder.db'}")


def check(stage: Stage, acts: list[tuple[Any, ...]]) -> None:
    story = Story(stage)
    for act in acts:
        story.play(act)
    # Nobody is paused in the end, so that all that is to be known of them is known.
    with stage.core.database.reading() as session:
        paused = session.scalars(select(LinkRule.id).where(LinkRule.state == "paused")).all()
    for rule in paused:
        with stage.core.database.writing() as session:
            edit_rule(session, "w", rule, RuleChanges(state="active"), now=stage.now)
    stage.run()
    assert story.found() == story.expected()
    assert stage.differences() == []


@given(st.lists(acts, max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_links_follow_from_the_facts_whatever_came_when(acts: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder, fresh_stage(sqlite_settings(folder)) as stage:
        check(stage, acts)


@given(st.permutations(RULES), st.lists(tells, min_size=1, max_size=10), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_rules_made_before_after_or_between_the_issues_link_the_same(
    rules: list[tuple[str, str]], told: list[tuple[Any, ...]], dice: random.Random
) -> None:
    last = {act[1]: act for act in told}.values()
    outcomes = []
    for shuffled in (False, True):
        acts: list[tuple[Any, ...]] = [("rule", rule, KEY_RESULTS[RULES.index(rule) % 3]) for rule in rules]
        mixed = [*acts]
        for act in last:
            mixed.insert(dice.randint(0, len(mixed)) if shuffled else 0, act)
        with TemporaryDirectory() as folder, fresh_stage(sqlite_settings(folder)) as stage:
            check(stage, mixed)
            outcomes.append(stage.links())
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_on_postgresql(postgres: PostgresServer, seed: int) -> None:
    dice = random.Random(seed)
    acts: list[tuple[Any, ...]] = []
    for _ in range(60):
        issue, key_result = dice.choice(ISSUES), dice.choice(KEY_RESULTS)
        acts.append(
            dice.choice(
                [
                    ("tell", issue, {"cls": dice.choice(["todo", "done"]), "team": dice.choice(["red", "blue"]),
                                     "labels": dice.sample(["a", "b"], dice.randint(0, 2)), "points": None,
                                     "project": dice.choice(["ATL", "OPS"]), "parent": dice.choice([None, "0"])}),
                    ("link", issue, key_result),
                    ("unlink", issue, key_result),
                    ("rule", dice.choice(RULES), key_result),
                    ("weigh", dice.randint(0, 4), 2),
                    ("run",),
                ]
            )
        )  # fmt: skip
    with postgres.lent() as url, fresh_stage(load_settings(env_file=None, database_url=url, secret_keys=KEY)) as stage:
        check(stage, acts)


KEY = "uYj7Wc8oUu0Hq3mK1v0v5yY4v6m0kM2f0m1x3T9d2fE="


class Killed(BaseException):
    """As if the process had been killed."""


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    org: Organisation, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    stage = Stage(org)
    monkeypatch.setattr(running, "CHUNK", 5)
    stage.tracker.site = {
        str(number): {"id": str(number), "at": 1, "cls": ["done", "todo"][number % 2], "labels": ["sso"]}
        for number in range(23)
    }
    rule = stage.make("label", "sso", runs=False)
    _kill_after(monkeypatch, after)
    with stage.core.database.reading() as session:
        entry = session.scalars(select(OutboxEntry).where(OutboxEntry.kind == "run_rule")).one()
        connection = session.get_one(Connection, "c")
    with pytest.raises(Killed):
        running.run_rule(stage.core, connection, entry)
    assert len(stage.links()) == min(after * 5, 23)
    assert stage.differences() == [], "what was done by then is whole"
    monkeypatch.undo()

    stage.tell("0", "done", at=9)
    stage.run()

    assert {issue for issue, _, _ in stage.links()} == {str(number) for number in range(1, 23)}
    assert stage.rule(rule).state == "active"
    with stage.core.database.reading() as session:
        added = session.scalars(select(LedgerEntry.issue_id).where(LedgerEntry.cause == "scope_added")).all()
    assert len(added) == len(set(added)) >= 22, "nothing is linked twice"
    assert stage.differences() == []


def _kill_after(monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    real: Callable[..., Any] = running.settle
    done = [0]

    def settle(*given: Any) -> Any:
        if done[0] == chunks:
            raise Killed
        done[0] += 1
        return real(*given)

    monkeypatch.setattr(running, "settle", settle)


def test_a_run_does_not_undo_what_a_delivery_said_meanwhile(org: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(org)
    for issue in "12":
        stage.tell(issue, "todo", at=1, labels=["sso"], team="red")
    label, query = stage.make("label", "sso", runs=False), stage.make("query", "team=red", "points", runs=False)
    find = stage.tracker.find

    def overtaken(*given: Any) -> Any:
        pages = list(find(*given))
        stage.tell("1", "todo", at=5, labels=[], team="blue")
        return iter(pages)

    monkeypatch.setattr(stage.tracker, "find", overtaken)
    stage.run()

    assert stage.owners() == {"2": label}
    assert stage.matches(query) == {"2"}


def test_a_rule_that_is_edited_while_it_runs_stops_and_runs_anew(
    org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(org)
    stage.tell("1", "todo", at=1, labels=["sso"])
    rule = stage.make("label", "sso", runs=False)
    find = stage.tracker.find

    def edited(*given: Any) -> Any:
        pages = list(find(*given))
        with stage.core.database.writing() as session:
            edit_rule(session, "w", rule, RuleChanges(state="paused"), now=stage.now)
        return iter(pages)

    monkeypatch.setattr(stage.tracker, "find", edited)
    stage.run()

    assert stage.links() == set()
    assert stage.rule(rule).state == "paused"


def test_a_key_result_that_is_opened_again_gets_what_its_rules_missed(org: Organisation) -> None:
    stage = Stage(org)
    rule = stage.make("label", "sso")
    with stage.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "closed"
    stage.tell("1", "todo", at=1, labels=["sso"])
    stage.run()
    with stage.core.database.writing() as session:
        session.get_one(KeyResult, "ratio").state = "open"
        session.execute(update(LinkRule).values(ran_at=stage.now - timedelta(hours=1)))
        running.ask_for_runs(session, session.get_one(Connection, "c"), stage.now)
    stage.run()
    assert stage.owners() == {"1": rule}
