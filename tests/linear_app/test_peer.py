"""Linear's own SDK (npm `@linear/sdk`) as an independent judge of signatures."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.models import Connection
from linear_app.signature import sign
from tests.linear_app.acme import SECRETS, delivery, issue_data
from tests.linear_app.conftest import Stored

PEERS = Path(__file__).resolve().parents[1] / "peers"
SCRIPT = """
import {LinearWebhookClient} from '@linear/sdk/webhooks';
import {readFileSync} from 'fs';
const {cases} = JSON.parse(readFileSync(0));
const verdict = ({secret, body, signature}) => {
  try { return new LinearWebhookClient(secret).verify(Buffer.from(body, 'base64'), signature); }
  catch (error) { return false; }
};
console.log(JSON.stringify(cases.map(verdict)));
"""


@cache
def node() -> str:
    """Return where node is; skips the calling test if it or the peer is missing."""
    path = shutil.which("node")
    if path is None or not (PEERS / "node_modules" / "@linear" / "sdk").exists():
        pytest.skip("@linear/sdk missing: install node, then npm ci in tests/peers")
    return path


def accepted(*cases: tuple[bytes, str]) -> list[bool]:
    """Return whether the SDK accepts each body with its signature under our first secret."""
    import base64

    said = [
        {"secret": SECRETS[0], "body": base64.b64encode(body).decode(), "signature": signature}
        for body, signature in cases
    ]
    run = subprocess.run(
        [node(), "--input-type=module", "-e", SCRIPT],
        input=json.dumps({"cases": said}),
        capture_output=True,
        text=True,
        cwd=PEERS,
        check=True,
    )
    verdicts: list[bool] = json.loads(run.stdout)
    return verdicts


def body_of(**more: Any) -> bytes:
    """Return a body with letters that JSON may write in more than one way."""
    return json.dumps(
        delivery("Issue", "update", issue_data(title="é 宮 \u2028 😀 </"), **more), ensure_ascii=False
    ).encode()


def test_the_sdk_accepts_what_we_would_sign() -> None:
    bodies = [body_of(), body_of(note="x" * 5000), b" " + body_of()]
    assert accepted(*((body, sign(SECRETS[0], body)) for body in bodies)) == [True] * 3


def test_what_the_sdk_refuses_takes_no_effect_here_either(
    door: FlaskClient, connection: Connection, stored: Stored
) -> None:
    body = body_of()
    good = sign(SECRETS[0], body)
    forged = [
        (body, sign("another secret", body)),
        (body, good.upper()),
        (body, good[:-1]),
        (body, good + "0"),
        (body + b" ", good),
        (body.replace(b"ENG-1", b"ENG-2"), good),
    ]
    now = int(time.time() * 1000)
    doubtful = [body_of(webhookTimestamp=stamp) for stamp in (now - 61_000, now + 120_000, "soon", None, str(now))]
    cases = [*forged, *((one, sign(SECRETS[0], one)) for one in doubtful)]
    assert accepted(*cases) == [False] * len(cases)
    for one, signature in forged:
        assert door.post("/linear/webhooks", data=one, headers={"Linear-Signature": signature}).status_code == 401
    for one in doubtful:
        # Signed, but of no certain age: answered, so that Linear does not give the hook up, and never believed.
        answer = door.post("/linear/webhooks", data=one, headers={"Linear-Signature": sign(SECRETS[0], one)})
        assert answer.status_code == 200
    assert {one.kind for one in stored.deliveries()} == {"Issue.update:stale"}


def test_what_the_sdk_accepts_we_accept_as_fresh(door: FlaskClient, connection: Connection, stored: Stored) -> None:
    body = body_of(webhookTimestamp=int(time.time() * 1000) - 30_000)
    signature = sign(SECRETS[0], body)
    assert accepted((body, signature)) == [True]
    assert door.post("/linear/webhooks", data=body, headers={"Linear-Signature": signature}).status_code == 200
    assert [one.kind for one in stored.deliveries()] == ["Issue.update"]
