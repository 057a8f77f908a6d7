"""Rules of the house that no linter knows: what mapping may use, and what must not be in the project."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READERS_PATH = (
    "README.md",
    "web/app.py",
    "jira_app/webhooks.py",
    "connector/inbox.py",
    "connector/apply.py",
    "mapping/progress.py",
)
# Where the present moment comes from; `today` is always handed in.
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def _trees(folder: str) -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted((ROOT / folder).rglob("*.py"))]


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_mapping_uses_the_standard_library_only() -> None:
    for path, tree in _trees("mapping"):
        foreign = _imported(tree) - sys.stdlib_module_names - {"mapping"}
        assert not foreign, path


def test_mapping_knows_no_float_no_clock_and_no_outside_world() -> None:
    forbidden = {"random", "os", "socket", "time", "pathlib", "subprocess", "threading"}
    for path, tree in _trees("mapping"):
        assert not _imported(tree) & forbidden, path
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), path
            assert not (isinstance(node, ast.Name) and node.id == "float"), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in CLOCKS, path


def test_the_core_knows_no_tracker_by_name() -> None:
    # Settings name what trackers can be told; a tracker's own name stands in data only.
    for path, tree in _trees("connector"):
        if path.name == "settings.py" or "migrations" in path.parts:
            continue
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                assert node.value.lower() not in ("jira", "linear"), f"{path}:{node.lineno}"


def test_the_readers_path_exists() -> None:
    for name in READERS_PATH:
        assert (ROOT / name).exists(), name


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    found = [path for path in ROOT.rglob("*.py") if path.stem in drawers and ".venv" not in path.parts]
    assert not found


@pytest.mark.parametrize("pattern", [r"/(work|farm|root)/\w", r"files\.pythonhosted|pypi\.org/simple|registry\.npmjs"])
def test_no_path_of_a_machine_and_no_registry_is_in_the_project(pattern: str) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not applicable: this is no git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        found = re.search(pattern, path.read_bytes().decode("utf-8", "replace"))
        assert found is None, f"{name}: {found}"
