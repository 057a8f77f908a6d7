"""Ports for servers that tests start in processes of their own, which can't say on which port they came to listen."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below those that the system gives to whoever asks for any port, callers among them: a port that was free a moment ago
# would otherwise be taken now and then by the next connection, even by one to that very port while nobody listens.
FIRST, EACH = 20_000, 1_000

# Every process of a shared run counts in a thousand of its own, and from anywhere, since another run may go on as well.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_turns = itertools.count(random.randrange(EACH))


def free_port() -> int:
    """Return a port of the loopback address on which nobody listens, a different one each time."""
    for turn in itertools.islice(_turns, EACH):
        port = FIRST + _process % 10 * EACH + turn % EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is no free port")
