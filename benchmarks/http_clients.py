"""CPU time of HTTP only: our two clients, the same in an earlier commit, and bare aiohttp and httpx.

    python benchmarks/http_clients.py [--before COMMIT] [--runs 3] [--rows 4000]

``--before`` names a commit, by default the last one without maintained HTTP libraries; a git worktree of it is made in
a temporary folder and removed. It measures user and system time of all threads of the client's process; the server is
another process on another core. *A whole answer* is one request and its answer: sync one after the other, async 256 in
flight. *A piece* is one event of a streamed answer at full speed. *Bare* clients only read bytes; ours make an answer
with value, usage, price and metadata, or typed events of a stream. Each run has fresh processes in another order; it
prints the median of all runs with the least and the greatest.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopback import Server, cores
from stream import load, machine, number, places

ROOT = Path(__file__).parent.parent
BEFORE = "347a197"
AT_ONCE = 256
PIECES = 2_000
KINDS = ("a whole answer, sync", "a whole answer, async", "a piece, sync", "a piece, async")


def body(model: str, *, stream: bool) -> bytes:
    """Return a request of a bare client."""
    return json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}).encode()


WHOLE, STREAM = body("text-1-plain", stream=False), body(f"text-{PIECES}-plain", stream=True)
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer x"}


class Ours:
    """This package, in the commit of the process."""

    def __init__(self, url: str) -> None:
        import msgflux_nb as mf

        self.model = mf.Model.chat_completion("text-1-plain", base_url=url, api_key="x")
        self.streaming = mf.Model.chat_completion(f"text-{PIECES}-plain", base_url=url, api_key="x")

    def whole(self) -> None:
        assert self.model("Hi").consume() == "Hello."

    async def awhole(self) -> None:
        assert (await self.model.acall("Hi")).consume() == "Hello."

    def stream(self) -> None:
        stream = self.streaming("Hi", stream=True)
        assert sum(1 for _ in stream.events()) >= PIECES

    async def astream(self) -> None:
        stream = await self.streaming.acall("Hi", stream=True)
        assert sum([1 async for _ in stream.events()]) >= PIECES


class Httpx:
    """httpx with one client for all requests."""

    def __init__(self, url: str) -> None:
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
        self.url, self.client = f"{url}/chat/completions", httpx.Client(limits=limits)
        self.async_client = httpx.AsyncClient(limits=limits, timeout=60)

    def whole(self) -> None:
        assert b"Hello." in self.client.post(self.url, content=WHOLE, headers=HEADERS).content

    async def awhole(self) -> None:
        assert b"Hello." in (await self.async_client.post(self.url, content=WHOLE, headers=HEADERS)).content

    def stream(self) -> None:
        with self.client.stream("POST", self.url, content=STREAM, headers=HEADERS) as response:
            assert sum(chunk.count(b"data: ") for chunk in response.iter_bytes()) >= PIECES

    async def astream(self) -> None:
        async with self.async_client.stream("POST", self.url, content=STREAM, headers=HEADERS) as response:
            assert sum([chunk.count(b"data: ") async for chunk in response.aiter_bytes()]) >= PIECES


class Aiohttp:
    """aiohttp with one session for all requests."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/chat/completions"
        self.session: Any = None

    async def opened(self) -> Any:
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self.session

    async def awhole(self) -> None:
        session = await self.opened()
        async with session.post(self.url, data=WHOLE, headers=HEADERS) as response:
            assert b"Hello." in await response.read()

    async def astream(self) -> None:
        session = await self.opened()
        async with session.post(self.url, data=STREAM, headers=HEADERS) as response:
            assert sum([chunk.count(b"data: ") async for chunk in response.content.iter_any()]) >= PIECES


CLIENTS = {"ours": Ours, "ours, before": Ours, "aiohttp, bare": Aiohttp, "httpx, bare": Httpx}


def microseconds(client: Any, kind: str, rows: int, runner: asyncio.Runner) -> float | None:
    """Return the CPU time of one answer or piece in µs; None if the client has no such call."""
    method = {
        "a whole answer, sync": "whole",
        "a whole answer, async": "awhole",
        "a piece, sync": "stream",
        "a piece, async": "astream",
    }[kind]
    call: Callable[[], Any] | None = getattr(client, method, None)
    if call is None:
        return None
    streams = kind.startswith("a piece")
    count = max(1, rows // 100) if streams else rows

    async def together(times: int) -> None:
        turns = asyncio.Semaphore(1 if streams else AT_ONCE)

        async def one() -> None:
            async with turns:
                await call()

        await asyncio.gather(*(one() for _ in range(times)))

    def run(times: int) -> None:
        if kind.endswith(", sync"):
            for _ in range(times):
                call()
        else:
            runner.run(together(times))

    run(max(1, count // 10))
    began = time.process_time()
    run(count)
    return (time.process_time() - began) / count / (PIECES if streams else 1) * 1e6


def serve(name: str, url: str, rows: int) -> None:
    """Measure one client in this process, and print a JSON line."""
    bound = cores()
    if bound is not None:
        os.sched_setaffinity(0, {bound[1]})
    client = CLIENTS[name](url)
    with asyncio.Runner() as runner:
        found = {kind: microseconds(client, kind, rows, runner) for kind in KINDS}
        print(json.dumps(found), flush=True)
        os._exit(0)  # bare clients would warn of open connections


def measured(name: str, tree: Path, url: str, rows: int) -> dict[str, float | None]:
    """Measure one client in a fresh process."""
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ran = subprocess.run(
        [sys.executable, __file__, "--serve", name, url, str(rows)],
        env={**clean, "PYTHONPATH": str(tree)},
        cwd=tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float | None] = json.loads(ran.stdout)
    return result


def cell(values: list[float | None]) -> str:
    """Return the median and the range as text."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{number(statistics.median(known))} ({number(min(known))}–{number(max(known))})"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default=BEFORE, help="a commit; 'none' for no comparison")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4_000, help="whole answers; a hundredth of it streams")
    options = parser.parse_args()
    results: dict[str, dict[str, list[float | None]]] = {}
    began = load()
    with tempfile.TemporaryDirectory() as folder:
        trees = dict.fromkeys(CLIENTS, ROOT)
        if options.before == "none":
            del trees["ours, before"]
        else:
            trees["ours, before"] = Path(folder) / "before"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "-q", "--detach", str(trees["ours, before"]), options.before], check=True)
        try:
            for _ in range(options.runs):
                for name in random.sample(list(trees), len(trees)):
                    with Server() as server:
                        for kind, value in measured(name, trees[name], server.url, options.rows).items():
                            results.setdefault(name, {}).setdefault(kind, []).append(value)
        finally:
            if options.before != "none":
                subprocess.run([*git, "remove", "--force", str(trees["ours, before"])], check=True)
    print(f"{datetime.date.today()}, {machine()}, {places()}, load {began} before and {load()} after.")
    print(f"Medians of {options.runs} runs in µs of CPU (from–to); before is {options.before}.\n")
    print(f"| client | {' | '.join(KINDS)} |\n|---|{'--:|' * len(KINDS)}")
    for name in trees:
        print(f"| {name} | {' | '.join(cell(results[name][kind]) for kind in KINDS)} |")


if __name__ == "__main__":
    serve(*sys.argv[2:4], int(sys.argv[4])) if sys.argv[1:2] == ["--serve"] else main()
