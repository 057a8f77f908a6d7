"""Who tests what when several processes share a run: files stay whole, and what fills the machine goes one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from xdist import is_xdist_worker
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# Tests with a browser or with servers in processes of their own, in the order in which they are begun. Each of them
# takes more than one core, and many hold something against a clock: those come first, while nothing else of the kind
# runs, and those that only wait for an end come last.
STAGES = (
    "tests/web/browser/",
    "tests/web/sandbox/test_bridge.py",
    "tests/web/sandbox/linear/test_pages.py",
    "tests/linear_app/test_burst.py",
    "tests/web/test_serve.py",
    "tests/connector/test_crash.py",
    "tests/web/demo/",
)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStageAtATime | None:
    return OneStageAtATime(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    if is_xdist_worker(session):
        items[:] = in_working_order(items)


def file_of(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


def stage_of(file: str) -> int:
    """Return the place of a file among STAGES, or their number for one that is content with a part of a core."""
    return next((place for place, prefix in enumerate(STAGES) if file.startswith(prefix)), len(STAGES))


def in_working_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort files: those of STAGES, then the others with the largest first, so that no long one is left for the end."""
    sizes = Counter(file_of(item.nodeid) for item in items)

    def place(item: pytest.Item) -> tuple[int, int, str]:
        file = file_of(item.nodeid)
        stage = stage_of(file)
        return stage, -sizes[file] if stage == len(STAGES) else 0, file

    return sorted(items, key=place)


class OneStageAtATime(LoadScopeScheduling):
    """Hands out whole files; one of STAGES only while no other process is at one, as long as there is other work."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order is ours

    def _split_scope(self, nodeid: str) -> str:
        return file_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if any(self._is_on_stage(other) for other in self.nodes if other is not node):
            quiet = next((file for file in self.workqueue if stage_of(file) == len(STAGES)), None)
            if quiet is not None:
                self.workqueue.move_to_end(quiet, last=False)
        super()._assign_work_unit(node)

    def _is_on_stage(self, node: WorkerController) -> bool:
        return any(
            stage_of(file) < len(STAGES) and not all(tests.values()) for file, tests in self.assigned_work[node].items()
        )
