"""Servers that mean harm, with ``timeout=2``: how long each keeps a call, and how much memory it makes it take.

    python benchmarks/hostile.py [KIND ...]

Each kind is met by every driver, in a process of its own: sync and async, whole and streamed, and in a batch. The
kinds are those of `tests/http/test_hostile.py`, and more of them here. Printed is the worst of the drivers.
"""

from __future__ import annotations

import datetime
import functools
import gzip
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import brotli
from backports import zstd
from stream import load, machine

from tests.http.test_hostile import BLOCK, CHUNKED, KINDS, OK, after_a_request, called
from tests.scripted import Peer, listening

LIMIT_SECONDS, LONGEST_SECONDS, MOST_MB = 2.0, 2.5, 300
ZEROS = bytes(1 << 22)


def coded(coding: bytes, make: Callable[[], bytes]) -> Callable[[Peer], None]:
    """A body in some coding, made once."""

    def talk(peer: Peer) -> None:
        body = _made(make)
        peer.read_request()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        peer.send(head % (coding, len(body)) + body)

    talk.made = make  # type: ignore[attr-defined]
    return talk


_made = functools.cache(lambda make: make())


def packed(packer: Any, last: Callable[[], bytes]) -> bytes:
    """More zeros than an answer may hold."""
    pack = getattr(packer, "process", None) or packer.compress
    return b"".join(pack(ZEROS) for _ in range(80)) + last()


def brotli_bomb() -> bytes:
    """In Brotli."""
    packer = brotli.Compressor(quality=1)
    return packed(packer, packer.finish)


def zstandard_bomb() -> bytes:
    """In Zstandard."""
    packer = zstd.ZstdCompressor()
    return packed(packer, packer.flush)


def deflate_bomb() -> bytes:
    """In deflate."""
    packer = zlib.compressobj(9)
    return packed(packer, packer.flush)


def nested() -> bytes:
    """Thirty times in gzip."""
    body = b"{}"
    for _ in range(30):
        body = gzip.compress(body)
    return body


def event(delta: str) -> bytes:
    """An event, eight hundred times."""
    return b'data: {"choices":[{"index":0,"delta":{%b}}]}\n\n' % delta.encode() * 800


MORE = {
    "a bomb of Brotli": coded(b"br", brotli_bomb),
    "a bomb of Zstandard": coded(b"zstd", zstandard_bomb),
    "a bomb of deflate": coded(b"deflate", deflate_bomb),
    "thirty codings": coded(b", ".join([b"gzip"] * 30), nested),
    "empty parts of gzip without end": after_a_request(
        OK + b"Content-Encoding: gzip\r\n\r\n", then=gzip.compress(b"") * 3_000
    ),
    "a length that is not reached": after_a_request(
        OK + b"Content-Length: 99999999999\r\n\r\n{", then=b" ", every=0.02
    ),
    "a length that is passed": after_a_request(OK + b"Content-Length: 5\r\n\r\n", then=BLOCK),
    "two lengths": after_a_request(OK + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n", then=BLOCK),
    "a length of 50,000 digits": after_a_request(OK + b"Content-Length: " + b"9" * 50_000 + b"\r\n\r\n", then=BLOCK),
    "a chunk of four gigabytes": after_a_request(CHUNKED + b"ffffffff\r\n", then=BLOCK),
    "a chunk's size of 60,000 digits": after_a_request(CHUNKED + b"f" * 60_000 + b"\r\n", then=BLOCK),
    "blank lines without end": after_a_request(OK + b"\r\n", then=b"\n" * 65_536),
    "zeros without end": after_a_request(OK + b"\r\n", then=bytes(65_536)),
    "empty deltas without end": after_a_request(OK + b"\r\n", then=event('"content":""')),
    "letters without end": after_a_request(OK + b"\r\n", then=event('"content":"a"')),
    "reasoning without end": after_a_request(OK + b"\r\n", then=event('"reasoning_content":"aaaaaaaaaa"')),
    "arguments without end": after_a_request(
        OK + b"\r\n", then=event('"tool_calls":[{"index":0,"function":{"name":"f","arguments":"[[[["}}]')
    ),
    "brackets without end": after_a_request(OK + b"\r\n", then=b"[" * 65_536),
    "a folded header without end": after_a_request(OK + b"X: a\r\n", then=b" y\r\n" * 8_000),
    "another protocol without end": after_a_request(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", then=BLOCK),
    "silence": lambda peer: peer.wait_for_close(30),
}


def main() -> None:
    """Run and print."""
    kinds = {**KINDS, **MORE}
    wanted = sys.argv[1:] or list(kinds)
    print(f"{datetime.date.today()}, {machine()}, load {load()} before.\n")
    print("| what the server does | longest call, s | CPU of that call, s | most memory, MB | held |")
    print("|---|--:|--:|--:|---|")
    for name in wanted:
        if hasattr(kinds[name], "made"):
            _made(kinds[name].made)  # or the server would be late
        with listening(kinds[name]) as server:
            calls = called(server.url, limit=LIMIT_SECONDS)
        slowest, most = max(calls, key=lambda call: call.seconds), max(call.megabytes for call in calls)
        held = slowest.seconds <= LONGEST_SECONDS and most <= MOST_MB and all(call.said != "nothing" for call in calls)
        told = "yes" if held else f"no: {[call[:4] for call in calls]}"
        print(f"| {name} | {slowest.seconds:.2f} | {slowest.cpu:.2f} | {max(0, most)} | {told} |", flush=True)
    print(f"\nload {load()} after.")


if __name__ == "__main__":
    main()
