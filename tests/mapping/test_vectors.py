"""Every public vector: the library's answer is the expected one."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from mapping.display import percent, rational
from mapping.forest import Issue
from mapping.issue_class import IssueClass
from mapping.ledger import apply_issue
from mapping.overlay import Side, SprintItem, alignment
from mapping.pace import band, elapsed
from mapping.progress import ONE, Options, SizeBy, work_progress
from mapping.running import Change, add_link, remove_link
from mapping.store import Link
from tests.mapping.dict_store import DictStore
from tests.shared_refs import refs
from web.calc import answer

Case = dict[str, Any]


def vectors(name: str) -> Any:
    return json.loads(refs("vectors", name).read_text("utf-8"))


def asked(kind: str, case: Case) -> Case:
    """The case through `ladder calc`, as it stands in the file."""
    return answer(kind, json.dumps(case).encode())


def assert_carries(result: Case, expected: Case) -> None:
    assert {key: result.get(key) for key in expected} == expected


def test_work_cases() -> None:
    for case in vectors("spec_issue_progress.json"):
        assert_carries(asked("work", case), case["expect"])
        if "committed" in case:
            committed = {**case, "links": case["links"][:10]}
            assert asked("work", committed)["progress"] == case["committed"]["progress"]


def test_metric_cases() -> None:
    for case in vectors("spec_metric.json"):
        assert_carries(asked("metric", case), {key: case[key] for key in ("raw", "progress", "display", "why")})


@pytest.mark.parametrize(
    ("kind", "section", "keys"),
    [
        ("maintain", "maintain", ("average", "latest", "minimum")),
        ("checkpoints", "checkpoints", ("progress",)),
        ("rollup", "rollup", ("progress",)),
        ("pace", "pace", ("projected", "status")),
        ("pace", "score_bands", ("status",)),
        ("drift", "drift", ("result",)),
        ("overlay", "sprint_alignment", ("total", "aligned", "declared_bau", "unaligned", "effort_by_kr")),
    ],
)
def test_other_cases(kind: str, section: str, keys: tuple[str, ...]) -> None:
    cases = vectors("spec_other.json")[section]
    assert cases
    for case in cases:
        assert_carries(asked(kind, case), {key: case[key] for key in keys})


def test_overlay_cases() -> None:
    for case in vectors("spec_other.json")["sprint_overlay"]:
        assert_carries(asked("overlay", case), case["expect"])


def test_elapsed_cases() -> None:
    for case in vectors("spec_other.json")["elapsed"]:
        assert_carries(asked("pace", case), {"elapsed": case["elapsed"]})
        days = [date.fromisoformat(case[key]) for key in ("start", "end", "date")]
        assert rational(elapsed(*days)) == case["elapsed"]


def test_bands() -> None:
    for case in vectors("spec_other.json")["score_bands"]:
        assert band(Fraction(str(case["score"]))) == case["status"]


def test_alignment_of_a_sprint_in_the_library() -> None:
    (case,) = vectors("spec_other.json")["sprint_alignment"]
    items = [
        SprintItem(
            None if item["est"] is None else Fraction(item["est"]),
            item["links"] if isinstance(item["links"], list) else (),
            Side(item["links"]) if isinstance(item["links"], str) else Side.UNALIGNED,
        )
        for item in case["items"]
    ]
    shares = alignment(items)
    assert shares.aligned is not None
    assert shares.declared_bau is not None
    assert shares.unaligned is not None
    assert shares.aligned + shares.declared_bau + shares.unaligned == 1
    assert sum(shares.effort.values()) == shares.aligned * shares.total


def issue_of(said: Case) -> Issue:
    estimate = None if said.get("est") is None else Fraction(said["est"])
    return Issue(IssueClass(said["cls"]), estimate, said.get("parent"), said.get("level") or 0)


def test_ledger_cases_played_on_the_running_values() -> None:
    for case in vectors("spec_ledger.json"):
        options = Options(size_by=SizeBy(case["kr"].get("size_by", "count")))
        store = DictStore({"K": options})
        for id_, said in case["issues"].items():
            apply_issue(store, id_, issue_of(said))
        for link in case["links"]:
            add_link(store, Link("K", link["issue"]))
        start = store.sums("K").snapshot(options).progress
        assert rational(start) == case["start"]
        deltas: list[Fraction] = []
        for row in case["ledger"]:
            event = row["event"]
            (change, cause) = play(store, event)
            assert cause == event["cause"]
            assert rational(change.after.progress) == row["progress"]
            assert rational(change.delta) == row["delta"]
            assert percent(change.after.progress) == row["display"]
            assert change.delta is not None
            deltas.append(change.delta)
            whole = work_progress(
                {id_: Issue(n.cls, n.estimate, n.named_parent, n.level) for id_, n in store.nodes.items()},
                [(link.issue, link.weight) for link in store.links.values()],
                options,
            )
            assert whole.progress == change.after.progress
        assert rational(sum(deltas, Fraction(0))) == case["sum_of_deltas"]
        assert start is not None
        assert start + sum(deltas) == store.sums("K").snapshot(options).progress


def play(store: DictStore, event: Case) -> tuple[Change, str]:
    issue = event["issue"]
    match event["do"]:
        case "link":
            apply_issue(store, issue, issue_of(event))
            (change,) = add_link(store, Link("K", issue, ONE))
            return change, "scope_added"
        case "unlink":
            (change,) = remove_link(store, "K", issue)
            return change, "scope_removed"
        case "set":
            (movement,) = apply_issue(store, issue, Issue(IssueClass(event["cls"])))[0]
        case "estimate":
            node = store.node(issue)
            (movement,) = apply_issue(store, issue, Issue(node.cls, Fraction(event["est"]), node.parent))[0]
        case other:
            raise AssertionError(other)
    return movement.change, str(movement.cause)
