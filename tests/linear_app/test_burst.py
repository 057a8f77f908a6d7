"""One bulk edit in Linear sends thousands of deliveries: each is answered in time, and all of them take effect."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from flask.testing import FlaskClient
from sqlalchemy import func, select

from connector.core import Core
from connector.models import Connection, InboxEntry, Issue
from connector.worker import Worker
from tests.linear_app.acme import delivery, issue_data, signed

# What was once seen of one bulk edit; Linear counts an answer after five seconds as none.
DELIVERIES = 3500
SECONDS = 5.0
ISSUES = 700


def test_a_burst_is_accepted_in_time_and_drained(door: FlaskClient, core: Core, connection: Connection) -> None:
    sent = [(number % ISSUES, number // ISSUES) for number in range(DELIVERIES)]
    Random(3).shuffle(sent)
    app = door.application

    def send(one: tuple[int, int]) -> float:
        number, step = one
        done = {"id": "state-done", "name": "Done", "type": "completed"}
        more = {"state": done} if step == DELIVERIES // ISSUES - 1 else {}
        data = issue_data(number, updatedAt=f"2026-11-20T10:00:{step:02}.000Z", **more)
        body = json.dumps(delivery("Issue", "update", data, updatedFrom={"sortOrder": 1})).encode()
        began = time.monotonic()
        with app.test_client() as client:
            headers = signed(body, Linear_Delivery=f"d-{number}-{step}")
            assert client.post("/linear/webhooks", data=body, headers=headers).status_code == 200
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        slowest = max(pool.map(send, sent))
    assert slowest < SECONDS
    worker = Worker(core)
    while worker._work_inbox(200):
        pass
    with core.database.reading() as session:
        outcomes = dict(session.execute(select(InboxEntry.state, func.count()).group_by(InboxEntry.state)).all())
        classes = dict(session.execute(select(Issue.cls, func.count()).group_by(Issue.cls)).all())
    assert outcomes == {"done": DELIVERIES}
    assert classes == {"done": ISSUES}
