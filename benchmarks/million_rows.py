"""Time and memory of a batch by its number of rows, up to a million, without a network.

    python benchmarks/million_rows.py [--rows 10000 100000 1000000] [--input list|iterator] [--store none|memory|file]

It measures everything from the row's text to the typed column, with a transport that answers at once with prepared
bytes. Each size has a fresh process. Memory is the peak of the process, less its memory before the batch (input
included) and less the returned table. Time is linear if the µs per row stay the same, which the ratio to the smallest
size shows.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from stream import load, machine

SIZES = (10_000, 100_000, 1_000_000)
GOAL_MEGABYTES = 600
WARM = 500
MEGABYTE = 1 << 20


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def transport() -> Any:
    """Return a transport that answers at once."""
    import httpx

    class Body(httpx.AsyncByteStream):
        def __init__(self, data: bytes) -> None:
            self._data = data

        async def __aiter__(self) -> Any:
            yield self._data

    class Scripted(httpx.AsyncBaseTransport):
        count = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.count += 1
            text = json.dumps({"name": f"city number {self.count}", "people": self.count, "size": "large"})
            body = (
                b'{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
                b'{"role":"assistant","content":%b},"finish_reason":"stop"}],"usage":{"prompt_tokens":80,'
                b'"completion_tokens":20,"total_tokens":100}}' % json.dumps(text).encode()
            )
            return httpx.Response(200, headers=[(b"content-type", b"application/json")], stream=Body(body))

    return Scripted()


def run(count: int, kind: str, store: Any) -> dict[str, float]:
    """Extract from ``count`` rows in this process; return time and memory."""
    import msgspec

    import msgflux_nb as mf

    class City(msgspec.Struct):
        name: str
        people: int | None
        size: Literal["small", "large"] | None = None

    model = mf.Model.chat_completion(
        "scripted", base_url="http://127.0.0.1:9/v1", api_key="none", http_client=transport()
    )
    options: dict[str, Any] = {"model": model, "progress": False}
    mf.extract([f"warm {number}" for number in range(WARM)], City, store=False, **options)

    def texts() -> Iterable[str]:
        return (f"City {number} has {number} inhabitants and is large." for number in range(count))

    data = list(texts()) if kind == "list" else texts()
    before = resident()
    began, cpu = time.perf_counter(), time.process_time()
    frame = mf.extract(data, City, store=store, **options)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    states = frame.attrs["report"]["states"]
    if states["ok"] != count:
        raise ValueError(f"expected {count} rows that are ok, got {states}")
    output = int(frame.memory_usage(deep=True).sum())
    return {"seconds": seconds, "cpu": cpu, "beyond": peak - before - output, "output": output}


def measured(count: int, options: argparse.Namespace) -> dict[str, float]:
    """Do the same in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        store = {"none": "False", "memory": "None", "file": repr(str(Path(folder) / "run.sqlite"))}[options.store]
        code = f"import json, million_rows; print(json.dumps(million_rows.run({count}, {options.input!r}, {store})))"
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--input", choices=["list", "iterator"], default="list")
    parser.add_argument("--store", choices=["none", "memory", "file"], default="memory")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("msgflux-nb", "msgspec", "httpx", "pandas"))
    print(f"{datetime.date.today()}, {machine()}, load {load()} before. {versions}.")
    print(f"Input: {options.input}; store: {options.store}.")
    print(f"Goal: less than {GOAL_MEGABYTES} MB beyond input and output.\n")
    print("| rows | seconds | CPU µs a row | ÷ the first | MB beyond input and output | MB of output |")
    print("|--:|--:|--:|--:|--:|--:|")
    first: float | None = None
    for count in options.rows:
        found = measured(count, options)
        each = found["cpu"] / count * 1e6
        first = each if first is None else first
        megabytes = [f"{found[name] / MEGABYTE:,.0f}" for name in ("beyond", "output")]
        print(
            f"| {count:,} | {found['seconds']:.1f} | {each:.0f} | {each / first:.2f} | {' | '.join(megabytes)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
