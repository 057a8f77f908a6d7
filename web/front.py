"""Between granian and the web app: gathers bodies without holding a thread, and answers deliveries when they are safe.

The app is called in a thread of a pool. Deliveries wait for nothing but the commit that they share, so they are taken
on the event loop, without a thread or the framework around them, and answered once that commit is on disk. Whatever
is wrong with one, the app says it: it is handed the same request.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from flask import Response
from granian.rsgi import ProtocolClosed
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from connector.group_commit import Ticket
from connector.inbox import answering_later
from connector.telemetry import DELIVERIES, logger
from web.headers import set_headers
from web.problems import of_http_error

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Answer = tuple[int, list[tuple[str, str]], bytes]
# Verifies a delivery and hands it to the inbox; raises whatever it likes if it can't.
Door = Callable[[Request], None]

# Seconds in which a body must be complete, and in which a commit must be made.
BODY_SECONDS = 30.0
COMMIT_SECONDS = 10.0


def answer_of(response: Response) -> Answer:
    """Return a response of the framework's as plain data, with the headers that all answers carry."""
    headers = [(name.lower(), value) for name, value in set_headers(response).headers]
    return response.status_code, headers, response.get_data()


def _plain(status: int, words: str, **headers: str) -> Answer:
    return answer_of(Response(words + "\n", status, headers, content_type="text/plain; charset=utf-8"))


ACCEPTED = answer_of(Response(status=204))
TOO_LARGE = _plain(413, "The body is too large.", connection="close")
TOO_SLOW = _plain(408, "The body did not come.", connection="close")
NOT_STORED = _plain(503, "The delivery can't be stored now.", **{"retry-after": "60"})


class Front:
    """An RSGI application around a WSGI one; POSTs to the addresses of `doors` are taken by these."""

    def __init__(
        self, app: WsgiApp, doors: Mapping[str, Door], *, largest_body: int, threads: int, access_log: bool = False
    ) -> None:
        self._app = app
        self._doors = doors
        self._largest_body = largest_body
        self._access_log = access_log
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request; of its address only the path is logged, because query strings carry tokens."""
        begun = time.perf_counter()
        try:
            status, headers, body = await self._answer(scope, protocol)
            protocol.response_bytes(status, headers, body)
        except ProtocolClosed:
            return  # whoever asked has hung up; there is nobody to answer
        if self._access_log:
            took = round((time.perf_counter() - begun) * 1000, 1)
            logger.info("request", method=scope.method, path=scope.path, status=status, milliseconds=took)

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        headers = scope.headers
        length = headers.get("content-length")
        # From the header, before a byte is read: who sends too much is turned away at once.
        if length is not None and (not length.isdecimal() or int(length) > self._largest_body):
            return TOO_LARGE
        body = b""
        if length not in (None, "0") or "transfer-encoding" in headers:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    gathered = await self._gather(protocol, length)
            except TimeoutError:
                return TOO_SLOW
            if gathered is None:
                return TOO_LARGE
            body = gathered
        environ = environ_of(scope, body)
        door = self._doors.get(scope.path) if scope.method == "POST" else None
        if door is not None and (answer := await self._take_delivery(door, environ)):
            return answer
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, self._app, environ)

    async def _gather(self, protocol: Any, length: str | None) -> bytes | None:
        """Return the body; None if it turns out too large."""
        if length is not None:
            return bytes(await protocol())
        parts, size = [], 0
        async for part in protocol:
            parts.append(part)
            size += len(part)
            if size > self._largest_body:
                return None
        return b"".join(parts)

    async def _take_delivery(self, door: Door, environ: dict[str, Any]) -> Answer | None:
        """Return the answer once the delivery is on disk; None if the app should look at it and say what is wrong."""
        loop = asyncio.get_running_loop()
        safe: asyncio.Future[None] = loop.create_future()

        def done(_ticket: Ticket[Any]) -> None:
            # The loop may be closed by now: nobody waits any more, and the committing thread must go on.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, safe)

        with answering_later(done) as later:
            try:
                door(Request(environ))
            except HTTPException as refusal:
                return answer_of(of_http_error(refusal))
            except Exception:  # noqa: BLE001 - whatever it is, the app meets it again, and answers properly
                environ["wsgi.input"].seek(0)
                return None
        if later.ticket is None:
            return ACCEPTED
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await safe
        except TimeoutError:
            return NOT_STORED
        if later.ticket.error is not None:
            DELIVERIES.labels("unavailable").inc()
            return NOT_STORED
        return ACCEPTED


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def call(app: WsgiApp, environ: dict[str, Any]) -> Answer:
    """Call a WSGI app and collect its whole answer."""
    said: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], Any]:
        said[:] = [int(status.split(" ", 1)[0]), [(name.lower(), value) for name, value in headers]]
        return written.append

    found = app(environ, start_response)
    try:
        written.extend(found)
    finally:
        if hasattr(found, "close"):
            found.close()
    return said[0], said[1], b"".join(written)


def environ_of(scope: Any, body: bytes) -> dict[str, Any]:
    """Return the WSGI environment (PEP 3333) of a request whose body is all in."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        # As in nginx: X_Forwarded_For would be told as X-Forwarded-For, which only our own proxy may say (spoofing).
        elif "_" not in name and name not in ("content-length", "transfer-encoding"):
            field = f"HTTP_{name.upper().replace('-', '_')}"
            environ[field] = value if field not in environ else f"{environ[field]},{value}"
    return environ
