"""Atlassian's own `atlassian-jwt` (npm) as an independent peer: what we sign it accepts, and the other way round."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from jira_app.query_string_hash import canonical_request
from jira_app.session import LASTING, SiteSession
from tests.jira_app.acme import LADDER, Acme, signed

PEERS = Path(__file__).resolve().parents[1] / "peers"
SCRIPT = """
const peer = require('atlassian-jwt');
const {cases} = JSON.parse(require('fs').readFileSync(0));
const answer = ({what, method, url, base, token, secret, claims}) => {
  const request = method && peer.fromMethodAndUrl(method, url);
  if (what === 'canonical') return peer.createCanonicalRequest(request, false, base);
  if (what === 'hash') return peer.createQueryStringHash(request, false, base);
  if (what === 'decode') return peer.decodeSymmetric(token, secret, 'HS256');
  if (what === 'encode') return peer.encodeSymmetric(claims, secret, 'HS256');
};
console.log(JSON.stringify(cases.map(answer)));
"""


@cache
def node() -> str:
    """Return where node is; skips the calling test if it or the peer is missing."""
    path = shutil.which("node")
    if path is None or not (PEERS / "node_modules" / "atlassian-jwt").exists():
        pytest.skip("atlassian-jwt missing: install node, then npm ci in tests/peers")
    return path


def peer(*cases: dict[str, Any]) -> list[Any]:
    """Return the peer's answers."""
    run = subprocess.run(
        [node(), "-e", SCRIPT],
        input=json.dumps({"cases": cases}),
        capture_output=True,
        text=True,
        cwd=PEERS,
        check=True,
    )
    answers: list[Any] = json.loads(run.stdout)
    return answers


def test_the_peer_takes_the_token_that_we_make(acme: Acme) -> None:
    conversation = SiteSession(acme.site, "ladder-okr", acme.secret, LASTING)
    url = f"{acme.site}/rest/api/3/search/jql?jql=project%20%3D%20ATL&fields=summary,status&maxResults=100"
    claims, expected = peer(
        {"what": "decode", "token": conversation.token("GET", url), "secret": acme.secret},
        {"what": "hash", "method": "get", "url": url, "base": acme.site},
    )
    assert claims["iss"] == "ladder-okr"
    assert claims["qsh"] == expected


def test_we_take_the_token_that_the_peer_makes(door: FlaskClient, installed: Acme) -> None:
    url = f"{LADDER}/jira/webhooks"
    (expected,) = peer({"what": "hash", "method": "post", "url": url, "base": LADDER})
    claims = installed.claims("POST", "/jira/webhooks", qsh=expected)
    (token,) = peer({"what": "encode", "claims": claims, "secret": installed.secret})
    assert door.post("/jira/webhooks", data=b'{"webhookEvent": "x"}', headers=signed(token)).status_code == 204


def test_both_read_the_same_request_alike() -> None:
    # Kept out: what the peer reads otherwise than the official vectors or rules (`;` and `//` in paths, names that
    # sort differently once encoded).
    chance = Random(20261121)
    names, values = "abXY019-._~", "abXY019-._~ *!(),:@%&=+/é宮"

    def some(letters: str, longest: int) -> str:
        return "".join(chance.choices(letters, k=chance.randint(1, longest)))

    queries = [[(some(names, 3), some(values, 6)) for _ in range(chance.randint(0, 6))] for _ in range(2000)]
    urls = [f"{LADDER}/jira/page?{urlencode(query)}" for query in queries]
    theirs = peer(*({"what": "canonical", "method": "get", "url": url, "base": LADDER} for url in urls))
    assert [canonical_request("GET", url, LADDER) for url in urls] == theirs
