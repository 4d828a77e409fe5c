"""The cost of a batch when something goes wrong: billed calls, lost rows, lost types; ours and others.

    python benchmarks/extract_harness.py [--peers FOLDER] [--quick] [--kills 1] [--only NAME ...]

A server on the loopback interface answers after 100 ms and counts requests. Each contender works in its own process and
its own environment, as in ``stream.py``, and is tested in the same way:

* 400 rows, killed with SIGKILL when half of them were answered, and run again: the rows paid for twice;
* the same again, and with two new rows: the calls;
* 40 equal texts: the calls, and the rows that come back right;
* a request among 400 that the server refuses with status 400: the rows that are left;
* an index with a repeated label: whether each row is in its place;
* the types of an optional field and of one with two values;
* CPU time and additional waiting per row, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
from extract_contenders import AT_ONCE, CONTENDERS, FIELDS

ROWS, SECONDS = 400, 0.1
BAD = 7  # the number of the refused row
LIMIT_SECONDS = 300.0
_ROW = re.compile(r"row (\d+)( \(bad\))?")


# -- the server ----------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers like OpenAI about the row in a request.

    Attributes:
        calls: the number of requests for each row.
        answered: the number of answered requests.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: collections.Counter[int] = collections.Counter()
        self.answered = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def forget(self) -> None:
        """Reset the counts."""
        self.calls.clear()
        self.answered = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of connections: clients are killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = body["messages"][-1]["content"]
        found = _ROW.findall(said if isinstance(said, str) else json.dumps(said))
        number = int(found[-1][0])
        with self.server.lock:
            self.server.calls[number] += 1
        time.sleep(SECONDS)
        status, answer = (400, REFUSED) if found[-1][1] else (200, completion(body, number))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        with self.server.lock:
            self.server.answered += 1

    def log_message(self, *args: Any) -> None:
        pass


REFUSED = {"error": {"message": "no such row", "type": "invalid_request_error", "code": None, "param": None}}


def truth(number: int) -> dict[str, Any]:
    """Return the right values of a row."""
    age = None if number % 5 == 0 else number
    return {"name": f"row {number}", "age": age, "kind": "child" if number < 18 else "adult"}


def completion(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the answer as a call if one is asked for, else as text."""
    text = json.dumps(truth(number))
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    reason = "stop"
    if body.get("tools"):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": text}
        message = {"role": "assistant", "content": None, "refusal": None}
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
        reason = "tool_calls"
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {"prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80},
    }


# -- one contender's process ---------------------------------------------------------------------------------------


def work(name: str, url: str, folder: Path) -> None:
    """Read a table from stdin, run the contender, print its result."""
    given = json.load(sys.stdin)
    data = pd.DataFrame({"text": given["texts"]}, index=given["index"])
    began, used = time.perf_counter(), time.process_time()
    report: dict[str, Any] = {}
    try:
        frame = CONTENDERS[name][2](data, url, folder)
        report = told(frame)
    except Exception as error:
        report = {"raised": f"{type(error).__name__}: {error}"}
    report |= {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    report["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps(report), flush=True)


def told(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a result as plain values."""
    cells = {}
    for field in FIELDS:
        column = frame[field] if field in frame else pd.Series([None] * len(frame))
        cells[field] = [None if pd.isna(cell) else getattr(cell, "item", lambda cell=cell: cell)() for cell in column]
    return {
        "index": frame.index.tolist(),
        "rows": [dict(zip(FIELDS, row, strict=True)) for row in zip(*cells.values(), strict=True)],
        "dtypes": {field: str(frame[field].dtype) for field in FIELDS if field in frame},
    }


class Contender:
    """A running contender."""

    def __init__(self, name: str, python: str, server: Server, log: Any) -> None:
        self.name, self.python, self.server, self.log = name, python, server, log

    def start(self, numbers: list[int], folder: Path, *, index: list[int] | None = None, bad: int | None = None) -> Any:
        """Start its process for these rows."""
        texts = [f"row {number}{' (bad)' if number == bad else ''}" for number in numbers]
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        root = str(Path(__file__).parents[1])
        process = subprocess.Popen(
            [self.python, __file__, "--work", self.name, self.server.url, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=folder,
            env=clean | {"PYTHONPATH": root, "PYTHONWARNINGS": "ignore"},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"texts": texts, "index": index or list(range(len(numbers)))}))
        process.stdin.close()
        return process

    def run(self, numbers: list[int], folder: Path, **options: Any) -> dict[str, Any]:
        """Run it to its end; return its report."""
        process = self.start(numbers, folder, **options)
        timer = threading.Timer(LIMIT_SECONDS, process.kill)
        timer.start()
        said = process.stdout.read().strip().splitlines()
        timer.cancel()
        process.wait()
        try:
            report: dict[str, Any] = json.loads(said[-1])
        except (IndexError, ValueError):
            report = {"raised": "its process ended"}
        return report

    def kill_at_half(self, numbers: list[int], folder: Path) -> None:
        """Run it until half of the rows are answered, then kill it."""
        process = self.start(numbers, folder)
        end = time.monotonic() + LIMIT_SECONDS
        while self.server.answered < len(numbers) // 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        process.kill()
        process.wait()
        process.stdout.close()
        time.sleep(2 * SECONDS)  # requests in flight count too


# -- the tests -----------------------------------------------------------------------------------------------------


def judge(contender: Contender, kills: int) -> dict[str, str]:
    """Run all tests of a contender."""
    server, numbers = contender.server, list(range(ROWS))
    cells: dict[str, str] = {}
    billed, right = [], ROWS
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as folder:
            server.forget()
            contender.kill_at_half(numbers, Path(folder))
            last = contender.run(numbers, Path(folder))
            billed.append(sum(server.calls.values()) - ROWS)
            right = min(right, correct(last, numbers))
            for name, more in (("the same again", []), ("two new rows", [ROWS, ROWS + 1])):
                server.forget()
                contender.run(numbers + more, Path(folder))
                cells[name] = str(sum(server.calls.values()))
    cells["billed twice after a kill"] = " / ".join(map(str, billed)) + (
        "" if right == ROWS else f"; {right} rows right"
    )
    with tempfile.TemporaryDirectory() as folder:
        server.forget()
        whole = contender.run(numbers, Path(folder))
        cells |= measured(whole)
    with tempfile.TemporaryDirectory() as folder:
        server.forget()
        equal = contender.run([3] * 40, Path(folder))
        cells["40 equal texts"] = f"{counted(server, 'call')}, {outcome(equal, [3] * 40)}"
    with tempfile.TemporaryDirectory() as folder:
        server.forget()
        cells["one refused of 400"] = outcome(contender.run(numbers, Path(folder), bad=BAD), numbers)
    with tempfile.TemporaryDirectory() as folder:
        cells["index 7, 7, 8"] = indexed(contender.run([1, 2, 3], Path(folder), index=[7, 7, 8]))
    return cells


def correct(report: dict[str, Any], numbers: list[int]) -> int:
    """Return the number of rows that are right and in their place."""
    rows = report.get("rows", [])
    return sum(row == truth(number) for row, number in zip(rows, numbers, strict=False))


def outcome(report: dict[str, Any], numbers: list[int]) -> str:
    """Return the right rows of all rows, as text."""
    if "raised" in report:
        return f"raises {report['raised'].partition(':')[0]}"
    there = len(report["rows"])
    return f"{correct(report, numbers)} of {there} rows right"


def indexed(report: dict[str, Any]) -> str:
    """Return whether a table with a repeated label is intact."""
    if "raised" in report:
        return f"raises {report['raised'].partition(':')[0]}"
    if report["index"] != [7, 7, 8]:
        return f"index is {', '.join(map(str, report['index']))}"
    return "exact" if correct(report, [1, 2, 3]) == 3 else "wrong values"


def measured(report: dict[str, Any]) -> dict[str, str]:
    """Return types, times and memory of a run without faults."""
    if "raised" in report:
        return {}
    waiting = report["seconds"] - ROWS * SECONDS / AT_ONCE
    return {
        "`int or None`": report["dtypes"].get("age", "–"),
        "`Literal`": report["dtypes"].get("kind", "–"),
        "ms waiting a row": f"{waiting / ROWS * 1e3:.1f}",
        "ms CPU a row": f"{report['cpu'] / ROWS * 1e3:.1f}",
        "MB": f"{report['megabytes']:.0f}",
    }


def counted(server: Server, what: str) -> str:
    """Return a number of calls as text."""
    count = sum(server.calls.values())
    return f"{count} {what}{'' if count == 1 else 's'}"


COLUMNS = [
    *("billed twice after a kill", "the same again", "two new rows", "40 equal texts", "one refused of 400"),
    *("index 7, 7, 8", "`int or None`", "`Literal`", "ms waiting a row", "ms CPU a row", "MB"),
]


def table(results: dict[str, dict[str, str]]) -> str:
    """Return a Markdown table with one line per contender."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(cells.get(column, "–") for column in COLUMNS) + " |"
        for name, cells in results.items()
    ]
    return "\n".join(lines)


def versions(name: str, python: str) -> str:
    """Return the versions of a contender's packages."""
    packages = [re.split(r"[\[=<]", package)[0] for package in CONTENDERS[name][1][:1]] or ["msgflux-nb"]
    code = f"from importlib.metadata import version; print(*[p + ' ' + version(p) for p in {packages!r}], sep=', ')"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or ", ".join(packages)


def main() -> None:
    """Run all contenders and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", nargs=3, metavar=("NAME", "URL", "FOLDER"), help=argparse.SUPPRESS)
    options.add_argument("--peers", type=Path, help="where the peers' environments stay")
    options.add_argument("--quick", action="store_true", help="make and refresh no environments; use those there are")
    options.add_argument("--kills", type=int, default=1, help="how often each is killed")
    options.add_argument("--only", nargs="*", help="parts of the names of those that are run")
    chosen = options.parse_args()
    if chosen.work:
        work(chosen.work[0], chosen.work[1], Path(chosen.work[2]))
        return
    from stream import load, machine, peer_folder, peer_python

    server, results, known, before = Server(), {}, [], load()
    with tempfile.TemporaryFile("w+") as log:
        for name, (environment, packages, _) in CONTENDERS.items():
            if chosen.only and not any(part in name for part in chosen.only):
                continue
            folder = chosen.peers or peer_folder()
            python = sys.executable
            if environment != "ours":
                python = peer_python(folder, environment, {environment: packages}, quick=chosen.quick) or ""
            if not python:
                continue
            results[name] = judge(Contender(name, python, server, log), chosen.kills)
            known.append(versions(name, python))
            print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    print(f"{datetime.date.today()}, {machine()}, load {before} before and {load()} after.")
    print(f"{ROWS} rows, {SECONDS * 1e3:.0f} ms each, {AT_ONCE} at once. {'; '.join(known)}.\n")
    print(table(results))


if __name__ == "__main__":
    main()
