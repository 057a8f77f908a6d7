"""How a run is shared: whole files, the heavy ones first and one by one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.workers import STAGES, OneStageAtATime, in_working_order

HEAVY = ("tests/web/browser/test_a.py", "tests/web/browser/test_b.py")
QUIET = ("tests/mapping/test_c.py", "tests/mapping/test_d.py")


@dataclass(eq=False)
class Node:
    """A process that notes what it was sent; it shuts down when there is nothing more."""

    sent: list[int] = field(default_factory=list)
    shutting_down: bool = False
    gateway: Any = field(default_factory=lambda: SimpleNamespace(id="a process"))

    def send_runtest_some(self, indexes: list[int]) -> None:
        self.sent += indexes

    def shutdown(self) -> None:
        self.shutting_down = True


def named(files: tuple[str, ...], each: int) -> list[str]:
    return [f"{file}::test_{number}" for file in files for number in range(each)]


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> OneStageAtATime:
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda _config: ["one", "two"])
    config: Any = SimpleNamespace(option=SimpleNamespace(loadscopereorder=True))
    log: Any = SimpleNamespace(loadscopesched=lambda *_: None)
    return OneStageAtATime(config, log)


def begin(scheduler: OneStageAtATime, tests: list[str]) -> tuple[Node, Node]:
    one, two = Node(), Node()
    for node in (one, two):
        scheduler.add_node(node)  # type: ignore[arg-type]  # has what the scheduler asks of a process
        scheduler.add_node_collection(node, tests)  # type: ignore[arg-type]  # the same
    scheduler.schedule()
    return one, two


def files_of(node: Node, tests: list[str]) -> list[str]:
    return list(OrderedDict.fromkeys(tests[index].split("::")[0] for index in node.sent))


def test_two_heavy_files_never_run_beside_each_other_while_there_is_other_work(scheduler: OneStageAtATime) -> None:
    tests = named((*HEAVY, *QUIET), 4)
    one, two = begin(scheduler, tests)
    assert (files_of(one, tests), files_of(two, tests)) == ([HEAVY[0]], [QUIET[0]])
    for index in list(two.sent):
        scheduler.mark_test_complete(two, index)  # type: ignore[arg-type]  # see above
    assert files_of(two, tests)[:2] == list(QUIET)
    for index in list(one.sent):
        scheduler.mark_test_complete(one, index)  # type: ignore[arg-type]  # see above
    assert files_of(one, tests) == list(HEAVY)


def test_heavy_files_share_the_machine_before_anybody_stands_idle(scheduler: OneStageAtATime) -> None:
    tests = named(HEAVY, 4)
    one, two = begin(scheduler, tests)
    assert (files_of(one, tests), files_of(two, tests)) == ([HEAVY[0]], [HEAVY[1]])
    assert sorted(one.sent + two.sent) == list(range(len(tests)))


def test_heavy_files_come_first_and_then_the_largest() -> None:
    small, large, heavy = "tests/test_small.py", "tests/test_large.py", "tests/web/browser/test_a.py"
    names = [*named((small,), 1), *named((large,), 3), *named((heavy,), 2)]
    items: Any = [SimpleNamespace(nodeid=name) for name in names]
    assert [item.nodeid for item in in_working_order(items)] == [
        *named((heavy,), 2),
        *named((large,), 3),
        *named((small,), 1),
    ]


def test_every_stage_is_there() -> None:
    root = Path(__file__).resolve().parents[1]
    assert [stage for stage in STAGES if not (root / stage).exists()] == []
