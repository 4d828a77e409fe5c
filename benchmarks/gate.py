"""A batch whose provider refuses requests, compared with the ideal: the present gate and the old one.

    python benchmarks/gate.py [--runs 3] [--rows 1500] [--quick]

It prints two tables. The first is simulated: servers in virtual time, 64 requests in flight, the median of the runs.
The second is real: `mf.extract` asks a server on the loopback interface, in another process. *Times* is the time of the
batch divided by that of an ideal client, which knows the limit, is never refused and needs no time itself; *refused* is
the number of refused requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import multiprocessing
import random
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from gate_before import Gate as Before
from stream import load, machine

import msgflux_nb as mf
from msgflux_nb.tables import run as run_module
from msgflux_nb.tables import turns
from msgflux_nb.tables.gate import Gate
from msgflux_nb.tables.gate_rule import row_wait
from tests.tables.gate_servers import Server, simulate

AT_ONCE, START = 64, 16
SHARES = (0, 0.005, 0.01, 0.02, 0.03, 0.06)
LATENCIES = (0.1, 1.0, 10.0)
GOALS = {0.03: 1.5, 0.06: 2.5}


class Case(msgspec.Struct, frozen=True):
    """One line of a table.

    Attributes:
        name: the behaviour of the server.
        server: the server's arguments.
        ideal: returns the seconds of an ideal client for a number of rows.
        rows: a factor of the number of rows.
        goal: the maximum factor of the ideal time; None for no worse than the old gate.
    """

    name: str
    server: dict[str, Any]
    ideal: Any
    rows: int = 1
    goal: float | None = None


def cases() -> list[Case]:
    """Return the cases."""
    found = [
        Case(
            f"{100 * share:g} % refused by chance, answers take {seconds:g} s",
            {"seconds": seconds, "share": share},
            lambda rows, seconds=seconds: rows * seconds / AT_ONCE,
            goal=GOALS.get(share),
        )
        for seconds in LATENCIES
        for share in SHARES
    ]
    for asked in (None, 1.0):
        also = "" if asked is None else ", `Retry-After: 1`"
        found += [
            Case(
                f"3 % refused by chance{also}" if asked else "3 % refused by chance, refusals take as long as answers",
                {"seconds": 0.1, "share": 0.03, "retry_after": asked, "refusal_seconds": 0.005 if asked else 0.1},
                lambda rows: rows * 0.1 / AT_ONCE,
            ),
            Case(
                f"everything refused from 1 s to 4 s{also}",
                {"seconds": 0.1, "storms": [(1, 4)], "retry_after": asked},
                lambda rows: rows * 0.1 / AT_ONCE + 3,
                rows=4,
            ),
            Case(
                f"10 at once{also}",
                {"seconds": 0.1, "room": 10, "retry_after": asked},
                lambda rows: rows * 0.1 / 10,
            ),
            Case(
                f"500 a minute, reset each minute{', `Retry-After` says when' if asked else ''}",
                {"seconds": 0.1, "a_minute": 500, "retry_after": "window" if asked else None},
                lambda rows: (rows - 1) // 500 * 60 + 500 * 0.1 / AT_ONCE,
            ),
        ]
    found += [
        Case(
            "500 a minute, a bucket of 10",
            {"seconds": 0.1, "bucket": (10, 500 / 60)},
            lambda rows: (rows - 10) * 60 / 500,
        ),
        Case(
            "three storms of 2 s",
            {"seconds": 0.1, "storms": [(1, 3), (5, 7), (9, 11)]},
            lambda rows: rows * 0.1 / AT_ONCE + 6,
            rows=4,
        ),
        Case(
            "10 at once, and 3 % refused by chance",
            {"seconds": 0.1, "room": 10, "share": 0.03},
            lambda rows: rows * 0.1 / 10,
        ),
        Case("five of the first rows hang", {"seconds": 0.1, "hanging": [5, 6, 7, 8, 9]}, lambda rows: rows * 0.1 / 64),
    ]
    return found


def server_of(arguments: dict[str, Any]) -> Server:
    """Return a server from plain arguments."""
    room = arguments.get("room")
    return Server(**arguments | ({} if room is None else {"room": lambda _: room}))


def wait_before(refusals: int, wish: float | None, usual: float | None, chance: float) -> float:
    """Return the wait of a refused row with the old gate."""
    return 0.0 if wish is not None else float(min(0.5 * 2**refusals, 8.0) * (1 - 0.5 * chance))


def simulated(case: Case, rows: int, runs: int, *, before: bool) -> tuple[float, int]:
    """Return the factor of the ideal time and the number of refused requests, as the median of the runs."""
    found = []
    for seed in range(runs):
        server, chance = server_of(case.server), random.Random(seed).random
        server.chance.seed(seed)
        gate = (Before if before else Gate)(start=START, most=AT_ONCE, chance=chance)
        wait = wait_before if before else row_wait
        ended = simulate(gate, server, rows=rows * case.rows, at_once=AT_ONCE, wait=wait)
        found.append((ended.seconds / case.ideal(rows * case.rows), ended.refused))
    return statistics.median(times for times, _ in found), int(statistics.median(refused for _, refused in found))


# -- the real one ------------------------------------------------------------------------------------------------------


class City(msgspec.Struct):
    """The schema of the answers."""

    name: str
    people: int


class Endpoint:
    """The server's process, as a context manager; the model's name selects its behaviour."""

    def __enter__(self) -> Endpoint:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self.refused = multiprocessing.Value("i", 0)
        self._process = multiprocessing.Process(target=_serve, args=(listener, self.refused), daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(listener: socket.socket, refused: Any) -> None:
    known: dict[str, tuple[Server, float]] = {}
    answer = json.dumps({"name": "Ghent", "people": 265086})
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 80, "completion_tokens": 25, "total_tokens": 105}
    good = _message("200 OK", {"id": "a", "model": "m", "choices": [choice], "usage": usage})

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                name = json.loads(await reader.readexactly(length))["model"]
                if name not in known:
                    known[name] = server_of(json.loads(name)["server"]), now()
                    refused.value = 0
                server, began = known[name]
                answered, wish = await server.ask(now() - began)
                refused.value += not answered
                headers = "" if wish is None else f"Retry-After: {wish:.3f}\r\n"
                error = {"error": {"message": "Too many requests.", "type": "rate_limit_error"}}
                writer.write(good if answered else _message("429 Too Many Requests", error, headers))
        writer.close()

    async def main() -> None:
        await (await asyncio.start_server(connected, sock=listener)).serve_forever()

    asyncio.run(main())


def _message(status: str, body: Any, headers: str = "") -> bytes:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """Replace the present gate by the old one."""
    gate = Before(start=1)
    with mock.patch.object(run_module, "gate_of", return_value=gate), mock.patch.object(turns, "row_wait", wait_before):
        yield


def real(case: Case, rows: int, url: str, refused: Any, *, before: bool) -> tuple[float, int]:
    """Ask the server and return the same two numbers."""
    name = json.dumps({"before": before, "server": case.server, "at": time.time()})
    model = mf.Model.chat_completion(name, base_url=url, api_key="none", timeout=mf.Timeout(total=30))
    texts = [f"Row {number} of many." for number in range(rows * case.rows)]
    with as_before() if before else contextlib.nullcontext():
        began = time.perf_counter()
        frame = mf.extract(texts, City, model=model, max_concurrency=AT_ONCE, store=False, progress=False)
        seconds = time.perf_counter() - began
    if set(frame["_status"]) != {"ok"}:
        raise ValueError(f"expected ok, got {frame['_status'].value_counts().to_dict()}")
    return seconds / case.ideal(rows * case.rows), refused.value


# -- the tables --------------------------------------------------------------------------------------------------------


def line(case: Case, before: tuple[float, int], after: tuple[float, int]) -> str:
    """One line of a table."""
    goal = "–"
    if case.goal is not None:
        goal = f"{case.goal:g} {'reached' if after[0] <= case.goal else 'missed'}"
    return f"| {case.name} | {before[0]:.2f} | {after[0]:.2f} | {goal} | {before[1]:,} | {after[1]:,} |"


HEAD = """
| {} | times the ideal, before | now | goal | refused, before | now |
|---|--:|--:|---|--:|--:|"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--quick", action="store_true", help="the simulation only")
    options = parser.parse_args()
    before, rows = load(), options.rows
    print(f"{datetime.date.today()}, {machine()}, load {before} before. {rows:,} rows, {AT_ONCE} in flight.")
    print(HEAD.format("simulated"))
    for case in cases():
        found = [simulated(case, rows, options.runs, before=old) for old in (True, False)]
        print(line(case, *found), flush=True)
    if options.quick:
        return
    print(HEAD.format("`mf.extract` over HTTP"))
    wanted = [case for case in cases() if case.server["seconds"] == 0.1 and "a_minute" not in case.server]
    with Endpoint() as server:
        for case in wanted:
            if "hanging" in case.server or "bucket" in case.server:
                continue
            pair = [real(case, rows, server.url, server.refused, before=old) for old in (True, False)]
            print(line(case, *pair), flush=True)


if __name__ == "__main__":
    main()
