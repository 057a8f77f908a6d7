"""What leaves the process in a log line carries no token, secret, query string or personal data, whoever wrote it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog

from connector import telemetry
from connector.telemetry import HIDDEN, redacted

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhY21lIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logging as a server has it; put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("json")
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (f"GET /jira/panel?issueId=7&jwt={TOKEN}", "issueId=7"),
        (f"https://acme.atlassian.net/rest/api/3/issue/7?jwt={TOKEN}", TOKEN),
        (f"Authorization: JWT {TOKEN}", TOKEN),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("{'sharedSecret': 'hunter2hunter2'}", "hunter2hunter2"),
        ("client_secret=hunter2hunter2", "hunter2hunter2"),
        ("postgresql://ladder:hunter2@db/ladder", "hunter2"),
        ("searching /rest/api/3/user?query=ada@example.com now", "ada@example.com"),
        ("Exception on /sign-in/Jk889E-PKUVIPL39CX6 [POST]", "Jk889E-PKUVIPL39CX6"),
        (f"{'x' * 3000}{TOKEN}", TOKEN),
    ],
)
def test_secrets_in_a_text_are_hidden(said: str, hidden: str):
    assert hidden in said
    assert hidden not in redacted(said)


@pytest.mark.parametrize(
    "part",
    [
        "/",
        "eyJ",
        "a",
        "http://",
        "a_token",
        "a:/",
        "a?",
        f"{'/' * 1990} ",
        f"{'eyJ' * 660} ",
        f"{'a' * 1990} ",
        "://a:",
    ],
)
def test_hiding_takes_no_longer_however_a_stranger_feeds_it(part: str):
    said = (part * 60_000)[:60_000]
    begun = time.process_time()
    redacted(said)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "said",
    ["issue ACME-7 is done", "3/4 of the work?", "listening at http://127.0.0.1:8080", "2026-11-21T18:07:34Z"],
)
def test_ordinary_texts_stay_as_they_are(said: str):
    assert redacted(said) == said


def test_secrets_are_hidden_by_their_names_at_any_depth():
    said = {"outer": [{"sharedSecret": "x", "Set-Cookie": "y", "kind": "z"}], "body": b"raw", "count": 3}
    assert redacted(said) == {
        "outer": [{"sharedSecret": HIDDEN, "Set-Cookie": HIDDEN, "kind": "z"}],
        "body": HIDDEN,
        "count": 3,
    }


def test_our_own_lines_are_redacted_json(lines: pytest.CaptureFixture[str]):
    telemetry.logger.info("token_refused", url=f"/jira/panel?jwt={TOKEN}", jwt=TOKEN, issue=7)
    said = json.loads(lines.readouterr().err)
    assert (said["event"], said["issue"], said["jwt"], said["level"]) == ("token_refused", 7, HIDDEN, "info")
    assert TOKEN not in json.dumps(said)


def test_lines_of_libraries_go_through_the_same_redaction(lines: pytest.CaptureFixture[str]):
    logging.getLogger("urllib3.connectionpool").warning("Retrying %s", f"/rest/api/3/issue/7?jwt={TOKEN}")
    said = lines.readouterr().err
    assert "Retrying /rest/api/3/issue/7" in said
    assert TOKEN not in said


def test_tracebacks_are_redacted_too(lines: pytest.CaptureFixture[str]):
    try:
        raise ValueError(f"bad answer from https://acme.atlassian.net/x?jwt={TOKEN}")
    except ValueError:
        telemetry.logger.exception("errand_failed")
    said = lines.readouterr().err
    assert "ValueError" in said
    assert TOKEN not in said


def test_talkative_libraries_are_kept_quiet(lines: pytest.CaptureFixture[str]):
    logging.getLogger("urllib3.connectionpool").debug("send: body")
    logging.getLogger("huey.consumer").info("executing")
    assert lines.readouterr().err == ""
