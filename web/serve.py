"""The production server: granian in front of the web app, with or without a worker in the same process.

Chosen by measurement (benchmarks/README.md): it accepts more deliveries a second than gunicorn's threads, refuses huge
bodies before reading them, and lets requests under way finish when it is asked to stop.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.util import Finalize
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from connector import migrate, telemetry
from connector.core import Core, build_core
from connector.doorbell import Doorbell
from connector.settings import Settings
from connector.telemetry import logger
from connector.worker import Worker

# Requests that wait for the shared commit hold a thread each, so threads bound how many share one.
THREADS = 32
# Connections accepted beyond those being served; what comes on top waits in the kernel's queue.
BACKPRESSURE = 256
# How long requests under way may take to finish after TERM, in seconds.
DRAIN_SECONDS = 30
# A client that dribbles its headers must not keep a connection open for ever (milliseconds).
HEADER_TIMEOUT = 10_000

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


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
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backpressure=BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level=LogLevels.error,
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "handlers": {}, "loggers": {}},
    )
    load = functools.partial(_load, settings, with_worker, access_log)
    server.serve(target_loader=load, wrap_loader=False)


def _claim_address(host: str, port: int) -> None:
    """Raise OSError if anybody listens there: granian binds with SO_REUSEPORT, and two would share the requests."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _load(settings: Settings, with_worker: bool, access_log: bool) -> WsgiApp:
    """Build everything, in the process that will serve it."""
    # Forked, we inherit the parent's handler, which would swallow a TERM that comes before granian sets its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from web.app import create_app

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
    app: WsgiApp = create_app(core)
    return _logged(app) if access_log else app


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


def _logged(app: WsgiApp) -> WsgiApp:
    """Log a line per request; of the address only the path, because query strings carry tokens."""

    def logged(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        said: list[str] = []

        def note(status: str, *rest: Any) -> Any:
            said[:] = [status]
            return start_response(status, *rest)

        answer = app(environ, note)
        logger.info(
            "request",
            method=environ.get("REQUEST_METHOD"),
            path=_without_secret(environ.get("PATH_INFO", "")),
            status=int(said[0].split(" ", 1)[0]) if said else 0,
            milliseconds=round((time.perf_counter() - begun) * 1000, 1),
        )
        return answer

    return logged


def _without_secret(path: str) -> str:
    """Return a path as it may be kept: a sign-in link's secret lets whoever reads the log in, until it is used."""
    return "/sign-in/…" if path.startswith("/sign-in/") else path
