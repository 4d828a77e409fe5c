"""Hostile servers: with ``timeout=2`` none keeps a call longer than 2.5 s, or makes it take 300 MB of memory.

Every driver calls each server (sync and async, whole and streamed, and in a batch), in a separate process whose memory
is measured. One process has imported everything and forks the others. The limit is shorter here and the tolerance
larger, since machines that run tests are busy; ``benchmarks/hostile.py`` measures the promise.
"""

from __future__ import annotations

import gzip
import itertools
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.scripted import Peer, listening
from tests.thorough import few

LIMIT_SECONDS, LONGEST_SECONDS, MOST_MB = 0.6, 10.0, 300
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BLOCK = b"x" * 65_536


def for_ever(peer: Peer, data: bytes, *, every: float = 0.0) -> None:
    """Send the same bytes again and again, until the client has left."""
    while not (peer.wait_for_close(every) if every else peer.left.is_set()):
        peer.line.sendall(data)


def after_a_request(*pieces: bytes, then: bytes, every: float = 0.0) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        for_ever(peer, then, every=every)

    return talk


def gzipped(data: bytes, *, times: int = 1) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, 9)
    return data


def bomb(*, status: int = 200, twice: bool = False) -> Callable[[Peer], None]:
    """A body of some kilobytes that holds gigabytes."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)  # so that it may be repeated
    packed = b"\x1f\x8b\x08" + bytes(7) + 64 * piece + b"\3\0" + struct.pack("<II", 0x5B64C2B0, 1 << 30)
    body = gzipped(packed) if twice else packed
    coding = b"gzip, gzip" if twice else b"gzip"
    head = b"HTTP/1.1 %d OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (status, coding, len(body))
    return lambda peer: peer.read_request() and peer.send(head + body)  # type: ignore[func-returns-value]  # read, then answer


def extensions(peer: Peer) -> None:
    peer.read_request()
    peer.send(CHUNKED + b"1;")
    for_ever(peer, BLOCK)


def slow_extensions(peer: Peer) -> None:
    peer.read_request()
    peer.send(CHUNKED + b"1;")
    for_ever(peer, b"a", every=0.02)


def redirect(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(b"HTTP/1.1 307 Go\r\nLocation: /v1/chat/completions\r\nContent-Length: 0\r\n\r\n")


EVENT = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 50_000}}]}).encode() + b"\n\n"
KINDS: dict[str, Callable[[Peer], None]] = {
    "a head that drips": after_a_request(b"HTTP/1.1 200 O", then=b"K", every=0.02),
    "headers that drip": after_a_request(OK, then=b"X: y\r\n", every=0.02),
    "a header that drips": after_a_request(OK + b"X: ", then=b"y", every=0.02),
    "a head without end": after_a_request(OK, then=b"X: y\r\n" * 4_000),
    "a header without end": after_a_request(OK + b"X: ", then=BLOCK),
    "a status line without end": after_a_request(b"HTTP/1.1 200 ", then=BLOCK),
    "1xx without end": after_a_request(then=b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    "early hints without end": after_a_request(then=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2_000),
    "1xx that drip": after_a_request(then=b"HTTP/1.1 100 Continue\r\n\r\n", every=0.02),
    "trailers without end": after_a_request(CHUNKED + b"1\r\nx\r\n0\r\n", then=b"X: y\r\n" * 4_000),
    "trailers that drip": after_a_request(CHUNKED + b"1\r\nx\r\n0\r\n", then=b"X: y\r\n", every=0.02),
    "a trailer without end": after_a_request(CHUNKED + b"0\r\nX: ", then=BLOCK),
    "an extension without end": extensions,
    "an extension that drips": slow_extensions,
    "a body without end": after_a_request(OK + b"\r\n", then=BLOCK),
    "chunks without end": after_a_request(CHUNKED, then=b"10000\r\n" + BLOCK + b"\r\n"),
    "small chunks without end": after_a_request(CHUNKED, then=b"1\r\n \r\n" * 10_000),
    "white space that drips": after_a_request(CHUNKED, then=b"1\r\n \r\n", every=0.02),
    "an event without end": after_a_request(OK + b"\r\ndata: ", then=BLOCK),
    "lines of one event without end": after_a_request(OK + b"\r\n", then=b"data: x\n" * 8_000),
    "content without end": after_a_request(OK + b"\r\n", then=EVENT),
    "comments without end": after_a_request(OK + b"\r\n", then=b": ping\n\n" * 8_000),
    "an error without end": after_a_request(b"HTTP/1.1 400 No\r\n\r\n", then=BLOCK),
    "an error that drips": after_a_request(b"HTTP/1.1 400 No\r\n\r\n", then=b"x", every=0.02),
    "a bomb": bomb(),
    "a bomb coded twice": bomb(twice=True),
    "a bomb as an error": bomb(status=500, twice=True),
    "redirects without end": redirect,
}

CALLER = """
import asyncio, os, signal, sys, threading, time, traceback
import msgspec, pandas, aiohttp, http.client, httpx
import msgflux_nb as mf
import msgflux_nb.http.whole

class Person(msgspec.Struct):
    name: str

def memory():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) // 1024

mf.extract

def calls_of(url):
    options = {"max_retries": 0, "profile": {"reasks": 0}}
    model = mf.Model.chat_completion("m", base_url=url, timeout=float(sys.argv[1]), **options)

    async def asked(**keywords):
        response = await model.acall("Hi", **keywords)
        return await response.consume() if keywords else response.consume()

    calls = {
        "sync": lambda: model("Hi").consume(),
        "sync stream": lambda: model("Hi", stream=True).consume(),
        "async": lambda: asyncio.run(asked()),
        "async stream": lambda: asyncio.run(asked(stream=True)),
        "batch": lambda: mf.extract(["a"], Person, model=model, store=False, progress=False, on_error="raise"),
    }
    peak, over = [0], threading.Event()

    def watch():
        while not over.wait(0.01):
            peak[0] = max(peak[0], memory())

    threading.Thread(target=watch, daemon=True).start()
    for driver, call in calls.items():
        peak[0] = before = memory()
        began, cpu = time.monotonic(), time.process_time()
        try:
            call()
            said = "nothing"
        except mf.MsgfluxError as error:
            said = f"{type(error).__name__}: {error}"
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        print(driver, round(took, 2), round(cpu, 2), max(peak[0], memory()) - before, said[:300], sep="|", flush=True)
    over.set()

for line in sys.stdin:
    child = os.fork()
    if not child:
        signal.alarm(120)  # which ends it
        try:
            calls_of(line.strip())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


class Call(NamedTuple):
    """The time and the memory of one driver's call."""

    driver: str
    seconds: float
    cpu: float
    megabytes: int
    said: str


@contextmanager
def calling(limit: float) -> Iterator[Callable[[str], list[Call]]]:
    """Yield a function that calls a server with each driver, in a separate process for each server."""
    command = [sys.executable, "-c", CALLER, str(limit)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, said = process.stdin, process.stdout

        def called(url: str) -> list[Call]:
            told.write(f"{url}\n")
            told.flush()
            lines = itertools.takewhile(lambda line: line != "over\n", said)
            rows = [line.rstrip("\n").split("|", 4) for line in lines if line.count("|") >= 4]
            assert len(rows) == 5, "the process has printed why"
            return [Call(driver, float(took), float(cpu), int(size), words) for driver, took, cpu, size, words in rows]

        yield called


@pytest.fixture(scope="module")
def called() -> Iterator[Callable[[str], list[Call]]]:
    with calling(LIMIT_SECONDS) as function:
        yield function


@pytest.mark.parametrize("kind", few(KINDS, 12))
def test_no_server_keeps_a_call_or_fills_the_memory(called: Callable[[str], list[Call]], kind: str) -> None:
    for _ in range(3):  # a machine that is busy with other things may be late once or twice
        with listening(KINDS[kind]) as server:
            found = called(server.url)
        if all(call.seconds < LONGEST_SECONDS for call in found):
            break
    for call in found:
        assert call.seconds < LONGEST_SECONDS, call
        assert call.megabytes < MOST_MB, call
        assert call.said != "nothing", call
