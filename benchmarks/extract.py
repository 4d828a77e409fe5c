"""Batch extraction, in rows per second and CPU time per row: ours, openai, instructor, langchain-openai, pydantic-ai.

    python benchmarks/extract.py [--runs 3] [--rows 4000] [--peers FOLDER] [--quick]

A server on the loopback interface answers each request after 50 ms, whatever their number; it is another process on its
own core. Each client is one process on the other core, with 256 requests in flight and a fresh server. Each peer gets
its own virtual environment in FOLDER, created at the first run and updated at each; ``--quick`` creates and updates
none. In each run every client has a fresh process, in random order. Answers are compared with what was sent. CPU is
user and system time of all threads of the client's process; only rows per second include waiting. Absolute times are
this machine's; the ratio to the best peer in the same run decides.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import functools
import json
import multiprocessing
import os
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from extract_clients import AT_ONCE, CLIENTS, ENVIRONMENTS, expected, text_of
from loopback import cores
from stream import load, machine, number, peer_folder, peer_python, places

PEERS = {
    "openai": ["openai"],
    "instructor": ["instructor", "openai"],
    "langchain-openai": ["langchain-openai"],
    "pydantic-ai": ["pydantic-ai-slim[openai]"],
}
LATENCY_SECONDS = 0.05
GOALS = {
    "ours, `extract`": 0.3,
    "ours, with a store": 0.7,
}  # ms of CPU per row on a machine where openai's parse takes 4.5
OURS, REFERENCE, REFERENCE_MILLISECONDS = "ours, `extract`", "openai, `parse`", 4.5
STORED, STORE_TIMES = "ours, with a store", 1.7  # times the CPU of a row without a store
TIMES = 10  # times the rows per second of the best peer
WARM = 300
Result = dict[str, float]


class _Answers(asyncio.Protocol):
    """One connection of the server: reads requests, and answers each after a delay."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.held = transport, b""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.held += data
        while True:
            head, found, rest = self.held.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) if found else 0
            if not found or len(rest) < length:
                return
            body, self.held = rest[:length], rest[length:]
            self.loop.call_later(LATENCY_SECONDS, self.transport.write, answer(body))


_NUMBER = re.compile(rb"City (\d+) has")
_TOOL = re.compile(rb'"tools":\s*\[.*?"name":\s*"(\w+)"', re.S)


def answer(body: bytes) -> bytes:
    """Return the answer to a request, as text, or as a call of the offered tool."""
    found, tool = _NUMBER.search(body), _TOOL.search(body)
    name, people, size, capital = expected(int(found[1]) if found else 0)
    text = json.dumps({"name": name, "people": people, "size": size, "capital": capital})
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    reason = "stop"
    if tool is not None:
        function = {"name": tool[1].decode(), "arguments": text}
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        reason = "tool_calls"
    return head_of(message, reason)


def head_of(message: dict[str, Any], reason: str) -> bytes:
    """Return a whole answer in OpenAI's form."""
    payload = {
        "id": "chatcmpl-CqX0aBcDeFgHiJkLmNoPqRsTuVwXy",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4.1-nano-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": 80,
            "completion_tokens": 25,
            "total_tokens": 105,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_34a54ae93c",
    }
    data = json.dumps(payload).encode()
    return _head(len(data)) + data


@functools.cache
def _head(length: int) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        "Date: Tue, 24 Nov 2026 12:00:00 GMT",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: keep-alive",
        "openai-organization: user-abc",
        "openai-processing-ms: 50",
        "openai-version: 2020-10-01",
        "x-request-id: req_0123456789abcdef0123456789abcdef",
        "x-ratelimit-limit-requests: 30000",
        "x-ratelimit-remaining-requests: 29999",
        "x-ratelimit-reset-requests: 2ms",
        "x-ratelimit-limit-tokens: 150000000",
        "x-ratelimit-remaining-tokens: 149999900",
        "x-ratelimit-reset-tokens: 0s",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Server:
    """The server's process, as a context manager; ``url`` is its address."""

    def __enter__(self) -> Server:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._process = multiprocessing.Process(target=_serve, args=(listener,), daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(listener: socket.socket) -> None:
    bound = cores()
    if bound is not None:
        os.sched_setaffinity(0, {bound[0]})

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Answers, sock=listener, backlog=1024)
        await server.serve_forever()

    asyncio.run(main())


def measure_here(name: str, url: str, count: int) -> Result:
    """Extract in this process; return rows per second, and ms of CPU per row."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * AT_ONCE), hard), hard))
    client = CLIENTS[name](url)
    client.extract([text_of(row) for row in range(WARM)])
    texts = [text_of(row) for row in range(WARM, WARM + count)]
    began, cpu = time.perf_counter(), time.process_time()
    rows = client.extract(texts)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    for row, found in enumerate(rows, WARM):
        if tuple(found) != expected(row):
            raise ValueError(f"expected {expected(row)}, got {tuple(found)}")
    return {"rows": count / seconds, "cpu": cpu / count * 1e3}


def serve(name: str, url: str, count: str) -> None:
    """Measure one client in its environment, and print the result or an error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a client's own output must not come before our line
    bound = cores()
    if bound is not None:
        os.sched_setaffinity(0, {bound[1]})
    versions = [f"{package} {version(package)}" for package in ENVIRONMENTS[CLIENTS[name].environment]]
    try:
        found: Any = measure_here(name, url, int(count))
    except Exception as error:
        found = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    print(json.dumps([found, versions]), file=out)
    os._exit(0)  # some clients leave threads that would block the exit


def measured(python: str, name: str, url: str, count: int) -> tuple[Result | str, list[str]]:
    """Measure one client in a new process."""
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command = [python, __file__, "--serve", name, url, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=900)
    if not done.stdout.strip():
        return (done.stderr.strip().splitlines() or ["it could not start"])[-1], []
    found: tuple[Result | str, list[str]] = tuple(json.loads(done.stdout.strip().splitlines()[-1]))
    return found


def report(results: dict[str, list[Result] | str]) -> None:
    """Print the table."""
    middles = {
        name: {what: statistics.median(run[what] for run in runs) for what in ("rows", "cpu")}
        for name, runs in results.items()
        if not isinstance(runs, str)
    }
    peers = [middle["rows"] for name, middle in middles.items() if CLIENTS[name].environment != "ours"]
    best = max(peers, default=None)
    print("\n| client | rows a second (from–to) | ÷ the best peer | ms of CPU a row (from–to) | goal |")
    print("|---|--:|--:|--:|---|")
    for name, runs in results.items():
        if isinstance(runs, str):
            print(f"| {name} | raises: {runs[:90]} | – | – | – |")
            continue
        middle = middles[name]
        spans = [f"{number(middle[what])} ({span([run[what] for run in runs])})" for what in ("rows", "cpu")]
        ratio = number(middle["rows"] / best) if best else "–"
        print(f"| {name} | {spans[0]} | {ratio} | {spans[1]} | {verdict(name, middle, best, middles)} |")
    if OURS in middles and STORED in middles:
        times = middles[STORED]["cpu"] / middles[OURS]["cpu"]
        said = "reached" if times <= STORE_TIMES else "missed"
        print(f"\nA row with a store takes {times:.2f} times the CPU of one without (goal {STORE_TIMES}: {said}).")


def span(values: list[float]) -> str:
    """Return the least and the greatest value as text."""
    return f"{number(min(values))}–{number(max(values))}"


def verdict(name: str, middle: Result, best: float | None, middles: dict[str, Result]) -> str:
    """Return whether our goals are reached; the goal for CPU is scaled to the speed of this machine."""
    if name not in GOALS:
        return "–"
    said = []
    if best is not None:
        said.append(f"{TIMES} times the rows {'reached' if middle['rows'] >= TIMES * best else 'missed'}")
    if REFERENCE in middles:
        goal = GOALS[name] * middles[REFERENCE]["cpu"] / REFERENCE_MILLISECONDS
        said.append(f"{number(goal)} ms here {'reached' if middle['cpu'] <= goal else 'missed'}")
    return ", ".join(said) or "–"


def main() -> None:
    """Run all clients and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help="3, or 1 with --quick")
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--peers", type=Path, default=peer_folder(), help="where the peers' environments stay")
    parser.add_argument("--only", help="only clients whose name holds this")
    parser.add_argument("--quick", action="store_true", help="a short run with the peers that are there")
    options = parser.parse_args()
    names = [name for name in CLIENTS if options.only is None or options.only in name]
    wanted = {CLIENTS[name].environment for name in names} - {"ours"}
    peers = {peer: peer_python(options.peers, peer, PEERS, quick=options.quick) for peer in wanted}
    python = {"ours": sys.executable, **{name: found for name, found in peers.items() if found is not None}}
    names = [name for name in names if CLIENTS[name].environment in python]
    runs, before = options.runs or (1 if options.quick else 3), load()
    results: dict[str, list[Result] | str] = {}
    versions: dict[str, list[str]] = {}
    with Server() as server:
        for run in range(runs):
            for name in random.sample(names, len(names)):
                environment = CLIENTS[name].environment
                found, versions[environment] = measured(python[environment], name, server.url, options.rows)
                held = results.setdefault(name, [])
                if isinstance(found, str) or isinstance(held, str):
                    results[name] = held if isinstance(held, str) else str(found)
                else:
                    held.append(found)
            print(f"run {run + 1} of {runs}", file=sys.stderr)
    print(f"{datetime.date.today()}, {machine()}, {places()}, load {before} before and {load()} after.")
    print(
        f"Medians of {runs} runs of {options.rows:,} rows, {AT_ONCE} in flight, {LATENCY_SECONDS * 1e3:.0f} ms latency."
    )
    print(f"{'; '.join(', '.join(found) for found in versions.values() if found)}.")
    report({name: results[name] for name in names})


if __name__ == "__main__":
    serve(*sys.argv[2:]) if sys.argv[1:2] == ["--serve"] else main()
