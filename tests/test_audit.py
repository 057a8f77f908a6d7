"""The audit of locked packages: what it forgives and what it does not."""

from __future__ import annotations

import json

from tests.audit import verdict

CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
FLAWED = {"name": "flask", "version": "3.1.3", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3.1.4"]}]}
UNASKED = {"name": "rich", "skip_reason": "not found"}


def test_a_known_vulnerability_fails_and_is_named() -> None:
    lines, status = verdict(json.dumps({"dependencies": [CLEAN, FLAWED]}), "", 1)
    assert status == 1
    assert lines[0] == "flask 3.1.3: PYSEC-2026-1, fixed in 3.1.4"


def test_packages_that_could_not_be_asked_about_are_counted_aloud() -> None:
    lines, status = verdict(json.dumps({"dependencies": [CLEAN, UNASKED]}), "", 0)
    assert status == 0
    assert lines == [
        "Audited 1 of 2 locked packages: 0 flaws known.",
        "1 were NOT checked: the index here has no advisories for them (rich, ...).",
    ]


def test_without_a_network_nothing_is_claimed() -> None:
    complaint = "Traceback ...\nrequests.exceptions.ProxyError: HTTPSConnectionPool(...)"
    assert verdict("", complaint, 1) == (
        ["Known vulnerabilities were NOT checked: the advisory service can't be reached from here."],
        0,
    )


def test_any_other_failure_of_the_audit_fails() -> None:
    assert verdict("", "error: requirements.lock: no such file", 1)[1] == 1
