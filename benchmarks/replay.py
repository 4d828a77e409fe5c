"""CPU time to read a stream of 5,000 pieces live, recorded, and replayed at infinite speed; and a replay's timing.

    python benchmarks/replay.py [--runs 5] [--pieces 5000]

The answer comes piece by piece from a server on the loopback interface in another process, whose time does not count.
It measures user and system time of this process. The goal: a replay takes less than twice the time of a live stream,
and at speed 1.0 the gaps between pieces differ from the recorded ones by less than 20 ms (median).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgflux_nb as mf
from msgflux_nb.storage.recordings.recording import Recording

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _serve(pipe: Any, pieces: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                slow = b"slowly" in await reader.readexactly(size)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                for number in range(100 if slow else pieces):
                    choice = {"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None}
                    _piece(writer, b"data: " + json.dumps({"id": "a", "choices": [choice]}).encode() + b"\n\n")
                    await writer.drain()
                    await asyncio.sleep(0.02 if slow else 0)
                end = {"index": 0, "delta": {}, "finish_reason": "stop"}
                _piece(writer, b"data: " + json.dumps({"id": "a", "choices": [end]}).encode() + b"\n\n")
                _piece(writer, b"data: [DONE]\n\n")
                writer.write(b"0\r\n\r\n")
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _piece(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def serve(pipe: Any, pieces: int) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(pipe, pieces))


def read(url: str, mode: str, question: str = "Go") -> tuple[float, int]:
    """Return the CPU seconds to read an answer, and the number of its pieces."""
    model = mf.Model.chat_completion("scripted", base_url=url)
    count = 0

    async def run() -> None:
        nonlocal count
        async for _ in await model.acall(question, stream=True):
            count += 1

    began = time.process_time()
    if mode == "async":
        asyncio.run(run())
    else:
        for _ in model(question, stream=True):
            count += 1
    return time.process_time() - began, count


def rhythm(url: str, path: Path) -> float:
    """Return the median difference between the gaps of a replay and the recorded ones, in milliseconds."""
    with mf.record(path):
        read(url, "sync", "slowly")
    chunks = Recording(path).exchanges[0].chunks
    recorded = [later[0] - sooner[0] for sooner, later in itertools.pairwise(chunks)]
    model = mf.Model.chat_completion("scripted", base_url=url)
    with mf.replay(path):
        came = [time.monotonic() for _ in model("slowly", stream=True)]
    replayed = [1000 * (later - sooner) for sooner, later in itertools.pairwise(came)]
    return statistics.median(abs(one - other) for one, other in zip(recorded, replayed, strict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pieces", type=int, default=5000)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, arguments.pieces), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    print(f"{arguments.pieces:,} pieces, median of {arguments.runs} runs, {os.cpu_count()} cores")
    print("| driver | live | while recording | replayed | replayed / live |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.jsonl"
        for mode in ("sync", "async"):
            times: dict[str, list[float]] = {"live": [], "record": [], "replay": []}
            for _ in range(arguments.runs):
                seconds, live = read(url, mode)
                times["live"].append(seconds)
                with mf.record(path):
                    times["record"].append(read(url, mode)[0])
                with mf.replay(path, speed=math.inf):
                    seconds, again = read(url, mode)
                times["replay"].append(seconds)
                assert live == again == arguments.pieces, (live, again)
            live_ms, record_ms, replay_ms = (1000 * statistics.median(found) for found in times.values())
            ratio = replay_ms / live_ms
            print(f"| {mode} | {live_ms:.0f} ms | {record_ms:.0f} ms | {replay_ms:.0f} ms | {ratio:.2f} |")
        print(f"gaps of a replay at speed 1.0 are {rhythm(url, path):.1f} ms (median) from what they were")
    server.terminate()


if __name__ == "__main__":
    main()
