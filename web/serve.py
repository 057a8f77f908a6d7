"""The production server: granian in front of the web app, with or without a worker in the same process.

Chosen by measurement (benchmarks/README.md): it accepts more deliveries a second than gunicorn's threads, refuses huge
bodies before reading them, and lets requests under way finish when it is asked to stop. `web.front` is what it calls.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any, cast

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from connector import migrate, telemetry
from connector.core import Core, build_core
from connector.doorbell import Doorbell
from connector.settings import Settings
from connector.worker import Worker
from web.front import Door, Front

# Requests being worked on at once; deliveries need no thread (see web.front).
THREADS = 16
# Connections accepted beyond those being served; what comes on top waits in the kernel's queue.
BACKPRESSURE = 256
# How long requests under way may take to finish after TERM, in seconds.
DRAIN_SECONDS = 30
# A client that dribbles its headers must not keep a connection open for ever (milliseconds).
HEADER_TIMEOUT = 10_000


def serve(
    settings: Settings,
    with_worker: bool = True,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    access_log: bool = False,
) -> None:
    """Serve until TERM or interrupt. Raises OSError when the address is taken.

    The app, its core and the worker live in one child process, which is restarted if it dies.
    """
    telemetry.configure(settings.log_format)
    _claim_address(host, port)
    if settings.sqlite_path is not None:
        migrate.upgrade(settings)
    server = Server(
        "ladder",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        # Nothing ends a silent HTTP/2 connection here, so that a few hundred of them would keep everybody else out for
        # good (and their headers may be huge). Proxies speak HTTP/1.1 with us; browsers only use 2 over TLS.
        http=HTTPModes.http1,
        workers=1,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level=LogLevels.error,
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "handlers": {}, "loggers": {}},
    )
    # granian's annotation only thinks of functions; it takes any object with `__rsgi__`.
    load = cast("Callable[..., Callable[..., Any]]", functools.partial(_load, settings, with_worker, access_log))
    server.serve(target_loader=load, wrap_loader=False)


def _claim_address(host: str, port: int) -> None:
    """Raise OSError if anybody listens there: granian binds with SO_REUSEPORT, and two would share the requests."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _load(settings: Settings, with_worker: bool, access_log: bool) -> Front:
    """Build everything, in the process that will serve it."""
    # Forked, we inherit the parent's handler, which would swallow a TERM that comes before granian sets its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from web.app import MAX_BODY_BYTES, create_app

    telemetry.configure(settings.log_format)
    core = build_core(settings)
    doorbell = Doorbell(settings)
    worker: Worker | None = None
    if with_worker:
        worker = Worker(core, doorbell=doorbell)
        worker.start()
    else:
        core.inbox.subscribe(doorbell.ring)
    # Processes started by multiprocessing skip atexit, but run these.
    Finalize(None, _finish, args=(core, worker, doorbell), exitpriority=100)
    _follow_parent()
    doors: dict[str, Door] = {}
    if core.inbox.can_defer:
        for tracker in core.trackers.values():
            doors.update(tracker.deliveries(core) if hasattr(tracker, "deliveries") else {})
    return Front(create_app(core), doors, largest_body=MAX_BODY_BYTES, threads=THREADS, access_log=access_log)


def _finish(core: Core, worker: Worker | None, doorbell: Doorbell) -> None:
    """Let the worker finish what it has begun, once the last request was answered."""
    if worker is not None:
        worker.stop(DRAIN_SECONDS)
    doorbell.close()
    core.close()


def _follow_parent() -> None:
    """Stop when the parent process is gone: killed with -9 it cannot tell us, and we would keep its port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()
