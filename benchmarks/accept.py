"""Accepting signed webhooks durably, beside atlassian-connect-express and beside another server for the same app."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks.ground import Figure, environment, free_port, furnished, median, percentile, process, settings_in
from benchmarks.payload import CLIENT_KEY, SECRET, webhook_body, webhook_token

HERE = Path(__file__).parent
ROUNDS = 5
ROUND_SECONDS = 4
CONNECTIONS = 32
PACE = 50
PACED_SECONDS = 20
GUNICORN = "gunicorn gthread, same app"
STORES = {"default": "atlassian-connect-express", "map": "the same, tenant in a JavaScript map"}


def figures() -> Iterator[Figure]:
    """Requests a second (medians of interleaved rounds), then the 99th percentile at fifty a second."""
    if shutil.which("wrk") is None or shutil.which("npm") is None:
        raise RuntimeError("needs wrk and npm (apt-get install wrk npm)")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        body = folder / "body.json"
        body.write_bytes(webhook_body("1", "done", datetime.now(UTC)))
        servers = {"ladder": stack.enter_context(ladder(folder / "ladder", "--no-worker"))}
        if importlib.util.find_spec("gunicorn"):
            servers[GUNICORN] = stack.enter_context(gunicorn(folder / "gunicorn"))
        for store, called in STORES.items():
            servers[called] = stack.enter_context(connect_express(folder / store, store))
        for port in servers.values():
            requests_a_second(port, body, "warm-up", seconds=2)
        rates: dict[str, list[float]] = {called: [] for called in servers}
        for number in range(ROUNDS):
            for called, port in servers.items():
                rates[called].append(requests_a_second(port, body, f"round-{number}"))
        ours = median(rates.pop("ladder"))
        for called, found in rates.items():
            theirs = median(found)
            goal, met = (">= 1.5", ours >= 1.5 * theirs) if called == STORES["default"] else ("", None)
            yield Figure(
                f"accept, requests/s beside {called}", f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}", goal, met
            )
    with tempfile.TemporaryDirectory() as name, ladder(Path(name)) as port:
        slow = percentile(asyncio.run(paced(port)), 0.99) * 1000
        yield Figure(
            f"accept at {PACE}/s with the worker inside, p99", f"{slow:.1f} ms", "", "", "< 250 ms", slow < 250
        )


@contextmanager
def ladder(folder: Path, *options: str) -> Iterator[int]:
    """The real server on a fresh database; yields its port."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = settings_in(folder, port)
    with furnished(settings):
        pass
    command = [sys.executable, "-m", "web.cli", "serve", "--port", str(port), *options]
    with process(command, port, environment(settings), folder):
        yield port


@contextmanager
def gunicorn(folder: Path) -> Iterator[int]:
    """The same app on the same kind of database behind gunicorn's threads."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = settings_in(folder, port)
    with furnished(settings):
        pass
    command = [
        sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "32", "--keep-alive", "30",
        "-b", f"127.0.0.1:{port}", "benchmarks.gunicorn_app:load()",
    ]  # fmt: skip
    with process(command, port, environment(settings) | {"PYTHONPATH": str(HERE.parent)}, folder):
        yield port


@contextmanager
def connect_express(folder: Path, store: str) -> Iterator[int]:
    """Atlassian's framework, installed once into a cache; yields its port."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    tenant = f'{{"clientKey": "{CLIENT_KEY}", "sharedSecret": "{SECRET}", "baseUrl": "https://bench.atlassian.net"}}'
    env = os.environ | {
        "NODE_ENV": "production",
        "PORT": str(port),
        "BENCH_BASE_URL": f"http://127.0.0.1:{port}",
        "BENCH_STORE": store,
        "BENCH_TENANT": tenant,
    }
    app = installed()
    with process(["node", str(app / "server.js")], port, env, app):
        yield port


def installed() -> Path:
    """Install the framework and its default store; the first time takes some minutes."""
    cache = user_cache_path("ladder-bench") / "connect-express"
    cache.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "connect_express").iterdir():
        shutil.copy(file, cache)
    if not (cache / "node_modules" / "sqlite3" / "build" / "Release" / "node_sqlite3.node").exists():
        print("installing atlassian-connect-express, once ...", flush=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *quiet], cwd=cache, check=True, capture_output=True)
        subprocess.run(
            ["npx", "--no-install", "node-gyp", "rebuild"],
            cwd=cache / "node_modules" / "sqlite3",
            check=True,
            capture_output=True,
        )
    return cache


def requests_a_second(port: int, body: Path, run: str, seconds: int = ROUND_SECONDS) -> float:
    """Drive one server with wrk; every answer must be 2xx."""
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "-s",
            str(HERE / "deliver.lua"),
            f"http://127.0.0.1:{port}",
        ],
        env=os.environ | {"BENCH_TOKEN": webhook_token(), "BENCH_BODY": str(body), "BENCH_RUN": f"{run}-{port}"},
        capture_output=True,
        text=True,
        check=True,
    )
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if refused or not rate:
        raise RuntimeError(f"port {port}: {done.stdout}")
    return float(rate[1])


async def paced(port: int) -> list[float]:
    """Send fifty a second, whether or not earlier ones were answered; return the seconds that each took."""
    token, took = webhook_token(), []
    begun = time.perf_counter()

    async def deliver(number: int) -> None:
        body = webhook_body(str(number % 500), "doing", datetime.now(UTC))
        head = (
            f"POST /jira/webhooks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: JWT {token}\r\n"
            f"Content-Type: application/json\r\nX-Atlassian-Webhook-Identifier: paced-{number}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        sent = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        answer = await reader.readline()
        took.append(time.perf_counter() - sent)
        writer.close()
        if b" 204" not in answer:
            raise RuntimeError(answer.decode())

    async with asyncio.TaskGroup() as tasks:
        for number in range(PACE * PACED_SECONDS):
            await asyncio.sleep(max(0.0, begun + number / PACE - time.perf_counter()))
            tasks.create_task(deliver(number))
    return took
