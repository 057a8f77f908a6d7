"""Chromium for tests, and axe-core as an independent judge of accessibility; both skip with a reason when missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PEERS = Path(__file__).resolve().parents[1] / "peers"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# axe's rules for a document by itself; a frame is a part of its host's page, which has the landmarks.
FRAME_RULES_OFF = ("region", "landmark-one-main", "page-has-heading-one")

# All that axe tells about what is right as well would be some hundred kilobytes a page.
FINDINGS = """async (rules) => {
    const told = await axe.run(document, {rules, iframes: false, resultTypes: ["violations"]});
    return told.violations.flatMap(({id, nodes}) =>
        nodes.map((node) => `${id}: ${node.html.slice(0, 160)} (${node.failureSummary || ""})`));
}"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium without a window; skips the calling test if it isn't there."""
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if path is None:
        pytest.skip("Chromium missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@cache
def axe_source() -> str:
    """Return axe-core's script; skips the calling test if it isn't installed."""
    script = PEERS / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe-core missing: npm ci in tests/peers")
    return script.read_text("utf-8")


def axe_findings(frame: Any, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds wrong in a page or frame, one line for each element."""
    frame.evaluate(f"() => {{ {axe_source()} }}")
    rules = {rule: {"enabled": False} for rule in without}
    found: list[str] = frame.evaluate(FINDINGS, rules)
    return found
