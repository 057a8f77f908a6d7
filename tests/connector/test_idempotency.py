"""Answers that are given once, on either database, also when two requests come at the same moment."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.orm import Session

from connector import goals
from connector.core import Core
from connector.errors import Conflict, Invalid
from connector.idempotency import Answer, Attempt, answer_once, hash_request, recall, remember
from connector.models import IdempotentAnswer, Team
from tests.postgres import MovableClock, rows


def attempt(clock: MovableClock, key: str = "k", body: object = None) -> Attempt:
    return Attempt("w", key, hash_request("POST", "/teams", body), clock())


def making(name: str):
    def work(session: Session) -> Answer:
        team = goals.create_team(session, "w", goals.CreateTeam(name=name))
        return Answer(201, team.id, {"Location": f"/teams/{team.id}"})

    return work


def test_work_runs_once_and_its_answer_is_given_again(toy_core: Core, clock: MovableClock) -> None:
    first = answer_once(toy_core.database, attempt(clock), making("Atlas"))
    second = answer_once(toy_core.database, attempt(clock), making("Orion"))
    assert (first.repeated, second.repeated) == (False, True)
    assert (first.status, first.body, dict(first.headers)) == (second.status, second.body, dict(second.headers))
    assert [team.name for team in rows(toy_core, Team)] == ["Atlas"]


def test_work_that_was_refused_leaves_nothing_behind(toy_core: Core, clock: MovableClock) -> None:
    answer_once(toy_core.database, attempt(clock, "a"), making("Atlas"))
    with pytest.raises(Conflict):
        answer_once(toy_core.database, attempt(clock, "b"), making("Atlas"))
    assert [row.key for row in rows(toy_core, IdempotentAnswer)] == ["a"]
    assert answer_once(toy_core.database, attempt(clock, "b"), making("Orion")).status == 201


def test_requests_differ_by_method_path_and_meaning_not_by_spelling() -> None:
    alike = hash_request("POST", "/teams", {"a": 1, "b": [2]})
    assert alike == hash_request("POST", "/teams", {"b": [2], "a": 1})
    others = [
        ("PUT", "/teams", {"a": 1, "b": [2]}),
        ("POST", "/people", {"a": 1, "b": [2]}),
        ("POST", "/teams", {"a": 1}),
    ]
    assert alike not in {hash_request(*other) for other in others}


def test_an_answer_of_work_outside_a_transaction_is_remembered_too(toy_core: Core, clock: MovableClock) -> None:
    with toy_core.database.writing() as session:
        assert recall(session, attempt(clock)) is None
        remember(session, attempt(clock), Answer(201, "body"))
    with toy_core.database.reading() as session:
        known = recall(session, attempt(clock))
        assert known is not None
        assert (known.body, known.repeated) == ("body", True)
        with pytest.raises(Invalid):
            recall(session, attempt(clock, body={"other": 1}))
        clock.forward(hours=24)
        assert recall(session, attempt(clock)) is None


def test_many_at_once_are_answered_alike_and_done_once(toy_core: Core, clock: MovableClock) -> None:
    answers: list[Answer] = []

    def send() -> None:
        answers.append(answer_once(toy_core.database, attempt(clock), making("Atlas")))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len({answer.body for answer in answers}) == 1
    assert len(rows(toy_core, Team)) == 1
